//! The terminal: taken and given back, written without ever waiting for long.
//!
//! Keys come at once and are not echoed, but the kernel still makes signals of Ctrl-C and Ctrl-Z: they work as they do
//! without a picture, whatever the drawing is at. Ctrl-\ makes none: it would end the program with the terminal as it is.

use std::fs::File;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ratatui::backend::{Backend, ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::termios::{self, LocalModes, OptionalActions, SpecialCodeIndex, Termios};

/// Alternate screen, no cursor, cleared.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[2J";
/// Plain text, the cursor, the screen from before.
const LEAVE: &[u8] = b"\x1b[0m\x1b[?25h\x1b[?1049l";
/// A terminal that takes nothing for so long gets no more of a frame.
const FRAME_PATIENCE: Duration = Duration::from_secs(1);
/// It is waited for so long before what it has not taken is thrown away.
const LEAVE_PATIENCE: Duration = Duration::from_secs(1);
/// Size of a terminal that does not know its own.
const USUAL: Size = Size { width: 80, height: 24 };

/// What we have done to the terminal.
#[derive(Debug, Clone, Copy, Default)]
struct Hold {
    /// Its modes are ours: there is something to give back.
    taken: bool,
    /// It has taken the whole of [`ENTER`]: the screen is ours to draw on.
    entered: bool,
}

/// The terminal of this process.
#[derive(Debug)]
pub struct Tty {
    // Opened by ourselves: that it does not block is nobody else's business.
    file: File,
    before: Termios,
    hold: Mutex<Hold>,
    ended: AtomicBool,
    writing: AtomicBool,
}

impl Tty {
    /// Opens it and changes nothing yet.
    ///
    /// # Errors
    /// This process has no terminal.
    pub fn open() -> io::Result<Tty> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = File::from(rustix::fs::open("/dev/tty", flags, Mode::empty())?);
        let before = termios::tcgetattr(&file)?;
        Ok(Tty {
            file,
            before,
            hold: Mutex::default(),
            ended: AtomicBool::new(false),
            writing: AtomicBool::new(false),
        })
    }

    /// What was typed; empty: nothing was.
    ///
    /// # Errors
    /// It is gone.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = [0; 256];
        match rustix::io::read(&self.file, &mut bytes) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => Ok(bytes.get(..count).unwrap_or_default().to_vec()),
            Err(Errno::AGAIN | Errno::INTR) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// It is ours to draw on and to read from: no shell has it now.
    pub fn is_foreground(&self) -> bool {
        termios::tcgetpgrp(&self.file).is_ok_and(|group| group == rustix::process::getpgrp())
    }

    fn hold(&self) -> MutexGuard<'_, Hold> {
        self.hold.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its modes are ours: keys come at once.
    pub fn is_taken(&self) -> bool {
        self.hold().taken
    }

    /// The screen is ours to draw on.
    pub fn is_entered(&self) -> bool {
        self.hold().entered
    }

    /// The picture is over for good.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    /// Takes the screen. Only in the foreground: else the kernel stops this process.
    ///
    /// # Errors
    /// It is gone, takes nothing, or the picture has ended. It may be taken by then, but it is not entered.
    pub fn enter(&self) -> io::Result<()> {
        let mut hold = self.hold();
        let mut modes = self.before.clone();
        modes.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        modes.special_codes[SpecialCodeIndex::VMIN] = 1;
        modes.special_codes[SpecialCodeIndex::VTIME] = 0;
        modes.special_codes[SpecialCodeIndex::VQUIT] = libc::_POSIX_VDISABLE;
        if self.has_ended() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        termios::tcsetattr(&self.file, OptionalActions::Now, &modes)?;
        *hold = Hold { taken: true, entered: false };
        self.write(ENTER, FRAME_PATIENCE)?;
        hold.entered = true;
        Ok(())
    }

    /// Gives the screen back as it was.
    pub fn leave(&self) {
        let mut hold = self.hold();
        let was = std::mem::take(&mut *hold);
        // A shell that has it by now has set it as it likes.
        if !was.taken || !self.is_foreground() {
            return;
        }
        if self.write(LEAVE, LEAVE_PATIENCE).is_err() {
            // Held by Ctrl-S, or nobody reads: what it has not taken is only a picture.
            let _ = termios::tcflush(&self.file, termios::QueueSelector::OFlush);
            // Linux starts what Ctrl-S stopped only where it was stopped in this way too.
            let _ = termios::tcflow(&self.file, termios::Action::OOff);
            let _ = termios::tcflow(&self.file, termios::Action::OOn);
            let _ = self.write(LEAVE, LEAVE_PATIENCE);
        }
        let _ = termios::tcsetattr(&self.file, OptionalActions::Now, &self.before);
    }

    /// Another has taken the screen meanwhile: nothing is given back.
    pub fn forget(&self) {
        *self.hold() = Hold::default();
    }

    /// Gives the screen back and never takes it again.
    pub fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        let since = Instant::now();
        while self.writing.load(Ordering::SeqCst) && since.elapsed() < LEAVE_PATIENCE {
            std::thread::sleep(Duration::from_millis(2));
        }
        self.leave();
    }

    /// It would take something at once.
    pub fn takes(&self) -> bool {
        self.wait(Duration::ZERO)
    }

    fn wait(&self, patience: Duration) -> bool {
        let patience = Timespec { tv_sec: 0, tv_nsec: i64::from(patience.subsec_nanos()) };
        poll(&mut [PollFd::new(&self.file, PollFlags::OUT)], Some(&patience)) != Ok(0)
    }

    /// Columns and rows.
    pub fn size(&self) -> Size {
        match termios::tcgetwinsize(&self.file) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
                Size { width: size.ws_col, height: size.ws_row }
            }
            Ok(_) | Err(_) => USUAL,
        }
    }

    fn write(&self, mut bytes: &[u8], patience: Duration) -> io::Result<()> {
        let mut since = Instant::now();
        while !bytes.is_empty() {
            match rustix::io::write(&self.file, bytes) {
                Ok(count) => {
                    bytes = bytes.get(count..).unwrap_or_default();
                    since = Instant::now();
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) if since.elapsed() >= patience => {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                Err(Errno::AGAIN) => {
                    self.wait(Duration::from_millis(20));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Writes a frame; not to the end where the picture ends meanwhile.
    fn write_frame(&self, bytes: &[u8]) -> io::Result<()> {
        self.writing.store(true, Ordering::SeqCst);
        let mut written = Ok(());
        for part in bytes.chunks(1024) {
            written = match self.has_ended() {
                true => Err(io::ErrorKind::Interrupted.into()),
                false => self.write(part, FRAME_PATIENCE),
            };
            if written.is_err() {
                break;
            }
        }
        self.writing.store(false, Ordering::SeqCst);
        written
    }
}

/// Gathers a frame and writes it at once.
#[derive(Debug)]
pub struct FrameWriter {
    tty: Arc<Tty>,
    frame: Vec<u8>,
}

impl Write for FrameWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.frame.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        // Of a frame that could not be written nothing is left for the next one.
        self.tty.write_frame(&std::mem::take(&mut self.frame))
    }
}

/// Where ratatui draws: crossterm's sequences, with the size and the file that we know. Crossterm by itself would ask
/// stdout, which may be a file here.
#[derive(Debug)]
pub struct TtyBackend {
    tty: Arc<Tty>,
    inner: CrosstermBackend<FrameWriter>,
}

impl TtyBackend {
    /// Draws on this terminal.
    pub fn new(tty: Arc<Tty>) -> Self {
        let writer = FrameWriter { tty: tty.clone(), frame: Vec::new() };
        TtyBackend { tty, inner: CrosstermBackend::new(writer) }
    }
}

impl Backend for TtyBackend {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        self.inner.draw(content)
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        // It is hidden for as long as the picture is up.
        Ok(())
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        // Asking would read the answer from among the keys.
        Ok(Position::ORIGIN)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.inner.set_cursor_position(position)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.inner.clear()
    }

    fn clear_region(&mut self, clear_type: ClearType) -> io::Result<()> {
        self.inner.clear_region(clear_type)
    }

    fn size(&self) -> io::Result<Size> {
        Ok(self.tty.size())
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize { columns_rows: self.tty.size(), pixels: Size::ZERO })
    }

    fn flush(&mut self) -> io::Result<()> {
        Backend::flush(&mut self.inner)
    }
}
