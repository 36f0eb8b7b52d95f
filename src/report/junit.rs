//! A check as JUnit XML, which CI systems show: a suite for each label and load, a case a figure.

use super::check::{by_load, figure_title, place, sentence};
use crate::schema::check::{CheckFile, CheckRow, CheckVerdict};
use crate::schema::text::plain;

/// The whole file.
pub fn junit_xml(check: &CheckFile) -> String {
    let mut xml =
        String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"harness check\">\n");
    for rows in by_load(&check.rows) {
        let name = rows.first().map(place).unwrap_or_default();
        let count =
            |verdicts: &[CheckVerdict]| rows.iter().filter(|row| verdicts.contains(&row.verdict)).count();
        xml += &format!(
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\">\n",
            escaped(&name),
            rows.len(),
            count(&[CheckVerdict::Regression]),
            count(&[CheckVerdict::NoValue]),
            count(&[CheckVerdict::CannotTell, CheckVerdict::NotShown]),
        );
        xml.extend(rows.iter().map(|row| case(row, &name)));
        xml += "  </testsuite>\n";
    }
    if !check.not_checked.is_empty() {
        xml += &not_checked(&check.not_checked);
    }
    xml + "</testsuites>\n"
}

fn case(row: &CheckRow, class: &str) -> String {
    let (name, class) = (escaped(&figure_title(row)), escaped(class));
    let message = escaped(&sentence(row));
    let inside = match row.verdict {
        CheckVerdict::Regression => format!("<failure type=\"regression\" message=\"{message}\"/>"),
        CheckVerdict::NoValue => format!("<error type=\"no value\" message=\"{message}\"/>"),
        CheckVerdict::CannotTell | CheckVerdict::NotShown => format!("<skipped message=\"{message}\"/>"),
        CheckVerdict::WithinLimit | CheckVerdict::Better => format!("<system-out>{message}</system-out>"),
    };
    format!("    <testcase classname=\"{class}\" name=\"{name}\">{inside}</testcase>\n")
}

/// What could not be checked at all stands as errors of a suite of its own: it must not pass unseen.
fn not_checked(texts: &[String]) -> String {
    let cases: String = texts
        .iter()
        .map(|text| {
            let text = escaped(text);
            format!("    <testcase classname=\"not checked\" name=\"{text}\"><error message=\"{text}\"/></testcase>\n")
        })
        .collect();
    let count = texts.len();
    format!(
        "  <testsuite name=\"not checked\" tests=\"{count}\" failures=\"0\" errors=\"{count}\" skipped=\"0\">\n\
         {cases}  </testsuite>\n"
    )
}

/// Text in an attribute or an element. XML 1.0 knows no way to write a control character.
fn escaped(text: &str) -> String {
    plain(text)
        .chars()
        .filter(|character| !matches!(character, '\u{fffe}' | '\u{ffff}'))
        .map(|character| match character {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            '"' => "&quot;".to_owned(),
            '\'' => "&apos;".to_owned(),
            other => other.to_string(),
        })
        .collect()
}
