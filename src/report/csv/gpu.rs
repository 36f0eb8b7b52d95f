//! The samples of a run's GPUs: one row a sample and GPU.

use super::cell::{number, optional, plain};
use super::column::{Column, column, head, row};
use crate::schema::gpu::{GpuHead, GpusHead};
use crate::schema::sample::{Sample, Source};
use crate::schema::series::gpu::SERIES;
use crate::schema::text::cell;

/// What a row is made of.
struct GpuRow<'a> {
    sample: &'a Sample,
    gpu: Option<&'a GpuHead>,
}

/// `_gpu.csv`, whole: seconds from the run's start (the middle of each reading), the GPU, and a column a series of
/// [`SERIES`], empty where the GPU does not have it. None where no GPU was read.
pub fn gpu_table(gpus: Option<&GpusHead>, samples: &[Sample]) -> Option<Vec<u8>> {
    let gpus = gpus?;
    let columns = columns();
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(head(&columns)).ok()?;
    for sample in samples.iter().filter(|sample| sample.source == Source::Gpu) {
        let gpu = gpus.devices.iter().find(|gpu| Some(gpu.index) == sample.device);
        writer.write_record(row(&columns, &GpuRow { sample, gpu })).ok()?;
    }
    writer.into_inner().ok()
}

fn columns<'a>() -> Vec<Column<'a, GpuRow<'a>>> {
    let mut columns = vec![
        column("at_s", |row: &GpuRow<'a>| number(row.sample.middle_s())),
        column("gpu", |row: &GpuRow<'a>| plain(row.sample.device)),
        column("gpu_uuid", |row: &GpuRow<'a>| text(row.gpu.map(|gpu| gpu.uuid.as_str()))),
        column("gpu_name", |row: &GpuRow<'a>| text(row.gpu.map(|gpu| gpu.name.as_str()))),
        column("gpu_memory_total_bytes", |row: &GpuRow<'a>| plain(row.gpu.and_then(|gpu| gpu.memory_bytes))),
    ];
    columns.extend(SERIES.iter().map(|series| {
        column(series.name, |row: &GpuRow<'a>| optional(row.sample.values.get(series.name).copied()))
    }));
    columns
}

/// A driver's words may hold anything.
fn text(words: Option<&str>) -> String {
    words.map(|words| cell(words).into_owned()).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_row_a_sample_and_gpu_with_what_it_does_not_have_left_empty() {
        let gpu =
            GpuHead { index: 1, uuid: "GPU-x".into(), name: "NVIDIA H200".into(), ..GpuHead::default() };
        let gpus = GpusHead { read_by: "nvml".into(), devices: vec![gpu] };
        let sample = |source, device| Sample {
            histograms: Default::default(),
            at_us: 1_000_000,
            took_us: 4_000,
            source,
            device,
            values: BTreeMap::from([("gpu_power_w".to_owned(), 512.25)]),
        };
        let samples = [sample(Source::Host, None), sample(Source::Gpu, Some(1))];
        let table = String::from_utf8(gpu_table(Some(&gpus), &samples).unwrap()).unwrap();
        let lines: Vec<&str> = table.lines().collect();
        assert!(lines[0].starts_with("at_s,gpu,gpu_uuid,gpu_name,gpu_memory_total_bytes,gpu_utilisation,"));
        assert!(lines[1].starts_with("1.002,1,GPU-x,NVIDIA H200,,,,512.25,,"), "{table}");
        assert_eq!((lines.len(), lines[0].split(',').count()), (2, lines[1].split(',').count()));
        assert_eq!(gpu_table(None, &samples), None);
    }
}
