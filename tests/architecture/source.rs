//! Our own source, file by file.

use std::path::{Path, PathBuf};

/// Every file under `src` with its module path.
pub fn source_files() -> Vec<(PathBuf, Vec<String>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    let mut directories = vec![root.clone()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let module = module_of(path.strip_prefix(&root).unwrap());
                files.push((path, module));
            }
        }
    }
    files.sort();
    files
}

/// `load/engine.rs` → `load::engine`, `load/mod.rs` → `load`, `lib.rs` → the root.
pub fn module_of(below_src: &Path) -> Vec<String> {
    let mut module: Vec<String> =
        below_src.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if module.last().is_some_and(|last| last == "mod") || module == ["lib"] {
        module.pop();
    }
    module
}
