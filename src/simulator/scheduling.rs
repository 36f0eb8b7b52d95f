//! Who is served when: the queue, fixed times, and steps of a continuous batch.

use super::connection::Connection;
use super::counters::Ending;
use super::dialect::{Finish, HeadTime};
use super::emit::{Generations, Progress, emit, send_head};
use super::server::{Alarm, Ended, Place, Server};
use super::settings::Service;

impl Server {
    /// A request joins the queue, and starts at once where there is room.
    pub(super) fn enqueue(
        &mut self,
        place: Place,
        connection: &mut Connection,
        ticket: u64,
        arrival_ns: u64,
    ) {
        match self.settings.service {
            Service::Fixed { .. } => {
                if self.counters.running < self.settings.max_batch && self.waiting.is_empty() {
                    self.start_fixed(place, connection, arrival_ns);
                } else {
                    self.waiting.push_back((place, ticket));
                }
            }
            Service::Batching { .. } => {
                self.waiting.push_back((place, ticket));
                if self.step_end_ns.is_none() {
                    // The batch is idle: this request is the first of the next step. It is not in its place
                    // while it is worked on, so it is started here.
                    self.waiting.pop_back();
                    self.start_one(connection, arrival_ns);
                    self.batch.push((place, ticket));
                    let prompt = connection.active.as_ref().map_or(0, |active| active.request.prompt_tokens);
                    self.plan_step(arrival_ns, u64::from(prompt));
                }
            }
        }
    }

    fn start_one(&mut self, connection: &mut Connection, start_ns: u64) {
        let Some(active) = connection.active.as_mut() else { return };
        active.start(start_ns);
        self.counters.waiting -= 1;
        self.counters.running += 1;
        self.counters.held_tokens += u64::from(active.request.prompt_tokens);
        self.counters.queue.observe(active.stream.queue_ns as f64 / 1e9);
        send_head(self.dialect, connection, HeadTime::SlotStart);
    }

    fn start_fixed(&mut self, place: Place, connection: &mut Connection, start_ns: u64) {
        self.start_one(connection, start_ns);
        let Some(active) = connection.active.as_mut() else { return };
        if let Some(due_ns) = active.schedule(&self.settings) {
            let ticket = active.ticket;
            self.at(due_ns, Alarm::Token(place, ticket));
        }
    }

    /// Fixed times: as many of those that wait start as there is room.
    fn start_waiting(&mut self, free_ns: u64) {
        while self.counters.running < self.settings.max_batch {
            let Some((place, ticket)) = self.waiting.pop_front() else { return };
            let Some(mut connection) = self.take(place) else { continue };
            match &connection.active {
                Some(active) if active.ticket == ticket && !active.started => {
                    let start_ns = active.truth.complete_ns.max(free_ns);
                    self.start_fixed(place, &mut connection, start_ns);
                    self.settle(place, connection);
                }
                Some(_) | None => self.put(place, connection),
            }
        }
    }

    /// The length of the next step, from its batch and its new prompts.
    fn plan_step(&mut self, start_ns: u64, prompt_tokens: u64) {
        let Service::Batching { prefill_rate, step_base, step_per_sequence } = self.settings.service else {
            return;
        };
        let seconds = step_base.as_secs_f64()
            + step_per_sequence.as_secs_f64() * self.batch.len() as f64
            + prompt_tokens as f64 / prefill_rate;
        let length_ns = self.step_jitter.jittered((seconds * 1e9).round() as u64, self.settings.jitter);
        self.step_end_ns = Some(start_ns + length_ns);
        self.counters.steps += 1;
        self.counters.step_sequences += self.batch.len() as u64;
        self.at(start_ns + length_ns, Alarm::Step);
    }

    /// Every sequence of the batch gets a token; then the next step begins, with those that waited.
    pub(super) fn step_ends(&mut self, due_ns: u64) {
        let members = std::mem::take(&mut self.batch);
        for (place, ticket) in members {
            let Some(mut connection) = self.take(place) else { continue };
            let mut stays = false;
            match connection.active.as_mut() {
                Some(active) if active.ticket == ticket && active.ended.is_none() => {
                    active.gathered += 1;
                    let wanted = active.next_chunk(self.settings.tokens_per_chunk);
                    stays = if active.gathered >= wanted {
                        active.gathered = 0;
                        self.write_tokens(place, &mut connection, wanted, due_ns)
                    } else {
                        true
                    };
                }
                Some(_) | None => {}
            }
            if stays {
                self.batch.push((place, ticket));
            }
            self.settle(place, connection);
        }
        let start_ns = self.next_step_start(due_ns);
        let prompts = self.admit(start_ns);
        if self.batch.is_empty() {
            self.step_end_ns = None;
        } else {
            self.plan_step(start_ns, prompts);
        }
    }

    /// With an empty batch, the arrival of the first that waits.
    fn next_step_start(&mut self, due_ns: u64) -> u64 {
        while self.batch.is_empty() {
            let Some((place, ticket)) = self.waiting.front().copied() else { return due_ns };
            if let Some(connection) = self.take(place) {
                let arrival =
                    connection.active.as_ref().filter(|a| a.ticket == ticket).map(|a| a.truth.complete_ns);
                self.put(place, connection);
                if let Some(arrival_ns) = arrival {
                    return due_ns.max(arrival_ns);
                }
            }
            self.waiting.pop_front();
        }
        due_ns
    }

    /// Those that arrived by the step's start join it while there is room; their prompt tokens.
    fn admit(&mut self, start_ns: u64) -> u64 {
        let mut prompts = 0;
        while self.batch.len() < self.settings.max_batch {
            let Some((place, ticket)) = self.waiting.front().copied() else { break };
            let Some(mut connection) = self.take(place) else {
                self.waiting.pop_front();
                continue;
            };
            let arrival =
                connection.active.as_ref().filter(|a| a.ticket == ticket).map(|a| a.truth.complete_ns);
            if arrival.is_some_and(|arrival_ns| arrival_ns > start_ns) {
                self.put(place, connection);
                break;
            }
            self.waiting.pop_front();
            if arrival.is_some() {
                self.start_one(&mut connection, start_ns);
                prompts +=
                    connection.active.as_ref().map_or(0, |active| u64::from(active.request.prompt_tokens));
                self.batch.push((place, ticket));
                self.settle(place, connection);
            } else {
                self.put(place, connection);
            }
        }
        prompts
    }

    /// Fixed times: a chunk is due.
    pub(super) fn token_due(&mut self, place: Place, ticket: u64, due_ns: u64) {
        let Some(mut connection) = self.take(place) else { return };
        match &connection.active {
            Some(active) if active.ticket == ticket && active.ended.is_none() => {
                let steps = active.next_chunk(self.settings.tokens_per_chunk);
                if self.write_tokens(place, &mut connection, steps, due_ns)
                    && let Some(active) = connection.active.as_mut()
                    && let Some(next_ns) = active.schedule(&self.settings)
                {
                    self.counters.steps += 1;
                    self.counters.step_sequences += 1;
                    self.at(next_ns, Alarm::Token(place, ticket));
                }
            }
            Some(_) | None => {}
        }
        self.settle(place, connection);
    }

    /// A stall is over: under fixed times the rest follows at once where it is overdue.
    pub(super) fn resume(&mut self, place: Place, ticket: u64, now_ns: u64) {
        match self.settings.service {
            Service::Fixed { .. } => self.token_due(place, ticket, now_ns),
            Service::Batching { .. } => {
                self.batch.push((place, ticket));
                if self.step_end_ns.is_none() {
                    self.plan_step(now_ns, 0);
                }
            }
        }
    }

    /// Write a chunk; whether more follow.
    fn write_tokens(&mut self, place: Place, connection: &mut Connection, steps: u32, due_ns: u64) -> bool {
        if self.muted {
            return false;
        }
        let mut generations = Generations {
            dialect: self.dialect,
            settings: &self.settings,
            framer: &mut self.framer,
            counters: &mut self.counters,
        };
        let progress = emit(&mut generations, connection, steps, due_ns);
        let Some(active) = connection.active.as_mut() else { return false };
        match progress {
            Progress::More => true,
            Progress::Stalled(until_ns) => {
                let ticket = active.ticket;
                if let Some(until_ns) = until_ns {
                    self.at(until_ns, Alarm::Resume(place, ticket));
                }
                false
            }
            Progress::Over => {
                let ending = match active.finish {
                    Finish::Stop => Ending::Stop,
                    Finish::Length => Ending::Length,
                };
                active.ended.get_or_insert((ending, "completed"));
                self.free_slot(connection, due_ns);
                false
            }
            Progress::Crash => {
                self.ended = Some(Ended::Crashed);
                false
            }
        }
    }

    /// The engine is done with an answer, even if its last bytes still wait for the socket.
    pub(super) fn free_slot(&mut self, connection: &mut Connection, due_ns: u64) {
        let Some(active) = connection.active.as_mut() else { return };
        let Some((ending, outcome)) = active.ended else { return };
        let counters = &mut self.counters;
        if active.started {
            counters.running -= 1;
            let held = u64::from(active.request.prompt_tokens + active.stream.generated);
            counters.held_tokens = counters.held_tokens.saturating_sub(held);
        } else {
            counters.waiting -= 1;
        }
        counters.endings[ending as usize] += 1;
        counters.longest_sequence =
            counters.longest_sequence.max(active.request.prompt_tokens + active.stream.generated);
        if outcome == "completed" {
            let finished = &mut counters.finished[usize::from(active.request.stream)];
            finished.requests += 1;
            finished.prompt_tokens += u64::from(active.request.prompt_tokens);
            finished.generated_tokens += u64::from(active.stream.generated);
            counters.predicted_seconds += active.stream.predicted_ns as f64 / 1e9;
            counters.e2e.observe(due_ns.saturating_sub(active.truth.complete_ns) as f64 / 1e9);
            counters.prompt_lengths.observe(f64::from(active.request.prompt_tokens));
            counters.generated_lengths.observe(f64::from(active.stream.generated));
            counters.limits.observe(f64::from(active.request.limit));
        }
        if let Service::Fixed { .. } = self.settings.service {
            self.start_waiting(due_ns);
        }
    }
}
