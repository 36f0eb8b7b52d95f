//! A plan made in a few words: what it holds where nobody says otherwise.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::client_threads::ClientThreads;
use super::conversations::Conversations;
use super::fairness::FairnessMode;
use super::plan::{
    DatasetSource, HttpSettings, Launching, LoadPoint, Output, Plan, Sampling, SharedSettings,
};
use super::seeds::Seeds;
use super::sensing::Sensing;
use super::target::{ProtocolName, Target};
use super::traffic::{Traffic, Until, Warmup};

/// Warm-up requests of a load without a bound on what is in flight.
const OPEN_WARMUP: u64 = 20;

impl Plan {
    /// Every load played once to every target, over OpenAI's chat completions, greedy. Results go into files in
    /// `results/`; the server's own page is read once a second. It is called `compare` where it has several
    /// targets, else `run` or `bench`, and its run id is that with `created_at`. The dataset is that of units
    /// made in memory. Whatever is to be otherwise is a field.
    pub fn of(created_at: Timestamp, targets: Vec<Target>, loads: Vec<LoadPoint>) -> Plan {
        let launches = targets.iter().any(Target::is_launched);
        let title = match (targets.len(), launches) {
            (0 | 1, false) => "bench",
            (0 | 1, true) => "run",
            (_, _) => "compare",
        };
        let plan = Plan {
            schema_version: super::SCHEMA_VERSION,
            run_id: String::new(),
            title: title.to_owned(),
            created_at,
            targets,
            skipped: Vec::new(),
            dataset: DatasetSource::in_memory("units", 0),
            loads,
            rounds: 1,
            repeats: 1,
            baseline: None,
            until_sure_pct: None,
            fairness: FairnessMode::default(),
            objectives: Vec::new(),
            search: None,
            prices_per_hour: BTreeMap::new(),
            seed: 0,
            seeds: Seeds::default(),
            conversations: Conversations::default(),
            split: None,
            client_threads: ClientThreads::Auto,
            workers: 1,
            sampling: Sampling::default(),
            http: HttpSettings::default(),
            launching: launches.then(Launching::default),
            scrape_interval_s: 1.0,
            sensing: Sensing::default(),
            output: Output::of("results", false),
            strict: false,
            simulated: false,
            command: Vec::new(),
        };
        Plan { run_id: plan.new_run_id(), ..plan }
    }
}

impl LoadPoint {
    /// A load without a name: as many warm-up requests as may be in flight (20 where that has no bound), 600 s for
    /// a request, 30 s for those in flight at the end.
    pub fn of(traffic: Traffic, until: Until) -> LoadPoint {
        let warmup = Warmup::Requests(traffic.concurrency().map_or(OPEN_WARMUP, u64::from));
        LoadPoint { name: None, asks: None, traffic, until, warmup, drain_s: 30.0, timeout_s: 600.0 }
    }
}

impl DatasetSource {
    /// Units that no file holds; `prompts` of them, 0 where that is not known.
    pub fn in_memory(name: &str, prompts: usize) -> Self {
        DatasetSource {
            name: name.to_owned(),
            path: "in memory".to_owned(),
            sha256: String::new(),
            prompts,
            passed_over: Vec::new(),
            reading: None,
            synthetic: None,
            renewed: false,
            trace: None,
        }
    }
}

/// OpenAI's chat completions over HTTP/1.1: no header of one's own, no key.
impl Default for HttpSettings {
    fn default() -> Self {
        HttpSettings {
            protocol: ProtocolName::OpenaiChat,
            path: "/v1/chat/completions".to_owned(),
            stream: true,
            template: None,
            unix_socket: None,
            headers: Vec::new(),
            api_key_env: None,
            api_key_file: None,
            ca_file: None,
            insecure: false,
            http2: false,
            own_protocols: Default::default(),
        }
    }
}

/// Half an hour for a start, the shared settings as they are by default.
impl Default for Launching {
    fn default() -> Self {
        Launching { shared: SharedSettings::default(), startup_timeout_s: 1800.0 }
    }
}

/// 4,096 tokens a request, 32 requests a batch, every GPU.
impl Default for SharedSettings {
    fn default() -> Self {
        SharedSettings { context_length: 4096, max_batch: 32, gpus: None }
    }
}

#[cfg(test)]
mod tests {
    use super::super::traffic::{Arrivals, Ramp};
    use super::*;

    #[test]
    fn a_plan_needs_no_more_than_a_time_targets_and_loads() {
        let at = "2026-02-01T14:30:00Z".parse().unwrap();
        let until = Until::after_requests(3.try_into().unwrap());
        let closed =
            LoadPoint::of(Traffic::Closed { slots: 8.try_into().unwrap(), ramp: Ramp::Automatic }, until);
        let open = LoadPoint::of(Traffic::Open { arrivals: Arrivals::AllAtOnce, cap: None }, until);
        assert_eq!((closed.warmup, open.warmup), (Warmup::Requests(8), Warmup::Requests(20)));
        let plan = Plan::of(at, Vec::new(), vec![closed, open]);
        assert_eq!((plan.run_id.as_str(), plan.launching.is_none()), ("bench_20260201_143000", true));
        let simulated = Plan { simulated: true, title: "sweep".to_owned(), ..plan };
        assert_eq!(simulated.new_run_id(), "sweep_simulated_20260201_143000");
    }
}
