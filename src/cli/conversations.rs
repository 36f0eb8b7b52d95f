//! Turns that follow each other, and several models behind one URL.

use clap::Args;

use super::units::seconds;

/// Turns that follow each other, and several models behind one URL.
#[derive(Debug, Args)]
#[command(next_help_heading = "Conversations and models")]
pub struct ConversationArgs {
    /// Play at most N turns of each conversation of the dataset [default: all]; with --prompt-dist make N of each
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub turns: Option<u32>,
    /// Time between the end of an answer and the turn behind it: 2s, exp:2s (exponential of that mean) or
    /// uniform:1s..5s [default: the dataset's, else none]
    #[arg(long, value_name = "TIME", value_parser = think_time)]
    pub think_time: Option<ThinkTimeArg>,
    /// Models behind the one URL, each asked by its share of the units; results for each and together
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', conflicts_with = "model")]
    pub models: Vec<String>,
    /// Shares of --models in their order, such as 0.9,0.1 [default: equal]
    #[arg(long, value_name = "SHARE,…", value_delimiter = ',', requires = "models")]
    pub traffic_split: Vec<f64>,
}

/// How long a user thinks, as it is typed; times in s.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ThinkTimeArg {
    /// Always as long.
    Fixed(f64),
    /// Exponential of this mean.
    Exponential(f64),
    /// Between two.
    Uniform(f64, f64),
}

/// `2s`, `exp:2s`, `uniform:1s..5s`
fn think_time(text: &str) -> Result<ThinkTimeArg, String> {
    match text.split_once(':') {
        None => Ok(ThinkTimeArg::Fixed(seconds(text)?)),
        Some(("exp" | "exponential", mean)) => Ok(ThinkTimeArg::Exponential(seconds(mean)?)),
        Some(("uniform", range)) => {
            match range.split_once("..").map(|(from, to)| (seconds(from), seconds(to))) {
                Some((Ok(from), Ok(to))) if from <= to => Ok(ThinkTimeArg::Uniform(from, to)),
                Some(_) | None => Err("not two times; write uniform:1s..5s".into()),
            }
        }
        Some((other, _)) => Err(format!("unknown law '{other}'; write 2s, exp:2s or uniform:1s..5s")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn think_times_are_a_time_or_a_law() {
        assert_eq!(think_time("2s"), Ok(ThinkTimeArg::Fixed(2.0)));
        assert_eq!(think_time("exp:500ms"), Ok(ThinkTimeArg::Exponential(0.5)));
        assert_eq!(think_time("uniform:1s..1m"), Ok(ThinkTimeArg::Uniform(1.0, 60.0)));
        for wrong in ["", "exp:", "normal:2s", "uniform:2s", "uniform:5s..1s", "-1s"] {
            assert!(think_time(wrong).is_err(), "{wrong}");
        }
    }
}
