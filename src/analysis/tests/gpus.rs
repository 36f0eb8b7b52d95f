//! GPUs of two backends held against each other.

use super::comparing::{compared, run};
use crate::schema::caveat::Caveat;
use crate::schema::comparison::Comparison;
use crate::schema::fairness::{FairnessRow, Finding, row};
use crate::schema::gpu::{GpuDevice, GpuHead, GpuProcess, GpuSummary};
use crate::schema::gpu_before::HeldMemory;

/// One H200 that tells all, with a change.
fn gpus(change: impl Fn(&mut GpuDevice)) -> GpuSummary {
    let mut device = GpuDevice {
        head: GpuHead {
            uuid: "GPU-8a6c3f21-0000".to_owned(),
            name: "NVIDIA H200".to_owned(),
            power_limit_w: Some(700.0),
            ..GpuHead::default()
        },
        others_known: true,
        sm_clock_busy_mhz: Some(1980.0),
        throttled_share: Some(0.0),
        ..GpuDevice::default()
    };
    change(&mut device);
    GpuSummary { read_by: "fake".to_owned(), devices: vec![device], ..GpuSummary::default() }
}

/// Two engines on their GPUs.
fn two(own: Option<GpuSummary>, others: Option<GpuSummary>) -> Comparison {
    let (mut one, mut other) = (run("one", 100, 50), run("other", 200, 50));
    other.engine = "sglang".to_owned();
    (one.gpu, other.gpu) = (own, others);
    compared(&[], vec![one, other])
}

/// The same GPU with a change for the second.
fn changed(change: impl Fn(&mut GpuDevice)) -> Comparison {
    two(Some(gpus(|_| {})), Some(gpus(change)))
}

fn found<'a>(comparison: &'a Comparison, what: &str) -> &'a FairnessRow {
    let rows = &comparison.fairness.as_ref().unwrap().rows;
    rows.iter().find(|row| row.what == what).unwrap_or_else(|| panic!("no row {what}: {rows:?}"))
}

const ROWS: [&str; 5] = [row::GPU, row::GPU_POWER_LIMIT, row::GPU_CLOCK, row::GPU_OTHERS, row::GPU_THROTTLED];

fn codes(comparison: &Comparison) -> Vec<&'static str> {
    comparison.caveats.iter().map(Caveat::code).filter(|code| code.starts_with("gpu")).collect()
}

#[test]
fn one_gpu_for_both_is_level_in_every_row() {
    let comparison = changed(|_| {});
    for what in ROWS {
        assert_eq!(found(&comparison, what).finding, Finding::Level, "{what}");
    }
    assert_eq!(found(&comparison, row::GPU).by_label["one"], "NVIDIA H200 (GPU-8a6c3f21)");
    assert_eq!(found(&comparison, row::GPU_POWER_LIMIT).by_label["one"], "700 W");
    assert_eq!(found(&comparison, row::GPU_OTHERS).by_label["one"], "none");
    assert_eq!(codes(&comparison), [""; 0]);
}

#[test]
fn without_a_gpu_there_is_no_row_of_it() {
    let rows = two(None, None).fairness.unwrap().rows;
    assert!(rows.iter().all(|row| !ROWS.contains(&row.what.as_str())));
}

#[test]
fn what_was_not_read_is_not_known_and_never_level() {
    let comparison = two(Some(gpus(|_| {})), None);
    for what in ROWS {
        assert_eq!(found(&comparison, what).finding, Finding::Unknown, "{what}");
        assert_eq!(found(&comparison, what).by_label["other"], "unknown", "{what}");
    }
    let hidden = changed(|device| {
        (device.others_known, device.throttled_share, device.sm_clock_busy_mhz) = (false, None, None);
    });
    for what in [row::GPU_CLOCK, row::GPU_OTHERS, row::GPU_THROTTLED] {
        assert_eq!(found(&hidden, what).finding, Finding::Unknown, "{what}");
    }
}

#[test]
fn gpus_of_two_models_are_results_of_different_machines() {
    let comparison = changed(|device| device.head.name = "NVIDIA H100".to_owned());
    assert_eq!(found(&comparison, row::GPU).finding, Finding::Differs);
    assert_eq!(codes(&comparison), ["gpus_differ"]);
    let of_one_model = changed(|device| device.head.uuid = "GPU-b".to_owned());
    assert_eq!(found(&of_one_model, row::GPU).finding, Finding::Differs);
    assert_eq!(codes(&of_one_model), [""; 0]);
}

#[test]
fn clocks_that_differ_by_more_than_3_percent_are_a_doubt() {
    assert_eq!(codes(&changed(|device| device.sm_clock_busy_mhz = Some(1980.0 * 0.975))), [""; 0]);
    let comparison = changed(|device| device.sm_clock_busy_mhz = Some(1980.0 * 0.96));
    assert_eq!(found(&comparison, row::GPU_CLOCK).finding, Finding::Differs);
    let Some(Caveat::GpuClocksDiffer { by_label, round, point }) =
        comparison.caveats.iter().find(|caveat| caveat.code() == "gpu_clocks_differ")
    else {
        panic!("they differ")
    };
    assert_eq!((by_label["one"], *round, *point), (1980.0, 1, 1));
}

#[test]
fn clocks_are_held_against_each_other_round_by_round() {
    let of = |label: &str, round: u32, mhz: f64| {
        let mut run = run(label, 100, 50);
        run.key.round = round;
        run.gpu = Some(gpus(|device| device.sm_clock_busy_mhz = Some(mhz)));
        run
    };
    // Both sink alike from round to round.
    let alike = vec![of("a", 1, 1980.0), of("b", 1, 1980.0), of("a", 2, 1500.0), of("b", 2, 1500.0)];
    assert_eq!(codes(&compared(&[], alike)), [""; 0]);
    let apart = vec![of("a", 1, 1980.0), of("b", 1, 1980.0), of("a", 2, 1980.0), of("b", 2, 1500.0)];
    assert_eq!(codes(&compared(&[], apart)), ["gpu_clocks_differ"]);
}

#[test]
fn memory_held_at_a_launch_and_gpus_not_asked_for_have_their_rows_and_nothing_else_has() {
    let level = changed(|_| {});
    let rows = &level.fairness.as_ref().unwrap().rows;
    assert!(rows.iter().all(|row| ![row::GPU_MEMORY_HELD, row::GPU_ASKED].contains(&row.what.as_str())));
    let bears = |caveat: Caveat| {
        let (one, mut other) = (run("one", 100, 50), run("other", 200, 50));
        other.caveats = vec![caveat];
        compared(&[], vec![one, other])
    };
    let held = HeldMemory { above_bytes: 5 << 30, waited_s: 60.0, processes: Vec::new() };
    let held = bears(Caveat::GpuMemoryHeld { by_gpu: [("GPU 0 (X)".to_owned(), held)].into() });
    let row = found(&held, row::GPU_MEMORY_HELD);
    assert_eq!((row.finding, row.by_label["one"].as_str()), (Finding::Differs, "none"));
    assert_eq!(row.by_label["other"], "5.0 GiB");
    assert!(row.why.starts_with("other (5.0 GiB) was launched while"), "{}", row.why);
    let used = vec!["GPU 1 (X)".to_owned()];
    let elsewhere = bears(Caveat::GpuNotAsked { asked: vec!["GPU 0 (X)".to_owned()], used });
    let row = found(&elsewhere, row::GPU_ASKED);
    assert_eq!((row.finding, row.by_label["other"].as_str()), (Finding::Differs, "no: GPU 1 (X)"));
    assert_eq!(row.why, "other holds memory on GPU 1 (X), and was given GPU 0 (X)");
}

#[test]
fn a_lower_power_limit_another_process_and_throttling_differ() {
    let limited = changed(|device| device.head.power_limit_w = Some(500.0));
    assert_eq!(found(&limited, row::GPU_POWER_LIMIT).finding, Finding::Differs);
    let shared = changed(|device| {
        device.others = vec![GpuProcess { pid: 7, name: Some("python3".to_owned()), memory_bytes: None }];
    });
    assert_eq!(found(&shared, row::GPU_OTHERS).finding, Finding::Differs);
    assert!(found(&shared, row::GPU_OTHERS).why.contains("other shared its GPU with python3 (pid 7)"));
    let slowed = changed(|device| device.throttled_share = Some(0.3));
    assert_eq!(found(&slowed, row::GPU_THROTTLED).finding, Finding::Differs);
    assert_eq!(found(&slowed, row::GPU_THROTTLED).by_label["other"], "30 % of samples");
}
