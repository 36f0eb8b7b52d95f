//! Which format a scraper gets, by what it says it takes.

/// A format of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The text format of Prometheus, 0.0.4.
    Classic,
    /// OpenMetrics text, 1.0.0.
    OpenMetrics,
    /// Prometheus' protobuf: the one with native histograms.
    Protobuf,
}

impl Format {
    /// By an `Accept` header: the one of the highest `q`, of equal ones the first; the classic one where it names none of
    /// ours. Prometheus asks for protobuf first where its native histograms are on.
    pub fn accepted(accept: &str) -> Format {
        let mut best: Option<(f64, Format)> = None;
        for range in accept.split(',') {
            let Some((q, format)) = offered(range) else { continue };
            if q > 0.0 && best.is_none_or(|(best, _)| q > best) {
                best = Some((q, format));
            }
        }
        best.map_or(Format::Classic, |(_, format)| format)
    }

    /// Its `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Classic => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Format::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        }
    }
}

/// One media range with its `q`; none where we have nothing for it.
fn offered(range: &str) -> Option<(f64, Format)> {
    let mut parts = range.split(';').map(str::trim);
    let kind = parts.next()?.to_ascii_lowercase();
    let mut q = 1.0;
    let mut fits = true;
    for parameter in parts {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = value.trim().trim_matches('"');
        match (name.trim().to_ascii_lowercase().as_str(), kind.as_str()) {
            ("q", _) => q = value.parse().unwrap_or(0.0),
            ("version", "application/openmetrics-text") => fits &= value == "1.0.0",
            ("version", "text/plain") => fits &= value == "0.0.4",
            ("proto", _) => fits &= value == "io.prometheus.client.MetricFamily",
            ("encoding", "application/vnd.google.protobuf") => fits &= value == "delimited",
            // Our names need no escaping, and our texts are UTF-8.
            _ => {}
        }
    }
    let format = match kind.as_str() {
        "application/vnd.google.protobuf" if range.contains("proto=") => Format::Protobuf,
        "application/openmetrics-text" => Format::OpenMetrics,
        "text/plain" | "text/*" | "*/*" => Format::Classic,
        _ => return None,
    };
    fits.then_some((q, format))
}
