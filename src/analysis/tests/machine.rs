use std::collections::BTreeMap;

use super::*;

const WINDOW: Measured = Measured { from_s: 2.0, to_s: 8.0 };

fn sample(source: Source, at_s: f64, values: &[(&str, f64)]) -> Sample {
    let values: BTreeMap<String, f64> =
        values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    Sample {
        at_us: (at_s * 1e6) as i64,
        took_us: 0,
        source,
        device: None,
        values,
        histograms: BTreeMap::new(),
    }
}

fn host(at_s: f64, busy: f64) -> Sample {
    sample(Source::Host, at_s, &[(HOST_BUSY, busy), (HOST_STEAL, 0.0), (HOST_OTHERS_BUSY, 0.0)])
}

fn facts() -> MachineFacts {
    MachineFacts { cores: 8, memory_bytes: 100, ..MachineFacts::default() }
}

fn of(samples: &[Sample]) -> MachineSummary {
    machine_summary(samples, WINDOW, Some(&facts()), &[]).unwrap()
}

fn codes(machine: &MachineSummary) -> Vec<&'static str> {
    machine_caveats(machine, WINDOW).iter().map(Caveat::code).collect()
}

/// A quiet machine, changed.
fn doubts(change: impl FnOnce(&mut MachineSummary)) -> Vec<&'static str> {
    let quiet = HostFigures { memory_available_min_bytes: Some(50.0), ..HostFigures::default() };
    let mut machine = MachineSummary { facts: Some(facts()), host: Some(quiet), ..MachineSummary::default() };
    change(&mut machine);
    codes(&machine)
}

#[test]
fn cpu_time_is_that_of_the_window_and_memory_the_most_in_it_and_beside_it() {
    let server = |at_s, cpu_s, memory| {
        sample(
            Source::ServerProcesses,
            at_s,
            &[(CPU_TIME, cpu_s), (RESIDENT, memory), (THREADS, 4.0), (PROCESSES, 2.0)],
        )
    };
    let machine = of(&[server(0.0, 100.0, 9.0), server(4.0, 108.0, 5.0), server(10.0, 126.0, 7.0)]);
    // 2 cores to 4 s, 3 from there on.
    let figures = machine.server.unwrap();
    assert!(
        (figures.cpu_s - 16.0).abs() < 1e-9 && (figures.cores_mean - 16.0 / 6.0).abs() < 1e-9,
        "{figures:?}"
    );
    assert_eq!((figures.resident_max_bytes, figures.processes_max), (9.0, Some(2.0)));
    assert_eq!(machine.client, None);
}

#[test]
fn a_rate_holds_since_the_reading_before_and_weighs_by_its_part_of_the_window() {
    let first = sample(Source::Host, 0.0, &[(HOST_MEMORY_AVAILABLE, 1.0)]);
    let machine = of(&[first, host(1.0, 9.0), host(4.0, 1.0), host(10.0, 4.0), host(11.0, 9.0)]);
    let busy = machine.host.unwrap().busy_cores;
    assert_eq!((busy.mean, busy.max), ((2.0 * 1.0 + 4.0 * 4.0) / 6.0, 4.0));
}

#[test]
fn nothing_sensed_is_no_summary_and_a_crash_leaves_what_was_sensed() {
    assert_eq!(machine_summary(&[], WINDOW, Some(&facts()), &[]), None);
    let machine = of(&[sample(Source::Host, 0.0, &[]), host(3.0, 2.0)]);
    assert_eq!(machine.host.unwrap().busy_cores.mean, 2.0);
    assert_eq!(machine.server, None);
}

#[test]
fn a_quiet_machine_raises_no_doubt() {
    assert_eq!(doubts(|_| {}), Vec::<&str>::new());
}

#[test]
fn others_are_told_from_a_twentieth_of_the_cores_on_and_never_below_a_quarter_of_one() {
    let busy = |cores, mean| {
        doubts(|machine| {
            machine.facts.as_mut().unwrap().cores = cores;
            machine.host.as_mut().unwrap().others_busy_cores = Some(MeanAndMax { mean, max: mean });
        })
    };
    assert_eq!([busy(64, 3.0), busy(2, 0.24)], [Vec::<&str>::new(), Vec::new()]);
    assert_eq!([busy(64, 3.3), busy(2, 0.26)], [["others_busy"], ["others_busy"]]);
}

#[test]
fn steal_swapping_a_used_up_quota_and_full_memory_are_told() {
    let with = |change: fn(&mut HostFigures)| doubts(|machine| change(machine.host.as_mut().unwrap()));
    assert_eq!(with(|host| host.steal_cores.mean = 0.07), Vec::<&str>::new());
    assert_eq!(with(|host| host.steal_cores.mean = 0.09), ["cpu_stolen"]);
    assert_eq!(with(|host| host.swapped_bytes_s.mean = 2e6), ["swapping"]);
    assert_eq!(with(|host| host.throttled_s = Some(0.4)), Vec::<&str>::new());
    assert_eq!(with(|host| host.throttled_s = Some(0.5)), ["cpu_quota_reached"]);
    assert_eq!(with(|host| host.memory_available_min_bytes = Some(4.9)), ["memory_nearly_full"]);
}

#[test]
fn a_governor_that_saves_power_and_a_clock_that_falls_under_load_are_told_and_one_that_rests_is_not() {
    let saving = doubts(|machine| machine.facts.as_mut().unwrap().governors = vec!["powersave".to_owned()]);
    assert_eq!(saving, ["cpu_clock"]);
    let run = |busy: [f64; 2], clock: [f64; 2]| {
        let at = |at_s, busy: f64, clock| {
            let mut sample = host(at_s, busy);
            sample.values.insert(HOST_CPU_CLOCK.to_owned(), clock);
            sample
        };
        let samples = [at(0.0, 8.0, 1.0), at(3.0, busy[0], clock[0]), at(7.0, busy[1], clock[1])];
        codes(&of(&samples))
    };
    assert_eq!(run([7.0, 7.0], [3000.0, 2500.0]), ["cpu_clock"]);
    assert_eq!(run([7.0, 7.0], [3000.0, 2900.0]), Vec::<&str>::new());
    assert_eq!(run([7.0, 1.0], [3000.0, 1000.0]), Vec::<&str>::new());
    assert_eq!(run([1.0, 1.0], [3000.0, 1000.0]), Vec::<&str>::new());
}
