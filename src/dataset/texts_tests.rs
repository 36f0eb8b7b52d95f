//! Texts have the tokens that they should, by tokenizers of all kinds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// Letters and signs, each one token.
fn signs() -> Vec<String> {
    (b'!'..=b'~').map(|byte| char::from(byte).to_string()).collect()
}

fn numbered(tokens: impl IntoIterator<Item = String>) -> BTreeMap<String, usize> {
    let mut all: Vec<String> = Vec::new();
    let mut seen = BTreeSet::new();
    tokens.into_iter().for_each(|token| {
        if seen.insert(token.clone()) {
            all.push(token)
        }
    });
    all.into_iter().enumerate().map(|(id, token)| (token, id)).collect()
}

/// Pairs that grow each word from its first letter, `mark` standing for the space before it.
fn merges<'a>(words: impl Iterator<Item = &'a str>, mark: &str) -> (Vec<String>, Vec<Value>) {
    let (mut tokens, mut pairs) = (Vec::new(), Vec::new());
    for word in words.flat_map(|word| [format!("{mark}{word}"), word.to_owned()]) {
        let mut held = String::new();
        for letter in word.chars().map(String::from) {
            if !held.is_empty() {
                let pair = json!([held, letter]);
                if !pairs.contains(&pair) {
                    pairs.push(pair);
                }
            }
            held.push_str(&letter);
            tokens.push(held.clone());
        }
    }
    (tokens, pairs)
}

fn tokenizer(normalizer: Value, pre_tokenizer: Value, model: Value) -> Arc<Tokenizer> {
    let file = json!({
        "version": "1.0", "truncation": {"direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 0},
        "padding": null, "added_tokens": [], "normalizer": normalizer, "pre_tokenizer": pre_tokenizer,
        "post_processor": null, "decoder": null, "model": model,
    });
    Arc::new(Tokenizer::of_bytes("test", file.to_string().as_bytes()).unwrap())
}

fn bpe(words: usize, mark: &str, more: &[(&str, &str)]) -> Value {
    let (tokens, mut pairs) = merges(common().take(words), mark);
    pairs.extend(more.iter().map(|(one, other)| json!([one, other])));
    let more = more.iter().map(|(one, other)| format!("{one}{other}"));
    let vocab = numbered(signs().into_iter().chain([mark.to_owned()]).chain(tokens).chain(more));
    json!({"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
        "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "vocab": vocab, "merges": pairs})
}

fn bytes() -> Value {
    json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true})
}

/// As GPT-2, Llama 3, Qwen and SmolLM2 split: bytes, a word with the space before it.
fn byte_level(words: usize) -> Arc<Tokenizer> {
    tokenizer(Value::Null, bytes(), bpe(words, "Ġ", &[]))
}

/// As Llama 2 and Mistral do: no split at all, a sign for each space, here with a token over a space too.
fn unsplit(more: &[(&str, &str)]) -> Arc<Tokenizer> {
    let normalizer = json!({"type": "Sequence", "normalizers": [
        {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]});
    tokenizer(normalizer, Value::Null, bpe(300, "▁", more))
}

/// As T5 and XLM-R do: SentencePiece's unigrams.
fn unigram() -> Arc<Tokenizer> {
    let words = common().map(|word| json!([format!("▁{word}"), -8.0]));
    let signs = signs().into_iter().map(|sign| json!([sign, -12.0]));
    let vocab: Vec<Value> =
        [json!(["<unk>", 0.0]), json!(["▁", -5.0])].into_iter().chain(words).chain(signs).collect();
    let split = json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true});
    tokenizer(
        Value::Null,
        split,
        json!({"type": "Unigram", "unk_id": 0, "vocab": vocab, "byte_fallback": false}),
    )
}

/// As BERT does.
fn word_piece() -> Arc<Tokenizer> {
    let parts = signs().into_iter().flat_map(|sign| [format!("##{sign}"), sign]);
    let vocab = numbered(["[UNK]".to_owned()].into_iter().chain(common().map(str::to_owned)).chain(parts));
    let model = json!({"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100, "vocab": vocab});
    tokenizer(Value::Null, json!({"type": "BertPreTokenizer"}), model)
}

/// Each with its name and whether its texts have to be fitted.
static ALL: LazyLock<Vec<(&str, Arc<Tokenizer>, TextMaker)>> = LazyLock::new(|| {
    let of = |name, tokenizer: Arc<Tokenizer>| (name, tokenizer.clone(), TextMaker::of_tokenizer(tokenizer));
    let mut all = vec![
        of("bytes", byte_level(300)),
        of("unsplit", unsplit(&[])),
        of("unigram", unigram()),
        of("word pieces", word_piece()),
        of("few words", byte_level(20)),
        of("letters", byte_level(0)),
        of("over spaces", unsplit(&[("▁age", "▁air"), ("▁add", "▁all")])),
    ];
    all.extend(smollm2().map(|tokenizer| of("SmolLM2", tokenizer)));
    all
});

/// That of the model to try, where it is installed.
fn smollm2() -> Option<Arc<Tokenizer>> {
    let model = crate::directories::data_dir().ok()?.join("models/SmolLM2-135M-Instruct/hf");
    model.is_dir().then(|| Arc::new(Tokenizer::load(model.to_str().unwrap()).unwrap()))
}

#[test]
fn tokenizers_of_every_kind_have_words_that_join_and_the_others_are_fitted() {
    let fitted: Vec<(&str, bool)> = ALL.iter().map(|(name, _, maker)| (*name, maker.is_fitted())).collect();
    let expected = [
        ("bytes", false),
        ("unsplit", false),
        ("unigram", false),
        ("word pieces", false),
        ("few words", true),
        ("letters", true),
        ("over spaces", false),
        ("SmolLM2", false),
    ];
    assert_eq!(fitted, expected[..fitted.len()]);
}

#[test]
fn a_word_that_some_token_holds_behind_another_is_not_used() {
    let (_, tokenizer, maker) = ALL.iter().find(|(name, _, _)| *name == "over spaces").unwrap();
    assert_eq!(tokenizer.count("age air"), Some(1));
    assert!(
        (0..400).all(|seed| maker
            .text(seed, 50)
            .split(' ')
            .skip(1)
            .all(|word| word != "air" && word != "all"))
    );
}

#[test]
fn a_file_that_cuts_and_fills_texts_counts_them_whole_all_the_same() {
    assert_eq!(word_piece().count(&["the"; 30].join(" ")), Some(30));
}

#[test]
fn texts_do_not_repeat_themselves() {
    let (_, _, maker) = &ALL[0];
    let texts: BTreeSet<String> = (0..1000).map(|seed| maker.text(seed, 8)).collect();
    assert_eq!(texts.len(), 1000);
}

#[test]
fn a_name_that_is_no_tokenizer_is_refused_with_its_cure() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let refused = |name: &str| crate::schema::refusal::shown(&Tokenizer::load(name).unwrap_err());
    assert!(refused(path).contains("no tokenizer.json in it"), "{}", refused(path));
    assert!(refused(&format!("{path}/absent.json")).contains("no such file"));
    std::fs::write(folder.path().join("tokenizer.json"), "{}").unwrap();
    assert!(refused(path).contains("cannot be used"), "{}", refused(path));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_length_is_met_to_the_token_and_so_is_what_is_put_on_it(
        which in 0..8_usize, seed: u64, tokens in 1..700_u32, more in 0..200_u32,
    ) {
        let Some((name, tokenizer, maker)) = ALL.get(which) else { return Ok(()) };
        let mut text = maker.text(seed, tokens);
        prop_assert_eq!(tokenizer.count(&text), Some(tokens as usize), "{}: {}", name, text);
        prop_assert_eq!(&maker.text(seed, tokens), &text);
        maker.extend(&mut text, seed ^ 1, more);
        prop_assert_eq!(tokenizer.count(&text), Some((tokens + more) as usize), "{}: {}", name, text);
        prop_assert!(!text.starts_with(' ') && !text.ends_with(' '));
    }
}
