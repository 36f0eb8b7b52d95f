//! What workers and worker 0 say to each other.

use serde::{Deserialize, Serialize};

use crate::schema::files::RecordsHeader;
use crate::schema::live_counts::LiveCounts;

use super::identity::Identity;

/// From a worker to worker 0.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub enum FromFollower {
    /// The first word: who it is.
    Hello {
        /// Which worker.
        index: u32,
        /// Of how many.
        of: u32,
        /// `HARNESS_JOIN_TOKEN`
        token: Option<String>,
        /// Name of its machine.
        host: String,
        /// What it would play.
        identity: Box<Identity>,
    },
    /// The answer to a ping: its own stamp back, and two of this side's clock, ns.
    Pong {
        /// When worker 0 sent it.
        t0: i64,
        /// When it came.
        t1: i64,
        /// When this left.
        t2: i64,
    },
    /// It has made the schedule of a run.
    Set {
        /// Which run of the plan, counted from 1 as they are played.
        run: u64,
        /// Hash of due times and requests.
        schedule: String,
    },
    /// It has warmed up and waits for the start.
    Ready {
        /// Which run.
        run: u64,
        /// µs 0 of its run clock on its own clock, ns.
        zero_ns: i64,
    },
    /// What it counts by now.
    Live {
        /// Which run.
        run: u64,
        /// Of its share.
        counts: Box<LiveCounts>,
    },
    /// Its share is played.
    Over {
        /// Which run.
        run: u64,
        /// How it went.
        over: Over,
    },
    /// Its records are closed; blocks follow where worker 0 asks for them.
    Part {
        /// Which run.
        run: u64,
        /// The file's name.
        name: String,
        /// Its bytes.
        length: u64,
        /// SHA-256 of them, hexadecimal.
        sha256: String,
    },
    /// It cannot go on with a run.
    Failed {
        /// Which run.
        run: u64,
        /// Why.
        why: String,
    },
    /// Its user stopped it: all stop.
    Stop,
}

/// From worker 0 to a worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub enum FromLeader {
    /// It is one of them.
    Welcome,
    /// It, or another one, cannot be: nothing is played.
    Refused {
        /// What is wrong.
        what: String,
        /// What to do.
        cure: String,
    },
    /// Asks for a [`FromFollower::Pong`].
    Ping {
        /// When it left, on worker 0's clock, ns.
        t0: i64,
    },
    /// What is known of its clock now.
    Clock(ClockWord),
    /// What it is to do.
    Order(Order),
}

/// What worker 0 wants of a worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub enum Order {
    /// Make the schedule of a run, and say its hash.
    Play(Box<Part>),
    /// All have made the same schedule: warm up.
    Warm {
        /// Which run.
        run: u64,
    },
    /// The measured phase begins.
    Start {
        /// Which run.
        run: u64,
        /// When, on the worker's own clock, ns.
        at_ns: i64,
        /// µs 0 of worker 0's run clock on worker 0's clock, ns.
        zero_ns: i64,
    },
    /// Stop sending.
    Stop,
    /// Close the records of a run.
    Close {
        /// Which run.
        run: u64,
        /// Why it did not reach its end.
        partial: Option<String>,
    },
    /// Send the closed records.
    Send {
        /// Which run.
        run: u64,
    },
    /// The closed records are here.
    Have {
        /// Which run.
        run: u64,
    },
    /// Nothing more is played.
    End {
        /// Somebody stopped it.
        interrupted: bool,
    },
}

/// A run as worker 0 tells of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Part {
    /// Which run of the plan, counted from 1 as they are played.
    pub run: u64,
    /// What stands at the head of its records.
    pub header: RecordsHeader,
    /// How many workers play it: the first ones.
    pub of: u32,
    /// Where the server is.
    pub url: String,
}

/// An offset, as the worker is told of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ClockWord {
    /// When, ns on the worker's clock.
    pub at_ns: i64,
    /// To be added to its clock to get worker 0's, ns.
    pub offset_ns: i64,
    /// The offset is off by no more, ns.
    pub bound_ns: i64,
    /// The largest step so far, ns.
    pub step_ns: i64,
    /// The longest time without an answer of it so far, ns.
    pub silence_ns: i64,
}

/// How a worker's share went.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Over {
    /// Why it did not reach its end.
    pub cut: Option<String>,
    /// Prompt tokens that the server reported.
    pub prompt_tokens: u64,
    /// Output tokens that it reported.
    pub output_tokens: u64,
    /// Requests that were not answered whole.
    pub cut_short: u64,
    /// Whole answers without a count.
    pub uncounted: u64,
}
