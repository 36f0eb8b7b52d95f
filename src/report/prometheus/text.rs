//! The two text formats: the classic one (0.0.4) and OpenMetrics 1.0.0.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>,
//! <https://prometheus.io/docs/specs/om/open_metrics_spec/>.

use std::fmt::Write;

use super::family::{Family, Kind, Labels, Line};

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Classic,
    OpenMetrics,
}

/// Families as a page.
pub(super) fn page(families: &[Family<'_>], dialect: Dialect) -> String {
    let mut page = String::new();
    for family in families {
        head(&mut page, family, dialect);
        family.lines(|one| line(&mut page, family, &one));
    }
    if dialect == Dialect::OpenMetrics {
        page.push_str("# EOF\n");
    }
    page
}

fn head(page: &mut String, family: &Family<'_>, dialect: Dialect) {
    let (name, end) = match dialect {
        // Here the family is called what its values are.
        Dialect::Classic => (&family.name, family.kind.end()),
        Dialect::OpenMetrics => (&family.name, ""),
    };
    let help = family.help.replace('\\', "\\\\").replace('\n', "\\n");
    let kind = match (family.kind, dialect) {
        (Kind::Counter, _) => "counter",
        (Kind::Histogram, _) => "histogram",
        (Kind::Gauge, _) | (Kind::Info, Dialect::Classic) => "gauge",
        (Kind::Info, Dialect::OpenMetrics) => "info",
    };
    // Writing to a text cannot fail.
    let _ = match dialect {
        Dialect::Classic => writeln!(page, "# HELP {name}{end} {help}\n# TYPE {name}{end} {kind}"),
        Dialect::OpenMetrics => {
            let help = help.replace('"', "\\\"");
            let typed = writeln!(page, "# TYPE {name}{end} {kind}");
            if !family.unit.is_empty() {
                let _ = writeln!(page, "# UNIT {name}{end} {}", family.unit);
            }
            typed.and_then(|()| writeln!(page, "# HELP {name}{end} {help}"))
        }
    };
}

fn line(page: &mut String, family: &Family<'_>, line: &Line<'_>) {
    page.push_str(&family.name);
    page.push_str(line.end);
    labels(page, line.labels, line.le.map(bound));
    let _ = writeln!(page, " {}", number(line.value));
}

fn labels(page: &mut String, labels: &Labels, le: Option<String>) {
    let le = le.as_deref().map(|le| ("le", le));
    let all = labels.iter().map(|(name, value)| (*name, value.as_str())).chain(le);
    let mut begin = '{';
    for (name, value) in all {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let _ = write!(page, "{begin}{name}=\"{value}\"");
        begin = ',';
    }
    if begin == ',' {
        page.push('}');
    }
}

/// A bucket's bound, with a point in it, as OpenMetrics wants it and Prometheus reads protobuf. A bound is compared as
/// text: what is scraped, pushed and written must agree.
pub(super) fn bound(le: f64) -> String {
    if le.is_finite() && le.fract() == 0.0 { format!("{le:.1}") } else { number(le) }
}

/// As both formats write a number.
fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        value.to_string()
    }
}
