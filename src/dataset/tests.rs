//! Datasets in, prompts or one clear line out.

use std::collections::HashSet;
use std::io::Write;

use super::parse::{Form, parse};
use super::*;
use crate::schema::unit::{Body, Message};

fn said(body: &Body) -> &str {
    match body {
        Body::Text(text) => text,
        Body::Messages(_) => "",
    }
}

fn list_error(text: &str) -> String {
    parse(text, Form::List, "mine.json").unwrap_err().to_string()
}

fn lines_error(text: &str) -> String {
    parse(text, Form::Lines, "mine.jsonl").unwrap_err().to_string()
}

#[test]
fn the_built_in_dataset_has_24_prompts_that_fit_2048_tokens() {
    let (prompts, source) = load(None).unwrap();
    assert_eq!(prompts.len(), 24);
    assert_eq!(
        (source.name.as_str(), source.path.as_str(), source.prompts),
        ("benchmark_dataset", "built-in", 24)
    );
    let categories: HashSet<&str> = prompts.iter().map(|prompt| prompt.category.as_str()).collect();
    assert!(categories.len() >= 8, "{categories:?}");
    for prompt in &prompts {
        let max_tokens = prompt.max_tokens.unwrap();
        assert!((32..=256).contains(&max_tokens), "{}: {max_tokens}", prompt.id);
        // English takes more than three characters a token with every tokenizer in use.
        assert!(said(&prompt.body).len() / 3 + max_tokens as usize <= 2048, "{} is too long", prompt.id);
    }
    let words = |prompt: &Prompt| said(&prompt.body).split_whitespace().count();
    assert!(prompts.iter().any(|prompt| words(prompt) < 15));
    assert!(prompts.iter().any(|prompt| words(prompt) > 600));
}

#[test]
fn the_source_names_the_file_and_hashes_its_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mine.json");
    std::fs::write(&path, r#"[{"prompt": "abc"}]"#).unwrap();
    let (_, source) = load(Some(&path)).unwrap();
    assert_eq!(source.name, "mine");
    assert_eq!(source.path, path.display().to_string());
    assert_eq!(source.prompts, 1);
    // printf '[{"prompt": "abc"}]' | sha256sum
    assert_eq!(source.sha256, "a1eba8ce1e6d56a710e45542f9df82109287352521d9a3c955424b4c516de7c8");
}

#[test]
fn a_list_keeps_its_order_and_its_own_values() {
    let text = r#"[{"id": "b", "category": "chat", "prompt": "one", "max_tokens": 7}, {"id": "a", "prompt": "two"}]"#;
    let prompts = parse(text, Form::List, "mine.json").unwrap().prompts;
    assert_eq!(
        prompts,
        [
            Prompt {
                id: "b".into(),
                category: "chat".into(),
                body: Body::Text("one".into()),
                max_tokens: Some(7),
                further: Vec::new()
            },
            Prompt {
                id: "a".into(),
                category: String::new(),
                body: Body::Text("two".into()),
                max_tokens: None,
                further: Vec::new()
            },
        ]
    );
}

#[test]
fn a_jsonl_file_holds_one_object_a_line_and_blank_lines_are_skipped() {
    let mut file = tempfile::Builder::new().suffix(".jsonl").tempfile().unwrap();
    file.write_all(b"\xef\xbb\xbf{\"prompt\": \"one\"}\r\n\r\n{\"prompt\": \"two\"}").unwrap();
    let (prompts, _) = load(Some(file.path())).unwrap();
    let read: Vec<(&str, &str)> = prompts.iter().map(|p| (p.id.as_str(), said(&p.body))).collect();
    assert_eq!(read, [("1", "one"), ("2", "two")]);
}

#[test]
fn an_entry_without_an_id_is_named_by_its_position() {
    let prompts =
        parse(r#"[{"prompt":"x"},{"id":"b","prompt":"x"},{"prompt":"x"}]"#, Form::List, "f").unwrap().prompts;
    assert_eq!(prompts.iter().map(|prompt| prompt.id.as_str()).collect::<Vec<_>>(), ["1", "b", "3"]);
}

#[test]
fn a_missing_file_is_named_with_a_cure() {
    let error = load(Some(Path::new("no/such.json"))).unwrap_err().to_string();
    assert_eq!(
        error,
        "dataset no/such.json does not exist: check the path, or leave --dataset out for the built-in prompts"
    );
}

#[test]
fn malformed_json_names_line_and_column() {
    assert_eq!(
        list_error("[\n  {\"prompt\": \"a\"}\n  {\"prompt\": \"b\"}\n]"),
        "mine.json, line 3, column 3: malformed JSON: expected `,` or `]`"
    );
    assert_eq!(
        list_error("[\n  {\"prompt\": }\n]"),
        "mine.json, line 2, column 14: malformed JSON: expected value"
    );
    assert_eq!(
        lines_error("{\"prompt\": \"a\"}\n{\"prompt\" \"b\"}\n"),
        "mine.jsonl, line 2, column 11: malformed JSON: expected `:`"
    );
    assert!(
        list_error("hello").starts_with("mine.json, line 1, column 1: malformed JSON"),
        "{}",
        list_error("hello")
    );
    assert!(list_error("[{\"prompt\": \"a\"}").contains("line 1"), "an unclosed list");
}

#[test]
fn bytes_that_are_no_utf_8_name_their_line() {
    let mut file = tempfile::Builder::new().suffix(".json").tempfile().unwrap();
    file.write_all(b"[\n{\"prompt\": \"caf\xe9\"}]").unwrap();
    let error = load(Some(file.path())).unwrap_err().to_string();
    assert!(error.ends_with(", line 2: not UTF-8: save the file as UTF-8"), "{error}");
}

#[test]
fn an_empty_dataset_says_so() {
    for (text, form) in [("", Form::List), (" \n", Form::Lines), ("[]", Form::List), ("\n[ ]\n", Form::List)]
    {
        let error = parse(text, form, "mine").unwrap_err();
        assert_eq!(error, DatasetError::Empty { file: "mine".into() }, "{text:?}");
    }
}

#[test]
fn one_object_is_no_list() {
    for text in ["{\"prompt\": \"a\"}", "{\"prompt\": \"a\"}\n{\"prompt\": \"b\"}", "\"text\"", "7"] {
        let error = list_error(text);
        assert!(error.starts_with("mine.json, line 1: expected a list of objects"), "{error}");
        assert!(error.ends_with("must end in .jsonl"), "{error}");
    }
}

#[test]
fn an_entry_without_a_prompt_names_its_line() {
    let text = "[\n  {\"prompt\": \"a\"},\n  {\n    \"id\": \"b\"\n  }\n]";
    assert_eq!(list_error(text), "mine.json, line 3: the entry has no `prompt`: add one");
    let text = "[{\"prompt\": \"a\"},\n{\"prompt\": \" \"}]";
    assert_eq!(list_error(text), "mine.json, line 2: `prompt` is empty: write a message or remove the entry");
}

#[test]
fn a_wrong_type_names_line_and_key() {
    assert_eq!(
        list_error("[\n{\n\"prompt\": 5\n}]"),
        "mine.json, line 3: `prompt`: invalid type: integer `5`, expected a string"
    );
    assert_eq!(
        lines_error("{\"prompt\": \"a\"}\n{\"prompt\": \"b\", \"max_tokens\": \"many\"}"),
        "mine.jsonl, line 2: `max_tokens`: invalid type: string \"many\", expected a whole number of tokens, 1 or more"
    );
    assert_eq!(
        list_error("[{\"prompt\": \"a\", \"max_tokens\": -1}]"),
        "mine.json, line 1: `max_tokens`: invalid type: integer `-1`, expected a whole number of tokens, 1 or more"
    );
    assert_eq!(
        list_error("[\n\"text\"]"),
        "mine.json, line 2: invalid type: string \"text\", expected an object such as {\"prompt\": \"…\"}"
    );
}

#[test]
fn further_columns_are_passed_over_and_named_once() {
    let text = "[{\"prompt\": \"a\", \"source\": {\"x\": [1]}},\n{\"lang\": null, \"prompt\": \"b\", \"source\": 1}]";
    let parsed = parse(text, Form::List, "mine.json").unwrap();
    assert_eq!((parsed.prompts.len(), parsed.passed_over.join(",")), (2, "lang,source".to_owned()));
    assert_eq!(
        lines_error("{\"conversations\": [], \"source\": \"own\"}"),
        "mine.jsonl, line 1: the entry has no `prompt`: add one; it holds conversations, source, and what is read is \
         id, category, prompt, messages, turns, max_tokens"
    );
    let many: String = (0..99).map(|column| format!(", \"c{column:02}{}\": 1", "x".repeat(9_000))).collect();
    let parsed = parse(&format!("{{\"prompt\": \"a\"{many}}}"), Form::Lines, "mine.jsonl").unwrap();
    assert!(parsed.passed_over.len() == 21 && parsed.passed_over.concat().len() < 2_000);
}

#[test]
fn an_id_is_a_text_or_a_whole_number_of_any_size() {
    let ids = |text: &str| -> Vec<String> {
        parse(text, Form::Lines, "f").unwrap().prompts.into_iter().map(|prompt| prompt.id).collect()
    };
    let lines = [r#"{"id":1,"prompt":"x"}"#, r#"{"prompt":"x","id":-7}"#, r#"{"id":null,"prompt":"x"}"#];
    assert_eq!(ids(&lines.join("\n")), ["1", "-7", "3"]);
    let large = "123456789012345678901234567890";
    assert_eq!(ids(&format!("{{\"id\": {large} ,\"prompt\":\"x\"}}")), [large]);
    for wrong in ["1.0", "1e3", "true", "[1]", "{\"a\":1}"] {
        assert_eq!(
            lines_error(&format!("{{\"prompt\":\"x\"}}\n{{\"id\":{wrong},\"prompt\":\"x\"}}")),
            format!("mine.jsonl, line 2: `id`: {wrong} is no id: write a text or a whole number")
        );
    }
    let twice = lines_error("{\"id\":1,\"prompt\":\"x\"}\n{\"id\":\"1\",\"prompt\":\"y\"}");
    assert!(twice.contains("line 2: id `1` is taken by line 1"), "{twice}");
}

#[test]
fn long_ids_and_categories_are_cut_and_stay_apart() {
    let long = "é".repeat(1 << 20);
    let line = |end| format!("{{\"id\":\"{long}{end}\",\"category\":\"{long}\",\"prompt\":\"x\"}}");
    let prompts = parse(&format!("{}\n{}", line("a"), line("b")), Form::Lines, "f").unwrap().prompts;
    assert!(prompts.iter().all(|p| p.id.chars().count() == 300 && p.category.chars().count() == 300));
    assert!(prompts[0].id.ends_with("…line 1") && prompts[1].id.ends_with("…line 2"));
    assert!(list_error(&format!("[{{\"prompt\": \"a\", \"max_tokens\": \"{long}\"}}]")).len() < 2_000);
}

#[test]
fn messages_are_kept_as_they_are() {
    let all = r#"[{"role": "system", "content": "Answer in one word."},
        {"role": "user", "name": "me", "content": [{"type": "text", "text": "Hill?"}, {"type": "image_url", "x": 1}]},
        {"role": "assistant", "content": null, "tool_calls": []}]"#;
    let text = format!("[{{\"messages\": {all}, \"prompt\": null}}]");
    let prompts = parse(&text, Form::List, "f").unwrap().prompts;
    let Body::Messages(messages) = &prompts[0].body else { panic!("{prompts:?}") };
    assert_eq!(messages[0], Message::text("system", "Answer in one word."));
    assert_eq!(messages[1].content.text(), None, "an image is no text");
    assert_eq!(messages[1].more["name"], "me");
    assert_eq!(messages[2].content.text().as_deref(), Some(""));
    let wrong = [
        (r#""prompt": "a", "messages": [{"role":"user","content":"x"}]"#, "both `prompt` and `messages`"),
        (r#""messages": []"#, "`messages` is empty"),
        (r#""messages": {}"#, "`messages`: invalid type: map"),
        (r#""messages": ["x"]"#, "a message is an object"),
        (r#""messages": [{"content": "x"}]"#, "one has no role"),
        (r#""messages": [{"role": "user", "content": 5}]"#, "no text and no list"),
        (r#""prompt": "a", "prompt": "b""#, "`prompt` stands twice"),
    ];
    for (fields, said) in wrong {
        let error = lines_error(&format!("{{\"prompt\":\"x\"}}\n{{{fields}}}"));
        assert!(error.starts_with("mine.jsonl, line 2: ") && error.contains(said), "{error}");
    }
}

#[test]
fn a_duplicate_id_names_both_lines() {
    assert_eq!(
        list_error("[{\"id\": \"a\", \"prompt\": \"x\"},\n\n{\"id\": \"a\", \"prompt\": \"y\"}]"),
        "mine.json, line 3: id `a` is taken by line 1: give each entry an id of its own"
    );
    assert!(
        lines_error("{\"id\":\"2\",\"prompt\":\"x\"}\n{\"prompt\":\"y\"}")
            .contains("id `2` is taken by line 1")
    );
}

#[test]
fn zero_max_tokens_is_refused() {
    assert_eq!(
        list_error("[{\"prompt\": \"a\", \"max_tokens\": 0}]"),
        "mine.json, line 1: `max_tokens` is 0: ask for at least 1 token or leave it out"
    );
}

#[test]
fn an_override_wins_over_the_entry_and_the_entry_over_the_default() {
    let prompt = |max_tokens| Prompt {
        id: "a".into(),
        category: String::new(),
        body: Body::Text("x".into()),
        max_tokens,
        further: Vec::new(),
    };
    let prompts = [prompt(Some(7)), prompt(None)];
    let limits =
        |over| units(&prompts, over, 64).iter().map(|unit| unit.turns[0].max_tokens).collect::<Vec<_>>();
    assert_eq!(limits(None), [7, 64]);
    assert_eq!(limits(Some(9)), [9, 9]);
}

#[test]
fn an_entry_with_turns_is_one_unit_whose_turns_follow_each_other() {
    let entry = r#"{"id": "a", "max_tokens": 9, "turns": [{"prompt": "one"},
        {"messages": [{"role": "user", "content": "two"}], "max_tokens": 5, "pause_s": 1.5}, {"prompt": "three"}]}"#;
    let prompts = parse(&format!("[{entry}]"), Form::List, "f").unwrap().prompts;
    let [unit] = units(&prompts, None, 64).try_into().unwrap();
    let said: Vec<(u32, f64)> = unit.turns.iter().map(|turn| (turn.max_tokens, turn.pause_s)).collect();
    assert_eq!(said, [(9, 0.0), (5, 1.5), (9, 0.0)]);
    assert_eq!(unit.turns[1].body, Body::Messages(vec![Message::text("user", "two")]));
    let limits = units(&prompts, Some(3), 64)[0].turns.iter().map(|turn| turn.max_tokens).collect::<Vec<_>>();
    assert_eq!(limits, [3, 3, 3]);
}

#[test]
fn wrong_turns_are_named() {
    for (entry, why) in [
        (r#"{"turns": []}"#, "`turns` is empty"),
        (r#"{"prompt": "a", "turns": [{"prompt": "b"}]}"#, "leave one of them out"),
        (r#"{"turns": [{"prompt": "a"}, {}]}"#, "turn 2 has no `prompt`"),
        (r#"{"turns": [{"prompt": "a", "messages": []}]}"#, "turn 1 has both"),
        (r#"{"turns": [{"prompt": "a", "max_tokens": 0}]}"#, "`max_tokens` is 0"),
        (r#"{"turns": [{"prompt": "a", "pause_s": -1}]}"#, "turn 1: `pause_s` -1"),
        (r#"{"turns": [{"prompt": "a", "wait": 1}]}"#, "wait"),
        (r#"{"turns": "a"}"#, "`turns`"),
    ] {
        let said = list_error(&format!("[{entry}]"));
        assert!(said.contains(why), "{entry}: {said}");
    }
}

fn text(unit: &Unit) -> &str {
    said(&unit.turns[0].body)
}

#[test]
fn warm_up_prompts_differ_from_each_other_and_from_the_measured_ones() {
    let warmup = warmup_units(200, None);
    assert_eq!(warmup.len(), 200);
    let measured: HashSet<String> =
        load(None).unwrap().0.iter().map(|prompt| said(&prompt.body).to_owned()).collect();
    let texts: HashSet<&str> = warmup.iter().map(text).collect();
    let ids: HashSet<&str> = warmup.iter().map(|unit| &*unit.id).collect();
    assert_eq!((texts.len(), ids.len()), (200, 200));
    assert!(texts.iter().all(|text| !measured.contains(*text) && !text.contains("{}")));
    assert!(warmup.iter().all(|unit| (32..=128).contains(&unit.turns[0].max_tokens)));
    assert!(warmup_units(3, Some(5)).iter().all(|unit| unit.turns[0].max_tokens == 5));
    assert!(warmup_units(0, None).is_empty());
}
