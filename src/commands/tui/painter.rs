//! The thread that draws: it hears keys and the terminal's signals, and looks at the board a few times a second.
//! Nothing waits for it.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::layout::Rect;
use rustix::process::{Signal, getpid, kill_process};
use rustix::time::{ClockId, clock_gettime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, watch};
use tokio::time::MissedTickBehavior;

use crate::pipeline::LiveFigures;

use super::board::Board;
use super::disposition::Disposition;
use super::draw::{self, View};
use super::keys::{Key, Keyboard};
use super::log_tail::LogTail;
use super::screen::{Tty, TtyBackend};

/// How often the picture is drawn.
const PACE: Duration = Duration::from_millis(200);
/// How soon it is drawn again where a key or another size asks for it.
const SOONEST: Duration = Duration::from_millis(50);
/// How often keys are looked for.
const LISTENING: Duration = Duration::from_millis(50);
/// Drawing takes at most one part in so many of a core's time.
const SHARE: u32 = 10;

/// What the listener and the painter share.
#[derive(Debug)]
pub struct Shared {
    board: Mutex<(Board, Option<LiveFigures>)>,
    began: Instant,
    /// The plan is over.
    pub over: Notify,
    shutdown: watch::Receiver<bool>,
}

impl Shared {
    /// The picture begins now.
    pub fn new(board: Board, shutdown: watch::Receiver<bool>) -> Self {
        let board = Mutex::new((board, None));
        Shared { board, began: Instant::now(), over: Notify::new(), shutdown }
    }

    fn lock(&self) -> MutexGuard<'_, (Board, Option<LiveFigures>)> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the board.
    pub fn change(&self, change: impl FnOnce(&mut Board, &mut Option<LiveFigures>)) {
        let (board, figures) = &mut *self.lock();
        board.now = self.began.elapsed();
        change(board, figures);
    }

    /// The board as it is now. It is a copy: nobody waits while it is drawn.
    fn look(&self) -> Board {
        let since = |board: &Board| board.run.as_ref().map(|run| run.since);
        let (figures, run) = {
            let (board, figures) = &*self.lock();
            (figures.clone(), since(board))
        };
        let snapshot = figures.map(|figures| figures.snapshot());
        let (board, figures) = &mut *self.lock();
        board.now = self.began.elapsed();
        board.stopping = *self.shutdown.borrow();
        // The run may be closed meanwhile, or another have begun.
        if let Some(snapshot) = snapshot.filter(|_| figures.is_some() && since(board) == run) {
            board.observe(snapshot);
        }
        board.clone()
    }
}

/// Draws until the plan is over.
///
/// # Errors
/// Signals or keys cannot be heard.
pub fn paint(tty: Arc<Tty>, shared: &Shared) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Ctrl-Z without a picture stops this process by itself; tokio would go on taking it for nobody.
        let _suspends = Disposition::of(libc::SIGTSTP)?;
        let mut suspended = signal(SignalKind::from_raw(libc::SIGTSTP))?;
        let mut continued = signal(SignalKind::from_raw(libc::SIGCONT))?;
        let mut resized = signal(SignalKind::window_change())?;
        let mut painter = Painter::new(tty)?;
        let mut looks = tokio::time::interval(LISTENING);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut next, mut soonest) = (Instant::now(), Instant::now());
        loop {
            tokio::select! {
                biased;
                () = shared.over.notified() => return Ok(()),
                _ = suspended.recv() => painter.suspend(),
                _ = continued.recv() => painter.resume(),
                _ = resized.recv() => next = next.min(soonest),
                _ = looks.tick() => {
                    if painter.type_in() {
                        next = next.min(soonest);
                    }
                }
            }
            let (began, before) = (Instant::now(), worked());
            if began >= next {
                painter.draw(shared);
                let rest = worked().saturating_sub(before) * SHARE;
                (next, soonest) = (began + PACE.max(rest), began + SOONEST.max(rest));
            }
        }
    })
}

/// Time of a core that this thread has used: a terminal that is slow to take a frame costs none.
fn worked() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

struct Painter {
    tty: Arc<Tty>,
    terminal: Terminal<TtyBackend>,
    view: View,
    keyboard: Keyboard,
    tail: LogTail,
    /// What is on the screen is not what was drawn last.
    stale: bool,
    /// The terminal is gone: its hang-up ends the run.
    gone: bool,
}

impl Painter {
    fn new(tty: Arc<Tty>) -> io::Result<Self> {
        let terminal = Terminal::new(TtyBackend::new(tty.clone()))?;
        let (view, tail) = (View::default(), LogTail::default());
        let keyboard = Keyboard::default();
        Ok(Painter { tty, terminal, view, keyboard, tail, stale: true, gone: false })
    }

    fn suspend(&mut self) {
        self.tty.leave();
        let _ = kill_process(getpid(), Signal::STOP);
    }

    fn resume(&mut self) {
        self.stale = true;
        // Stopped without a word to us, and now the shell has the screen.
        if !self.tty.is_foreground() {
            self.tty.forget();
        } else if self.tty.is_taken() {
            let _ = self.tty.enter();
        }
    }

    /// Takes in what was typed; false: no key was.
    fn type_in(&mut self) -> bool {
        // A process in the background that reads is stopped by the kernel.
        if self.gone || !self.tty.is_taken() || !self.tty.is_foreground() {
            return false;
        }
        let bytes = self.tty.read().unwrap_or_else(|_| {
            self.gone = true;
            Vec::new()
        });
        let keys = self.keyboard.keys(&bytes);
        for key in &keys {
            self.press(*key);
        }
        !keys.is_empty()
    }

    fn press(&mut self, key: Key) {
        match key {
            // The same as Ctrl-C, on the same way.
            Key::Stop => {
                if self.keyboard.stops(Instant::now()) {
                    let _ = kill_process(getpid(), Signal::INT);
                }
            }
            Key::Redraw => self.stale = true,
            Key::Log
            | Key::Help
            | Key::Up
            | Key::Down
            | Key::PageUp
            | Key::PageDown
            | Key::First
            | Key::Last
            | Key::Other => self.view.press(key),
        }
    }

    fn draw(&mut self, shared: &Shared) {
        if self.gone || self.tty.has_ended() || !self.tty.is_foreground() {
            return;
        }
        self.stale |= !self.tty.is_entered();
        if self.stale && !self.tty.takes() {
            return;
        }
        // What was not entered whole is entered again.
        if !self.tty.is_entered() && self.tty.enter().is_err() {
            return;
        }
        let board = shared.look();
        // What is scrolled stands still.
        if self.view.scrolled() == 0 {
            self.tail.follow(board.log.as_deref());
        }
        self.stale = self.paint(&board).is_err();
    }

    fn paint(&mut self, board: &Board) -> io::Result<()> {
        if self.stale {
            let size = self.tty.size();
            self.terminal.resize(Rect::new(0, 0, size.width, size.height))?;
        }
        let (view, lines) = (&mut self.view, &self.tail.lines);
        self.terminal.draw(|frame| draw::draw(frame, board, view, lines)).map(drop)
    }
}
