//! What a person has chosen to see.

use crate::commands::tui::keys::Key;

/// What a person has chosen to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The server's log is shown.
    pub log: bool,
    /// The keys are explained.
    pub help: bool,
    /// Lines that lie below the shown ones.
    scroll: usize,
    /// Lines that are shown, and all that there are, as drawn last.
    shown: (usize, usize),
}

impl Default for View {
    fn default() -> Self {
        View { log: true, help: false, scroll: 0, shown: (0, 0) }
    }
}

impl View {
    /// Lines that lie below the shown ones; 0: the end is shown, and follows.
    pub fn scrolled(&self) -> usize {
        self.scroll
    }

    /// So many lines were drawn of so many.
    pub fn drawn(&mut self, shown: usize, all: usize) {
        self.shown = (shown, all);
        self.scroll = self.scroll.min(all.saturating_sub(shown));
    }

    /// A key that changes what is shown.
    pub fn press(&mut self, key: Key) {
        if std::mem::take(&mut self.help) && key == Key::Help {
            return;
        }
        let (shown, all) = self.shown;
        let page = shown.saturating_sub(1).max(1);
        let most = all.saturating_sub(shown);
        match key {
            Key::Log => (self.log, self.scroll) = (!self.log, 0),
            Key::Help => self.help = true,
            Key::Up => self.scroll = (self.scroll + 1).min(most),
            Key::Down => self.scroll = self.scroll.saturating_sub(1),
            Key::PageUp => self.scroll = (self.scroll + page).min(most),
            Key::PageDown => self.scroll = self.scroll.saturating_sub(page),
            Key::First => self.scroll = most,
            Key::Last => self.scroll = 0,
            Key::Stop | Key::Redraw | Key::Other => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_scroll_between_the_ends_and_another_text_begins_at_its_end() {
        let mut view = View::default();
        view.drawn(10, 25);
        for (key, scrolled) in [
            (Key::Down, 0),
            (Key::Up, 1),
            (Key::PageUp, 10),
            (Key::PageUp, 15),
            (Key::Up, 15),
            (Key::PageDown, 6),
            (Key::First, 15),
            (Key::Last, 0),
            (Key::Up, 1),
            (Key::Log, 0),
        ] {
            view.press(key);
            assert_eq!(view.scrolled(), scrolled, "{key:?}");
        }
        view.press(Key::Help);
        assert!(view.help && !view.log);
        view.press(Key::Log);
        assert!(!view.help && view.log, "a key that means something does it, and closes the help");
    }
}
