//! Senses a server while a run goes, and keeps what was sensed beside the run's records.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::load::RunClock;
use crate::monitor::gpu::{self, Choice, Gpus, Pace};
use crate::monitor::{Machine, Sampler, Sensor, ServerPage, ServerProcesses};
use crate::results::{RunFiles, SampleWriter};
use crate::schema::SCHEMA_VERSION;
use crate::schema::gpu::GpusHead;
use crate::schema::machine::MachineFacts;
use crate::schema::plan::{Plan, RunKey};
use crate::schema::sample::{Sample, SamplesHeader, SensorTally, SeriesHead, Source};
use crate::schema::sensing::Sensing;
use crate::schema::series::{self, Series};
use crate::schema::target::Target;

use super::event::{Event, Listener};
use super::gpu_patience::PATIENCE;
use super::live_figures::LiveFigures;
use super::session::{Session, Stage};

/// The sensors of one run. None of their troubles touches the run; each is said once.
pub struct Sampling<'a> {
    sampler: Option<Sampler<Sink>>,
    machine: Option<Machine>,
    label: &'a str,
    listen: Listener<'a>,
}

impl<'a> Sampling<'a> {
    /// Starts what the plan wants sensed; nothing where the engine's page is not known, and there is no GPU. What was
    /// sensed `earlier`, before the run's start, comes first.
    pub fn start(
        stage: &Stage<'a>,
        (target, key): (&Target, &'a RunKey),
        (url, gpus, processes): (&str, Option<Gpus>, Option<ServerProcesses>),
        files: &RunFiles,
        (clock, figures, earlier): (&RunClock, &LiveFigures, &[Sample]),
    ) -> Sampling<'a> {
        let session = stage.session;
        let guard = stage.guard.map(|guard| guard.process().pid);
        // They were looked for whose GPU memory it is, too.
        let processes = processes.filter(|_| session.plan.sensing.host_interval_s > 0.0);
        let machine = processes.map(|processes| Machine::new(processes, guard));
        let mut sampling = Sampling { sampler: None, machine, label: &key.label, listen: stage.listen };
        let page = ServerPage::new(session.client.clone(), url, &target.metrics).map(Sensor::ServerPage);
        let heads =
            (gpus.as_ref().map(|gpus| gpus.head().clone()), sampling.machine.as_ref().map(Machine::facts));
        figures.know_gpus(heads.0.as_ref());
        let of_machine = sampling.machine.iter().flat_map(machine_sensors);
        let wanted = [
            (page, session.plan.scrape_interval_s),
            (gpus.map(Sensor::Gpus), session.plan.sensing.gpu_interval_s),
        ]
        .into_iter()
        .chain(of_machine.map(|sensor| (Some(sensor), session.plan.sensing.host_interval_s)));
        let timed = |(sensor, interval_s): (Option<Sensor>, f64)| {
            let interval = Duration::try_from_secs_f64(interval_s).ok().filter(|time| !time.is_zero())?;
            Some((sensor?, interval))
        };
        let sensors: Vec<(Sensor, Duration)> = wanted.filter_map(timed).collect();
        if sensors.is_empty() {
            return sampling;
        }
        let started =
            SampleWriter::create(files, &header(session, key, clock, heads)).and_then(|mut writer| {
                earlier.iter().try_for_each(|sample| writer.write(sample))?;
                let sink = Sink { writer, figures: figures.clone() };
                Sampler::start(sensors, clock.instant(0), sink, Sink::take)
            });
        match started {
            Ok(sampler) => sampling.sampler = Some(sampler),
            Err(error) => sampling.say(&format!("nothing is sensed: {error:#}")),
        }
        sampling
    }

    /// The load is over: nothing more is sensed at its times.
    pub fn load_is_over(&self) {
        if let Some(sampler) = &self.sampler {
            sampler.load_is_over();
        }
    }

    /// Reads a last time what the server counts, and ends; the samples' file is closed.
    pub async fn stop(mut self) {
        let Some(sampler) = self.sampler.take() else { return };
        let stopped = tokio::task::spawn_blocking(|| sampler.stop()).await;
        let stopped = stopped.unwrap_or_else(|error| Err(error.into()));
        let closed = stopped.and_then(|(Sink { writer, .. }, tallies)| {
            for tally in &tallies {
                trouble(tally).iter().for_each(|trouble| self.say(trouble));
            }
            writer.close(tallies, self.machine.as_ref().map(Machine::others).unwrap_or_default())
        });
        let trouble = closed.map_or_else(Some, |closed| closed.not_compressed);
        if let Some(error) = trouble {
            self.say(&format!("what was sensed is not whole: {error:#}"));
        }
    }

    fn say(&self, what: &str) {
        (self.listen)(Event::Note(&format!("{}: {what}", self.label)));
    }
}

fn machine_sensors(machine: &Machine) -> Vec<Sensor> {
    // What the host's reading takes off is read before it.
    let server = machine.sees_server().then(|| Sensor::ServerProcesses(machine.clone()));
    server.into_iter().chain([Sensor::Client(machine.clone()), Sensor::Host(machine.clone())]).collect()
}

/// Where samples go: to the file, and to whoever shows the run.
struct Sink {
    writer: SampleWriter,
    figures: LiveFigures,
}

impl Sink {
    fn take(&mut self, sample: &Sample) -> anyhow::Result<()> {
        self.figures.sense(sample);
        self.writer.write(sample)
    }
}

/// What went wrong with a sensor, said once.
fn trouble(tally: &SensorTally) -> Option<String> {
    if tally.failed == 0 {
        // It was read to the end, and not all of it.
        return tally.trouble.clone();
    }
    let readings = tally.failed + tally.samples;
    let why = tally.trouble.as_deref().unwrap_or("no reason known");
    Some(format!("{} of {readings} readings of {} failed: {why}", tally.failed, tally.source.title()))
}

/// The sensor of the GPUs that a target uses; none without one, which is a normal case, and of a pretend engine. It is opened before the run's
/// clock starts: that takes some tens of milliseconds.
pub async fn gpus(stage: &Stage<'_>, target: &Target, key: &RunKey, server: Option<u32>) -> Option<Gpus> {
    let plan = &stage.session.plan;
    if plan.simulated {
        return None;
    }
    let interval_s = plan.sensing.gpu_interval_s;
    let interval = Duration::try_from_secs_f64(interval_s).ok().filter(|time| !time.is_zero())?;
    let of = target.clone();
    let choice = tokio::task::spawn_blocking(move || Choice::of(&of, |name| std::env::var(name).ok()));
    let choice = choice.await.ok()?;
    let open = move || gpu::open(&choice, Pace::of_load(interval));
    let opened = stage.gpu_patience.wait(PATIENCE, stage.listen, open).await?;
    let is_first = (key.point, key.round, key.repeat) == (1, 1, 1);
    let label = &key.label;
    match opened {
        Ok(opened) => {
            for note in opened.notes.iter().filter(|_| is_first) {
                (stage.listen)(Event::Note(&format!("{label}: {note}")));
            }
            let gpus = Gpus::new(opened, server).ok()?;
            (stage.listen)(Event::Detail(&format!("{label}: GPUs read by {}", named(gpus.head()))));
            Some(gpus)
        }
        Err(absent) => {
            (stage.listen)(Event::Detail(&format!("{label}: no GPU is read: {absent}")));
            None
        }
    }
}

/// `nvml: 0 NVIDIA H200, 1 NVIDIA H200`
fn named(head: &GpusHead) -> String {
    let devices: Vec<String> = head.devices.iter().map(|gpu| format!("{} {}", gpu.index, gpu.name)).collect();
    format!("{}: {}", head.read_by, devices.join(", "))
}

fn header(
    session: &Session,
    key: &RunKey,
    clock: &RunClock,
    (gpus, machine): (Option<GpusHead>, Option<MachineFacts>),
) -> SamplesHeader {
    let head = |series: &Series| SeriesHead {
        name: series.name.to_owned(),
        unit: series.unit.to_owned(),
        about: series.about.to_owned(),
    };
    SamplesHeader {
        schema_version: SCHEMA_VERSION,
        kind: "samples".into(),
        key: key.clone(),
        run_id: session.plan.run_id.clone(),
        started_at: clock.started_at(),
        interval_s: session.plan.scrape_interval_s,
        intervals_s: intervals_s(&session.plan),
        gpus,
        series: series::all().map(head).collect(),
        machine,
    }
}

/// Seconds between two readings of each sensor.
fn intervals_s(plan: &Plan) -> BTreeMap<Source, f64> {
    let Sensing { gpu_interval_s, host_interval_s } = plan.sensing;
    [
        (Source::Server, plan.scrape_interval_s),
        (Source::Gpu, gpu_interval_s),
        (Source::ServerProcesses, host_interval_s),
        (Source::Client, host_interval_s),
        (Source::Host, host_interval_s),
    ]
    .into()
}
