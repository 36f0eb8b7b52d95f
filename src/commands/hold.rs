//! `--hold`: the process stays after its results are written. A container that has ended cannot be copied from.

use std::path::Path;
use std::time::Duration;

use tokio::sync::watch;

use crate::commands::interrupt;
use crate::progress::Progress;

/// Waits `hold_s`, or until somebody asks for the end: at once, where that was before.
pub async fn hold(hold_s: f64, results: &Path, progress: &Progress, mut shutdown: watch::Receiver<bool>) {
    let time = Duration::from_secs_f64(hold_s);
    if time.is_zero() {
        return;
    }
    interrupt::all_is_saved();
    progress.say(&format!("holding for {hold_s} s: the results are in {}", results.display()));
    tokio::select! {
        () = tokio::time::sleep(time) => {}
        // Where nobody listens any more, nobody can ask for it: the time alone ends it.
        asked = shutdown.wait_for(|asked| *asked) => {
            if asked.is_err() {
                tokio::time::sleep(time).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_hold_lasts_its_time_and_a_signal_ends_it_at_once() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (sender, shutdown) = watch::channel(false);
            let quiet = Progress::new(true, false);
            let begun = Instant::now();
            hold(0.05, Path::new("results"), &quiet, shutdown.clone()).await;
            assert!(begun.elapsed() >= Duration::from_millis(50), "{:?}", begun.elapsed());
            sender.send(true).unwrap();
            hold(600.0, Path::new("results"), &quiet, shutdown).await;
            assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
        });
    }
}
