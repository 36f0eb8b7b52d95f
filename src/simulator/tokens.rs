//! Answers being generated: when each token is due, what is written for it, and what a fault makes of it.

use super::ask::{Answer, Ask, Endpoint, Refusal};
use super::connection::Connection;
use super::counters::{Counters, Ending};
use super::faults::{Fault, FaultKind};
use super::http::Framer;
use super::random::Random;
use super::settings::{Service, Settings};
use super::system;
use super::text;
use super::truth::{Truth, Write};
use super::wire::{Finish, HeadTime, Refused, Stream, Wire};

/// An answer that waits or is being generated.
pub struct Active {
    /// Tells this answer's timers from those of others on the connection.
    pub ticket: u64,
    /// What was asked.
    pub ask: Ask,
    /// What is generated.
    pub answer: Answer,
    /// The reason given at its end.
    pub finish: Finish,
    /// The wire's side of it.
    pub stream: Stream,
    /// What goes wrong with it.
    pub fault: Option<Fault>,
    /// The process ends amid it.
    pub crash: bool,
    /// What happened.
    pub truth: Truth,
    /// Left the queue.
    pub started: bool,
    /// Everything is handed to the socket; the name of the end.
    pub ended: Option<(Ending, &'static str)>,
    /// The connection ends after it.
    pub close: bool,
    /// Steps since the last chunk.
    pub gathered: u32,
    steps_done: u32,
    head_sent: bool,
    fault_done: bool,
    first_due_ns: u64,
    last_due_ns: u64,
    next_due_ns: u64,
    jitter: Random,
}

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

impl Active {
    /// An answer to be generated.
    pub fn new(ticket: u64, ask: Ask, answer: Answer, stream: Stream, truth: Truth, seed: u64) -> Self {
        Self {
            ticket,
            finish: if answer.ends_itself { Finish::Stop } else { Finish::Length },
            jitter: Random::new(seed, 0x717E, truth.number),
            ask,
            answer,
            stream,
            fault: None,
            crash: false,
            truth,
            started: false,
            ended: None,
            close: false,
            gathered: 0,
            steps_done: 0,
            head_sent: false,
            fault_done: false,
            first_due_ns: 0,
            last_due_ns: 0,
            next_due_ns: 0,
        }
    }

    /// Give it a fault; the length ones change the answer at once.
    pub fn set_fault(&mut self, fault: Fault) {
        let visible = self.answer.visible;
        match fault.kind {
            FaultKind::Short => {
                let short = fault.tokens.unwrap_or(visible / 2).clamp(1, visible.max(1));
                self.answer = Answer { visible: short, ends_itself: false };
            }
            FaultKind::Long => {
                let more = fault.tokens.unwrap_or(visible / 2).max(1);
                self.answer = Answer { visible: visible + more, ends_itself: false };
            }
            FaultKind::Reset
            | FaultKind::Status(_)
            | FaultKind::Cut
            | FaultKind::Truncate
            | FaultKind::Stall
            | FaultKind::Garbage
            | FaultKind::BadJson
            | FaultKind::Error => {}
        }
        self.truth.planned_tokens = self.answer.steps();
        self.truth.fault = Some(fault.name());
        self.fault = Some(fault);
    }

    /// It leaves the queue at `start_ns`.
    pub fn start(&mut self, start_ns: u64) {
        self.started = true;
        self.truth.started_ns = Some(start_ns);
        self.next_due_ns = start_ns;
        self.last_due_ns = start_ns;
        self.stream.queue_ns = start_ns.saturating_sub(self.truth.complete_ns);
    }

    /// Steps of the next chunk: one token first, then as many as a chunk carries.
    pub fn next_chunk(&self, tokens_per_chunk: u32) -> u32 {
        let left = self.answer.steps().saturating_sub(self.steps_done);
        if self.steps_done == 0 { left.min(1) } else { left.min(tokens_per_chunk) }
    }

    /// When the next chunk is due under fixed times: each token counts from the due time of the one before
    /// it, not from its write, so that lateness never adds up.
    pub fn schedule(&mut self, settings: &Settings) -> Option<u64> {
        let Service::Fixed { ttft, itl } = settings.service else { return None };
        let (ttft, itl) = (ttft.as_nanos() as u64, itl.as_nanos() as u64);
        for step in 0..self.next_chunk(settings.tokens_per_chunk) {
            let gap = if self.steps_done + step == 0 { ttft } else { itl };
            self.next_due_ns += self.jitter.jittered(gap, settings.jitter);
        }
        Some(self.next_due_ns)
    }

    /// The text of the next `steps` steps; only a chunk of several tokens needs the buffer.
    fn text<'a>(&self, steps: u32, buffer: &'a mut String) -> &'a str {
        let end = (self.steps_done + steps).min(self.answer.visible);
        let chat = self.ask.endpoint == Endpoint::Chat;
        let token = |index: u32| {
            let token = text::generated(self.ask.seed, index);
            if index == 0 && chat { token.trim_start() } else { token }
        };
        if end == self.steps_done + 1 {
            return token(self.steps_done);
        }
        buffer.clear();
        for index in self.steps_done..end {
            buffer.push_str(token(index));
        }
        buffer
    }

    fn count(&mut self, steps: u32, due_ns: u64, counters: &mut Counters) {
        let first = self.steps_done == 0;
        if first {
            self.first_due_ns = due_ns;
            self.stream.prompt_ns = due_ns.saturating_sub(self.truth.started_ns.unwrap_or(due_ns));
            counters.prompt_tokens += u64::from(self.ask.prompt_tokens);
            counters.prompt_seconds += self.stream.prompt_ns as f64 / 1e9;
            counters.ttft.observe(due_ns.saturating_sub(self.truth.complete_ns) as f64 / 1e9);
        } else {
            let gap = due_ns.saturating_sub(self.last_due_ns) as f64 / f64::from(steps.max(1)) / 1e9;
            for _ in 0..steps {
                counters.gap.observe(gap);
            }
        }
        counters.generated_tokens += u64::from(steps);
        counters.held_tokens += u64::from(steps);
        if self.stream.is_native() || !self.ask.stream {
            let visible = (self.steps_done + steps).min(self.answer.visible);
            let chat = self.ask.endpoint == Endpoint::Chat;
            for index in self.steps_done..visible {
                let token = text::generated(self.ask.seed, index);
                let token = if index == 0 && chat { token.trim_start() } else { token };
                self.stream.text.push_str(token);
                self.stream.tokens.push(token);
            }
        }
        self.steps_done += steps;
        self.stream.generated = self.steps_done;
        self.stream.predicted_ns = due_ns.saturating_sub(self.first_due_ns);
        self.last_due_ns = due_ns;
    }
}

/// The head of a stream's answer, when its time has come.
pub fn send_head(wire: &dyn Wire, connection: &mut Connection, time: HeadTime) {
    let Some(active) = connection.active.as_mut() else { return };
    if !active.ask.stream || active.head_sent || wire.head_time() != time {
        return;
    }
    active.head_sent = true;
    let head = wire.stream_head(active.stream.prompt.len(), active.close, active.stream.created);
    connection.write(head.as_bytes(), None);
}

/// What writing an answer needs beside its connection.
pub struct Desk<'a> {
    /// Whose wire.
    pub wire: &'a dyn Wire,
    /// As told.
    pub settings: &'a Settings,
    /// Where chunks are put together.
    pub framer: &'a mut Framer,
    /// What the engine counts.
    pub counters: &'a mut Counters,
}

/// Write the next `steps` steps of the connection's answer, due at `due_ns`, in one system call.
pub fn emit(desk: &mut Desk<'_>, connection: &mut Connection, steps: u32, due_ns: u64) -> Progress {
    let (wire, framer) = (desk.wire, &mut *desk.framer);
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
        if let Some(progress) = misbehave(desk.settings, wire, connection, framer, &fault) {
            return progress;
        }
    }
    let Some(active) = connection.active.as_mut() else { return Progress::Over };
    let mut buffer = String::new();
    let first = active.steps_done == 0;
    let text = active.text(steps, &mut buffer);
    active.count(steps, due_ns, desk.counters);
    let over = active.steps_done == total;
    let mut tokens = steps;
    if active.ask.stream {
        if first {
            if !active.head_sent {
                active.head_sent = true;
                let head = wire.stream_head(active.stream.prompt.len(), active.close, active.stream.created);
                framer.out.extend_from_slice(head.as_bytes());
            }
            wire.opening(&active.stream, framer);
        }
        if over {
            wire.last(&active.stream, text, active.finish, framer);
            wire.closing(&active.stream, framer);
            framer.end_body();
        } else {
            wire.chunk(&active.stream, text, framer);
        }
    } else if over {
        let reply = wire.whole(&active.stream, active.finish);
        framer.out = wire.reply(&reply, active.close, active.stream.created);
        tokens = total;
    } else {
        return Progress::More;
    }
    connection.write(&framer.out, Some(Write { due_ns, before_ns: 0, took_ns: 0, tokens }));
    if over { Progress::Over } else { Progress::More }
}

/// Do what the fault says in place of the next chunk; none where the chunk follows all the same.
fn misbehave(
    settings: &Settings,
    wire: &dyn Wire,
    connection: &mut Connection,
    framer: &mut Framer,
    fault: &Fault,
) -> Option<Progress> {
    let active = connection.active.as_mut()?;
    let amid = active.ask.stream;
    if amid && !active.head_sent && fault.kind != FaultKind::Stall {
        active.head_sent = true;
        let head = wire.stream_head(active.stream.prompt.len(), active.close, active.stream.created);
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
            let mut noise = Random::new(active.ask.seed, 0x9A4B, active.truth.number);
            // Its first byte is no hexadecimal digit, so it can never pass for a chunk size.
            framer.out.push(b'\x80');
            framer.out.extend((0..256).map(|_| noise.next() as u8));
            "garbage"
        }
        FaultKind::Error => {
            if amid {
                wire.error(framer);
                framer.end_body();
            } else {
                let refused = wire.refuse(settings, &Refusal::Injected(500), active.ask.endpoint, false);
                if let Refused::Reply(reply) = refused {
                    framer.out = wire.reply(&reply, active.close, active.stream.created);
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
