//! No circle of files: what a file uses never uses the file, by however many steps.
//!
//! An edge leads from a file to each file that its paths reach, re-exports followed to where the item stands.
//! That a parent declares a child, or gives its items another name (`pub use`), is no edge. Tests are none
//! either: they may import what they test.

use std::collections::{BTreeMap, BTreeSet};

use crate::paths::{is_for_tests, references};
use crate::source::source_files;

type Module = Vec<String>;

/// One file's part of the graph.
#[derive(Default)]
struct Node {
    /// Paths of what it uses.
    uses: BTreeSet<Vec<String>>,
    /// Its names for items that stand elsewhere.
    names: BTreeMap<String, Vec<String>>,
}

/// The files of a crate: module path and source.
struct Graph {
    nodes: BTreeMap<Module, Node>,
}

impl Graph {
    fn of<'a>(files: impl IntoIterator<Item = (Module, &'a str)>) -> Graph {
        let mut nodes = BTreeMap::new();
        let mut tests = BTreeSet::new();
        for (module, source) in files {
            let parsed = syn::parse_file(source).unwrap();
            for item in &parsed.items {
                if let syn::Item::Mod(item) = item
                    && item.content.is_none()
                    && is_for_tests(&item.attrs)
                {
                    tests.insert([module.clone(), vec![item.ident.to_string()]].concat());
                }
            }
            nodes.insert(module.clone(), node(&module, source, &parsed));
        }
        nodes.retain(|module: &Module, _| !tests.iter().any(|test| module.starts_with(test)));
        Graph { nodes }
    }

    /// The file that a path leads to.
    fn file_of(&self, path: &[String], depth: u32) -> Option<&Module> {
        let length = (1..=path.len()).rev().find(|length| self.nodes.contains_key(&path[..*length]))?;
        let (module, node) = self.nodes.get_key_value(&path[..length])?;
        let elsewhere = path.get(length).and_then(|name| node.names.get(name)).filter(|_| depth < 8);
        elsewhere.and_then(|place| self.file_of(place, depth + 1)).or(Some(module))
    }

    fn edges(&self) -> BTreeMap<&Module, BTreeSet<&Module>> {
        let targets = |module: &Module, node: &Node| {
            let reached = node.uses.iter().filter_map(|path| self.file_of(path, 0));
            reached.filter(|target| *target != module).collect()
        };
        self.nodes.iter().map(|(module, node)| (module, targets(module, node))).collect()
    }

    /// One circle through each file that lies on one, as `a > b > a`, from its first file on.
    fn circles(&self) -> BTreeSet<String> {
        let edges = self.edges();
        self.nodes.keys().filter_map(|start| circle_through(start, &edges)).collect()
    }
}

fn node(module: &Module, source: &str, parsed: &syn::File) -> Node {
    let parts: Vec<&str> = module.iter().map(String::as_str).collect();
    let mut node = Node::default();
    for reference in references(&parts, source).into_iter().filter(|reference| !reference.in_test) {
        let place: Vec<String> = reference.path.split("::").skip(1).map(str::to_owned).collect();
        if reference.is_export {
            continue;
        }
        node.uses.insert(place);
    }
    for item in &parsed.items {
        if let syn::Item::Use(item) = item {
            collect_names(module, &mut Vec::new(), &item.tree, &mut node.names);
        }
    }
    node
}

/// The names that a `use` makes, by the place that each stands for.
fn collect_names(
    module: &Module,
    prefix: &mut Vec<String>,
    tree: &syn::UseTree,
    names: &mut BTreeMap<String, Vec<String>>,
) {
    let mut put = |name: String, path: &[String], last: &syn::Ident| {
        let mut path = path.to_vec();
        if last != "self" {
            path.push(last.to_string());
        }
        let name = if name == "self" { path.last().cloned().unwrap_or_default() } else { name };
        names.insert(name, absolute(module, &path));
    };
    match tree {
        syn::UseTree::Path(path) => {
            prefix.push(path.ident.to_string());
            collect_names(module, prefix, &path.tree, names);
            prefix.pop();
        }
        syn::UseTree::Name(name) => put(name.ident.to_string(), prefix, &name.ident),
        syn::UseTree::Rename(rename) => put(rename.rename.to_string(), prefix, &rename.ident),
        syn::UseTree::Group(group) => {
            for item in &group.items {
                collect_names(module, prefix, item, names);
            }
        }
        syn::UseTree::Glob(_) => {}
    }
}

/// A path from the crate's root on; one into another crate leads to no file of ours.
fn absolute(module: &Module, path: &[String]) -> Vec<String> {
    let mut place = module.clone();
    let mut rest = path;
    while let Some((first, after)) = rest.split_first() {
        match first.as_str() {
            "crate" => place.clear(),
            "super" => drop(place.pop()),
            "self" => {}
            _ => break,
        }
        rest = after;
    }
    place.extend(rest.iter().cloned());
    place
}

/// The shortest circle through a file; none unless the file is the first of it in the alphabet.
fn circle_through(start: &Module, edges: &BTreeMap<&Module, BTreeSet<&Module>>) -> Option<String> {
    let mut before: BTreeMap<&Module, &Module> = BTreeMap::new();
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for next in edges.get(at).into_iter().flatten() {
            if *next == start {
                let mut way = vec![at];
                while let Some(earlier) = before.get(way.last()?).filter(|_| way.last() != Some(&start)) {
                    way.push(earlier);
                }
                way.reverse();
                way.push(start);
                let is_first = way.iter().min() == Some(&start);
                let names: Vec<String> = way.iter().map(|module| module.join("::")).collect();
                return is_first.then(|| names.join(" > "));
            }
            if *next != start && !before.contains_key(next) {
                before.insert(next, at);
                queue.push_back(next);
            }
        }
    }
    None
}

#[test]
fn no_file_uses_what_uses_it() {
    let files: Vec<(Module, String)> = source_files()
        .into_iter()
        .filter(|(_, module)| module != &["main"])
        .map(|(path, module)| (module, std::fs::read_to_string(path).unwrap()))
        .collect();
    let graph = Graph::of(files.iter().map(|(module, source)| (module.clone(), source.as_str())));
    let circles: Vec<String> = graph.circles().into_iter().collect();
    assert!(circles.is_empty(), "\n{}", circles.join("\n"));
}

mod planted {
    use super::{Graph, Module};

    fn circles(files: &[(&str, &str)]) -> Vec<String> {
        let module = |name: &str| -> Module {
            name.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect()
        };
        let files = files.iter().map(|(name, source)| (module(name), *source));
        Graph::of(files).circles().into_iter().collect()
    }

    #[test]
    fn a_circle_of_two_files_in_a_folder_is_found() {
        let files = [
            ("load", "mod exchange; mod http2;"),
            ("load::exchange", "use super::http2::Stream;"),
            ("load::http2", "fn f() { crate::load::exchange::go() }"),
        ];
        assert_eq!(circles(&files), ["load::exchange > load::http2 > load::exchange"]);
    }

    #[test]
    fn a_circle_of_parent_and_child_is_found() {
        let files = [
            ("launch", "mod command; fn f() { command::prepare() } pub struct Request;"),
            ("launch::command", "use super::Request;"),
        ];
        assert_eq!(circles(&files), ["launch > launch::command > launch"]);
    }

    #[test]
    fn a_circle_of_three_through_a_re_export_is_found() {
        let files = [
            ("a", "mod one; mod two; mod three; pub use three::Three;"),
            ("a::one", "use super::two::Two;"),
            ("a::two", "use crate::a::Three;"),
            ("a::three", "use crate::a::one::One;"),
        ];
        assert_eq!(circles(&files), ["a::one > a::two > a::three > a::one"]);
    }

    #[test]
    fn declarations_re_exports_and_tests_are_no_circle() {
        let files = [
            ("a", "mod one; mod two; pub use one::One; #[cfg(test)] mod tests;"),
            ("a::one", "use super::two::Two; #[cfg(test)] mod tests { use super::super::two::f; }"),
            ("a::two", "pub struct Two; #[cfg(test)] mod tests { use crate::a::One; }"),
            ("a::tests", "use super::*; use crate::a::one::One;"),
        ];
        assert_eq!(circles(&files), Vec::<String>::new());
    }
}
