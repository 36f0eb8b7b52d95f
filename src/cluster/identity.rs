//! What must be the same at all workers, and in what two differ.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::schema::plan::Plan;

use super::token::{hex, sha256_hex};

/// Fields of a plan that are a machine's own, or given by worker 0.
const ITS_OWN: [&str; 5] = ["run_id", "created_at", "output", "command", "client_threads"];
/// Differences are shown so long, characters.
const SHOWN: usize = 60;

/// What a worker would play.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// The harness's version.
    pub version: String,
    /// Tells builds of one version apart.
    pub build: String,
    /// SHA-256 of the plan without what is a machine's own, hexadecimal.
    pub plan_sha256: String,
    /// SHA-256 of what the prompts are made of.
    pub dataset_sha256: String,
    /// The plan, to be able to say in what it differs.
    pub plan: Value,
}

/// In what a worker differs from worker 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// `another dataset: …`
    pub what: String,
    /// What to do.
    pub cure: String,
}

impl Identity {
    /// That of this program with a plan.
    ///
    /// # Errors
    /// The plan is no JSON.
    pub fn of(plan: &Plan, build: String) -> anyhow::Result<Identity> {
        let mut plan = serde_json::to_value(plan)?;
        if let Some(fields) = plan.as_object_mut() {
            ITS_OWN.iter().for_each(|name| {
                fields.remove(*name);
            });
        }
        let mut dataset = plan.get("dataset").cloned().unwrap_or_default();
        // The same file may lie elsewhere.
        for fields in [plan.pointer_mut("/dataset"), Some(&mut dataset)].into_iter().flatten() {
            fields.as_object_mut().map(|fields| fields.remove("path"));
        }
        Ok(Identity {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            build,
            plan_sha256: sha256_hex(plan.to_string().as_bytes()),
            dataset_sha256: sha256_hex(dataset.to_string().as_bytes()),
            plan,
        })
    }

    /// In what `other` differs, the plainest reason first.
    pub fn difference(&self, other: &Identity) -> Option<Difference> {
        let same_file = "start the same harness file on every machine".to_owned();
        if other.version != self.version {
            let what = format!("another harness: version {}, not {}", other.version, self.version);
            return Some(Difference { what, cure: same_file });
        }
        if other.build != self.build {
            let [there, here] = [&other.build, &self.build].map(|build| short(build));
            let what = format!("another build of harness {}: {there}, not {here}", self.version);
            return Some(Difference { what, cure: same_file });
        }
        if other.dataset_sha256 != self.dataset_sha256 {
            let what = format!("another dataset: {}", self.plan_difference(other, "dataset"));
            return Some(Difference { what, cure: "copy the file of worker 0 to every machine".to_owned() });
        }
        (other.plan_sha256 != self.plan_sha256 || other.plan != self.plan).then(|| Difference {
            what: format!("another plan: {}", self.plan_difference(other, "")),
            cure:
                "give every worker the same flags; --worker, --output and --client-threads alone may differ"
                    .to_owned(),
        })
    }

    fn plan_difference(&self, other: &Identity, below: &str) -> String {
        let at = |identity: &Identity| match below {
            "" => identity.plan.clone(),
            name => identity.plan.get(name).cloned().unwrap_or_default(),
        };
        differing(&at(self), &at(other), below).unwrap_or_else(|| "its hash differs".to_owned())
    }
}

/// The first place at which two JSON values differ: `loads[0].traffic.slots is 8, not 4`.
fn differing(here: &Value, there: &Value, path: &str) -> Option<String> {
    match (here, there) {
        (Value::Object(a), Value::Object(b)) => {
            let names = a.keys().chain(b.keys().filter(|name| !a.contains_key(*name)));
            names.into_iter().find_map(|name| {
                let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                let [a, b] = [a, b].map(|fields| fields.get(name).unwrap_or(&Value::Null));
                differing(a, b, &below)
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => a
            .iter()
            .zip(b)
            .enumerate()
            .find_map(|(place, (a, b))| differing(a, b, &format!("{path}[{place}]"))),
        (a, b) if a == b => None,
        (a, b) => Some(format!("{path} is {}, not {}", cut(b), cut(a))),
    }
}

fn cut(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= SHOWN { text } else { text.chars().take(SHOWN).chain(['…']).collect() }
}

fn short(hash: &str) -> String {
    hash.chars().take(12).collect()
}

/// Tells this build apart from others: a hash of the program's length, its first part, where the linker's build id
/// stands, and pieces of all the rest. (All of a debug build would take a second.)
///
/// # Errors
/// The program cannot be read.
pub fn of_this_program() -> io::Result<String> {
    let itself = File::open("/proc/self/exe");
    let mut file = itself.or_else(|_| File::open(std::env::current_exe()?))?;
    build(&mut file)
}

fn build(file: &mut (impl Read + Seek)) -> io::Result<String> {
    const FIRST: u64 = 64 << 10;
    const PIECE: u64 = 4 << 10;
    const PIECES: u64 = 64;
    let length = file.seek(SeekFrom::End(0))?;
    let mut hash = Sha256::new();
    hash.update(length.to_le_bytes());
    let pieces = (0..PIECES).map(|place| (length / PIECES * place, PIECE));
    for (from, most) in [(0, FIRST)].into_iter().chain(pieces) {
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes)?;
        hash.update(&bytes);
    }
    Ok(hex(&hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn identity(plan: Value) -> Identity {
        Identity {
            version: "1".into(),
            build: "b".into(),
            plan_sha256: sha256_hex(plan.to_string().as_bytes()),
            dataset_sha256: sha256_hex(plan["dataset"].to_string().as_bytes()),
            plan,
        }
    }

    #[test]
    fn a_difference_is_named_with_the_place_at_which_it_stands() {
        let here = identity(json!({"loads": [{"rate": 4.0}], "dataset": {"sha256": "aa"}}));
        assert_eq!(here.difference(&here), None);
        let told = |other: Identity| here.difference(&other).unwrap().what;
        let other = identity(json!({"loads": [{"rate": 5.0}], "dataset": {"sha256": "aa"}}));
        assert_eq!(told(other), "another plan: loads[0].rate is 5.0, not 4.0");
        let other = identity(json!({"loads": [{"rate": 4.0}], "dataset": {"sha256": "bb"}}));
        assert_eq!(told(other), r#"another dataset: dataset.sha256 is "bb", not "aa""#);
        assert_eq!(
            told(Identity { version: "2".into(), ..here.clone() }),
            "another harness: version 2, not 1"
        );
        assert_eq!(
            told(Identity { build: "c".into(), ..here.clone() }),
            "another build of harness 1: c, not b"
        );
        assert_eq!(
            told(Identity { plan_sha256: "x".into(), ..here.clone() }),
            "another plan: its hash differs"
        );
    }

    #[test]
    fn a_program_that_is_a_byte_longer_is_another_build() {
        let program = vec![7u8; 300_000];
        let of = |bytes: &[u8]| build(&mut io::Cursor::new(bytes.to_vec())).unwrap();
        assert_eq!(of(&program), of(&program));
        assert_ne!(of(&program), of(&[&program[..], &[7]].concat()));
        assert_ne!(of(&program), of(&[&[8], &program[1..]].concat()));
    }
}
