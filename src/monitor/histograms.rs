//! A server's own histograms, off its page: those of several labels as one.

use std::collections::BTreeMap;

use crate::schema::served::{Buckets, ServerTime};
use crate::schema::target::ServerMetrics;

use super::prometheus::{Histogram, Labels, Page};

/// The histograms that a page shows, by the first of each one's names that is there.
pub(super) fn histograms(page: &Page, metrics: &ServerMetrics) -> BTreeMap<ServerTime, Buckets> {
    let shown = |(time, names): (&ServerTime, &Vec<String>)| {
        let one = |name: &String| {
            let parts = page.histograms(name);
            let unit_s = seconds_of(name);
            merged(parts.values(), unit_s).or_else(|| merged(bare(page, name).iter(), unit_s))
        };
        Some((*time, names.iter().find_map(one)?))
    };
    metrics.histograms.iter().filter_map(shown).collect()
}

/// Of a page that shows no bucket the counts and the sums, which give a mean.
fn bare(page: &Page, name: &str) -> Vec<Histogram> {
    let sums = page.values(&format!("{name}_sum"));
    let part = |(labels, count): (&Labels, &f64)| {
        let sum = sums.and_then(|sums| sums.get(labels)).copied().unwrap_or(f64::NAN);
        Histogram { buckets: Vec::new(), sum, count: *count }
    };
    page.values(&format!("{name}_count")).into_iter().flatten().map(part).collect()
}

/// Seconds that a name's unit is: Prometheus has units at the ends of names.
fn seconds_of(name: &str) -> f64 {
    if name.ends_with("_milliseconds") { 1e-3 } else { 1.0 }
}

/// One histogram of those of several engines, ranks or kinds of request: counts are summed at the bounds that all of
/// them have, which is exact there. One whose count is no number is left out; none where none is left.
fn merged<'a>(parts: impl Iterator<Item = &'a Histogram>, unit_s: f64) -> Option<Buckets> {
    parts.filter_map(|part| cleaned(part, unit_s)).reduce(joined)
}

/// Counts that rise up to the number of values, at bounds that do.
fn cleaned(part: &Histogram, unit_s: f64) -> Option<Buckets> {
    let is_count = |count: f64| count.is_finite() && count >= 0.0;
    let count = Some(part.count).filter(|count| is_count(*count))?;
    // A page that is written while values come may show a bucket short of the one before it, or past the count.
    let mut below = 0.0_f64;
    let mut up_to: Vec<(f64, f64)> = Vec::new();
    for (bound, values) in
        part.buckets.iter().filter(|(bound, values)| bound.is_finite() && is_count(*values))
    {
        below = below.max(*values).min(count);
        up_to.push((bound * unit_s, below));
    }
    up_to.dedup_by(|later, earlier| later.0 == earlier.0);
    Some(Buckets { up_to, count, sum_s: Some(part.sum * unit_s).filter(|sum| sum.is_finite()) })
}

fn joined(one: Buckets, other: Buckets) -> Buckets {
    // An engine without a value yet takes no bound away.
    if one.count == 0.0 {
        return other;
    }
    if other.count == 0.0 {
        return one;
    }
    let at = |bound: f64| {
        let found = other.up_to.binary_search_by(|(have, _)| have.total_cmp(&bound)).ok()?;
        other.up_to.get(found).map(|(_, values)| *values)
    };
    let both = |(bound, values): &(f64, f64)| Some((*bound, values + at(*bound)?));
    Buckets {
        up_to: one.up_to.iter().filter_map(both).collect(),
        count: one.count + other.count,
        sum_s: one.sum_s.zip(other.sum_s).map(|(one, other)| one + other),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(time: ServerTime, names: &[&str], page: &str) -> Option<Buckets> {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let metrics =
            ServerMetrics { histograms: BTreeMap::from([(time, names)]), ..ServerMetrics::default() };
        histograms(&Page::parse(page.as_bytes()), &metrics).remove(&time)
    }

    #[test]
    fn the_histograms_of_several_engines_are_one() {
        let page = "h_bucket{e=\"0\",le=\"1\"} 2\nh_bucket{e=\"0\",le=\"2\"} 3\nh_bucket{e=\"0\",le=\"+Inf\"} 4\n\
                    h_count{e=\"0\"} 4\nh_sum{e=\"0\"} 9\n\
                    h_bucket{e=\"1\",le=\"1\"} 1\nh_bucket{e=\"1\",le=\"2\"} 5\nh_bucket{e=\"1\",le=\"+Inf\"} 5\n\
                    h_count{e=\"1\"} 5\nh_sum{e=\"1\"} 6\n";
        let read = read(ServerTime::Ttft, &["newer", "h"], page).unwrap();
        assert_eq!(read, Buckets { up_to: vec![(1.0, 3.0), (2.0, 8.0)], count: 9.0, sum_s: Some(15.0) });
    }

    #[test]
    fn engines_with_other_bounds_are_summed_at_the_bounds_that_they_share() {
        let page = "h_bucket{e=\"0\",le=\"1\"} 2\nh_bucket{e=\"0\",le=\"2\"} 3\nh_count{e=\"0\"} 4\n\
                    h_bucket{e=\"1\",le=\"1.5\"} 1\nh_bucket{e=\"1\",le=\"2\"} 5\nh_count{e=\"1\"} 5\n\
                    h_bucket{e=\"2\",le=\"7\"} 0\nh_count{e=\"2\"} 0\n";
        let read = read(ServerTime::Ttft, &["h"], page).unwrap();
        assert_eq!(read, Buckets { up_to: vec![(2.0, 8.0)], count: 9.0, sum_s: None });
    }

    #[test]
    fn milliseconds_are_seconds_by_their_name() {
        let page = "x_milliseconds_bucket{le=\"250\"} 2\nx_milliseconds_count 2\nx_milliseconds_sum 300\n";
        let read = read(ServerTime::Itl, &["x_milliseconds"], page).unwrap();
        assert_eq!(read, Buckets { up_to: vec![(0.25, 2.0)], count: 2.0, sum_s: Some(0.3) });
    }

    #[test]
    fn the_pages_of_real_engines_show_their_times() {
        let vllm = include_str!("../../tests/wire-metrics/vllm.txt");
        let queue = read(ServerTime::Queue, &["vllm:request_queue_time_seconds"], vllm).unwrap();
        assert_eq!((queue.count, queue.sum_s), (6.0, Some(0.00019867600008183217)));
        assert!(queue.up_to.is_empty(), "this page was kept without its buckets");
        let whole = include_str!("../../tests/wire/vllm-metrics.txt");
        let ttft = read(ServerTime::Ttft, &["vllm:time_to_first_token_seconds"], whole).unwrap();
        assert!(ttft.up_to.len() > 15 && ttft.count > 0.0 && ttft.sum_s.unwrap() > 0.0, "{ttft:?}");
        let sglang = include_str!("../../tests/wire-metrics/sglang.txt");
        let ttft = read(ServerTime::Ttft, &["sglang:time_to_first_token_seconds"], sglang).unwrap();
        assert_eq!(ttft.count, 8.0, "streams and whole answers have a label each");
        assert!((ttft.sum_s.unwrap() - 14.028156651000694).abs() < 1e-9);
        let tgi = include_str!("../../tests/wire-metrics/tgi.txt");
        let queue = read(ServerTime::Queue, &["tgi_request_queue_duration"], tgi).unwrap();
        assert_eq!((queue.count, queue.sum_s), (9.0, Some(0.0007403830000000001)));
        let llamacpp = include_str!("../../tests/wire-metrics/llamacpp.txt");
        assert_eq!(read(ServerTime::Queue, &["llamacpp:queue"], llamacpp), None);
    }

    #[test]
    fn a_count_that_is_none_costs_its_own_engine_alone() {
        let page = "h_bucket{e=\"0\",le=\"1\"} NaN\nh_count{e=\"0\"} NaN\n\
                    h_bucket{e=\"1\",le=\"1\"} 7\nh_bucket{e=\"1\",le=\"2\"} NaN\nh_bucket{e=\"1\",le=\"3\"} 2\n\
                    h_count{e=\"1\"} 5\nh_sum{e=\"1\"} +Inf\n";
        let read = read(ServerTime::E2e, &["h"], page).unwrap();
        assert_eq!(read, Buckets { up_to: vec![(1.0, 5.0), (3.0, 5.0)], count: 5.0, sum_s: None });
    }

    proptest! {
        #[test]
        fn whatever_a_page_says_counts_rise_up_to_the_number_of_values(
            lines in proptest::collection::vec(
                ("(h_bucket|h_count|h_sum)", 0u8..3, prop_oneof![Just("1"), Just("2"), Just("0.5"), Just("-1"), Just("+Inf"), Just("NaN")],
                 prop_oneof![any::<f64>().boxed(), (0u32..9).prop_map(f64::from).boxed()]),
                0..30,
            ),
        ) {
            let page: String = lines
                .iter()
                .map(|(name, engine, bound, value)| match name.as_str() {
                    "h_bucket" => format!("{name}{{e=\"{engine}\",le=\"{bound}\"}} {value:?}\n"),
                    name => format!("{name}{{e=\"{engine}\"}} {value:?}\n"),
                })
                .collect();
            if let Some(read) = read(ServerTime::Ttft, &["h"], &page) {
                prop_assert!(read.count.is_finite() && read.count >= 0.0);
                prop_assert!(read.up_to.is_sorted_by(|low, high| low.0 < high.0 && low.1 <= high.1), "{:?}", read);
                prop_assert!(read.up_to.last().is_none_or(|(_, values)| *values <= read.count), "{:?}", read);
                prop_assert!(read.sum_s.is_none_or(f64::is_finite));
                let text = serde_json::to_string(&read).unwrap();
                prop_assert_eq!(serde_json::from_str::<Buckets>(&text).unwrap(), read, "{}", text);
            }
        }
    }
}
