//! Senses a server while a run goes, and keeps what was sensed beside the run's records.

use std::time::Duration;

use crate::load::RunClock;
use crate::monitor::{Sampler, Sensor, ServerPage};
use crate::results::{RunFiles, SampleWriter};
use crate::schema::SCHEMA_VERSION;
use crate::schema::plan::RunKey;
use crate::schema::sample::{SERIES, SamplesHeader, SensorTally, Series, SeriesHead};
use crate::schema::target::Target;

use super::event::{Event, Listener};
use super::session::{Session, Stage};

/// The sensors of one run. None of their troubles touches the run; each is said once.
pub struct Sampling<'a> {
    sampler: Option<Sampler<SampleWriter>>,
    label: &'a str,
    listen: Listener<'a>,
}

impl<'a> Sampling<'a> {
    /// Starts what the plan wants sensed; nothing where the engine's page is not known.
    pub fn start(
        stage: &Stage<'a>,
        (target, key): (&Target, &'a RunKey),
        url: &str,
        files: &RunFiles,
        clock: &RunClock,
    ) -> Sampling<'a> {
        let session = stage.session;
        let mut sampling = Sampling { sampler: None, label: &key.label, listen: stage.listen };
        let interval = Duration::try_from_secs_f64(session.plan.scrape_interval_s).unwrap_or_default();
        let page = ServerPage::new(session.client.clone(), url, &target.metrics);
        let sensors: Vec<Sensor> = [page.map(Sensor::ServerPage)].into_iter().flatten().collect();
        if sensors.is_empty() || interval.is_zero() {
            return sampling;
        }
        let started = SampleWriter::create(files, &header(session, key, clock)).and_then(|writer| {
            Sampler::start(sensors, clock.instant(0), interval, writer, SampleWriter::write)
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
        let closed = sampler.stop().and_then(|(writer, tallies)| {
            for tally in tallies.iter().filter(|tally| tally.failed > 0) {
                self.say(&trouble(tally));
            }
            writer.close(tallies)
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

fn trouble(tally: &SensorTally) -> String {
    let readings = tally.failed + tally.samples;
    let why = tally.trouble.as_deref().unwrap_or("no reason known");
    format!("{} of {readings} readings of {} failed: {why}", tally.failed, tally.source.title())
}

fn header(session: &Session, key: &RunKey, clock: &RunClock) -> SamplesHeader {
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
        series: SERIES.iter().map(head).collect(),
    }
}
