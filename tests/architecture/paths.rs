//! Every path in a source file that leads to a module of this crate, resolved to its top-level module.

use std::collections::HashMap;

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// The crate's name as other crates and its own binary write it.
const CRATE: &str = "harness";

/// A path into this crate.
#[derive(Debug)]
pub struct Reference {
    pub line: usize,
    /// As resolved: `crate::load::Engine`.
    pub path: String,
    /// The top-level module, none for the crate's root as a whole.
    pub target: Option<String>,
    /// It stands below `#[cfg(test)]`.
    pub in_test: bool,
    /// It is a `pub use`: a name for something, of which the file itself need not make use.
    pub is_export: bool,
}

/// Every reference of a file whose module path is `module`, `["main"]` being the binary.
pub fn references(module: &[&str], source: &str) -> Vec<Reference> {
    let file = syn::parse_file(source).unwrap_or_else(|error| panic!("{module:?} is no Rust: {error}"));
    let mut walker = Walker {
        is_binary: module == ["main"],
        module: module.iter().map(|part| (*part).to_owned()).collect(),
        aliases: vec![HashMap::new()],
        tests: 0,
        in_export: false,
        found: Vec::new(),
    };
    walker.visit_file(&file);
    walker.found
}

struct Walker {
    is_binary: bool,
    /// Where the walk is, inline modules included.
    module: Vec<String>,
    /// Names in scope for a place in this crate, by module: `use crate as us`, `mod load;` in the root.
    aliases: Vec<HashMap<String, Vec<String>>>,
    /// How many `#[cfg(test)]` the walk is below.
    tests: u32,
    /// Within a `pub use`.
    in_export: bool,
    found: Vec<Reference>,
}

impl Walker {
    /// The place in the crate that a path names, or none where it leads out of it or is local.
    fn resolve(&self, segments: &[String]) -> Option<Vec<String>> {
        let (first, mut rest) = segments.split_first()?;
        let mut place = match first.as_str() {
            "crate" if self.is_binary => return None,
            "crate" | CRATE => Vec::new(),
            "self" => self.module.clone(),
            "super" => self.module[..self.module.len().checked_sub(1)?].to_vec(),
            name => self.aliases.last()?.get(name)?.clone(),
        };
        while let Some((next, after)) = rest.split_first() {
            match next.as_str() {
                "self" => {}
                "super" => {
                    place.pop();
                }
                _ => break,
            }
            rest = after;
        }
        place.extend(rest.iter().cloned());
        Some(place)
    }

    /// Notes a path where it leads into this crate.
    fn note(&mut self, segments: &[String], line: usize) {
        let Some(place) = self.resolve(segments) else { return };
        let target = place.first().filter(|first| *first != "*").cloned();
        let path = std::iter::once("crate".to_owned()).chain(place).collect::<Vec<_>>().join("::");
        let (in_test, is_export) = (self.tests > 0, self.in_export);
        self.found.push(Reference { line, path, target, in_test, is_export });
    }

    fn note_use(&mut self, prefix: &mut Vec<String>, tree: &syn::UseTree) {
        let line = tree.span().start().line;
        let note_leaf = |walker: &mut Self, prefix: &[String], name: &syn::Ident| {
            let mut path = prefix.to_vec();
            if name != "self" || path.is_empty() {
                path.push(name.to_string());
            }
            walker.note(&path, line);
        };
        match tree {
            syn::UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.note_use(prefix, &path.tree);
                prefix.pop();
            }
            syn::UseTree::Name(name) => note_leaf(self, prefix, &name.ident),
            syn::UseTree::Rename(rename) => note_leaf(self, prefix, &rename.ident),
            syn::UseTree::Glob(_) => {
                let mut path = prefix.clone();
                path.push("*".to_owned());
                self.note(&path, line);
            }
            syn::UseTree::Group(group) => {
                for item in &group.items {
                    self.note_use(prefix, item);
                }
            }
        }
    }

    /// Names that stand for the crate's root, or for a module that this file declares.
    fn collect_aliases(&mut self, items: &[syn::Item]) {
        let mut names = HashMap::new();
        for item in items {
            match item {
                syn::Item::Use(item) => self.collect_renames(&mut Vec::new(), &item.tree, &mut names),
                syn::Item::Mod(item) if self.module.is_empty() || item.content.is_none() => {
                    let place = self.module.iter().cloned().chain([item.ident.to_string()]);
                    names.insert(item.ident.to_string(), place.collect());
                }
                syn::Item::ExternCrate(item) if item.ident == "self" => {
                    if let Some((_, name)) = &item.rename {
                        names.insert(name.to_string(), Vec::new());
                    }
                }
                _ => {}
            }
        }
        self.aliases.push(names);
    }

    fn collect_renames(
        &self,
        prefix: &mut Vec<String>,
        tree: &syn::UseTree,
        names: &mut HashMap<String, Vec<String>>,
    ) {
        match tree {
            syn::UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.collect_renames(prefix, &path.tree, names);
                prefix.pop();
            }
            syn::UseTree::Rename(rename) => {
                let mut path = prefix.clone();
                if rename.ident != "self" || path.is_empty() {
                    path.push(rename.ident.to_string());
                }
                // Only the root needs following: the import of anything below it is noted where it stands.
                if self.resolve(&path).is_some_and(|place| place.is_empty()) {
                    names.insert(rename.rename.to_string(), Vec::new());
                }
            }
            syn::UseTree::Group(group) => {
                for item in &group.items {
                    self.collect_renames(prefix, item, names);
                }
            }
            syn::UseTree::Name(_) | syn::UseTree::Glob(_) => {}
        }
    }

    /// Paths in what is no syntax tree: identifiers with `::` between them.
    fn scan_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut line = 0;
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.note_tokens(&mut path, line);
                        line = ident.span().start().line;
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' && !path.is_empty() => colons += 1,
                TokenTree::Group(group) => {
                    // `crate::{a, b}` in a macro's tokens: each of them stands behind the prefix.
                    let prefix = if colons == 2 { path.clone() } else { Vec::new() };
                    self.note_tokens(&mut path, line);
                    colons = 0;
                    if !prefix.is_empty() {
                        self.scan_group(&prefix, group.stream());
                    }
                    self.scan_tokens(group.stream());
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {
                    self.note_tokens(&mut path, line);
                    colons = 0;
                }
            }
        }
        self.note_tokens(&mut path, line);
    }

    /// serde takes paths as strings: `with = "crate::…"`.
    fn scan_strings(&mut self, tokens: TokenStream) {
        for token in tokens {
            if let TokenTree::Literal(literal) = token
                && let syn::Lit::Str(text) = syn::Lit::new(literal)
                && let Ok(path) = text.parse::<TokenStream>()
            {
                self.scan_tokens(path);
            }
        }
    }

    fn scan_group(&mut self, prefix: &[String], tokens: TokenStream) {
        let mut at_start = true;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) if at_start => {
                    let mut path = prefix.to_vec();
                    path.push(ident.to_string());
                    self.note(&path, ident.span().start().line);
                    at_start = false;
                }
                TokenTree::Punct(punct) => at_start = punct.as_char() == ',',
                TokenTree::Ident(_) | TokenTree::Literal(_) | TokenTree::Group(_) => {}
            }
        }
    }

    /// A lone word, such as `self` or `crate`, is no path.
    fn note_tokens(&mut self, path: &mut Vec<String>, line: usize) {
        if path.len() > 1 {
            self.note(path, line);
        }
        path.clear();
    }
}

/// True where an item is compiled for tests alone.
pub fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        syn::Meta::Path(_) | syn::Meta::NameValue(_) => false,
    })
}

impl<'ast> Visit<'ast> for Walker {
    fn visit_file(&mut self, file: &'ast syn::File) {
        self.collect_aliases(&file.items);
        visit::visit_file(self, file);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let Some((_, items)) = &item.content else { return };
        self.module.push(item.ident.to_string());
        self.collect_aliases(items);
        self.tests += u32::from(is_for_tests(&item.attrs));
        visit::visit_item_mod(self, item);
        self.tests -= u32::from(is_for_tests(&item.attrs));
        self.aliases.pop();
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tests += u32::from(is_for_tests(&item.attrs));
        self.in_export = !matches!(item.vis, syn::Visibility::Inherited);
        self.note_use(&mut Vec::new(), &item.tree);
        self.in_export = false;
        self.tests -= u32::from(is_for_tests(&item.attrs));
    }

    fn visit_item_extern_crate(&mut self, item: &'ast syn::ItemExternCrate) {
        if item.ident == "self" || item.ident == CRATE {
            self.note(&["crate".to_owned()], item.span().start().line);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if segments.len() > 1 {
            self.note(&segments, path.span().start().line);
        }
        visit::visit_path(self, path);
    }

    fn visit_vis_restricted(&mut self, restricted: &'ast syn::VisRestricted) {
        // `pub(crate)` and `pub(super)` import nothing; `pub(in crate::load)` is a path like any other.
        if restricted.in_token.is_some() {
            visit::visit_vis_restricted(self, restricted);
        }
    }

    /// What syn does not read as syntax: macro calls and definitions, attributes, syntax it does not know.
    fn visit_token_stream(&mut self, tokens: &'ast TokenStream) {
        self.scan_tokens(tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if let syn::Meta::List(list) = &attribute.meta
            && attribute.path().is_ident("serde")
        {
            self.scan_strings(list.tokens.clone());
        }
        visit::visit_attribute(self, attribute);
    }
}
