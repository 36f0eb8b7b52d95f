//! The section "Layout" of lib.rs names every room, and none that is not there.

use std::collections::BTreeSet;
use std::path::Path;

use crate::source::source_files;

/// The lines of lib.rs's section "Layout", without their `//!`.
fn layout(lib: &str) -> String {
    let doc = lib.lines().filter_map(|line| line.strip_prefix("//!")).map(str::trim_start);
    let section = doc.skip_while(|line| *line != "# Layout").skip(1);
    section.take_while(|line| !line.starts_with("# ")).collect::<Vec<_>>().join("\n")
}

/// Modules that a text names: `backend::launch`, or a single word that opens a paragraph.
fn named(layout: &str) -> BTreeSet<String> {
    let is_module = |word: &&str| {
        let mut parts = word.split("::");
        parts.all(|part| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit())
        })
    };
    let quoted = |text: &str| -> Vec<String> {
        let words = text.split('`').skip(1).step_by(2).filter(is_module);
        words.map(str::to_owned).collect()
    };
    let mut found: BTreeSet<String> = quoted(layout).into_iter().filter(|word| word.contains("::")).collect();
    for paragraph in layout.split("\n\n").map(str::trim).filter(|text| text.starts_with('`')) {
        found.extend(quoted(paragraph).into_iter().next());
    }
    found
}

/// What the map must name: every top-level module and every folder, tests apart.
fn rooms(modules: &[(Vec<String>, bool)]) -> BTreeSet<String> {
    let is_room = |module: &Vec<String>, is_folder: bool| {
        (module.len() == 1 || is_folder)
            && !module.is_empty()
            && !module.contains(&"tests".to_owned())
            && module != &["main"]
    };
    modules.iter().filter(|(module, folder)| is_room(module, *folder)).map(|(m, _)| m.join("::")).collect()
}

/// What is wrong with a map: a room that it leaves out, a module that is not there.
fn mistakes(layout: &str, modules: &[(Vec<String>, bool)]) -> Vec<String> {
    let named = named(layout);
    let all: BTreeSet<String> = modules.iter().map(|(module, _)| module.join("::")).collect();
    let missing = rooms(modules).into_iter().filter(|room| !named.contains(room));
    let missing = missing.map(|room| format!("{room} is not on the map"));
    let invented =
        named.iter().filter(|name| !all.contains(*name)).map(|name| format!("{name} is not there"));
    missing.chain(invented).collect()
}

#[test]
fn the_map_names_every_room_and_no_other() {
    let modules: Vec<(Vec<String>, bool)> =
        source_files().into_iter().map(|(path, module)| (module, path.ends_with("mod.rs"))).collect();
    let lib = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let mistakes = mistakes(&layout(&lib), &modules);
    assert!(mistakes.is_empty(), "{mistakes:#?}");
}

mod planted {
    use super::{layout, mistakes};

    fn modules(names: &[&str]) -> Vec<(Vec<String>, bool)> {
        let parts = |name: &str| name.trim_end_matches('/').split("::").map(str::to_owned).collect();
        names.iter().map(|name| (parts(name), name.ends_with('/'))).collect()
    }

    const LIB: &str = "//! What it is.\n//!\n//! # Layout\n//!\n//! `cli`: what may be typed.\n//!\n//! `load`: it asks `load::http`.\n//!\n//! # Rules\n//! `dataset::nothing` is no part of the map.\n";

    #[test]
    fn a_true_map_has_no_mistake() {
        let there = modules(&["cli", "load/", "load::http/", "load::http::sse", "load::tests/"]);
        assert_eq!(mistakes(&layout(LIB), &there), Vec::<String>::new());
    }

    #[test]
    fn a_module_that_the_map_leaves_out_is_found() {
        let there = modules(&["cli", "load/", "load::http/", "load::socket/", "report"]);
        let expected = ["load::socket is not on the map", "report is not on the map"];
        assert_eq!(mistakes(&layout(LIB), &there), expected);
    }

    #[test]
    fn an_entry_that_is_not_there_is_found() {
        let there = modules(&["cli", "load/"]);
        assert_eq!(mistakes(&layout(LIB), &there), ["load::http is not there"]);
    }
}
