//! Datasets in, prompts or one clear line out.

use std::collections::HashSet;
use std::io::Write;

use super::parse::{Form, parse};
use super::*;

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
        assert!(prompt.prompt.len() / 3 + max_tokens as usize <= 2048, "{} is too long", prompt.id);
    }
    let words = |prompt: &Prompt| prompt.prompt.split_whitespace().count();
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
    let prompts = parse(text, Form::List, "mine.json").unwrap();
    assert_eq!(
        prompts,
        [
            Prompt { id: "b".into(), category: "chat".into(), prompt: "one".into(), max_tokens: Some(7) },
            Prompt { id: "a".into(), category: String::new(), prompt: "two".into(), max_tokens: None },
        ]
    );
}

#[test]
fn a_jsonl_file_holds_one_object_a_line_and_blank_lines_are_skipped() {
    let mut file = tempfile::Builder::new().suffix(".jsonl").tempfile().unwrap();
    file.write_all(b"\xef\xbb\xbf{\"prompt\": \"one\"}\r\n\r\n{\"prompt\": \"two\"}").unwrap();
    let (prompts, _) = load(Some(file.path())).unwrap();
    let read: Vec<(&str, &str)> = prompts.iter().map(|p| (p.id.as_str(), p.prompt.as_str())).collect();
    assert_eq!(read, [("1", "one"), ("2", "two")]);
}

#[test]
fn an_entry_without_an_id_is_named_by_its_position() {
    let prompts =
        parse(r#"[{"prompt":"x"},{"id":"b","prompt":"x"},{"prompt":"x"}]"#, Form::List, "f").unwrap();
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
fn an_unknown_key_lists_the_known_ones() {
    assert_eq!(
        list_error("[{\"prompt\": \"a\"},\n{\"prompt\": \"b\",\n\"max_token\": 3}]"),
        "mine.json, line 3: unknown field `max_token`, expected one of `id`, `category`, `prompt`, `max_tokens`"
    );
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
    let prompt =
        |max_tokens| Prompt { id: "a".into(), category: String::new(), prompt: "x".into(), max_tokens };
    let prompts = [prompt(Some(7)), prompt(None)];
    let limits =
        |over| units(&prompts, over, 64).iter().map(|unit| unit.turns[0].max_tokens).collect::<Vec<_>>();
    assert_eq!(limits(None), [7, 64]);
    assert_eq!(limits(Some(9)), [9, 9]);
}

fn text(unit: &Unit) -> &str {
    match &unit.turns[0].body {
        Body::Text(text) => text,
        Body::Messages(_) => "",
    }
}

#[test]
fn warm_up_prompts_differ_from_each_other_and_from_the_measured_ones() {
    let warmup = warmup_units(200, None);
    assert_eq!(warmup.len(), 200);
    let measured: HashSet<String> = load(None).unwrap().0.into_iter().map(|prompt| prompt.prompt).collect();
    let texts: HashSet<&str> = warmup.iter().map(text).collect();
    let ids: HashSet<&str> = warmup.iter().map(|unit| &*unit.id).collect();
    assert_eq!((texts.len(), ids.len()), (200, 200));
    assert!(texts.iter().all(|text| !measured.contains(*text) && !text.contains("{}")));
    assert!(warmup.iter().all(|unit| (32..=128).contains(&unit.turns[0].max_tokens)));
    assert!(warmup_units(3, Some(5)).iter().all(|unit| unit.turns[0].max_tokens == 5));
    assert!(warmup_units(0, None).is_empty());
}
