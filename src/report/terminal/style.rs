//! How wide and how colourful a terminal is.

/// How wide and how colourful.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Columns; under 40 counts as 40.
    pub width: usize,
    /// ANSI colours and bold are wanted.
    pub colour: bool,
}

impl Style {
    pub(in crate::report) fn columns(self) -> usize {
        self.width.max(40)
    }

    pub(in crate::report) fn bold(self, text: &str) -> String {
        if self.colour { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}
