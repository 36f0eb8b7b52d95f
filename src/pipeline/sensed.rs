//! What was sensed during a run, read back from its samples' file.

use std::collections::BTreeSet;
use std::io::Write;

use anyhow::Context;

use crate::analysis::{self, GpuFigures};
use crate::report::csv::gpu_table;
use crate::results::{self, AtomicFile, ReadSamples, RunFiles};
use crate::schema::files::RecordsHeader;
use crate::schema::sample::{DeviceSeries, Sample, SensedSeries, Source};
use crate::schema::served::ServedSummary;
use crate::schema::summary::RunSummary;

/// What was sensed during a run. A file that cannot be read costs its series, not the run.
pub enum Sensed {
    /// The samples.
    Read(Box<ReadSamples>),
    /// Why they cannot be read.
    Unreadable(String),
}

impl Sensed {
    /// Reads a run's samples; none where nothing was sensed.
    pub fn read(files: &RunFiles) -> Option<Sensed> {
        let path = [files.closed_samples(), files.samples()].into_iter().find(|path| path.exists())?;
        Some(match results::read_samples(&path) {
            Ok(read) => Sensed::Read(Box::new(read)),
            Err(error) => Sensed::Unreadable(format!("{error:#}")),
        })
    }

    /// The series of a source that has one device; none where it was not sensed.
    pub fn of(&self, source: Source) -> Option<SensedSeries> {
        match self {
            Sensed::Read(read) => series(read, source, None),
            // The page is what is always wanted: its place names the trouble once.
            Sensed::Unreadable(why) => (source == Source::Server)
                .then(|| SensedSeries { trouble: Some(why.clone()), ..SensedSeries::default() }),
        }
    }

    /// What the server's page says of the measured requests. Of several servers the page is that of the first alone,
    /// and the requests went to all of them.
    pub fn served(&self, header: &RecordsHeader, summary: &RunSummary) -> Option<ServedSummary> {
        let Sensed::Read(read) = self else { return None };
        let targets = &header.plan.targets;
        if targets.iter().any(|target| target.label == header.key.label && !target.more_urls.is_empty()) {
            return None;
        }
        let from = summary.started_at.duration_since(header.started_at);
        let from_us = i64::try_from(from.as_micros()).unwrap_or(0);
        analysis::served(&read.samples, (from_us, from_us.saturating_add((summary.duration_s * 1e6) as i64)))
    }

    /// What the GPUs did from one time to another, µs from the run's start; none where none is used, and of a window
    /// without length.
    pub fn gpu_figures(&self, (from_us, to_us): (u64, u64)) -> Option<GpuFigures> {
        let Sensed::Read(read) = self else { return None };
        let head = read.header.gpus.as_ref().filter(|_| from_us < to_us)?;
        let interval_s = read.header.interval_of(Source::Gpu);
        let mut figures = analysis::gpu_figures(head, &read.samples, (from_us, to_us), interval_s)?;
        let closed = read.footer.is_some();
        let gone = analysis::vanished(&figures.summary, &read.samples, (from_us, to_us), interval_s, closed);
        figures.doubts.extend(gone);
        let tallies = read.footer.iter().flat_map(|footer| &footer.sensors);
        analysis::add_others(&mut figures.summary, tallies.flat_map(|tally| &tally.others));
        Some(figures)
    }

    /// Writes `_gpu.csv`, a row a sample and GPU, where one was read.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn write_gpu_csv(&self, files: &RunFiles) -> anyhow::Result<()> {
        let Sensed::Read(read) = self else { return Ok(()) };
        let Some(table) = gpu_table(read.header.gpus.as_ref(), &read.samples) else { return Ok(()) };
        let path = files.gpu_csv();
        let mut sink = AtomicFile::create(&path)?;
        sink.write_all(&table).with_context(|| format!("cannot write {}", path.display()))?;
        sink.commit()
    }

    /// The first moment of which a sensor tells, seconds from the run's start.
    pub fn first_s(&self) -> Option<f64> {
        let Sensed::Read(read) = self else { return None };
        read.samples.iter().map(Sample::middle_s).reduce(f64::min)
    }

    /// The series of each GPU.
    pub fn gpus(&self) -> Vec<DeviceSeries> {
        let Sensed::Read(read) = self else { return Vec::new() };
        let of_gpus = read.samples.iter().filter(|sample| sample.source == Source::Gpu);
        let devices: BTreeSet<u32> = of_gpus.filter_map(|sample| sample.device).collect();
        let series = |device| Some(DeviceSeries { device, sensed: series(read, Source::Gpu, Some(device))? });
        devices.into_iter().filter_map(series).collect()
    }
}

fn series(read: &ReadSamples, source: Source, device: Option<u32>) -> Option<SensedSeries> {
    let tally = read.footer.iter().flat_map(|footer| &footer.sensors).find(|tally| tally.source == source);
    let own = read.samples.iter().filter(|sample| (sample.source, sample.device) == (source, device));
    let samples = own.count() as u64;
    let broken = read.broken.clone().filter(|_| source == Source::Server);
    if samples == 0 && tally.is_none() && broken.is_none() && read.footer.is_some() {
        return None;
    }
    if samples == 0 && source != Source::Server {
        tally?;
    }
    Some(SensedSeries {
        interval_s: read.header.interval_of(source),
        samples,
        skipped: tally.map(|tally| tally.skipped),
        failed: tally.map(|tally| tally.failed),
        trouble: broken.or_else(|| tally.and_then(|tally| tally.trouble.clone())),
        series: analysis::series(&read.samples, source, device),
    })
}
