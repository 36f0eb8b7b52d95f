//! The rows of a file, whatever its form.

use std::io::Read;
use std::path::Path;

use anyhow::Result;

use super::csv::{self, CsvRows};
use super::detect::container;
use super::input::Input;
use super::parquet::ParquetRows;
use super::place::{Fault, Wrong};
use super::records::{Container, Records};
use super::row::{Context, Exchange, Parse, Parsed, Row, RowOf, Rows, read_on};
use super::{jsonl, longbench, mt_bench, openai_batch, sharegpt};
use crate::schema::reading::PromptFormat;

/// The rows of a file of a known form.
///
/// # Errors
/// Its columns are not those that are needed, or it cannot be read.
pub(super) fn rows(
    path: &Path,
    input: Input,
    format: PromptFormat,
    context: &mut Context,
) -> Result<Box<dyn Rows>> {
    let json = |row_of: RowOf, input: Input| -> Result<Box<dyn Rows>> {
        let container = container(&input.head);
        Ok(Box::new(RecordRows { records: records(input, container), row_of }))
    };
    match format {
        PromptFormat::Sharegpt => json(sharegpt::row, input),
        PromptFormat::Jsonl => json(jsonl::row, input),
        PromptFormat::OpenaiBatch => json(openai_batch::row, input),
        PromptFormat::MtBench => json(mt_bench::row, input),
        PromptFormat::Longbench => json(longbench::row, input),
        PromptFormat::Text => {
            Ok(Box::new(RecordRows { records: records(input, Container::Lines), row_of: text_row }))
        }
        PromptFormat::Csv => {
            let (_, delimiter) = csv::header(&String::from_utf8_lossy(&input.head));
            Ok(Box::new(CsvRows::new(input.content(), delimiter, &path.display().to_string(), context)?))
        }
        PromptFormat::Parquet => Ok(Box::new(ParquetRows::open(path, context)?)),
    }
}

fn records(input: Input, container: Container) -> Records<Box<dyn Read>> {
    let mark = input.mark();
    Records::new(input.content(), container).behind(mark)
}

/// One prompt a line.
fn text_row(text: &str, _context: &mut Context) -> Parse {
    Ok(Parsed::Row(Row { turns: vec![Exchange::text(text, None)], ..Row::default() }))
}

/// Records of text, each a row.
pub(super) struct RecordRows<R> {
    pub(super) records: Records<R>,
    pub(super) row_of: RowOf,
}

impl<R: Read> Rows for RecordRows<R> {
    fn next(&mut self, context: &mut Context) -> Result<Option<Result<Parsed, Fault>>> {
        let Some(record) = read_on(self.records.next())? else { return Ok(None) };
        Ok(Some(record.and_then(|record| {
            let text = std::str::from_utf8(record.bytes).map_err(|error| {
                let before = &record.bytes[..error.valid_up_to()];
                let lines_down = before.iter().filter(|byte| **byte == b'\n').count() as u64;
                Wrong { lines_down, what: "not UTF-8: save the file as UTF-8".to_owned() }.at(record.place)
            })?;
            (self.row_of)(text, context).and_then(Parsed::checked).map_err(|wrong| wrong.at(record.place))
        })))
    }
}
