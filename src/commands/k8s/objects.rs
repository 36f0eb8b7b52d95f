//! The objects, by the types of Kubernetes' own API: a field that does not exist does not compile. No field is newer
//! than Kubernetes 1.29.

use std::collections::BTreeMap;

use clap::ValueEnum;
use k8s_openapi::ByteString;
use k8s_openapi::api::batch::v1::{
    Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyOnPodConditionsPattern, PodFailurePolicyRule,
};
use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMap, ConfigMapVolumeSource, Container, ContainerPort, EmptyDirVolumeSource,
    EnvFromSource, EnvVar, EnvVarSource, PersistentVolumeClaimVolumeSource, PodSecurityContext, PodSpec,
    PodTemplateSpec, ResourceRequirements, SeccompProfile, SecretEnvSource, SecretKeySelector,
    SecurityContext, Service, ServicePort, ServiceSpec, TopologySpreadConstraint, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use serde::Serialize;

use crate::cli::ManifestArgs;
use crate::commands::k8s::checks;
use crate::commands::k8s::files::{Carried, PLAN_FOLDER, PLAN_NAME, RESULTS_FOLDER};

/// Label of what belongs to one manifest.
pub const INSTANCE: &str = "app.kubernetes.io/instance";
/// Port at which worker 0 is joined.
const JOIN_PORT: i32 = 7400;
/// The user `nonroot` of distroless images, and of the Dockerfile.
const USER: i64 = 65_532;
/// Worker 0 stays so long for `kubectl cp` where nothing else keeps its results, s.
const USUAL_HOLD_S: f64 = 900.0;
/// From the first signal to the kill: what is in flight is waited for, and the results are closed, s.
const GRACE_S: i64 = 60;
/// The variable that holds the API key where the plan names none.
const USUAL_KEY_VARIABLE: &str = "API_KEY";

/// One document of the manifest.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Object {
    /// Plan and files.
    ConfigMap(Box<ConfigMap>),
    /// Names of the pods.
    Service(Box<Service>),
    /// The pods.
    Job(Box<Job>),
}

/// ConfigMap, Service, Job: each finds those before it.
pub fn objects(args: &ManifestArgs, carried: &Carried) -> anyhow::Result<[Object; 3]> {
    Ok([
        Object::ConfigMap(Box::new(config_map(args, carried))),
        Object::Service(Box::new(service(args))),
        Object::Job(Box::new(job(args, carried)?)),
    ])
}

fn labels(args: &ManifestArgs) -> BTreeMap<String, String> {
    [("app.kubernetes.io/name", "harness"), (INSTANCE, &args.name)]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

/// Azure gives a service account's rights to pods that ask for them by a label; the other clouds look at the account.
fn labels_of_pods(args: &ManifestArgs) -> BTreeMap<String, String> {
    let mut all = labels(args);
    if args.service_account.is_some() {
        all.insert("azure.workload.identity/use".to_owned(), "true".to_owned());
    }
    all
}

/// By what pods of this manifest are told from others.
fn own_pods(args: &ManifestArgs) -> BTreeMap<String, String> {
    [(INSTANCE.to_owned(), args.name.clone())].into()
}

fn metadata(args: &ManifestArgs, name: String) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: args.namespace.clone(),
        labels: Some(labels(args)),
        ..ObjectMeta::default()
    }
}

fn config_map_name(args: &ManifestArgs) -> String {
    format!("{}-plan", args.name)
}

fn config_map(args: &ManifestArgs, carried: &Carried) -> ConfigMap {
    let mut data = BTreeMap::new();
    let mut binary = BTreeMap::new();
    for (name, content) in &carried.files {
        match std::str::from_utf8(content) {
            Ok(text) => drop(data.insert(name.clone(), text.to_owned())),
            Err(_) => drop(binary.insert(name.clone(), ByteString(content.clone()))),
        }
    }
    ConfigMap {
        metadata: metadata(args, config_map_name(args)),
        data: Some(data),
        binary_data: (!binary.is_empty()).then_some(binary),
        // All workers must read the same.
        immutable: Some(true),
    }
}

/// Gives each pod a name. Workers look for worker 0 before any of them is ready, so names do not wait for that.
fn service(args: &ManifestArgs) -> Service {
    Service {
        metadata: metadata(args, args.name.clone()),
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".to_owned()),
            publish_not_ready_addresses: Some(true),
            selector: Some(own_pods(args)),
            ports: Some(vec![ServicePort {
                name: Some("join".to_owned()),
                port: JOIN_PORT,
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

fn job(args: &ManifestArgs, carried: &Carried) -> anyhow::Result<Job> {
    let workers = i32::try_from(args.workers)?;
    Ok(Job {
        metadata: metadata(args, args.name.clone()),
        spec: Some(JobSpec {
            completion_mode: Some("Indexed".to_owned()),
            completions: Some(workers),
            parallelism: Some(workers),
            // A pod that begins anew would join a run that is over.
            backoff_limit: Some(0),
            pod_failure_policy: Some(failure_policy()),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta { labels: Some(labels_of_pods(args)), ..ObjectMeta::default() }),
                spec: Some(pod(args, carried)?),
            },
            ..JobSpec::default()
        }),
        ..Job::default()
    })
}

/// One worker that fails or is taken away makes the run invalid: the others need not play on.
fn failure_policy() -> PodFailurePolicy {
    let fail = |rule| PodFailurePolicyRule { action: "FailJob".to_owned(), ..rule };
    PodFailurePolicy {
        rules: vec![
            fail(PodFailurePolicyRule {
                on_exit_codes: Some(PodFailurePolicyOnExitCodesRequirement {
                    container_name: Some("harness".to_owned()),
                    operator: "NotIn".to_owned(),
                    values: vec![0],
                }),
                ..PodFailurePolicyRule::default()
            }),
            fail(PodFailurePolicyRule {
                on_pod_conditions: Some(vec![PodFailurePolicyOnPodConditionsPattern {
                    type_: "DisruptionTarget".to_owned(),
                    status: "True".to_owned(),
                }]),
                ..PodFailurePolicyRule::default()
            }),
        ],
    }
}

fn pod(args: &ManifestArgs, carried: &Carried) -> anyhow::Result<PodSpec> {
    let nodes = args.node_selector.iter().map(|label| checks::node_label(label));
    let nodes: BTreeMap<String, String> = nodes.collect::<anyhow::Result<_>>()?;
    Ok(PodSpec {
        restart_policy: Some("Never".to_owned()),
        subdomain: Some(args.name.clone()),
        termination_grace_period_seconds: Some(GRACE_S),
        automount_service_account_token: Some(false),
        service_account_name: args.service_account.clone(),
        // Other Services' names as variables could be taken for our flags: HARNESS_….
        enable_service_links: Some(false),
        node_selector: (!nodes.is_empty()).then_some(nodes),
        topology_spread_constraints: Some(vec![spread(args)]),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(USER),
            run_as_group: Some(USER),
            fs_group: Some(USER),
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".to_owned(),
                ..SeccompProfile::default()
            }),
            ..PodSecurityContext::default()
        }),
        containers: vec![container(args, carried)?],
        volumes: Some(volumes(args)),
        ..PodSpec::default()
    })
}

/// A host each where there are enough; where not, the pods still start: cores are theirs alone on any host.
fn spread(args: &ManifestArgs) -> TopologySpreadConstraint {
    TopologySpreadConstraint {
        max_skew: 1,
        topology_key: "kubernetes.io/hostname".to_owned(),
        when_unsatisfiable: "ScheduleAnyway".to_owned(),
        label_selector: Some(LabelSelector {
            match_labels: Some(own_pods(args)),
            ..LabelSelector::default()
        }),
        ..TopologySpreadConstraint::default()
    }
}

fn container(args: &ManifestArgs, carried: &Carried) -> anyhow::Result<Container> {
    let of_pod: BTreeMap<String, Quantity> = [("cpu", args.cpu.to_string()), ("memory", args.memory.clone())]
        .map(|(what, amount)| (what.to_owned(), Quantity(amount)))
        .into();
    let mount = |name: &str, path: &str, read_only: bool| VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    };
    let env_from = args.env_secret.clone().map(|name| EnvFromSource {
        secret_ref: Some(SecretEnvSource { name, optional: None }),
        ..EnvFromSource::default()
    });
    Ok(Container {
        name: "harness".to_owned(),
        image: Some(args.image.clone()),
        command: Some(vec!["harness".to_owned()]),
        args: Some(arguments(args, carried)),
        env: Some(variables(args, carried)?),
        env_from: env_from.map(|source| vec![source]),
        ports: Some(vec![ContainerPort {
            name: Some("join".to_owned()),
            container_port: JOIN_PORT,
            ..ContainerPort::default()
        }]),
        // Equal, and whole cores: where the kubelet's policy is static, they are this pod's alone.
        resources: Some(ResourceRequirements {
            requests: Some(of_pod.clone()),
            limits: Some(of_pod),
            claims: None,
        }),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
            ..SecurityContext::default()
        }),
        volume_mounts: Some(vec![
            mount("plan", PLAN_FOLDER, true),
            mount("results", RESULTS_FOLDER, false),
            mount("tmp", "/tmp", false),
        ]),
        working_dir: Some("/".to_owned()),
        ..Container::default()
    })
}

/// The command line of every pod; which worker it is, it knows from its environment.
fn arguments(args: &ManifestArgs, carried: &Carried) -> Vec<String> {
    let played = args.command.to_possible_value();
    let played = played.as_ref().map_or("bench", |value| value.get_name());
    let plan = format!("{PLAN_FOLDER}/{PLAN_NAME}");
    let mut line: Vec<String> = [played, "--plan", &plan, "--workers", "auto", "--output", RESULTS_FOLDER]
        .map(str::to_owned)
        .to_vec();
    line.extend(["--join-timeout".to_owned(), format!("{}s", args.join_timeout)]);
    let mut flag = |name: &str, value: String| line.extend([name.to_owned(), value]);
    if let Some(url) = &args.upload {
        flag("--upload", url.clone());
    }
    if args.api_key_secret.is_some() && carried.api_key_env.is_none() {
        flag("--api-key-env", USUAL_KEY_VARIABLE.to_owned());
    }
    // What the plan says of it stands, unless the manifest's own flag says otherwise.
    let kept_elsewhere = args.upload.is_some() || args.pvc.is_some() || carried.uploads || carried.holds;
    let usual = (!kept_elsewhere).then_some(USUAL_HOLD_S);
    if let Some(hold_s) = args.hold.or(usual).filter(|hold_s| *hold_s > 0.0 || carried.holds) {
        flag("--hold", format!("{hold_s}s"));
    }
    line
}

fn variables(args: &ManifestArgs, carried: &Carried) -> anyhow::Result<Vec<EnvVar>> {
    let plain =
        |name: &str, value: String| EnvVar { name: name.to_owned(), value: Some(value), ..EnvVar::default() };
    let mut all = vec![
        plain("HARNESS_WORKERS", args.workers.to_string()),
        // The Job's controller gives the pods the host names NAME-0, NAME-1, … and JOB_COMPLETION_INDEX.
        plain("HARNESS_JOIN", format!("{0}-0.{0}:{JOIN_PORT}", args.name)),
        // The root file system is read-only.
        plain("HOME", "/tmp".to_owned()),
    ];
    let mut secret = |variable: &str, flag: &str, given: &str, usual_key: &str| {
        let (name, key) = checks::secret(flag, given, usual_key)?;
        let selector = SecretKeySelector { name, key, optional: None };
        let source = EnvVarSource { secret_key_ref: Some(selector), ..EnvVarSource::default() };
        all.push(EnvVar { name: variable.to_owned(), value: None, value_from: Some(source) });
        anyhow::Ok(())
    };
    if let Some(given) = &args.api_key_secret {
        let variable = carried.api_key_env.as_deref().unwrap_or(USUAL_KEY_VARIABLE);
        secret(variable, "--api-key-secret", given, "api-key")?;
    }
    if let Some(given) = &args.join_token_secret {
        secret("HARNESS_JOIN_TOKEN", "--join-token-secret", given, "token")?;
    }
    Ok(all)
}

fn volumes(args: &ManifestArgs) -> Vec<Volume> {
    let empty = |name: &str| Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource::default()),
        ..Volume::default()
    };
    let results = match &args.pvc {
        Some(claim) => Volume {
            name: "results".to_owned(),
            persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                claim_name: claim.clone(),
                read_only: None,
            }),
            ..Volume::default()
        },
        None => empty("results"),
    };
    let plan = Volume {
        name: "plan".to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name: config_map_name(args),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    };
    vec![plan, results, empty("tmp")]
}
