//! Responses of HTTP/1.1, whole and cut anywhere.

use super::*;
use proptest::prelude::*;

#[derive(Debug, PartialEq, Default)]
struct Seen {
    head: Option<Head>,
    body: Vec<u8>,
    complete: bool,
    surplus: usize,
    error: Option<HttpError>,
}

fn read(pieces: &[&[u8]]) -> Seen {
    let mut parser = ResponseParser::default();
    let mut seen = Seen::default();
    for piece in pieces {
        let mut input = *piece;
        loop {
            match parser.next(&mut input) {
                Ok(Some(Part::Head)) => seen.head = Some(parser.head()),
                Ok(Some(Part::Body(body))) => seen.body.extend_from_slice(body),
                Ok(Some(Part::End)) => {}
                Ok(None) => break,
                Err(error) => {
                    seen.error = Some(error);
                    return seen;
                }
            }
        }
        seen.surplus += input.len();
        parser.ended_without_more();
    }
    seen.complete = parser.eof();
    seen
}

fn every_cut(response: &[u8]) -> Seen {
    let whole = read(&[response]);
    for cut in 0..=response.len() {
        let (first, second) = response.split_at(cut);
        assert_eq!(read(&[first, second]), whole, "cut at {cut}");
    }
    assert_eq!(read(&response.chunks(1).collect::<Vec<_>>()), whole, "byte by byte");
    whole
}

#[test]
fn a_chunked_body_with_extensions_and_trailers_is_decoded() {
    let seen = every_cut(
        b"HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream; charset=utf-8\r\nTransfer-Encoding: Chunked\r\n\r\n\
          5;name=value\r\nhello\r\n001\r\n \r\nA \r\n0123456789\r\n0\r\nExpires: never\r\n\r\n",
    );
    assert_eq!(seen.body, b"hello 0123456789");
    let head = seen.head.unwrap();
    assert_eq!((head.status, head.content, head.keep_alive), (200, Content::EventStream, true));
    assert!(seen.complete && seen.surplus == 0);
}

#[test]
fn a_body_of_known_length_ends_by_itself() {
    let seen = every_cut(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 3\r\n\r\nabcXY");
    assert_eq!((seen.body.as_slice(), seen.complete, seen.surplus), (b"abc".as_slice(), true, 2));
    assert!(every_cut(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").complete);
    assert!(!every_cut(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nabc").complete);
}

#[test]
fn a_body_without_a_length_ends_with_the_connection() {
    let seen = every_cut(b"HTTP/1.1 200 OK\r\n\r\nabc");
    assert!(seen.complete && !seen.head.unwrap().keep_alive);
    assert_eq!(seen.body, b"abc");
}

#[test]
fn interim_responses_are_skipped() {
    let seen = every_cut(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\na",
    );
    assert_eq!((seen.head.unwrap().status, seen.body.as_slice()), (200, b"a".as_slice()));
}

#[test]
fn thousands_of_interim_responses_in_one_read_are_skipped_too() {
    let mut response = b"HTTP/1.1 100 C\r\n\r\n".repeat(20_000);
    response.extend_from_slice(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\na");
    let seen = read(&[&response]);
    assert_eq!((seen.error, seen.body.as_slice(), seen.complete), (None, b"a".as_slice(), true));
}

#[test]
fn a_head_beyond_64_kib_is_refused_whether_it_ends_or_not() {
    let long = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(HEAD_LIMIT));
    let whole = format!("{long}\r\n\r\n");
    for response in [long.as_bytes(), whole.as_bytes()] {
        assert_eq!(read(&[response]).error, Some(HttpError::LongHead));
        let pieces: Vec<&[u8]> = response.chunks(5000).collect();
        assert_eq!(read(&pieces).error, Some(HttpError::LongHead));
    }
}

#[test]
fn a_coding_beneath_the_chunks_is_seen() {
    let head = |value: &str| {
        let response = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: {value}\r\n\r\n0\r\n\r\n");
        every_cut(response.as_bytes()).head.unwrap().encoded
    };
    assert!(!head("chunked"));
    assert!(head("gzip, chunked"));
}

#[test]
fn close_and_http_1_0_end_the_connection() {
    let keep = |head: &str| {
        every_cut(format!("{head}content-length: 0\r\n\r\n").as_bytes()).head.unwrap().keep_alive
    };
    assert!(keep("HTTP/1.1 200 OK\r\n"));
    assert!(!keep("HTTP/1.1 200 OK\r\nConnection: Close\r\n"));
    assert!(!keep("HTTP/1.0 200 OK\r\n"));
    assert!(keep("HTTP/1.0 200 OK\r\nconnection: keep-alive\r\n"));
}

#[test]
fn a_chunked_body_that_is_cut_is_not_complete() {
    assert!(!every_cut(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel").complete);
    assert!(!every_cut(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n").complete);
}

#[test]
fn garbage_is_an_error() {
    assert!(matches!(every_cut(b"SSH-2.0-OpenSSH\r\n").error, Some(HttpError::Head(_))));
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for body in ["xyz\r\nabc\r\n", "\r\n", "2\r\nabc\r\n", "-1\r\n", "+1\r\n", "fffffffffffffffff\r\n"] {
        let response = [chunked.as_slice(), body.as_bytes()].concat();
        assert_eq!(every_cut(&response).error, Some(HttpError::Chunk), "{body:?}");
    }
    // No line end need come to tell that this is no size, nor the end of a chunk.
    for body in ["\u{80}noise", "xyz", "-", "2\r\nabc", "fffffffffffffffff"] {
        let response = [chunked.as_slice(), body.as_bytes()].concat();
        assert_eq!(read(&[&response]).error, Some(HttpError::Chunk), "{body:?}");
    }
    for body in ["", " ", "\r", "1f", "1f;a=", "2\r\nab\r"] {
        let response = [chunked.as_slice(), body.as_bytes()].concat();
        assert_eq!(every_cut(&response).error, None, "{body:?}");
    }
    for length in ["+1", "-1", "", "1 1", "99999999999999999999"] {
        let response = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\na");
        assert_eq!(every_cut(response.as_bytes()).error, Some(HttpError::Length), "{length:?}");
    }
    let twice = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n";
    assert_eq!(every_cut(twice).error, Some(HttpError::Length));
}

#[test]
fn a_redirect_keeps_its_address_without_user_and_password() {
    let location = |status: u16, location: &str| {
        let response = format!("HTTP/1.1 {status} X\r\nLocation: {location}\r\ncontent-length: 0\r\n\r\n");
        let mut parser = ResponseParser::default();
        parser.next(&mut response.as_bytes()).unwrap();
        parser.location().map(str::to_owned)
    };
    for (given, kept) in [
        ("/v1/chat/", "/v1/chat/"),
        ("https://user:p@ss@host:1/a@b?c=d@e", "https://host:1/a@b"),
        ("//user@host", "//host"),
        ("https://host?next=//user@other", "https://host"),
    ] {
        assert_eq!(location(307, given).as_deref(), Some(kept));
    }
    assert_eq!(location(200, "/v1/"), None);
    assert_eq!(location(302, ""), None);
}

proptest! {
    #[test]
    fn any_chunks_and_any_split_give_the_same_body(
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..6),
        cuts in proptest::collection::vec(0usize..400, 0..10),
    ) {
        let mut response = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        for chunk in &chunks {
            response.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            response.extend_from_slice(chunk);
            response.extend_from_slice(b"\r\n");
        }
        response.extend_from_slice(b"0\r\n\r\n");
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(response.len())).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut from = 0;
        for cut in cuts {
            pieces.push(&response[from..cut]);
            from = cut;
        }
        pieces.push(&response[from..]);
        let seen = read(&pieces);
        prop_assert!(seen.complete);
        prop_assert_eq!(seen.body, chunks.concat());
    }
}
