//! Every dependency may be given away under this project's licence (Apache-2.0). Asked of the lock file's
//! packages through `cargo metadata`, without a network.
#![allow(clippy::unwrap_used)]

use std::process::Command;

use serde_json::Value;

/// Licences that ask for no more than their own text and a notice.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0", // given to the public
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

#[test]
fn every_dependency_has_a_licence_that_ours_allows() {
    let packages = packages();
    // A list that lost the dependencies would find nothing wrong.
    for known in ["tokio", "serde", "insta"] {
        assert!(packages.iter().any(|package| package["name"] == known), "{known} is not in the list");
    }
    let refused: Vec<String> = packages.iter().filter_map(refusal).collect();
    assert!(refused.is_empty(), "not allowed (tests/licences.rs):\n{}", refused.join("\n"));
}

#[test]
fn the_project_itself_says_the_licence_of_its_file() {
    assert_eq!(env!("CARGO_PKG_LICENSE"), "Apache-2.0");
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/LICENSE")).unwrap();
    assert!(text.contains("Apache License") && text.contains("Version 2.0, January 2004"));
}

#[test]
fn a_licence_that_is_not_allowed_is_refused() {
    for licence in
        ["GPL-3.0-only", "MIT AND LGPL-2.1-or-later", "(MIT OR Apache-2.0) AND MPL-2.0", "", "MIT OR"]
    {
        assert!(!allowed(licence), "{licence:?} was allowed");
    }
    let planted = serde_json::json!({"name": "planted", "version": "1.0.0", "license": "AGPL-3.0-only"});
    assert_eq!(refusal(&planted).unwrap(), "planted 1.0.0: AGPL-3.0-only");
    let without = serde_json::json!({"name": "planted", "version": "1.0.0", "license": null});
    assert_eq!(refusal(&without).unwrap(), "planted 1.0.0: no licence named");
}

#[test]
fn one_good_choice_is_enough_and_each_part_of_a_whole_must_be_good() {
    for licence in [
        "MIT",
        "GPL-2.0-only OR MIT",
        "MIT/Apache-2.0",
        "(Apache-2.0 OR MIT) AND BSD-3-Clause",
        "Apache-2.0 WITH LLVM-exception OR GPL-3.0-only",
    ] {
        assert!(allowed(licence), "{licence} was refused");
    }
}

/// The platform that this is: crates of others were never fetched.
fn host() -> String {
    let output = Command::new(env!("CARGO")).arg("-vV").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    said.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned()
}

/// The packages of the lock file that a build here uses.
fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--offline", "--locked", "--format-version", "1"])
        .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")])
        .args(["--filter-platform", &host()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    serde_json::from_value(metadata["packages"].take()).unwrap()
}

/// What is wrong with a package's licence.
fn refusal(package: &Value) -> Option<String> {
    let licence = package["license"].as_str();
    match licence {
        Some(licence) if allowed(licence) => None,
        Some(licence) => Some(format!("{} {}: {licence}", text(package, "name"), text(package, "version"))),
        None => Some(format!("{} {}: no licence named", text(package, "name"), text(package, "version"))),
    }
}

fn text<'a>(package: &'a Value, key: &str) -> &'a str {
    package[key].as_str().unwrap()
}

/// Whether an SPDX expression can be met by allowed licences alone. `/` is the old way to write OR.
fn allowed(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words: Vec<&str> = spaced.split_whitespace().rev().collect();
    any_of(&mut words) == Some(true) && words.is_empty()
}

/// `ALL OR ALL …`; `words` is read from its end. None where it is no expression.
fn any_of(words: &mut Vec<&str>) -> Option<bool> {
    let mut met = all_of(words)?;
    while words.last() == Some(&"OR") {
        words.pop();
        met |= all_of(words)?;
    }
    Some(met)
}

/// `LICENCE AND LICENCE …`, which binds closer than OR.
fn all_of(words: &mut Vec<&str>) -> Option<bool> {
    let mut met = one(words)?;
    while words.last() == Some(&"AND") {
        words.pop();
        met &= one(words)?;
    }
    Some(met)
}

/// A licence, with its exception where it has one, or an expression in brackets.
fn one(words: &mut Vec<&str>) -> Option<bool> {
    let word = words.pop()?;
    if word == "(" {
        let met = any_of(words)?;
        return (words.pop()? == ")").then_some(met);
    }
    let mut licence = word.to_owned();
    if words.last() == Some(&"WITH") {
        words.pop();
        licence = format!("{licence} WITH {}", words.pop()?);
    }
    Some(ALLOWED.contains(&licence.as_str()))
}
