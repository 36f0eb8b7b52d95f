//! What kubernetes-validate lets through: values. The form is checked by the types, and once more by
//! scripts/check-kubernetes.sh.

use std::path::PathBuf;

use clap::Parser;
use serde_json::{Value, json};

use crate::cli::{Cli, Command, K8sCommand, ManifestArgs};
use crate::commands::k8s::{files, manifest, objects};
use crate::schema::refusal::shown;

const URL: &str = "url: http://llm.models:8000\n";

/// A folder with a plan in it, whose text may name files of the folder as DIR/….
struct Room {
    folder: tempfile::TempDir,
}

impl Room {
    fn new(plan: &str) -> Room {
        let folder = tempfile::tempdir().unwrap();
        let plan = plan.replace("DIR", &folder.path().display().to_string());
        std::fs::write(folder.path().join("plan.yaml"), plan).unwrap();
        Room { folder }
    }

    fn file(self, name: &str, content: impl AsRef<[u8]>) -> Room {
        std::fs::write(self.folder.path().join(name), content).unwrap();
        self
    }

    fn args(&self, more: &[&str]) -> ManifestArgs {
        let plan: PathBuf = self.folder.path().join("plan.yaml");
        let line = ["harness", "k8s", "manifest", "--plan", plan.to_str().unwrap()];
        match Cli::try_parse_from(line.iter().chain(more)).unwrap().command {
            Command::K8s(args) => match args.command {
                K8sCommand::Manifest(args) => *args,
            },
            other => panic!("{other:?}"),
        }
    }

    fn text(&self, more: &[&str]) -> anyhow::Result<String> {
        let args = self.args(more);
        manifest(&args, &files::carry(&args)?)
    }

    fn refused(&self, more: &[&str]) -> String {
        match self.text(more) {
            Err(error) => shown(&error),
            Ok(text) => panic!("accepted: {text}"),
        }
    }

    /// ConfigMap, Service and Job, read back from the text.
    fn objects(&self, more: &[&str]) -> [Value; 3] {
        let text = self.text(more).unwrap();
        let documents = text.split("---\n").skip(1).map(|document| serde_saphyr::from_str(document).unwrap());
        documents.collect::<Vec<Value>>().try_into().unwrap()
    }

    /// The same plan as `harness bench` in the pod reads it.
    fn plan(&self, more: &[&str]) -> Value {
        let [config_map, _, _] = self.objects(more);
        serde_saphyr::from_str(config_map["data"]["plan.yaml"].as_str().unwrap()).unwrap()
    }
}

#[test]
fn the_values_that_a_validator_lets_through_are_right_for_every_number_of_workers() {
    let room = Room::new(URL);
    for workers in [1, 4, 100] {
        let [_, service, job] = room.objects(&["--workers", &workers.to_string(), "--name", "load"]);
        let (spec, pod) = (&job["spec"], &job["spec"]["template"]["spec"]);
        assert_eq!(job["apiVersion"], "batch/v1");
        assert_eq!(spec["completionMode"], "Indexed");
        assert_eq!((&spec["completions"], &spec["parallelism"]), (&json!(workers), &json!(workers)));
        assert_eq!(spec["backoffLimit"], 0);
        let rules = &spec["podFailurePolicy"]["rules"];
        assert_eq!(rules[0]["action"], "FailJob");
        assert_eq!(
            rules[0]["onExitCodes"],
            json!({"containerName": "harness", "operator": "NotIn", "values": [0]})
        );
        assert_eq!(rules[1]["action"], "FailJob");
        assert_eq!(rules[1]["onPodConditions"], json!([{"type": "DisruptionTarget", "status": "True"}]));
        assert_eq!(pod["restartPolicy"], "Never");
        assert_eq!(pod["automountServiceAccountToken"], false);
        assert_eq!(pod["enableServiceLinks"], false);
        assert_eq!(pod["topologySpreadConstraints"][0]["topologyKey"], "kubernetes.io/hostname");
        // Names resolve only where the Service is the pods' subdomain and picks them by a label that they have.
        assert_eq!((&pod["subdomain"], &service["metadata"]["name"]), (&json!("load"), &json!("load")));
        assert_eq!(service["spec"]["clusterIP"], "None");
        assert_eq!(service["spec"]["publishNotReadyAddresses"], true);
        for (label, value) in service["spec"]["selector"].as_object().unwrap() {
            assert_eq!(&job["spec"]["template"]["metadata"]["labels"][label], value);
        }
        let env = &pod["containers"][0]["env"];
        assert_eq!(env[0], json!({"name": "HARNESS_WORKERS", "value": workers.to_string()}));
        assert_eq!(env[1], json!({"name": "HARNESS_JOIN", "value": "load-0.load:7400"}));
        assert_eq!(service["spec"]["ports"][0]["port"], 7400);
    }
}

#[test]
fn a_pod_has_whole_cores_of_its_own_and_no_right_that_it_does_not_need() {
    let [_, _, job] = Room::new(URL).objects(&["--cpu", "6", "--memory", "12Gi"]);
    let pod = &job["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let resources = &container["resources"];
    assert_eq!(resources["requests"], json!({"cpu": "6", "memory": "12Gi"}));
    assert_eq!(resources["requests"], resources["limits"]);
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["seccompProfile"], json!({"type": "RuntimeDefault"}));
    assert_eq!(
        container["securityContext"],
        json!({
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        })
    );
    // What is written goes to volumes: the root file system takes nothing.
    let mounts = container["volumeMounts"].as_array().unwrap();
    let named: Vec<&str> = mounts.iter().map(|mount| mount["mountPath"].as_str().unwrap()).collect();
    assert_eq!(named, ["/plan", "/results", "/tmp"]);
    let volumes = pod["volumes"].as_array().unwrap();
    for mount in mounts {
        assert!(volumes.iter().any(|volume| volume["name"] == mount["name"]), "{mount}");
    }
}

#[test]
fn every_pod_runs_the_same_command_line_and_worker_0_stays_where_nothing_else_keeps_its_results() {
    let room = Room::new(URL);
    let line = |more: &[&str]| {
        let [_, _, job] = room.objects(more);
        let container = &job["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["command"], json!(["harness"]));
        let words = container["args"].as_array().unwrap().iter().map(|word| word.as_str().unwrap());
        words.collect::<Vec<_>>().join(" ")
    };
    let usual = "bench --plan /plan/plan.yaml --workers auto --output /results --join-timeout 600s";
    assert_eq!(line(&[]), format!("{usual} --hold 900s"));
    assert_eq!(line(&["--hold", "1m"]), format!("{usual} --hold 60s"));
    assert_eq!(line(&["--pvc", "kept"]), usual);
    assert_eq!(line(&["--pvc", "kept", "--hold", "5s"]), format!("{usual} --hold 5s"));
    assert_eq!(line(&["--upload", "gs://b/p"]), format!("{usual} --upload gs://b/p"));
    assert_eq!(line(&["--command", "sweep", "--pvc", "kept"]), usual.replace("bench", "sweep"));
}

#[test]
fn what_the_plan_says_of_a_bucket_and_of_a_hold_stands() {
    let line = |plan: &str, more: &[&str]| {
        let [_, _, job] = Room::new(&format!("{URL}{plan}")).objects(more);
        let words = job["spec"]["template"]["spec"]["containers"][0]["args"].as_array().unwrap().clone();
        words.iter().skip_while(|word| *word != "--hold").map(|word| word.to_string()).collect::<String>()
    };
    assert_eq!(line("upload: gs://b/p\n", &[]), "");
    assert_eq!(line("output_bucket: b\n", &[]), "");
    assert_eq!(line("hold: 1h\n", &[]), "", "the pod reads it from the plan");
    assert_eq!(line("hold: 1h\n", &["--hold", "0s"]), "\"--hold\"\"0s\"");
    assert_eq!(line("", &[]), "\"--hold\"\"900s\"");
    // The two together are refused by the command in the pod.
    let room = Room::new(&format!("{URL}output_bucket: b\noutput_bucket_filepath: p\n"));
    assert_eq!(room.plan(&["--upload", "s3://b/p"]), json!({"url": "http://llm.models:8000"}));
    assert_eq!(room.plan(&[])["output_bucket"], "b");
}

#[test]
fn a_service_account_gives_its_rights_in_azure_too() {
    let room = Room::new(URL);
    let label = |more: &[&str]| {
        let [_, _, job] = room.objects(more);
        job["spec"]["template"]["metadata"]["labels"]["azure.workload.identity/use"].clone()
    };
    assert_eq!(label(&["--service-account", "bench", "--upload", "az://box/p"]), "true");
    assert_eq!(label(&[]), Value::Null);
}

#[test]
fn keys_come_from_secrets_and_never_stand_in_the_manifest() {
    let env = |plan: &str, more: &[&str]| {
        let [_, _, job] = Room::new(plan).objects(more);
        job["spec"]["template"]["spec"]["containers"][0].clone()
    };
    let container = env(URL, &["--api-key-secret", "llm"]);
    let from = |name: &str, key: &str| json!({"secretKeyRef": {"name": name, "key": key}});
    assert_eq!(container["env"][3], json!({"name": "API_KEY", "valueFrom": from("llm", "api-key")}));
    let words = container["args"].as_array().unwrap();
    assert_eq!(words[words.iter().position(|word| word == "--api-key-env").unwrap() + 1], "API_KEY");

    // A plan that names the variable keeps its name.
    let named = format!("{URL}api_key_env: LLM_KEY\n");
    let container = env(&named, &["--api-key-secret", "llm:k", "--join-token-secret", "join"]);
    assert_eq!(container["env"][3], json!({"name": "LLM_KEY", "valueFrom": from("llm", "k")}));
    assert_eq!(
        container["env"][4],
        json!({"name": "HARNESS_JOIN_TOKEN", "valueFrom": from("join", "token")})
    );
    let container = env(URL, &["--env-secret", "bucket"]);
    assert_eq!(container["envFrom"], json!([{"secretRef": {"name": "bucket"}}]));

    let refused = Room::new(&named).refused(&[]);
    assert!(refused.contains("LLM_KEY") && refused.contains("--api-key-secret"), "{refused}");
    for secret in [
        "header: 'Authorization: Bearer abc'\n",
        "header: ['X-Team: blue', 'X-Api-Key: abc']\n",
        "header: {Authorization: Bearer abc}\n",
        "api_key_file: ./key\n",
    ] {
        let refused = Room::new(&format!("{URL}{secret}")).refused(&[]);
        assert!(refused.contains("--api-key-secret") && !refused.contains("abc"), "{secret}: {refused}");
    }
    let address = Room::new("url: http://me:hunter2@llm:8000\n").refused(&[]);
    assert!(address.contains("--api-key-secret") && !address.contains("hunter2"), "{address}");
    assert!(Room::new(&format!("{URL}header: 'X-Team: blue'\n")).text(&[]).is_ok());
}

#[test]
fn files_that_the_plan_names_lie_beside_it_in_the_pod() {
    let room = Room::new(&format!("{URL}dataset: DIR/my prompts.jsonl\nca_file: DIR/plan.yaml\nrate: 4\n"))
        .file("my prompts.jsonl", "{\"prompt\": \"on: yes\"}\n");
    let [config_map, _, job] = room.objects(&[]);
    assert_eq!(config_map["data"]["my_prompts.jsonl"], "{\"prompt\": \"on: yes\"}\n");
    assert_eq!(config_map["immutable"], true);
    let plan = room.plan(&[]);
    assert_eq!(plan["dataset"], "/plan/my_prompts.jsonl");
    assert_eq!(plan["ca_file"], "/plan/ca_file-plan.yaml", "the plan's own name is taken");
    assert_eq!(plan["rate"], 4);
    let volume = &job["spec"]["template"]["spec"]["volumes"][0];
    assert_eq!(volume["configMap"]["name"], config_map["metadata"]["name"]);
}

#[test]
fn which_worker_a_pod_is_comes_from_the_job_and_not_from_the_plan() {
    let room = Room::new(&format!("{URL}worker: 0/4\njoin: host:7400\n"));
    assert_eq!(room.plan(&[]), json!({"url": "http://llm.models:8000"}));
    let room = Room::new(&format!("{URL}workers: auto\n"));
    assert_eq!(room.plan(&[]), json!({"url": "http://llm.models:8000"}));
}

#[test]
fn a_file_that_is_no_text_travels_whole() {
    let packed = [0x1f, 0x8b, 0xff, 0x00];
    let room = Room::new(&format!("{URL}trace: DIR/t.csv.gz\n")).file("t.csv.gz", packed);
    let [config_map, _, _] = room.objects(&[]);
    assert_eq!(config_map["binaryData"]["t.csv.gz"], "H4v/AA==");
}

#[test]
fn what_is_over_one_mebibyte_is_refused_with_the_cure_and_taken_from_a_volume() {
    let large = Room::new(&format!("{URL}dataset: DIR/d.jsonl\n")).file("d.jsonl", vec![b'a'; 1 << 20]);
    let refused = large.refused(&[]);
    assert!(refused.contains("1 MiB") && refused.contains("--pvc"), "{refused}");
    let larger =
        Room::new(&format!("{URL}dataset: DIR/d.jsonl\n")).file("d.jsonl", vec![b'a'; (1 << 20) + 1]);
    assert!(larger.refused(&[]).contains("1048577 bytes"), "{}", larger.refused(&[]));
    let on_volume = Room::new(&format!("{URL}dataset: /results/d.jsonl\n"));
    assert_eq!(on_volume.plan(&["--pvc", "data"])["dataset"], "/results/d.jsonl");
    let nearly = Room::new(&format!("{URL}dataset: DIR/d.jsonl\n")).file("d.jsonl", vec![b'a'; 1_000_000]);
    assert!(nearly.text(&[]).is_ok());
}

#[test]
fn what_no_pod_could_do_is_refused_with_the_cure() {
    for (plan, more, said) in [
        ("rate: 4\n", &[][..], "names no url"),
        ("url: http://127.0.0.1:8000\n", &[], "is the pod itself"),
        ("url: [http://llm:1, 'http://localhost:8000']\n", &[], "is the pod itself"),
        ("url: localhost:8000\n", &[], "is the pod itself"),
        ("url: unix:/run/llm.sock\n", &[], "is the pod itself"),
        (
            "url: http://llm:8000\nconcurency: 8\n",
            &[],
            "plan.yaml:2: 'concurency' is no flag of harness bench",
        ),
        ("url: http://llm:8000\nconcurrency: many\n", &[], "'many' for '--concurrency"),
        (URL, &["--name", "9to5"], "--name 9to5"),
        (URL, &["--name", "Load"], "--name Load"),
        (URL, &["--memory", "eight"], "--memory eight"),
        (URL, &["--node-selector", "pool"], "--node-selector pool"),
        (URL, &["--api-key-secret", "sk-Abc_1"], "--api-key-secret is not NAME[:KEY]"),
        (URL, &["--namespace", "a_b"], "--namespace"),
        (URL, &["--image", "two words"], "--image"),
        (URL, &["--upload", "bucket"], "--upload: not an address"),
        (URL, &["--upload", "s3://key:sk-Abc_1@bucket/p"], "and no key"),
        (URL, &["--upload", "file:///mnt/share"], "is the pod's own disk"),
        ("url: http://llm:8000\nupload: file:///mnt/share\n", &[], "is the pod's own disk"),
    ] {
        let refused = Room::new(plan).refused(more);
        assert!(refused.contains(said), "{plan} {more:?}: {refused}");
        assert!(!refused.contains("sk-Abc_1"), "{refused}");
    }
}

#[test]
fn the_last_pods_name_is_a_label_of_dns() {
    let room = Room::new(URL);
    let name = "a".repeat(61);
    assert!(room.text(&["--name", &name, "--workers", "10"]).is_ok());
    let refused = room.refused(&["--name", &name, "--workers", "11"]);
    assert!(refused.contains("longer than 63"), "{refused}");
}

#[test]
fn how_to_use_it_stands_above_the_objects_and_names_their_labels() {
    let room = Room::new(URL);
    let text = room.text(&["--name", "load", "--namespace", "perf"]).unwrap();
    let comments: Vec<&str> = text.lines().take_while(|line| line.starts_with('#')).collect();
    assert_eq!(comments.len(), 4, "{text}");
    assert!(comments.iter().all(|line| line.contains("kubectl -n perf")), "{comments:?}");
    assert!(comments[1].contains("logs -f --tail=-1 "), "by label kubectl shows ten lines: {comments:?}");
    assert!(comments[3].ends_with(&format!("{}=load", objects::INSTANCE)));
    assert!(!room.text(&["--pvc", "kept"]).unwrap().contains("kubectl cp"));
}

proptest::proptest! {
    #[test]
    fn any_text_in_the_plan_is_read_back_as_it_was(text in "\\PC{0,40}(\\n[ \\t]*\\PC{0,20}){0,3}") {
        #[derive(serde::Serialize)]
        struct Holder<'a> {
            text: &'a str,
        }
        let yaml = super::yaml::yaml(&Holder { text: &text }).unwrap();
        let read: Value = serde_saphyr::from_str(&yaml).unwrap();
        proptest::prop_assert_eq!(read["text"].as_str(), Some(text.as_str()), "{}", yaml);
    }
}
