use std::ffi::OsString;
use std::path::Path;

use super::*;
use crate::commands::resolve::arguments::{Refused, parse};
use crate::commands::resolve::conversations;
use crate::schema::refusal::{cures, shown};
use crate::schema::target::ProtocolName;

/// The sweep of a command line beside a file of scenarios.
fn sweep(file: &str, text: &str, more: &[&str]) -> anyhow::Result<(cli::SweepArgs, Vec<LoadPoint>)> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("mine.jsonl"), "{\"prompt\": \"Hello.\"}\n")?;
    let path = folder.path().join(file);
    std::fs::write(&path, text)?;
    let mut argv: Vec<OsString> = ["harness", "sweep", "--scenarios"].map(OsString::from).to_vec();
    argv.push(path.into());
    argv.extend(more.iter().map(OsString::from));
    let cli = match parse(argv) {
        Ok(cli) => cli,
        Err(Refused::Plan(error)) => return Err(error),
        Err(Refused::Usage(error)) => anyhow::bail!("{error}"),
    };
    let Command::Sweep(args) = cli.command else { panic!() };
    let loads = loads(&args.load, 24, &HttpSettings::default())?.loads;
    Ok((args, loads))
}

fn words(loads: &[LoadPoint]) -> Vec<String> {
    let one = |load: &LoadPoint| {
        let asks = load.asks.as_ref();
        let prompts = asks.map(|asks| asks.prompts.join("|")).unwrap_or_default();
        let tokens = asks.and_then(|asks| asks.max_tokens);
        let name = load.name.as_deref().unwrap_or("-");
        format!("{name}: {} n={:?} t={tokens:?} {prompts}", load.traffic, load.until.requests())
    };
    loads.iter().map(one).collect()
}

const URL: [&str; 2] = ["--url", "http://127.0.0.1:1"];

#[test]
fn a_scenario_is_a_load_for_each_of_its_values_and_keeps_its_name_and_prompt() {
    let text = "- {name: chat, concurrency: [1, 4], requests: 9, prompt: Hello., max_tokens: 16}\n\
                - {name: burst, rate: [2, inf], requests: [5, 6], arrival: poisson}\n";
    let text = text.replace(", arrival: poisson", "");
    let (_, loads) = sweep("s.yaml", &text, &URL).unwrap();
    let expected = [
        "chat: concurrency 1 n=Some(9) t=Some(16) Hello.",
        "chat: concurrency 4 n=Some(9) t=Some(16) Hello.",
        "burst: Poisson 2/s n=Some(5) t=None ",
        "burst: all at once n=Some(5) t=None ",
        "burst: Poisson 2/s n=Some(6) t=None ",
        "burst: all at once n=Some(6) t=None ",
    ];
    assert_eq!(words(&loads), expected);
    assert!(loads[2].asks.is_none());
}

#[test]
fn defaults_hold_for_all_and_a_flag_goes_before_the_file() {
    let text = r#"{"defaults": {"requests": 8, "max_tokens": 32, "prompts": ["a", "b"], "timeout": "9s"},
        "scenarios": [{"name": "one", "concurrency": 2}, {"concurrency": 3, "prompt": "c", "requests": 4}]}"#;
    let (_, loads) = sweep("s.json", text, &URL).unwrap();
    let expected =
        ["one: concurrency 2 n=Some(8) t=Some(32) a|b", "scenario 2: concurrency 3 n=Some(4) t=Some(32) c"];
    assert_eq!(words(&loads), expected);
    assert!((loads[0].timeout_s - 9.0).abs() < 1e-9);
    let (_, loads) =
        sweep("s.json", text, &[&URL[..], &["--requests", "5", "--max-tokens", "7"]].concat()).unwrap();
    let expected =
        ["one: concurrency 2 n=Some(5) t=None a|b", "scenario 2: concurrency 3 n=Some(5) t=None c"];
    assert_eq!(words(&loads), expected, "the plan's own limit holds");
}

#[test]
fn a_file_of_prompts_lies_beside_the_scenarios() {
    let (_, loads) = sweep("s.yaml", "- {name: a, dataset: mine.jsonl, concurrency: 2}\n", &URL).unwrap();
    let source = loads[0].asks.as_ref().unwrap().dataset.as_ref().unwrap();
    assert_eq!((source.name.as_str(), source.prompts, source.sha256.len()), ("mine", 1, 64));
    assert!(Path::new(&source.path).is_absolute());
    assert_eq!(loads[0].until.requests(), Some(8), "enough to fill its slots again");
}

/// A file of prompts in a folder, played by one scenario.
fn own_prompts(prompts: &str, more: &[&str], http: &HttpSettings) -> anyhow::Result<(LoadArgs, Loads)> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("own.json"), prompts)?;
    let path = folder.path().join("s.yaml");
    std::fs::write(&path, "- {name: a, dataset: own.json, concurrency: 2}\n")?;
    let argv = ["harness", "sweep", "--scenarios"].map(OsString::from).into_iter();
    let argv = argv.chain([path.into()]).chain(URL.iter().chain(more).map(OsString::from));
    let Ok(cli) = parse(argv.collect()) else { panic!() };
    let Command::Sweep(args) = cli.command else { panic!() };
    let loads = loads(&args.load, 24, http)?;
    Ok((args.load, loads))
}

#[test]
fn conversations_of_a_scenarios_own_file_are_read_as_the_flags_say_and_known_to_them() {
    let talk = r#"[{"conversations": [
        {"from": "human", "value": "Hello."}, {"from": "gpt", "value": "Good day."},
        {"from": "human", "value": "Who are you?"}, {"from": "gpt", "value": "A model."}]}]"#;
    let http = HttpSettings::default();
    let think = ["--think-time", "1s", "--dataset-turns", "all"];
    let (args, all) = own_prompts(talk, &think, &http).unwrap();
    assert!(all.several_turns && prompts::are_read(&args) && prompts::refuse_unread(&args).is_ok());
    assert!(conversations::check(&args, all.several_turns).is_ok());
    let (args, first) = own_prompts(talk, &think[..2], &http).unwrap();
    let refused = conversations::check(&args, first.several_turns).unwrap_err();
    assert!(shown(&refused).contains("no entry of the dataset has a second turn"), "{refused}");
}

#[test]
fn prompts_of_a_scenarios_own_file_are_text_where_the_protocol_has_no_room_for_more() {
    let picture = r#"[{"id": "cat", "messages": [{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]}]}]"#;
    assert!(own_prompts(picture, &[], &HttpSettings::default()).is_ok());
    let http = HttpSettings { protocol: ProtocolName::Tgi, ..HttpSettings::default() };
    let refused = shown(&own_prompts(picture, &[], &http).unwrap_err());
    assert!(refused.contains("scenario `a`") && refused.contains("`cat` hold more than text"), "{refused}");
}

#[test]
fn flags_of_a_file_of_prompts_are_refused_where_none_is_read() {
    let (args, _) = sweep("s.yaml", "- {name: a, prompt: Hello.}\n", &URL).unwrap();
    assert!(prompts::refuse_unread(&args.load).is_ok());
    let turns = [&URL[..], &["--dataset-turns", "all"]].concat();
    let (args, _) = sweep("s.yaml", "- {name: a, prompt: Hello.}\n", &turns).unwrap();
    let refused = prompts::refuse_unread(&args.load).unwrap_err();
    assert!(shown(&refused).contains("--dataset-turns") && !cures(&refused).is_empty());
}

const VLLM_TOOLS: &str = r#"{
  "server": {"url": "http://localhost:63455/v1/chat/completions", "model": "Qwen/Qwen3-1.7B",
             "auth_token": "token-abc123", "timeout": 3600},
  "benchmark": {"max_concurrent_requests": 20, "default_prompt": "Paint.", "default_completions": 100},
  "test_scenarios": [
    {"name": "Small Load", "completions": [10, 25], "prompt": "Write a short poem about coding."},
    {"name": "Default Load"}]}"#;

#[test]
fn the_config_of_the_vllm_tools_is_taken_as_it_is() {
    let (args, loads) = sweep("benchmark_config.json", VLLM_TOOLS, &[]).unwrap();
    let expected = [
        "Small Load: concurrency 10 n=Some(10) t=None Write a short poem about coding.",
        "Small Load: concurrency 20 n=Some(25) t=None Write a short poem about coding.",
        "Default Load: concurrency 20 n=Some(100) t=None Paint.",
    ];
    assert_eq!(words(&loads), expected);
    assert_eq!(loads[0].timeout_s, 3600.0);
    assert_eq!(args.url, ["http://localhost:63455/v1/chat/completions"]);
    assert_eq!(args.launch.model, ["Qwen/Qwen3-1.7B"]);
    assert_eq!(args.load.header, ["Authorization: Bearer token-abc123"]);
    assert!(!args.output.command.join(" ").contains("token-abc123"), "{:?}", args.output.command);
}

#[test]
fn its_server_and_key_are_passed_over_where_the_command_line_names_a_server() {
    let text = VLLM_TOOLS.replace("\"default_prompt\"", "\"retries\": 3, \"default_prompt\"");
    let (args, loads) = sweep("benchmark_config.json", &text, &URL).unwrap();
    assert_eq!((args.url, loads.len()), (vec!["http://127.0.0.1:1".to_owned()], 3));
    assert!(args.load.header.is_empty() && args.launch.model.is_empty());
    let notes = args.scenarios.notes.join("\n");
    assert!(notes.contains("benchmark.retries") && notes.contains("its server is passed over"), "{notes}");
    assert!(!notes.contains("token"), "{notes}");
}

#[test]
fn numbers_of_requests_are_a_load_each_with_no_more_in_flight_than_there_are() {
    let of = |flags: &str| {
        let argv = "harness sweep --url http://127.0.0.1:1 ".to_owned() + flags;
        let cli = match parse(argv.split(' ').map(OsString::from).collect()) {
            Ok(cli) => cli,
            Err(Refused::Plan(error)) => return vec![shown(&error)],
            Err(Refused::Usage(error)) => panic!("{error}"),
        };
        let Command::Sweep(args) = cli.command else { panic!() };
        words(&loads(&args.load, 24, &HttpSettings::default()).unwrap().loads)
    };
    assert!(of("--compare 10,50 --requests 9")[0].contains("leave one of them out"));
    let default = ["-: concurrency 10 n=Some(10) t=None ", "-: concurrency 20 n=Some(50) t=None "];
    assert_eq!(of("--compare 10,50"), default);
    assert_eq!(of("--compare 10,50 --concurrency 4")[1], "-: concurrency 4 n=Some(50) t=None ");
    assert_eq!(of("--compare 10,50 --rate 3")[0], "-: Poisson 3/s n=Some(10) t=None ");
}

#[test]
fn what_is_wrong_is_named_with_the_scenario_and_the_key() {
    let cases = [
        ("a: 1", "no list of scenarios"),
        ("[]", "holds no scenario"),
        ("- {name: x, temperature: 1}", "`temperature` is no key of a scenario"),
        ("- {name: x, seed_arrivals: 1}", "`seed_arrivals` is no key of a scenario"),
        ("- {name: x, requests: many}", "scenario `x`: invalid value 'many'"),
        ("- {name: x, concurrency: 0}", "--concurrency is 0"),
        ("- {name: x, concurrency: [1, 2], rate: [1, 2]}", "both hold several values"),
        ("- {name: x, prompt: a, dataset: b}", "several of prompt"),
        ("- {name: x, prompt: \"\"}", "prompt is no text"),
        ("- {name: x}\n- {name: x}", "two scenarios are called `x`"),
        ("- {name: x, prompt: a, rate: 2}", "it has a rate and no end"),
        ("- {name: x, dataset: absent.jsonl}", "absent.jsonl does not exist"),
        ("- [1", "not YAML"),
        ("scenarios: [{name: x}]\nslo: a", "`slo` is no key"),
    ];
    for (text, said) in cases {
        let error = sweep("s.yaml", text, &URL).map(|(_, loads)| words(&loads)).unwrap_err();
        assert!(shown(&error).contains(said), "{text}: {}", shown(&error));
        assert!(!cures(&error).is_empty() || said.contains("does not exist"), "{text}");
    }
}
