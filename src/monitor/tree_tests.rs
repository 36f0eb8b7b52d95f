use super::*;
use crate::monitor::fake_proc::FakeProc;
use crate::monitor::process_stat::all;

fn id(pid: u32) -> ProcessId {
    ProcessId { pid, start_time: 1 }
}

fn below(pid: u32) -> Tree {
    Tree::new(ServerProcesses::Below(vec![id(pid)]), 0)
}

fn scan(tree: &mut Tree, fake: &FakeProc) -> TreeUse {
    tree.extend(&all(fake.root()));
    tree.read(fake.root())
}

#[test]
fn a_tree_is_its_root_and_all_below_it() {
    let fake = FakeProc::new();
    fake.process(10, 1).ticks(100, 5).pages(1000).put();
    fake.process(11, 10).ticks(40, 0).pages(500).put();
    fake.process(12, 11).ticks(2, 0).put();
    fake.process(20, 1).ticks(9999, 0).put();
    let used = scan(&mut below(10), &fake);
    assert_eq!(used, TreeUse { ticks: 147, resident_pages: 1510, threads: 9, processes: 3 });
}

#[test]
fn a_child_that_ended_counts_once_whether_its_parent_waited_for_it_or_not() {
    let fake = FakeProc::new();
    let mut tree = below(10);
    fake.process(10, 1).ticks(100, 0).put();
    fake.process(11, 10).ticks(40, 0).put();
    fake.process(12, 10).ticks(7, 0).put();
    assert_eq!(scan(&mut tree, &fake).ticks, 147);
    // One is waited for after 2 more ticks, the other by nobody.
    fake.remove(11);
    fake.process(10, 1).ticks(100, 42).put();
    assert_eq!(scan(&mut tree, &fake).ticks, 149);
    fake.remove(12);
    assert_eq!(scan(&mut tree, &fake).ticks, 149);
}

#[test]
fn the_time_of_a_child_whose_parent_ended_with_it_goes_to_the_grandparent_once() {
    let fake = FakeProc::new();
    let mut tree = below(10);
    fake.process(10, 1).put();
    fake.process(11, 10).ticks(40, 3).put();
    fake.process(12, 11).ticks(7, 0).put();
    assert_eq!(scan(&mut tree, &fake).ticks, 50);
    fake.remove(11);
    fake.remove(12);
    fake.process(10, 1).ticks(1, 51).put();
    assert_eq!(scan(&mut tree, &fake).ticks, 52);
}

#[test]
fn a_child_stays_of_the_tree_when_it_outlives_its_parent() {
    let fake = FakeProc::new();
    let mut tree = below(10);
    fake.process(10, 1).put();
    fake.process(11, 10).put();
    fake.process(12, 11).ticks(5, 0).put();
    scan(&mut tree, &fake);
    fake.remove(11);
    fake.process(12, 1).ticks(6, 0).put();
    fake.process(13, 12).ticks(1, 0).put();
    let used = scan(&mut tree, &fake);
    assert_eq!((used.ticks, used.processes), (7, 3));
}

#[test]
fn a_pid_that_came_round_is_another_process() {
    let fake = FakeProc::new();
    let mut tree = below(10);
    fake.process(10, 1).put();
    fake.process(11, 10).ticks(40, 0).put();
    scan(&mut tree, &fake);
    fake.process(11, 1).start(500).ticks(10_000, 0).put();
    let used = scan(&mut tree, &fake);
    assert_eq!((used.ticks, used.processes), (40, 1));
}

#[test]
fn the_sum_never_falls_when_all_of_it_vanishes() {
    let fake = FakeProc::new();
    let mut tree = below(10);
    fake.process(10, 1).ticks(100, 8).put();
    scan(&mut tree, &fake);
    fake.remove(10);
    assert_eq!(scan(&mut tree, &fake), TreeUse { ticks: 108, ..TreeUse::default() });
    assert_eq!(tree.read(fake.root()).ticks, 108);
}

#[test]
fn a_zombie_keeps_its_time_and_has_no_memory() {
    let fake = FakeProc::new();
    fake.process(10, 1).ticks(4, 0).put();
    fake.process(11, 10).ticks(6, 0).zombie().put();
    let used = scan(&mut below(10), &fake);
    assert_eq!((used.ticks, used.processes, used.resident_pages), (10, 1, 10));
}

#[test]
fn we_are_no_part_of_a_server_below_which_we_run() {
    let fake = FakeProc::new();
    for (pid, parent) in [(10, 1), (11, 10), (12, 11)] {
        fake.process(pid, parent).put();
    }
    let mut tree = Tree::new(ServerProcesses::Below(vec![id(10)]), 11);
    assert_eq!(scan(&mut tree, &fake).processes, 1);
}

#[test]
fn a_list_that_another_keeps_is_followed() {
    let fake = FakeProc::new();
    for pid in [10, 11] {
        fake.process(pid, 1).ticks(3, 0).put();
    }
    let calls = std::sync::atomic::AtomicU32::new(0);
    let list = move || match calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
        0 => vec![id(10)],
        _ => vec![id(10), id(11), id(12)],
    };
    let mut tree = Tree::new(ServerProcesses::Kept(Box::new(list)), 0);
    assert_eq!(scan(&mut tree, &fake).processes, 1);
    assert_eq!(scan(&mut tree, &fake), TreeUse { ticks: 6, resident_pages: 20, threads: 6, processes: 2 });
}
