use std::sync::Mutex;

use super::super::nvml_calls::Holder;
use super::*;

/// What a pretend GPU answers, by its readings.
type Answers = fn(u64, Query) -> Result<f64, Trouble>;

/// A pretend NVML.
#[derive(Debug)]
struct Pretend {
    boards: Vec<Board>,
    answers: Vec<Answers>,
    asked: Mutex<Vec<(u64, Vec<Query>)>>,
    holders: Result<Vec<Holder>, Trouble>,
}

impl Calls for Pretend {
    fn boards(&self) -> &[Board] {
        &self.boards
    }

    fn ask(&self, board: usize, queries: &[Query]) -> Vec<Result<f64, Trouble>> {
        let mut asked = self.asked.lock().unwrap();
        let (times, last) = &mut asked[board];
        // The question of the start, whether there is a counter of PCIe, is no reading.
        if queries.len() > 2 {
            *times += 1;
            *last = queries.to_vec();
        }
        let times = *times;
        queries.iter().map(|query| self.answers[board](times, *query)).collect()
    }

    fn holders(&self, _: usize) -> Result<Vec<Holder>, Trouble> {
        self.holders.clone()
    }
}

fn board(index: u32, uuid: &str) -> Board {
    Board {
        index,
        uuid: uuid.into(),
        name: "NVIDIA H200".into(),
        memory_bytes: Some(1 << 37),
        ..Board::default()
    }
}

fn pretend(boards: &[(Board, Answers)]) -> Arc<Pretend> {
    Arc::new(Pretend {
        boards: boards.iter().map(|(board, _)| board.clone()).collect(),
        answers: boards.iter().map(|(_, answers)| *answers).collect(),
        asked: Mutex::new(vec![(0, Vec::new()); boards.len()]),
        holders: Ok(vec![(std::process::id(), Some(7))]),
    })
}

fn well(times: u64, query: Query) -> Result<f64, Trouble> {
    Ok(match query {
        Query::Energy => 1000.0 + 50.0 * times as f64,
        Query::PcieSentCount => {
            if times == 3 {
                5.0
            } else {
                1e6 * times as f64
            }
        }
        Query::PowerInstant => 500.0,
        _ => 1.0,
    })
}

const INTERVAL: Duration = Duration::from_millis(100);

fn library(calls: &Arc<Pretend>) -> NvmlLibrary {
    NvmlLibrary::new(calls.clone(), &Choice::all(), Pace::whole(INTERVAL)).unwrap().0
}

#[test]
fn what_changes_slowly_or_costs_much_is_read_first_and_then_once_in_a_while() {
    let calls = pretend(&[(board(0, "GPU-a"), well)]);
    let (mut library, _) = NvmlLibrary::new(calls, &Choice::all(), Pace::of_load(INTERVAL)).unwrap();
    let first = library.read().unwrap().remove(0);
    let next = library.read().unwrap().remove(0);
    let seldom = [GPU_MEMORY_USED, GPU_SM_CLOCK, GPU_MEMORY_CLOCK, GPU_CLOCK_REASONS, GPU_TEMPERATURE];
    for name in seldom.into_iter().chain([GPU_ENERGY, GPU_NVLINK_SENT]) {
        assert!(first.values.contains_key(name) && !next.values.contains_key(name), "{name}");
    }
    for name in [GPU_POWER, GPU_POWER_AVERAGE, GPU_UTILISATION] {
        assert!(next.values.contains_key(name), "{name}");
    }
    let zero = Instant::now();
    let mut every = Every::new(Duration::from_secs(1));
    let due = |ms| every.is_due(zero + Duration::from_millis(ms));
    let times = [0, 100, 900, 960, 1100, 1940, 1960, 7000, 7900, 7960];
    let expected = [true, false, false, true, false, false, true, true, false, true];
    assert_eq!(times.map(due), expected);
}

#[test]
fn every_sensor_is_read_of_every_gpu() {
    let calls = pretend(&[(board(0, "GPU-a"), well), (board(1, "GPU-b"), well)]);
    let mut library = library(&calls);
    assert_eq!(library.gpus().iter().map(|gpu| gpu.index).collect::<Vec<_>>(), [0, 1]);
    let first = library.read().unwrap();
    assert_eq!(first.len(), 2);
    assert_eq!((first[0].values[GPU_POWER], first[0].values[GPU_ENERGY]), (500.0, 1050.0));
    assert!(first[0].energy_age_s.is_none() && !first[0].values.contains_key(GPU_PCIE_SENT), "{first:?}");
    assert_eq!(first[1].processes.as_ref().unwrap()[0].memory_bytes, Some(7));
    let second = library.read().unwrap();
    assert!(second[0].energy_age_s.is_some() && second[0].values[GPU_PCIE_SENT] > 0.0, "{second:?}");
    assert_eq!(second[0].processes, None, "they are looked at once a second");
    let third = library.read().unwrap();
    assert!(!third[0].values.contains_key(GPU_PCIE_SENT), "a counter that wrapped tells nothing: {third:?}");
}

#[test]
fn a_sensor_that_is_unsupported_costs_its_column_and_is_not_asked_again() {
    let lacking: Answers = |times, query| match query {
        Query::Temperature => Err(Trouble::Unsupported),
        Query::Utilisation if times == 1 => Err(Trouble::Failed("try again".into())),
        _ => well(times, query),
    };
    let calls = pretend(&[(board(0, "GPU-a"), lacking)]);
    let mut library = library(&calls);
    let first = library.read().unwrap();
    assert!(!first[0].values.contains_key(GPU_TEMPERATURE) && !first[0].values.contains_key(GPU_UTILISATION));
    let second = library.read().unwrap();
    assert!(second[0].values.contains_key(GPU_UTILISATION), "that one failed once only");
    assert!(!calls.asked.lock().unwrap()[0].1.contains(&Query::Temperature));
}

#[test]
fn a_gpu_that_vanishes_is_left_out_and_the_rest_goes_on() {
    let dies: Answers = |times, query| if times < 3 { well(times, query) } else { Err(Trouble::Gone) };
    let calls = pretend(&[(board(0, "GPU-a"), dies), (board(1, "GPU-b"), well)]);
    let mut library = library(&calls);
    let counts: Vec<usize> = (0..5).map(|_| library.read().unwrap().len()).collect();
    assert_eq!(counts, [2, 2, 1, 1, 1]);
    assert_eq!(calls.asked.lock().unwrap()[0].0, 3, "a lost one is not asked again");
    let calls = pretend(&[(board(0, "GPU-a"), dies)]);
    let mut alone = self::library(&calls);
    let read: Vec<bool> = (0..4).map(|_| alone.read().is_ok()).collect();
    assert_eq!(read, [true, true, false, false]);
}

#[test]
fn no_gpu_and_none_chosen_are_normal_and_say_why() {
    let none = NvmlLibrary::new(pretend(&[]), &Choice::all(), Pace::whole(INTERVAL)).unwrap_err();
    assert_eq!(none.to_string(), "NVML shows no GPU");
}

#[test]
fn processes_that_the_driver_does_not_name_are_unknown_and_not_none() {
    let mut calls = pretend(&[(board(0, "GPU-a"), well)]);
    Arc::get_mut(&mut calls).unwrap().holders = Err(Trouble::Unsupported);
    assert_eq!(library(&calls).read().unwrap()[0].processes, None);
}

#[test]
fn a_mig_instance_is_read_for_what_it_has_and_said() {
    let sliced = Board { is_sliced: true, ..board(0, "GPU-a") };
    let slice = Board { is_slice: true, name: "NVIDIA H200 MIG 1g.18gb".into(), ..board(100, "MIG-x") };
    let only_memory: Answers = |_, query| match query {
        Query::MemoryUsed => Ok(3.0),
        _ => Err(Trouble::Unsupported),
    };
    let calls = pretend(&[(sliced, well), (slice, only_memory)]);
    let pace = Pace::whole(INTERVAL);
    let (whole, notes) = NvmlLibrary::new(calls.clone(), &Choice::all(), pace).unwrap();
    assert_eq!(whole.gpus().len(), 1);
    assert!(notes[0].contains("those of all of them"), "{notes:?}");
    let (mut instance, notes) = NvmlLibrary::new(calls, &Choice::listed("MIG-x"), pace).unwrap();
    let reading = instance.read().unwrap();
    assert_eq!(
        (reading[0].index, reading[0].values.len(), reading[0].values[GPU_MEMORY_USED]),
        (100, 1, 3.0)
    );
    assert!(notes[0].contains("whole GPU's alone"), "{notes:?}");
}
