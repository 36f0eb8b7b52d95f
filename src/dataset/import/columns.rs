//! Which column of a file stands for which of our keys.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use crate::dataset::parse::{LONGEST_COLUMN, MOST_COLUMNS, clip};
use crate::schema::reading::PromptFormat;
use crate::schema::refusal::refuse;

/// What a column may stand for.
pub(super) const OURS: [&str; 6] = ["prompt", "messages", "max_tokens", "category", "id", "reply"];

/// Our keys, each with the column that stands for it. A key that is not named here is a column of its own name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns {
    by_key: BTreeMap<String, String>,
}

impl Columns {
    /// From `[("prompt", "question"), …]`.
    ///
    /// # Errors
    /// A key that is none of ours, one that stands twice, or a column without a name.
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Columns> {
        let mut by_key = BTreeMap::new();
        for (key, column) in pairs {
            if !OURS.contains(&key.as_str()) {
                return refuse(
                    format!("--columns: `{key}` is nothing that a column can stand for"),
                    format!("write {}=COLUMN", OURS.join("=COLUMN, ")),
                );
            }
            if column.is_empty() {
                return refuse(format!("--columns: `{key}` has no column"), format!("write {key}=COLUMN"));
            }
            if by_key.insert(key.clone(), column).is_some() {
                return refuse(format!("--columns: `{key}` stands twice"), "leave one of them out");
            }
        }
        Ok(Columns { by_key })
    }

    /// None was named.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// As they were named.
    pub fn named(&self) -> &BTreeMap<String, String> {
        &self.by_key
    }

    /// The key for which a column was named to stand.
    pub(super) fn stands_for(&self, column: &str) -> Option<&'static str> {
        OURS.into_iter().find(|key| self.by_key.get(*key).is_some_and(|named| named == column))
    }

    /// The key of a column: what it was named to stand for, else its own name where that is a key of ours and no
    /// other column was named for it.
    pub(super) fn key(&self, column: &str) -> Option<&'static str> {
        self.stands_for(column).or_else(|| {
            OURS.into_iter().find(|key| *key == column && *key != "reply" && !self.by_key.contains_key(*key))
        })
    }

    /// Refuses columns that are not there, and tables without a prompt.
    ///
    /// # Errors
    /// What is missing, and the columns that are there.
    pub(super) fn check(&self, file: &str, names: &[String], keys: &[Option<&'static str>]) -> Result<()> {
        let there = || short(&names.join(", "));
        for (key, column) in &self.by_key {
            if !names.contains(column) {
                return refuse(
                    format!("{file} has no column `{}` for {key}", short(column)),
                    format!("its columns are {}", there()),
                );
            }
        }
        for key in OURS {
            if keys.iter().filter(|found| **found == Some(key)).count() > 1 {
                return refuse(format!("{file}: two columns stand for {key}"), "rename one of them");
            }
        }
        if !keys.iter().flatten().any(|key| matches!(*key, "prompt" | "messages")) {
            return refuse(
                format!("{file}: no column stands for the prompt"),
                format!("name it: --columns prompt=COLUMN; there are {}", there()),
            );
        }
        Ok(())
    }
}

/// Which of the named columns the rows of a file have.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Rows were read by the names of their columns.
    by_name: bool,
    /// The same, in any file so far.
    by_name_anywhere: bool,
    keys: BTreeSet<&'static str>,
    /// Columns of the first row.
    there: Vec<String>,
}

impl Seen {
    /// A table, whose columns are all in its head.
    pub(super) fn table(&mut self, columns: &Columns) {
        self.by_name = true;
        self.keys.extend(OURS.into_iter().filter(|key| columns.named().contains_key(*key)));
    }

    /// A record with these keys.
    pub(super) fn record<'a>(&mut self, columns: &Columns, names: impl Iterator<Item = &'a str>) {
        let is_first = !std::mem::replace(&mut self.by_name, true);
        for name in names {
            self.keys.extend(columns.stands_for(name));
            if is_first && self.there.len() < MOST_COLUMNS {
                self.there.push(clip(name, LONGEST_COLUMN));
            }
        }
    }

    /// A file is read: refuses columns that none of its rows has.
    ///
    /// # Errors
    /// The column, and those of the first row.
    pub(super) fn check_file(&mut self, columns: &Columns, file: &str) -> Result<()> {
        let seen = std::mem::take(self);
        self.by_name_anywhere = seen.by_name_anywhere || seen.by_name;
        let missing = columns.by_key.iter().find(|(key, _)| !seen.keys.contains(key.as_str()));
        match missing {
            Some((key, column)) if seen.by_name => refuse(
                format!("{file}: no row has the column `{}` for {key}", short(column)),
                format!("its first row has {}", short(&seen.there.join(", "))),
            ),
            Some(_) | None => Ok(()),
        }
    }

    /// All files are read: refuses columns that none of their forms takes.
    ///
    /// # Errors
    /// The form.
    pub(super) fn check_all(&self, columns: &Columns, format: Option<PromptFormat>) -> Result<()> {
        match format {
            Some(format) if !columns.is_empty() && !self.by_name_anywhere => refuse(
                format!("--columns names columns, and those of {format} have names of their own"),
                "leave --columns out, or say that it is a table or JSON lines of other columns, with its form",
            ),
            Some(_) | None => Ok(()),
        }
    }
}

/// A column's name, or several, not without end.
fn short(text: &str) -> String {
    const LONGEST: usize = 400;
    clip(text, LONGEST)
}
