//! Where the curves of a sweep bend, in words.

use super::number::{compact, count, one_line};
use crate::schema::objective::{Knee, LimitOf};

/// What the lines are about.
pub const HEAD: &str = "The knee of each curve";

/// `vllm: keeps up with 11 requests a second, not with 12; at most 11.4 rps (8 loads, 1,200 requests)`.
pub fn line(knee: &Knee) -> String {
    let loads = if knee.runs == 1 { "1 load".to_owned() } else { format!("{} loads", knee.runs) };
    let most = knee.most_rps.map(|rps| format!("; at most {} rps", compact(rps))).unwrap_or_default();
    let label = one_line(&knee.label);
    format!("{label}: {}{most} ({loads}, {} requests)", bend(knee), count(knee.requests))
}

/// `keeps up with 11 requests a second, not with 12`.
pub fn bend(knee: &Knee) -> String {
    match (knee.of, knee.carries, knee.beyond) {
        (LimitOf::Rate, Some(carries), Some(beyond)) => {
            format!("keeps up with {carries} requests a second, not with {beyond}")
        }
        (LimitOf::Rate, Some(carries), None) => {
            format!("keeps up with {carries} requests a second, the most that was tried")
        }
        (LimitOf::Rate, None, Some(beyond)) => {
            format!("does not keep up with {beyond} requests a second, the fewest that were tried")
        }
        (LimitOf::Concurrency, Some(carries), Some(beyond)) => {
            format!("serves more up to {carries} requests in flight, and no more with {beyond}")
        }
        (LimitOf::Concurrency, Some(carries), None) => {
            format!("still serves more with {carries} requests in flight, the most that were tried")
        }
        (LimitOf::Concurrency, None, Some(_)) | (_, None, None) => "gave no answer".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_knee_is_what_a_server_keeps_up_with_and_what_not() {
        let knee = Knee {
            label: "vllm".to_owned(),
            of: LimitOf::Rate,
            carries: Some(11.0),
            beyond: Some(12.0),
            most_rps: Some(11.43),
            runs: 8,
            requests: 1200,
        };
        assert_eq!(
            line(&knee),
            "vllm: keeps up with 11 requests a second, not with 12; at most 11.4 rps (8 loads, 1,200 requests)"
        );
        let open = Knee { beyond: None, ..knee.clone() };
        assert_eq!(bend(&open), "keeps up with 11 requests a second, the most that was tried");
        let closed = Knee { of: LimitOf::Concurrency, ..knee.clone() };
        assert_eq!(bend(&closed), "serves more up to 11 requests in flight, and no more with 12");
        let none = Knee { carries: None, ..knee };
        assert_eq!(bend(&none), "does not keep up with 12 requests a second, the fewest that were tried");
    }
}
