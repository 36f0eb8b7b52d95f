//! TLS against a server in this process, with certificates that are made as the tests run.

use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::load::tests::engine::{HEAD, chunk, closed, job, open, read_request, run};
use crate::load::{Job, probe};
use crate::schema::record::{FailureKind, Outcome, RequestRecord, StampKind};
use crate::schema::traffic::Arrivals;

const TOKENS: usize = 5;

/// A certificate authority.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(super) fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Its certificate as a PEM file.
    pub(super) fn file(&self) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), self.0.pem()).unwrap();
        file
    }

    /// The configuration of a server that shows a certificate for `name`.
    pub(super) fn server(&self, name: &str) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &self.0).unwrap();
        ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
            .unwrap()
    }
}

/// Answers each request with a stream, cut into records that end anywhere. The address.
pub(super) async fn serve(config: ServerConfig) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            tcp.set_nodelay(true).unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(tcp).await else { return };
                while read_request(&mut stream).await.unwrap_or(false) {
                    for (at, record) in records().into_iter().enumerate() {
                        if stream.write_all(&record).await.is_err() || stream.flush().await.is_err() {
                            return;
                        }
                        if at % 10 == 9 {
                            tokio::time::sleep(Duration::from_millis(2)).await;
                        }
                    }
                }
            });
        }
    });
    format!("127.0.0.1:{port}")
}

/// A whole answer in pieces of odd lengths.
fn records() -> Vec<Vec<u8>> {
    let mut answer = HEAD.to_owned();
    for _ in 0..TOKENS {
        answer += &chunk(r#"{"choices":[{"index":0,"text":"é","finish_reason":null}]}"#);
    }
    answer += &chunk(
        r#"{"choices":[{"text":"","finish_reason":"length"}],"usage":{"prompt_tokens":3,"completion_tokens":5}}"#,
    );
    answer += &chunk("[DONE]");
    answer += "0\r\n\r\n";
    let mut rest = answer.as_bytes();
    let mut records = Vec::new();
    for length in [1, 7, 3, 50, 2, 31, 13].into_iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (record, more) = rest.split_at(rest.len().min(length));
        records.push(record.to_vec());
        rest = more;
    }
    records
}

pub(super) fn https(address: &str) -> Job {
    job(&format!("https://{address}"), closed())
}

pub(super) async fn ask(job: &Job) -> RequestRecord {
    probe(job, &job.units.unit(0).unwrap(), Duration::from_secs(30), None).await
}

#[track_caller]
pub(super) fn assert_refused(record: &RequestRecord, why: &str) {
    match &record.outcome {
        Outcome::Failed { kind: FailureKind::Connect, detail } => assert!(detail.contains(why), "{detail}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(record.sent_us, None, "nothing is sent to a stranger");
}

#[tokio::test]
async fn a_server_whose_authority_is_given_is_spoken_to_over_tls() {
    let authority = Authority::new();
    let address = serve(authority.server("127.0.0.1")).await;
    let file = authority.file();
    for traffic in [closed(), open(Arrivals::Poisson { rate: 200.0 })] {
        let mut job = job(&format!("https://{address}"), traffic);
        job.http.ca_file = Some(file.path().to_owned());
        let outcomes = run(job).await;
        outcomes.check_accounts();
        assert_eq!(outcomes.measured().len(), 20);
        for record in outcomes.measured() {
            assert_eq!(record.outcome, Outcome::Completed);
            assert_eq!((record.chunks.len(), record.tokens.output), (TOKENS, Some(5)));
            #[cfg(target_os = "linux")]
            assert_eq!(record.stamps, StampKind::Kernel);
        }
        let reused = outcomes.measured().iter().filter(|record| record.connect_us.is_none()).count();
        assert!(reused >= 10, "connections carry one request after another: {reused}");
    }
}

#[tokio::test]
async fn a_server_of_an_unknown_authority_is_refused_with_the_cure() {
    let address = serve(Authority::new().server("127.0.0.1")).await;
    let mut job = https(&address);
    assert_refused(&ask(&job).await, "--ca-file");
    // It has the same name as the server's own, and another key.
    let other = Authority::new().file();
    job.http.ca_file = Some(other.path().to_owned());
    let outcomes = run(job).await;
    outcomes.check_accounts();
    outcomes.measured().into_iter().for_each(|record| assert_refused(record, "--ca-file"));
}

#[tokio::test]
async fn any_certificate_is_taken_where_that_was_asked_for() {
    let address = serve(Authority::new().server("elsewhere.test")).await;
    let mut job = https(&address);
    job.http.insecure = true;
    assert_eq!(ask(&job).await.outcome, Outcome::Completed);
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused() {
    let authority = Authority::new();
    let address = serve(authority.server("elsewhere.test")).await;
    let file = authority.file();
    let mut job = https(&address);
    job.http.ca_file = Some(file.path().to_owned());
    assert_refused(&ask(&job).await, "another host than 127.0.0.1");
}

#[tokio::test]
async fn a_server_without_tls_is_told_apart() {
    let (url, _) = crate::load::tests::engine::serve(crate::load::tests::engine::Behaviour::Refuse).await;
    // It reads the handshake as a request that does not end, and would wait for more.
    let job = https(url.trim_start_matches("http://"));
    let record = probe(&job, &job.units.unit(0).unwrap(), Duration::from_millis(300), None).await;
    assert_refused(&record, "within the timeout");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let _ = tcp.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
            tokio::time::sleep(Duration::from_secs(30)).await;
        }
    });
    assert_refused(&ask(&https(&address.to_string())).await, "http://");
}

#[tokio::test]
async fn a_file_that_holds_no_certificate_is_named() {
    let empty = tempfile::NamedTempFile::new().unwrap();
    let mut job = https("127.0.0.1:9");
    job.http.ca_file = Some(empty.path().to_owned());
    assert_refused(&ask(&job).await, "holds no certificate");
    job.http.ca_file = Some("/nowhere/ca.pem".into());
    assert_refused(&ask(&job).await, "/nowhere/ca.pem");
}
