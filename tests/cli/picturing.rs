//! `--tui`: a picture in a real terminal, which gets everything back.

use std::io::{Read, Write};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use rustix::process::Signal;
use rustix::termios::{LocalModes, Termios, Winsize, tcgetattr, tcsetwinsize};

use super::common::*;

const TAKEN: &str = "\u{1b}[?1049h";
const GIVEN_BACK: &str = "\u{1b}[?1049l";

/// A terminal of 80 columns and 24 rows, with a person before it.
struct Terminal {
    person: std::fs::File,
    line: OwnedFd,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    fn new() -> Self {
        let (mut person, mut line) = (0, 0);
        let null = std::ptr::null_mut();
        // Safety: both numbers are ours to be written, and nothing else is passed.
        let opened = unsafe { libc::openpty(&mut person, &mut line, null, null.cast(), null.cast()) };
        assert_eq!(opened, 0);
        // Safety: they were just opened, and nobody else has them.
        let (person, line) = unsafe { (std::fs::File::from_raw_fd(person), OwnedFd::from_raw_fd(line)) };
        for end in [person.as_fd(), line.as_fd()] {
            rustix::io::fcntl_setfd(end, rustix::io::FdFlags::CLOEXEC).unwrap();
        }
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (mut reader, into) = (person.try_clone().unwrap(), seen.clone());
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                into.lock().unwrap().extend_from_slice(&bytes[..count]);
            }
        });
        let terminal = Terminal { person, line, seen };
        terminal.resize(80, 24);
        terminal
    }

    fn resize(&self, columns: u16, rows: u16) {
        tcsetwinsize(&self.person, Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 })
            .unwrap();
    }

    fn press(&mut self, keys: &str) {
        self.person.write_all(keys.as_bytes()).unwrap();
    }

    fn seen(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }

    fn modes(&self) -> Termios {
        tcgetattr(&self.line).unwrap()
    }

    /// A harness whose terminal it is.
    fn start(&self, place: &Place, args: &[&str]) -> std::process::Child {
        let mut command = place.command(args);
        let stream = || Stdio::from(self.line.try_clone().unwrap());
        command.env("TERM", "xterm-256color").stdin(stream()).stdout(stream()).stderr(stream());
        let take = || {
            // Safety: two system calls, on the standard input that is the terminal by now.
            match unsafe { libc::setsid() >= 0 && libc::ioctl(0, libc::TIOCSCTTY, 0) == 0 } {
                true => Ok(()),
                false => Err(std::io::Error::last_os_error()),
            }
        };
        // Safety: it makes two system calls and touches no memory.
        unsafe { command.pre_exec(take) };
        command.spawn().unwrap()
    }
}

#[test]
fn the_picture_is_drawn_and_resized_and_q_ends_the_run_with_its_results_in_a_terminal_as_before() {
    let place = Place::new();
    let simulator = Simulator::start("vllm", &["--ttft", "5ms", "--itl", "2ms"]);
    let mut terminal = Terminal::new();
    let before = terminal.modes();
    let load = ["--model", "m", "--warmup", "0", "--concurrency", "2", "--duration", "10m", "--tui"];
    let url = simulator.url();
    let mut child = terminal.start(&place, &[&["bench", "--url", &url], &load[..]].concat());
    wait_for("a picture", || terminal.seen().contains("in flight") && terminal.seen().contains("TTFT"));
    let raw = terminal.modes();
    assert!(!raw.local_modes.intersects(LocalModes::ICANON | LocalModes::ECHO));
    assert!(raw.local_modes.contains(LocalModes::ISIG), "Ctrl-C stays a signal");
    terminal.press("\u{1c}");
    assert!(!terminal.seen().contains("\u{1b}[30;"), "no row beyond the last");
    terminal.resize(100, 30);
    wait_for("the last row of a larger picture", || terminal.seen().contains("\u{1b}[30;"));
    // Away and back.
    signal(child.id(), Signal::TSTP);
    wait_for("a stop", || is_stopped(child.id()));
    assert_eq!(terminal.modes().local_modes, before.local_modes);
    signal(child.id(), Signal::CONT);
    wait_for("the picture again", || terminal.seen().matches(TAKEN).count() == 2);
    wait_for("records", || place.records("server") > 10);

    terminal.press("q");
    wait_for("the end", || child.try_wait().unwrap().is_some());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let after = terminal.modes();
    assert_eq!((after.local_modes, after.input_modes), (before.local_modes, before.input_modes));
    wait_for("the results", || terminal.seen().contains("files: "));
    let seen = terminal.seen();
    let (picture, printed) = seen.rsplit_once(GIVEN_BACK).unwrap();
    assert!(printed.contains("=== RESULTS FOR server (partial: interrupted) ==="), "{printed}");
    assert!(picture.ends_with("\u{1b}[0m\u{1b}[?25h"), "the cursor is shown again");
    assert!(!picture.contains("RESULTS FOR"), "nothing was printed into the picture");
    assert_eq!(place.run_json("server")["summary"]["partial"], "interrupted");
}

#[test]
fn without_a_terminal_the_picture_is_refused_before_anything_is_started() {
    let place = Place::new();
    let bench = ["bench", "--url", "http://127.0.0.1:1", "--tui"];
    place.run(&bench).expect(2).says(&["--tui needs a terminal, and stdin is none", "leave --tui out"]);
    place
        .run(&[&bench[..], &["--quiet"]].concat())
        .expect(2)
        .says(&["--tui shows everything and --quiet nothing"]);
    assert!(!place.path("results").exists());
    place.run(&[&bench[..], &["--model", "m", "--dry-run"]].concat()).expect(0);
}
