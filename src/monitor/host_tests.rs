use std::time::Duration;

use super::*;
use crate::monitor::fake_proc::FakeProc;

fn host(fake: &FakeProc) -> Host {
    Host::new(fake.root(), 100.0, 4096.0)
}

#[test]
fn rates_are_since_the_last_reading_and_what_is_ours_is_not_the_others() {
    let fake = FakeProc::new();
    let mut host = host(&fake);
    let start = Instant::now();
    fake.cpu(1000, 500, 50, 7);
    fake.write("proc/vmstat", "nr_free_pages 3\npswpin 10\npswpout 20\n");
    let first = host.read(start, Some(300)).unwrap();
    assert!(!first.contains_key(HOST_BUSY), "a first reading has nothing to stand beside");
    // In 2 s: 3 s of processes, of which 2 are ours; 0.2 s of interrupts; 0.1 s stolen; 8 pages swapped.
    fake.cpu(1200, 600, 70, 17);
    fake.write("proc/vmstat", "pswpin 12\npswpout 26\n");
    let then = host.read(start + Duration::from_secs(2), Some(500)).unwrap();
    assert_eq!((then[HOST_BUSY], then[HOST_STEAL], then[HOST_OTHERS_BUSY]), (1.6, 0.05, 0.5));
    assert_eq!(then[HOST_SWAPPED], 8.0 * 4096.0 / 2.0);
}

#[test]
fn without_swap_nothing_is_swapped() {
    let fake = FakeProc::new();
    let mut host = host(&fake);
    let start = Instant::now();
    for (second, pages) in [(0, 10), (1, 99)] {
        fake.cpu(0, 0, 0, 0);
        fake.write("proc/meminfo", "MemAvailable: 5 kB\nSwapTotal:       0 kB\n");
        fake.write("proc/vmstat", &format!("pswpin {pages}\n"));
        let read = host.read(start + Duration::from_secs(second), None).unwrap();
        assert_eq!(read.get(HOST_SWAPPED), (second == 1).then_some(&0.0));
    }
}

#[test]
fn where_the_server_cannot_be_seen_nothing_is_said_of_others() {
    let fake = FakeProc::new();
    let mut host = host(&fake);
    let start = Instant::now();
    fake.cpu(0, 0, 0, 0);
    host.read(start, None).unwrap();
    fake.cpu(100, 0, 0, 0);
    let then = host.read(start + Duration::from_secs(1), None).unwrap();
    assert_eq!(then[HOST_BUSY], 1.0);
    assert!(!then.contains_key(HOST_OTHERS_BUSY));
}

#[test]
fn two_readings_at_nearly_one_time_give_no_rate() {
    let fake = FakeProc::new();
    let mut host = host(&fake);
    let start = Instant::now();
    fake.cpu(0, 0, 0, 0);
    host.read(start, Some(0)).unwrap();
    fake.cpu(10, 0, 0, 0);
    let soon = host.read(start + Duration::from_millis(1), Some(0)).unwrap();
    assert!(!soon.contains_key(HOST_BUSY));
    let later = host.read(start + Duration::from_millis(100), Some(0)).unwrap();
    assert!((later[HOST_BUSY] - 1.0).abs() < 1e-9, "nothing is lost: {later:?}");
}

#[test]
fn what_is_not_there_or_is_garbage_costs_its_own_figure() {
    let fake = FakeProc::new();
    let mut host = host(&fake);
    assert!(host.read(Instant::now(), None).is_err(), "without /proc/stat there is no reading");
    fake.write("proc/stat", "cpu  1 2 x 4\n");
    assert!(host.read(Instant::now(), None).is_err());
    fake.cpu(1, 2, 3, 4);
    fake.write("proc/loadavg", "nan 1 2\n");
    fake.write("proc/meminfo", "MemTotal: 18446744073709551615 kB\nMemAvailable: many kB\n");
    fake.write("proc/vmstat", "pswpin -3\n");
    assert_eq!(host.read(Instant::now(), None).unwrap(), BTreeMap::new());
}

#[test]
fn the_least_of_machine_and_container_is_the_memory_that_is_left() {
    let fake = FakeProc::new();
    fake.write("proc/self/cgroup", "0::/a\n");
    fake.write("proc/self/mountinfo", "30 20 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n");
    fake.write("sys/fs/cgroup/a/memory.max", "1000000\n");
    fake.write("sys/fs/cgroup/a/memory.current", "900000\n");
    fake.write(
        "proc/meminfo",
        "MemTotal: 8000 kB\nMemAvailable: 4000 kB\nSwapTotal: 100 kB\nSwapFree: 40 kB\n",
    );
    fake.cpu(0, 0, 0, 0);
    let mut host = host(&fake);
    assert_eq!(host.read(Instant::now(), None).unwrap()[HOST_MEMORY_AVAILABLE], 100_000.0);
    let facts = host.facts();
    assert_eq!((facts.cores, facts.memory_bytes), (2, 1_000_000));
    assert_eq!((facts.swap_total_bytes, facts.swap_used_bytes), (102_400, 61_440));
}

#[test]
fn clocks_and_governors_are_read_of_cores_spread_over_all() {
    let fake = FakeProc::new();
    fake.cpu(0, 0, 0, 0);
    for core in 0..20 {
        let folder = format!("sys/devices/system/cpu/cpu{core}/cpufreq");
        fake.write(&format!("{folder}/scaling_cur_freq"), if core < 10 { "1000000\n" } else { "3000000\n" });
        let governor = if core == 3 { "powersave\n" } else { "performance\n" };
        fake.write(&format!("{folder}/scaling_governor"), governor);
    }
    fake.write("sys/devices/system/cpu/cpuidle/current_driver", "none\n");
    let mut host = host(&fake);
    assert_eq!(host.clocks.len(), 7);
    let clock = host.read(Instant::now(), None).unwrap()[HOST_CPU_CLOCK];
    assert!((clock - 1857.1).abs() < 0.1, "{clock}");
    assert_eq!(host.facts().governors, ["performance", "powersave"]);
}
