//! A pretend `/proc` and `/sys` for tests.

use std::fs;
use std::path::Path;

/// A folder that stands for `/`.
pub(super) struct FakeProc(tempfile::TempDir);

/// A process to be written into it.
pub(super) struct FakeProcess<'a> {
    fake: &'a FakeProc,
    pid: u32,
    parent: u32,
    name: &'a str,
    state: char,
    own: u64,
    children: u64,
    start: u64,
    pages: u64,
}

impl FakeProc {
    pub(super) fn new() -> Self {
        FakeProc(tempfile::tempdir().unwrap())
    }

    pub(super) fn root(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(super) fn remove(&self, pid: u32) {
        fs::remove_dir_all(self.root().join(format!("proc/{pid}"))).unwrap();
    }

    pub(super) fn process(&self, pid: u32, parent: u32) -> FakeProcess<'_> {
        FakeProcess {
            fake: self,
            pid,
            parent,
            name: "x",
            state: 'S',
            own: 0,
            children: 0,
            start: 1,
            pages: 10,
        }
    }

    /// `/proc/stat`: ticks of user, system, softirq and steal.
    pub(super) fn cpu(&self, user: u64, system: u64, softirq: u64, steal: u64) {
        let text =
            format!("cpu  {user} 0 {system} 1000 5 0 {softirq} {steal} 0 0\ncpu0 1\ncpu1 1\nintr 5 6\n");
        self.write("proc/stat", &text);
    }
}

impl<'a> FakeProcess<'a> {
    pub(super) fn name(mut self, name: &'a str) -> Self {
        self.name = name;
        self
    }

    pub(super) fn zombie(mut self) -> Self {
        self.state = 'Z';
        self
    }

    pub(super) fn ticks(mut self, own: u64, children: u64) -> Self {
        (self.own, self.children) = (own, children);
        self
    }

    pub(super) fn start(mut self, start: u64) -> Self {
        self.start = start;
        self
    }

    pub(super) fn pages(mut self, pages: u64) -> Self {
        self.pages = pages;
        self
    }

    pub(super) fn put(self) {
        let FakeProcess { fake, pid, parent, name, state, own, children, start, pages } = self;
        let text = format!(
            "{pid} ({name}) {state} {parent} {pid} {pid} 0 -1 0 0 0 0 0 {own} 0 {children} 0 20 0 3 0 {start} 0 {pages} 0\n"
        );
        fake.write(&format!("proc/{pid}/stat"), &text);
    }
}
