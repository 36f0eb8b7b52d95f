//! The precision of a model's weights, its name, and what a token costs in the KV cache, read from its files.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use serde_json::Value;

/// Where nothing tells how large a token's keys and values are: those of an 8B model in 16 bits.
const KV_BYTES_PER_TOKEN: u64 = 131_072;

/// `general.file_type` of GGUF files (llama.cpp's `llama_ftype`).
const GGUF_FILE_TYPES: [(u32, &str); 34] = [
    (0, "F32"),
    (1, "F16"),
    (2, "Q4_0"),
    (3, "Q4_1"),
    (7, "Q8_0"),
    (8, "Q5_0"),
    (9, "Q5_1"),
    (10, "Q2_K"),
    (11, "Q3_K_S"),
    (12, "Q3_K_M"),
    (13, "Q3_K_L"),
    (14, "Q4_K_S"),
    (15, "Q4_K_M"),
    (16, "Q5_K_S"),
    (17, "Q5_K_M"),
    (18, "Q6_K"),
    (19, "IQ2_XXS"),
    (20, "IQ2_XS"),
    (21, "Q2_K_S"),
    (22, "IQ3_XS"),
    (23, "IQ3_XXS"),
    (24, "IQ1_S"),
    (25, "IQ4_NL"),
    (26, "IQ3_S"),
    (27, "IQ3_M"),
    (28, "IQ2_S"),
    (29, "IQ2_M"),
    (30, "IQ4_XS"),
    (31, "IQ1_M"),
    (32, "BF16"),
    (36, "TQ1_0"),
    (37, "TQ2_0"),
    (38, "MXFP4"),
    (39, "NVFP4"),
];

/// The weights' precision as served: `Q4_1`, `BF16`, … or `unknown`.
/// `dtype` is the engine's own setting, which wins over what a directory's `config.json` says.
pub fn precision(source: &str, dtype: Option<&str>) -> String {
    let path = Path::new(source);
    if source.to_lowercase().ends_with(".gguf") {
        return gguf_file_type(path).or_else(|| name_suffix(source)).unwrap_or_else(unknown);
    }
    let config = read_config(path);
    if let Some(method) = config.as_ref().and_then(|config| {
        config.get("quantization_config")?.get("quant_method")?.as_str().map(str::to_uppercase)
    }) {
        return method;
    }
    if let Some(dtype) = dtype.filter(|dtype| !dtype.is_empty() && *dtype != "auto") {
        return dtype_name(dtype).unwrap_or_else(unknown);
    }
    match config.as_ref().and_then(config_dtype).and_then(|dtype| dtype_name(&dtype)) {
        // Engines narrow 32-bit weights, each to a type of its choice.
        Some(name) if name != "FP32" => name,
        Some(_) | None => unknown(),
    }
}

/// `bfloat16`, `float16` … of a directory's `config.json`.
pub fn model_dtype(source: &str) -> Option<String> {
    read_config(Path::new(source)).as_ref().and_then(config_dtype)
}

/// Bytes that one token takes in a KV cache of 16 bits: 2 × layers × KV heads × head size × 2.
pub fn kv_bytes_per_token(source: &str) -> u64 {
    read_config(Path::new(source)).and_then(|config| kv_bytes(&config)).unwrap_or(KV_BYTES_PER_TOKEN)
}

/// The model's name in outputs: the last part of a path or hub id, without `.gguf` and the precision.
pub fn model_name(source: &str) -> String {
    let trimmed = source.trim_end_matches('/');
    let mut parts = trimmed.rsplit('/').filter(|part| !part.is_empty());
    let last = parts.next().unwrap_or(trimmed);
    // In the hub's cache the name is two levels up; ours holds the Hugging Face form in `hf`.
    if let Some(cached) = trimmed.split('/').find_map(|part| part.strip_prefix("models--")) {
        return cached.rsplit("--").next().unwrap_or(cached).to_owned();
    }
    if last == "hf" {
        return parts.next().unwrap_or(last).to_owned();
    }
    let is_gguf = last.to_lowercase().ends_with(".gguf");
    let stem = if is_gguf { &last[..last.len() - ".gguf".len()] } else { last };
    match name_suffix(stem) {
        Some(suffix) if is_gguf && stem.len() > suffix.len() + 1 => {
            stem[..stem.len() - suffix.len() - 1].to_owned()
        }
        Some(_) | None => stem.to_owned(),
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn dtype_name(dtype: &str) -> Option<String> {
    let name = match dtype.trim_start_matches("torch.").to_lowercase().as_str() {
        "bfloat16" | "bf16" => "BF16",
        "float16" | "fp16" | "half" => "FP16",
        "float32" | "fp32" | "float" => "FP32",
        _ => return None,
    };
    Some(name.to_owned())
}

fn read_config(directory: &Path) -> Option<Value> {
    serde_json::from_str(&std::fs::read_to_string(directory.join("config.json")).ok()?).ok()
}

fn config_dtype(config: &Value) -> Option<String> {
    let text = config.get("text_config").unwrap_or(&Value::Null);
    ["dtype", "torch_dtype"]
        .iter()
        .find_map(|key| config.get(key).or_else(|| text.get(key))?.as_str().map(str::to_owned))
}

fn kv_bytes(config: &Value) -> Option<u64> {
    let config = config.get("text_config").unwrap_or(config);
    let number = |key: &str| config.get(key).and_then(Value::as_u64);
    let heads = number("num_attention_heads")?;
    let kv_heads = number("num_key_value_heads").unwrap_or(heads);
    let head_dim = match number("head_dim") {
        Some(value) => value,
        None => number("hidden_size")?.checked_div(heads)?,
    };
    Some(2 * number("num_hidden_layers")? * kv_heads * head_dim * 2)
}

/// `Q4_1` of `model.Q4_1.gguf` or `model-Q4_1`.
fn name_suffix(name: &str) -> Option<String> {
    let stem = name.strip_suffix(".gguf").or_else(|| name.strip_suffix(".GGUF")).unwrap_or(name);
    let suffix = stem.rsplit(['.', '-']).next()?;
    let upper = suffix.to_uppercase();
    let is_type = GGUF_FILE_TYPES.iter().any(|(_, name)| *name == upper) || upper == "FP16";
    (is_type && suffix.len() < stem.len()).then_some(upper)
}

fn gguf_file_type(path: &Path) -> Option<String> {
    let mut reader = Gguf(BufReader::new(File::open(path).ok()?));
    let number = reader.file_type()?;
    GGUF_FILE_TYPES.iter().find(|(known, _)| *known == number).map(|(_, name)| (*name).to_owned())
}

/// Reads a GGUF header up to the one key that is wanted.
struct Gguf(BufReader<File>);

impl Gguf {
    fn file_type(&mut self) -> Option<u32> {
        if self.u32()? != u32::from_le_bytes(*b"GGUF") || self.u32()? < 2 {
            return None;
        }
        self.u64()?;
        for _ in 0..self.u64()? {
            let key = self.string()?;
            let kind = self.u32()?;
            if key == b"general.file_type" && kind == 4 {
                return self.u32();
            }
            self.skip(kind)?;
        }
        None
    }

    fn u32(&mut self) -> Option<u32> {
        let mut bytes = [0; 4];
        self.0.read_exact(&mut bytes).ok()?;
        Some(u32::from_le_bytes(bytes))
    }

    fn u64(&mut self) -> Option<u64> {
        let mut bytes = [0; 8];
        self.0.read_exact(&mut bytes).ok()?;
        Some(u64::from_le_bytes(bytes))
    }

    fn string(&mut self) -> Option<Vec<u8>> {
        let length = self.u64()?;
        // A key is at most 64 KiB long by GGUF's rules.
        if length > 65_536 {
            return None;
        }
        let mut bytes = vec![0; usize::try_from(length).ok()?];
        self.0.read_exact(&mut bytes).ok()?;
        Some(bytes)
    }

    fn forward(&mut self, bytes: u64) -> Option<()> {
        let bytes = i64::try_from(bytes).ok()?;
        self.0.seek_relative(bytes).ok()?;
        // A seek past the end succeeds; a file that was cut off must not look endless.
        let here = self.0.stream_position().ok()?;
        let end = self.0.get_ref().metadata().ok()?.len();
        if here > end {
            self.0.seek(SeekFrom::End(0)).ok()?;
            return None;
        }
        Some(())
    }

    fn skip(&mut self, kind: u32) -> Option<()> {
        match kind {
            8 => {
                let length = self.u64()?;
                self.forward(length)
            }
            9 => {
                let element = self.u32()?;
                let count = self.u64()?;
                match width(element) {
                    Some(width) => self.forward(count.checked_mul(width)?),
                    None => {
                        for _ in 0..count {
                            self.skip(element)?;
                        }
                        Some(())
                    }
                }
            }
            other => self.forward(width(other)?),
        }
    }
}

/// Bytes of a GGUF value of fixed size.
fn width(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &mut Vec<u8>, value: &str) {
        bytes.extend((value.len() as u64).to_le_bytes());
        bytes.extend(value.as_bytes());
    }

    fn gguf(file_type: u32) -> Vec<u8> {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(3u32.to_le_bytes());
        bytes.extend(0u64.to_le_bytes());
        bytes.extend(3u64.to_le_bytes());
        text(&mut bytes, "general.architecture");
        bytes.extend(8u32.to_le_bytes());
        text(&mut bytes, "llama");
        text(&mut bytes, "tokenizer.ggml.tokens");
        bytes.extend(9u32.to_le_bytes());
        bytes.extend(8u32.to_le_bytes());
        bytes.extend(2u64.to_le_bytes());
        text(&mut bytes, "a");
        text(&mut bytes, "bc");
        text(&mut bytes, "general.file_type");
        bytes.extend(4u32.to_le_bytes());
        bytes.extend(file_type.to_le_bytes());
        bytes
    }

    #[test]
    fn a_gguf_header_tells_its_precision() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("plain.gguf");
        std::fs::write(&path, gguf(3)).unwrap();
        assert_eq!(precision(path.to_str().unwrap(), None), "Q4_1");
        std::fs::write(&path, gguf(15)).unwrap();
        assert_eq!(precision(path.to_str().unwrap(), None), "Q4_K_M");
    }

    #[test]
    fn a_broken_gguf_file_falls_back_to_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let whole = gguf(3);
        for length in 0..whole.len() {
            let path = directory.path().join("cut.Q8_0.gguf");
            std::fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(precision(path.to_str().unwrap(), None), "Q8_0", "cut at {length}");
        }
        assert_eq!(precision("/nonexistent/some.gguf", None), "unknown");
    }

    #[test]
    fn a_directory_tells_its_precision_unless_dtype_does() {
        let directory = tempfile::tempdir().unwrap();
        let source = directory.path().to_str().unwrap();
        let put = |text: &str| std::fs::write(directory.path().join("config.json"), text).unwrap();
        put(r#"{"torch_dtype": "bfloat16"}"#);
        assert_eq!(precision(source, None), "BF16");
        assert_eq!(precision(source, Some("auto")), "BF16");
        assert_eq!(precision(source, Some("float16")), "FP16");
        put(r#"{"dtype": "float32"}"#);
        assert_eq!(precision(source, None), "unknown");
        put(r#"{"dtype": "bfloat16", "quantization_config": {"quant_method": "awq"}}"#);
        assert_eq!(precision(source, None), "AWQ");
        assert_eq!(precision("org/name", None), "unknown");
        assert_eq!(precision("org/name", Some("bfloat16")), "BF16");
    }

    #[test]
    fn a_token_in_the_kv_cache_has_a_size() {
        let directory = tempfile::tempdir().unwrap();
        let config = r#"{"num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3, "hidden_size": 576}"#;
        std::fs::write(directory.path().join("config.json"), config).unwrap();
        assert_eq!(kv_bytes_per_token(directory.path().to_str().unwrap()), 23_040);
        assert_eq!(kv_bytes_per_token("org/name"), KV_BYTES_PER_TOKEN);
    }

    #[test]
    fn all_forms_of_a_model_have_one_name() {
        for source in [
            "/data/models/SmolLM2-135M-Instruct/SmolLM2-135M-Instruct.Q4_1.gguf",
            "/data/models/SmolLM2-135M-Instruct/hf",
            "/data/models/SmolLM2-135M-Instruct/hf/",
            "HuggingFaceTB/SmolLM2-135M-Instruct",
            "SmolLM2-135M-Instruct-BF16.gguf",
            "/hub/models--HuggingFaceTB--SmolLM2-135M-Instruct/snapshots/12fd25f77366fa6b3b4b768ec3050bf629380bac",
        ] {
            assert_eq!(model_name(source), "SmolLM2-135M-Instruct", "{source}");
        }
        assert_eq!(model_name("Q4_1.gguf"), "Q4_1");
    }
}
