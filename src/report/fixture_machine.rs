//! What a machine did during a run, to draw in tests: of the size that an H200 showed under an 8B model in bf16.

use std::collections::BTreeMap;

use crate::report::chart::DrawnRun;
use crate::schema::curves::RunCurves;
use crate::schema::phases::Phases;
use crate::schema::sample::{DeviceSeries, SensedSeries};
use crate::schema::series::{gpu, host, processes, server};
use crate::schema::summary::RunSummary;

const GIB: f64 = (1u64 << 30) as f64;
/// From one reading to the next of GPUs and of everything else, s.
const GPU_INTERVAL_S: f64 = 0.1;
const INTERVAL_S: f64 = 1.0;
const WARM_UP_S: f64 = 2.0;
const DRAIN_S: f64 = 1.5;
/// Between readiness and the first request.
const PAUSE_S: f64 = 1.0;

/// Everything that was sensed of a run.
pub struct Machine {
    pub server: SensedSeries,
    pub gpus: Vec<DeviceSeries>,
    pub server_processes: SensedSeries,
    pub client: SensedSeries,
    pub host: SensedSeries,
    pub phases: Phases,
}

impl Machine {
    /// The run with it.
    pub fn drawn<'a>(&'a self, run: &'a RunSummary, curves: &'a RunCurves) -> DrawnRun<'a> {
        DrawnRun {
            server: Some(&self.server),
            gpus: &self.gpus,
            server_processes: Some(&self.server_processes),
            client: Some(&self.client),
            host: Some(&self.host),
            phases: Some(&self.phases),
            ..DrawnRun::bare(&run.key, curves)
        }
    }
}

/// The machine of a run with so many GPUs.
pub fn machine(run: &RunSummary, gpus: u32) -> Machine {
    let launch_s = run.ready_s.unwrap_or(0.0) * (1.0 + wave(run.duration_s) * 0.1);
    let at = Course { launch_s, load_s: WARM_UP_S + run.duration_s, seed: run.duration_s };
    let phases = Phases {
        launch: Some((-launch_s - PAUSE_S, -PAUSE_S)),
        measured_from_s: WARM_UP_S,
        issue_end_s: at.load_s - DRAIN_S,
        measured_to_s: at.load_s,
    };
    let gpus = (0..gpus).map(|device| DeviceSeries { device, sensed: at.gpu(f64::from(device)) });
    Machine {
        server: at.server(),
        gpus: gpus.collect(),
        server_processes: at.server_processes(),
        client: at.client(),
        host: at.host(),
        phases,
    }
}

/// Of a run's course, by seconds from its start.
struct Course {
    launch_s: f64,
    load_s: f64,
    seed: f64,
}

impl Course {
    fn sensed(&self, interval_s: f64, from_s: f64, of: &[(&str, &dyn Fn(f64) -> f64)]) -> SensedSeries {
        let readings = ((self.load_s - from_s) / interval_s) as usize;
        let times = || (0..=readings).map(move |place| from_s + place as f64 * interval_s);
        let one = |(name, value): &(&str, &dyn Fn(f64) -> f64)| {
            ((*name).to_owned(), times().map(|at| (at, value(at))).collect())
        };
        SensedSeries {
            interval_s,
            samples: readings as u64 + 1,
            series: of.iter().map(one).collect::<BTreeMap<_, _>>(),
            ..SensedSeries::default()
        }
    }

    fn begin(&self) -> f64 {
        -self.launch_s - PAUSE_S
    }

    /// From 0 before the load to 1 under all of it, back to 0 in the drain.
    fn load(&self, at: f64) -> f64 {
        ((at / 0.8).clamp(0.0, 1.0)).min(((self.load_s - at) / DRAIN_S).clamp(0.0, 1.0))
    }

    /// From 0 at the launch to 1 when the server is ready.
    fn launched(&self, at: f64) -> f64 {
        ((at - self.begin()) / self.launch_s.max(0.1)).clamp(0.0, 1.0)
    }

    fn noise(&self, at: f64) -> f64 {
        wave(at * 7.3 + self.seed)
    }

    fn gpu(&self, device: f64) -> SensedSeries {
        let busy = |at: f64| if self.load(at) > 0.0 { 1.0 } else { 0.0 };
        let utilisation = |at: f64| busy(at) * (0.97 + 0.03 * self.noise(at + device)) * self.load(at).sqrt();
        let memory = |at: f64| match self.launched(at) {
            early if early < 0.25 => 0.7 * GIB,
            weights if weights < 0.7 => (0.7 + 15.0 * (weights - 0.25) / 0.45) * GIB,
            _ => (124.0 + device) * GIB,
        };
        let idle = |at: f64| if self.launched(at) < 0.1 { 77.0 } else { 121.0 };
        let power = |at: f64| idle(at) + self.load(at) * (470.0 - 25.0 * device + 45.0 * self.noise(at));
        let temperature =
            |at: f64| 34.0 + device + if at > 0.0 { 27.0 * (1.0 - (-at / 9.0).exp()) } else { 0.0 };
        let clock = |at: f64| {
            if self.launched(at) < 0.1 { 345.0 } else { 1_980.0 - 60.0 * busy(at) * self.noise(at).abs() }
        };
        let of: [(&str, &dyn Fn(f64) -> f64); 5] = [
            (gpu::GPU_UTILISATION, &utilisation),
            (gpu::GPU_MEMORY_USED, &memory),
            (gpu::GPU_POWER, &power),
            (gpu::GPU_TEMPERATURE, &temperature),
            (gpu::GPU_SM_CLOCK, &clock),
        ];
        self.sensed(GPU_INTERVAL_S, self.begin(), &of)
    }

    fn server(&self) -> SensedSeries {
        let running = |at: f64| (8.0 * self.load(at)).round();
        let waiting = |at: f64| (3.0 * self.load(at) * (0.5 + 0.5 * self.noise(at))).round();
        let cache = |at: f64| self.load(at) * (0.31 + 0.04 * self.noise(at));
        let of: [(&str, &dyn Fn(f64) -> f64); 3] = [
            (server::SERVER_RUNNING, &running),
            (server::SERVER_WAITING, &waiting),
            (server::SERVER_KV_CACHE_USE, &cache),
        ];
        self.sensed(INTERVAL_S, -PAUSE_S, &of)
    }

    fn server_processes(&self) -> SensedSeries {
        let cpu = |at: f64| 2.2 * (at - self.begin()) + 1.3 * at.max(0.0);
        let resident = |at: f64| (0.4 + 5.6 * self.launched(at)) * GIB;
        let of: [(&str, &dyn Fn(f64) -> f64); 2] =
            [(processes::CPU_TIME, &cpu), (processes::RESIDENT, &resident)];
        self.sensed(INTERVAL_S, self.begin(), &of)
    }

    fn client(&self) -> SensedSeries {
        let cpu = |at: f64| 0.01 * (at - self.begin()) + 0.04 * at.max(0.0);
        self.sensed(INTERVAL_S, self.begin(), &[(processes::CPU_TIME, &cpu)])
    }

    fn host(&self) -> SensedSeries {
        let busy = |at: f64| 3.6 + 0.6 * self.noise(at) + self.load(at);
        self.sensed(INTERVAL_S, self.begin(), &[(host::HOST_BUSY, &busy)])
    }
}

/// Between -1 and 1, the same at every call.
fn wave(at: f64) -> f64 {
    (at * 12.9898).sin() * (at * 3.1 + 1.7).cos()
}
