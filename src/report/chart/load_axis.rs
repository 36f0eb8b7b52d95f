//! The axis of a sweep's loads: what differs from one to the next; and whose points make one curve.

use super::scale::tick_text;
use crate::schema::plan::LoadPoint;

/// What is drawn to the right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadAxis {
    /// Requests a second that were offered.
    Rate,
    /// Requests in flight.
    Concurrency,
    /// Requests of the run, where loads of one curve differ in nothing else.
    Requests,
}

impl LoadAxis {
    /// The axis of these loads.
    pub fn of(loads: &[LoadPoint]) -> LoadAxis {
        let open = loads.iter().any(|load| load.traffic.is_open());
        let usual = if open { LoadAxis::Rate } else { LoadAxis::Concurrency };
        if tells_apart(usual, loads) || !tells_apart(LoadAxis::Requests, loads) {
            usual
        } else {
            LoadAxis::Requests
        }
    }

    /// Where a load lies; none where it has no such number.
    pub fn place(self, load: &LoadPoint) -> Option<f64> {
        match self {
            LoadAxis::Rate => load.rate(),
            LoadAxis::Concurrency if load.traffic.is_open() => None,
            LoadAxis::Concurrency => load.concurrency().map(f64::from),
            LoadAxis::Requests => load.until.requests().map(|requests| requests as f64),
        }
    }

    /// Name and unit.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            LoadAxis::Rate => ("offered rate", "requests/s"),
            LoadAxis::Concurrency => ("concurrency", "requests in flight"),
            LoadAxis::Requests => ("length of the run", "requests"),
        }
    }

    /// There is no half of one.
    pub fn counts(self) -> bool {
        match self {
            LoadAxis::Rate => false,
            LoadAxis::Concurrency | LoadAxis::Requests => true,
        }
    }

    /// `8`, `2.5/s`, `100 req.`: a load beside its point; empty where it has no place.
    pub fn beside(self, load: &LoadPoint) -> String {
        match self.place(load).map(tick_text) {
            None => String::new(),
            Some(text) => match self {
                LoadAxis::Rate => format!("{text}/s"),
                LoadAxis::Concurrency => text,
                LoadAxis::Requests => format!("{text} req."),
            },
        }
    }
}

/// No two loads of one name lie at the same place, and each has one.
fn tells_apart(axis: LoadAxis, loads: &[LoadPoint]) -> bool {
    loads.iter().enumerate().all(|(index, load)| {
        let before = loads.iter().take(index).filter(|other| other.name == load.name);
        let place = axis.place(load);
        place.is_some() && before.into_iter().all(|other| axis.place(other) != place)
    })
}

/// What a curve is called: the label, and the scenario where there are scenarios.
pub fn curve_label(label: &str, load: Option<&LoadPoint>) -> String {
    match load.and_then(|load| load.name.as_deref()) {
        Some(scenario) => format!("{label} · {scenario}"),
        None => label.to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::schema::traffic::{Arrivals, Ramp, Traffic, Until};

    fn closed(name: &str, slots: u32, requests: u64) -> LoadPoint {
        let traffic = Traffic::Closed { slots: slots.try_into().unwrap(), ramp: Ramp::Automatic };
        let until = Until::after_requests(requests.try_into().unwrap());
        LoadPoint { name: Some(name.to_owned()), ..LoadPoint::of(traffic, until) }
    }

    #[test]
    fn the_axis_is_what_differs_within_each_curve() {
        let slots = [closed("a", 1, 9), closed("a", 4, 9), closed("b", 1, 9)];
        assert_eq!(LoadAxis::of(&slots), LoadAxis::Concurrency);
        let requests = [closed("a", 10, 10), closed("a", 20, 25), closed("a", 20, 50)];
        assert_eq!(LoadAxis::of(&requests), LoadAxis::Requests);
        assert_eq!(LoadAxis::Requests.beside(&requests[1]), "25 req.");
        let again = [closed("a", 4, 9), closed("a", 4, 9)];
        assert_eq!(LoadAxis::of(&again), LoadAxis::Concurrency, "nothing tells them apart");
        let open = Traffic::Open { arrivals: Arrivals::Poisson { rate: 2.5 }, cap: None };
        let open = LoadPoint::of(open, Until::after_requests(9.try_into().unwrap()));
        assert_eq!(LoadAxis::of(std::slice::from_ref(&open)), LoadAxis::Rate);
        assert_eq!(LoadAxis::Rate.beside(&open), "2.5/s");
        assert_eq!(curve_label("vllm", Some(&slots[0])), "vllm · a");
        assert_eq!(curve_label("vllm", Some(&open)), "vllm");
    }
}
