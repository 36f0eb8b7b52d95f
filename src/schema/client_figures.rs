//! The client's and the server's own figures that outputs list, each said once with where it is held.

use super::distribution::{Distribution, Statistic};
use super::record::StampKind;
use super::summary::{ClientStats, ServerCounts};

/// Where a figure of the client is held; none where its run has it not.
#[derive(Debug, Clone, Copy)]
pub enum Held {
    /// A distribution: one CSV column for each of [`CLIENT_STATISTICS`].
    Distribution(fn(&ClientStats) -> Option<&Distribution>),
    /// A number.
    Number(fn(&ClientStats) -> Option<f64>),
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
    /// Its value.
    pub of: Held,
}

/// The statistics of the client's distributions, in the order of CSV columns and of the report.
pub const CLIENT_STATISTICS: [Statistic; 3] = [Statistic::P50, Statistic::P99, Statistic::Max];

const fn figure(name: &'static str, of: Held) -> ClientFigure {
    ClientFigure { name, of }
}

/// The client's figures in the order of CSV columns.
pub const CLIENT: &[ClientFigure] = &[
    figure("slot_wait_ms", Held::Distribution(|client| client.slot_wait_ms.as_ref())),
    figure("send_delay_ms", Held::Distribution(|client| client.send_delay_ms.as_ref())),
    figure("reader_lag_ms", Held::Distribution(|client| client.reader_lag_ms.as_ref())),
    figure("late_sends", Held::Count(|client| client.late_sends)),
    figure("dropped_sends", Held::Count(|client| client.dropped_sends)),
    figure("achieved_rate", Held::Number(|client| client.achieved_rate)),
    figure("merged_events", Held::Number(|client| Some(client.merged_events))),
    figure("kernel_stamps", Held::Count(|client| client.stamped(StampKind::Kernel))),
    figure("read_stamps", Held::Count(|client| client.stamped(StampKind::Read))),
    figure("reconnects", Held::Count(|client| client.reconnects)),
    figure("client_cpu_s", Held::Number(ClientStats::known_cpu_s)),
    figure("client_cpu_share", Held::Number(ClientStats::known_cpu_share)),
    figure("client_limited", Held::Text(|client| client.client_limited.as_deref())),
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
}

/// The counts that server and client should agree on.
pub const SERVER: &[ServerFigure] = &[
    ServerFigure {
        name: "prompt",
        server: |counts| counts.prompt_tokens,
        client: |counts| counts.client_prompt_tokens,
    },
    ServerFigure {
        name: "generated",
        server: |counts| counts.generated_tokens,
        client: |counts| counts.client_generated_tokens,
    },
];
