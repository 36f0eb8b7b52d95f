//! A server that batches, as the pretend engine does: steps of base + per_sequence·batch + new prompt tokens / prefill
//! rate, each of which gives every sequence of the batch one token; who waits joins at a step's start while there is
//! room. Without sockets and clocks: a run of a thousand requests takes milliseconds.

/// A server and its traffic.
#[derive(Debug, Clone, Copy)]
pub struct Server {
    pub prefill_rate: f64,
    pub step_base_s: f64,
    pub step_per_sequence_s: f64,
    pub max_batch: usize,
    /// Prompt tokens, evenly between both.
    pub prompts: (f64, f64),
    /// Output tokens, evenly between both.
    pub outputs: (f64, f64),
}

/// 32 sequences at once: some 12 requests a second at most.
pub const SERVER: Server = Server {
    prefill_rate: 8000.0,
    step_base_s: 0.008,
    step_per_sequence_s: 0.0003,
    max_batch: 32,
    prompts: (50.0, 400.0),
    outputs: (16.0, 200.0),
};

/// Times of one request, ms.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    pub ttft: f64,
    pub tpot: f64,
    /// When it was due and when its last token came, s.
    pub due: f64,
    pub end: f64,
}

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    pub fn of_seed(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) + 1)
    }

    pub fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn between(&mut self, (low, high): (f64, f64)) -> f64 {
        (low + self.uniform() * (high + 1.0 - low)).floor()
    }
}

struct Request {
    arrival: f64,
    prompt: f64,
    output: f64,
}

struct Running {
    request: usize,
    left: f64,
    first: f64,
}

impl Server {
    /// Plays Poisson arrivals (all at once where the rate is infinite) to an empty server: each request's times, and
    /// how long it took in all, s.
    pub fn play(&self, rate: f64, requests: usize, random: &mut Random) -> (Vec<Times>, f64) {
        let mut at = 0.0;
        let all: Vec<Request> = (0..requests)
            .map(|_| {
                at += -(1.0 - random.uniform()).ln() / rate;
                Request {
                    arrival: at,
                    prompt: random.between(self.prompts),
                    output: random.between(self.outputs),
                }
            })
            .collect();
        let mut times = Vec::with_capacity(requests);
        let mut batch: Vec<Running> = Vec::new();
        let (mut next, mut now) = (0, 0.0f64);
        while times.len() < requests {
            if batch.is_empty() {
                now = now.max(all[next].arrival);
            }
            let mut prompts = 0.0;
            while batch.len() < self.max_batch && next < requests && all[next].arrival <= now {
                prompts += all[next].prompt;
                batch.push(Running { request: next, left: all[next].output, first: 0.0 });
                next += 1;
            }
            now += self.step_base_s
                + self.step_per_sequence_s * batch.len() as f64
                + prompts / self.prefill_rate;
            batch.retain_mut(|running| {
                let request = &all[running.request];
                if running.left == request.output {
                    running.first = now;
                }
                running.left -= 1.0;
                if running.left > 0.0 {
                    return true;
                }
                let decode = now - running.first;
                times.push(Times {
                    ttft: (running.first - request.arrival) * 1e3,
                    tpot: decode * 1e3 / (request.output - 1.0).max(1.0),
                    due: request.arrival,
                    end: now,
                });
                false
            });
        }
        (times, now)
    }
}

/// A percentile by linear interpolation, 0 to 1.
pub fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = share * (values.len() - 1) as f64;
    let (low, high) = (values[at as usize], values[(at.ceil() as usize).min(values.len() - 1)]);
    low + (at - at.floor()) * (high - low)
}
