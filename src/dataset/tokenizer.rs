//! A model's tokenizer, from a file, a directory or the hub: how many tokens a text has.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use sha2::{Digest, Sha256};

use crate::directories::{data_dir, write_atomic};
use crate::schema::refusal::{OrRefuse, refuse};
use crate::schema::synthetic::TokenizerFile;

/// What a hub's answer may take.
const DOWNLOAD_TIME: Duration = Duration::from_secs(120);
/// No tokenizer is larger, bytes.
const LARGEST: usize = 256 << 20;
/// The file that all of them have.
const FILE_NAME: &str = "tokenizer.json";

/// A tokenizer of the `tokenizers` library: what the engines use too.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    /// Where it is from.
    pub file: TokenizerFile,
}

impl Tokenizer {
    /// Finds a tokenizer: a `tokenizer.json`, a directory that holds one, or a hub id such as `Qwen/Qwen3-8B`, which
    /// is looked up in the hub's cache on this machine first.
    ///
    /// # Errors
    /// There is none, or it is no tokenizer.
    pub fn load(name: &str) -> anyhow::Result<Tokenizer> {
        let bytes = match local(Path::new(name))? {
            Some(path) => std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?,
            None => from_hub(name)?,
        };
        Tokenizer::of_bytes(name, &bytes)
            .or_refuse(|| format!("--tokenizer {name} cannot be used"), "give the model's tokenizer.json")
    }

    /// That of a model on this machine, where it has one: a directory with `tokenizer.json`, or a file beside one.
    pub fn of_model(source: &str) -> Option<Tokenizer> {
        let path = Path::new(source);
        let directory = if path.is_dir() { path } else { path.parent()? };
        let file = directory.join(FILE_NAME);
        if !path.exists() || !file.is_file() {
            return None;
        }
        Tokenizer::of_bytes(file.to_str()?, &std::fs::read(&file).ok()?).ok()
    }

    /// From the bytes of a `tokenizer.json`; `name` is what it is called.
    ///
    /// # Errors
    /// They hold no tokenizer.
    pub fn of_bytes(name: &str, bytes: &[u8]) -> anyhow::Result<Tokenizer> {
        let read = tokenizers::Tokenizer::from_bytes(bytes).and_then(|mut inner| {
            // Some files say how to fill up a batch: that is no part of a text.
            inner.with_truncation(None)?.with_padding(None);
            Ok(inner)
        });
        let inner = match read {
            Ok(inner) => inner,
            Err(error) => bail!("{name} is no tokenizer: {error}"),
        };
        let sha256 = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Tokenizer { inner, file: TokenizerFile { name: name.to_owned(), sha256 } })
    }

    /// The tokens of a text by their numbers, without those that a model puts round it (BOS, EOS). Text that spells a
    /// special token is one, as it is for engines.
    ///
    /// # Errors
    /// The text cannot be encoded.
    pub fn encode(&self, text: &str) -> anyhow::Result<Vec<u32>> {
        match self.inner.encode_fast(text, false) {
            Ok(encoding) => Ok(encoding.get_ids().to_vec()),
            Err(error) => bail!("the tokenizer cannot encode a text: {error}"),
        }
    }

    /// Tokens of a text, without those that a model puts round it; none where it cannot be encoded.
    pub fn count(&self, text: &str) -> Option<usize> {
        self.inner.encode_fast(text, false).ok().map(|encoding| encoding.len())
    }

    /// Tokens that it puts round every text: a BOS, mostly.
    pub fn put_round(&self) -> usize {
        let tokens = |special| self.inner.encode_fast("a", special).map_or(0, |encoding| encoding.len());
        tokens(true).saturating_sub(tokens(false))
    }

    /// The words of its vocabulary that stand behind a space, without it, in the order of their numbers: in most
    /// tokenizers the frequent ones come first. Those are left out that could stand behind another word in one token
    /// with it.
    pub fn words(&self) -> Vec<String> {
        let vocabulary = self.inner.get_vocab(false);
        let mut words: Vec<(u32, &str)> = Vec::new();
        let marked = ["Ġ", "▁"].into_iter().find(|mark| {
            vocabulary.keys().filter(|token| token.starts_with(mark)).count() * 20 > vocabulary.len()
        });
        for (token, id) in &vocabulary {
            let word = match marked {
                // Bytes stand in it as letters that mean something else.
                Some("Ġ") => token.strip_prefix("Ġ").filter(|word| word.is_ascii()),
                Some(mark) => token.strip_prefix(mark),
                None => Some(token.as_str()).filter(|token| !token.starts_with("##")),
            };
            words.extend(word.filter(|word| is_word(word)).map(|word| (*id, word)));
        }
        let joined = Joined::of(vocabulary.keys());
        words.retain(|(_, word)| !joined.may_hold(word));
        words.sort_unstable();
        words.into_iter().map(|(_, word)| word.to_owned()).collect()
    }
}

/// What stands behind a space within tokens, and behind a letter before it: `air` of `▁age▁air`.
struct Joined<'a> {
    whole: HashSet<&'a str>,
    beginnings: HashSet<&'a str>,
}

impl<'a> Joined<'a> {
    fn of(tokens: impl Iterator<Item = &'a String>) -> Joined<'a> {
        let mut joined = Joined { whole: HashSet::new(), beginnings: HashSet::new() };
        let is_space = |c: char| ['Ġ', '▁', ' '].contains(&c);
        for token in tokens {
            let mut behind_letter = false;
            for (place, sign) in token.char_indices() {
                let rest = &token[place + sign.len_utf8()..];
                if is_space(sign) && behind_letter && rest.starts_with(char::is_alphabetic) {
                    let word = &rest[..rest.find(is_space).unwrap_or(rest.len())];
                    joined.whole.insert(word);
                    joined.beginnings.extend(word.char_indices().map(|(end, _)| &word[..end]));
                }
                behind_letter = !is_space(sign);
            }
        }
        joined
    }

    fn may_hold(&self, word: &str) -> bool {
        let ends = word.char_indices().map(|(end, _)| end).skip(1).chain([word.len()]);
        self.beginnings.contains(word) || ends.into_iter().any(|end| self.whole.contains(&word[..end]))
    }
}

/// Two to twelve letters, none of them a capital.
fn is_word(word: &str) -> bool {
    let letters = word.chars().count();
    (2..=12).contains(&letters) && word.chars().all(|letter| letter.is_alphabetic() && !letter.is_uppercase())
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokenizer").field("file", &self.file).finish_non_exhaustive()
    }
}

/// The file on this machine that a name stands for; none where it can only be a hub's.
fn local(path: &Path) -> anyhow::Result<Option<PathBuf>> {
    let hint =
        "give the model's tokenizer.json, a directory that holds it, or a hub id such as Qwen/Qwen3-8B";
    if path.is_file() {
        return Ok(Some(path.to_owned()));
    }
    let within = path.join(FILE_NAME);
    if path.is_dir() {
        if within.is_file() {
            return Ok(Some(within));
        }
        return refuse(format!("--tokenizer {}: no {FILE_NAME} in it", path.display()), hint);
    }
    let Some(id) = path.to_str().filter(|name| is_hub_id(name)) else {
        return refuse(format!("--tokenizer {}: no such file", path.display()), hint);
    };
    Ok(in_hub_cache(id).or_else(|| kept(id).ok().filter(|path| path.is_file())))
}

/// `owner/name`, of letters, digits, `-`, `_` and `.`.
fn is_hub_id(name: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    name.split_once('/').is_some_and(|(owner, name)| part(owner) && part(name))
}

/// Where the hub's own programs keep it.
fn in_hub_cache(id: &str) -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let caches = [
        variable("HF_HUB_CACHE"),
        variable("HF_HOME").map(|home| home.join("hub")),
        variable("HOME").map(|home| home.join(".cache/huggingface/hub")),
    ];
    let model = format!("models--{}", id.replace('/', "--"));
    caches.into_iter().flatten().find_map(|cache| {
        let revision = std::fs::read_to_string(cache.join(&model).join("refs/main")).ok()?;
        let file = cache.join(&model).join("snapshots").join(revision.trim()).join(FILE_NAME);
        file.is_file().then_some(file)
    })
}

/// Where this program keeps what it fetched.
fn kept(id: &str) -> anyhow::Result<PathBuf> {
    Ok(data_dir()?.join("tokenizers").join(format!("{}.json", id.replace('/', "--"))))
}

fn from_hub(id: &str) -> anyhow::Result<Vec<u8>> {
    // A thread with a runtime of its own: the caller may or may not stand in one.
    let fetched = std::thread::scope(|scope| {
        let fetching = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(fetch(id))
        });
        fetching.join().unwrap_or_else(|_| bail!("the download broke off; this is a fault of the harness"))
    });
    let bytes = fetched.or_refuse(
        || format!("the tokenizer of {id} cannot be fetched"),
        "fetch its tokenizer.json by hand and give the file",
    )?;
    // It is tried before it is kept.
    Tokenizer::of_bytes(id, &bytes)?;
    let path = kept(id)?;
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    }
    write_atomic(&path, &bytes)?;
    Ok(bytes)
}

async fn fetch(id: &str) -> anyhow::Result<Vec<u8>> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let hub = set("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned());
    let client = reqwest::Client::builder().timeout(DOWNLOAD_TIME).build()?;
    let mut request = client.get(format!("{}/{id}/resolve/main/{FILE_NAME}", hub.trim_end_matches('/')));
    if let Some(token) = set("HF_TOKEN") {
        request = request.bearer_auth(token);
    }
    let mut answer = request.send().await?.error_for_status()?;
    let mut bytes = Vec::new();
    while let Some(part) = answer.chunk().await? {
        bytes.extend_from_slice(&part);
        if bytes.len() > LARGEST {
            bail!("it is larger than {} MiB", LARGEST >> 20);
        }
    }
    Ok(bytes)
}
