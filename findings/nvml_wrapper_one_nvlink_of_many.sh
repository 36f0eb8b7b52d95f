#!/usr/bin/env bash
# The Rust crate nvml-wrapper asks every field with scope 0: of NVLink's counters that is the first link, not the GPU.
#
# Package  nvml-wrapper 0.13.0 (crates.io), and the ABI of NVML's nvmlDeviceGetFieldValues
# Guess    Device::field_values_for(NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX) gives what the GPU sent over NVLink.
# Seen     nvml.h wants the link's number in the field's scopeId, and UINT_MAX for all links together. The crate has no place
#          for one: the library, here a stand-in of three functions that answers by the scope, is asked with scope 0, and the
#          value is link 0's, with no error.
# Matters  An H200 has 18 links: traffic of tensor parallelism over NVLink is shown as about an eighteenth of what it is.
set -euo pipefail
command -v cargo >/dev/null && command -v cc >/dev/null || { echo "needs cargo and cc" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/src"
cat >"$work/nvml.c" <<'C'
/* Eighteen links, each of which sent 100 KiB. */
typedef struct {
    unsigned id, scope;
    long long timestamp, latency;
    int type, status;
    union { double d; unsigned long long ull; } value;
} field;
static int board;
int nvmlInit_v2(void) { return 0; }
int nvmlShutdown(void) { return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) { return index ? 2 : (*device = &board, 0); }
int nvmlDeviceGetFieldValues(void *device, int count, field *values) {
    (void)device;
    for (int at = 0; at < count; at++) {
        values[at].status = values[at].scope < 18 || values[at].scope == 0xFFFFFFFFu ? 0 : 2;
        values[at].type = 3;
        values[at].value.ull = values[at].scope == 0xFFFFFFFFu ? 1800 : 100;
    }
    return 0;
}
C
cc -shared -fPIC -o "$work/libnvml.so" "$work/nvml.c" || exit 2
cat >"$work/Cargo.toml" <<'TOML'
[package]
name = "see"
version = "0.0.0"
edition = "2021"

[dependencies]
nvml-wrapper = "=0.13.0"
TOML
cat >"$work/src/main.rs" <<'RUST'
use nvml_wrapper::structs::device::FieldId;
use nvml_wrapper::sys_exports::field_id::NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX;
use nvml_wrapper::{enums::device::SampleValue, Nvml};

fn main() {
    let library = std::env::args_os().nth(1).expect("a library");
    let nvml = Nvml::builder().lib_path(&library).init().expect("it was not loaded");
    let device = nvml.device_by_index(0).expect("no device");
    let asked = [FieldId(NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX)];
    let sample = device.field_values_for(&asked).expect("not asked").remove(0).expect("no sample");
    let value = sample.value.expect("no value");
    println!("18 links sent 1800 KiB, the crate says {value:?}");
    std::process::exit(!matches!(value, SampleValue::U64(100)) as i32);
}
RUST
(cd "$work" && CARGO_TARGET_DIR="$work/target" cargo build -q) || exit 2
"$work/target/debug/see" "$work/libnvml.so" || { echo "no longer so"; exit 1; }
echo "still so"
