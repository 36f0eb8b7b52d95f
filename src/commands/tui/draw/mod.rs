//! The board → a frame. Pure, at any size: what does not fit is left out, the least needed first.

mod backends;
mod frame;
mod lower;
mod machine;
mod run;
mod view;
mod words;

use ratatui::Frame;
use ratatui::layout::Rect;

pub use view::View;

use super::board::Board;
use frame::{footer, help, title};

/// A part of the picture, from top to bottom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Title,
    Backends,
    Run,
    Machine,
    Lower,
    Footer,
}

const PARTS: [Part; 6] = [Part::Title, Part::Backends, Part::Run, Part::Machine, Part::Lower, Part::Footer];

/// Draws the board. `log` is the end of the server's log.
pub fn draw(frame: &mut Frame<'_>, board: &Board, view: &mut View, log: &[String]) {
    let area = frame.area();
    let buffer = frame.buffer_mut();
    let heights = heights(area.height, board);
    let mut y = area.y;
    for (part, height) in PARTS.into_iter().zip(heights) {
        let part_area = Rect::new(area.x, y, area.width, height);
        y += height;
        if part_area.is_empty() {
            continue;
        }
        match part {
            Part::Title => title(buffer, part_area, board),
            Part::Backends => backends::draw(buffer, part_area, board),
            Part::Run => run::draw(buffer, part_area, board),
            Part::Machine => machine::draw(buffer, part_area, board),
            Part::Lower => lower::draw(buffer, part_area, board, view, log),
            Part::Footer => footer(buffer, part_area, board, view),
        }
    }
    if view.help {
        help(buffer, area);
    }
}

/// Rows of each part. They are dealt out in the order in which they are needed.
fn heights(height: u16, board: &Board) -> [u16; 6] {
    let backends = backends::lines(board);
    let (run, tall) = run::lines(board);
    let machine = machine::lines(board);
    let wishes = [
        (Part::Title, 1),
        (Part::Run, run.min(2)),
        (Part::Backends, 2),
        (Part::Footer, 1),
        (Part::Title, 1),
        // Heads with a rule above them.
        (Part::Backends, (backends + 1).min(7).saturating_sub(2)),
        (Part::Run, (run + 1).saturating_sub(2)),
        (Part::Lower, 3),
        (Part::Machine, if machine > 0 { machine.min(3) + 1 } else { 0 }),
        (Part::Lower, 3),
        (Part::Backends, (backends + 1).saturating_sub(7).min(6)),
        (Part::Machine, machine.saturating_sub(3).min(5)),
        (Part::Lower, 4),
        (Part::Run, tall),
        (Part::Lower, u16::MAX),
    ];
    let mut left = height;
    let mut heights = [0; 6];
    for (part, rows) in wishes {
        let given = rows.min(left);
        left -= given;
        if let Some(height) =
            PARTS.iter().position(|one| *one == part).and_then(|place| heights.get_mut(place))
        {
            *height += given;
        }
    }
    heights
}
