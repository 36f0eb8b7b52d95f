//! The files of workers: named by their run, never a run of their own, and moved with it.

use harness::results::{PartFile, find_parts, runs_in};
use harness::schema::workers::{ClockMap, ClockPoint, Share, WorkerPart};

use super::*;

fn part(directory: &Path, worker: u32) -> RecordWriter {
    let share = Share { worker, of: 2 };
    let header = RecordsHeader {
        worker: Some(WorkerPart { share, host: format!("node{worker}") }),
        ..header("x", "vllm")
    };
    let mut writer = RecordWriter::create_part(directory, "vllm", worker, &header).unwrap();
    three().iter().for_each(|record| writer.write(record).unwrap());
    writer
}

#[test]
fn the_part_of_a_worker_bears_its_number_and_its_clock_and_is_no_run() {
    let directory = TempDir::new().unwrap();
    let writer = part(directory.path(), 1);
    let files = writer.files().clone();
    assert_eq!(names(directory.path()), ["vllm_20260201_143000_records.w01.jsonl"]);
    let point = ClockPoint { at_us: 5, offset_us: -2.5, bound_us: 20.0 };
    let clock = ClockMap { points: vec![point], ..ClockMap::default() };
    let closed = writer.close_part(EngineFigures::default(), None, None, Some(clock.clone())).unwrap().path;
    assert_eq!(names(directory.path()), ["vllm_20260201_143000_records.w01.jsonl.zst"]);
    let (records, footer) = read(&closed);
    assert_eq!((records, footer.clock), (three(), Some(clock)));
    assert_eq!(RunFiles::of(&closed), None);
    let own = PartFile::of(&closed).unwrap();
    assert_eq!((own.worker, own.files.stem()), (1, files.stem()));
    assert!(runs_in(directory.path()).unwrap().runs.is_empty());
    for other in ["x_records.jsonl", "x_records.w1.jsonl", "x_records.w01.json", "x_records.wab.jsonl"] {
        assert_eq!(PartFile::of(Path::new(other)), None, "{other}");
    }
}

#[test]
fn workers_share_a_name_and_a_later_run_of_the_same_second_gets_another() {
    let directory = TempDir::new().unwrap();
    let parts = [part(directory.path(), 0), part(directory.path(), 1), part(directory.path(), 0)];
    let stems: Vec<&str> = parts.iter().map(|part| part.files().stem()).collect();
    assert_eq!(stems, ["vllm_20260201_143000", "vllm_20260201_143000", "vllm_20260201_143000_2"]);
}

#[test]
fn parts_are_found_by_their_run_and_move_with_its_files() {
    let directory = TempDir::new().unwrap();
    let writers = [part(directory.path(), 0), part(directory.path(), 1)];
    let files = writers[0].files().clone();
    for writer in writers {
        writer.close_part(EngineFigures::default(), None, None, None).unwrap();
    }
    std::fs::write(directory.path().join("y_20260201_143000_records.w00.jsonl"), "{}\n").unwrap();
    let (found, unreadable) = find_parts(directory.path()).unwrap();
    assert_eq!((found.len(), found[0].parts.len(), unreadable.len()), (1, 2, 1));
    assert!(!found[0].living);
    let (by_name, unreadable) = find_parts(&files.closed_part(1)).unwrap();
    assert_eq!((by_name, unreadable.len()), (found, 0));
    let aside = directory.path().join("aside");
    std::fs::create_dir(&aside).unwrap();
    files.move_to(&aside).unwrap();
    assert_eq!(names(&aside).len(), 2);
    assert!(find_parts(directory.path()).unwrap().0.is_empty());
}
