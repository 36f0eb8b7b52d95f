//! The number of client threads as it is typed.

use std::str::FromStr;

/// `--client-threads auto|N`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThreadsArg {
    /// As many as the load needs.
    Auto,
    /// So many; 0 is refused later.
    Number(u32),
}

impl FromStr for ThreadsArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "auto" => Ok(ThreadsArg::Auto),
            number => {
                number.parse().map(ThreadsArg::Number).map_err(|_| "write auto or a whole number".to_owned())
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn client_threads_are_auto_or_a_number() {
        let read = |text: &str| text.parse::<ThreadsArg>();
        assert_eq!((read("auto").unwrap(), read(" 4 ").unwrap()), (ThreadsArg::Auto, ThreadsArg::Number(4)));
        assert!(read("many").is_err() && read("-1").is_err() && read("").is_err());
    }
}
