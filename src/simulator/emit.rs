//! What is written for an answer that is being generated, and what a fault makes of it.

use super::connection::Connection;
use super::counters::{Counters, Ending};
use super::dialect::{Dialect, HeadTime, Refused};
use super::faults::{Fault, FaultKind};
use super::http::Framer;
use super::parsed_request::Refusal;
use super::random::Random;
use super::settings::Settings;
use super::system;
use super::truth::Write;

/// What became of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// More tokens follow.
    More,
    /// Nothing more follows until this time (none: ever).
    Stalled(Option<u64>),
    /// The answer is over.
    Over,
    /// The process is to end now.
    Crash,
}

/// The head of a stream's answer, when its time has come.
pub fn send_head(dialect: &dyn Dialect, connection: &mut Connection, time: HeadTime) {
    let Some(active) = connection.active.as_mut() else { return };
    if !active.request.stream || active.head_sent || dialect.head_time() != time {
        return;
    }
    active.head_sent = true;
    let head = dialect.stream_head(active.stream.prompt.len(), active.close, active.stream.created);
    connection.write(head.as_bytes(), None);
}

/// What writing an answer needs beside its connection.
pub struct Generations<'a> {
    /// Whose wire.
    pub dialect: &'a dyn Dialect,
    /// As told.
    pub settings: &'a Settings,
    /// Where chunks are put together.
    pub framer: &'a mut Framer,
    /// What the engine counts.
    pub counters: &'a mut Counters,
}

/// Write the next `steps` steps of the connection's answer, due at `due_ns`, in one system call; with Nagle's algorithm
/// left on in one for the head and each event.
pub fn emit(
    generations: &mut Generations<'_>,
    connection: &mut Connection,
    steps: u32,
    due_ns: u64,
) -> Progress {
    let (dialect, framer) = (generations.dialect, &mut *generations.framer);
    let Some(active) = connection.active.as_mut() else { return Progress::Over };
    let total = active.answer.steps();
    framer.out.clear();
    if active.crash && active.steps_done >= total / 2 {
        return Progress::Crash;
    }
    let fault = match &active.fault {
        Some(fault) if !active.fault_done && active.steps_done >= fault.after(total) => Some(fault.clone()),
        Some(_) | None => None,
    };
    if let Some(fault) = fault {
        active.fault_done = true;
        if let Some(progress) = misbehave(generations.settings, dialect, connection, framer, &fault) {
            return progress;
        }
    }
    let Some(active) = connection.active.as_mut() else { return Progress::Over };
    let mut buffer = String::new();
    let first = active.steps_done == 0;
    let text = active.text(steps, &mut buffer);
    active.count(steps, due_ns, generations.counters);
    let over = active.steps_done == total;
    let mut tokens = steps;
    // Ends of the head, of what opens the stream, and of the tokens.
    let mut seams = [0; 3];
    if active.request.stream {
        if first {
            if !active.head_sent {
                active.head_sent = true;
                let head =
                    dialect.stream_head(active.stream.prompt.len(), active.close, active.stream.created);
                framer.out.extend_from_slice(head.as_bytes());
            }
            seams[0] = framer.out.len();
            dialect.opening(&active.stream, framer);
            seams[1] = framer.out.len();
        }
        if over {
            dialect.last(&active.stream, text, active.finish, framer);
            seams[2] = framer.out.len();
            dialect.closing(&active.stream, framer);
            framer.end_body();
        } else {
            dialect.chunk(&active.stream, text, framer);
            seams[2] = framer.out.len();
        }
    } else if over {
        let reply = dialect.whole(&active.stream, active.finish);
        framer.out = dialect.reply(&reply, active.close, active.stream.created);
        tokens = total;
    } else {
        return Progress::More;
    }
    let write = Write { due_ns, before_ns: 0, took_ns: 0, tokens };
    if generations.settings.nagle && seams[2] > 0 {
        let [head, opening, tokens] = seams;
        for (from, to) in [(0, head), (head, opening), (opening, tokens), (tokens, framer.out.len())] {
            if from < to {
                connection.write(&framer.out[from..to], (to == tokens).then_some(write));
            }
        }
    } else {
        connection.write(&framer.out, Some(write));
    }
    if over { Progress::Over } else { Progress::More }
}

/// Do what the fault says in place of the next chunk; none where the chunk follows all the same.
fn misbehave(
    settings: &Settings,
    dialect: &dyn Dialect,
    connection: &mut Connection,
    framer: &mut Framer,
    fault: &Fault,
) -> Option<Progress> {
    let active = connection.active.as_mut()?;
    let amid = active.request.stream;
    if amid && !active.head_sent && fault.kind != FaultKind::Stall {
        active.head_sent = true;
        let head = dialect.stream_head(active.stream.prompt.len(), active.close, active.stream.created);
        framer.out.extend_from_slice(head.as_bytes());
    }
    let outcome = match fault.kind {
        FaultKind::Stall => {
            let until = fault.duration.map(|time| system::monotonic_ns() + time.as_nanos() as u64);
            return Some(Progress::Stalled(until));
        }
        FaultKind::BadJson => {
            if amid {
                framer
                    .event()
                    .extend_from_slice(b"data: {\"id\":\"broken\",\"choices\":[{\"index\":0,\"del\n\n");
                framer.end_chunk();
                connection.write(&framer.out, None);
                framer.out.clear();
            }
            return None;
        }
        FaultKind::Short | FaultKind::Long | FaultKind::Reset | FaultKind::Status(_) => return None,
        FaultKind::Cut => "cut",
        FaultKind::Truncate => {
            if amid {
                framer.end_body();
            }
            "truncate"
        }
        FaultKind::Garbage => {
            let mut noise = Random::new(active.request.seed, 0x9A4B, active.truth.number);
            // Its first byte is no hexadecimal digit, so it can never pass for a chunk size.
            framer.out.push(b'\x80');
            framer.out.extend((0..256).map(|_| noise.next() as u8));
            "garbage"
        }
        FaultKind::Error => {
            if amid {
                dialect.error(framer);
                framer.end_body();
            } else {
                let refused =
                    dialect.refuse(settings, &Refusal::Injected(500), active.request.endpoint, false);
                if let Refused::Reply(reply) = refused {
                    framer.out = dialect.reply(&reply, active.close, active.stream.created);
                }
            }
            "error"
        }
    };
    // Orderly ends leave the connection open for the next request; the others close it.
    let orderly = fault.kind == FaultKind::Error || (fault.kind == FaultKind::Truncate && amid);
    active.close |= !orderly;
    let ending = if fault.kind == FaultKind::Error { Ending::Error } else { Ending::Abort };
    active.ended = Some((ending, outcome));
    connection.write(&framer.out, None);
    Some(Progress::Over)
}
