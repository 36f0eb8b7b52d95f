//! What a generating request asks for, under each engine's own rules.

use serde_json::Value;

use super::random::{Random, hash};
use super::settings::{Engine, LengthRule, Settings, Wire};
use super::text;

/// TGI counts at most so many new tokens against the context.
const TGI_GENERATION_PART: u32 = 1024;

/// Which generating endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// OpenAI chat.
    Chat,
    /// OpenAI completions.
    Completions,
    /// The engine's own, always a stream where true (TGI's `/generate_stream`).
    Native {
        /// The path itself says stream.
        stream: bool,
    },
}

/// Why a request is not served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The body is no JSON; bytes read until that was clear.
    BadJson(usize),
    /// A field is not there.
    Missing(&'static str),
    /// A value that this engine does not take.
    BadValue(String),
    /// Another model than the one served.
    UnknownModel(String),
    /// Prompt, new tokens asked for.
    TooLong(u32, u32),
    /// No such path or method.
    NotFound,
    /// The engine loads.
    Loading,
    /// Too many requests in flight.
    Overloaded,
    /// A status on demand.
    Injected(u16),
}

/// What a request asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct ParsedRequest {
    /// Where it came in.
    pub endpoint: Endpoint,
    /// Tokens as they come, or all at the end.
    pub stream: bool,
    /// A usage chunk at the end of the stream.
    pub include_usage: bool,
    /// Usage on every chunk.
    pub continuous_usage: bool,
    /// Details in TGI's own format.
    pub details: bool,
    /// The model's name as sent.
    pub model: Option<String>,
    /// `user`, a mark of the client's own.
    pub user: Option<String>,
    /// The prompt of a native or completions request.
    pub prompt: String,
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// Most tokens that may come, after the engine's rules.
    pub limit: u32,
    /// Tokens that must come before the answer may end by itself.
    pub min_tokens: u32,
    /// The answer does not end by itself.
    pub ignore_eos: bool,
    /// Seed of text and length: the same for the same prompt.
    pub seed: u64,
}

/// What will be generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// Tokens with text.
    pub visible: u32,
    /// An end-of-sequence token follows: counted, not shown.
    pub ends_itself: bool,
}

impl Answer {
    /// Decoding steps: every token, the end of sequence too.
    pub fn steps(&self) -> u32 {
        self.visible + u32::from(self.ends_itself)
    }
}

impl ParsedRequest {
    /// Read a request's body.
    pub fn read(settings: &Settings, endpoint: Endpoint, body: &[u8]) -> Result<Self, Refusal> {
        let json: Value = serde_json::from_slice(body).map_err(|error| Refusal::BadJson(error.column()))?;
        let engine = settings.engine;
        let prompt = prompt_of(engine, endpoint, &json)?;
        let nested = ["/parameters", "/sampling_params", "/extra_inputs", "/instances/0"];
        let own = nested.iter().find_map(|place| json.pointer(place)).unwrap_or(&json);
        check_values(engine, endpoint, &json)?;
        let model = json.get("model").and_then(Value::as_str).map(str::to_owned);
        if let (Engine::Vllm, Some(name)) = (engine, &model)
            && *name != settings.model
        {
            return Err(Refusal::UnknownModel(name.clone()));
        }
        let number = |names: &[&str]| {
            names.iter().find_map(|name| own.get(name).and_then(Value::as_u64)).map(|n| n.min(1 << 30) as u32)
        };
        let flag = |at: Option<&Value>| at.and_then(Value::as_bool).unwrap_or(false);
        let asked = number(&[
            "max_completion_tokens",
            "max_tokens",
            "n_predict",
            "max_new_tokens",
            "per_example_max_decode_steps",
        ]);
        let levelled = !matches!(engine, Engine::Tgi);
        let options = json.get("stream_options");
        let mut ask = Self {
            endpoint,
            stream: endpoint == Endpoint::Native { stream: true } || flag(json.get("stream")),
            include_usage: flag(options.and_then(|o| o.get("include_usage"))),
            continuous_usage: levelled && flag(options.and_then(|o| o.get("continuous_usage_stats"))),
            details: flag(own.get("details")),
            user: json.get("user").and_then(Value::as_str).map(str::to_owned),
            seed: Random::new(settings.seed, hash(prompt.text.as_bytes()), 0).next(),
            model,
            prompt: prompt.text,
            prompt_tokens: match endpoint {
                Endpoint::Chat => prompt.tokens + settings.prompt_tokens_extra,
                Endpoint::Completions | Endpoint::Native { .. } => prompt.tokens,
            },
            limit: 0,
            min_tokens: match engine {
                Engine::Vllm | Engine::Sglang => number(&["min_tokens", "min_new_tokens"]).unwrap_or(0),
                Engine::Llamacpp | Engine::Tgi | Engine::Other(_) => 0,
            },
            ignore_eos: levelled && flag(own.get("ignore_eos")),
        };
        ask.limit = limit_of(settings, &ask, asked)?;
        Ok(ask)
    }

    /// How long the answer to this request is.
    pub fn answer(&self, rule: LengthRule) -> Answer {
        if self.ignore_eos {
            return Answer { visible: self.limit, ends_itself: false };
        }
        let mut random = Random::new(self.seed, 0x1E46, 0);
        let natural = match rule {
            LengthRule::Fixed(length) => length,
            LengthRule::Uniform(low, high) => low + (random.next() % u64::from(high - low + 1)) as u32,
            LengthRule::Normal(mean, deviation) => {
                // Box and Muller, 1958.
                let radius = (-2.0 * (1.0 - random.unit()).ln()).sqrt();
                let normal = radius * (std::f64::consts::TAU * random.unit()).cos();
                (mean + deviation * normal).round().max(1.0) as u32
            }
            LengthRule::Exponential(mean) => (-mean * (1.0 - random.unit()).ln()).round().max(1.0) as u32,
        };
        let natural = natural.max(self.min_tokens);
        // The end of sequence takes a step of its own, which must fit as well.
        if natural < self.limit {
            Answer { visible: natural, ends_itself: true }
        } else {
            Answer { visible: self.limit, ends_itself: false }
        }
    }
}

struct Prompt {
    text: String,
    tokens: u32,
}

fn prompt_of(engine: Engine, endpoint: Endpoint, json: &Value) -> Result<Prompt, Refusal> {
    if endpoint == Endpoint::Chat {
        let messages = json.get("messages").and_then(Value::as_array).ok_or(Refusal::Missing("messages"))?;
        let parts: Vec<(&str, String)> = messages
            .iter()
            .map(|message| {
                let role = message.get("role").and_then(Value::as_str).unwrap_or("user");
                (role, message.get("content").map(content_text).unwrap_or_default())
            })
            .collect();
        let tokens = text::chat_tokens(parts.iter().map(|(role, content)| (*role, content.as_str())));
        let text = parts.iter().map(|(_, content)| content.as_str()).collect::<Vec<_>>().join("\n");
        return Ok(Prompt { text, tokens });
    }
    if let Engine::Other(wire) = engine {
        return prompt_at(json, wire);
    }
    let names: &[&'static str] = match (engine, endpoint) {
        (Engine::Sglang, Endpoint::Native { .. }) => &["text", "input_ids"],
        (Engine::Tgi, Endpoint::Native { .. }) => &["inputs"],
        (_, Endpoint::Completions | Endpoint::Native { .. } | Endpoint::Chat) => &["prompt"],
    };
    let value = names.iter().find_map(|name| json.get(name)).ok_or(Refusal::Missing(names[0]))?;
    match value {
        Value::String(text) => Ok(Prompt { text: text.clone(), tokens: text::tokens(text).len() as u32 }),
        Value::Array(ids) if engine != Engine::Tgi && ids.iter().all(Value::is_u64) => {
            Ok(Prompt { text: value.to_string(), tokens: ids.len() as u32 })
        }
        Value::Array(parts) if parts.len() == 1 => {
            let text = parts[0].as_str().ok_or_else(|| bad_prompt(engine))?;
            Ok(Prompt { text: text.to_owned(), tokens: text::tokens(text).len() as u32 })
        }
        Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
            Err(bad_prompt(engine))
        }
    }
}

/// The prompt where a wire has it.
fn prompt_at(json: &Value, wire: Wire) -> Result<Prompt, Refusal> {
    let (place, name) = match wire {
        Wire::Triton => ("/text_input", "text_input"),
        Wire::Jetstream => ("/prompt", "prompt"),
        Wire::Sax => ("/query", "query"),
        Wire::NaiveTransformers => ("/instances/0/prompt", "prompt"),
        Wire::Lines | Wire::Events => ("/input", "input"),
    };
    let text = json.pointer(place).and_then(Value::as_str).ok_or(Refusal::Missing(name))?;
    Ok(Prompt { text: text.to_owned(), tokens: text::tokens(text).len() as u32 })
}

fn bad_prompt(engine: Engine) -> Refusal {
    Refusal::BadValue(match engine {
        Engine::Tgi => "prompt: data did not match any variant of untagged enum Prompt".into(),
        Engine::Vllm | Engine::Sglang | Engine::Llamacpp | Engine::Other(_) => {
            "prompt: one text or one list of token ids".into()
        }
    })
}

fn content_text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts
            .iter()
            .filter_map(|part| part.get("text").and_then(Value::as_str))
            .collect::<Vec<_>>()
            .concat(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => String::new(),
    }
}

/// Values that one engine takes and another does not.
fn check_values(engine: Engine, endpoint: Endpoint, json: &Value) -> Result<(), Refusal> {
    let number = |name: &str| json.get(name).and_then(Value::as_f64);
    match engine {
        Engine::Other(_) => {}
        Engine::Vllm => {
            let stream = json.get("stream").and_then(Value::as_bool).unwrap_or(false);
            if json.get("stream_options").is_some_and(|options| !options.is_null()) && !stream {
                return Err(Refusal::BadValue(
                    "Stream options can only be defined when `stream=True`.".into(),
                ));
            }
        }
        Engine::Sglang => {
            if number("top_k") == Some(0.0) {
                return Err(Refusal::BadValue("top_k must be -1 (disable) or at least 1, got 0.".into()));
            }
        }
        Engine::Llamacpp => {
            for name in ["max_tokens", "n_predict", "temperature", "top_p"] {
                if json.get(name).is_some_and(Value::is_string) {
                    return Err(Refusal::BadValue(format!(
                        "Field '{name}': [json.exception.type_error.302] type must be number, but is string"
                    )));
                }
            }
        }
        Engine::Tgi => {
            let own = json.get("parameters").unwrap_or(json);
            if own.get("top_p").and_then(Value::as_f64).is_some_and(|p| p <= 0.0 || p >= 1.0) {
                return Err(Refusal::BadValue("`top_p` must be > 0.0 and < 1.0".into()));
            }
            let native = matches!(endpoint, Endpoint::Native { .. });
            if native && own.get("temperature").and_then(Value::as_f64).is_some_and(|t| t <= 0.0) {
                return Err(Refusal::BadValue("`temperature` must be strictly positive".into()));
            }
        }
    }
    Ok(())
}

/// The most tokens that may come, by each engine's own way with the context.
fn limit_of(settings: &Settings, ask: &ParsedRequest, asked: Option<u32>) -> Result<u32, Refusal> {
    let context = settings.context_length;
    let room = context.saturating_sub(ask.prompt_tokens);
    let default = match (settings.engine, ask.endpoint) {
        (Engine::Vllm | Engine::Sglang, Endpoint::Completions) => Some(16),
        (Engine::Sglang, Endpoint::Native { .. }) => Some(128),
        (Engine::Vllm | Engine::Sglang | Engine::Llamacpp | Engine::Tgi | Engine::Other(_), _) => None,
    };
    let wanted = asked.or(default);
    let too_long = Err(Refusal::TooLong(ask.prompt_tokens, wanted.unwrap_or(0)));
    match settings.engine {
        Engine::Vllm if room == 0 => too_long,
        Engine::Vllm => Ok(wanted.unwrap_or(room).clamp(1, room)),
        Engine::Sglang => match wanted {
            _ if room == 0 => too_long,
            Some(0) => Err(Refusal::BadValue("max_tokens must be positive".into())),
            Some(tokens) if tokens > room => too_long,
            Some(tokens) => Ok(tokens),
            None => Ok(room),
        },
        // A limit of 0 gives one token, -1 none at all.
        Engine::Llamacpp | Engine::Other(_) if room == 0 => too_long,
        Engine::Llamacpp | Engine::Other(_) => Ok(wanted.unwrap_or(room).clamp(1, room)),
        Engine::Tgi => match wanted {
            _ if room == 0 => too_long,
            Some(0) => Err(Refusal::BadValue("`max_new_tokens` must be strictly positive".into())),
            Some(tokens) if tokens.min(TGI_GENERATION_PART) > room => too_long,
            Some(tokens) => Ok(tokens.min(room)),
            None => Ok(room),
        },
    }
}
