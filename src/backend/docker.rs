//! An engine from an image: the `docker run` command, and its stop.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use tokio::process::Command;

use crate::backend::guard::Container;
use crate::backend::process::Process;
use crate::programs::{self, quiet};
use crate::schema::target::Docker;

/// What docker may take beyond the grace that it grants the container.
const STOP_MARGIN: Duration = Duration::from_secs(15);

/// The container's name: unique to run, label and harness, of the characters that docker allows.
pub fn container_name(run_id: &str, label: &str) -> String {
    let plain = |text: &str| -> String {
        text.chars()
            .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-') { c } else { '-' })
            .collect()
    };
    format!("harness-{}-{}-{}", plain(run_id), plain(label), std::process::id())
}

/// Label of every container that we start: the mark of the guard that it was started below.
const LABEL: &str = "harness.guard";

/// True where a container of this name is there and bears the guard's mark: a name alone may be anybody's.
pub fn bears_mark(client: &Path, name: &str, mark: &str, limit: Duration) -> bool {
    let format = format!("{{{{index .Config.Labels \"{LABEL}\"}}}}");
    // A name that reads like an option is none.
    let command = quiet(client, &["inspect", "--type", "container", "--format", &format, "--", name]);
    let output = programs::output(command, limit);
    output.is_some_and(|output| {
        output.status.success() && String::from_utf8_lossy(&output.stdout).trim() == mark
    })
}

/// The first process of a container that runs, where this machine numbers it as docker does: not where the daemon is
/// on another machine, or we are in a container ourselves.
pub fn first_process(container: &Container, limit: Duration) -> Option<Process> {
    let format = "{{.State.Pid}} {{.Id}}";
    let arguments = ["inspect", "--type", "container", "--format", format, "--", &container.name];
    let output = programs::output(quiet(&container.docker, &arguments), limit)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (pid, id) = text.trim().split_once(' ')?;
    // Its control group is named after it.
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    if !output.status.success() || id.len() < 12 || !groups.contains(id) {
        return None;
    }
    Process::of(pid.parse().ok()?)
}

/// The command that starts the image and stays attached to it: its output is the container's, and it ends when
/// the container ends. Variables in `names` are handed on by name, so that no value stands in the command.
pub fn run_command(
    client: &Path,
    docker: &Docker,
    (name, mark): (&str, &str),
    port: u16,
    environment: &BTreeMap<String, String>,
    names: &[String],
    arguments: &[String],
) -> Vec<String> {
    let mut command: Vec<String> = vec![client.display().to_string()];
    let mut add = |parts: &[&str]| command.extend(parts.iter().map(|part| (*part).to_owned()));
    // Removed by us, after its end could be looked at.
    add(&["run", "--rm=false", "--name", name]);
    add(&["-p", &format!("127.0.0.1:{port}:{}", docker.container_port)]);
    if let Some(gpus) = &docker.gpus {
        add(&["--gpus", gpus]);
    }
    for (host, inside) in &docker.mounts {
        let host = std::path::absolute(host).unwrap_or_else(|_| host.clone());
        add(&["-v", &format!("{}:{inside}:ro", host.display())]);
    }
    for (key, value) in environment {
        add(&["-e", &format!("{key}={value}")]);
    }
    for name in names {
        add(&["-e", name]);
    }
    add(&["--label", &format!("{LABEL}={mark}")]);
    command.extend(docker.run_args.iter().cloned());
    command.push(docker.image.clone());
    command.extend(arguments.iter().cloned());
    command
}

/// `docker stop`: SIGTERM inside, SIGKILL after the grace. True where docker says that it is stopped.
pub async fn stop(container: &Container, grace: Duration) -> bool {
    let seconds = grace.as_secs_f64().ceil().max(1.0).to_string();
    let stop = quiet(&container.docker, &["stop", "-t", &seconds, &container.name]);
    let stopping = Command::from(stop).kill_on_drop(true).status();
    matches!(tokio::time::timeout(grace + STOP_MARGIN, stopping).await, Ok(Ok(status)) if status.success())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn the_command_publishes_on_loopback_mounts_read_only_and_holds_no_secret() {
        let docker = Docker {
            image: "ghcr.io/x/tgi:3.3.7".into(),
            container_port: 80,
            mounts: BTreeMap::from([(PathBuf::from("/models/m"), "/model".to_owned())]),
            gpus: Some("all".into()),
            run_args: vec!["--shm-size".into(), "1g".into()],
        };
        let environment = BTreeMap::from([("PREFIX_CACHING".to_owned(), "0".to_owned())]);
        let command = run_command(
            Path::new("/usr/bin/docker"),
            &docker,
            ("harness-r-tgi-1", "7.8"),
            8123,
            &environment,
            &["HF_TOKEN".to_owned()],
            &["--model-id".to_owned(), "/model".to_owned()],
        );
        assert_eq!(
            command.join(" "),
            "/usr/bin/docker run --rm=false --name harness-r-tgi-1 -p 127.0.0.1:8123:80 --gpus all \
             -v /models/m:/model:ro -e PREFIX_CACHING=0 -e HF_TOKEN --label harness.guard=7.8 --shm-size 1g \
             ghcr.io/x/tgi:3.3.7 --model-id /model"
        );
    }

    #[test]
    fn a_label_with_other_characters_still_makes_a_name() {
        let expected = format!("harness-20260201_143000-a-b-{}", std::process::id());
        assert_eq!(container_name("20260201_143000", "a b"), expected);
    }
}
