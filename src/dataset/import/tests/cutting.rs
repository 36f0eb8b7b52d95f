//! The cutter of lists and lines: the same records however the bytes come, and never more than it may hold.

use proptest::prelude::*;
use serde_json::value::RawValue;

use super::super::place::Place;
use super::super::records::{Container, Records};
use super::*;

/// What comes out: records with their places, faults as their words.
fn cut(bytes: &[u8], pieces: &[usize], container: Container, read: usize, longest: usize) -> Vec<String> {
    let source = Pieces { bytes: bytes.to_vec(), at: 0, pieces: pieces.to_vec(), turn: 0 };
    let mut records = Records::with_limits(source, container, read, longest);
    let mut all = Vec::new();
    while let Some(record) = records.next().unwrap() {
        all.push(match record {
            Ok(record) => format!("{} {}", record.place, record.bytes.escape_ascii()),
            Err(fault) => fault.to_string(),
        });
        assert!(all.len() <= 2 * bytes.len() + 2, "it never ends");
    }
    assert!(records.next().unwrap().is_none());
    all
}

/// Values with strings that look like structure.
fn value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        r#"[\]\[{}",:\\ a\né😀]{0,12}"#.prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            proptest::collection::btree_map(r#"["{}a\\]{0,3}"#, inner, 0..4)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn the_elements_of_any_list_are_its_records(
        values in proptest::collection::vec(value(), 0..6),
        indented in any::<bool>(),
        white in "[ \n\r\t]{0,3}",
        pieces in proptest::collection::vec(1_usize..9, 0..4),
        read in 1_usize..20,
    ) {
        let list = serde_json::Value::Array(values);
        let text = if indented { serde_json::to_string_pretty(&list) } else { serde_json::to_string(&list) }.unwrap();
        let text = format!("{white}{text}{white}");
        let expected: Vec<&RawValue> = serde_json::from_str(&text).unwrap();
        let expected: Vec<String> = expected.iter().enumerate().map(|(index, raw)| {
            let byte = raw.get().as_ptr() as usize - text.as_ptr() as usize;
            let line = 1 + text[..byte].matches('\n').count() as u64;
            let place = Place::Record { number: index as u64 + 1, line, byte: byte as u64 };
            format!("{place} {}", raw.get().as_bytes().escape_ascii())
        }).collect();
        prop_assert_eq!(cut(text.as_bytes(), &pieces, Container::List, read, 1 << 20), expected);
    }

    #[test]
    fn cutting_the_reads_anywhere_changes_nothing(
        text in r#"[\[\]{}",:\\ a1\n]{0,60}"#,
        pieces in proptest::collection::vec(1_usize..9, 1..6),
        read in 1_usize..20,
    ) {
        for container in [Container::List, Container::Lines] {
            prop_assert_eq!(
                cut(text.as_bytes(), &pieces, container, read, 1 << 20),
                cut(text.as_bytes(), &[], container, 1 << 10, 1 << 20)
            );
        }
    }

    #[test]
    fn lines_are_those_of_the_text(text in "[a\"\\\\ \n\r]{0,60}", pieces in proptest::collection::vec(1_usize..9, 0..4)) {
        let expected: Vec<String> = text
            .split('\n')
            .enumerate()
            .filter(|(_, line)| !line.trim_ascii().is_empty())
            .map(|(index, line)| format!("line {} {}", index + 1, line.trim_ascii().as_bytes().escape_ascii()))
            .collect();
        prop_assert_eq!(cut(text.as_bytes(), &pieces, Container::Lines, 3, 1 << 20), expected);
    }
}

#[test]
fn a_quote_behind_an_even_number_of_backslashes_ends_a_string() {
    let text = r#"["a\","b\"]","\\",{""":"}"}]"#;
    let told = cut(text.as_bytes(), &[1], Container::List, 1, 1 << 20);
    assert_eq!(told.len(), 4, "{told:?}");
    assert!(told.iter().all(|record| record.contains("(record ")), "{told:?}");
}

#[test]
fn a_record_that_does_not_end_is_given_up_at_its_limit() {
    let endless = format!("[{{\"prompt\":\"{}", "x".repeat(1 << 20));
    let told = cut(endless.as_bytes(), &[], Container::List, 64, 4096);
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("record 1") && told[0].contains("longer than 4096 bytes"), "{told:?}");
    let told = cut(&endless.as_bytes()[1..], &[], Container::Lines, 64, 4096);
    assert!(told.len() == 1 && told[0].contains("longer than 4096 bytes"), "{told:?}");
}
