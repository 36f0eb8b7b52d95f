//! Why a load ended before its time.

/// Why a load ended before its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CutShort {
    /// The user stopped it.
    Interrupted,
    /// The server ended.
    ServerDied(String),
    /// The guard process ended, and every server with it.
    GuardDied,
    /// Its records could not be written.
    NotSaved,
    /// The load engine could not play, or not to the end.
    NotPlayed(String),
    /// One of the workers that played it together was lost: which, when, and what was not offered.
    WorkerLost(String),
}

impl CutShort {
    /// In words, as the results hold it.
    pub fn reason(&self) -> String {
        match self {
            CutShort::Interrupted => "interrupted".into(),
            CutShort::ServerDied(how) => format!("the server {how}"),
            CutShort::GuardDied => "the guard process died".into(),
            CutShort::NotSaved => "its records could not be written".into(),
            CutShort::NotPlayed(why) | CutShort::WorkerLost(why) => why.clone(),
        }
    }
}
