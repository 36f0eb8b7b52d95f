//! Faults on demand: which request gets which, the same under the same seed.

use std::str::FromStr;
use std::time::Duration;

use super::random::Random;

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The connection is reset before any byte of the answer.
    Reset,
    /// An HTTP error in the engine's own form, the overload statuses among them.
    Status(u16),
    /// The connection is closed amid the stream.
    Cut,
    /// The HTTP body ends in order, without finish reason, usage or end marker.
    Truncate,
    /// Nothing more is written for a while, or ever.
    Stall,
    /// Bytes that are no HTTP chunk, then the connection is closed.
    Garbage,
    /// An event whose data is no JSON; the stream goes on.
    BadJson,
    /// Fewer tokens than were asked for, with the finish reason of a full answer.
    Short,
    /// More tokens than were asked for.
    Long,
    /// The engine's error event after HTTP 200, and its way to end a stream after one.
    Error,
}

/// Which requests a fault takes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum When {
    Share(f64),
    At(u64),
    Every(u64),
}

/// One rule of `--fault`.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    when: When,
    /// Tokens written before it happens; for `short` the tokens of the answer. None: half of the answer.
    pub tokens: Option<u32>,
    /// How long a stall lasts; none: for ever.
    pub duration: Option<Duration>,
}

impl Fault {
    /// The name as typed.
    pub fn name(&self) -> String {
        match self.kind {
            FaultKind::Reset => "reset".into(),
            FaultKind::Status(status) => status.to_string(),
            FaultKind::Cut => "cut".into(),
            FaultKind::Truncate => "truncate".into(),
            FaultKind::Stall => "stall".into(),
            FaultKind::Garbage => "garbage".into(),
            FaultKind::BadJson => "badjson".into(),
            FaultKind::Short => "short".into(),
            FaultKind::Long => "long".into(),
            FaultKind::Error => "error".into(),
        }
    }

    /// Steps of an answer of `total` steps before it happens: always before the last one.
    pub fn after(&self, total: u32) -> u32 {
        self.tokens.unwrap_or(total / 2).min(total.saturating_sub(1))
    }
}

/// The fault of request `number` (from 1), if it gets one. Shares of several rules add up.
pub fn draw(faults: &[Fault], seed: u64, number: u64) -> Option<&Fault> {
    let chance = Random::new(seed, 0xFA17, number).unit();
    let mut below = 0.0;
    faults.iter().find(|fault| match fault.when {
        When::At(at) => at == number,
        When::Every(every) => number.is_multiple_of(every),
        When::Share(share) => {
            let from = below;
            below += share;
            (from..below).contains(&chance)
        }
    })
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, rest) = text.split_once(':').ok_or_else(|| {
            format!("'{text}' says not which requests; write KIND:0.1, KIND:at=3 or KIND:every=10")
        })?;
        let kind = kind_of(kind)?;
        let mut parts = rest.split(',');
        let when = when_of(parts.next().unwrap_or_default())?;
        let mut fault = Self { kind, when, tokens: None, duration: None };
        for part in parts {
            match part.split_once('=') {
                Some(("tokens", value)) => {
                    fault.tokens =
                        Some(value.parse().map_err(|_| format!("'{value}' is no number of tokens"))?);
                }
                Some(("for", value)) => fault.duration = Some(duration_of(value)?),
                Some(_) | None => {
                    return Err(format!("'{part}' is unknown; after the share come tokens=N, for=TIME"));
                }
            }
        }
        Ok(fault)
    }
}

fn kind_of(text: &str) -> Result<FaultKind, String> {
    match text {
        "reset" => Ok(FaultKind::Reset),
        "cut" => Ok(FaultKind::Cut),
        "truncate" => Ok(FaultKind::Truncate),
        "stall" => Ok(FaultKind::Stall),
        "garbage" => Ok(FaultKind::Garbage),
        "badjson" => Ok(FaultKind::BadJson),
        "short" => Ok(FaultKind::Short),
        "long" => Ok(FaultKind::Long),
        "error" => Ok(FaultKind::Error),
        other => match other.parse() {
            Ok(status @ 400..=599) => Ok(FaultKind::Status(status)),
            Ok(_) | Err(_) => Err(format!(
                "'{other}' is no fault; known: a status from 400 to 599, reset, cut, truncate, stall, garbage, \
                 badjson, short, long, error"
            )),
        },
    }
}

fn when_of(text: &str) -> Result<When, String> {
    let wrong = || format!("'{text}' says not which requests; write a share up to 1, at=3 or every=10");
    let counted = |value: &str| value.parse().ok().filter(|count| *count > 0).ok_or_else(wrong);
    match text.split_once('=') {
        Some(("at", value)) => counted(value).map(When::At),
        Some(("every", value)) => counted(value).map(When::Every),
        Some(_) => Err(wrong()),
        None => match text.parse() {
            Ok(share) if (0.0..=1.0).contains(&share) => Ok(When::Share(share)),
            Ok(_) | Err(_) => Err(wrong()),
        },
    }
}

fn duration_of(text: &str) -> Result<Duration, String> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let scale = match &text[number.len()..] {
        "ms" => 1e-3,
        "s" | "" => 1.0,
        "m" => 60.0,
        other => return Err(format!("unknown unit '{other}'; write 500ms, 2s or 1m")),
    };
    let value: f64 = number.parse().map_err(|_| format!("'{text}' is no time; write 500ms, 2s or 1m"))?;
    Duration::try_from_secs_f64(value * scale)
        .map_err(|_| format!("'{text}' is no time; write 500ms, 2s or 1m"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_says_kind_requests_tokens_and_time() {
        let fault: Fault = "stall:0.25,tokens=5,for=500ms".parse().unwrap();
        assert_eq!(fault.kind, FaultKind::Stall);
        assert_eq!(fault.when, When::Share(0.25));
        assert_eq!((fault.tokens, fault.duration), (Some(5), Some(Duration::from_millis(500))));
        assert_eq!("429:at=3".parse::<Fault>().unwrap().kind, FaultKind::Status(429));
        for wrong in
            ["cut", "cut:2", "nope:0.1", "200:0.1", "cut:at=0", "cut:0.1,x=1", "stall:1,for=2 parsecs"]
        {
            assert!(wrong.parse::<Fault>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn shares_are_kept_and_the_same_seed_picks_the_same_requests() {
        let faults = ["429:0.1".parse::<Fault>().unwrap(), "cut:0.2".parse().unwrap()];
        let picks = |seed| (1..=20_000).map(|n| draw(&faults, seed, n).map(|f| f.kind)).collect::<Vec<_>>();
        assert_eq!(picks(1), picks(1));
        assert_ne!(picks(1), picks(2));
        let share = |kind| picks(1).iter().filter(|pick| **pick == Some(kind)).count() as f64 / 20_000.0;
        assert!((share(FaultKind::Status(429)) - 0.1).abs() < 0.01);
        assert!((share(FaultKind::Cut) - 0.2).abs() < 0.01);
    }

    #[test]
    fn counted_rules_take_exactly_their_requests() {
        let faults = ["reset:at=2".parse::<Fault>().unwrap(), "error:every=3".parse().unwrap()];
        let picks: Vec<_> = (1..=6).map(|n| draw(&faults, 0, n).map(Fault::name)).collect();
        let (reset, error) = (Some("reset".to_owned()), Some("error".to_owned()));
        assert_eq!(picks, [None, reset, error.clone(), None, None, error]);
    }

    #[test]
    fn a_fault_amid_a_stream_always_comes_before_its_last_token() {
        let fault: Fault = "cut:1,tokens=50".parse().unwrap();
        assert_eq!((fault.after(100), fault.after(10), fault.after(1)), (50, 9, 0));
        assert_eq!("cut:1".parse::<Fault>().unwrap().after(10), 5);
    }
}
