//! Where connections go, and how they are opened: addresses, socket options, TLS.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error, InvalidMessage,
    RootCertStore, SignatureScheme,
};
use url::Url;

use crate::schema::plan::HttpSettings;

use crate::load::socket::stamped::{Connection, StampedTcp};

/// The name of HTTP/2 within TLS.
const ALPN_HTTP2: &[u8] = b"h2";

/// Opens connections to one server.
pub(crate) struct Dialer {
    /// In place of any address.
    unix: Option<PathBuf>,
    addresses: Vec<SocketAddr>,
    /// The address that answered last: tried first.
    preferred: AtomicUsize,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    /// As it stands in messages.
    host: String,
    http2: bool,
}

impl Dialer {
    /// Looks the host up and reads certificates, once. An error names the URL or the file.
    pub(crate) async fn new(base_url: &Url, wire: &HttpSettings) -> anyhow::Result<Dialer> {
        if let Some(path) = &wire.unix_socket {
            return Ok(Dialer {
                unix: Some(path.clone()),
                addresses: Vec::new(),
                preferred: AtomicUsize::new(0),
                tls: None,
                host: path.display().to_string(),
                http2: wire.http2,
            });
        }
        let host = base_url.host_str().with_context(|| format!("{base_url} names no host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = base_url.port_or_known_default().with_context(|| format!("{base_url} names no port"))?;
        let looked_up = tokio::net::lookup_host((host, port)).await;
        let addresses: Vec<SocketAddr> =
            looked_up.with_context(|| format!("the host {host} has no address; check the URL"))?.collect();
        let tls = match base_url.scheme() {
            "http" => None,
            "https" => {
                let name = ServerName::try_from(host.to_owned())
                    .with_context(|| format!("{host} is no name that a certificate can carry"))?;
                Some((TlsConnector::from(Arc::new(tls_config(wire)?)), name))
            }
            other => anyhow::bail!("{base_url} is neither http nor https but {other}"),
        };
        Ok(Dialer {
            unix: None,
            addresses,
            preferred: AtomicUsize::new(0),
            tls,
            host: host.to_owned(),
            http2: wire.http2,
        })
    }

    /// Opens a connection, TLS included.
    pub(crate) async fn connect(&self) -> std::io::Result<Connection> {
        if let Some(path) = &self.unix {
            return UnixStream::connect(path).await.map(Connection::unix);
        }
        let tcp = StampedTcp::new(self.connect_tcp().await?);
        match &self.tls {
            None => Ok(Connection::plain(tcp)),
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), tcp).await;
                let stream = stream.map_err(|error| explain(error, name))?;
                if self.http2 && stream.get_ref().1.alpn_protocol() != Some(ALPN_HTTP2) {
                    return Err(std::io::Error::other(no_http2(&self.host)));
                }
                Ok(Connection::tls(stream))
            }
        }
    }

    /// The server's name, for messages.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    async fn connect_tcp(&self) -> std::io::Result<TcpStream> {
        let first = self.preferred.load(Ordering::Relaxed);
        let mut failure = std::io::Error::other("the host has no address");
        for offset in 0..self.addresses.len() {
            let place = (first + offset) % self.addresses.len();
            match connect_address(self.addresses[place]).await {
                Ok(stream) => {
                    self.preferred.store(place, Ordering::Relaxed);
                    return Ok(stream);
                }
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }
}

async fn connect_address(address: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_nodelay(true)?;
    crate::load::socket::stamped::ask_for_stamps(&socket);
    socket.connect(address).await
}

fn tls_config(wire: &HttpSettings) -> anyhow::Result<ClientConfig> {
    let mut config = trusting_config(wire)?;
    if wire.http2 {
        config.alpn_protocols.push(ALPN_HTTP2.to_vec());
    }
    Ok(config)
}

fn no_http2(host: &str) -> String {
    format!("{host} does not speak HTTP/2: it does not agree on it within TLS (ALPN h2); leave --http2 out")
}

/// A configuration that trusts whom the plan trusts.
fn trusting_config(wire: &HttpSettings) -> anyhow::Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .context("TLS cannot be set up")?;
    if wire.insecure {
        let verifier = Arc::new(AcceptAny(provider));
        return Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth());
    }
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(file) = &wire.ca_file {
        let named = || format!("the certificates of {} cannot be read; --ca-file takes PEM", file.display());
        let mut count = 0;
        for certificate in CertificateDer::pem_file_iter(file).with_context(named)? {
            roots.add(certificate.with_context(named)?).with_context(named)?;
            count += 1;
        }
        anyhow::ensure!(count > 0, "{} holds no certificate; --ca-file takes PEM", file.display());
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// A failed handshake in words that name the cure.
fn explain(error: std::io::Error, name: &ServerName<'_>) -> std::io::Error {
    let name = name.to_str();
    let why = match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        // The second: an authority of the same name and another key.
        Some(Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature)) => {
            format!(
                "the certificate of {name} is signed by no authority that is known here; \
             name its own with --ca-file, or take any with --insecure"
            )
        }
        Some(Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => format!(
            "the certificate is for another host than {name}; use its host name in the URL, or --insecure"
        ),
        Some(Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
            format!("{name} does not speak TLS on this port; is it http:// instead of https://?")
        }
        Some(Error::AlertReceived(AlertDescription::NoApplicationProtocol)) => no_http2(&name),
        Some(other) => format!("TLS with {name} failed: {other}"),
        None => return error,
    };
    std::io::Error::new(error.kind(), why)
}

/// Takes any certificate: `--insecure`. The handshake's own signatures are still checked.
#[derive(Debug)]
struct AcceptAny(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
