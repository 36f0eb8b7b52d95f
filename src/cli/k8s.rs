//! `harness k8s`: a plan as Kubernetes objects.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::units::seconds;

/// `k8s`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  harness k8s manifest --plan plan.yaml | kubectl create -f -
  harness k8s manifest --help")]
pub struct K8sArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: K8sCommand,
}

/// What is done for Kubernetes.
#[derive(Debug, Subcommand)]
pub enum K8sCommand {
    /// Print a plan as ConfigMap, headless Service and Indexed Job; nothing is sent anywhere
    #[command(after_help = "\
Examples:
  harness k8s manifest --workers 4 --plan plan.yaml | kubectl create -f -
  harness k8s manifest --plan plan.yaml --image registry.example/harness:1
  harness k8s manifest --plan plan.yaml --api-key-secret llm:key \\
    --upload gs://bucket/path --service-account bench
  harness k8s manifest --workers 8 --plan plan.yaml --pvc results \\
    --node-selector pool=load

The plan is the file that --plan takes, with the url of a server that the
pods reach. Files that it names (dataset, trace, …) travel in the ConfigMap,
1 MiB in all. Keys and passwords come from Secrets.")]
    Manifest(Box<ManifestArgs>),
}

/// What each pod runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlayedCommand {
    /// One load
    Bench,
    /// Several loads
    Sweep,
}

/// `k8s manifest`.
#[derive(Debug, Args)]
pub struct ManifestArgs {
    /// YAML file with flags as keys, as bench and sweep take it
    #[arg(long, value_name = "FILE")]
    pub plan: PathBuf,
    /// Pods that play it together, each its share
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub workers: u32,
    /// What plays the plan
    #[arg(long, value_enum, value_name = "COMMAND", default_value_t = PlayedCommand::Bench)]
    pub command: PlayedCommand,
    /// Name of Job and Service; that of the ConfigMap begins with it
    #[arg(long, value_name = "NAME", default_value = "harness")]
    pub name: String,
    /// Namespace [default: the one of kubectl]
    #[arg(long, value_name = "NAME")]
    pub namespace: Option<String>,
    /// Image that holds this program, as the Dockerfile makes it
    #[arg(long, value_name = "IMAGE", default_value = concat!("harness:", env!("CARGO_PKG_VERSION")))]
    pub image: String,
    /// Whole cores of each pod, asked for and kept to
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub cpu: u32,
    /// Memory of each pod, asked for and kept to: 512Mi, 8Gi
    #[arg(long, value_name = "QUANTITY", default_value = "8Gi")]
    pub memory: String,
    /// Only nodes with this label; several: all of them
    #[arg(long, value_name = "KEY=VALUE")]
    pub node_selector: Vec<String>,
    /// Secret with the server's API key [KEY: api-key]
    #[arg(long, value_name = "NAME[:KEY]")]
    pub api_key_secret: Option<String>,
    /// Secret with the token by which workers know each other [KEY: token]
    #[arg(long, value_name = "NAME[:KEY]")]
    pub join_token_secret: Option<String>,
    /// Secret whose keys become environment variables, such as AWS_ACCESS_KEY_ID for --upload
    #[arg(long, value_name = "NAME")]
    pub env_secret: Option<String>,
    /// Service account, for clouds that give a bucket's rights to one
    #[arg(long, value_name = "NAME")]
    pub service_account: Option<String>,
    /// Copy the results to a bucket: gs://BUCKET/PATH, s3://…, az://…
    #[arg(long, value_name = "URL")]
    pub upload: Option<String>,
    /// Keep results on this PersistentVolumeClaim; with several workers it must be ReadWriteMany
    #[arg(long, value_name = "NAME")]
    pub pvc: Option<String>,
    /// How long workers wait for each other: until the last image is pulled and the last node is there
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = seconds)]
    pub join_timeout: f64,
    /// Keep worker 0 so long after its summary, for kubectl cp [default: 15m, without --upload and --pvc]
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    pub hold: Option<f64>,
}
