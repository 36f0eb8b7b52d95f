//! What is pushed and written arrives as its receivers want it, and a receiver that does not answer costs no more than
//! its bounds.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

use super::*;
use crate::schema::live_page::LivePage;

/// What a receiver was sent: the head, in small letters but for its first line, and the body.
type Sent = (String, Vec<u8>);

/// A receiver on a free port that answers with these statuses in turn, and what it was sent.
fn receiver(statuses: &'static [&'static str]) -> (String, Receiver<Sent>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let (sender, sent) = channel();
    std::thread::spawn(move || {
        for status in statuses {
            let (stream, _) = listener.accept().unwrap();
            let mut stream = BufReader::new(stream);
            let (mut head, mut length) = (String::new(), 0);
            stream.read_line(&mut head).unwrap();
            loop {
                let mut line = String::new();
                stream.read_line(&mut line).unwrap();
                if line.trim().is_empty() {
                    break;
                }
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                head.push_str(&line);
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            let answer =
                format!("HTTP/1.1 {status}\r\nContent-Length: 6\r\nConnection: close\r\n\r\nbecause");
            stream.get_mut().write_all(answer.as_bytes()).unwrap();
            sender.send((head, body)).unwrap();
        }
    });
    (host, sent)
}

fn page() -> LivePage {
    LivePage { version: "1.2".to_owned(), ..LivePage::default() }
}

#[tokio::test]
async fn a_push_replaces_the_group_of_this_machine_and_carries_the_key_that_nobody_is_shown() {
    let (host, sent) = receiver(&["200 OK", "400 Bad Request"]);
    let gateway = Pushgateway::new(&format!("http://me:s3cr%2Ft@{host}/"), None, "some host").unwrap();
    assert_eq!(gateway.shown(), format!("http://{host}/"));
    gateway.push(&page()).await.unwrap();
    let (head, body) = sent.recv().unwrap();
    assert!(head.starts_with("PUT /metrics/job/harness/instance/some%20host HTTP/1.1"), "{head}");
    // me:s3cr/t
    assert!(head.contains("authorization: Basic bWU6czNjci90"), "{head}");
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    assert!(String::from_utf8(body).unwrap().contains("harness_build_info{version=\"1.2\"} 1"));
    let refused = gateway.push(&page()).await.unwrap_err();
    assert_eq!((refused.why.as_str(), refused.later), ("400 Bad Request: becaus", false));
}

#[tokio::test]
async fn a_group_that_the_address_names_is_taken_and_a_token_goes_along() {
    let (host, sent) = receiver(&["202 Accepted"]);
    let url = format!("http://{host}/metrics/job/nightly/branch/main");
    let gateway = Pushgateway::new(&url, Some(" tok-12345678 ".to_owned()), "here").unwrap();
    gateway.push(&page()).await.unwrap();
    let (head, _) = sent.recv().unwrap();
    assert!(head.starts_with("PUT /metrics/job/nightly/branch/main HTTP/1.1"), "{head}");
    assert!(head.contains("authorization: Bearer tok-12345678"), "{head}");
}

#[tokio::test]
async fn a_write_that_finds_nobody_ready_waits_and_arrives_before_the_next() {
    let (host, sent) = receiver(&["503 Service Unavailable", "204 No Content", "204 No Content"]);
    let mut write = RemoteWrite::new(&format!("http://{host}/api/v1/write"), None, "here").unwrap();
    write.take(&page());
    let refused = write.flush().await.unwrap_err();
    assert!(refused.later && write.lost() == 1, "{refused:?}");
    write.take(&LivePage { version: "1.3".to_owned(), ..page() });
    write.flush().await.unwrap();
    assert_eq!(write.lost(), 0);
    let bodies: Vec<Sent> = sent.iter().take(3).collect();
    assert!(bodies[0].1 == bodies[1].1 && bodies[1].1 != bodies[2].1);
    let head = &bodies[0].0;
    assert!(head.starts_with("POST /api/v1/write HTTP/1.1"), "{head}");
    for header in [
        "content-encoding: snappy",
        "content-type: application/x-protobuf",
        "x-prometheus-remote-write-version: 0.1.0",
    ] {
        assert!(head.contains(header), "{head}");
    }
}

#[tokio::test]
async fn a_write_that_is_refused_for_good_is_given_up() {
    let (host, _sent) = receiver(&["400 Bad Request", "204 No Content"]);
    let mut write = RemoteWrite::new(&format!("http://{host}"), None, "here").unwrap();
    write.take(&page());
    assert!(!write.flush().await.unwrap_err().later);
    write.take_end();
    write.flush().await.unwrap();
    assert_eq!(write.lost(), 1);
}

#[tokio::test]
async fn writes_that_wait_have_a_bound() {
    // Port 9 of this machine: nobody is there.
    let mut write = RemoteWrite::new("http://127.0.0.1:9/write", None, "here").unwrap();
    for _ in 0..100 {
        write.take(&page());
    }
    let refused = write.flush().await.unwrap_err();
    assert_eq!((refused.later, refused.cure), (true, "start it, or check the address"));
    assert_eq!(write.lost(), 100);
}

#[test]
fn a_user_and_a_token_at_once_are_refused_with_the_cure() {
    let url = "http://some-user@127.0.0.1:9091";
    let refused = RemoteWrite::new(url, Some("tok-12345678".to_owned()), "here").unwrap_err();
    let said = crate::schema::refusal::shown(&refused);
    assert!(said.contains("unset HARNESS_REMOTE_WRITE_TOKEN") && !said.contains("some-user"), "{said}");
    Pushgateway::new(url, Some("  ".to_owned()), "here").unwrap();
}

#[test]
fn a_key_of_an_address_is_kept_from_outputs_as_it_stands_there_and_as_it_is_sent() {
    Pushgateway::new("http://me:w0nder%2Fful%21@127.0.0.1:9091", None, "here").unwrap();
    Pushgateway::new("http://l0nely%2Fkey@127.0.0.1:9091", None, "here").unwrap();
    for said in ["w0nder%2Fful%21", "w0nder/ful!", "l0nely%2Fkey", "l0nely/key"] {
        let shown = crate::secrets::from_outside(said);
        assert!(!shown.contains("0n"), "{shown}");
    }
}

#[test]
fn an_address_that_is_none_is_refused_without_repeating_its_key() {
    for url in ["127.0.0.1:9091", "ftp://me:s3cretpass@host", "me:s3cretpass@host", ""] {
        let refused = Pushgateway::new(url, None, "here").unwrap_err();
        let said = crate::schema::refusal::shown(&refused);
        assert!(said.starts_with("--pushgateway: not an address") && !said.contains("s3cret"), "{said}");
    }
}

/// A receiver that takes its time for every answer.
fn slow(takes: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                std::thread::sleep(takes);
                let _ =
                    (&stream).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                // Not before the request is read whole, which is for the client to say.
                let _ = (&stream).read_to_end(&mut Vec::new());
            });
        }
    });
    format!("http://{host}/")
}

#[test]
fn for_a_slow_receiver_the_end_waits_once_however_many_runs_were_closed() {
    let url = slow(Duration::from_secs(1));
    let environment = serde_json::json!({
        "taken_at": "2026-02-01T14:30:00Z", "harness_version": "1.2", "os": "Linux", "hostname": "here",
        "cpu": "some", "cores": 1, "memory_bytes": 1, "open_files": [1, 1], "gpus": []
    });
    let hub = Arc::new(Hub::new(&serde_json::from_value(environment).unwrap()));
    let progress = Progress::new(true, false);
    let due = Arc::new(Notify::new());
    let pushes = Pushes::new(Pushgateway::new(&url, None, "here").unwrap(), (hub.clone(), progress.clone()));
    let writes = Writes::new(RemoteWrite::new(&url, None, "here").unwrap(), (hub.clone(), progress.clone()));
    let work = Work { pushes: Some(pushes), writes: Some(writes), hub, due: due.clone(), progress };
    let (goes_on, ended) = oneshot::channel();
    let telling = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(work.go_on(None, ended));
    });
    for _ in 0..8 {
        due.notify_one();
        std::thread::sleep(Duration::from_millis(20));
    }
    let began = std::time::Instant::now();
    drop(goes_on);
    telling.join().unwrap();
    let took = began.elapsed();
    // The final write takes three: what was broken off, the last, and its end.
    assert!(took < Duration::from_secs(5), "{took:?}");
}
