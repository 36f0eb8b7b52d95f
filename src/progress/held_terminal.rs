//! The terminal of a live line: what it does not take now is dropped, since the next frame says the same anew. So a
//! terminal that is held (Ctrl-S) holds nobody who draws.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::Mutex;

use indicatif::TermLike;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Columns of a terminal that does not say.
const COLUMNS: u16 = 80;

/// Writes frames to `stream`, each whole or not at all.
#[derive(Debug)]
pub(super) struct HeldTerminal<W> {
    stream: W,
    frame: Mutex<Vec<u8>>,
}

impl<W: AsFd> HeldTerminal<W> {
    pub(super) fn new(stream: W) -> Self {
        HeldTerminal { stream, frame: Mutex::default() }
    }

    fn add(&self, text: &str) -> io::Result<()> {
        if let Ok(mut frame) = self.frame.lock() {
            frame.extend_from_slice(text.as_bytes());
        }
        Ok(())
    }

    fn takes_something(&self) -> bool {
        let no_time = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut polled = [PollFd::new(&self.stream, PollFlags::OUT)];
        poll(&mut polled, Some(&no_time)) != Ok(0)
    }
}

impl<W> TermLike for HeldTerminal<W>
where
    W: AsFd + std::fmt::Debug + Send + Sync,
    for<'a> &'a W: Write,
{
    fn width(&self) -> u16 {
        rustix::termios::tcgetwinsize(&self.stream)
            .map(|size| size.ws_col)
            .ok()
            .filter(|columns| *columns > 0)
            .unwrap_or(COLUMNS)
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        if n == 0 { Ok(()) } else { self.add(&format!("\u{1b}[{n}A")) }
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        if n == 0 { Ok(()) } else { self.add(&format!("\u{1b}[{n}B")) }
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        if n == 0 { Ok(()) } else { self.add(&format!("\u{1b}[{n}C")) }
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        if n == 0 { Ok(()) } else { self.add(&format!("\u{1b}[{n}D")) }
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.add(text)?;
        self.add("\n")
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.add(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.add("\r\u{1b}[2K")
    }

    fn flush(&self) -> io::Result<()> {
        let Ok(mut frame) = self.frame.lock() else { return Ok(()) };
        let bytes = std::mem::take(&mut *frame);
        drop(frame);
        if bytes.is_empty() || !self.takes_something() {
            return Ok(());
        }
        let mut stream = &self.stream;
        stream.write_all(&bytes)?;
        stream.flush()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Read;
    use std::time::{Duration, Instant};

    use indicatif::{ProgressBar, ProgressDrawTarget};

    use super::*;

    #[test]
    fn a_terminal_that_takes_nothing_holds_no_one_who_draws_and_one_that_does_shows_the_line() {
        let (mut reader, writer) = io::pipe().unwrap();
        let target = |writer| ProgressDrawTarget::term_like(Box::new(HeldTerminal::new(writer)));
        let bar = ProgressBar::with_draw_target(Some(10), target(writer.try_clone().unwrap()));
        bar.set_message("shown");
        bar.set_position(3);
        bar.force_draw();
        let mut seen = [0; 4096];
        let read = reader.read(&mut seen).unwrap();
        assert!(String::from_utf8_lossy(&seen[..read]).contains("3/10"));
        // Filled until it takes no byte more.
        rustix::fs::fcntl_setfl(&writer, rustix::fs::OFlags::NONBLOCK).unwrap();
        let mut filling = &writer;
        while filling.write(&[b'x'; 4096]).is_ok() {}
        rustix::fs::fcntl_setfl(&writer, rustix::fs::OFlags::empty()).unwrap();
        let began = Instant::now();
        for position in 0..50 {
            bar.set_position(position % 10);
            bar.force_draw();
        }
        bar.finish_and_clear();
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    }
}
