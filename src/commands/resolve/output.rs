//! Where results go, from the flags: ours, and those of Google's inference-benchmark.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::bucket::Bucket;
use crate::cli::{ExportArg, OutputArgs, UploadArgs};
use crate::results;
use crate::schema::plan::{Export, Output};
use crate::schema::refusal::refuse;

/// The longest beginning of files' names, bytes.
const LONGEST_PREFIX: usize = 60;

/// Where the results of a plan go.
///
/// # Errors
/// An address that is no bucket's, a prefix that is no part of a name, metadata that is no JSON object.
pub fn output(args: &OutputArgs, folder: bool) -> anyhow::Result<Output> {
    Ok(Output {
        directory: args.output.clone(),
        folder,
        upload: address(&args.upload)?,
        file_prefix: prefix(args.export.file_prefix.as_deref())?,
        export: args.export.export.map(|export| match export {
            ExportArg::LpgJson => Export::LpgJson,
        }),
        metadata: metadata(args.export.additional_metadata_metrics_to_save.as_deref())?,
    })
}

/// The address that results are copied to, checked for its form.
///
/// # Errors
/// It is no bucket's, or holds a key.
pub fn address(args: &UploadArgs) -> anyhow::Result<Option<String>> {
    let given = match (&args.upload, &args.output_bucket) {
        (Some(url), _) => url.clone(),
        (None, Some(bucket)) => google(bucket, args.output_bucket_filepath.as_deref())?,
        (None, None) => return Ok(None),
    };
    Bucket::of(&given).map(|_| Some(given))
}

/// `--output-bucket` names a bucket alone.
fn google(bucket: &str, path: Option<&str>) -> anyhow::Result<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if bucket.is_empty() || !bucket.chars().all(is_name) {
        return refuse(
            "--output-bucket takes the name of a bucket of Google Cloud Storage",
            "give --output-bucket NAME --output-bucket-filepath PATH, or --upload URL",
        );
    }
    let path = path.unwrap_or_default().trim_matches('/');
    Ok(format!("gs://{bucket}/{path}"))
}

fn prefix(given: Option<&str>) -> anyhow::Result<Option<String>> {
    let Some(given) = given else { return Ok(None) };
    if given.is_empty() || given.len() > LONGEST_PREFIX || results::file_name(given) != given {
        return refuse(
            format!("--file-prefix '{given}' is no part of a file's name"),
            "take letters, digits, '.', '-' and '_', at most 60",
        );
    }
    Ok(Some(given.to_owned()))
}

fn metadata(given: Option<&str>) -> anyhow::Result<BTreeMap<String, Value>> {
    let Some(given) = given else { return Ok(BTreeMap::new()) };
    match serde_json::from_str(given) {
        Ok(Value::Object(map)) => Ok(map.into_iter().collect()),
        Ok(_) | Err(_) => refuse(
            "--additional-metadata-metrics-to-save is no JSON object",
            "give one such as '{\"team\": \"a\", \"accelerator\": \"h100\"}'",
        ),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn googles_two_flags_are_one_address() {
        let args = |bucket: &str, path: Option<&str>| UploadArgs {
            upload: None,
            output_bucket: Some(bucket.to_owned()),
            output_bucket_filepath: path.map(str::to_owned),
        };
        let of = |bucket, path| address(&args(bucket, path)).unwrap().unwrap();
        assert_eq!(of("b", Some("/runs/today/")), "gs://b/runs/today");
        assert_eq!(of("b", None), "gs://b/");
        assert!(address(&args("gs://b", None)).is_err());
        assert_eq!(address(&UploadArgs::default()).unwrap(), None);
    }

    #[test]
    fn a_prefix_leads_nowhere_and_metadata_is_an_object() {
        assert_eq!(prefix(Some("nightly-1")).unwrap().as_deref(), Some("nightly-1"));
        for bad in ["", "a/b", "..", ".hidden", "a b", &"x".repeat(61)] {
            assert!(prefix(Some(bad)).is_err(), "{bad}");
        }
        assert_eq!(metadata(Some("{\"a\": 1}")).unwrap(), BTreeMap::from([("a".to_owned(), 1.into())]));
        for bad in ["", "[1]", "1", "{a: 1}"] {
            assert!(metadata(Some(bad)).is_err(), "{bad}");
        }
    }
}
