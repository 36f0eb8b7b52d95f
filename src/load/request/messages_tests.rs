//! Requests as they stand on the wire.

use super::*;
use crate::schema::plan::Header;
use crate::schema::target::{BodyFields, ProtocolName};
use serde_json::json;

fn wire(protocol: ProtocolName) -> HttpSettings {
    HttpSettings { protocol, path: crate::load::default_path(protocol).to_owned(), ..HttpSettings::default() }
}

fn protocol() -> Capabilities {
    Capabilities {
        request_model: "m".to_owned(),
        ignore_eos: true,
        min_tokens: true,
        stream_options: true,
        continuous_usage: true,
        eos_in_usage: true,
        done_marker: true,
        force_length: Map::new(),
        body: Map::new(),
        fields: BodyFields::default(),
    }
}

const PLAIN: Sampling = Sampling { temperature: 0.0, max_tokens: None, ignore_eos: false, exact_itl: false };

fn message(wire: &HttpSettings, protocol: &Capabilities, sampling: &Sampling) -> (String, Value) {
    let url = Url::parse("http://example.org:8000").unwrap();
    let messages = Messages::new(&url, wire, Some("secret"), protocol, sampling).unwrap();
    let unit = Unit::single("p", "a \"b\"\né", 7);
    let text = String::from_utf8(messages.first(&unit).unwrap().to_vec()).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
    (head.to_owned(), serde_json::from_str(body).unwrap())
}

#[test]
fn a_chat_request_asks_for_a_stream_with_usage_and_an_explicit_temperature() {
    let (head, body) = message(&wire(ProtocolName::OpenaiChat), &protocol(), &PLAIN);
    assert!(head.starts_with("POST /v1/chat/completions HTTP/1.1\r\nHost: example.org:8000\r\n"), "{head}");
    assert!(head.contains("\r\nAuthorization: Bearer secret"), "{head}");
    let expected = json!({
        "model": "m", "messages": [{"role": "user", "content": "a \"b\"\né"}], "max_tokens": 7,
        "temperature": 0.0, "stream": true, "stream_options": {"include_usage": true},
    });
    assert_eq!(body, expected);
}

#[test]
fn a_length_is_forced_only_where_it_is_asked_for_and_taken() {
    let ask = Sampling { ignore_eos: true, exact_itl: true, ..PLAIN };
    let (_, body) = message(&wire(ProtocolName::OpenaiCompletions), &protocol(), &ask);
    assert_eq!((&body["ignore_eos"], &body["min_tokens"]), (&json!(true), &json!(7)));
    assert_eq!(body["stream_options"]["continuous_usage_stats"], json!(true));
    assert_eq!(body["prompt"], json!("a \"b\"\né"));
    let plain = Capabilities {
        ignore_eos: false,
        min_tokens: false,
        stream_options: false,
        body: Map::from_iter([("cache_prompt".to_owned(), json!(false))]),
        ..protocol()
    };
    let (_, body) = message(&wire(ProtocolName::OpenaiCompletions), &plain, &ask);
    for absent in ["ignore_eos", "min_tokens", "stream_options"] {
        assert_eq!(body.get(absent), None, "{absent}");
    }
    assert_eq!(body["cache_prompt"], json!(false));
    let config = Map::from_iter([("generation_config".to_owned(), json!("{\"eos_token_id\": -1}"))]);
    let in_its_own_way = Capabilities { force_length: config, ..plain };
    let (_, body) = message(&wire(ProtocolName::OpenaiChat), &in_its_own_way, &ask);
    assert_eq!(
        (body.get("ignore_eos"), &body["generation_config"]),
        (None, &json!("{\"eos_token_id\": -1}"))
    );
    let (_, body) = message(&wire(ProtocolName::OpenaiChat), &in_its_own_way, &PLAIN);
    assert_eq!(body.get("generation_config"), None, "not asked for");
}

#[test]
fn a_path_names_the_model_of_its_request() {
    let wire = wire(ProtocolName::TritonTrtllm);
    let url = Url::parse("http://h/p").unwrap();
    let messages = Messages::new(&url, &wire, None, &protocol(), &PLAIN).unwrap();
    let first = |model: Option<&str>| {
        let unit = Unit { model: model.map(Into::into), ..Unit::single("p", "a", 7) };
        let text = String::from_utf8(messages.first(&unit).unwrap().to_vec()).unwrap();
        assert!(text.contains("\r\nHost: h\r\n") && text.ends_with('}'), "{text}");
        text.lines().next().unwrap().to_owned()
    };
    assert_eq!(first(None), "POST /p/v2/models/m/generate_stream HTTP/1.1");
    assert_eq!(first(Some("a/b c")), "POST /p/v2/models/a%2Fb%20c/generate_stream HTTP/1.1");
}

#[test]
fn each_protocol_s_body_has_its_fields_where_the_server_looks_for_them() {
    let forced = Sampling { ignore_eos: true, temperature: 0.5, ..PLAIN };
    let body = |name: ProtocolName, sampling: &Sampling| {
        let mut capabilities = protocol();
        crate::load::adapt(&mut capabilities, name);
        message(&wire(name), &capabilities, sampling).1
    };
    let text = "a \"b\"\né";
    let tgi = |parameters: Value| json!({"inputs": text, "parameters": parameters});
    assert_eq!(
        body(ProtocolName::Tgi, &PLAIN),
        tgi(json!({"max_new_tokens": 7, "do_sample": false, "details": true}))
    );
    assert_eq!(
        body(ProtocolName::Tgi, &forced),
        tgi(json!({"max_new_tokens": 7, "do_sample": true, "temperature": 0.5, "details": true}))
    );
    let parameters =
        json!({"max_new_tokens": 7, "temperature": 0.5, "ignore_eos": true, "min_new_tokens": 7});
    let sglang = json!({"text": text, "stream": true, "sampling_params": parameters});
    assert_eq!(body(ProtocolName::Sglang, &forced), sglang);
    let llamacpp = json!({"prompt": text, "stream": true, "n_predict": 7, "temperature": 0.5, "ignore_eos": true, "model": "m"});
    assert_eq!(body(ProtocolName::Llamacpp, &forced), llamacpp);
    let triton = json!({"text_input": text, "max_tokens": 7, "temperature": 0.0, "stream": true, "bad_words": "", "stop_words": ""});
    assert_eq!(body(ProtocolName::TritonTrtllm, &PLAIN), triton);
    assert_eq!(
        body(ProtocolName::Jetstream, &PLAIN),
        json!({"prompt": text, "max_tokens": 7, "stream": true})
    );
    let inputs = json!({"temperature": 0.0, "per_example_max_decode_steps": 7});
    assert_eq!(body(ProtocolName::Sax, &PLAIN), json!({"model": "m", "query": text, "extra_inputs": inputs}));
    let instances = json!([{"prompt": text, "max_tokens": 7, "temperature": 0.0}]);
    assert_eq!(body(ProtocolName::NaiveTransformers, &PLAIN), json!({"instances": instances}));
}

#[test]
fn a_request_bears_its_prompts_id_where_the_body_asks_for_it() {
    let with_user = |user: &str| {
        let body = Map::from_iter([("user".to_owned(), json!(user))]);
        message(&wire(ProtocolName::OpenaiCompletions), &Capabilities { body, ..protocol() }, &PLAIN).1
    };
    assert_eq!(with_user("{prompt_id}")["user"], json!("p"));
    assert_eq!(with_user("someone")["user"], json!("someone"));
}

#[test]
fn headers_of_the_user_replace_ours_and_cannot_break_the_request() {
    let header = |name: &str, value: &str| HttpSettings {
        headers: vec![Header { name: name.to_owned(), value: value.to_owned() }],
        ..wire(ProtocolName::OpenaiChat)
    };
    let (head, _) = message(&header("authorization", "Basic x"), &protocol(), &PLAIN);
    assert!(head.contains("authorization: Basic x") && !head.contains("secret"), "{head}");
    let url = Url::parse("http://h").unwrap();
    for (name, value) in [("x", "a\r\nb: c"), ("x y", "a"), ("", "a"), ("Content-Length", "3")] {
        let refused = Messages::new(&url, &header(name, value), None, &protocol(), &PLAIN);
        assert!(refused.is_err(), "{name}: {value}");
    }
}

#[test]
fn a_base_url_with_a_path_keeps_it_and_v1_is_not_doubled() {
    let path = |base: &str| path(&Url::parse(base).unwrap(), "/v1/completions");
    assert_eq!(path("http://h"), "/v1/completions");
    assert_eq!(path("http://h/v1/"), "/v1/completions");
    assert_eq!(path("http://h/proxy"), "/proxy/v1/completions");
    assert_eq!(path("http://h/proxy/v1"), "/proxy/v1/completions");
}

fn messages(protocol_name: ProtocolName) -> Arc<Messages> {
    let url = Url::parse("http://h").unwrap();
    Arc::new(Messages::new(&url, &wire(protocol_name), None, &protocol(), &PLAIN).unwrap())
}

#[test]
fn a_further_turn_repeats_the_conversation_and_adds_to_it() {
    let said = |role: &str, content: &str| Message::text(role, content);
    let former = [said("user", "one"), said("assistant", "two")];
    let body = Body::Text("three".into());
    let ask = Ask { id: "p", model: Some("other"), former: &former, body: &body, max_tokens: 5 };
    let sent = |name| {
        let message = messages(name).make(&ask);
        let text = String::from_utf8(message.to_vec()).unwrap();
        serde_json::from_str::<Value>(text.split_once("\r\n\r\n").unwrap().1).unwrap()
    };
    let chat = sent(ProtocolName::OpenaiChat);
    let expected = json!([
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": "three"},
    ]);
    assert_eq!((&chat["messages"], &chat["model"]), (&expected, &json!("other")));
    assert_eq!(sent(ProtocolName::OpenaiCompletions)["prompt"], json!("one\n\ntwo\n\nthree"));
}

#[test]
fn messages_of_a_repeated_list_are_made_once_and_none_gives_none() {
    let messages = messages(ProtocolName::OpenaiChat);
    let list = |count: u64| {
        let unit = |k: u64| Unit::single(k.to_string(), "x", 1);
        Units::repeating(count, true, move |k| k.checked_rem(count).map(unit))
    };
    let requests = Requests::new(messages.clone(), Vec::new(), list(2));
    assert_eq!(requests.first(5).unwrap().unit.id.as_ref(), "1");
    assert!(Arc::ptr_eq(&requests.first(1).unwrap().message, &requests.first(3).unwrap().message));
    assert!(Requests::new(messages.clone(), Vec::new(), list(0)).first(0).is_none());
    let large = Units::repeating(2, true, |k| Some(Unit::single(k.to_string(), "x".repeat(20 << 20), 1)));
    let large = Requests::new(messages, Vec::new(), large);
    assert!(large.made.is_none() && large.first(2).unwrap().unit.id.as_ref() == "2");
}

#[test]
fn a_million_distinct_units_leave_nothing_behind() {
    let units = Units::made_by(true, |k| Some(Unit::single(format!("p{k}"), format!("Say {k}."), 1)));
    let requests = Requests::new(messages(ProtocolName::OpenaiCompletions), Vec::new(), units);
    assert!(requests.made.is_none(), "nothing is made beforehand");
    let mut last = None;
    for k in 0..1_000_000u64 {
        let first = requests.first(k).unwrap();
        // Whoever plays it holds the only copy: it goes when the request does.
        assert_eq!((Arc::strong_count(&first.unit), Arc::strong_count(&first.message)), (1, 1));
        if k % 100_000 == 7 {
            assert_eq!(*first.unit.id, *format!("p{k}"));
            assert!(String::from_utf8_lossy(&first.message).contains(&format!("Say {k}.")));
        }
        last = Some(first);
    }
    assert_eq!(last.unwrap().unit.id.as_ref(), "p999999");
}
