use super::*;
use crate::monitor::fake_proc::FakeProc;
use crate::monitor::process_stat::ProcessId;
use crate::schema::series::host::HOST_OTHERS_BUSY;

fn machine(fake: &FakeProc, server: ServerProcesses) -> Machine {
    Machine::below(fake.root(), server, (50, Some(40)))
}

fn server() -> ServerProcesses {
    ServerProcesses::Below(vec![ProcessId { pid: 10, start_time: 1 }])
}

#[test]
fn the_three_sensors_show_what_is_theirs() {
    let fake = FakeProc::new();
    fake.cpu(0, 0, 0, 0);
    fake.process(10, 1).ticks(200, 100).pages(7).put();
    fake.process(11, 10).ticks(50, 0).pages(3).put();
    fake.process(50, 1).ticks(30, 9).pages(2).put();
    let machine = machine(&fake, server());
    let of_server = machine.server().unwrap().values;
    let page = rustix::param::page_size() as f64;
    assert_eq!((of_server[CPU_TIME], of_server[RESIDENT], of_server[PROCESSES]), (3.5, 10.0 * page, 2.0));
    let of_client = machine.client().unwrap().values;
    assert_eq!((of_client[CPU_TIME], of_client[THREADS]), (0.3, 3.0));
    assert!(!of_client.contains_key(PROCESSES));
}

#[test]
fn what_server_guard_and_harness_use_is_not_the_others_and_the_others_have_names() {
    let fake = FakeProc::new();
    let put = |server: u64, guard: u64, me: u64, other: u64| {
        fake.process(10, 1).ticks(server, 0).put();
        fake.process(40, 50).ticks(guard, 999 + server).put();
        fake.process(50, 1).ticks(me, 0).put();
        fake.process(60, 1).name("rustc").ticks(other, 0).put();
        fake.cpu(server + guard + me + other, 0, 0, 0);
    };
    put(100, 1, 10, 5000);
    let machine = machine(&fake, server());
    machine.host(false).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    put(1100, 2, 30, 5007);
    let reading = machine.host(true).unwrap().values;
    let others = reading[HOST_OTHERS_BUSY];
    assert!((0.01..=0.7).contains(&others), "0.07 s in 0.1 s or somewhat more: {others}");
    let named = machine.others();
    assert_eq!(named.iter().map(|busy| busy.name.as_str()).collect::<Vec<_>>(), ["rustc"]);
}

#[test]
fn a_server_that_is_gone_or_hidden_or_elsewhere_is_no_trouble_of_the_machine() {
    let fake = FakeProc::new();
    fake.cpu(0, 0, 0, 0);
    let gone = machine(&fake, server());
    assert!(gone.server().is_err(), "it was never seen");
    assert!(gone.host(false).is_ok());
    for (server, told) in [(ServerProcesses::Hidden, false), (ServerProcesses::Elsewhere, true)] {
        let machine = machine(&fake, server);
        assert!(!machine.sees_server());
        machine.host(false).unwrap();
        std::thread::sleep(Duration::from_millis(60));
        assert_eq!(machine.host(false).unwrap().values.contains_key(HOST_OTHERS_BUSY), told);
    }
}
