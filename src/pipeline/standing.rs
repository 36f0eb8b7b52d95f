//! A server that stands, and what is known of it before a run.

use crate::backend::launch::Server;
use crate::monitor::ServerCounters;
use crate::schema::fairness::ProbeReply;
use crate::schema::record::LateAck;

use super::before_load::BeforeLoad;
use super::record::ReportedTokens;
use super::server_tree::ContainerRoot;

/// A server that can be measured.
pub struct Standing {
    /// Where it answers.
    pub url: String,
    /// Ours to stop; none for a server that already ran.
    pub server: Option<Server>,
    /// Seconds from launch to readiness.
    pub ready_s: Option<f64>,
    /// The command as launched.
    pub launched: Vec<String>,
    /// The server's own counters at a time before which nothing is to be counted; none where it has none.
    pub before: Option<ServerCounters>,
    /// What the server's answers have told since then.
    pub reported: ReportedTokens,
    /// What came of acknowledging the probes' answers late.
    pub late_acks: Vec<LateAck>,
    /// What the server made of the probe set.
    pub probes: Vec<ProbeReply>,
    /// What its launch left for its runs.
    pub before_load: BeforeLoad,
    /// The first process of its container.
    pub container_root: ContainerRoot,
}
