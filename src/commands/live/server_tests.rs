use std::io::{Read, Write};
use std::net::TcpStream;

use super::*;
use crate::monitor::prometheus::Page;
use crate::schema::refusal::cures;

/// A page that is served, and its address.
fn served() -> SocketAddr {
    let environment = serde_json::from_value(serde_json::json!({
        "taken_at": "2026-02-01T14:30:00Z", "harness_version": "1.2", "os": "Linux", "hostname": "here",
        "cpu": "some", "cores": 1, "memory_bytes": 1, "open_files": [1, 1], "gpus": []
    }));
    let hub = Arc::new(Hub::new(&environment.unwrap()));
    let (listener, address) = listen("0").unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(serve(listener, hub)).unwrap();
    });
    address
}

/// Sends these bytes; what comes until the server closes.
fn asked(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    // A server that closes before all was sent resets the connection.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

fn get(address: SocketAddr, path: &str, accept: &str) -> String {
    asked(address, format!("GET {path} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\n\r\n").as_bytes())
}

#[test]
fn our_own_reader_of_metrics_pages_reads_the_page() {
    let address = served();
    let answer = get(address, "/metrics", "text/plain");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
    let page = Page::parse(body.as_bytes());
    assert_eq!((page.broken_lines, page.sum("harness_build_info")), (0, Some(1.0)));
    let answer = get(address, "/metrics", "application/openmetrics-text;version=1.0.0");
    assert!(answer.contains("openmetrics-text") && answer.ends_with("# EOF\n"), "{answer}");
}

#[test]
fn what_is_not_the_page_is_not_found_and_nothing_can_be_sent() {
    let address = served();
    for path in ["/", "/metrics/", "/metrics2", "/../etc/passwd", "/probe"] {
        let answer = get(address, path, "*/*");
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
        assert!(answer.ends_with("the metrics are at /metrics\n"), "{answer}");
    }
    let posted = asked(address, b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
    assert!(posted.starts_with("HTTP/1.1 405") && posted.contains("allow: GET, HEAD"), "{posted}");
    let head = asked(address, b"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");
}

#[test]
fn a_head_without_an_end_and_what_is_no_http_are_turned_away() {
    let address = served();
    let long = format!("GET /metrics HTTP/1.1\r\nX: {}", "x".repeat(64 << 10));
    assert!(!asked(address, long.as_bytes()).starts_with("HTTP/1.1 200"));
    assert!(!asked(address, b"\x16\x03\x01\x02\x00\x01\xff\xff\r\n\r\n").starts_with("HTTP/1.1 200"));
    assert!(get(address, "/metrics", "*/*").starts_with("HTTP/1.1 200"));
}

#[test]
fn scrapers_that_say_nothing_take_their_places_only_and_a_place_that_is_free_again_is_used() {
    let address = served();
    let silent: Vec<TcpStream> = (0..CONNECTIONS).map(|_| TcpStream::connect(address).unwrap()).collect();
    // One more is closed at once, without a word.
    assert_eq!(get(address, "/metrics", "*/*"), "");
    drop(silent);
    let answered = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        get(address, "/metrics", "*/*").starts_with("HTTP/1.1 200")
    });
    assert!(answered);
}

#[test]
fn a_port_that_somebody_has_is_refused_by_its_name() {
    let (_held, address) = listen("127.0.0.1:0").unwrap();
    let port = address.port().to_string();
    for asked in [port.clone(), format!(":{port}"), format!("127.0.0.1:{port}")] {
        let refused = listen(&asked).err().unwrap();
        assert!(format!("{refused:#}").contains(&port), "{refused:#}");
        assert_eq!(cures(&refused), ["give another port with --prometheus-listen, or 0 for a free one"]);
    }
}

#[test]
fn an_address_that_is_none_is_refused_with_its_form() {
    for address in ["", "nonsense", "127.0.0.1", "127.0.0.1:99999", "http://127.0.0.1:9400"] {
        let refused = listen(address).err().unwrap();
        assert!(cures(&refused)[0].starts_with("give a port, or HOST:PORT"), "{address}: {refused:#}");
    }
    assert!(listen("0").unwrap().1.ip().is_loopback());
}

#[test]
fn a_free_port_is_asked_for_by_0() {
    for address in ["0", ":0", "127.0.0.1:0", "[::1]:0", "localhost:0"] {
        assert!(takes_a_free_port(address), "{address}");
    }
    for address in ["9400", "10.0.0.0:9400", "[::]:80"] {
        assert!(!takes_a_free_port(address), "{address}");
    }
}
