//! A cure is a field of a `Refusal`: no string but the one that shows it holds `hint:` on a line of its own.

use crate::source::source_files;

/// Where cures are put below a text.
const SHOWN_BY: &str = "schema/refusal.rs";

/// Lines (from 1) of a source that write a hint into a text by themselves; tests may quote what is printed.
fn hand_made(source: &str) -> Vec<usize> {
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    let is_hint = |line: &str| line.contains("\\nhint:");
    code.lines().enumerate().filter(|(_, line)| is_hint(line)).map(|(at, _)| at + 1).collect()
}

#[test]
fn no_text_but_the_shown_one_holds_a_hint() {
    for (path, _) in source_files() {
        let lines = hand_made(&std::fs::read_to_string(&path).unwrap());
        let expected = usize::from(path.ends_with(SHOWN_BY));
        assert_eq!(lines.len(), expected, "{} {lines:?}: give the error a cure", path.display());
    }
}

#[test]
fn a_planted_hint_is_found() {
    assert_eq!(hand_made("fn f() {\n    bail!(\"no\\nhint: yes\");\n}"), [2]);
    assert!(hand_made("fn f() {}\n#[cfg(test)]\nmod t { const T: &str = \"\\nhint: x\"; }").is_empty());
}
