//! The table of what can be sensed while a run goes: a file a source, a row a series.

pub mod gpu;
pub mod host;
pub mod processes;
mod row;
pub mod server;

pub use row::Series;

/// Every series that can be sensed.
pub fn all() -> impl Iterator<Item = &'static Series> {
    [server::SERIES, gpu::SERIES, processes::SERVER, processes::CLIENT, host::SERIES].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_series_of_a_source_share_a_name() {
        let names: BTreeSet<_> = all().map(|series| (series.source, series.name)).collect();
        assert_eq!(names.len(), all().count());
    }
}
