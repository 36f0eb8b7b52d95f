//! ShareGPT's usual records, read in one pass, against the careful reader.

use proptest::prelude::*;

use super::*;

/// A string as a file may write it, or something in its place.
fn string() -> impl Strategy<Value = String> {
    let inside = prop::collection::vec(
        prop_oneof![
            6 => "[a-zA-Z0-9 .,{}\\[\\]:]{1,12}",
            2 => "[é中😀\u{a0}\u{7f}]{1,3}",
            2 => r#"\\["\\/bfnrt]"#,
            1 => "\\\\u(00[0-9a-fA-F]{2}|3000|d83d\\\\ude00)",
            1 => "[ ]{1,3}",
        ],
        0..4,
    );
    let inside = inside.prop_map(|parts| format!("\"{}\"", parts.concat()));
    prop_oneof![
        12 => inside,
        1 => prop::sample::select(vec![
            "null", "\"\"", "\" \\n\"", "12", "\"\\ud83d\"", "\"\\udc00x\"", "\"\\x\"", "\"a\tb\"", "\"\\u12\"", "[]", "{}", "\"",
        ]).prop_map(str::to_owned),
    ]
}

fn further() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "\"model\": \"x\\n\"",
        "\"n\": 12",
        "\"n\": -0.5e-7",
        "\"n\": 01",
        "\"n\": 1.",
        "\"n\": -",
        "\"n\": 1e999",
        "\"ok\": true",
        "\"ok\": nul",
        "\"ok\": false",
        "\"list\": [1]",
        "\"map\": {\"id\": 1}",
        "\"\\u0069d\": \"escaped\"",
        "\"none\": null",
    ])
    .prop_map(str::to_owned)
}

fn turn() -> impl Strategy<Value = String> {
    let role = prop::sample::select(vec![
        "human",
        "human",
        "human",
        "user",
        "gpt",
        "gpt",
        "gpt",
        "bing",
        "system",
        "Human",
        "\\u0067pt",
        "",
    ]);
    let whole = (role, string(), prop::option::weighted(0.1, further()), 0_u8..12, 0_u8..12).prop_map(
        |(role, said, further, order, name)| {
            let from = format!("\"{}\": \"{role}\"", if name == 0 { "role" } else { "from" });
            let value = format!("\"{}\": {said}", if name == 1 { "content" } else { "value" });
            let mut fields = match order {
                0 => vec![value, from],
                1 => vec![from],
                2 => vec![value],
                3 => vec![from.clone(), value, from],
                _ => vec![from, value],
            };
            fields.extend(further);
            format!("{{{}}}", fields.join(",\n "))
        },
    );
    prop_oneof![20 => whole, 1 => prop::sample::select(vec!["{}", "null", "[\"gpt\", \"x\"]"]).prop_map(str::to_owned)]
}

fn record() -> impl Strategy<Value = String> {
    let turns = prop::collection::vec(turn(), 0..6);
    let id = prop_oneof![
        6 => "\"[a-z0-9_]{0,6}\"", 1 => "-?[0-9]{1,3}",
        1 => prop::sample::select(vec!["null", "\"a\\u0062\"", "1.5", "[]", "1e3", "\"é中\""]).prop_map(str::to_owned),
    ];
    (
        id,
        turns,
        prop::option::weighted(0.2, further()),
        0_u8..14,
        prop::option::weighted(0.05, "[,}\\]x ]{1,2}"),
    )
        .prop_map(|(id, turns, further, order, odd)| {
            let turns = format!("\"conversations\": [{}]", turns.join(", "));
            let id = format!("\"id\": {id}");
            let mut fields = match order {
                0 | 1 => vec![turns, id],
                2 => vec![turns],
                3 => vec![id.clone(), turns, id],
                4 => vec![id, turns.clone(), turns],
                _ => vec![id, turns],
            };
            if let Some(further) = further {
                fields.insert(usize::from(order) % (fields.len() + 1), further);
            }
            format!("{{{}{}}}", fields.join(", "), odd.unwrap_or_default())
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn a_record_read_in_one_pass_is_what_the_careful_reader_makes_of_it(
        records in prop::collection::vec(record(), 1..4), all in any::<bool>()
    ) {
        let turns = if all { Turns::All } else { Turns::FirstUser };
        let how = Import { format: Some(PromptFormat::Sharegpt), turns, ..skipping() };
        let list = format!("[{}]", records.join(",\n")).into_bytes();
        let [at_once, carefully] = [true, false].map(|measures| {
            import_reading(&list, &[], &how, measures).map_err(|error| crate::schema::refusal::shown(&error))
        });
        prop_assert_eq!(at_once, carefully);
    }
}

#[test]
fn most_of_a_real_file_is_usual() {
    let file = std::fs::read_to_string(slice("sharegpt-v3-masked.json")).unwrap();
    let records: Vec<&serde_json::value::RawValue> = serde_json::from_str(&file).unwrap();
    for turns in [Turns::FirstUser, Turns::All] {
        let usual = records.iter().filter(|record| super::super::usual::usual(record.get(), turns).is_some());
        assert_eq!(usual.count(), records.len());
    }
}

#[test]
fn where_turns_come_first_or_further_fields_stand_between_a_record_is_usual_all_the_same() {
    for record in [
        r#"{"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}], "id": -7}"#,
        r#"{"n": 0.5e-3, "model": "x", "ok": true, "id": "a", "conversations": [], "none": null}"#,
        r#"{"id":"a","conversation":[{"role":"user","weight":1,"content":"\n"},{"content":"b","role":"bing"}]}"#,
    ] {
        assert!(super::super::usual::usual(record, Turns::FirstUser).is_some(), "{record}");
    }
}
