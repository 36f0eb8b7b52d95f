//! Which names and values are those of secrets.

use std::collections::BTreeMap;
use std::path::Path;

/// Ends of words that mean a secret wherever they stand: `PGPASSWORD`, `CLIENT_SECRET`, `--apikey`.
const SECRET_ENDS: [&str; 19] = [
    "secret",
    "secrets",
    "password",
    "passwords",
    "passwd",
    "passphrase",
    "passcode",
    "credential",
    "credentials",
    "apikey",
    "apikeys",
    "accesskey",
    "secretkey",
    "privatekey",
    "authkey",
    "authtoken",
    "accesstoken",
    "connectionstring",
    "bearer",
];
/// Whole words that do: `DB_PASS`, `AZURE_SAS`, `GH_PAT`, `SENTRY_DSN`.
const SECRET_WORDS: [&str; 17] = [
    "pass",
    "pwd",
    "creds",
    "cred",
    "auth",
    "authorization",
    "cookie",
    "cookies",
    "sas",
    "dsn",
    "jwt",
    "pat",
    "otp",
    "signature",
    "session",
    "sessionid",
    "private",
];
/// Those of them that mean it only at the end of a name: `REGISTRY_AUTH`, not `AUTH_MODE`.
const ONLY_AT_THE_END: [&str; 7] = ["auth", "session", "signature", "private", "pat", "cookie", "pass"];
/// Words before `key` and `token` that make secrets of them wherever they stand: `AWS_ACCESS_KEY_ID`.
const QUALIFIERS: [&str; 13] = [
    "api",
    "access",
    "auth",
    "private",
    "secret",
    "signing",
    "encryption",
    "master",
    "account",
    "shared",
    "service",
    "admin",
    "session",
];
/// Two words that are one secret: `CONNECTION_STRING`, `SESSION_ID`.
const PAIRS: [[&str; 2]; 4] =
    [["connection", "string"], ["conn", "str"], ["conn", "string"], ["session", "id"]];
/// The end of a name whose value only says where something lies, or how much: `HF_TOKEN_PATH`, `KEY_CACHE`.
const PLACES: [&str; 16] = [
    "path",
    "file",
    "dir",
    "directory",
    "home",
    "sock",
    "socket",
    "keyfile",
    "certfile",
    "env",
    "store",
    "type",
    "cache",
    "limit",
    "size",
    "count",
];
/// Beside these, `key` and `token` are those of a model or a table: `MAX_TOKENS`, `PUBLIC_KEY`.
const OF_MODELS: [&str; 46] = [
    "max",
    "min",
    "num",
    "n",
    "number",
    "total",
    "len",
    "length",
    "batch",
    "batched",
    "prefill",
    "decode",
    "draft",
    "speculative",
    "input",
    "output",
    "completion",
    "prompt",
    "generated",
    "reasoning",
    "thinking",
    "think",
    "special",
    "stop",
    "eos",
    "bos",
    "pad",
    "unk",
    "sep",
    "mask",
    "add",
    "skip",
    "logprobs",
    "ids",
    "map",
    "kv",
    "dtype",
    "head",
    "heads",
    "attention",
    "public",
    "sort",
    "partition",
    "per",
    "cached",
    "tokenizer",
];
/// Words that only end in `key`.
const NO_KEYS: [&str; 4] = ["hotkey", "monkey", "donkey", "turkey"];
/// How the keys of well-known services begin.
const KEY_BEGINNINGS: [&str; 11] =
    ["sk-", "hf_", "ghp_", "gho_", "github_pat_", "glpat-", "xoxb-", "xoxp-", "AKIA", "eyJhbGciOi", "AIza"];
/// Shorter ones are words: `hf_transfer`, `sk-learn`.
const SHORTEST_KEY: usize = 20;
/// Shorter values (`1`, `true`) are no secrets, and would blot out half of a log.
const SHORTEST: usize = 8;

/// True for the name of a variable, a flag, a setting or a header whose value is a secret: `HF_TOKEN`,
/// `--api-key`; not for `TOKENIZERS_PARALLELISM` or `--max-num-batched-tokens`.
///
/// A flag says at its end what it takes (`--speculative-token-map` a map), so `token` and `key` count only
/// there. In the name of a variable they count anywhere (`HF_TOKEN_2`): it costs less to hide too much.
pub fn names_a_secret(name: &str) -> bool {
    let is_flag = name.starts_with('-');
    // These two are where a shell stands.
    if matches!(name, "PWD" | "OLDPWD") {
        return false;
    }
    let words = words(name);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let Some(last) = words.last() else { return false };
    if PLACES.contains(last) {
        return false;
    }
    let ends_as_secret = |word: &&str| SECRET_ENDS.iter().any(|end| word.ends_with(end));
    let is_key = |word: &str| matches!(word, "key" | "keys" | "token" | "tokens");
    let is_qualified =
        |pair: &[&str]| matches!(pair, [before, word] if QUALIFIERS.contains(before) && is_key(word));
    let is_word =
        |word: &&str| SECRET_WORDS.contains(word) && (word == last || !ONLY_AT_THE_END.contains(word));
    if words.iter().any(ends_as_secret)
        || words.iter().any(is_word)
        || words.windows(2).any(is_qualified)
        || words.windows(2).any(|pair| PAIRS.iter().any(|both| pair == both))
    {
        return true;
    }
    if words.iter().any(|word| OF_MODELS.contains(word)) {
        return false;
    }
    let glued = |word: &str| (word.ends_with("key") || word.ends_with("token")) && !NO_KEYS.contains(&word);
    is_key(last) || (!is_flag && (glued(last) || words.iter().any(|word| is_key(word))))
}

/// `HF_TOKEN`, `hf-token`, `hf.token` and `hfToken` are the same two words.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut after_small = false;
    for character in name.chars() {
        let is_letter = character.is_alphanumeric();
        if (!is_letter || (after_small && character.is_uppercase()))
            && words.last().is_some_and(|word| !word.is_empty())
        {
            words.push(String::new());
        }
        if let (true, Some(word)) = (is_letter, words.last_mut()) {
            word.extend(character.to_lowercase());
        }
        after_small = character.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// True for a value that is a secret whatever its name: a key of a well-known form, or an address with a password.
pub fn holds_a_secret(value: &str) -> bool {
    let separators = |c: char| c.is_whitespace() || "\"',;()[]{}=".contains(c);
    let is_key = |word: &str| {
        word.len() >= SHORTEST_KEY && KEY_BEGINNINGS.iter().any(|beginning| word.starts_with(beginning))
    };
    value.split(separators).any(is_key) || value.contains("PRIVATE KEY-----") || password(value).is_some()
}

/// The password in an address: `http://me:PASSWORD@host`.
fn password(value: &str) -> Option<&str> {
    let (_, rest) = value.split_once("://")?;
    let authority = rest.split(['/', '?', '#', ' ', '"', '\'']).next().unwrap_or_default();
    let (user, _) = authority.rsplit_once('@')?;
    user.split_once(':').map(|(_, password)| password).filter(|password| !password.is_empty())
}

/// The first of an engine's arguments that gives a secret, named so that the secret is not: `--api-key sk-1`,
/// `--key=sk-1`, `-e HF_TOKEN=…`, `{"api_key": "…"}`, `--proxy http://me:…@host`. None where none does.
pub fn argument_with_a_secret(arguments: &[String]) -> Option<String> {
    arguments.iter().enumerate().find_map(|(place, argument)| {
        let (name, joined) = match argument.split_once('=') {
            Some((name, value)) if name.starts_with('-') => (name, Some(value)),
            Some(_) | None => (argument.as_str(), None),
        };
        let next = arguments.get(place + 1).filter(|next| !is_flag(next));
        let has_value = joined.is_some_and(|value| !value.is_empty()) || (joined.is_none() && next.is_some());
        let is_named = name.starts_with('-') && names_a_secret(name) && has_value;
        let inner = joined.unwrap_or(argument);
        if is_named {
            Some(name.to_owned())
        } else if let Some(inner) = pair_with_a_secret(inner) {
            Some(if name == argument { inner.to_owned() } else { format!("{name} ({inner})") })
        } else if holds_a_secret(argument) {
            Some(if joined.is_some() { name.to_owned() } else { format!("argument {}", place + 1) })
        } else {
            None
        }
    })
}

/// `-abc` may be a key after a flag; `--abc` is a flag.
fn is_flag(argument: &str) -> bool {
    argument.strip_prefix("--").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()))
}

/// The name in a `NAME=value`, `"name": "value"` or `Name: value` within an argument whose value is a secret.
fn pair_with_a_secret(text: &str) -> Option<&str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    text.char_indices().filter(|(_, c)| matches!(c, '=' | ':')).find_map(|(at, _)| {
        let before = text[..at].trim_end_matches(['"', '\'', ' ', '\\']);
        let name = &before[before.rfind(|c| !is_name(c)).map_or(0, |place| place + 1)..];
        let value = text[at + 1..].trim_start_matches(['"', '\'', ' ', '\\']);
        let value = value.split(['"', '\'', ',', '}', ' ']).next().unwrap_or_default();
        let is_text = !value.is_empty()
            && value.parse::<f64>().is_err()
            && !["true", "false", "null", "none", "auto"].contains(&value.to_lowercase().as_str())
            && !["bool:", "int:", "float:", "{", "["].iter().any(|begin| value.starts_with(begin));
        (is_text && !name.starts_with('-') && names_a_secret(name)).then_some(name)
    })
}

/// The values of an environment that must not be read in any log, and the passwords in its addresses.
pub fn secret_values(environment: &BTreeMap<String, String>) -> Vec<String> {
    let named = environment
        .iter()
        .filter(|(name, value)| {
            (names_a_secret(name) || holds_a_secret(value)) && value.len() >= SHORTEST && !is_place(value)
        })
        .map(|(_, value)| value.clone());
    let passwords = environment.values().filter_map(|value| password(value)).map(str::to_owned);
    named.chain(passwords).collect()
}

/// A path that is there. What only begins with a slash may be a key in base 64.
fn is_place(value: &str) -> bool {
    value.starts_with('/') && Path::new(value).exists()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_told_from_flags_about_tokens() {
        let secrets = "HF_TOKEN HF_TOKEN_2 VLLM_API_KEY AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY DB_PASSWORD \
            PGPASSWORD OPENAIKEY GITHUBTOKEN MY_KEY MY_KEYS AUTH_TOKENS OPENAI_KEY DB_PASS MY_TOKENS MYSQL_PWD \
            AZURE_SAS SAS_TOKEN SENTRY_DSN CONNECTION_STRING DB_CONN_STR GH_PAT BEARER BEARER_TOKEN SESSION_ID \
            SESSION_COOKIE COOKIES WANDB_CREDS REGISTRY_AUTH AUTHORIZATION JWT SIGNATURE PRIVATE_KEY hfToken \
            CLIENT_PRIVATE MY_PASSPHRASE SIGNING_KEY USER_SESSION BASIC_AUTH ACCESSKEY X-Api-Key \
            Proxy-Authorization Cookie X-Auth-Token --api-key --apikey --admin-api-key --hf-token --client-secret \
            --api-keys --key --api_key --password --token --auth --tokens -token";
        for name in secrets.split_whitespace() {
            assert!(names_a_secret(name), "{name}");
        }
        let others = "TOKENIZER TOKENIZERS_PARALLELISM MAX_TOKENS MAX_NUM_BATCHED_TOKENS KEY_CACHE num_tokens \
            KEYBOARD_LAYOUT HF_TOKEN_PATH SSL_KEY_FILE SSH_AUTH_SOCK PWD OLDPWD PUBLIC_KEY AUTH_MODE PATH \
            MONKEY COMPASS PATTERN DISPATCH PASSES AUTHOR SESSIONS_MAX TOKEN_LIMIT VLLM_CACHE_ROOT PRIVATE_USE_AREA \
            --max-num-batched-tokens --speculative-token-map --key-cache --api-key-file --ssl-keyfile --num-tokens \
            --kv-cache-dtype-key --max-total-tokens --skip-special-tokens --tokenizer --session-timeout \
            --max-input-tokens --tokenizer-mode --enable-prompt-tokens-details --token-limit --bypass -k --";
        for name in others.split_whitespace() {
            assert!(!names_a_secret(name), "{name}");
        }
    }

    #[test]
    fn values_of_tokens_and_keys_are_kept_out_of_logs_and_flags_are_not() {
        let environment = [
            ("HF_TOKEN", "hf_abcdefgh"),
            ("HF_TOKEN_PATH", "/home/me/token"),
            ("HTTPS_PROXY", "http://me:pw1@proxy:1/"),
            ("TOKENIZERS_PARALLELISM", "false-and-long"),
            ("PATH", "/usr/bin:/bin"),
            ("BASE64_KEY", "/9j/4AAQSkZJRg=="),
            ("SSH_KEY", "/etc/passwd"),
            ("USE_KEY", "true"),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let values = secret_values(&environment);
        assert_eq!(values, ["/9j/4AAQSkZJRg==", "hf_abcdefgh", "http://me:pw1@proxy:1/", "pw1"]);
    }

    #[test]
    fn a_secret_among_arguments_is_found_in_every_form_and_not_repeated() {
        let found = |line: &str| {
            let arguments: Vec<String> = shlex::split(line).unwrap();
            argument_with_a_secret(&arguments)
        };
        for (line, named) in [
            ("--dtype auto --api-key sk-1", "--api-key"),
            ("--api_key=sk-1", "--api_key"),
            ("--key -sk-1", "--key"),
            ("-e HF_TOKEN=sk-1", "HF_TOKEN"),
            ("--env=HF_TOKEN=sk-1", "--env (HF_TOKEN)"),
            ("--config '{\"api_key\": \"sk-1\"}'", "api_key"),
            ("--header 'Authorization: Bearer sk-1'", "Authorization"),
            ("--proxy http://me:sk-1@host:1", "argument 2"),
            ("--name=sk-abcdefghijklmnopqrstu", "--name"),
        ] {
            let said = found(line).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(said, named, "{line}");
            assert!(!said.contains("sk-1"));
        }
        for line in [
            "--dtype auto --max-num-batched-tokens 2048",
            "--override-kv tokenizer.ggml.add_bos_token=bool:false",
            "--limit-mm-per-prompt image=2 --served-model-name org/m:latest",
            "--enable-auth --host ::1",
            "--speculative-config '{\"num_speculative_tokens\": 4, \"method\": \"ngram\"}'",
            "--url http://host:8000/v1",
        ] {
            assert_eq!(found(line), None, "{line}");
        }
    }
}
