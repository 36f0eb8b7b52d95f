//! An address of `--upload` and the credentials that the environment gives → a store; and the proof, before anything is
//! launched, that it takes what will be written.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::client::ClientConfigKey;
use object_store::gcp::{GcpCredential, GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{BackoffConfig, ObjectStore, ObjectStoreExt, RetryConfig, StaticCredentialProvider};
use url::Url;

use crate::schema::refusal::{OrRefuse, refusal, refuse};
use crate::secrets;

use super::cloud::Cloud;
use super::trouble::Trouble;

/// What an address looks like.
const FORMS: &str = "give s3://BUCKET/PATH, gs://BUCKET/PATH, az://CONTAINER/PATH or file:///DIRECTORY";
/// Time that one request may take: a part of a large file over a slow line.
const ANSWER: &str = "300s";
/// The longest that the proof may take.
const PROOF: Duration = Duration::from_secs(30);
/// Shorter values of a variable are hidden nowhere: they would blot out words.
const SHORTEST_SECRET: usize = 8;
/// Of the object that is begun and given up at once.
const PROOF_KEY: &str = "harness-check";

/// A place that results are uploaded to.
#[derive(Debug, Clone)]
pub struct Bucket {
    pub(super) cloud: Cloud,
    url: Url,
    /// Keys begin with it.
    pub(super) path: Path,
    shown: String,
}

/// How long a store is tried.
#[derive(Debug, Clone, Copy)]
pub(super) enum Patience {
    /// Before a run: whoever waits is told soon.
    Short,
    /// After it: what was measured is to arrive.
    Long,
}

impl Patience {
    fn retries(self) -> RetryConfig {
        let backoff = |init_ms, max_s| BackoffConfig {
            init_backoff: Duration::from_millis(init_ms),
            max_backoff: Duration::from_secs(max_s),
            base: 2.0,
        };
        match self {
            Patience::Short => RetryConfig {
                backoff: backoff(100, 2),
                max_retries: 3,
                retry_timeout: Duration::from_secs(10),
            },
            Patience::Long => RetryConfig {
                backoff: backoff(200, 15),
                max_retries: 10,
                retry_timeout: Duration::from_secs(120),
            },
        }
    }
}

impl Bucket {
    /// Of an address, which is looked at and not yet asked. The clouds' keys that the environment holds are kept out of
    /// all outputs from now on.
    ///
    /// # Errors
    /// It is none of the four kinds, or holds a key: an address stands in files.
    pub fn of(given: &str) -> anyhow::Result<Bucket> {
        hide_keys();
        // What was given may hold a key, so it is not repeated.
        let Ok(url) = Url::parse(given) else {
            return refuse("--upload: not an address of a bucket", FORMS);
        };
        let cloud = match url.scheme() {
            "s3" => Cloud::S3,
            "gs" => Cloud::Google,
            "az" => Cloud::Azure,
            "file" => Cloud::Directory,
            other => return refuse(format!("--upload: {other}:// is no bucket"), FORMS),
        };
        let has_user = !url.username().is_empty() && cloud != Cloud::Azure;
        if has_user || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            return refuse(
                "--upload: an address holds a bucket and a path, and no key",
                "give keys by the cloud's own variables (docs/upload.md)",
            );
        }
        let host = url.host_str().unwrap_or_default();
        match cloud {
            // `file:results` would be a directory of the root.
            Cloud::Directory if !given.contains("://") => {
                return refuse("--upload: the address has no whole path", "give file:///DIRECTORY");
            }
            Cloud::Directory if !host.is_empty() => {
                return refuse(format!("--upload: file://{host} has no directory"), "give file:///DIRECTORY");
            }
            Cloud::S3 | Cloud::Google | Cloud::Azure if host.is_empty() || url.port().is_some() => {
                return refuse("--upload: the address has no bucket", FORMS);
            }
            Cloud::S3 | Cloud::Google | Cloud::Azure | Cloud::Directory => {}
        }
        let path = Path::from_url_path(url.path()).or_refuse(
            || format!("--upload: {} cannot be the beginning of keys", url.path()),
            "leave out doubled slashes",
        )?;
        let user = if url.username().is_empty() { String::new() } else { format!("{}@", url.username()) };
        let slash = if path.as_ref().is_empty() { "" } else { "/" };
        let shown = format!("{}://{user}{host}{slash}{path}", url.scheme());
        Ok(Bucket { cloud, url, path, shown })
    }

    /// The address, for messages.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Proves that something can be written there and leaves nothing: an upload in parts is begun and given up (S3,
    /// Google, a directory), which needs no more than the right to write; Azure has no such thing, and is asked for the
    /// list of what is there.
    ///
    /// # Errors
    /// No credentials, no such bucket, no right to write, nobody there; each with its cure.
    pub async fn check(&self) -> anyhow::Result<()> {
        let proof = async {
            let store = self.store(Patience::Short)?;
            let proved = match self.cloud {
                Cloud::S3 | Cloud::Google | Cloud::Directory => {
                    let begun = store.put_multipart(&self.path.clone().join(PROOF_KEY)).await;
                    match begun {
                        // Whoever may not give it up leaves an upload of no parts, which is no object.
                        Ok(mut begun) => begun.abort().await.or(Ok(())),
                        Err(error) => Err(error),
                    }
                }
                Cloud::Azure => store.list_with_delimiter(Some(&self.path)).await.map(drop),
            };
            proved.map_err(|error| self.refused(&Trouble::of(&error, self.cloud)))
        };
        match tokio::time::timeout(PROOF, proof).await {
            Ok(proved) => proved,
            Err(_) => Err(self.refused(&Trouble::silent(self.cloud))),
        }
    }

    fn refused(&self, trouble: &Trouble) -> anyhow::Error {
        refusal(format!("--upload: {} cannot be written: {}", self.shown, trouble.why), trouble.cure.clone())
    }

    /// The store, with what the environment says of it.
    pub(super) fn store(&self, patience: Patience) -> anyhow::Result<Arc<dyn ObjectStore>> {
        let built = match self.cloud {
            Cloud::S3 => self.s3(patience),
            Cloud::Google => self.google(patience),
            Cloud::Azure => self.azure(patience),
            Cloud::Directory => return self.directory(),
        };
        built.map_err(|error| self.refused(&Trouble::of(&error, self.cloud)))
    }

    fn s3(&self, patience: Patience) -> object_store::Result<Arc<dyn ObjectStore>> {
        let timeout = AmazonS3ConfigKey::Client(ClientConfigKey::Timeout);
        let mut builder = AmazonS3Builder::new().with_config(timeout, ANSWER);
        for (name, value) in variables("AWS_") {
            if let Ok(key) = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>() {
                builder = builder.with_config(key, value);
            }
        }
        let endpoints = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint];
        let endpoint = endpoints.iter().find_map(|key| builder.get_config_value(key));
        if endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")) {
            builder = builder.with_allow_http(true);
        }
        let store = builder.with_url(self.url.as_str()).with_retry(patience.retries()).build()?;
        Ok(Arc::new(store))
    }

    fn google(&self, patience: Patience) -> object_store::Result<Arc<dyn ObjectStore>> {
        let timeout = GoogleConfigKey::Client(ClientConfigKey::Timeout);
        let mut builder = GoogleCloudStorageBuilder::new().with_config(timeout, ANSWER);
        for (name, value) in variables("GOOGLE_") {
            if let Ok(key) = name.to_ascii_lowercase().parse::<GoogleConfigKey>() {
                builder = builder.with_config(key, value);
            }
        }
        // As Google's own libraries have it.
        if let Some((_, host)) = variables("STORAGE_EMULATOR_HOST").next() {
            let base = if host.contains("://") { host } else { format!("http://{host}") };
            let http = GoogleConfigKey::Client(ClientConfigKey::AllowHttp);
            // The crate's google_skip_signature holds for reads alone.
            let nobody = GcpCredential { bearer: "nobody".to_owned() };
            builder = builder
                .with_base_url(base.trim_end_matches('/'))
                .with_credentials(Arc::new(StaticCredentialProvider::new(nobody)))
                .with_config(http, "true");
        }
        let store = builder.with_url(self.url.as_str()).with_retry(patience.retries()).build()?;
        Ok(Arc::new(store))
    }

    fn azure(&self, patience: Patience) -> object_store::Result<Arc<dyn ObjectStore>> {
        let timeout = AzureConfigKey::Client(ClientConfigKey::Timeout);
        let mut builder = MicrosoftAzureBuilder::new().with_config(timeout, ANSWER);
        for (name, value) in variables("AZURE_") {
            // As Azure's own command line names them.
            let key = match name.as_str() {
                "AZURE_STORAGE_ACCOUNT" => Ok(AzureConfigKey::AccountName),
                "AZURE_STORAGE_KEY" => Ok(AzureConfigKey::AccessKey),
                other => other.to_ascii_lowercase().parse::<AzureConfigKey>(),
            };
            if let Ok(key) = key {
                builder = builder.with_config(key, value);
            }
        }
        let endpoint = builder.get_config_value(&AzureConfigKey::Endpoint);
        if endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")) {
            builder = builder.with_allow_http(true);
        }
        let store = builder.with_url(self.url.as_str()).with_retry(patience.retries()).build()?;
        Ok(Arc::new(store))
    }

    fn directory(&self) -> anyhow::Result<Arc<dyn ObjectStore>> {
        let cure = "choose a directory that you may write";
        let what = || format!("--upload: {} cannot be written", self.shown);
        let directory = PathBuf::from("/");
        let directory = self.url.to_file_path().unwrap_or(directory);
        std::fs::create_dir_all(&directory)
            .with_context(|| format!("cannot make {}", directory.display()))
            .or_refuse(what, cure)?;
        // Keys are whole paths here, as they are below a bucket.
        let store = LocalFileSystem::new_with_prefix("/").or_refuse(what, cure)?;
        Ok(Arc::new(store))
    }
}

/// Variables of the environment that begin so and are not empty.
fn variables(beginning: &'static str) -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(move |(name, value)| {
        let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
        (name.starts_with(beginning) && !value.is_empty()).then_some((name, value))
    })
}

/// The keys of the clouds reach no file and no terminal.
fn hide_keys() {
    let of_clouds = ["AWS_", "AZURE_", "GOOGLE_"].into_iter().flat_map(variables);
    // A path is no key, and a message about its file must say which; what is set by mistake to the key itself is one.
    let is_path = |name: &str, value: &str| {
        name == "GOOGLE_APPLICATION_CREDENTIALS" && !value.trim_start().starts_with('{')
    };
    let is_key =
        |name: &str| secrets::names_a_secret(name) || name.ends_with("_KEY") || name.ends_with("_TOKEN");
    let of_clouds = of_clouds.filter(|(name, value)| !is_path(name, value));
    let keys = of_clouds.filter(|(name, _)| is_key(name)).flat_map(|(name, value)| {
        // A SAS token stands in addresses: its signature is the key of it.
        let signature = value.split(['?', '&']).find_map(|part| part.strip_prefix("sig=")).map(str::to_owned);
        let signature = signature.filter(|_| name.contains("SAS"));
        [Some(value), signature].into_iter().flatten()
    });
    secrets::keep_from_outputs(keys.filter(|key| key.len() >= SHORTEST_SECRET));
}
