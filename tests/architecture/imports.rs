//! Who may import whom: the rules of `src/lib.rs`, checked on every path in the source, in `use` trees,
//! expressions, types and macro calls, whatever it is called there.

use std::collections::BTreeMap;
use std::path::Path;

use crate::paths::{Reference, references};
use crate::source::{module_of, source_files};

const STAGES: [&str; 10] = [
    "analysis",
    "backend",
    "bucket",
    "cluster",
    "dataset",
    "load",
    "monitor",
    "report",
    "results",
    "simulator",
];
/// What a stage may import beside schema. The list is closed: a helper that two stages need joins it here.
const GROUND: [&str; 5] = ["directories", "environment", "programs", "secrets", "server_api"];
/// Leaves for commands and pipeline alone: a stage shows nothing.
const LEAVES: [&str; 1] = ["progress"];

/// What a top-level module is to the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Schema,
    Cli,
    Stage,
    Ground,
    Leaf,
    Pipeline,
    Commands,
    Main,
    /// `lib.rs` declares the modules and uses none.
    Root,
}

fn kind(module: &str) -> Option<Kind> {
    match module {
        "schema" => Some(Kind::Schema),
        "cli" => Some(Kind::Cli),
        "pipeline" => Some(Kind::Pipeline),
        "commands" => Some(Kind::Commands),
        "main" => Some(Kind::Main),
        "" => Some(Kind::Root),
        stage if STAGES.contains(&stage) => Some(Kind::Stage),
        ground if GROUND.contains(&ground) => Some(Kind::Ground),
        leaf if LEAVES.contains(&leaf) => Some(Kind::Leaf),
        _ => None,
    }
}

/// Whether a module of kind `from` may import one of kind `to`; modules of one name always may.
fn may_import(from: Kind, to: Kind) -> bool {
    match from {
        Kind::Schema | Kind::Cli | Kind::Root => false,
        Kind::Stage => matches!(to, Kind::Schema | Kind::Ground),
        Kind::Ground => to == Kind::Schema,
        // It is the gate of all that is printed, and hides keys there.
        Kind::Leaf => matches!(to, Kind::Schema | Kind::Ground),
        Kind::Pipeline => matches!(to, Kind::Schema | Kind::Stage | Kind::Ground | Kind::Leaf),
        Kind::Commands => !matches!(to, Kind::Main | Kind::Root),
        Kind::Main => matches!(to, Kind::Cli | Kind::Commands),
    }
}

fn rule(from: Kind) -> &'static str {
    match from {
        Kind::Schema | Kind::Cli => "rule 1: schema and cli import nothing of ours",
        Kind::Stage => "rule 1: a stage imports schema and ground and nothing else of ours",
        Kind::Ground => "rule 1: ground imports schema and nothing else of ours",
        Kind::Leaf => "rule 1: progress imports schema and ground and nothing else of ours",
        Kind::Pipeline => "rule 2: pipeline imports stages, ground and schema",
        Kind::Commands => "rule 2: commands imports cli, pipeline, stages, ground and schema",
        Kind::Main => "rule 2: main imports cli and commands",
        Kind::Root => "lib.rs declares the modules and uses none of them",
    }
}

/// A place that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
struct Violation {
    line: usize,
    imports: String,
    rule: &'static str,
}

/// The violations in one file. `module` is its path below the crate (`["load", "engine"]`), `["main"]` for
/// the binary and empty for `lib.rs`.
fn violations(module: &[&str], source: &str) -> Vec<Violation> {
    let own = module.first().copied().unwrap_or("");
    let Some(from) = kind(own) else {
        let rule = "unknown module: say in design.md and in tests/architecture.rs what it is";
        return vec![Violation { line: 1, imports: own.to_owned(), rule }];
    };
    let mut found: Vec<Violation> = references(module, source)
        .into_iter()
        .filter(|reference| !is_allowed(own, from, reference))
        .map(|reference| Violation { line: reference.line, imports: reference.path, rule: rule(from) })
        .collect();
    found.sort_by(|a, b| (a.line, &a.imports).cmp(&(b.line, &b.imports)));
    found.dedup();
    found
}

fn is_allowed(own: &str, from: Kind, reference: &Reference) -> bool {
    // The crate as a whole (`use crate::*`, `use crate as x`) opens every module to every name.
    let Some(target) = reference.target.as_deref() else { return false };
    if target == own {
        return true;
    }
    // Any other name in the root would be a stage's too: a re-export, or a macro that a stage exports.
    kind(target).is_some_and(|to| may_import(from, to))
}

#[test]
fn the_source_keeps_the_import_rules() {
    let mut report = String::new();
    for (path, module) in source_files() {
        let module: Vec<&str> = module.iter().map(String::as_str).collect();
        let source = std::fs::read_to_string(&path).unwrap();
        for violation in violations(&module, &source) {
            let Violation { line, imports, rule } = violation;
            report.push_str(&format!("{}:{line}: {imports}: {rule}\n", path.display()));
        }
    }
    assert!(report.is_empty(), "\n{report}");
}

#[test]
fn every_stage_is_looked_at() {
    let mut files = BTreeMap::new();
    for (_, module) in source_files() {
        *files.entry(module.first().cloned().unwrap_or_default()).or_insert(0) += 1;
    }
    for module in ["schema", "main", "cli", "commands", "pipeline", "analysis", "backend", "dataset", "load"]
    {
        assert!(files.contains_key(module), "{module} is not among {files:?}");
    }
    assert_eq!(module_of(Path::new("load/engine.rs")), ["load", "engine"]);
    assert_eq!(module_of(Path::new("load/mod.rs")), ["load"]);
    assert!(module_of(Path::new("lib.rs")).is_empty());
}

mod planted {
    use super::violations;

    /// The imports that are found, as `line path`.
    fn found(module: &[&str], source: &str) -> Vec<String> {
        violations(module, source)
            .into_iter()
            .map(|violation| format!("{} {}", violation.line, violation.imports))
            .collect()
    }

    #[test]
    fn a_full_path_in_an_expression_is_found() {
        let source = "fn f() {\n    crate::load::engine::play();\n}\n";
        assert_eq!(found(&["backend", "readiness"], source), ["2 crate::load::engine::play"]);
    }

    #[test]
    fn a_full_path_in_a_type_a_pattern_a_bound_and_an_attribute_is_found() {
        let source = "struct S(Vec<crate::load::Engine>);
fn f(x: S) { if let crate::results::Kind::A = x {} }
fn g<T: crate::report::Render>() {}
impl crate::monitor::Watch for S {}
#[crate::analysis::derive_it] fn h() {}
fn i() { let _ = <S as crate::dataset::Load>::load(); crate::simulator::S { a: 1 }; }
pub(in crate::load) fn j() {}";
        let lines: Vec<char> =
            found(&["backend"], source).iter().filter_map(|line| line.chars().next()).collect();
        assert_eq!(lines, ['1', '2', '3', '4', '5', '6', '6', '7']);
    }

    #[test]
    fn super_super_is_found() {
        let found_in = |source| found(&["backend", "readiness"], source);
        assert_eq!(found_in("use super::super::load::Engine;"), ["1 crate::load::Engine"]);
        assert_eq!(found_in("fn f() { super::super::load::play() }"), ["1 crate::load::play"]);
        assert_eq!(found_in("use self::super::super::load;"), ["1 crate::load"]);
        assert_eq!(found_in("mod tests { use super::super::super::load; }"), ["1 crate::load"]);
        assert_eq!(found(&["backend"], "use super::load::Engine;"), ["1 crate::load::Engine"]);
    }

    #[test]
    fn a_re_export_through_schema_is_found() {
        assert_eq!(found(&["schema"], "pub use crate::load::Engine;"), ["1 crate::load::Engine"]);
        assert_eq!(
            found(&["schema", "plan"], "pub type E = super::super::load::Engine;"),
            ["1 crate::load::Engine"]
        );
    }

    #[test]
    fn a_grouped_use_is_found() {
        let source = "use crate::{\n    schema::plan::Plan,\n    load::{Engine, sse::Event},\n};";
        assert_eq!(found(&["analysis"], source), ["3 crate::load::Engine", "3 crate::load::sse::Event"]);
        assert_eq!(found(&["analysis"], "use {crate::{load}};"), ["1 crate::load"]);
        assert_eq!(found(&["analysis"], "use {std::io, super::load};"), ["1 crate::load"]);
    }

    #[test]
    fn a_renamed_import_is_found() {
        assert_eq!(found(&["report"], "use crate::load as traffic;"), ["1 crate::load"]);
        assert_eq!(
            found(&["report"], "use crate as us;\nfn f() { us::load::play() }"),
            ["1 crate", "2 crate::load::play"]
        );
        assert_eq!(found(&["report"], "use super as up;"), ["1 crate"]);
        assert_eq!(found(&["report"], "use crate::{self as us};"), ["1 crate"]);
        assert_eq!(found(&["report"], "extern crate self as us;"), ["1 crate"]);
    }

    #[test]
    fn a_glob_is_found() {
        assert_eq!(found(&["report"], "use crate::load::*;"), ["1 crate::load::*"]);
        assert_eq!(found(&["report"], "use crate::*;"), ["1 crate::*"]);
        assert_eq!(found(&["report"], "use super::*;"), ["1 crate::*"]);
    }

    #[test]
    fn a_path_in_a_macro_call_or_definition_is_found() {
        let source =
            "fn f() {\n    assert_eq!(crate::load::play(), 1);\n    vec![(super::super::load::A)];\n}
macro_rules! m { () => { $crate::load::play() }; }";
        assert_eq!(
            found(&["backend", "launch"], source),
            ["2 crate::load::play", "3 crate::load::A", "5 crate::load::play"]
        );
    }

    #[test]
    fn a_path_in_a_serde_attribute_is_found() {
        let source = "struct S {\n    #[serde(default, with = \"crate::load::as_text\")]\n    a: u8,\n}";
        assert_eq!(found(&["schema", "plan"], source), ["2 crate::load::as_text"]);
        assert_eq!(found(&["load"], &source.replace("crate", "super::schema")), Vec::<String>::new());
    }

    #[test]
    fn a_macro_that_a_stage_exports_into_the_root_is_found() {
        assert_eq!(found(&["backend"], "fn f() { crate::play!(1); }"), ["1 crate::play"]);
    }

    #[test]
    fn the_crate_s_own_name_is_found() {
        assert_eq!(found(&["report"], "use harness::load::Engine;"), ["1 crate::load::Engine"]);
        assert_eq!(found(&["report"], "fn f() { ::harness::load::play() }"), ["1 crate::load::play"]);
        assert_eq!(found(&["main"], "fn main() { harness::load::play() }"), ["1 crate::load::play"]);
    }

    #[test]
    fn tests_in_a_stage_obey_too() {
        let source = "#[cfg(test)]\nmod tests {\n    use super::*;\n    use crate::simulator::serve;\n}";
        assert_eq!(found(&["load", "engine"], source), ["4 crate::simulator::serve"]);
        // From a stage's own mod.rs, `super` of an inline module is the stage.
        assert_eq!(found(&["load"], source), ["4 crate::simulator::serve"]);
    }

    #[test]
    fn a_stage_that_imports_a_leaf_that_is_not_ground_is_found() {
        assert_eq!(found(&["monitor"], "use crate::progress::Progress;"), ["1 crate::progress::Progress"]);
        assert_eq!(found(&["monitor"], "use crate::helpers::join;"), ["1 crate::helpers::join"]);
        assert_eq!(found(&["monitor"], "use crate::secrets::names_a_secret;"), Vec::<String>::new());
    }

    #[test]
    fn cli_leaves_and_composers_have_their_own_bounds() {
        assert_eq!(found(&["cli"], "use crate::schema::plan::Traffic;"), ["1 crate::schema::plan::Traffic"]);
        assert_eq!(found(&["progress"], "use crate::load::Engine;"), ["1 crate::load::Engine"]);
        assert_eq!(found(&["environment"], "use crate::progress::Bar;"), ["1 crate::progress::Bar"]);
        assert_eq!(found(&["pipeline"], "use crate::cli::Args;"), ["1 crate::cli::Args"]);
        assert_eq!(found(&["load"], "use crate::progress::Bar;"), ["1 crate::progress::Bar"]);
        assert_eq!(found(&["secrets"], "use crate::programs::quiet;"), ["1 crate::programs::quiet"]);
        assert_eq!(found(&["directories"], "use crate::load::Engine;"), ["1 crate::load::Engine"]);
        assert_eq!(found(&["load"], "use crate::commands::go;"), ["1 crate::commands::go"]);
        assert_eq!(found(&[], "pub use crate::load::Engine;"), ["1 crate::load::Engine"]);
        assert_eq!(found(&[], "pub mod load;\npub use load::Engine;"), ["2 crate::load::Engine"]);
        assert_eq!(found(&["util"], ""), ["1 util"]);
    }

    #[test]
    fn what_the_rules_allow_is_not_found() {
        let clean: [(&[&str], &str); 14] = [
            (&["progress"], "use crate::secrets::hide_kept;"),
            (&["backend"], "use crate::{directories, environment, programs, secrets, server_api};"),
            (&["analysis"], "use crate::schema::plan::Plan;\nfn f(x: crate::schema::record::Chunk) {}"),
            (
                &["load", "engine"],
                "use super::sse::Event;\nuse crate::load::arrivals;\nuse super::super::schema::plan;",
            ),
            (&["load"], "pub mod engine;\nuse self::engine::play;\nuse engine::Play;"),
            (
                &["backend"],
                "mod load { pub fn f() {} }\nuse self::load::f;\nfn g() { load::f(); self::load::f() }",
            ),
            (&["backend"], "mod load;\npub use load::Loaded;"),
            (&["report"], "use std::process;\nfn f() { std::process::exit(process::id() as i32) }"),
            (
                &["report"],
                "// crate::load::play()\n/// See [`crate::load::play`].\nfn f() -> &'static str { \"crate::load::play()\" }",
            ),
            (
                &["schema", "plan"],
                "use super::backend::Target;\nuse crate::schema::record::Chunk;\nuse super::super::schema::metric;",
            ),
            (&["pipeline"], "use crate::{analysis, backend, load::Engine, schema, environment, progress};"),
            (
                &["commands", "compare"],
                "use crate::{cli::Compare, pipeline, backend, schema::plan::Plan};\nuse super::resolve;",
            ),
            (&["main"], "fn main() { harness::commands::run(harness::cli::parse()) }"),
            (&["load"], "fn f() { assert_eq!(self::g(), super::schema::SCHEMA_VERSION); vec![1, 2]; }"),
        ];
        for (module, source) in clean {
            assert_eq!(found(module, source), Vec::<String>::new(), "{module:?}: {source}");
        }
    }
}
