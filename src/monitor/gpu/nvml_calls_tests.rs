use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use super::super::choice::Choice;
use super::super::library::{GpuLibrary, Pace};
use super::super::nvml::NvmlLibrary;

use super::*;

/// A pretend NVML, built with these flags into a directory of its own; none where there is no C compiler.
#[allow(clippy::print_stderr)]
fn built(flags: &[&str]) -> Option<(tempfile::TempDir, PathBuf)> {
    let directory = tempfile::tempdir().unwrap();
    let (source, library) = (directory.path().join("nvml.c"), directory.path().join("libnvml.so"));
    std::fs::write(&source, include_str!("pretend_nvml.c")).unwrap();
    let built =
        Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).args(flags).status();
    match built {
        Ok(status) if status.success() => Some((directory, library)),
        Ok(status) => panic!("cc: {status}"),
        Err(why) => {
            eprintln!("not tested: there is no cc ({why})");
            None
        }
    }
}

const QUERIES: [Query; 11] = [
    Query::Energy,
    Query::PowerInstant,
    Query::PowerAverage,
    Query::PcieSentCount,
    Query::NvlinkSent,
    Query::Utilisation,
    Query::MemoryUsed,
    Query::SmClock,
    Query::MemoryClock,
    Query::ClockReasons,
    Query::Temperature,
];

#[test]
fn every_answer_of_the_library_is_in_our_units() {
    let Some((_directory, library)) = built(&[]) else { return };
    let calls = RealCalls::load(Some(library.as_os_str())).unwrap();
    let boards: Vec<_> = calls
        .boards()
        .iter()
        .map(|board| (board.index, board.uuid.as_str(), board.is_slice, board.is_sliced))
        .collect();
    assert_eq!(boards, [(0, "GPU-0", false, false), (1, "GPU-1", false, true), (101, "MIG-2", true, false)]);
    let first = &calls.boards()[0];
    assert_eq!((first.memory_bytes, first.power_limit_w), (Some(1000), Some(700.0)));
    let answers: Vec<f64> = calls.ask(0, &QUERIES).into_iter().map(Result::unwrap).collect();
    let expected =
        [5.0, 512.34, 498.1, (1u64 << 40) as f64, 2048.0, 0.87, 300.0, 1980.0, 3201.0, f64::from(0x24), 61.0];
    for ((query, answer), expected) in QUERIES.iter().zip(answers).zip(expected) {
        assert!((answer - expected).abs() < 1e-9, "{query:?}: {answer} instead of {expected}");
    }
    assert_eq!(calls.holders(0), Ok(vec![(1, Some(200))]));
    // Of an instance memory is told, and nothing else.
    let of_slice = calls.ask(2, &QUERIES);
    let told: Vec<Query> =
        QUERIES.iter().zip(&of_slice).filter(|(_, answer)| answer.is_ok()).map(|(query, _)| *query).collect();
    assert_eq!(told, [Query::MemoryUsed]);
    assert!(of_slice.iter().all(|answer| *answer == Err(Trouble::Unsupported) || answer.is_ok()));
    // A function that this library lacks.
    assert_eq!(
        calls.ask(0, &[Query::PcieSentRate, Query::NvlinkReceived]),
        vec![Err(Trouble::Unsupported); 2]
    );
}

/// Calls about devices that a pretend library which is loaded was asked so far.
fn calls_of(library: &Path) -> i32 {
    let path = CString::new(library.as_os_str().as_bytes()).unwrap();
    // SAFETY: the function is the pretend library's own, of this type, and that stays loaded meanwhile.
    unsafe {
        let handle = libc::dlopen(path.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD);
        assert!(!handle.is_null(), "it is not loaded");
        let symbol = libc::dlsym(handle, c"pretend_calls".as_ptr());
        assert!(!symbol.is_null());
        let calls = std::mem::transmute::<*mut libc::c_void, extern "C" fn() -> i32>(symbol)();
        libc::dlclose(handle);
        calls
    }
}

#[test]
fn a_reading_beside_a_load_takes_two_calls_and_a_whole_one_ten() {
    let Some((_directory, library)) = built(&[]) else { return };
    let calls = Arc::new(RealCalls::load(Some(library.as_os_str())).unwrap());
    let pace = Pace::of_load(Duration::from_millis(100));
    let (mut gpus, _) = NvmlLibrary::new(calls, &Choice::listed("0"), pace).unwrap();
    let mut read = || {
        let before = calls_of(&library);
        let readings = gpus.read().unwrap();
        (calls_of(&library) - before, readings[0].values.len(), readings[0].processes.is_some())
    };
    // The first finds out what is lacking: the field of NVLink received has no other call.
    let (first, values, _) = read();
    assert!(first <= 10 && values >= 9, "{first} calls, {values} values");
    let (quick, values, looked) = read();
    assert!(quick <= 2 && values >= 3 && !looked, "{quick} calls, {values} values");
    std::thread::sleep(Duration::from_secs(1));
    let (whole, ..) = read();
    assert!((3..=10).contains(&whole), "{whole} calls");
}

#[test]
fn energy_of_an_older_driver_is_no_field() {
    let Some((_directory, library)) = built(&["-DOLD"]) else { return };
    let calls = RealCalls::load(Some(library.as_os_str())).unwrap();
    assert_eq!(calls.ask(0, &[Query::Energy, Query::PowerAverage]), [Ok(5.0), Ok(498.1)]);
}

#[test]
fn a_library_that_is_not_there_or_gives_no_permission_or_loses_its_gpu_says_so() {
    let absent = RealCalls::load(Some("/nonexistent/libnvidia-ml.so".as_ref()));
    assert!(matches!(absent, Err(NvmlError::LibloadingError(_))));
    let Some((_directory, library)) = built(&["-DNO_PERMISSION"]) else { return };
    assert!(matches!(RealCalls::load(Some(library.as_os_str())), Err(NvmlError::NoPermission)));
    let Some((_directory, library)) = built(&["-DLOST"]) else { return };
    let calls = RealCalls::load(Some(library.as_os_str())).unwrap();
    assert_eq!(calls.ask(0, &[Query::Energy]), [Ok(5.0)]);
    assert_eq!(calls.ask(0, &[Query::Energy]), [Err(Trouble::Gone)]);
    assert_eq!(calls.ask(1, &[Query::Energy]), [Ok(5.0)]);
}

#[test]
fn only_a_field_that_is_not_there_is_never_asked_again() {
    // By nvml.h: not supported, invalid argument, no permission, no such function.
    for code in [3, 2, 4, 13] {
        assert_eq!(of_return(code), Trouble::Unsupported, "{code}");
    }
    // Lost, and to be reset.
    assert_eq!([of_return(15), of_return(16)], [Trouble::Gone, Trouble::Gone]);
    // A timeout, an interrupt, and what nobody knows.
    for code in [10, 11, 999] {
        assert!(matches!(of_return(code), Trouble::Failed(_)), "{code}");
    }
}
