//! Tables of a page.

use super::escape::text;
use crate::report::number::{NONE, compact};

/// A column's head.
pub struct Head {
    /// What it shows.
    pub title: String,
    /// Numbers stand to the right.
    pub number: bool,
}

impl Head {
    /// Of words.
    pub fn words(title: &str) -> Head {
        Head { title: title.to_owned(), number: false }
    }

    /// Of numbers.
    pub fn number(title: impl Into<String>) -> Head {
        Head { title: title.into(), number: true }
    }
}

/// What a cell shows, as HTML, and what it is sorted by.
pub struct Cell {
    /// HTML.
    pub html: String,
    /// A number to sort by; none: the text.
    pub sort: Option<f64>,
    /// A class of the style sheet; may be empty.
    pub class: &'static str,
}

impl Cell {
    /// Text from anywhere.
    pub fn words(words: &str) -> Cell {
        Cell::html(text(words))
    }

    /// What is HTML already.
    pub fn html(html: String) -> Cell {
        Cell { html, sort: None, class: "" }
    }

    /// A number in three digits, or a dash.
    pub fn number(value: Option<f64>) -> Cell {
        Cell { html: value.map_or_else(|| NONE.to_owned(), compact), sort: value, class: "" }
    }

    /// A count, whole.
    pub fn count(value: u64) -> Cell {
        Cell { html: crate::report::number::count(value), sort: Some(value as f64), class: "" }
    }
}

/// A table: what it is called, its heads, its rows, the first cell of each being the row's head.
pub struct Table {
    /// Above it, and what a screen reader calls it.
    pub caption: String,
    /// Heads.
    pub heads: Vec<Head>,
    /// Cells in the order of the heads.
    pub rows: Vec<Vec<Cell>>,
    /// Its heads sort it.
    pub sortable: bool,
}

impl Table {
    /// As HTML. It scrolls by itself where it is wider than the page.
    pub fn html(&self) -> String {
        let heads: String = self
            .heads
            .iter()
            .map(|head| {
                let class = if head.number { " class=\"n\"" } else { "" };
                format!("<th scope=\"col\"{class}>{}</th>", text(&head.title))
            })
            .collect();
        let rows: String = self.rows.iter().map(|row| format!("<tr>{}</tr>\n", self.cells(row))).collect();
        let sortable = if self.sortable { " class=\"sortable\"" } else { "" };
        let caption = text(&self.caption);
        format!(
            "<div class=\"scroll\" role=\"region\" aria-label=\"{caption}\" tabindex=\"0\">\
             <table{sortable}>\n<caption>{caption}</caption>\n<thead><tr>{heads}</tr></thead>\n\
             <tbody>\n{rows}</tbody></table></div>\n"
        )
    }

    fn cells(&self, row: &[Cell]) -> String {
        let cells = row.iter().zip(&self.heads).enumerate().map(|(place, (cell, head))| {
            let tag = if place == 0 { "th scope=\"row\"" } else { "td" };
            let end = if place == 0 { "th" } else { "td" };
            let class = match (head.number, cell.class) {
                (false, "") => String::new(),
                (true, "") => " class=\"n\"".to_owned(),
                (false, class) => format!(" class=\"{class}\""),
                (true, class) => format!(" class=\"n {class}\""),
            };
            let sort = cell.sort.map(|sort| format!(" data-sort=\"{sort}\"")).unwrap_or_default();
            format!("<{tag}{class}{sort}>{}</{end}>", cell.html)
        });
        cells.collect()
    }
}
