//! `harness k8s manifest`: a plan → ConfigMap, headless Service and Indexed Job, as YAML on stdout. No client: what
//! is printed goes to kubectl.

mod checks;
mod files;
mod objects;
#[cfg(test)]
mod tests;
mod yaml;

use std::process::ExitCode;

use crate::cli::{K8sArgs, K8sCommand, ManifestArgs};
use crate::progress::{Progress, print};

use files::Carried;
use yaml::yaml;

/// From here on `kubectl apply` fails: it writes the whole object into an annotation, and 256 KiB is the most there.
const MOST_APPLIED: usize = 250 << 10;

/// Runs the command.
pub fn k8s(args: &K8sArgs) -> anyhow::Result<ExitCode> {
    let K8sCommand::Manifest(args) = &args.command;
    let carried = files::carry(args)?;
    print(&manifest(args, &carried)?);
    if carried.bytes() > MOST_APPLIED {
        Progress::new(false, false).say(
            "the ConfigMap is over 250 KiB: kubectl create takes it, and so does kubectl apply with --server-side",
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// The whole manifest: how it is used, then the objects.
fn manifest(args: &ManifestArgs, carried: &Carried) -> anyhow::Result<String> {
    checks::check(args)?;
    let mut text = how_to_use(args);
    for object in objects::objects(args, carried)? {
        text.push_str("---\n");
        text.push_str(&yaml(&object)?);
    }
    Ok(text)
}

/// What a person types next, as comments.
fn how_to_use(args: &ManifestArgs) -> String {
    let kubectl = match &args.namespace {
        Some(namespace) => format!("kubectl -n {namespace}"),
        None => "kubectl".to_owned(),
    };
    let name = &args.name;
    let first = format!("{}={name},batch.kubernetes.io/job-completion-index=0", objects::INSTANCE);
    let mut lines = vec![
        format!("start:   {kubectl} create -f THIS"),
        // By label, kubectl shows no more than ten lines of a log unless it is told to.
        format!("summary: {kubectl} logs -f --tail=-1 -l {first}"),
    ];
    if args.pvc.is_none() {
        lines.push(format!(
            "results: {kubectl} cp $({kubectl} get pod -l {first} -o name | cut -d/ -f2):results results"
        ));
    }
    lines.push(format!("remove:  {kubectl} delete job,service,configmap -l {}={name}", objects::INSTANCE));
    lines.iter().map(|line| format!("# {line}\n")).collect()
}
