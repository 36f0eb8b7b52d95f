//! What nvidia-smi is asked for, and how it answers.

use std::collections::BTreeMap;

use crate::schema::gpu::GpuHead;
use crate::schema::series::gpu::{
    GPU_CLOCK_REASONS, GPU_MEMORY_CLOCK, GPU_MEMORY_USED, GPU_POWER, GPU_POWER_AVERAGE, GPU_SM_CLOCK,
    GPU_TEMPERATURE, GPU_UTILISATION,
};

/// Bytes of a MiB, nvidia-smi's unit of memory.
const MIB: f64 = 1024.0 * 1024.0;

/// Fields that say which GPU it is.
const ABOUT: [&str; 6] =
    ["index", "uuid", "name", "memory.total", "enforced.power.limit", "mig.mode.current"];

/// Fields that are sensed, with their series and its unit in theirs. Of two of one series the later one is what older
/// drivers call it.
const SENSED: &[(&str, &str, f64)] = &[
    ("utilization.gpu", GPU_UTILISATION, 0.01),
    ("memory.used", GPU_MEMORY_USED, MIB),
    ("power.draw.instant", GPU_POWER, 1.0),
    ("power.draw.average", GPU_POWER_AVERAGE, 1.0),
    ("power.draw", GPU_POWER_AVERAGE, 1.0),
    ("temperature.gpu", GPU_TEMPERATURE, 1.0),
    ("clocks.sm", GPU_SM_CLOCK, 1.0),
    ("clocks.mem", GPU_MEMORY_CLOCK, 1.0),
    ("clocks_event_reasons.active", GPU_CLOCK_REASONS, 1.0),
    ("clocks_throttle_reasons.active", GPU_CLOCK_REASONS, 1.0),
];

/// The fields that a driver knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fields(Vec<&'static str>);

/// One GPU's line.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Line {
    pub(super) head: GpuHead,
    /// It is cut into MIG instances.
    pub(super) is_sliced: bool,
    pub(super) values: BTreeMap<&'static str, f64>,
}

impl Fields {
    /// All that are wanted.
    pub(super) fn wanted() -> Fields {
        Fields(ABOUT.into_iter().chain(SENSED.iter().map(|(field, ..)| *field)).collect())
    }

    /// `--query-gpu=…`
    pub(super) fn argument(&self) -> String {
        format!("--query-gpu={}", self.0.join(","))
    }

    /// Without the field that this answer says is none: `Field "x" is not a valid field to query.`; false where it says
    /// nothing of the kind.
    pub(super) fn drop_unknown(&mut self, answer: &str) -> bool {
        let named = answer.split_once("Field \"").and_then(|(_, rest)| rest.split_once('"'));
        let Some((unknown, rest)) = named else { return false };
        let known = self.0.len();
        self.0.retain(|field| *field != unknown || !rest.contains("not a valid field"));
        self.0.len() < known
    }

    /// A line of `--format=csv,noheader,nounits`; none where it is not one. What a GPU does not have stands as
    /// `[N/A]` or `[Not Supported]`.
    pub(super) fn parse(&self, line: &str) -> Option<Line> {
        let cells: Vec<&str> = line.split(", ").map(str::trim).collect();
        if cells.len() != self.0.len() {
            return None;
        }
        let by_field: BTreeMap<&str, &str> = self.0.iter().copied().zip(cells).collect();
        let number = |field: &str| number(by_field.get(field)?);
        let text = |field: &str| by_field.get(field).map(|text| (*text).to_owned());
        let mut values = BTreeMap::new();
        for (field, series, unit) in SENSED {
            if let Some(value) = number(field) {
                values.entry(*series).or_insert(value * unit);
            }
        }
        let head = GpuHead {
            index: by_field.get("index")?.parse().ok()?,
            uuid: text("uuid").unwrap_or_default(),
            name: text("name").unwrap_or_default(),
            memory_bytes: number("memory.total").map(|mib| (mib * MIB) as u64),
            power_limit_w: number("enforced.power.limit"),
        };
        let is_sliced = by_field.get("mig.mode.current") == Some(&"Enabled");
        Some(Line { head, is_sliced, values })
    }
}

fn number(text: &str) -> Option<f64> {
    let value = match text.strip_prefix("0x") {
        Some(bits) => u64::from_str_radix(bits, 16).ok()? as f64,
        None => text.parse().ok()?,
    };
    Some(value).filter(|value: &f64| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_with_what_the_gpu_does_not_have_left_out() {
        let line = "1, GPU-8f6a, NVIDIA H200, 143771, 700.00, Disabled, 87, 18432, 512.34, 498.10, 498.10, 61, 1980, \
                    3201, 0x0000000000000004, 0x0000000000000004";
        let read = Fields::wanted().parse(line).unwrap();
        assert_eq!((read.head.index, read.head.name.as_str(), read.is_sliced), (1, "NVIDIA H200", false));
        assert_eq!((read.head.memory_bytes, read.head.power_limit_w), (Some(143_771 << 20), Some(700.0)));
        let value = |name| read.values.get(name).copied();
        assert_eq!((value(GPU_UTILISATION), value(GPU_MEMORY_USED)), (Some(0.87), Some(18_432.0 * MIB)));
        assert_eq!((value(GPU_POWER), value(GPU_POWER_AVERAGE)), (Some(512.34), Some(498.1)));
        assert_eq!((value(GPU_CLOCK_REASONS), value(GPU_SM_CLOCK)), (Some(4.0), Some(1980.0)));
        let bare = line
            .replace("512.34", "[N/A]")
            .replace(", 61,", ", [Not Supported],")
            .replace("Disabled", "Enabled");
        let read = Fields::wanted().parse(&bare).unwrap();
        assert!(
            read.is_sliced
                && !read.values.contains_key(GPU_POWER)
                && !read.values.contains_key(GPU_TEMPERATURE)
        );
        assert_eq!(
            Fields::wanted().parse("Unable to determine the device handle for GPU1: Unknown Error"),
            None
        );
    }

    #[test]
    fn a_field_that_the_driver_does_not_know_costs_its_column() {
        let mut fields = Fields::wanted();
        let answer = "Field \"power.draw.instant\" is not a valid field to query.\n\n";
        assert!(fields.drop_unknown(answer));
        assert!(
            !fields.argument().contains("power.draw.instant")
                && fields.argument().contains("power.draw.average")
        );
        assert!(!fields.drop_unknown(answer) && !fields.drop_unknown("NVIDIA-SMI has failed"));
    }
}
