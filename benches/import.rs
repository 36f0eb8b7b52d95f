//! What `harness dataset import` costs: whole processes over a ShareGPT-like list that is written here, beside
//! Python's `json.load` of the same file.
//!
//! ```text
//! cargo bench --bench import                     256 MB
//! HARNESS_MB=1000 cargo bench --bench import     another size
//! HARNESS_FILE=ShareGPT_V3.json …                a file of one's own
//! HARNESS_PYTHON=path HARNESS_TIMES=5 …          another Python, other repeats
//! ```
//!
//! The programs run in turn; of each the least CPU time is shown, since other work on the machine can only add to the
//! wall time. Speeds are megabytes of the file a second of CPU time: one core, were it ours alone.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod whole_process;

use std::ffi::OsString;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use whole_process::{Cost, cost};

/// Real conversations, masked: their lengths, roles and escapes are what the cost depends on.
const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/workloads/sharegpt-v3-masked.json");
const JSON_LOAD: &str = "import json, sys; print(len(json.load(open(sys.argv[1]))))";

fn main() {
    let folder = tempfile::Builder::new().prefix("harness-import-").tempdir().unwrap();
    let file = std::env::var_os("HARNESS_FILE").map(PathBuf::from).unwrap_or_else(|| {
        let megabytes: u64 = std::env::var("HARNESS_MB").map_or(256, |size| size.parse().unwrap());
        let path = folder.path().join("sharegpt.json");
        write_list(&path, megabytes * 1_000_000);
        path
    });
    let times: usize = std::env::var("HARNESS_TIMES").map_or(3, |times| times.parse().unwrap());
    let python = std::env::var_os("HARNESS_PYTHON").unwrap_or("python3".into());
    let output = folder.path().join("out.jsonl").into_os_string();
    let file_name = file.clone().into_os_string();
    let import = |turns: &str| {
        let words = ["dataset", "import", "--quiet", "--skip-bad", "--turns", turns, "--output"];
        let words = words.map(OsString::from).into_iter();
        words.chain([output.clone(), file_name.clone()]).collect::<Vec<_>>()
    };
    let harness = OsString::from(env!("CARGO_BIN_EXE_harness"));
    let programs = [
        ("harness, first-user", harness.clone(), import("first-user")),
        ("harness, all turns", harness, import("all")),
        ("python json.load", python, vec!["-c".into(), JSON_LOAD.into(), file_name.clone()]),
    ];
    let mut least = programs.each_ref().map(|_| Cost { wall_s: 0.0, cpu_s: f64::INFINITY, peak_mb: 0.0 });
    for _ in 0..times {
        for (least, (_, program, arguments)) in least.iter_mut().zip(&programs) {
            let cost = cost(program, arguments);
            if cost.cpu_s < least.cpu_s {
                *least = cost;
            }
        }
    }
    let megabytes = std::fs::metadata(&file).unwrap().len() as f64 / 1e6;
    println!("{megabytes:.0} MB, the best of {times}");
    println!("{:<20} {:>8} {:>8} {:>10} {:>9} {:>10}", "", "wall", "CPU", "MB/s CPU", "peak MB", "× Python");
    for (cost, (name, _, _)) in least.iter().zip(&programs) {
        println!(
            "{name:<20} {:>6.2} s {:>6.2} s {:>10.0} {:>9.1} {:>10.1}",
            cost.wall_s,
            cost.cpu_s,
            megabytes / cost.cpu_s,
            cost.peak_mb,
            least[2].cpu_s / cost.cpu_s,
        );
    }
    println!("memory: {:.4} of Python's", least[0].peak_mb / least[2].peak_mb);
}

/// A list as the real file is: an indent of 2, escapes, roles; the kept conversations in an order drawn, each with an
/// id of its own.
fn write_list(path: &Path, bytes: u64) {
    let kept: Vec<serde_json::Value> = serde_json::from_slice(&std::fs::read(KEPT).unwrap()).unwrap();
    let texts: Vec<String> = kept
        .iter()
        .map(|conversation| {
            let turns = serde_json::to_string_pretty(&conversation["conversations"]).unwrap();
            // The real file is all ASCII.
            turns.chars().map(|c| if c.is_ascii() { c.to_string() } else { escaped(c) }).collect()
        })
        .collect();
    let mut file = BufWriter::new(std::fs::File::create(path).unwrap());
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let (mut written, mut number) = (1, 0);
    file.write_all(b"[\n").unwrap();
    while written < bytes {
        let turns = &texts[random.random_range(0..texts.len())];
        let comma = if number == 0 { "" } else { ",\n" };
        let record =
            format!("{comma}  {{\n    \"id\": \"id_{number}\",\n    \"conversations\": {turns}\n  }}");
        file.write_all(record.as_bytes()).unwrap();
        written += record.len() as u64;
        number += 1;
    }
    file.write_all(b"\n]\n").unwrap();
    file.flush().unwrap();
}

fn escaped(c: char) -> String {
    c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect()
}
