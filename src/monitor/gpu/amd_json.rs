//! What amd-smi and rocm-smi print as JSON, of any of their versions.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::schema::gpu::GpuHead;
use crate::schema::series::gpu::{
    GPU_ENERGY, GPU_MEMORY_CLOCK, GPU_MEMORY_USED, GPU_POWER, GPU_POWER_AVERAGE, GPU_SM_CLOCK,
    GPU_TEMPERATURE, GPU_UTILISATION,
};

/// Bytes of a MiB, which amd-smi calls MB.
const MIB: f64 = 1024.0 * 1024.0;

/// One GPU at one time.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Shown {
    pub(super) head: GpuHead,
    pub(super) values: BTreeMap<&'static str, f64>,
}

/// Where a value stands, its series, and its unit in the series'; of two of one series the first that is there counts.
type Place = (&'static [&'static str], &'static str, f64);

/// `amd-smi metric --json`, of ROCm 6 (a list) and 7 (`gpu_data`): a value is a number, or `{"value": 87, "unit": "%"}`, and
/// `"N/A"` where the chip does not have it.
const METRIC: &[Place] = &[
    (&["usage", "gfx_activity"], GPU_UTILISATION, 0.01),
    (&["mem_usage", "used_vram"], GPU_MEMORY_USED, MIB),
    (&["power", "socket_power"], GPU_POWER, 1.0),
    (&["power", "current_socket_power"], GPU_POWER, 1.0),
    (&["power", "average_socket_power"], GPU_POWER_AVERAGE, 1.0),
    (&["energy", "total_energy_consumption"], GPU_ENERGY, 1.0),
    (&["temperature", "edge"], GPU_TEMPERATURE, 1.0),
    (&["temperature", "hotspot"], GPU_TEMPERATURE, 1.0),
    (&["clock", "gfx_0", "clk"], GPU_SM_CLOCK, 1.0),
    (&["clock", "mem_0", "clk"], GPU_MEMORY_CLOCK, 1.0),
];

/// `rocm-smi … --json`: an object a card, its values are texts.
const ROCM: &[Place] = &[
    (&["GPU use (%)"], GPU_UTILISATION, 0.01),
    (&["VRAM Total Used Memory (B)"], GPU_MEMORY_USED, 1.0),
    (&["Current Socket Graphics Package Power (W)"], GPU_POWER, 1.0),
    (&["Average Graphics Package Power (W)"], GPU_POWER_AVERAGE, 1.0),
    (&["Temperature (Sensor edge) (C)"], GPU_TEMPERATURE, 1.0),
    (&["Temperature (Sensor junction) (C)"], GPU_TEMPERATURE, 1.0),
    (&["sclk clock speed:"], GPU_SM_CLOCK, 1.0),
    (&["mclk clock speed:"], GPU_MEMORY_CLOCK, 1.0),
];

/// The GPUs of `amd-smi metric --json`; a warning may stand before the JSON.
pub(super) fn metric(text: &str) -> Option<Vec<Shown>> {
    let gpu = |gpu: &Value| {
        let head = GpuHead {
            index: u32::try_from(gpu.get("gpu")?.as_u64()?).ok()?,
            memory_bytes: at(gpu, &["mem_usage", "total_vram"]).map(|mib| (mib * MIB) as u64),
            ..GpuHead::default()
        };
        Some(Shown { head, values: values(gpu, METRIC) })
    };
    Some(list(&json(text)?)?.iter().filter_map(gpu).collect())
}

/// Name, UUID and limit of power by number, of `amd-smi static --json`.
pub(super) fn names(text: &str) -> Option<BTreeMap<u32, GpuHead>> {
    let word = |value: Option<&Value>| value?.as_str().filter(|word| *word != "N/A").map(str::to_owned);
    let gpu = |gpu: &Value| {
        let index = u32::try_from(gpu.get("gpu")?.as_u64()?).ok()?;
        let asic = gpu.get("asic");
        let serial = || word(asic?.get("asic_serial"));
        let head = GpuHead {
            index,
            uuid: word(gpu.get("uuid")).or_else(serial).unwrap_or_default(),
            name: asic.and_then(|asic| word(asic.get("market_name"))).unwrap_or_else(|| UNNAMED.to_owned()),
            memory_bytes: None,
            power_limit_w: at(gpu, &["limit", "socket_power"]).or_else(|| at(gpu, &["limit", "max_power"])),
        };
        Some((index, head))
    };
    Some(list(&json(text)?)?.iter().filter_map(gpu).collect())
}

/// A GPU whose name is not told.
pub(super) const UNNAMED: &str = "AMD GPU";

/// The GPUs of `rocm-smi --json`.
pub(super) fn rocm(text: &str) -> Option<Vec<Shown>> {
    let json = json(text)?;
    let card = |(name, card): (&String, &Value)| {
        let text = |key: &str| card.get(key)?.as_str().map(str::to_owned);
        let head = GpuHead {
            index: name.strip_prefix("card")?.parse().ok()?,
            uuid: text("Unique ID").unwrap_or_default(),
            name: text("Card Series").or_else(|| text("Card series")).unwrap_or_else(|| UNNAMED.to_owned()),
            memory_bytes: at(card, &["VRAM Total Memory (B)"]).map(|bytes| bytes as u64),
            power_limit_w: at(card, &["Max Graphics Package Power (W)"]),
        };
        Some(Shown { head, values: values(card, ROCM) })
    };
    let mut shown: Vec<Shown> = json.as_object()?.iter().filter_map(card).collect();
    shown.sort_by_key(|shown| shown.head.index);
    Some(shown)
}

fn json(text: &str) -> Option<Value> {
    let start = text.find(['[', '{'])?;
    serde_json::Deserializer::from_str(&text[start..]).into_iter().next()?.ok()
}

fn list(json: &Value) -> Option<&Vec<Value>> {
    json.get("gpu_data").unwrap_or(json).as_array()
}

fn values(gpu: &Value, places: &[Place]) -> BTreeMap<&'static str, f64> {
    let mut values = BTreeMap::new();
    for (place, series, unit) in places {
        if let Some(value) = at(gpu, place) {
            values.entry(*series).or_insert(value * unit);
        }
    }
    values
}

fn at(gpu: &Value, place: &[&str]) -> Option<f64> {
    let found = place.iter().try_fold(gpu, |at, key| at.get(key))?;
    number(found.get("value").unwrap_or(found))
}

/// A number, or a text that holds one: `"36.0"`, `"(1500Mhz)"`.
fn number(value: &Value) -> Option<f64> {
    let text = match value {
        Value::Number(number) => return number.as_f64(),
        Value::String(text) => text,
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    let digits: String = text
        .trim_start_matches('(')
        .chars()
        .take_while(|letter| letter.is_ascii_digit() || *letter == '.')
        .collect();
    digits.parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn amd_smi_is_read_in_each_of_its_forms() {
        let gpu = r#"{"gpu": 1, "usage": {"gfx_activity": {"value": 50, "unit": "%"}, "mm_activity": "N/A"},
            "power": {"socket_power": {"value": 612, "unit": "W"}, "gfx_voltage": "N/A"},
            "temperature": {"edge": "N/A", "hotspot": {"value": 71, "unit": "C"}},
            "clock": {"gfx_0": {"clk": {"value": 2100, "unit": "MHz"}}},
            "energy": {"total_energy_consumption": {"value": 1234.5, "unit": "J"}},
            "mem_usage": {"total_vram": {"value": 196592, "unit": "MB"}, "used_vram": {"value": 17153, "unit": "MB"}}}"#;
        let list = format!("WARNING: not in the render group\n[{gpu}]").replace("WARNING: n", "WARNING: N");
        let wrapped = format!("{{\"gpu_data\": [{gpu}]}}");
        for text in [list, wrapped] {
            let shown = metric(&text).unwrap();
            assert_eq!((shown[0].head.index, shown[0].head.memory_bytes), (1, Some(196_592 << 20)));
            let expected = [
                (GPU_ENERGY, 1234.5),
                (GPU_MEMORY_USED, 17_153.0 * MIB),
                (GPU_POWER, 612.0),
                (GPU_SM_CLOCK, 2100.0),
                (GPU_TEMPERATURE, 71.0),
                (GPU_UTILISATION, 0.5),
            ];
            assert_eq!(shown[0].values, BTreeMap::from(expected));
        }
        let bare = r#"[{"gpu":0,"usage":{"gfx_activity":50},"power":{"average_socket_power":90}}]"#;
        let shown = metric(bare).unwrap();
        assert_eq!((shown[0].values[GPU_UTILISATION], shown[0].values[GPU_POWER_AVERAGE]), (0.5, 90.0));
        let named = r#"[{"gpu": 0, "asic": {"market_name": "Instinct MI300X", "asic_serial": "0xE1"}, "uuid": "7e-1"}]"#;
        let names = names(named).unwrap();
        assert_eq!((names[&0].name.as_str(), names[&0].uuid.as_str()), ("Instinct MI300X", "7e-1"));
        assert_eq!(metric("no device"), None);
    }

    #[test]
    fn rocm_smi_is_read_with_its_numbers_in_texts() {
        let text = r#"{"card1": {"GPU use (%)": "12", "VRAM Total Memory (B)": "25753026560",
            "VRAM Total Used Memory (B)": "1000", "Temperature (Sensor edge) (C)": "45.0",
            "Average Graphics Package Power (W)": "60.0", "sclk clock speed:": "(1500Mhz)",
            "Card series": "Radeon RX 7900 XTX"}, "system": {"Driver version": "6.2"}}"#;
        let shown = rocm(text).unwrap();
        assert_eq!(
            (shown.len(), shown[0].head.index, shown[0].head.name.as_str()),
            (1, 1, "Radeon RX 7900 XTX")
        );
        let value = |name| shown[0].values.get(name).copied();
        assert_eq!(
            (value(GPU_SM_CLOCK), value(GPU_POWER), value(GPU_POWER_AVERAGE)),
            (Some(1500.0), None, Some(60.0))
        );
    }
}
