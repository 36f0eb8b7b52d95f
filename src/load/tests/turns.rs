//! Units of several turns: each turn repeats the conversation, and is accounted for once.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::load::tests::engine::{HEAD, chunk, closed, is_completed, job, open, run, until};
use crate::load::*;
use crate::schema::plan::Sampling;
use crate::schema::record::Outcome;
use crate::schema::target::ProtocolName;
use crate::schema::traffic::{Arrivals, Traffic, Until};
use crate::schema::unit::{Body, Turn, Unit, Units};

/// Bodies as they came.
type Bodies = Arc<Mutex<Vec<serde_json::Value>>>;

/// A server that answers the n-th message of a conversation with `answer n`, in two tokens, and with 503 where
/// the last message says `refuse`.
async fn serve() -> (String, Bodies) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let bodies = Bodies::default();
    let shared = bodies.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(converse(stream, shared.clone()));
        }
    });
    (url, bodies)
}

async fn converse(mut stream: TcpStream, bodies: Bodies) -> std::io::Result<()> {
    while let Some(body) = read_body(&mut stream).await? {
        let messages = body["messages"].as_array().cloned().unwrap_or_default();
        let last = messages.last().map(|message| message["content"].clone()).unwrap_or_default();
        bodies.lock().unwrap().push(body);
        if last == "refuse" {
            stream.write_all(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n").await?;
            continue;
        }
        let token =
            |text: &str| chunk(&serde_json::json!({"choices": [{"delta": {"content": text}}]}).to_string());
        let finish = chunk(
            r#"{"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":3}}"#,
        );
        let number = messages.len().to_string();
        let answer =
            [HEAD, &token("answer "), &token(&number), &finish, &chunk("[DONE]"), "0\r\n\r\n"].concat();
        stream.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}

async fn read_body(stream: &mut TcpStream) -> std::io::Result<Option<serde_json::Value>> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let head = head.to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
        if body.len() >= length.unwrap().parse::<usize>().unwrap() {
            return Ok(Some(serde_json::from_str(body).unwrap()));
        }
    }
}

/// Units that say these texts in turn.
fn conversations(texts: [&'static str; 3], pause_s: f64) -> Units {
    Units::made_by(false, move |k| {
        let turn = |text: &str| Turn {
            body: Body::Text(text.to_owned()),
            max_tokens: 4,
            pause_s,
            prompt_tokens: None,
        };
        Some(Unit {
            id: format!("talk{k}").into(),
            category: "chat".into(),
            model: None,
            turns: texts.iter().map(|text| turn(text)).collect(),
        })
    })
}

fn talks(url: &str, traffic: Traffic, units: Units) -> Job {
    let mut job = job(url, traffic);
    job.http.protocol = ProtocolName::OpenaiChat;
    job.http.path = default_path(ProtocolName::OpenaiChat).to_owned();
    job.sampling = Sampling { ignore_eos: false, ..job.sampling };
    job.units = units;
    job.load.until = until(6);
    job
}

#[tokio::test]
async fn each_turn_repeats_the_conversation_with_the_servers_answers() {
    for traffic in [closed(), open(Arrivals::Constant { rate: 100.0 })] {
        let (url, bodies) = serve().await;
        let outcomes = run(talks(&url, traffic.clone(), conversations(["one", "two", "three"], 0.02))).await;
        outcomes.check_accounts();
        assert_eq!(outcomes.count(is_completed), 18);
        let mut turns: Vec<(u64, u32)> =
            outcomes.measured().iter().map(|record| (record.unit, record.turn)).collect();
        turns.sort_unstable();
        let all = (0..6).flat_map(|unit| (0..3).map(move |turn| (unit, turn)));
        assert_eq!(turns, all.collect::<Vec<(u64, u32)>>());
        for record in outcomes.measured() {
            assert_eq!(
                (&*record.prompt_id, &*record.category),
                (format!("talk{}", record.unit).as_str(), "chat")
            );
            assert_eq!(record.due_us.is_some(), record.turn == 0 && traffic != closed());
            let before = outcomes
                .measured()
                .into_iter()
                .find(|before| (before.unit, before.turn + 1) == (record.unit, record.turn));
            if let Some(before) = before {
                assert_eq!(record.ready_us, before.end_us + 20_000, "the pause");
                assert!(record.sent_us.unwrap() >= record.ready_us);
            }
        }
        let third = serde_json::json!([
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": "answer 1"},
            {"role": "user", "content": "two"},
            {"role": "assistant", "content": "answer 3"},
            {"role": "user", "content": "three"},
        ]);
        let bodies = bodies.lock().unwrap();
        assert_eq!(bodies.iter().filter(|body| body["messages"] == third).count(), 6);
    }
}

#[tokio::test]
async fn what_follows_a_failed_turn_is_not_sent_and_not_counted() {
    for traffic in [closed(), open(Arrivals::Constant { rate: 100.0 })] {
        let (url, bodies) = serve().await;
        let outcomes =
            run(talks(&url, traffic.clone(), conversations(["one", "refuse", "three"], 0.0))).await;
        outcomes.check_accounts();
        assert_eq!((outcomes.count(is_completed), outcomes.measured().len()), (6, 12));
        let failed = outcomes.measured().into_iter().filter(|record| record.turn == 1);
        assert!(failed.clone().count() == 6 && failed.into_iter().all(|record| record.status == Some(503)));
        assert_eq!(bodies.lock().unwrap().len(), 12);
    }
}

#[tokio::test]
async fn a_turn_whose_pause_outlasts_the_load_never_comes() {
    let (url, bodies) = serve().await;
    let mut job = talks(&url, closed(), conversations(["one", "two", "three"], 60.0));
    job.load.until = Until::new(None, Some(0.3)).unwrap();
    let began = std::time::Instant::now();
    let outcomes = run(job).await;
    outcomes.check_accounts();
    assert!(
        outcomes.measured().iter().all(|record| (record.turn, &record.outcome) == (0, &Outcome::Completed))
    );
    assert_eq!(bodies.lock().unwrap().len(), outcomes.measured().len());
    assert!(began.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
async fn units_of_one_turn_count_as_requests_do() {
    let (url, _) = serve().await;
    let units = Units::made_by(true, |k| Some(Unit::single(format!("{k}"), "one", 4)));
    let outcomes = run(talks(&url, closed(), units)).await;
    outcomes.check_accounts();
    assert_eq!(outcomes.count(is_completed), 6);
    assert!(outcomes.measured().iter().all(|record| record.index == record.unit && record.turn == 0));
}
