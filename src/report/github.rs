//! A check as GitHub's workflow commands: lines that become annotations of a run.
//! (docs.github.com, "Workflow commands for GitHub Actions"; escapes as in actions/toolkit, `core/src/command.ts`.)

use super::check::{figure_title, place, sentence};
use crate::schema::check::{CheckFile, CheckRow, CheckVerdict};
use crate::schema::text::plain;

/// A line for each regression, each figure that cannot be told and all that was not checked; empty where all is well.
pub fn annotations(check: &CheckFile) -> String {
    let rows = check.rows.iter().filter_map(|row| {
        let level = match row.verdict {
            CheckVerdict::Regression | CheckVerdict::NoValue => "error",
            CheckVerdict::CannotTell | CheckVerdict::NotShown => "warning",
            CheckVerdict::WithinLimit | CheckVerdict::Better => return None,
        };
        Some(command(level, &figure_title(row), &message(row)))
    });
    let not_checked = check.not_checked.iter().map(|text| command("error", "not checked", text));
    rows.chain(not_checked).collect()
}

fn message(row: &CheckRow) -> String {
    format!("{}: {}", place(row), sentence(row))
}

fn command(level: &str, title: &str, message: &str) -> String {
    let title = data(&plain(title)).replace(':', "%3A").replace(',', "%2C");
    format!("::{level} title={title}::{}\n", data(&plain(message)))
}

/// A message; a property needs `:` and `,` escaped too.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}
