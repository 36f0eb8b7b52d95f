//! Which rows are kept.

use super::*;

fn lines(count: usize) -> String {
    (1..=count).map(|k| format!("{{\"prompt\":\"{}\"}}\n", "x".repeat(k))).collect()
}

fn selected(selection: Selection) -> (Tally, Vec<usize>) {
    let (tally, prompts) = import_text(&lines(100), &Import { selection, ..Import::default() }).unwrap();
    (tally, prompts.iter().map(|prompt| said(prompt).len()).collect())
}

#[test]
fn lengths_leave_out_what_does_not_fit_and_say_why() {
    let input = Bounds { min: Some(3), max: Some(7) };
    let (tally, kept) = selected(Selection { input, ..Selection::default() });
    assert_eq!(kept, [3, 4, 5, 6, 7]);
    assert_eq!(tally.left_out["prompt shorter than --min-input-length"], 2);
    assert_eq!(tally.left_out["prompt longer than --max-input-length"], 93);
    let output = Bounds { min: Some(1), max: None };
    let (tally, kept) = selected(Selection { output, ..Selection::default() });
    assert_eq!((kept.len(), tally.left_out["no reply to measure"]), (0, 100));
    let output = Bounds { min: Some(100), max: Some(2000) };
    let how = Import { selection: Selection { output, ..Selection::default() }, ..Import::default() };
    let (tally, prompts) = import_file("sharegpt-v3-masked.json", &how).unwrap();
    assert!(!prompts.is_empty() && tally.left_out["reply shorter than --min-output-length"] > 0);
    assert!(prompts.iter().all(|prompt| (25..=2000).contains(&prompt.max_tokens.unwrap())));
}

#[test]
fn a_limit_stops_and_a_sample_is_drawn_without_replacement_in_the_order_of_the_file() {
    let (tally, kept) = selected(Selection { pick: Pick::First(3), ..Selection::default() });
    assert_eq!((kept, tally.rows), (vec![1, 2, 3], 3));
    let sample = |seed| selected(Selection { pick: Pick::Sample { size: 10, seed }, ..Selection::default() });
    let (tally, kept) = sample(1);
    assert_eq!((tally.kept, tally.rows, tally.not_drawn), (10, 100, 90));
    assert!(kept.windows(2).all(|pair| pair[0] < pair[1]), "{kept:?}");
    assert_eq!(sample(1).1, kept);
    assert_ne!(sample(2).1, kept);
    let all = selected(Selection { pick: Pick::Sample { size: 500, seed: 1 }, ..Selection::default() });
    assert_eq!((all.1.len(), all.0.not_drawn), (100, 0));
    // Each row is as likely as any other: 2,000 draws of 10 of 100, each row 200 times, within 5 standard deviations.
    let mut times = [0; 100];
    for seed in 0..2_000 {
        sample(seed).1.iter().for_each(|row| times[row - 1] += 1);
    }
    assert!(times.iter().all(|times| (133..=267).contains(times)), "{times:?}");
}

#[test]
fn limits_come_from_replies_by_tokens_by_estimate_or_not_at_all() {
    let text = r#"{"conversations":[{"from":"human","value":"Hi?"},{"from":"gpt","value":"one two three"}]}"#;
    let how = Import::default();
    let made = |how: &Import| import_text(text, how).unwrap().1[0].max_tokens;
    assert_eq!(made(&how), Some(4));
    let none =
        Import { selection: Selection { no_reply_limit: true, ..Selection::default() }, ..how.clone() };
    assert_eq!(made(&none), None);
    let words = |text: &str| Ok(text.split(' ').count() as u64);
    let mut reader = Reader::new(&how, Some(&words));
    let mut limits = Vec::new();
    let mut keep = |picked: Picked| {
        limits.push((picked.as_it_stands().max_tokens, picked.input, picked.output, picked.estimated));
        Ok(())
    };
    let input = Input::of(io::Cursor::new(text.as_bytes().to_vec()), None).unwrap();
    let told = Detected::Prompts(PromptFormat::Sharegpt);
    reader.input(Path::new("mine"), input, told, &mut |_| true, &mut keep).unwrap();
    assert_eq!(limits, [(Some(3), 1, Some(3), false)]);
}

#[test]
fn ids_stay_apart_whatever_they_are() {
    let long = "é".repeat(400);
    let text = format!(
        "{{\"id\":\"a\",\"prompt\":\"x\"}}\n{{\"id\":\"a\",\"prompt\":\"x\"}}\n{{\"id\":\"a#2\",\"prompt\":\"x\"}}\n\
         {{\"prompt\":\"x\"}}\n{{\"id\":\"4\",\"prompt\":\"x\"}}\n{{\"id\":\"\",\"prompt\":\"x\"}}\n\
         {{\"id\":\"{long}\",\"prompt\":\"x\"}}\n{{\"id\":\"{long}\",\"prompt\":\"x\"}}"
    );
    let (tally, prompts) = import_text(&text, &Import::default()).unwrap();
    let ids: Vec<&str> = prompts.iter().map(|prompt| prompt.id.as_str()).collect();
    assert_eq!(ids[..6], ["a", "a#2", "a#2#2", "4", "4#2", "6"]);
    assert!(ids[6].ends_with("…row 7") && ids[7].ends_with("…row 8") && ids[6].chars().count() == 300);
    assert_eq!(tally.renamed, 3);
}

#[test]
fn the_listener_hears_what_a_file_is_and_can_end_the_import() {
    let mut heard = Vec::new();
    let mut listener = |event: Event<'_>| {
        heard.push(format!("{event:?}"));
        heard.len() < 3
    };
    let input = Input::of(io::Cursor::new(lines(2_000).into_bytes()), None).unwrap();
    let how = Import::default();
    let mut reader = Reader::new(&how, None);
    let told = Detected::Prompts(PromptFormat::Jsonl);
    let went_on = reader.input(Path::new("mine"), input, told, &mut listener, &mut |_| Ok(())).unwrap();
    assert!(!went_on && heard[0].contains("Jsonl") && heard[2].contains("rows: 512"), "{heard:?}");
}
