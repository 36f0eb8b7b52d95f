//! Every slice gives the totals that its README tells, and every oddity is read as it stands.

use std::path::{Path, PathBuf};

use super::figures::{dispersion, trace_stats};
use super::lines::TraceError;
use super::read::{Asked, format_of, read};
use super::replay::{Replay, replay, trace_format};
use crate::dataset::texts::TextMaker;
use crate::schema::refusal::{cures, shown};
use crate::schema::trace::{OnStepBack, TimeUnit, TraceColumns, TraceFormat, TraceOptions};
use crate::schema::trace_stats::{BlockStats, TraceStats};

fn slice(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/workloads").join(name)
}

fn plain() -> TraceOptions {
    TraceOptions::default()
}

/// As the README of the slices tells it: rows, inputs, outputs, span, dispersion with windows and the most in one, ties,
/// steps back, shortest and longest input and output.
struct Told {
    file: &'static str,
    format: TraceFormat,
    rows: u64,
    sums: (u64, u64),
    span_s: f64,
    dispersion: &'static str,
    windows: (u64, u64),
    ties: u64,
    steps_back: u64,
    input: (u64, u64),
    output: (u64, u64),
}

macro_rules! told {
    ($file:literal, $format:ident, $rows:literal, $sums:expr, $span:literal, $dispersion:literal, $windows:expr,
     $ties:literal, $back:literal, $input:expr, $output:expr) => {
        Told {
            file: $file,
            format: TraceFormat::$format,
            rows: $rows,
            sums: $sums,
            span_s: $span,
            dispersion: $dispersion,
            windows: $windows,
            ties: $ties,
            steps_back: $back,
            input: $input,
            output: $output,
        }
    };
}

#[rustfmt::skip]
const TOLD: &[Told] = &[
    told!("azure-llm-2023-code.csv", Azure, 2000, (3973157, 59024), 853.079347, "13.4691", (854, 41), 0, 0, (6, 7437), (6, 1899)),
    told!("azure-llm-2023-conv.csv", Azure, 2000, (2209565, 529807), 424.259457, "1.2501", (425, 12), 0, 0, (2, 7930), (12, 1000)),
    told!("azure-llm-2023-conv-odd.csv", Azure, 17, (41243, 3901), 3501.721937, "1.2304", (3502, 2), 0, 0, (2, 14050), (7, 1000)),
    told!("azure-llm-2024-code.csv", Azure, 1024, (3126240, 24314), 350.813259, "1.3795", (351, 10), 0, 0, (3, 7686), (1, 1175)),
    told!("azure-llm-2024-conv-ends.csv", Azure, 10, (12767, 856), 604799.994297, "5.0000", (604800, 5), 0, 0, (283, 3152), (3, 366)),
    told!("burstgpt-1.csv", BurstGpt, 400, (208189, 110612), 37269.0, "1.0093", (37270, 2), 4, 0, (0, 2126), (0, 2019)),
    told!("burstgpt-3.csv", BurstGpt, 101, (83720, 19346), 33143.0, "0.9970", (33144, 1), 0, 0, (0, 12570), (0, 879)),
    told!("mooncake-conversation.jsonl", Mooncake, 1100, (15280058, 382015), 366.0, "7.0282", (367, 17), 977, 0, (891, 122889), (1, 2000)),
    told!("mooncake-conversation-odd.jsonl", Mooncake, 40, (728502, 16695), 3438.0, "19.9384", (3439, 28), 28, 0, (897, 126195), (1, 2000)),
    told!("mooncake-synthetic.jsonl", Mooncake, 1200, (14210353, 237847), 329.224, "1.0653", (330, 12), 3, 0, (13, 134773), (1, 842)),
    told!("mooncake-arxiv-middle.jsonl", Mooncake, 40, (281930, 8746), 6.109, "9.8357", (7, 21), 37, 0, (901, 30146), (3, 650)),
    told!("ragpulse.jsonl", RagPulse, 755, (2258928, 181373), 604603.0, "1.0517", (604604, 3), 19, 1, (1052, 5887), (36, 1183)),
    told!("vidur-splitwise-conv.csv", Vidur, 500, (467684, 132536), 129.012474, "1.4418", (130, 10), 0, 0, (2, 4107), (12, 652)),
];

/// Times of a file in order, µs; without the failed rows where those are left out.
fn times(file: &str, answered: bool) -> Vec<u64> {
    let bytes = std::fs::read(slice(file)).unwrap();
    let found = read(bytes.as_slice(), Asked::default()).unwrap();
    let rows = found.rows.rows.iter().filter(|row| !(answered && row.failed));
    let mut times: Vec<u64> = rows.map(|row| row.at_us).collect();
    times.sort_unstable();
    times
}

fn stats(file: &str) -> TraceStats {
    trace_stats(&slice(file), &plain()).unwrap().stats
}

#[test]
fn every_slice_gives_the_totals_that_its_readme_tells() {
    for told in TOLD {
        let stats = stats(told.file);
        let of = (told.file, stats.format, stats.rows, stats.input.total, stats.output.total);
        assert_eq!(of, (told.file, told.format, told.rows, told.sums.0, told.sums.1));
        assert_eq!(
            (stats.span_s, stats.ties, stats.steps_back),
            (told.span_s, told.ties, told.steps_back),
            "{}",
            told.file
        );
        assert_eq!(
            ((stats.input.min, stats.input.max), (stats.output.min, stats.output.max)),
            (told.input, told.output),
            "{}",
            told.file
        );
        // The README counts the last window too, which is only partly covered.
        let all = dispersion(&times(told.file, false), 1, false);
        assert_eq!(format!("{:.4}", all.index.unwrap()), told.dispersion, "{}", told.file);
        assert_eq!((all.windows, all.most), told.windows, "{}", told.file);
    }
}

#[test]
fn failed_rows_of_burstgpt_are_told_apart_and_their_totals_are_those_of_the_others() {
    for (file, failed, rows, span_s, index, windows, input, output) in [
        ("burstgpt-1.csv", 17, 383, 37269.0, "1.0106", (37270, 2), (9, 2126), (2, 2019)),
        ("burstgpt-3.csv", 1, 100, 26584.0, "0.9962", (26585, 1), (10, 12570), (6, 879)),
    ] {
        let stats = stats(file);
        let answered = (stats.answered_input, stats.answered_output);
        assert_eq!((stats.failed, answered.0.count), (failed, rows));
        assert_eq!((answered.0.total, answered.1.total), (stats.input.total, stats.output.total));
        assert_eq!(((answered.0.min, answered.0.max), (answered.1.min, answered.1.max)), (input, output));
        let times = times(file, true);
        assert_eq!((times.last().unwrap() - times[0]) as f64 / 1e6, span_s);
        let all = dispersion(&times, 1, false);
        assert_eq!(
            (format!("{:.4}", all.index.unwrap()).as_str(), (all.windows, all.most)),
            (index, windows)
        );
    }
}

#[test]
fn prefix_blocks_hit_a_cache_without_a_limit_as_often_as_the_readme_tells() {
    for (file, blocks, distinct, hit) in [
        ("mooncake-conversation.jsonl", 30372, 23914, 6458),
        ("mooncake-synthetic.jsonl", 28524, 23072, 5452),
        ("mooncake-arxiv-middle.jsonl", 572, 386, 186),
        ("mooncake-conversation-odd.jsonl", 1441, 1395, 46),
    ] {
        let told = BlockStats { tokens: Some(512), blocks, distinct, hit };
        assert_eq!(stats(file).blocks, Some(told), "{file}");
    }
    assert_eq!(stats("azure-llm-2023-code.csv").blocks, None);
}

#[test]
fn a_log_that_ticks_is_told_and_one_of_true_arrivals_is_not() {
    let conversation = stats("mooncake-conversation.jsonl").ticks.unwrap();
    assert_eq!((conversation.step_s, conversation.instants, conversation.rows), (3.0, 123, 1100));
    let arxiv = stats("mooncake-arxiv-middle.jsonl").ticks.unwrap();
    assert!((arxiv.step_s - 3.05).abs() < 0.01 && arxiv.instants == 3, "{arxiv:?}");
    for file in [
        "mooncake-synthetic.jsonl",
        "azure-llm-2023-code.csv",
        "azure-llm-2024-code.csv",
        "burstgpt-1.csv",
        "ragpulse.jsonl",
    ] {
        assert_eq!(stats(file).ticks, None, "{file}");
    }
    let resolution = |file| stats(file).resolution_s;
    assert_eq!((resolution("burstgpt-1.csv"), resolution("mooncake-synthetic.jsonl")), (1.0, 0.001));
    assert_eq!(resolution("azure-llm-2024-code.csv"), 1e-6);
    let said = stats("mooncake-conversation.jsonl").verdicts.join("\n");
    assert!(said.contains("123 instants 3 s apart: a log's tick, not arrivals"), "{said}");
    let code = stats("azure-llm-2023-code.csv").verdicts.join("\n");
    assert!(code.contains("arrivals cluster: variance over mean is 13.5"), "{code}");
}

fn counted(text: &str) -> TraceStats {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made-up.csv");
    std::fs::write(&path, text).unwrap();
    trace_stats(&path, &plain()).unwrap().stats
}

#[test]
fn rows_that_are_made_up_show_it() {
    let rows: String =
        (0..60).map(|at| format!("{at},ChatGPT,{},{},0,API log\n", 100 + at, 10 + at)).collect();
    let second =
        counted(&format!("Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n{rows}"));
    assert!(
        second.verdicts[0].contains("every row comes 1 s after the one before it: made up?"),
        "{:?}",
        second.verdicts
    );
    let rows: String = (0..60).map(|at| format!("2024-05-10 00:{at:02}:00.0000000,5,5\n")).collect();
    let minute = counted(&format!("TIMESTAMP,ContextTokens,GeneratedTokens\n{rows}"));
    assert!(minute.verdicts[0].contains("every row comes 60 s after"), "{:?}", minute.verdicts);
}

/// Its format; time, input and output of its rows.
type Seen = (TraceFormat, Vec<(u64, u32, u32)>);

fn found(text: &[u8], asked: Asked<'_>) -> Result<Seen, TraceError> {
    let found = read(text, asked)?;
    let rows = found.rows.rows.iter().map(|row| (row.at_us, row.input_tokens, row.output_tokens));
    Ok((found.format, rows.collect()))
}

#[test]
fn marks_line_ends_and_blank_lines_do_not_matter() {
    let plain = "TIMESTAMP,ContextTokens,GeneratedTokens\n2024-05-12 00:00:00+00:00,5,6\n2024-05-12 00:00:01.5+00:00,7,8";
    let expected = (TraceFormat::Azure, vec![(1_715_472_000_000_000, 5, 6), (1_715_472_001_500_000, 7, 8)]);
    for text in [
        plain.to_owned(),
        format!("{plain}\n"),
        format!("\u{feff}{plain}"),
        plain.replace('\n', "\r\n"),
        format!("\n\n{}\n \n", plain.replace('\n', "\n\n")),
        format!("\u{feff}\r\n{}\r\n\r\n", plain.replace('\n', "\r\n")),
    ] {
        assert_eq!(found(text.as_bytes(), Asked::default()).unwrap(), expected, "{text:?}");
    }
}

#[test]
fn formats_that_no_slice_shows_are_read() {
    let bailian = r#"{"chat_id": 159, "parent_chat_id": -1, "timestamp": 61.114, "input_length": 521, "output_length": 132, "type": "text", "turn": 1, "hash_ids": [1089, 1090]}
{"chat_id": 170, "parent_chat_id": 159, "timestamp": 62.5, "input_length": 700, "output_length": 20, "type": "text", "turn": 2, "hash_ids": [1089, 1091]}
{"chat_id": 180, "parent_chat_id": 170, "timestamp": 63, "input_length": 9, "output_length": 2, "type": "text", "turn": 3, "hash_ids": []}
{"chat_id": 190, "parent_chat_id": -1, "timestamp": 64, "input_length": 9, "output_length": 2, "type": "search", "turn": 1, "hash_ids": [7]}
"#;
    let read_back = read(bailian.as_bytes(), Asked::default()).unwrap();
    let sessions: Vec<Option<u32>> = read_back.rows.rows.iter().map(|row| row.session).collect();
    assert_eq!(
        (read_back.format, sessions),
        (TraceFormat::Bailian, vec![Some(0), Some(0), Some(0), Some(1)])
    );
    assert_eq!(read_back.rows.rows[0].at_us, 61_114_000);
    let aibrix = r#"{"timestamp": 500, "requests": [{"Prompt Length": 5, "Output Length": 7, "prompt": "Hello."}, {"Prompt Length": 6, "Output Length": 8}]}"#;
    let read_back = read(aibrix.as_bytes(), Asked::default()).unwrap();
    let rows: Vec<_> =
        read_back.rows.rows.iter().map(|row| (row.at_us, row.input_tokens, row.output_tokens)).collect();
    assert_eq!((read_back.format, rows), (TraceFormat::Aibrix, vec![(500_000, 5, 7), (500_000, 6, 8)]));
    assert_eq!(read_back.rows.prompts[&0], "Hello.");
}

#[test]
fn any_table_is_read_by_the_names_of_its_columns() {
    let columns = TraceColumns {
        time: "when".into(),
        input: "in".into(),
        output: "out".into(),
        time_unit: TimeUnit::Ms,
    };
    let asked = Asked { columns: Some(&columns), ..Asked::default() };
    let expected = (TraceFormat::Columns, vec![(1_500, 5, 6), (2_000_000, 7, 8)]);
    let csv = "out,user,when,in\n6,\"a, b\",1.5,5\n8.0,c,2e3,7\n";
    assert_eq!(found(csv.as_bytes(), asked).unwrap(), expected);
    let json = "{\"when\": 1.5, \"in\": 5, \"out\": \"6\", \"x\": {}}\n{\"out\": 8, \"in\": 7, \"when\": \"2000\"}\n";
    assert_eq!(found(json.as_bytes(), asked).unwrap(), expected);
    let missing = found(b"a,b,c\n1,2,3\n", asked).unwrap_err().to_string();
    assert!(missing.contains("names `when`, and it holds a, b, c"), "{missing}");
    let missing = found(b"{\"a\": 1, \"in\": 2}\n", asked).unwrap_err().to_string();
    assert!(missing.contains("names `when`, and it holds a, in"), "{missing}");
}

#[test]
fn a_row_that_cannot_be_used_names_its_line_and_can_be_left_out() {
    let head = "arrived_at,num_prefill_tokens,num_decode_tokens\n0.5,5,6\n";
    for (bad, said) in [
        ("1.5,x,6", "line 3: num_prefill_tokens 'x' is no number of tokens"),
        ("soon,5,6", "line 3: 'soon' is no time"),
        ("1.5,5", "line 3: 2 columns where the first line names 3"),
        ("-1.5,5,6", "line 3: '-1.5' is a time below 0"),
        (",5,6", "line 3: the time is empty"),
        ("1.5,99999999999,6", "no number of tokens"),
    ] {
        let text = format!("{head}{bad}\n2.5,7,8\n");
        let error = found(text.as_bytes(), Asked::default()).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
        let left = read(text.as_bytes(), Asked { skip_bad: true, ..Asked::default() }).unwrap();
        assert_eq!((left.rows.rows.len(), left.bad), (2, 1), "{bad}");
        assert!(left.first_bad.unwrap().contains(said));
    }
    let mooncake =
        b"{\"timestamp\":0,\"input_length\":1,\"output_length\":1,\"hash_ids\":[]}\n\n{\"timestamp\":0}\n";
    let error = found(mooncake, Asked::default()).unwrap_err().to_string();
    assert!(error.starts_with("line 3: missing field `input_length`"), "{error}");
}

#[test]
fn a_stray_quote_costs_its_own_line_and_names_it() {
    let head = "arrived_at,num_prefill_tokens,num_decode_tokens\n0.5,5,6\n";
    let text = format!("{head}1.5,\"5,6\n2.5,7,8\n3.5,7,8\n4.5,7\",8\n5.5,\"9\",9\n").replace('\n', "\r\n");
    let error = found(text.as_bytes(), Asked::default()).unwrap_err().to_string();
    assert!(error.starts_with("line 3: a quote opens in it and does not close on it"), "{error}");
    let left = read(text.as_bytes(), Asked { skip_bad: true, ..Asked::default() }).unwrap();
    let lines: Vec<u32> = left.rows.rows.iter().map(|row| row.line).collect();
    assert_eq!((lines, left.bad), (vec![2, 4, 5, 7], 2), "lines 3 and 6 each hold a stray one");
    assert!(left.first_bad.unwrap().starts_with("line 3: "));
}

#[test]
fn cells_of_other_columns_may_span_lines_in_a_table_of_ones_own_and_a_stray_quote_swallows_nothing() {
    let columns = TraceColumns {
        time: "when".into(),
        input: "in".into(),
        output: "out".into(),
        time_unit: TimeUnit::S,
    };
    let asked = Asked { columns: Some(&columns), skip_bad: true, ..Asked::default() };
    let seen = |text: &str| {
        let found = read(text.as_bytes(), asked).unwrap();
        let lines: Vec<u32> = found.rows.rows.iter().map(|row| row.line).collect();
        (lines, found.bad, found.first_bad.unwrap_or_default())
    };
    let spanning = "when,in,out,text\n1,5,6,\"a \"\"word\"\"\n\nand, more\"\n2,7,8,\"b\"\n";
    assert_eq!(seen(spanning), (vec![2, 5], 0, String::new()));
    let (lines, bad, first) = seen("when,in,out,text\n1,5,6,\"open\n2,7,8,b\n3,7,8,c\n");
    assert_eq!((lines, bad), (vec![3, 4], 1));
    assert!(first.starts_with("line 2: a quote opens in it and does not close anywhere"), "{first}");
    let (lines, bad, first) = seen("when,in,out,text\n1,\"5,6,a\n2,7,8,b\n3,7\",8,c\n4,7,8,d\n");
    assert_eq!((lines, bad), (vec![3, 5], 2));
    assert!(first.contains("closes 2 lines on, and that makes no row"), "{first}");
}

#[test]
fn all_requests_of_a_line_are_taken_or_none() {
    let text = r#"{"timestamp": 0, "requests": [{"Prompt Length": 5, "Output Length": 7, "prompt": "Hello."}, {"Prompt Length": 99999999, "Output Length": 8}]}
{"timestamp": 500, "requests": [{"Prompt Length": 6, "Output Length": 8}]}"#;
    let found = read(text.as_bytes(), Asked { skip_bad: true, ..Asked::default() }).unwrap();
    assert_eq!((found.rows.rows.len(), found.rows.rows[0].input_tokens, found.bad), (1, 6, 1));
    assert!(found.rows.prompts.is_empty(), "no prompt of the line that was left out");
}

#[test]
fn packed_traces_are_read_and_what_the_hints_say_of_unknown_ones_can_be_typed() {
    let folder = tempfile::tempdir().unwrap();
    let bare = std::fs::read(slice("azure-llm-2023-code.csv")).unwrap();
    let expected = stats("azure-llm-2023-code.csv");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &bare).unwrap();
    for bytes in [gzip.finish().unwrap(), zstd::stream::encode_all(bare.as_slice(), 1).unwrap()] {
        let path = folder.path().join("packed");
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(trace_format(&path).unwrap(), Some(TraceFormat::Azure));
        let read = trace_stats(&path, &plain()).unwrap().stats;
        assert_eq!((read.rows, read.input, read.ties), (expected.rows, expected.input, expected.ties));
        std::fs::write(&path, "").unwrap();
    }
    let hint = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        shown(&crate::dataset::load(Some(&path)).unwrap_err()).replace(&path.display().to_string(), "FILE")
    };
    let told = hint("own.csv", "arrived,tokens in,prompt_tokens,output_tokens\n1,5,5,7\n2,5,5,7\n");
    let named = "harness dataset stats FILE --columns time=arrived,input=prompt_tokens,output=output_tokens";
    assert!(told.contains(named), "{told}");
    let aibrix = r#"{"timestamp": 0, "requests": [{"Prompt Length": 5, "Output Length": 7}]}"#;
    let told = hint("aibrix.jsonl", &(aibrix.to_owned() + "\n"));
    assert!(told.ends_with("--trace FILE; what is in it: harness dataset stats FILE"), "{told}");
}

#[test]
fn a_file_that_is_no_trace_is_told_with_what_it_holds() {
    let unknown = |bytes: &[u8]| found(bytes, Asked::default()).unwrap_err().to_string();
    assert!(unknown(b"a,b\n1,2\n").contains("it holds a, b"));
    assert!(unknown(b"{\"prompt\": \"Hello\"}\n").contains("it holds prompt"));
    assert!(unknown(b"[1]").contains("neither a line of column names nor a JSON object"));
    assert!(unknown(b"").contains("it holds no request"));
    assert!(unknown(b"arrived_at,num_prefill_tokens,num_decode_tokens\n").contains("it holds no request"));
    let asked = Asked { format: Some(TraceFormat::Azure), ..Asked::default() };
    assert!(
        found(b"a,b\n1,2\n", asked).unwrap_err().to_string().contains("it is no Azure LLM inference trace")
    );
    assert_eq!(format_of(&std::fs::read(slice("ragpulse.jsonl")).unwrap()), Some(TraceFormat::RagPulse));
    assert_eq!(format_of(b"\x00\xff"), None);
}

fn played(file: &str, options: TraceOptions) -> anyhow::Result<Replay> {
    replay(&slice(file), &options, 7)
}

fn due(replay: &Replay) -> Vec<u64> {
    replay.units(None, (0, true), TextMaker::estimate().into()).due_us().unwrap().to_vec()
}

#[test]
fn what_is_played_are_the_rows_of_the_window_at_their_times() {
    let whole = played("azure-llm-2023-conv.csv", plain()).unwrap();
    let times = times("azure-llm-2023-conv.csv", false);
    let expected: Vec<u64> = times.iter().map(|at| at - times[0]).collect();
    assert_eq!(due(&whole), expected);
    let unit = whole.units(None, (0, true), TextMaker::estimate().into()).unit(0).unwrap();
    let turn = &unit.turns[0];
    let crate::schema::unit::Body::Text(text) = &turn.body else { panic!("{turn:?}") };
    assert_eq!((text.split(' ').count(), turn.max_tokens), (374, 44), "the first row");
    assert!(
        whole.units(None, (0, true), TextMaker::estimate().into()).unit(2_000).is_none(),
        "a trace is not repeated"
    );
    let twice = played("azure-llm-2023-conv.csv", TraceOptions { speed: 2.0, ..plain() }).unwrap();
    assert!(due(&twice).iter().zip(&expected).all(|(half, whole)| half.abs_diff(whole / 2) <= 1));
    let options = TraceOptions { from_s: 60.0, to_s: Some(120.0), ..plain() };
    let minute = played("azure-llm-2023-conv.csv", options).unwrap();
    let inside =
        expected.iter().filter(|at| (60_000_000..120_000_000).contains(*at)).map(|at| at - 60_000_000);
    assert_eq!(due(&minute), inside.collect::<Vec<_>>());
    let outside = minute.trace().unwrap().outside;
    assert_eq!(outside as usize + minute.requests(), 2_000);
}

#[test]
fn failed_rows_are_left_out_and_long_ones_cut_and_both_are_counted() {
    let replay = played(
        "burstgpt-1.csv",
        TraceOptions { max_input_tokens: Some(1_000), max_output_tokens: Some(16), ..plain() },
    );
    let replay = replay.unwrap();
    let trace = replay.trace().unwrap();
    assert_eq!((trace.rows, trace.failed, replay.requests()), (400, 17, 383));
    assert!(trace.inputs_cut > 0 && trace.outputs_cut > 0);
    let units = replay.units(None, (0, true), TextMaker::estimate().into());
    assert!((0..383).all(|k| units.unit(k).unwrap().turns[0].max_tokens <= 16));
    let said = replay.notes.join("\n");
    assert!(
        said.contains("17 rows without an answer") && said.contains("cut to --max-input-tokens"),
        "{said}"
    );
}

#[test]
fn a_step_back_is_refused_with_its_row_and_both_cures_or_put_right() {
    let error = played("ragpulse.jsonl", plain()).unwrap_err();
    assert!(
        shown(&error).contains("row 720 of 755 (from 0) steps back, from 604453 s to 0 s"),
        "{}",
        shown(&error)
    );
    let cures = cures(&error).join(" ");
    assert!(cures.contains("--on-step-back append") && cures.contains("--on-step-back sort"), "{cures}");
    let with = |on_step_back| played("ragpulse.jsonl", TraceOptions { on_step_back, ..plain() }).unwrap();
    let appended = with(OnStepBack::Append);
    let due_us = due(&appended);
    assert!(due_us.is_sorted() && due_us[720] == due_us[719]);
    assert_eq!(appended.trace().unwrap().moved_s, [604_453.0]);
    let sorted = with(OnStepBack::Sort);
    assert!(due(&sorted).is_sorted());
    assert_eq!(*due(&sorted).last().unwrap(), 604_603_000_000);
    let ids: Vec<String> = (0..3)
        .map(|k| sorted.units(None, (0, true), TextMaker::estimate().into()).unit(k).unwrap().id.to_string())
        .collect();
    assert_ne!(ids, ["0", "1", "2"], "the second week's first rows are among the first");
}

/// Variance over mean of the requests at each instant.
fn of_instants(times: &[u64]) -> f64 {
    let counts: Vec<f64> = times.chunk_by(|a, b| a == b).map(|tick| tick.len() as f64).collect();
    let mean = counts.iter().sum::<f64>() / counts.len() as f64;
    counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / counts.len() as f64 / mean
}

#[test]
fn ticks_are_told_or_spread_to_what_longer_windows_show_of_the_arrivals() {
    let literal = played("mooncake-conversation.jsonl", plain()).unwrap();
    assert!(
        literal.notes.iter().any(|note| note.contains("bursts that never happened")),
        "{:?}",
        literal.notes
    );
    assert_eq!(literal.arrivals(None, None).ticks.unwrap().instants, 123);
    let in_windows = |due_us: &[u64], window_s| dispersion(due_us, window_s, true).index.unwrap();
    let spread =
        played("mooncake-conversation.jsonl", TraceOptions { spread_ticks: true, ..plain() }).unwrap();
    assert_eq!(spread.arrivals(None, None).ticks, None);
    let (before, after) = (due(&literal), due(&spread));
    assert!(after.is_sorted() && after.len() == before.len());
    assert!(before.iter().zip(&after).all(|(tick, at)| (*tick..=tick + 3_003_000).contains(at)));
    assert!(in_windows(&before, 1) > 6.0, "bursts");
    // Users whose times in a tick are independent: a third of a tick's own dispersion is left in a third of it. (In 10 s
    // lie 3 ticks or 4, so what is seen in those before is more than users make.)
    let (one, of_tick) = (in_windows(&after, 1), of_instants(&before));
    let expected = 1.0 + (of_tick - 1.0) / 3.0;
    assert!((one - expected).abs() < 0.2, "{one} at 1 s after, {expected} by the counts of ticks");
    let (ten, ten_before) = (in_windows(&after, 10), in_windows(&before, 10));
    assert!((ten - of_tick).abs() < 0.6 && ten < ten_before, "{ten} at 10 s after, {ten_before} before");
    let refused =
        played("azure-llm-2023-conv.csv", TraceOptions { spread_ticks: true, ..plain() }).unwrap_err();
    assert!(shown(&refused).contains("its clock does not tick"), "{}", shown(&refused));
}

#[test]
fn a_window_without_a_request_is_refused_with_what_the_file_holds() {
    let error = played("azure-llm-2023-conv.csv", TraceOptions { from_s: 3600.0, ..plain() }).unwrap_err();
    assert!(
        shown(&error).contains("of 2000 rows over 424.3 s, 2000 are outside the window"),
        "{}",
        shown(&error)
    );
}

/// A whole file as its own project has it: name; rows; inputs and outputs; span, s; instants; blocks, different ones.
type Whole = (&'static str, u64, (u64, u64), f64, u64, Option<(u64, u64)>);

#[rustfmt::skip]
const WHOLE: &[Whole] = &[
    ("AzureLLMInferenceTrace_code.csv", 8_819, (18_059_974, 245_896), 3_435.948_056, 8_819, None),
    ("AzureLLMInferenceTrace_conv.csv", 19_366, (22_361_870, 4_088_665), 3_501.721_937, 19_366, None),
    ("splitwise_conv.csv", 19_366, (22_361_870, 4_088_665), 3_501.721_937, 19_366, None),
    ("conversation_trace.jsonl", 12_031, (144_793_823, 4_122_048), 3_536.999, 1_180, Some((288_500, 182_790))),
    ("synthetic_trace.jsonl", 3_993, (61_194_628, 595_432), 1_022.025, 3_982, Some((121_877, 43_924))),
    ("0_trace.jsonl", 7_106, (20_917_099, 2_012_676), 604_603.0, 7_016, Some((71_583, 21_857))),
];

/// `HARNESS_WHOLE_TRACES=DIR cargo test --lib whole_files -- --ignored --nocapture`
#[test]
#[ignore = "it needs the whole files in HARNESS_WHOLE_TRACES"]
#[allow(clippy::print_stderr)]
fn whole_files_give_what_is_known_of_them() {
    let folder = std::env::var("HARNESS_WHOLE_TRACES").map(PathBuf::from);
    let folder = folder.expect("HARNESS_WHOLE_TRACES names no directory");
    for (name, rows, sums, span_s, instants, blocks) in WHOLE {
        let path = folder.join(name);
        if !path.is_file() {
            eprintln!("SKIPPED: {name} is not there");
            continue;
        }
        let stats = trace_stats(&path, &plain()).unwrap().stats;
        assert_eq!((stats.rows, stats.input.total, stats.output.total), (*rows, sums.0, sums.1), "{name}");
        assert_eq!((stats.span_s, stats.instants), (*span_s, *instants), "{name}");
        assert_eq!(stats.blocks.map(|told| (told.blocks, told.distinct)), *blocks, "{name}");
        eprintln!("{name}: as known");
    }
}

#[test]
fn tables_with_semicolons_or_tabs_are_read_as_those_with_commas() {
    let plain = "TIMESTAMP,ContextTokens,GeneratedTokens\n2024-05-12 00:00:00+00:00,5,6\n2024-05-12 00:00:01.5+00:00,7,8";
    let expected = found(plain.as_bytes(), Asked::default()).unwrap();
    for delimiter in [";", "\t"] {
        let text = plain.replace(',', delimiter);
        assert_eq!(found(text.as_bytes(), Asked::default()).unwrap(), expected);
        let columns =
            TraceColumns { time: "t".into(), input: "i".into(), output: "o".into(), time_unit: TimeUnit::S };
        let asked = Asked { columns: Some(&columns), ..Asked::default() };
        let text = "t,i,o,\"more, and more\"\n0.5,1,2,\"a,b\"\n".replace(',', delimiter);
        assert_eq!(found(text.as_bytes(), asked).unwrap(), (TraceFormat::Columns, vec![(500_000, 1, 2)]));
    }
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    let columns =
        TraceColumns { time: "t".into(), input: "i".into(), output: "o".into(), time_unit: TimeUnit::S };
    let asked = Asked { columns: Some(&columns), ..Asked::default() };
    let refused = |text: &str, asked| found(text.as_bytes(), asked).unwrap_err().to_string();
    for (text, why) in [
        ("t,i,i,o\n0,1,2,3\n", "two of its columns are named `i`"),
        ("{\"t\":0,\"i\":1,\"o\":2}\n{\"t\":0,\"i\":1,\"o\":2,\"i\":3}\n", "line 2: `i` stands twice"),
        ("{\"i\":1,\"t\":0,\"i\":1,\"o\":2}\n", "two of its columns are named `i`"),
        (
            "t,i,o\n5,1,2\n2023-11-16 18:17:03,1,2\n",
            "line 3: '2023-11-16 18:17:03' is a date, and the times before",
        ),
        (
            "{\"t\":\"2023-11-16 18:17:03\",\"i\":1,\"o\":2}\n{\"t\":5,\"i\":1,\"o\":2}\n",
            "line 2: '5' is a number, and the",
        ),
        ("t,i,o\n1700000000000,1,2\n", "line 2: '1700000000000' s are beyond the year 9999"),
        ("[{\"t\":0,\"i\":1,\"o\":2},\n{\"t\":1,\"i\":3,\"o\":2}]\n", "it is one JSON list"),
        ("{\"t\":0,\"i\":1,\"o\":2},\n", "line 1: trailing characters"),
    ] {
        let told = refused(text, asked);
        assert!(told.contains(why), "{text}: {told}");
    }
    let azure = "TIMESTAMP,ContextTokens,ContextTokens,GeneratedTokens\n2024-05-12 00:00:00+00:00,7,5,6\n";
    assert!(refused(azure, Asked::default()).contains("two of its columns are named `ContextTokens`"));
    // Of a column that nobody reads it does not matter.
    assert!(found(b"t,i,o,x,x\n0,1,2,3,4\n", asked).is_ok());
}
