//! `--url`: a server's address, or a whole endpoint, taken as it is meant or refused with the form that is wanted.

use std::path::PathBuf;

use url::{Position, Url};

use crate::load;
use crate::schema::refusal::{OrRefuse, refuse};
use crate::schema::target::ProtocolName;
use crate::secrets::names_a_secret;

/// The form that is wanted.
const FORM: &str = "write http://HOST:PORT or https://HOST, with a path before /v1 where there is one; \
                    or the whole endpoint: http://HOST:PORT/v1/chat/completions; or unix:PATH";
/// Ends of a path that are endpoints of other things than a load is played to.
const OTHER_ENDPOINTS: [&str; 14] = [
    "/v1/models",
    "/v1/embeddings",
    "/v1/responses",
    "/v1/messages",
    "/v1/rerank",
    "/v1/audio/transcriptions",
    "/generate",
    "/generate_stream",
    "/api/chat",
    "/api/generate",
    "/completion",
    "/health",
    "/metrics",
    "/docs",
];
/// Names in a query that are keys beside those that are secrets everywhere.
const KEYS_IN_QUERY: [&str; 3] = ["code", "sig", "signature"];

/// Where a server is, as `--url` says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUrl {
    /// Scheme, host, port and any path before the endpoint's, without a slash at its end.
    pub base: String,
    /// Where the whole endpoint was given: its protocol, and its path below the base with any query.
    pub endpoint: Option<(ProtocolName, String)>,
    /// The list of its models.
    pub models: String,
    /// A socket in the file system, in place of the host.
    pub socket: Option<PathBuf>,
}

/// What stands before the path of a socket.
const UNIX: &str = "unix:";
/// The host of a server behind a socket, which has none.
const NO_HOST: &str = "http://localhost";

/// Reads `--url`. A refusal repeats nothing that may hold a password or a key.
pub fn server_url(text: &str) -> anyhow::Result<ServerUrl> {
    server_url_of(text, None)
}

/// The same for a protocol that is named: a whole endpoint is then one of that.
pub fn server_url_of(text: &str, named: Option<ProtocolName>) -> anyhow::Result<ServerUrl> {
    let text = text.trim();
    if let Some(path) = text.strip_prefix(UNIX).filter(|path| !path.is_empty() && !path.starts_with("//")) {
        let models = format!("{NO_HOST}/v1/models");
        return Ok(ServerUrl { base: NO_HOST.to_owned(), endpoint: None, models, socket: Some(path.into()) });
    }
    let shown = if text.contains(['@', '?', '#', '%', '\\']) { "…" } else { text };
    // Before it is read as a URL: what is none, or is read in another way, may hold a password all the same.
    if text.contains('@') || text.contains("%40") {
        return refuse(
            format!("--url {shown} holds more than a server's address"),
            format!("{FORM}; keys go into --api-key-env, a password into --header 'Authorization: Basic …'"),
        );
    }
    let url = parse(text, shown)?;
    if url.fragment().is_some() {
        return refuse(format!("--url {shown} holds a fragment (#…), which no server sees"), FORM);
    }
    let secret = |name: &str| names_a_secret(name) || KEYS_IN_QUERY.contains(&name.to_lowercase().as_str());
    if let Some((name, _)) = url.query_pairs().find(|(name, _)| secret(name)) {
        return refuse(
            format!("--url holds a key in its query ({name}=…), which would be written into the results"),
            "put it into an environment variable and pass --api-key-env, or pass it as a --header",
        );
    }
    let origin = &url[..Position::BeforePath];
    let path = url.path().trim_end_matches('/');
    let endpoint = |protocol: ProtocolName| {
        // `/v1/chat/completions`, and the same without `/v1`, as Azure and others have it.
        let whole = load::default_path(protocol);
        let short = whole.strip_prefix("/v1").unwrap_or(whole);
        let below = if path.ends_with(whole) { whole } else { short };
        let before = path.strip_suffix(below)?;
        Some((protocol, before.to_owned(), below, path.strip_suffix(short)?))
    };
    let protocols = match named {
        Some(named) if !named.is_openai() => return endpoint_of(named, &url),
        Some(_) | None => [ProtocolName::OpenaiChat, ProtocolName::OpenaiCompletions],
    };
    let query = url.query().map_or_else(String::new, |query| format!("?{query}"));
    if let Some((protocol, before, below, beside)) = protocols.into_iter().find_map(endpoint) {
        return Ok(ServerUrl {
            base: format!("{origin}{}", before.trim_end_matches('/')),
            endpoint: Some((protocol, format!("{below}{query}"))),
            models: format!("{origin}{beside}/models{query}"),
            socket: None,
        });
    }
    if let Some(other) = OTHER_ENDPOINTS.iter().find(|other| path.ends_with(**other)) {
        return refuse(
            format!("--url {shown} is the address of {other}, to which no load is played"),
            format!("{FORM}; another path of such an endpoint goes into --endpoint-path"),
        );
    }
    if !query.is_empty() {
        return refuse(
            format!("--url {shown} holds a query, and no endpoint that it belongs to"),
            format!("{FORM}?api-version=…"),
        );
    }
    let base = format!("{origin}{}", path.strip_suffix("/v1").unwrap_or(path).trim_end_matches('/'));
    Ok(ServerUrl { models: format!("{base}/v1/models"), base, endpoint: None, socket: None })
}

/// The address of a server that speaks a protocol which is not OpenAI's: a path that ends as the protocol's own, or
/// any to which the bodies of a template go, is the whole endpoint; another is what stands before it.
fn endpoint_of(protocol: ProtocolName, url: &Url) -> anyhow::Result<ServerUrl> {
    let origin = &url[..Position::BeforePath];
    let path = url.path().trim_end_matches('/');
    let query = url.query().map_or_else(String::new, |query| format!("?{query}"));
    let own = [load::default_path(protocol), load::whole_path(protocol)];
    let is_own = |own: &str| match own.split_once(load::MODEL_IN_PATH) {
        Some((before, behind)) => path.ends_with(behind) && path.contains(before),
        None => path.ends_with(own),
    };
    let is_endpoint =
        if protocol == ProtocolName::Template { !path.is_empty() } else { own.into_iter().any(is_own) };
    let (before, endpoint) = if is_endpoint {
        // The endpoint is kept whole: what of it lies before the protocol's own part only its server knows.
        (String::new(), Some((protocol, format!("{path}{query}"))))
    } else {
        (path.strip_suffix("/v1").unwrap_or(path).trim_end_matches('/').to_owned(), None)
    };
    if endpoint.is_none() && !query.is_empty() {
        return refuse("--url holds a query, and no endpoint that it belongs to", FORM);
    }
    let base = format!("{origin}{before}");
    Ok(ServerUrl { models: format!("{base}/v1/models"), base, endpoint, socket: None })
}

/// A URL of http or https with a host; without a scheme it is http.
fn parse(text: &str, shown: &str) -> anyhow::Result<Url> {
    let scheme = text.split("://").next().filter(|scheme| *scheme != text);
    let no_slashes = ["http:", "https:"].iter().any(|begin| text.to_ascii_lowercase().starts_with(begin));
    let (scheme, rest) = match scheme {
        Some(scheme) => (scheme.to_ascii_lowercase(), &text[scheme.len() + 3..]),
        None if no_slashes => return refuse(format!("--url {shown} is not a URL"), FORM),
        None => ("http".to_owned(), text),
    };
    if !["http", "https"].contains(&scheme.as_str()) {
        return refuse(format!("--url {shown} is neither http nor https"), FORM);
    }
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.matches(':').count() > 1 && !host.starts_with('[') {
        return refuse(
            format!("--url {shown}: an IPv6 address stands in brackets"),
            "write http://[::1]:8000",
        );
    }
    if host.is_empty() || host.starts_with(':') || text.contains(char::is_whitespace) {
        return refuse(format!("--url {shown} is not the address of a server"), FORM);
    }
    let url = Url::parse(&format!("{scheme}://{rest}"))
        .or_refuse(|| format!("--url {shown} is not a URL"), FORM)?;
    if url.host_str().is_none_or(str::is_empty) || url.port() == Some(0) {
        return refuse(format!("--url {shown} is not the address of a server"), FORM);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::refusal::{cures, shown};

    fn read(text: &str) -> (String, String, String) {
        let url = server_url(text).unwrap_or_else(|error| panic!("{text}: {error:#}"));
        (url.base, url.endpoint.map_or_else(String::new, |(_, path)| path), url.models)
    }

    #[test]
    fn a_url_is_brought_to_its_base() {
        for (text, base) in [
            ("http://h:1", "http://h:1"),
            ("http://h:1/v1/", "http://h:1"),
            ("http://h:1//v1//", "http://h:1"),
            ("HTTP://H:1/V1x/", "http://h:1/V1x"),
            ("127.0.0.1:8000", "http://127.0.0.1:8000"),
            ("localhost", "http://localhost"),
            (" https://h/prefix/ ", "https://h/prefix"),
            ("https://h/api/v1", "https://h/api"),
            ("http://[::1]:8000/v1", "http://[::1]:8000"),
        ] {
            let (read_base, endpoint, models) = read(text);
            assert_eq!((read_base.as_str(), endpoint.as_str()), (base, ""), "{text}");
            assert_eq!(models, format!("{base}/v1/models"), "{text}");
        }
    }

    #[test]
    fn a_whole_endpoint_is_taken_as_it_is_meant() {
        let chat = "/v1/chat/completions";
        for (text, base, path, models) in [
            ("http://h:1/v1/chat/completions", "http://h:1", chat, "http://h:1/v1/models"),
            ("h:1/v1/chat/completions/", "http://h:1", chat, "http://h:1/v1/models"),
            ("http://h/p/v1/completions", "http://h/p", "/v1/completions", "http://h/p/v1/models"),
            (
                "http://h/v1beta/openai/chat/completions",
                "http://h/v1beta/openai",
                "/chat/completions",
                "http://h/v1beta/openai/models",
            ),
            (
                "https://h/openai/deployments/x/chat/completions?api-version=2024-10-21",
                "https://h/openai/deployments/x",
                "/chat/completions?api-version=2024-10-21",
                "https://h/openai/deployments/x/models?api-version=2024-10-21",
            ),
            ("http://h/completions", "http://h", "/completions", "http://h/models"),
        ] {
            let read = read(text);
            assert_eq!((read.0.as_str(), read.1.as_str(), read.2.as_str()), (base, path, models), "{text}");
        }
        let protocol = |text| server_url(text).unwrap().endpoint.unwrap().0;
        assert_eq!(protocol("http://h/v1/chat/completions"), ProtocolName::OpenaiChat);
        assert_eq!(protocol("http://h/v1/completions"), ProtocolName::OpenaiCompletions);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_the_form() {
        for bad in [
            "ftp://h",
            "grpc://h:1",
            "unix:///run/x",
            "http://",
            "https:///v1",
            "http://h?x=1",
            "http://h/v1#x",
            "::",
            "::1:8000",
            "http://::1:8000",
            "http://fe80::1/v1",
            "http:/h",
            "https:h:1",
            ":8000",
            "http://h:99999",
            "http://h:0",
            "http://h h",
            "",
            "http://h/v1/embeddings",
            "http://h/v1/models",
            "http://h/metrics",
        ] {
            let error = server_url(bad).expect_err(bad);
            let text = shown(&error);
            assert_eq!(cures(&error).len(), 1, "{bad}: {text}");
            assert!(text.contains("write http://") && text.starts_with("--url "), "{bad}: {text}");
        }
    }

    #[test]
    fn a_password_or_key_is_refused_in_every_form_and_not_repeated() {
        for bad in [
            "http://me:pass-1@h",
            "http://:pass-1@h",
            "me:pass-1@h:8000",
            "http://@h/pass-1?",
            "http://me%3Apass-1%40h",
            "http:\\\\me:pass-1@h",
            "http:me:pass-1@h",
            "postgres://me:pass-1@h",
            "http://h:1/?key=pass-1",
            "http://h:1/v1/chat/completions?api-key=pass-1",
            "http://h:1/v1/chat/completions?Code=pass-1",
            "http://h:1/v1/completions?x=1&access_token=pass-1",
            "http://h:1/v1#pass-1",
            "http://h:1@pass-1:99999",
        ] {
            let error = server_url(bad).expect_err(bad);
            assert!(!shown(&error).contains("pass-1"), "{bad}: {}", shown(&error));
        }
    }
}
