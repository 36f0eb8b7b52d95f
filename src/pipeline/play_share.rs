//! A worker's share of a run: played from the common start on, and recorded.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use tokio::sync::{oneshot, watch};
use tokio::time::MissedTickBehavior;

use crate::cluster::{Order, Part};
use crate::load::{self, CommonStart, Job, Played, RunClock};
use crate::results::RecordWriter;
use crate::schema::files::{EngineFigures, RecordsHeader};
use crate::schema::live::LiveCounters;
use crate::schema::workers::{Share, WorkerPart};

use super::cut_short::CutShort;
use super::live_figures::LiveFigures;
use super::measure::{monotonic_zero_ns, stem};
use super::orders::Orders;
use super::record::{Recorder, ReportedTokens};
use super::session::Session;
use super::watch_load::not_saved;

/// Between two words of what is counted.
const TELL_EACH: Duration = Duration::from_millis(500);

/// A share that was played; its records are still open.
pub struct PlayedShare {
    /// Its records.
    pub writer: RecordWriter,
    /// µs 0 of its run clock on this machine's clock, ns.
    pub zero_ns: i64,
    /// µs 0 of worker 0's run clock on worker 0's clock, ns; none where it never began.
    pub first_zero_ns: Option<i64>,
    /// What the load engine says of itself.
    pub figures: EngineFigures,
    /// Why it did not reach its end.
    pub cut: Option<String>,
    /// What the server told of tokens.
    pub reported: ReportedTokens,
}

/// Plays this worker's share and records it.
///
/// # Errors
/// The records cannot be written.
pub async fn play_share(
    session: &Session,
    orders: &mut Orders,
    part: Part,
    job: Job,
) -> anyhow::Result<PlayedShare> {
    let Part { run, header, of, .. } = part;
    let share = Share { of, ..orders.follower.share };
    let clock = RunClock::start();
    let zero_ns = monotonic_zero_ns(&clock);
    let header = RecordsHeader {
        environment: session.environment.clone(),
        monotonic_zero_ns: Some(zero_ns),
        worker: Some(WorkerPart { share, host: session.environment.hostname.clone() }),
        ..header
    };
    let zero_ns = zero_ns as i64;
    let directory = &session.plan.output.directory;
    let writer =
        RecordWriter::create_part(directory, &stem(&session.plan, &header.key), share.worker, &header)?;
    let live = Arc::new(LiveCounters::default());
    let (records, receiver) = std::sync::mpsc::channel();
    let figures = LiveFigures::new(live.clone());
    let recorder = Recorder::start(receiver, writer, figures.clone());
    let (begin, begun) = oneshot::channel::<u64>();
    let speaker = orders.speaker.clone();
    let start: CommonStart = Box::new(move || {
        Box::pin(async move {
            speaker.ready(run, zero_ns);
            begun.await.map_err(|_| anyhow!("worker 0 did not say when to begin"))
        })
    });
    let (stop, stopped) = watch::channel(false);
    let playing = load::play_part(job, load::Part { share, start }, clock, records, live, stopped);
    let speaker = orders.speaker.clone();
    let tell = || speaker.live(run, figures.snapshot().counts);
    let watched = {
        let watching = watch(orders, playing, (run, zero_ns, &clock), (begin, stop), recorder.broken());
        tokio::select! {
            watched = watching => watched,
            never = tell_each_moment(tell) => match never {},
        }
    };
    let (played, first_zero_ns, mut cut) = watched;
    let figures = match played {
        Ok(played) => played.figures,
        Err(error) => {
            cut.get_or_insert_with(|| format!("{error:#}"));
            EngineFigures::default()
        }
    };
    let (writer, reported) = recorder.join()?;
    tell();
    Ok(PlayedShare { writer, zero_ns, first_zero_ns, figures, cut, reported })
}

/// Lets worker 0, which shows the run while it goes, know what is counted.
async fn tell_each_moment(tell: impl Fn()) -> Infallible {
    let mut moments = tokio::time::interval(TELL_EACH);
    moments.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        moments.tick().await;
        tell();
    }
}

/// Hands the start on while a share is played, and stops it where anybody wants that: what was played, µs 0 of worker
/// 0's run clock on its clock in ns, and why it was cut short.
async fn watch(
    orders: &mut Orders,
    playing: impl Future<Output = anyhow::Result<Played>>,
    (run, zero_ns, clock): (u64, i64, &RunClock),
    (begin, stop): (oneshot::Sender<u64>, watch::Sender<bool>),
    mut broken: watch::Receiver<bool>,
) -> (anyhow::Result<Played>, Option<i64>, Option<String>) {
    let mut playing = std::pin::pin!(playing);
    let (mut cut, mut first_zero_ns, mut begin) = (None, None, Some(begin));
    loop {
        let order = tokio::select! {
            played = &mut playing => return (played, first_zero_ns, cut),
            order = orders.next_of_run() => order,
            () = not_saved(&mut broken), if cut.is_none() => {
                cut = Some(CutShort::NotSaved.reason());
                Some(Order::Stop)
            }
        };
        match order {
            Some(Order::Start { run: of_run, at_ns, zero_ns: first }) if of_run == run => {
                first_zero_ns = Some(first);
                match (start_us(at_ns - zero_ns, clock), begin.take()) {
                    (Some(start_us), Some(begin)) => drop(begin.send(start_us)),
                    (None, _) => cut = Some("the word of the start came after it".to_owned()),
                    (Some(_), None) => {}
                }
            }
            Some(Order::Stop) => {
                cut.get_or_insert_with(|| CutShort::Interrupted.reason());
            }
            Some(_) => {}
            None => {
                cut.get_or_insert_with(|| orders.lost());
            }
        }
        if cut.is_some() {
            begin = None;
            stop.send_replace(true);
        }
        if orders.ended.lost.is_some() {
            // No order comes any more; what is left is the end of the load.
            return (playing.await, first_zero_ns, cut);
        }
    }
}

/// The start on the run clock, µs; none where it is past.
fn start_us(since_zero_ns: i64, clock: &RunClock) -> Option<u64> {
    u64::try_from(since_zero_ns / 1_000).ok().filter(|start_us| *start_us > clock.now_us())
}
