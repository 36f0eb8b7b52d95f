//! What was sensed during a run, read back from its samples' file.

use std::collections::BTreeSet;

use crate::analysis;
use crate::results::{self, ReadSamples, RunFiles};
use crate::schema::sample::{DeviceSeries, Sample, SensedSeries, Source};

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
