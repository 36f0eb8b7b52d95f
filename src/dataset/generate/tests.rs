use super::check::{check, tidy};
use super::reply::candidates;
use super::*;
use std::path::PathBuf;

const BOUNDS: Bounds = Bounds { least: 12, most: 400 };

fn checked(text: &str) -> Result<String, Rejection> {
    check(text, BOUNDS, "Write 8 different prompts that people would send to an AI assistant.")
}

#[test]
fn prompts_are_read_from_every_form_that_a_model_may_answer_in() {
    let both = ["Name three rivers.", "Why is the sky blue?"];
    let forms = [
        r#"["Name three rivers.", "Why is the sky blue?"]"#,
        "Sure! Here they are:\n```json\n[\"Name three rivers.\",\n \"Why is the sky blue?\"]\n```\nEnjoy!",
        r#"{"prompts": [{"prompt": "Name three rivers."}, {"text": "Why is the sky blue?"}]}"#,
        "{\"prompt\": \"Name three rivers.\"}\n{\"prompt\": \"Why is the sky blue?\"}\n",
        "Here are two:\n\n1. Name three rivers.\n2) Why is the sky blue?\n\nLet me know if you want more.",
        "- Name three rivers.\n- Why is the sky blue?",
        "Name three rivers.\n\nWhy is the sky blue?\n",
        "<think>\nI need [two] prompts.\n</think>\n[\"Name three rivers.\", \"Why is the sky blue?\"]",
        "**Prompt 1:** Name three rivers.\n**Prompt 2:** Why is the sky blue?",
    ];
    for form in forms {
        let found: Vec<String> = candidates(form, false).iter().map(|text| tidy(text)).collect();
        assert_eq!(found, both, "{form}");
    }
}

#[test]
fn of_a_reply_that_was_cut_the_whole_prompts_alone_are_taken() {
    assert_eq!(candidates("[\"Name three rivers.\", \"Why is the s", true), ["Name three rivers."]);
    assert_eq!(candidates("1. Name three rivers.\n2. Why is the s", true), ["Name three rivers."]);
    assert_eq!(candidates("Why is the s", true), Vec::<String>::new());
    let mistake = "[\"Name three rivers.\", \"Why is the sky blue?\", oops]";
    assert_eq!(candidates(mistake, false).len(), 2, "what is whole before a mistake");
}

#[test]
fn what_is_no_prompt_is_told_by_its_reason() {
    let looped = "and then the cat sat on the mat ".repeat(8);
    let long = "a long word ".repeat(60);
    let cases = [
        ("", Rejection::Empty),
        ("\"...\"", Rejection::Empty),
        ("Rivers?", Rejection::TooShort),
        ("The Colosseum", Rejection::TooShort),
        ("{\"type\": \"json\", \"data\": {", Rejection::NotAPrompt),
        ("\"the id\": \"2 4 3 8 1\"", Rejection::NotAPrompt),
        (long.as_str(), Rejection::TooLong),
        ("I’m sorry, but I cannot help with that.", Rejection::Refusal),
        ("I cannot generate prompts about that.", Rejection::Refusal),
        ("As an AI language model, I have no opinion.", Rejection::Refusal),
        ("Sure, here is a list of prompts for you.", Rejection::NotAPrompt),
        ("Answer: the capital of France is Paris.", Rejection::NotAPrompt),
        ("Prompts about gardening and rail travel:", Rejection::NotAPrompt),
        ("8 different prompts that people would send to an AI assistant.", Rejection::Echo),
        (looped.as_str(), Rejection::Repetition),
        ("What is \u{1b}[2J this sign here?", Rejection::Unsafe),
    ];
    for (text, why) in cases {
        assert_eq!(checked(text), Err(why), "{text}");
    }
    for good in [
        "I can't sleep at night. What helps?",
        "Translate into French: The library opens at nine.\nIt closes at five.",
        "3.14 is pi to two places. What are the next five?",
        "Summarise: \"The ferry was late.\" in a word or two.",
    ] {
        assert_eq!(checked(good).as_deref(), Ok(good));
    }
    assert_eq!(checked(" 12. \"Why is the sky blue?\", ").unwrap(), "Why is the sky blue?");
}

#[test]
fn a_prompt_that_is_there_already_is_found_exactly_or_nearly() {
    let mut seen = Seen::default();
    seen.add("Write a short poem about the sea in winter, with four lines.");
    assert_eq!(
        seen.check("write a short poem about the sea in winter with four LINES!"),
        Err(Rejection::Duplicate)
    );
    let near = "Write a short poem about the sea in winter, with five lines.";
    assert_eq!(seen.check(near), Err(Rejection::NearDuplicate));
    assert_eq!(seen.check("Write a short story about a lighthouse keeper."), Ok(()));
    seen.add("Hello there");
    assert_eq!((seen.check("hello, there"), seen.check("Hello you")), (Err(Rejection::Duplicate), Ok(())));
}

#[test]
fn the_file_counts_what_is_there_takes_a_torn_line_away_and_goes_on_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.jsonl");
    let whole = "{\"id\": \"chat-07\", \"category\": \"chat\", \"prompt\": \"Hello there.\"}\n";
    std::fs::write(&path, format!("{whole}{{\"id\": \"chat-08\", \"pro")).unwrap();
    let mut file = PromptFile::open(&path).unwrap();
    assert!(file.note().unwrap().contains("broke off"));
    assert_eq!((file.held(), file.held_of("chat"), file.held_of("code")), (1, 1, 0));
    assert!(PromptFile::open(&path).unwrap_err().to_string().contains("another harness"));
    file.append("chat", "How are\nyou?", 64).unwrap();
    file.append("code", "Write a loop.", 160).unwrap();
    drop(file);
    let (prompts, source) = crate::dataset::load(Some(&path)).unwrap();
    let ids: Vec<&str> = prompts.iter().map(|prompt| prompt.id.as_str()).collect();
    assert_eq!((ids, source.passed_over.len()), (vec!["chat-07", "chat-08", "code-01"], 0));
    // An editor that leaves the last line without an end.
    std::fs::write(&path, whole.trim_end()).unwrap();
    PromptFile::open(&path).unwrap().append("chat", "And you?", 64).unwrap();
    assert_eq!(crate::dataset::load(Some(&path)).unwrap().0.len(), 2);
    std::fs::write(&path, "id,prompt\n1,Hello\n").unwrap();
    let refused = PromptFile::open(&path).unwrap_err().to_string();
    assert!(refused.contains("line 1"), "{refused}");
}

#[test]
fn categories_are_dealt_evenly_and_the_one_that_lacks_most_comes_first() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = PromptFile::open(&folder.path().join("p.jsonl")).unwrap();
    let wanted = Wanted {
        count: 5,
        categories: ["chat", "code"].map(str::to_owned).to_vec(),
        output: PathBuf::new(),
        bounds: BOUNDS,
        max_tokens: 1,
        temperature: 1.0,
        seed: 0,
        send_seed: false,
        tries: 1,
    };
    assert_eq!(most_missing(&file, &wanted, &BTreeMap::new()), Some(("chat", 3)));
    for prompt in ["a", "b"] {
        file.append("chat", prompt, 1).unwrap();
    }
    assert_eq!(most_missing(&file, &wanted, &BTreeMap::new()), Some(("code", 2)));
    let tired = BTreeMap::from([("code", MOST_IDLE)]);
    assert_eq!(
        most_missing(&file, &wanted, &tired).map(|(category, _)| category),
        Some("chat"),
        "it refuses code"
    );
    let all = BTreeMap::from([("code", MOST_IDLE), ("chat", MOST_IDLE)]);
    assert_eq!(most_missing(&file, &wanted, &all), None);
}

#[test]
fn each_request_names_other_subjects_and_the_same_ones_again_from_the_same_seed() {
    let ask = |seed, number| Ask::new("chat", 3, seed, number, &["Hello there."]).text;
    assert_eq!(ask(1, 0), ask(1, 0));
    assert!(ask(1, 0) != ask(1, 1) && ask(1, 0) != ask(2, 0));
    assert!(ask(1, 0).contains("Do not repeat these: Hello there."));
}
