//! The server's own token counters, scraped from its Prometheus page before and after a run.

use crate::schema::summary::MissingCounters;
use crate::schema::target::ServerMetrics;

use super::prometheus::Page;
use super::server_page::fetch;

/// What a server has counted since it started, or between two scrapes ([`ServerCounters::since`]).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ServerCounters {
    /// Prompt tokens processed. Whether cached ones are in it is the engine's affair.
    pub prompt_tokens: f64,
    /// Tokens generated.
    pub generated_tokens: f64,
    /// Prompt tokens taken from the prefix cache; none where the engine has no such counter.
    pub cached_tokens: Option<f64>,
    /// Counters that the page did not show. They count as 0 before a run, since some engines show a counter only
    /// after its first use; after a run it means that there is no counter of that name.
    pub missing: MissingCounters,
}

impl ServerCounters {
    /// What was counted between `earlier` and `self`. Negative where the server restarted in between.
    pub fn since(&self, earlier: &ServerCounters) -> ServerCounters {
        ServerCounters {
            prompt_tokens: self.prompt_tokens - earlier.prompt_tokens,
            generated_tokens: self.generated_tokens - earlier.generated_tokens,
            cached_tokens: self.cached_tokens.map(|now| now - earlier.cached_tokens.unwrap_or(0.0)),
            missing: self.missing.clone(),
        }
    }
}

/// Scrapes the server at `base_url`; none where the engine has no metrics page, or serves without it (404, 501).
///
/// # Errors
/// When the page cannot be read in time, or is answered with another status than 200.
pub async fn server_counters(
    client: &reqwest::Client,
    base_url: &str,
    metrics: &ServerMetrics,
) -> anyhow::Result<Option<ServerCounters>> {
    let Some(url) = metrics.address(base_url) else { return Ok(None) };
    let page = fetch(client, &url).await?;
    Ok(page.map(|page| counters(&page, metrics)))
}

/// The counters that a page shows.
fn counters(page: &Page, metrics: &ServerMetrics) -> ServerCounters {
    let (prompt_tokens, prompt) = total(page, &metrics.prompt_tokens);
    let (generated_tokens, generated) = total(page, &metrics.generated_tokens);
    let (cached_tokens, cached) = total(page, &metrics.cached_tokens);
    let says_cached = cached.len() < metrics.cached_tokens.len();
    ServerCounters {
        prompt_tokens,
        generated_tokens,
        cached_tokens: says_cached.then_some(cached_tokens),
        missing: MissingCounters { prompt, generated, cached },
    }
}

/// The sum of some counters, and the names that the page does not have.
fn total(page: &Page, names: &[String]) -> (f64, Vec<String>) {
    let mut missing = Vec::new();
    let mut sum = 0.0;
    for name in names {
        match page.sum(name).filter(|sum| sum.is_finite()) {
            Some(value) => sum += value,
            None => missing.push(name.clone()),
        }
    }
    (sum, missing)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::schema::plan::HttpSettings;
    use crate::schema::target::ProtocolName;
    use crate::server_api::client;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn metrics(prompt: &str, generated: &str, cached: &[&str]) -> ServerMetrics {
        ServerMetrics {
            path: Some("/metrics".into()),
            prompt_tokens: vec![prompt.into()],
            generated_tokens: vec![generated.into()],
            cached_tokens: cached.iter().map(|name| (*name).to_owned()).collect(),
            ..ServerMetrics::default()
        }
    }

    fn tokens(page: &str, metrics: &ServerMetrics) -> (f64, f64, Option<f64>) {
        let read = counters(&Page::parse(page.as_bytes()), metrics);
        assert!(read.missing.is_empty(), "{:?}", read.missing);
        (read.prompt_tokens, read.generated_tokens, read.cached_tokens)
    }

    #[test]
    fn vllm_counts_are_read_and_its_created_times_are_not() {
        let page = include_str!("../../tests/wire-metrics/vllm.txt");
        let with = metrics(
            "vllm:prompt_tokens_total",
            "vllm:generation_tokens_total",
            &["vllm:prompt_tokens_cached_total"],
        );
        assert_eq!(tokens(page, &with), (183.0, 48.0, Some(0.0)));
        let without = metrics("vllm:prompt_tokens", "vllm:generation_tokens", &[]);
        assert_eq!(tokens(page, &without), (183.0, 48.0, None));
        let sums = metrics("vllm:request_prompt_tokens_sum", "vllm:request_generation_tokens_sum", &[]);
        assert_eq!(tokens(page, &sums), (183.0, 48.0, None));
    }

    #[test]
    fn sglang_counts_are_summed_over_their_labels() {
        let page = include_str!("../../tests/wire-metrics/sglang.txt");
        let metrics = metrics(
            "sglang:prompt_tokens_total",
            "sglang:generation_tokens_total",
            &["sglang:cached_tokens_total"],
        );
        assert_eq!(tokens(page, &metrics), (74.0 + 112.0, 20.0 + 40.0, Some(123.0)));
    }

    #[test]
    fn llamacpp_counts_cached_prompt_tokens_apart() {
        let page = include_str!("../../tests/wire-metrics/llamacpp.txt");
        let mut metrics = metrics(
            "llamacpp:prompt_tokens_total",
            "llamacpp:tokens_predicted_total",
            &["llamacpp:prompt_tokens_cached_total"],
        );
        assert_eq!(tokens(page, &metrics), (58.0, 124.0, Some(122.0)));
        metrics.prompt_tokens.push("llamacpp:prompt_tokens_cached_total".into());
        assert_eq!(tokens(page, &metrics), (58.0 + 122.0, 124.0, Some(122.0)));
    }

    #[test]
    fn tgi_has_histograms_only_and_their_sums_are_the_counts() {
        let page = include_str!("../../tests/wire-metrics/tgi.txt");
        let metrics = metrics("tgi_request_input_length_sum", "tgi_request_generated_tokens_sum", &[]);
        assert_eq!(tokens(page, &metrics), (225.0, 138.0, None));
        let histogram = self::metrics("tgi_request_input_length_sum", "tgi_request_generated_tokens", &[]);
        let read = counters(&Page::parse(page.as_bytes()), &histogram);
        assert_eq!(read.missing.generated, ["tgi_request_generated_tokens"], "a histogram is no counter");
    }

    #[test]
    fn a_label_may_hold_braces_commas_and_quotes() {
        let page = "x:a_total{m=\"o}{dd, \\\"q\\\" {\"} 3\nx:a_total{m=\"even\\\\\"} 4e0\nx:b_total 5 1700000000000\n";
        assert_eq!(tokens(page, &metrics("x:a", "x:b", &[])), (7.0, 5.0, None));
    }

    #[test]
    fn a_counter_that_is_not_shown_counts_as_nothing_and_is_named() {
        let page = Page::parse(b"x_total 1\n");
        let read = counters(&page, &metrics("x_total", "y_total", &["z_total"]));
        assert_eq!((read.prompt_tokens, read.generated_tokens, read.cached_tokens), (1.0, 0.0, None));
        assert_eq!(read.missing.generated, ["y_total"]);
        assert_eq!(read.missing.cached, ["z_total"]);
        assert!(read.missing.prompt.is_empty());
    }

    #[test]
    fn a_run_is_the_difference_of_two_scrapes() {
        let at = |prompt_tokens, generated_tokens, cached_tokens| ServerCounters {
            prompt_tokens,
            generated_tokens,
            cached_tokens,
            missing: MissingCounters::default(),
        };
        assert_eq!(at(10.0, 7.0, Some(4.0)).since(&at(4.0, 5.0, Some(1.0))), at(6.0, 2.0, Some(3.0)));
        assert_eq!(at(10.0, 7.0, None).since(&at(4.0, 5.0, None)), at(6.0, 2.0, None));
    }

    /// Answers one request and gives the URL and, in the end, what was asked.
    async fn serve_once(answer: &'static str) -> (String, tokio::task::JoinHandle<String>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(request).unwrap()
        });
        (url, asked)
    }

    fn asker(api_key: Option<&str>) -> reqwest::Client {
        let wire = HttpSettings {
            protocol: ProtocolName::OpenaiChat,
            path: String::new(),
            ..HttpSettings::default()
        };
        client(&wire, api_key).unwrap()
    }

    #[tokio::test]
    async fn a_page_is_fetched_with_the_key() {
        let page = "HTTP/1.1 200 OK\r\ncontent-length: 23\r\n\r\nx:a_total 2\nx:b_total 3";
        let (url, asked) = serve_once(page).await;
        let metrics = metrics("x:a_total", "x:b_total", &[]);
        let read =
            server_counters(&asker(Some("sesame")), &format!("{url}/"), &metrics).await.unwrap().unwrap();
        assert_eq!((read.prompt_tokens, read.generated_tokens), (2.0, 3.0));
        let asked = asked.await.unwrap().to_lowercase();
        assert!(asked.starts_with("get /metrics http/1.1\r\n"), "{asked}");
        assert!(asked.contains("\r\nauthorization: bearer sesame\r\n"), "{asked}");
    }

    #[tokio::test]
    async fn an_engine_without_the_page_has_no_counters() {
        let none = ServerMetrics::default();
        assert_eq!(server_counters(&asker(None), "http://127.0.0.1:1", &none).await.unwrap(), None);
        for status in ["404 Not Found", "501 Not Implemented"] {
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").leak();
            let (url, _) = serve_once(answer).await;
            assert_eq!(server_counters(&asker(None), &url, &metrics("a", "b", &[])).await.unwrap(), None);
        }
    }

    #[tokio::test]
    async fn another_status_is_an_error_that_names_the_address() {
        let (url, _) = serve_once("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n").await;
        let error =
            server_counters(&asker(None), &url, &metrics("a", "b", &[])).await.unwrap_err().to_string();
        assert!(error.contains("500") && error.contains(&format!("{url}/metrics")), "{error}");
    }

    #[tokio::test]
    async fn a_server_that_is_gone_is_an_error_and_not_a_count() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let error = server_counters(&asker(None), &url, &metrics("a", "b", &[])).await.unwrap_err();
        assert!(error.to_string().contains("cannot read the server's metrics"), "{error}");
    }
}
