#!/usr/bin/env bash
# io_uring with DEFER_TASKRUN: a wait for one completion brings some twenty, however many sockets have something to read.
#
# Package  io-uring 0.7.16 (crates.io), Linux 6.18
# Guess    Where 200 sockets are readable, one submit_and_wait(1) leaves 200 completions, as one epoll_wait tells of 200.
# Seen     It leaves 20 or so: the kernel runs the work that was put off only until what was waited for is there, and a small
#          batch beyond it. The rest comes with further calls, some twenty each. Without DEFER_TASKRUN all 200 are there.
# Matters  A client with many streams that waits for one completion and then looks at its queue falls behind without a word: a
#          multishot receive that is put off takes what came meanwhile as one, so that tokens merge and their times are lost. It
#          must ask again until nothing more comes.
set -euo pipefail
command -v cargo >/dev/null && [ "$(uname -s)" = Linux ] || { echo "needs cargo and Linux" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/src"
cat >"$work/Cargo.toml" <<'TOML'
[package]
name = "see"
version = "0.0.0"
edition = "2021"

[dependencies]
io-uring = "=0.7.16"
TOML
cat >"$work/src/main.rs" <<'RUST'
use io_uring::{opcode, types, IoUring};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

const SOCKETS: usize = 200;

/// Completions after each wait for one, until all sockets have told.
fn waits(put_off: bool) -> std::io::Result<Vec<usize>> {
    let mut builder = IoUring::builder();
    if put_off {
        builder.setup_single_issuer().setup_defer_taskrun();
    }
    let mut ring: IoUring = builder.build(256)?;
    let mut pairs: Vec<_> = (0..SOCKETS).map(|_| UnixStream::pair()).collect::<Result<_, _>>()?;
    let mut buffers = vec![[0u8; 64]; SOCKETS];
    for ((_, reader), buffer) in pairs.iter().zip(&mut buffers) {
        let receive = opcode::Recv::new(types::Fd(reader.as_raw_fd()), buffer.as_mut_ptr(), 64).build();
        // SAFETY: buffers and sockets outlive the ring's work, which is waited for below.
        unsafe { ring.submission().push(&receive) }.expect("room");
    }
    ring.submit()?;
    for (writer, _) in &mut pairs {
        writer.write_all(b"token")?;
    }
    let mut seen = Vec::new();
    while seen.iter().sum::<usize>() < SOCKETS {
        ring.submit_and_wait(1)?;
        seen.push(ring.completion().map(|one| assert_eq!(one.result(), 5)).count());
    }
    Ok(seen)
}

fn main() {
    let (Ok(put_off), Ok(plain)) = (waits(true), waits(false)) else {
        eprintln!("no io_uring with DEFER_TASKRUN here");
        std::process::exit(2);
    };
    println!("{SOCKETS} sockets readable; completions a wait with DEFER_TASKRUN: {put_off:?}, without: {plain:?}");
    std::process::exit(!(put_off[0] < SOCKETS / 4 && plain == [SOCKETS]) as i32);
}
RUST
(cd "$work" && CARGO_TARGET_DIR="$work/target" cargo build -q) || exit 2
code=0
"$work/target/debug/see" || code=$?
case $code in
  0) echo "still so" ;;
  2) exit 2 ;;
  *) echo "no longer so"; exit 1 ;;
esac
