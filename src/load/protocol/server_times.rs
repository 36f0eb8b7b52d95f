//! The object beside an answer in which a server tells its own times: llama.cpp's `timings`, vLLM's `metrics`
//! (with `--enable-per-request-metrics`, in the usage event). Any other object says nothing.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::schema::server_times::ServerTimes;

/// The times; boxed, as nearly no event has them.
#[derive(Debug, Default)]
pub(super) struct Times(pub(super) Option<Box<ServerTimes>>);

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Told {
    queue_time_ms: Milliseconds,
    /// vLLM counts it from the end of the queue.
    time_to_first_token_ms: Milliseconds,
    generation_time_ms: Milliseconds,
    prompt_ms: Milliseconds,
    predicted_ms: Milliseconds,
}

/// A time in ms, as µs; none of what is no time.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Milliseconds(pub(super) Option<u64>);

macro_rules! lenient {
    ($target:ident; $($visit:ident: $type:ty => $value:expr),* $(,)?) => {
        $(#[inline]
        fn $visit<E: Error>(self, value: $type) -> Result<$target, E> {
            let of: fn($type) -> $target = $value;
            Ok(of(value))
        })*

        #[inline]
        fn visit_unit<E: Error>(self) -> Result<$target, E> {
            Ok($target::default())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<$target, A::Error> {
            while list.next_element::<IgnoredAny>()?.is_some() {}
            Ok($target::default())
        }

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("any value")
        }
    };
}

impl<'de> Deserialize<'de> for Milliseconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look;
        impl<'de> Visitor<'de> for Look {
            type Value = Milliseconds;

            lenient!(Milliseconds;
                visit_f64: f64 => |ms| Milliseconds(ServerTimes::us(ms)),
                visit_u64: u64 => |ms| Milliseconds(ServerTimes::us(ms as f64)),
                visit_i64: i64 => |_| Milliseconds(None),
                visit_bool: bool => |_| Milliseconds(None),
                visit_str: &str => |_| Milliseconds(None),
            );

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Milliseconds, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Milliseconds(None))
            }
        }
        deserializer.deserialize_any(Look)
    }
}

impl<'de> Deserialize<'de> for Times {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look;
        impl<'de> Visitor<'de> for Look {
            type Value = Times;

            lenient!(Times;
                visit_f64: f64 => |_| Times(None),
                visit_u64: u64 => |_| Times(None),
                visit_i64: i64 => |_| Times(None),
                visit_bool: bool => |_| Times(None),
                visit_str: &str => |_| Times(None),
            );

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Times, A::Error> {
                let told = Told::deserialize(MapAccessDeserializer::new(map))?;
                let times = ServerTimes {
                    queue_us: told.queue_time_ms.0,
                    prefill_us: told.time_to_first_token_ms.0.or(told.prompt_ms.0),
                    decode_us: told.generation_time_ms.0.or(told.predicted_ms.0),
                    inference_us: None,
                };
                Ok(Times(times.told()))
            }
        }
        deserializer.deserialize_any(Look)
    }
}
