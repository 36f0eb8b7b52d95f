//! What is a secret: one rule for what is refused on the command line and what is taken out of logs.

use std::collections::BTreeMap;
use std::path::Path;

/// Ends of words that always mean a secret: `PGPASSWORD`, `CLIENT_SECRET`, `--apikey`.
const SECRET_ENDS: [&str; 9] = [
    "secret",
    "secrets",
    "password",
    "passwords",
    "passwd",
    "passphrase",
    "credential",
    "credentials",
    "apikey",
];
/// Words before `key` and `token` that make secrets of them wherever they stand: `AWS_ACCESS_KEY_ID`.
const QUALIFIERS: [&str; 4] = ["api", "access", "auth", "private"];
/// What a name is of whose value only says where something lies: `HF_TOKEN_PATH`, `--api-key-file`.
const PLACES: [&str; 5] = ["path", "file", "dir", "directory", "home"];
/// Shorter values (`1`, `true`) are no secrets, and would blot out half of a log.
const SHORTEST: usize = 8;

/// True for the name of a variable or flag whose value is a secret: `HF_TOKEN`, `--api-key`; not for
/// `TOKENIZERS_PARALLELISM` or `--max-num-batched-tokens`.
///
/// A flag says at its end what it takes (`--speculative-token-map` a map), so `token` and `key` count only
/// there. In the name of a variable they count anywhere (`HF_TOKEN_2`): it costs less to hide too much.
pub fn names_a_secret(name: &str) -> bool {
    let is_flag = name.starts_with('-');
    let name = name.to_lowercase();
    let words: Vec<&str> = name.split(['_', '-', '.']).filter(|word| !word.is_empty()).collect();
    let Some(last) = words.last() else { return false };
    if PLACES.contains(last) {
        return false;
    }
    let ends_as_secret = |word: &&str| SECRET_ENDS.iter().any(|end| word.ends_with(end));
    let is_key = |word: &str| matches!(word, "key" | "keys" | "token");
    let is_qualified = |pair: &[&str]| matches!(pair, [before, word] if QUALIFIERS.contains(before) && (is_key(word) || *word == "tokens"));
    words.iter().any(ends_as_secret)
        || words.windows(2).any(is_qualified)
        || is_key(last)
        || (!is_flag && (last.ends_with("key") || last.ends_with("token") || words.iter().any(|w| is_key(w))))
}

/// The values of an environment that must not be read in any log.
pub fn secret_values(environment: &BTreeMap<String, String>) -> Vec<String> {
    environment
        .iter()
        .filter(|(name, value)| names_a_secret(name) && value.len() >= SHORTEST && !is_place(value))
        .map(|(_, value)| value.clone())
        .collect()
}

/// A path that is there. What only begins with a slash may be a key in base 64.
fn is_place(value: &str) -> bool {
    value.starts_with('/') && Path::new(value).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_told_from_flags_about_tokens() {
        for name in [
            "HF_TOKEN",
            "HF_TOKEN_2",
            "VLLM_API_KEY",
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "DB_PASSWORD",
            "PGPASSWORD",
            "OPENAIKEY",
            "GITHUBTOKEN",
            "MY_KEY",
            "MY_KEYS",
            "AUTH_TOKENS",
            "--api-key",
            "--apikey",
            "--admin-api-key",
            "--hf-token",
            "--client-secret",
        ] {
            assert!(names_a_secret(name), "{name}");
        }
        for name in [
            "TOKENIZERS_PARALLELISM",
            "MAX_NUM_BATCHED_TOKENS",
            "KEYBOARD_LAYOUT",
            "HF_TOKEN_PATH",
            "SSL_KEY_FILE",
            "--max-num-batched-tokens",
            "--speculative-token-map",
            "--key-cache",
            "--api-key-file",
            "--ssl-keyfile",
            "-k",
            "--",
        ] {
            assert!(!names_a_secret(name), "{name}");
        }
    }

    #[test]
    fn values_of_tokens_and_keys_are_kept_out_of_logs_and_flags_are_not() {
        let environment = [
            ("HF_TOKEN", "hf_abcdefgh"),
            ("HF_TOKEN_PATH", "/home/me/token"),
            ("TOKENIZERS_PARALLELISM", "false-and-long"),
            ("PATH", "/usr/bin:/bin"),
            ("BASE64_KEY", "/9j/4AAQSkZJRg=="),
            ("SSH_KEY", "/etc/passwd"),
            ("USE_KEY", "true"),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert_eq!(secret_values(&environment), ["/9j/4AAQSkZJRg==", "hf_abcdefgh"]);
    }
}
