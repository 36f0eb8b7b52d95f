//! Parquet, row by row. A row becomes a JSON object, and is read as one of the JSON forms.

use std::fs::File;
use std::panic::AssertUnwindSafe;
use std::path::Path;

use anyhow::Result;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row as ParquetRow};
use serde_json::{Map, Number, Value};

use super::parquet_pages::Checked;
use super::place::{Fault, Place};
use super::row::{Context, Parsed, RowOf, Rows};
use super::{jsonl, mt_bench, openai_batch, sharegpt};
use crate::schema::refusal::{OrRefuse, refuse};

/// The rows of a file.
pub(super) struct ParquetRows {
    rows: RowIter<'static>,
    row_of: RowOf,
    number: u64,
}

impl ParquetRows {
    /// Reads the file's columns.
    ///
    /// # Errors
    /// It is no Parquet file, or no column stands for the prompt.
    pub(super) fn open(path: &Path, context: &mut Context) -> Result<Self> {
        let shown = path.display().to_string();
        let cannot = || format!("{shown} cannot be read as Parquet");
        let cure = "check that the file is whole";
        let file = File::open(path).or_refuse(cannot, cure)?;
        let reader = guarded(cannot, || SerializedFileReader::new(file))?.or_refuse(cannot, cure)?;
        let schema = reader.metadata().file_metadata().schema();
        let names: Vec<String> = schema.get_fields().iter().map(|field| field.name().to_owned()).collect();
        let has = |name: &str| names.iter().any(|column| column == name);
        let row_of: RowOf = if has("conversations") || has("conversation") {
            sharegpt::row
        } else if has("custom_id") && has("body") {
            openai_batch::row
        } else if has("question_id") && has("turns") {
            mt_bench::row
        } else {
            let keys: Vec<Option<&'static str>> =
                names.iter().map(|name| context.columns.key(name)).collect();
            context.columns.check(&shown, &names, &keys)?;
            context.seen.table(&context.columns);
            jsonl::row
        };
        Ok(ParquetRows { rows: RowIter::from_file_into(Box::new(Checked(reader))), row_of, number: 0 })
    }
}

impl Rows for ParquetRows {
    fn next(&mut self, context: &mut Context) -> Result<Option<Result<Parsed, Fault>>> {
        let (rows, number) = (&mut self.rows, self.number + 1);
        let cannot = || format!("row {number} cannot be read");
        let Some(row) = guarded(cannot, || rows.next())? else { return Ok(None) };
        self.number += 1;
        let place = Place::Row(self.number);
        let row =
            row.or_refuse(|| format!("row {} cannot be read", self.number), "check that the file is whole")?;
        let text = Value::Object(object(&row)).to_string();
        Ok(Some((self.row_of)(&text, context).and_then(Parsed::checked).map_err(|wrong| wrong.at(place))))
    }
}

/// The reader's own word, also where a file that is broken makes it panic.
fn guarded<T>(cannot: impl Fn() -> String, read: impl FnOnce() -> T) -> Result<T> {
    std::panic::catch_unwind(AssertUnwindSafe(read)).or_else(|_| {
        refuse(format!("{}: its bytes contradict each other", cannot()), "check that the file is whole")
    })
}

fn object(row: &ParquetRow) -> Map<String, Value> {
    row.get_column_iter().map(|(name, field)| (name.clone(), value(field))).collect()
}

/// A cell as JSON. What has no form there is its text.
fn value(field: &Field) -> Value {
    let float = |number: f64| Number::from_f64(number).map_or(Value::Null, whole);
    match field {
        Field::Null => Value::Null,
        Field::Bool(value) => Value::Bool(*value),
        Field::Byte(value) => Value::from(*value),
        Field::Short(value) => Value::from(*value),
        Field::Int(value) => Value::from(*value),
        Field::Long(value) => Value::from(*value),
        Field::UByte(value) => Value::from(*value),
        Field::UShort(value) => Value::from(*value),
        Field::UInt(value) => Value::from(*value),
        Field::ULong(value) => Value::from(*value),
        Field::Float16(value) => float(f64::from(value.to_f32())),
        Field::Float(value) => float(f64::from(*value)),
        Field::Double(value) => float(*value),
        Field::Str(text) => Value::String(text.clone()),
        Field::Bytes(bytes) => match std::str::from_utf8(bytes.data()) {
            Ok(text) => Value::String(text.to_owned()),
            Err(_) => Value::Null,
        },
        Field::Group(row) => Value::Object(object(row)),
        Field::ListInternal(list) => Value::Array(list.elements().iter().map(value).collect()),
        Field::MapInternal(map) => Value::Object(
            map.entries()
                .iter()
                .map(|(key, field)| match value(key) {
                    Value::String(key) => (key, value(field)),
                    other => (other.to_string(), value(field)),
                })
                .collect(),
        ),
        other => Value::String(other.to_string()),
    }
}

/// A number without a fraction is a whole one: pandas makes floats of a column with empty cells.
fn whole(number: Number) -> Value {
    match number.as_f64() {
        Some(float) if float.fract() == 0.0 && (0.0..1e15).contains(&float) => Value::from(float as u64),
        Some(_) | None => Value::Number(number),
    }
}
