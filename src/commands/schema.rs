//! `harness schema`: the JSON Schema of plan and results, from the types that write them.

use std::process::ExitCode;

use clap::ValueEnum;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;

use crate::cli::{SchemaArgs, SchemaOf};
use crate::progress::print;
use crate::schema::check::CheckFile;
use crate::schema::files::{ComparisonFile, RecordsFooter, RecordsHeader, RunFile};
use crate::schema::plan::Plan;
use crate::schema::record::RequestRecord;
use crate::schema::text::write_json_indented;

/// A line of a records file.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its form is asked for")]
enum RecordsLine {
    /// The first line.
    Header(Box<RecordsHeader>),
    /// A line for each request.
    Request(Box<RequestRecord>),
    /// The last line; its absence marks a crash.
    End(RecordsFooter),
}

/// Runs the command.
pub fn schema(args: &SchemaArgs) -> anyhow::Result<ExitCode> {
    let Some(of) = args.of else {
        print(&names());
        return Ok(ExitCode::SUCCESS);
    };
    let schema = match of {
        SchemaOf::Plan => of_type::<Plan>(),
        SchemaOf::Run => of_type::<RunFile>(),
        SchemaOf::Comparison => of_type::<ComparisonFile>(),
        SchemaOf::Records => of_type::<RecordsLine>(),
        SchemaOf::Check => of_type::<CheckFile>(),
    };
    let mut json = Vec::new();
    write_json_indented(&mut json, &schema)?;
    print(&String::from_utf8_lossy(&json));
    Ok(ExitCode::SUCCESS)
}

/// What is written, not what is also read: a reader learns which fields it can rely on.
fn of_type<T: JsonSchema>() -> schemars::Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>()
}

/// Every name with what it is, a line each.
fn names() -> String {
    let line = |of: &SchemaOf| {
        let value = of.to_possible_value()?;
        let help = value.get_help().map(ToString::to_string).unwrap_or_default();
        Some(format!("{:12}{help}\n", value.get_name()))
    };
    SchemaOf::value_variants().iter().filter_map(line).collect()
}
