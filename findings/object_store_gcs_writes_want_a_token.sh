#!/usr/bin/env bash
# object_store's `google_skip_signature` makes reads anonymous; writes ask for a token all the same.
#
# Package  object_store 0.13.2 with `gcp` (crates.io), before a stand-in of the store
# Guess    With skip_signature all requests go out without credentials: a local store in the place of GCS can be read and
#          written.
# Seen     HEAD and GET reach the store with no Authorization. PUT and DELETE do not reach it: a token is asked of the metadata
#          service of a Google machine (here the same stand-in, which has none), and the error is of that request.
# Matters  A results bucket that a test fills anonymously, on an emulator or behind a proxy that signs, works until the first
#          write, and the error tells of a token and an address that nobody has set.
set -euo pipefail
command -v cargo >/dev/null || { echo "needs cargo" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/src"
cat >"$work/Cargo.toml" <<'TOML'
[package]
name = "see"
version = "0.0.0"
edition = "2021"

[dependencies]
object_store = { version = "=0.13.2", default-features = false, features = ["gcp"] }
tokio = { version = "1", features = ["rt", "net", "time"] }

[profile.dev]
debug = false
TOML
cat >"$work/src/main.rs" <<'RUST'
use object_store::{gcp::GoogleCloudStorageBuilder, path::Path, ClientOptions, ObjectStoreExt, RetryConfig};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

type Requests = Arc<Mutex<Vec<String>>>;

/// Answers 5 bytes to all but a request for a token, and notes what was asked.
fn answer(mut connection: TcpStream, requests: &Requests) {
    let mut head = vec![0; 65536];
    let length = connection.read(&mut head).unwrap_or(0);
    let head = String::from_utf8_lossy(&head[..length]).into_owned();
    let token = head.contains("computeMetadata");
    let method = head.split(' ').next().unwrap_or("").to_owned();
    let signed = head.to_lowercase().contains("\nauthorization:");
    requests.lock().unwrap().push(match (token, signed) {
        (true, _) => "a token".to_owned(),
        (false, true) => format!("{method}, signed"),
        (false, false) => format!("{method}, anonymous"),
    });
    let (status, body) = if token { ("404 Not Found", "") } else { ("200 OK", "hello") };
    let rest = "etag: \"a\"\r\nlast-modified: Sat, 01 Jan 2022 00:00:00 GMT\r\nconnection: close";
    let _ = write!(connection, "HTTP/1.1 {status}\r\ncontent-length: {}\r\n{rest}\r\n\r\n{body}", body.len());
}

fn main() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let requests = Requests::default();
    let (to_note, at) = (Arc::clone(&requests), address.clone());
    std::thread::spawn(move || listener.incoming().flatten().for_each(|connection| answer(connection, &to_note)));
    // So that nothing is asked outside this machine.
    for name in ["GCE_METADATA_HOST", "GCE_METADATA_ROOT", "GCE_METADATA_IP"] {
        std::env::set_var(name, &at);
    }
    let store = GoogleCloudStorageBuilder::new()
        .with_bucket_name("bucket")
        .with_base_url(&format!("http://{address}"))
        .with_skip_signature(true)
        .with_retry(RetryConfig { max_retries: 0, ..Default::default() })
        .with_client_options(ClientOptions::new().with_allow_http(true))
        .build()
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let path = Path::from("results");
    let show = |name: &str, done: bool| {
        let asked: Vec<String> = requests.lock().unwrap().drain(..).collect();
        println!("{name}: {}, asked for {asked:?}", if done { "done" } else { "an error" });
    };
    runtime.block_on(async {
        show("head", store.head(&path).await.is_ok());
        show("get", store.get(&path).await.is_ok());
        show("put", store.put(&path, "hello".into()).await.is_ok());
        show("delete", store.delete(&path).await.is_ok());
    });
}
RUST
seen=$(CARGO_TARGET_DIR="$work/target" cargo run -q --manifest-path "$work/Cargo.toml") || exit 2
echo "$seen"
diff - <(echo "$seen") <<'TEXT' || { echo "no longer so"; exit 1; }
head: done, asked for ["HEAD, anonymous"]
get: done, asked for ["GET, anonymous"]
put: an error, asked for ["a token", "a token"]
delete: an error, asked for ["a token", "a token"]
TEXT
echo "still so"
