//! The client's and the server's own figures that outputs list, each said once with where it is held.

use super::distribution::{Distribution, Statistic};
use super::record::StampKind;
use super::summary::{ClientStats, ServerCounts};

/// Where a figure of the client is held; none where its run has it not.
#[derive(Debug, Clone, Copy)]
pub enum Held {
    /// A distribution, ms: one CSV column for each of [`CLIENT_STATISTICS`].
    Distribution(fn(&ClientStats) -> Option<&Distribution>),
    /// A number.
    Number(fn(&ClientStats) -> Option<f64>),
    /// A share, 1 for all: percent where a person reads it.
    Share(fn(&ClientStats) -> Option<f64>),
    /// A count.
    Count(fn(&ClientStats) -> u64),
    /// Words.
    Text(fn(&ClientStats) -> Option<&str>),
}

/// A figure of the client.
#[derive(Debug, Clone, Copy)]
pub struct ClientFigure {
    /// Name of its CSV column, before a statistic.
    pub name: &'static str,
    /// Its name for a person.
    pub title: &'static str,
    /// Its value.
    pub of: Held,
}

/// The statistics of the client's distributions, in the order of CSV columns and of the report.
pub const CLIENT_STATISTICS: [Statistic; 3] = [Statistic::P50, Statistic::P99, Statistic::Max];

const fn figure(name: &'static str, title: &'static str, of: Held) -> ClientFigure {
    ClientFigure { name, title, of }
}

/// Waiting for a slot under the cap.
pub const SLOT_WAIT: ClientFigure =
    figure("slot_wait_ms", "Slot wait", Held::Distribution(|client| client.slot_wait_ms.as_ref()));
/// The client's own lateness in an open loop.
pub const SEND_DELAY: ClientFigure =
    figure("send_delay_ms", "Send delay", Held::Distribution(|client| client.send_delay_ms.as_ref()));
/// How long arrivals lay before they were read.
pub const READER_LAG: ClientFigure =
    figure("reader_lag_ms", "Reader lag", Held::Distribution(|client| client.reader_lag_ms.as_ref()));
/// Requests that were never sent.
pub const DROPPED_SENDS: ClientFigure =
    figure("dropped_sends", "Dropped sends", Held::Count(|client| client.dropped_sends));
/// Achieved over planned request rate.
pub const ACHIEVED_RATE: ClientFigure =
    figure("achieved_rate", "Achieved of the planned rate", Held::Share(|client| client.achieved_rate));
/// Share of events with a merged stamp.
pub const MERGED_EVENTS: ClientFigure =
    figure("merged_events", "Merged events", Held::Share(|client| Some(client.merged_events)));
/// Requests that were sent once more.
pub const RECONNECTS: ClientFigure =
    figure("reconnects", "Reconnects", Held::Count(|client| client.reconnects));
/// CPU seconds of the load threads.
pub const CPU_S: ClientFigure = figure("client_cpu_s", "CPU (s)", Held::Number(ClientStats::known_cpu_s));

/// The client's figures in the order of CSV columns.
pub const CLIENT: &[ClientFigure] = &[
    SLOT_WAIT,
    SEND_DELAY,
    READER_LAG,
    figure("late_sends", "Late sends", Held::Count(|client| client.late_sends)),
    DROPPED_SENDS,
    ACHIEVED_RATE,
    MERGED_EVENTS,
    figure("kernel_stamps", "Kernel stamps", Held::Count(|client| client.stamped(StampKind::Kernel))),
    figure("read_stamps", "Read stamps", Held::Count(|client| client.stamped(StampKind::Read))),
    RECONNECTS,
    CPU_S,
    figure("client_cpu_share", "CPU", Held::Share(ClientStats::known_cpu_share)),
    figure("client_limited", "Client limited", Held::Text(|client| client.client_limited.as_deref())),
];

/// A count that both the server and the client have.
#[derive(Debug, Clone, Copy)]
pub struct ServerFigure {
    /// What is counted.
    pub name: &'static str,
    /// The server's own count.
    pub server: fn(&ServerCounts) -> f64,
    /// The same by what the client was told.
    pub client: fn(&ServerCounts) -> f64,
    /// Counters of it that the server's page does not have.
    pub missing: fn(&ServerCounts) -> &[String],
}

/// The counts that server and client should agree on.
pub const SERVER: &[ServerFigure] = &[
    ServerFigure {
        name: "prompt",
        server: |counts| counts.prompt_tokens,
        client: |counts| counts.client_prompt_tokens,
        missing: |counts| &counts.missing.prompt,
    },
    ServerFigure {
        name: "generated",
        server: |counts| counts.generated_tokens,
        client: |counts| counts.client_generated_tokens,
        missing: |counts| &counts.missing.generated,
    },
];
