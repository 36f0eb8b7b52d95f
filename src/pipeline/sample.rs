//! Senses a server while a run goes, and keeps what was sensed beside the run's records.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::load::RunClock;
use crate::monitor::{Machine, Reading, Sampler, Sensor, ServerPage, ServerProcesses};
use crate::results::{RunFiles, SampleWriter};
use crate::schema::SCHEMA_VERSION;
use crate::schema::machine::{BusyProcess, MachineFacts};
use crate::schema::plan::{Plan, RunKey};
use crate::schema::sample::{Sample, SamplesHeader, SensorTally, SeriesHead, Source};
use crate::schema::sensing::Sensing;
use crate::schema::series::{self, Series};
use crate::schema::target::Target;

use super::event::{Event, Listener};
use super::live_figures::LiveFigures;
use super::session::{Session, Stage};

/// The sensors of one run. None of their troubles touches the run; each is said once.
pub struct Sampling<'a> {
    sampler: Option<Sampler<Sink>>,
    machine: Option<Machine>,
    clock: RunClock,
    label: &'a str,
    listen: Listener<'a>,
}

impl<'a> Sampling<'a> {
    /// Starts what the plan wants sensed; nothing where the engine's page is not known.
    pub fn start(
        stage: &Stage<'a>,
        (target, key): (&Target, &'a RunKey),
        (url, processes): (&str, Option<ServerProcesses>),
        files: &RunFiles,
        (clock, figures): (&RunClock, &LiveFigures),
    ) -> Sampling<'a> {
        let session = stage.session;
        let guard = stage.guard.map(|guard| guard.process().pid);
        let machine = processes.map(|processes| Machine::new(processes, guard));
        let clock = *clock;
        let mut sampling =
            Sampling { sampler: None, machine, clock, label: &key.label, listen: stage.listen };
        let page = ServerPage::new(session.client.clone(), url, &target.metrics).map(Sensor::ServerPage);
        let of_machine = sampling.machine.iter().flat_map(machine_sensors);
        let wanted = page
            .map(|page| (page, session.plan.scrape_interval_s))
            .into_iter()
            .chain(of_machine.map(|sensor| (sensor, session.plan.sensing.host_interval_s)));
        let timed = |(sensor, interval_s): (Sensor, f64)| {
            let interval = Duration::try_from_secs_f64(interval_s).ok().filter(|time| !time.is_zero())?;
            Some((sensor, interval))
        };
        let sensors: Vec<(Sensor, Duration)> = wanted.filter_map(timed).collect();
        if sensors.is_empty() {
            return sampling;
        }
        let facts = sampling.machine.as_ref().map(Machine::facts);
        let started = SampleWriter::create(files, &header(session, key, &clock, facts)).and_then(|writer| {
            let sink = Sink { writer, figures: figures.clone() };
            Sampler::start(sensors, clock.instant(0), sink, Sink::take)
        });
        match started {
            Ok(sampler) => sampling.sampler = Some(sampler),
            Err(error) => sampling.say(&format!("nothing is sensed: {error:#}")),
        }
        sampling
    }

    /// Ends it; the samples' file is closed.
    pub fn stop(mut self) {
        let Some(sampler) = self.sampler.take() else { return };
        let closed = sampler.stop().and_then(|(mut sink, mut tallies)| {
            for tally in tallies.iter().filter(|tally| tally.failed > 0) {
                self.say(&trouble(tally));
            }
            let others = match &self.machine {
                Some(machine) => last_look(machine, &self.clock, &mut sink, &mut tallies)?,
                None => Vec::new(),
            };
            sink.writer.close(tallies, others)
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

/// One reading more at the end, so that a run shorter than the time between two is covered; and who else was busy.
fn last_look(
    machine: &Machine,
    clock: &RunClock,
    sink: &mut Sink,
    tallies: &mut [SensorTally],
) -> anyhow::Result<Vec<BusyProcess>> {
    for tally in tallies {
        let read: fn(&Machine) -> anyhow::Result<Reading> = match tally.source {
            Source::ServerProcesses => Machine::server,
            Source::Client => Machine::client,
            Source::Host => Machine::host,
            Source::Server | Source::Gpu => continue,
        };
        let at_us = clock.now_us();
        let Ok(Reading { device, values, .. }) = read(machine) else { continue };
        let took_us = clock.now_us() - at_us;
        let at_us = i64::try_from(at_us).unwrap_or(i64::MAX);
        sink.take(&Sample { at_us, took_us, source: tally.source, device, values })?;
        tally.samples += 1;
    }
    Ok(machine.others())
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

fn trouble(tally: &SensorTally) -> String {
    let readings = tally.failed + tally.samples;
    let why = tally.trouble.as_deref().unwrap_or("no reason known");
    format!("{} of {readings} readings of {} failed: {why}", tally.failed, tally.source.title())
}

fn header(session: &Session, key: &RunKey, clock: &RunClock, machine: Option<MachineFacts>) -> SamplesHeader {
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
