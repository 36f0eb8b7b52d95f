//! The dialects: what each engine writes, taken from captures of the real ones.

mod llamacpp;
mod metrics;
mod openai;
mod others;
mod sglang;
mod tgi;
mod vllm;
mod writing;

use super::settings::Engine;
pub use writing::{Dialect, Facts, Finish, HeadTime, Loading, Page, Refused, Stream, Terminate};

/// The dialect of an engine.
pub fn of(engine: Engine) -> &'static dyn Dialect {
    match engine {
        Engine::Vllm => &vllm::Vllm,
        Engine::Sglang => &sglang::Sglang,
        Engine::Llamacpp => &llamacpp::Llamacpp,
        Engine::Tgi => &tgi::Tgi,
        Engine::Other(wire) => others::of(wire),
    }
}
