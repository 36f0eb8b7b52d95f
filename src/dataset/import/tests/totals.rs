//! Slices of real files give the totals that were counted by other means.

use super::*;

/// Prompts found, and characters of prompts and replies.
fn totals(name: &str, turns: Turns) -> (u64, u64, u64) {
    let how = Import { turns, ..Import::default() };
    let found = import_file(name, &how).unwrap().0.found;
    (found.prompts, found.input, found.output)
}

#[test]
fn sharegpt_gives_the_right_pairs_by_each_rule() {
    let v3 = "sharegpt-v3-masked.json";
    assert_eq!(totals(v3, Turns::FirstTwo), (43, 63_453, 37_636));
    assert_eq!(totals(v3, Turns::Strict), (25, 40_393, 24_666));
    assert_eq!(totals(v3, Turns::FirstUser), (42, 50_587, 43_560));
    for turns in [Turns::FirstTwo, Turns::Strict, Turns::FirstUser] {
        assert_eq!(totals("sharegpt-fastchat-dummy.json", turns), (120, 1_972, 8_823));
    }
}

#[test]
fn what_of_sharegpt_makes_no_prompt_is_counted_by_reason() {
    let of =
        |turns| import_file("sharegpt-v3-masked.json", &Import { turns, ..Import::default() }).unwrap().0;
    let by_role = of(Turns::FirstUser);
    assert_eq!((by_role.rows, by_role.kept, by_role.bad), (50, 42, 0));
    assert_eq!(by_role.left_out["no turn"], 2);
    let naive = of(Turns::FirstTwo);
    assert_eq!(naive.left_out["no turn"] + naive.left_out["fewer than two turns"], 7);
    // Of the 43 pairs two have an empty side, and no server takes an empty prompt.
    assert_eq!((naive.kept, naive.left_out[row::EMPTY_PROMPT], naive.left_out["empty reply"]), (41, 1, 1));
}

#[test]
fn a_file_that_was_cut_off_gives_its_whole_records_and_tells_where_it_ends() {
    let name = "sharegpt-v3-masked-truncated.json";
    let mut before = Vec::new();
    let mut keep = |picked: Picked| {
        before.push(picked.into_prompt()?);
        Ok(())
    };
    let error = import(&[slice(name)], &Import::default(), None, &mut |_| true, &mut keep);
    let error = error.unwrap_err().to_string();
    assert_eq!(before.len(), 7);
    for word in [name, "byte 36637 (the end)", "open string", "record 8"] {
        assert!(error.contains(word), "{error}");
    }
    let (tally, prompts) = import_file(name, &skipping()).unwrap();
    assert_eq!((tally.kept, prompts.len(), tally.bad, tally.faults.len()), (7, 7, 1, 1));
    assert!(tally.faults[0].contains("byte 36637"), "{:?}", tally.faults);
}

#[test]
fn openai_batches_give_their_messages_and_limits() {
    let (tally, prompts) = import_file("openai-batch-vllm.jsonl", &Import::default()).unwrap();
    assert_eq!((tally.kept, tally.messages, tally.input), (2, 4, 83));
    assert!(prompts.iter().all(|prompt| prompt.max_tokens == Some(1000)));
    let (tally, prompts) = import_file("openai-batch-aibrix.jsonl", &Import::default()).unwrap();
    assert_eq!((tally.kept, tally.messages, tally.input), (10, 20, 933));
    assert!(prompts.iter().all(|prompt| prompt.max_tokens == Some(1000)));
    assert_eq!(prompts[9].id, "request-10");
}

#[test]
fn mt_bench_gives_80_questions_of_two_turns_in_8_categories() {
    let text = std::fs::read_to_string(slice("mt-bench.jsonl")).unwrap();
    let mut context = Context::default();
    let rows: Vec<row::Row> = text
        .lines()
        .map(|line| match mt_bench::row(line, &mut context).unwrap() {
            Parsed::Row(row) => row,
            Parsed::LeftOut(why) => panic!("{why}"),
        })
        .collect();
    let turns: Vec<String> = rows
        .iter()
        .flat_map(|row| &row.turns)
        .map(|turn| match &turn.body {
            Body::Text(text) => text.clone(),
            Body::Messages(_) => panic!("no text"),
        })
        .collect();
    let characters: usize = turns.iter().map(|turn| turn.chars().count()).sum();
    assert_eq!((rows.len(), turns.len(), characters), (80, 160, 32_355));
    let mut categories: BTreeMap<&str, usize> = BTreeMap::new();
    rows.iter().for_each(|row| *categories.entry(&row.category).or_default() += 1);
    assert!(categories.len() == 8 && categories.values().all(|questions| *questions == 10), "{categories:?}");
    let (tally, prompts) = import_file("mt-bench.jsonl", &Import::default()).unwrap();
    assert_eq!((tally.kept, tally.input, prompts[0].further.len()), (80, 32_355, 1));
    assert_eq!(
        (tally.turns, prompts[0].id.as_str(), tally.passed_over),
        (160, "81", vec!["reference".to_owned()])
    );
}

#[test]
fn sonnets_are_518_prompts_of_one_line() {
    let (tally, prompts) = import_file("sonnet.txt", &Import::default()).unwrap();
    let lines: std::collections::HashSet<String> = texts(&prompts).into_iter().collect();
    assert_eq!((tally.format, prompts.len(), lines.len()), (Some(PromptFormat::Text), 518, 518));
    assert_eq!(lines.iter().map(|line| line.chars().count()).max(), Some(59));
}

#[test]
fn what_is_written_is_read_back_as_the_same_prompts() {
    let names = [
        "sharegpt-fastchat-dummy.json",
        "sharegpt-v3-masked.json",
        "openai-batch-aibrix.jsonl",
        "mt-bench.jsonl",
        "sonnet.txt",
    ];
    let files: Vec<PathBuf> = names.iter().map(|name| slice(name)).collect();
    let (tally, prompts) = import_files(&files, &Import::default()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("all.jsonl");
    let mut file = std::fs::File::create(&path).unwrap();
    prompts.iter().for_each(|prompt| write_prompt(&mut file, prompt).unwrap());
    let (again, source) = crate::dataset::load(Some(&path)).unwrap();
    assert_eq!((tally.kept, tally.turns), (120 + 42 + 10 + 80 + 518, 120 + 42 + 10 + 160 + 518));
    assert_eq!(again, prompts);
    assert_eq!((source.passed_over.len(), source.reading), (0, None));
}

#[test]
fn a_file_is_played_as_it_is_and_read_the_same_way_again() {
    let path = slice("sharegpt-v3-masked.json");
    let how = Import { turns: Turns::Strict, ..Import::default() };
    let (prompts, source) = crate::dataset::load_as(Some(&path), &how).unwrap();
    let reading = source.reading.clone().unwrap();
    assert_eq!((prompts.len(), reading.format, reading.rows), (25, PromptFormat::Sharegpt, 50));
    let kept: crate::schema::plan::DatasetSource =
        serde_json::from_str(&serde_json::to_string(&source).unwrap()).unwrap();
    let again = crate::dataset::load_again(Some(&path), kept.reading.as_ref()).unwrap();
    assert_eq!(again, (prompts, source));
    // sha256sum tests/data/workloads/sharegpt-v3-masked.json
    assert_eq!(again.1.sha256, "1b0dd10872f57961ddebba81dcbfd6dc17c9a54b2ad740932ebaab394f857d1d");
    assert_eq!(crate::dataset::load(Some(&path)).unwrap().0.len(), 42);
}

#[test]
fn all_turns_with_a_reply_are_a_conversation() {
    let how = Import { turns: Turns::All, ..Import::default() };
    let (tally, prompts) = import_file("sharegpt-fastchat-dummy.json", &how).unwrap();
    assert_eq!((tally.kept, tally.turns), (120, 240));
    let limits = |prompt: &Prompt| prompt.further.iter().map(|turn| turn.max_tokens).collect::<Vec<_>>();
    assert!(prompts.iter().all(|prompt| limits(prompt).iter().all(Option::is_some)));
    let (_, first) = import_file("sharegpt-fastchat-dummy.json", &Import::default()).unwrap();
    assert!(
        first.iter().zip(&prompts).all(|(first, all)| first.body == all.body && first.further.is_empty())
    );
}
