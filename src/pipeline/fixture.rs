//! A plan of so many targets, points, rounds and repeats.

use crate::schema::SCHEMA_VERSION;
use crate::schema::plan::Plan;

/// A plan that could be read from a file.
pub fn plan(labels: &[&str], points: usize, rounds: u32, repeats: u32) -> Plan {
    let target = |label: &&str| {
        serde_json::json!({
            "label": label, "engine": "openai", "title": label,
            "model": {"name": "m", "source": "m", "precision": "unknown"},
            "capabilities": {
                "request_model": "m", "ignore_eos": false, "min_tokens": false, "stream_options": true,
                "continuous_usage": false, "eos_in_usage": false, "done_marker": true
            },
            "origin": {"url": "http://127.0.0.1:1"}
        })
    };
    let load = serde_json::json!({
        "traffic": {"loop": "closed", "slots": 2, "ramp": "automatic"}, "until": {"requests": 4},
        "warmup": {"requests": 0}, "timeout_s": 60.0, "drain_s": 30.0
    });
    let plan = serde_json::json!({
        "schema_version": SCHEMA_VERSION, "run_id": "compare_20260201_143000", "title": "compare",
        "created_at": "2026-02-01T14:30:00Z",
        "targets": labels.iter().map(target).collect::<Vec<_>>(),
        "dataset": {"name": "d", "path": "built-in", "sha256": "", "prompts": 4},
        "loads": vec![load; points], "rounds": rounds, "repeats": repeats, "seed": 0, "client_threads": 1,
        "sampling": {"temperature": 0.0, "ignore_eos": false, "exact_itl": false},
        "http": {"protocol": "openai_chat", "path": "/v1/chat/completions", "insecure": false},
        "output": {"directory": "results", "folder": true}, "strict": false
    });
    serde_json::from_value(plan).unwrap()
}
