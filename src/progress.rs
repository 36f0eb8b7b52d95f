//! All that is printed: results on stdout; talk on stderr, with a live line that is a bar on a terminal, a plain line
//! now and then elsewhere, nothing when quiet. What cannot be printed is lost, and nothing else is: a closed pipe, a
//! full disk or a terminal that is gone ends the printing, not the run.

mod held_terminal;

use std::io::{IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use held_terminal::HeldTerminal;

use crate::schema::live::LiveCounters;
use crate::schema::text::{plain, plain_lines};
use crate::secrets::{from_outside, hide_kept};

mod curtain;

use curtain::Stream;

/// How often a run tells of itself where there is no terminal.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);
/// The longest message that is written where there is no terminal to cut it.
const MOST_PLAIN_CHARACTERS: usize = 160;
/// How often the live line is drawn on a terminal.
const DRAW_INTERVAL: Duration = Duration::from_millis(200);

/// Talks on stderr; stdout is for results.
#[derive(Debug, Clone)]
pub struct Progress {
    quiet: bool,
    verbose: bool,
    terminal: bool,
    /// Live lines are shown; a picture shows what they would.
    live: bool,
}

/// The end of a load, for the bar.
#[derive(Debug, Clone, Copy)]
pub enum Goal {
    /// So many requests.
    Requests(u64),
    /// So many seconds.
    Seconds(f64),
}

impl Progress {
    /// Quiet says nothing; verbose says more.
    pub fn new(quiet: bool, verbose: bool) -> Self {
        Progress { quiet, verbose, terminal: std::io::stderr().is_terminal(), live: true }
    }

    /// Without live lines: something else shows what is under way.
    pub fn without_live_lines(self) -> Self {
        Progress { live: false, ..self }
    }

    /// One line, unless quiet.
    pub fn say(&self, line: &str) {
        if !self.quiet {
            write_line(line);
        }
    }

    /// One line, also when quiet: nobody could know it otherwise.
    pub fn tell(&self, line: &str) {
        write_line(line);
    }

    /// Something went wrong: said also when quiet.
    pub fn error(&self, text: &str) {
        write_line(text);
    }

    /// One line, only when verbose.
    pub fn detail(&self, line: &str) {
        if self.verbose && !self.quiet {
            write_line(line);
        }
    }

    /// A line that changes while something is under way.
    pub fn start(&self, head: &str) -> Activity {
        let bar = ProgressBar::with_draw_target(None, self.target());
        bar.set_style(style("{spinner} {prefix} {wide_msg}"));
        bar.set_prefix(plain(head).into_owned());
        if self.terminal && self.live {
            bar.enable_steady_tick(DRAW_INTERVAL);
        }
        Activity {
            bar,
            head: head.to_owned(),
            plain: self.live && !self.quiet && !self.terminal,
            said: Mutex::new((Instant::now(), String::new())),
        }
    }

    /// The live line of a load. `first_token_p50_ms` is asked when the line is drawn.
    pub fn load(
        &self,
        label: &str,
        goal: Goal,
        live: Arc<LiveCounters>,
        first_token_p50_ms: impl Fn() -> Option<f64> + Send + 'static,
    ) -> LoadLine {
        let bar = ProgressBar::with_draw_target(None, self.target());
        let length = match goal {
            Goal::Requests(requests) => requests,
            Goal::Seconds(seconds) => (seconds * 10.0) as u64,
        };
        bar.set_length(length.max(1));
        bar.set_style(style("  {prefix} [{bar:16}] {wide_msg}").progress_chars("=> "));
        bar.set_prefix(plain(label).into_owned());
        let (finish, finished) = std::sync::mpsc::channel();
        let (terminal, plain) = (self.terminal, self.live && !self.quiet && !self.terminal);
        let label = label.to_owned();
        let thread = std::thread::spawn(move || {
            let mut view = LoadView::new(goal, live);
            let started = Instant::now();
            let (mut said, mut said_of) = (started, view.counts());
            let interval = if terminal { DRAW_INTERVAL } else { PLAIN_INTERVAL / 20 };
            while finished.recv_timeout(interval) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                let (position, message) = view.render(first_token_p50_ms());
                bar.set_position(position);
                bar.set_message(message.clone());
                let counts = view.counts();
                if plain && said.elapsed() >= PLAIN_INTERVAL && counts != said_of {
                    (said, said_of) = (Instant::now(), counts);
                    write_line(&format!("  {label}, {}: {message}", clock_words(started.elapsed())));
                }
            }
            bar.finish_and_clear();
        });
        LoadLine { finish, thread: Some(thread) }
    }

    fn target(&self) -> ProgressDrawTarget {
        if self.quiet || !self.terminal || !self.live {
            ProgressDrawTarget::hidden()
        } else {
            let terminal = Box::new(HeldTerminal::new(std::io::stderr()));
            ProgressDrawTarget::term_like_with_hz(terminal, 10)
        }
    }
}

/// A line that changes while something is under way; cleared when dropped.
#[derive(Debug)]
pub struct Activity {
    bar: ProgressBar,
    head: String,
    plain: bool,
    said: Mutex<(Instant, String)>,
}

impl Activity {
    /// What is being done now.
    pub fn message(&self, message: &str) {
        let message = &*from_outside(message);
        self.bar.set_message(message.to_owned());
        if !self.plain {
            return;
        }
        let Ok(mut said) = self.said.lock() else { return };
        if said.1.is_empty() || said.0.elapsed() >= PLAIN_INTERVAL && said.1 != message {
            *said = (Instant::now(), message.to_owned());
            // Some engines log lines of thousands of characters.
            let short: String = message.chars().take(MOST_PLAIN_CHARACTERS).collect();
            write_line(&format!("{} {short}", self.head));
        }
    }
}

impl Drop for Activity {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// The live line of a load; cleared when dropped.
#[derive(Debug)]
pub struct LoadLine {
    finish: std::sync::mpsc::Sender<()>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Drop for LoadLine {
    fn drop(&mut self) {
        let _ = self.finish.send(());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Turns counters into the text of the live line.
struct LoadView {
    goal: Goal,
    live: Arc<LiveCounters>,
    last: (Instant, u64),
    chunks_per_s: f64,
    measuring_since: Option<Instant>,
}

impl LoadView {
    fn new(goal: Goal, live: Arc<LiveCounters>) -> Self {
        LoadView { goal, live, last: (Instant::now(), 0), chunks_per_s: 0.0, measuring_since: None }
    }

    /// What a further plain line would have to tell of: without a change there is none.
    fn counts(&self) -> [u64; 6] {
        let live = &self.live;
        [
            LiveCounters::get(&live.warmup_done),
            LiveCounters::get(&live.measured_from_us),
            LiveCounters::get(&live.completed),
            LiveCounters::get(&live.failed),
            LiveCounters::get(&live.in_flight),
            LiveCounters::get(&live.chunks),
        ]
    }

    fn render(&mut self, first_token_p50_ms: Option<f64>) -> (u64, String) {
        let live = &self.live;
        if LiveCounters::get(&live.measured_from_us) == 0 {
            return (0, format!("warming up, {} done", LiveCounters::get(&live.warmup_done)));
        }
        let since = *self.measuring_since.get_or_insert_with(Instant::now);
        let chunks = LiveCounters::get(&live.chunks);
        let elapsed = self.last.0.elapsed();
        if elapsed >= Duration::from_secs(1) {
            self.chunks_per_s = (chunks - self.last.1.min(chunks)) as f64 / elapsed.as_secs_f64();
            self.last = (Instant::now(), chunks);
        }
        let failed = LiveCounters::get(&live.failed);
        let done = LiveCounters::get(&live.completed) + failed;
        let seconds = since.elapsed().as_secs_f64();
        let (position, head) = match self.goal {
            Goal::Requests(total) => (done, format!("{done}/{total}")),
            Goal::Seconds(total) => {
                ((seconds * 10.0) as u64, format!("{seconds:.0}/{total:.0} s, {done} done"))
            }
        };
        let in_flight = LiveCounters::get(&live.in_flight);
        let mut text = format!("{head}, {in_flight} in flight, {failed} failed");
        text.push_str(&format!(", {:.0} tok/s", self.chunks_per_s));
        if let Some(ttft) = first_token_p50_ms {
            text.push_str(&format!(", TTFT p50 {ttft:.0} ms"));
        }
        (position, text)
    }
}

/// A time since the beginning: `0:35`, `1:02:03`.
pub fn clock_words(since: Duration) -> String {
    let seconds = since.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Results, on stdout; whole lines. Colours stay on a terminal alone.
pub fn print(text: &str) {
    let stdout = std::io::stdout();
    let shown = shown(text.trim_end_matches('\n'), stdout.is_terminal());
    // A file or a pipe is no terminal that a picture has.
    if !stdout.is_terminal() || !curtain::hold(Stream::Out, &shown) {
        print_to(stdout.lock(), &STDOUT, &shown);
    }
}

/// An error, on stderr.
pub fn complain(text: &str) {
    write_line(text);
}

fn write_line(line: &str) {
    let shown = shown(line, false);
    if !curtain::hold(Stream::Err, &shown) {
        print_to(std::io::stderr().lock(), &STDERR, &shown);
    }
}

/// Holds what is printed on the terminal, which a picture has now. `hear` gets each line of talk; `leave` ends the
/// picture, whoever lifts the curtain.
pub fn draw_curtain(hear: impl Fn(&str) + Send + 'static, leave: impl FnOnce() + Send + 'static) {
    curtain::draw(hear, leave);
}

/// Ends the picture, where there is one, and prints what was held. To be called before anything ends the program.
pub fn lift_curtain() {
    curtain::lift(|stream, text| match stream {
        Stream::Out => print_to(std::io::stdout().lock(), &STDOUT, text),
        Stream::Err => print_to(std::io::stderr().lock(), &STDERR, text),
    });
}

/// The longest that a stream is waited for which takes nothing: its reader sleeps, or its terminal is held.
const PATIENCE: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };
/// A pipe that says it is ready takes so much at once without blocking, bytes.
const AT_ONCE: usize = 4096;

/// Nobody takes what is written to it: it is waited for once, and not again for each line.
type Stalled = AtomicBool;
static STDOUT: Stalled = AtomicBool::new(false);
static STDERR: Stalled = AtomicBool::new(false);

/// Writes a line, in one piece where it can be, and gives up where nobody takes it.
fn print_to(mut stream: impl Write + AsFd, stalled: &Stalled, text: &str) {
    let line = format!("{text}\n");
    for part in line.as_bytes().chunks(AT_ONCE) {
        let no_time = Timespec { tv_sec: 0, tv_nsec: 0 };
        let patience = if stalled.load(Ordering::Relaxed) { no_time } else { PATIENCE };
        let mut polled = [PollFd::new(&stream, PollFlags::OUT)];
        let is_stalled = poll(&mut polled, Some(&patience)) == Ok(0);
        stalled.store(is_stalled, Ordering::Relaxed);
        // What cannot be waited for (a file, a broken pipe) is told by the write itself.
        if is_stalled || stream.write_all(part).and_then(|()| stream.flush()).is_err() {
            return;
        }
    }
}

/// A text without keys and without characters that act: whoever made it may have taken it from outside. Of what acts,
/// only colours and bold are left, where they are wanted.
fn shown(text: &str, colours: bool) -> String {
    let hidden = hide_kept(text);
    if !colours {
        return plain_lines(&hidden).into_owned();
    }
    let mut parts = hidden.split("\u{1b}[");
    let mut shown = plain_lines(parts.next().unwrap_or_default()).into_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_digit() && c != ';');
        if end.is_some_and(|end| part[end..].starts_with('m')) {
            shown.push_str("\u{1b}[");
        }
        shown.push_str(&plain_lines(part));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_printed_acts_but_colours_where_they_are_wanted() {
        let text = "\u{1b}[1mhead\u{1b}[0m \u{1b}[2J\u{1b}]0;t\u{7}\u{9b}31m\u{202e}\nnext";
        assert_eq!(shown(text, true), "\u{1b}[1mhead\u{1b}[0m 2J ]0;t  31m \nnext");
        assert!(!shown(text, false).chars().any(|c| c != '\n' && crate::schema::text::acts(c)));
    }

    #[test]
    fn a_stream_that_takes_nothing_is_given_up() {
        let (reader, writer) = std::io::pipe().unwrap();
        let (since, stalled) = (Instant::now(), AtomicBool::new(false));
        // More than any pipe holds.
        print_to(writer.try_clone().unwrap(), &stalled, &"x".repeat(3 << 20));
        print_to(writer.try_clone().unwrap(), &stalled, "and is waited for but once");
        assert!(stalled.load(Ordering::Relaxed) && since.elapsed() < Duration::from_secs(4));
        drop(reader);
        print_to(writer, &stalled, "into a broken pipe");
    }

    #[test]
    fn a_plain_line_tells_the_time_and_comes_only_after_a_change() {
        let words = |seconds| clock_words(Duration::from_secs(seconds));
        assert_eq!((words(35), words(3723)), ("0:35".to_owned(), "1:02:03".to_owned()));
        let live = Arc::new(LiveCounters::default());
        let mut view = LoadView::new(Goal::Seconds(60.0), live.clone());
        let before = view.counts();
        view.render(Some(1.0));
        assert_eq!(view.counts(), before, "time alone is no change");
        LiveCounters::add(&live.chunks, 1);
        assert_ne!(view.counts(), before);
    }

    #[test]
    fn the_live_line_tells_done_total_in_flight_failures_and_ttft() {
        let live = Arc::new(LiveCounters::default());
        let mut view = LoadView::new(Goal::Requests(10), live.clone());
        LiveCounters::add(&live.warmup_done, 3);
        assert_eq!(view.render(None), (0, "warming up, 3 done".to_owned()));
        LiveCounters::add(&live.measured_from_us, 1);
        LiveCounters::add(&live.completed, 4);
        LiveCounters::add(&live.failed, 1);
        LiveCounters::add(&live.in_flight, 2);
        let (position, text) = view.render(Some(12.3));
        assert_eq!(position, 5);
        assert_eq!(text, "5/10, 2 in flight, 1 failed, 0 tok/s, TTFT p50 12 ms");
    }
}
