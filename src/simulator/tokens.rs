//! Answers being generated: how far each is, when its next tokens are due, and their text.

use super::counters::{Counters, Ending};
use super::dialect::{Finish, Stream};
use super::faults::{Fault, FaultKind};
use super::parsed_request::{Answer, Endpoint, ParsedRequest};
use super::random::Random;
use super::settings::{Service, Settings};
use super::text;
use super::truth::Truth;

/// An answer that waits or is being generated.
pub struct Active {
    /// Tells this answer's timers from those of others on the connection.
    pub ticket: u64,
    /// What was asked.
    pub request: ParsedRequest,
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
    pub(super) steps_done: u32,
    pub(super) head_sent: bool,
    pub(super) fault_done: bool,
    first_due_ns: u64,
    last_due_ns: u64,
    next_due_ns: u64,
    jitter: Random,
}

impl Active {
    /// An answer to be generated.
    pub fn new(
        ticket: u64,
        request: ParsedRequest,
        answer: Answer,
        stream: Stream,
        truth: Truth,
        seed: u64,
    ) -> Self {
        Self {
            ticket,
            finish: if answer.ends_itself { Finish::Stop } else { Finish::Length },
            jitter: Random::new(seed, 0x717E, truth.number),
            request,
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
    pub(super) fn text<'a>(&self, steps: u32, buffer: &'a mut String) -> &'a str {
        let end = (self.steps_done + steps).min(self.answer.visible);
        let chat = self.request.endpoint == Endpoint::Chat;
        let token = |index: u32| {
            let token = text::generated(self.request.seed, index);
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

    pub(super) fn count(&mut self, steps: u32, due_ns: u64, counters: &mut Counters) {
        let first = self.steps_done == 0;
        if first {
            self.first_due_ns = due_ns;
            self.stream.prompt_ns = due_ns.saturating_sub(self.truth.started_ns.unwrap_or(due_ns));
            counters.prompt_tokens += u64::from(self.request.prompt_tokens);
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
        if self.stream.is_native() || !self.request.stream {
            let visible = (self.steps_done + steps).min(self.answer.visible);
            let chat = self.request.endpoint == Endpoint::Chat;
            for index in self.steps_done..visible {
                let token = text::generated(self.request.seed, index);
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
