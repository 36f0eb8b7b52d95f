//! Values that Kubernetes would refuse only after they were sent, or never: names, quantities, labels.

use std::borrow::Cow;

use anyhow::Context;
use url::{Host, Url};

use crate::bucket::Bucket;
use crate::cli::ManifestArgs;
use crate::schema::refusal::refuse;

/// The longest label of a DNS name.
const LONGEST_LABEL: usize = 63;
/// The longest name of a Secret, an account or a claim: a DNS name.
const LONGEST_NAME: usize = 253;

/// All arguments but the plan.
pub fn check(args: &ManifestArgs) -> anyhow::Result<()> {
    // The Service bears the name, and a Service's name begins with a letter.
    if !is_label(&args.name) || !args.name.starts_with(|first: char| first.is_ascii_lowercase()) {
        return refuse(
            format!("--name {}: not a name of a Service", args.name),
            "small letters, digits and dashes, a letter first",
        );
    }
    let last_host = format!("{}-{}", args.name, args.workers - 1);
    if last_host.len() > LONGEST_LABEL {
        return refuse(
            format!(
                "--name {}: the last pod's host name, {last_host}, is longer than 63 characters",
                args.name
            ),
            "a shorter --name",
        );
    }
    if args.namespace.as_deref().is_some_and(|namespace| !is_label(namespace)) {
        return refuse(
            "--namespace: not a name of a namespace",
            "small letters, digits and dashes, at most 63",
        );
    }
    for (flag, name) in [
        ("--env-secret", args.env_secret.as_deref()),
        ("--service-account", args.service_account.as_deref()),
        ("--pvc", args.pvc.as_deref()),
    ] {
        if name.is_some_and(|name| !is_name(name)) {
            return refuse(
                format!("{flag}: not a name of an object"),
                "small letters, digits, dashes and dots",
            );
        }
    }
    if !is_quantity(&args.memory) {
        return refuse(format!("--memory {}: not a quantity of memory", args.memory), "such as 512Mi or 8Gi");
    }
    args.upload.as_deref().map(bucket).transpose()?;
    if args.image.is_empty() || args.image.contains(char::is_whitespace) {
        return refuse("--image: not a name of an image", "such as registry.example/harness:1");
    }
    Ok(())
}

/// The address of a bucket that a pod reaches: a directory ends with the pod.
pub fn bucket(address: &str) -> anyhow::Result<()> {
    Bucket::of(address)?;
    if address.trim_start().get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("file:")) {
        return refuse(
            format!("{address} is the pod's own disk, which ends with the pod"),
            "give s3://…, gs://… or az://…, or keep the results on a volume: --pvc NAME",
        );
    }
    Ok(())
}

/// `KEY=VALUE` of a node's label.
pub fn node_label(text: &str) -> anyhow::Result<(String, String)> {
    let parts = text.split_once('=').filter(|(key, value)| is_label_key(key) && is_label_value(value));
    match parts {
        Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
        None => refuse(
            format!("--node-selector {text}: not KEY=VALUE of a label"),
            "such as cloud.google.com/gke-nodepool=load",
        ),
    }
}

/// `NAME[:KEY]` of a Secret.
pub fn secret(flag: &str, text: &str, usual_key: &str) -> anyhow::Result<(String, String)> {
    let (name, key) = text.split_once(':').unwrap_or((text, usual_key));
    if !is_name(name) || !is_file_key(key) {
        // It may be the key itself, so that it is not repeated.
        return refuse(
            format!("{flag} is not NAME[:KEY] of a Secret"),
            format!("kubectl create secret generic llm --from-literal={usual_key}=…, then {flag} llm"),
        );
    }
    Ok((name.to_owned(), key.to_owned()))
}

/// An address that is the pod itself when a pod asks for it, or a socket's file that no pod has.
pub fn is_own_machine(url: &str) -> bool {
    if url.starts_with("unix:") {
        return true;
    }
    // Without a scheme it is http, as for the commands.
    let url = if url.contains("://") { Cow::Borrowed(url) } else { Cow::Owned(format!("http://{url}")) };
    match Url::parse(&url).context("no URL").map(|url| url.host().map(|host| host.to_owned())) {
        Ok(Some(Host::Domain(name))) => name == "localhost" || name.ends_with(".localhost"),
        Ok(Some(Host::Ipv4(address))) => address.is_loopback() || address.is_unspecified(),
        Ok(Some(Host::Ipv6(address))) => address.is_loopback() || address.is_unspecified(),
        Ok(None) | Err(_) => false,
    }
}

/// A key of a ConfigMap or a Secret.
pub fn is_file_key(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    !text.is_empty() && text.len() <= LONGEST_NAME && text.chars().all(plain) && text != "." && text != ".."
}

/// RFC 1123: small letters, digits and dashes, neither first nor last a dash, at most 63.
pub fn is_label(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty()
        && text.len() <= LONGEST_LABEL
        && text.chars().all(plain)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn is_name(text: &str) -> bool {
    text.len() <= LONGEST_NAME && text.split('.').all(is_label)
}

fn is_label_key(text: &str) -> bool {
    match text.split_once('/') {
        Some((domain, name)) => is_name(domain) && !name.is_empty() && is_label_value(name),
        None => !text.is_empty() && is_label_value(text),
    }
}

fn is_label_value(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let edge = |c: char| c.is_ascii_alphanumeric();
    text.len() <= LONGEST_LABEL
        && text.chars().all(plain)
        && text.chars().next().is_none_or(edge)
        && text.chars().next_back().is_none_or(edge)
}

/// A quantity of bytes over zero: a decimal number with a suffix of a power of 2 or 10, or none.
fn is_quantity(text: &str) -> bool {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(split);
    let known = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "k", "M", "G", "T", "P"];
    number.starts_with(|first: char| first.is_ascii_digit())
        && number.parse::<f64>().is_ok_and(|value| value > 0.0)
        && known.contains(&suffix)
}
