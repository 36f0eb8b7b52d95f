//! The nouns: data that travels between stages, and the file formats made of it.
//! Nothing here reads a file, looks at a clock or imports a stage, and nothing here adds a run up: a metric's row
//! holds its function ([`figure`]), and `analysis` is what calls it.

pub mod calibration;
pub mod caveat;
pub mod check;
mod chunks;
pub mod client_figures;
pub mod client_threads;
pub mod clock_reason;
pub mod comparison;
pub mod conversations;
pub mod curves;
mod defaults;
pub mod distribution;
pub mod environment;
pub mod fairness;
pub mod figure;
pub mod figure_name;
pub mod files;
pub mod flow;
pub mod gateway;
pub mod gpu;
pub mod gpu_before;
pub mod gpu_figures;
pub mod interval;
mod json_lists;
pub mod live;
pub mod live_counts;
pub mod live_histogram;
pub mod live_page;
pub mod live_snapshot;
pub mod machine;
pub mod objective;
pub mod phases;
pub mod plan;
pub mod rate_course;
pub mod reading;
pub mod record;
pub mod refusal;
pub mod report_settings;
pub mod request_counts;
pub mod request_figures;
pub mod run_key;
pub mod sample;
pub mod seeds;
pub mod sensing;
pub mod series;
pub mod served;
pub mod server_times;
mod shift;
pub mod slice;
pub mod summary;
pub mod synthetic;
pub mod target;
pub mod text;
pub mod token_counts;
pub mod trace;
pub mod trace_stats;
pub mod traffic;
pub mod trend;
pub mod unit;
pub mod verdict;
pub mod wire;
pub mod workers;

/// Version of every JSON file that this program writes; raised when a reader would misread the new form.
pub const SCHEMA_VERSION: u32 = 2;
