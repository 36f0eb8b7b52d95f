//! How many threads the load engine plays with.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Threads of the load engine: `auto`, or a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(into = "Coded", from = "Coded")]
pub enum ClientThreads {
    /// As many as the load needs, by its plan and by what the warm-up shows, and never more than the cores that the
    /// server leaves.
    #[default]
    Auto,
    /// So many, 1 or more.
    Number(u32),
}

/// As a file holds it.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Coded {
    Number(u32),
    Word(Word),
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Word {
    Auto,
}

impl From<Coded> for ClientThreads {
    fn from(coded: Coded) -> ClientThreads {
        match coded {
            Coded::Number(number) => ClientThreads::Number(number),
            Coded::Word(Word::Auto) => ClientThreads::Auto,
        }
    }
}

impl From<ClientThreads> for Coded {
    fn from(threads: ClientThreads) -> Coded {
        match threads {
            ClientThreads::Auto => Coded::Word(Word::Auto),
            ClientThreads::Number(number) => Coded::Number(number),
        }
    }
}

impl JsonSchema for ClientThreads {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ClientThreads".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Coded::json_schema(generator)
    }
}

/// `auto`, `4`
impl fmt::Display for ClientThreads {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientThreads::Auto => out.write_str("auto"),
            ClientThreads::Number(number) => write!(out, "{number}"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_auto_or_a_number_in_files_old_and_new() {
        let read = |text: &str| serde_json::from_str::<ClientThreads>(text);
        assert_eq!(read("\"auto\"").unwrap(), ClientThreads::Auto);
        assert_eq!(read("2").unwrap(), ClientThreads::Number(2), "as every file of before has it");
        assert!(read("\"many\"").is_err() && read("-1").is_err() && read("null").is_err());
        let written = |threads| serde_json::to_string(&threads).unwrap();
        assert_eq!(written(ClientThreads::Auto), "\"auto\"");
        assert_eq!(written(ClientThreads::Number(8)), "8");
    }
}
