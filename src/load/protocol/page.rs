//! The words of a web page that stands in an answer's place: a proxy's, or a login's.

/// So much of a page is looked at, bytes.
const LOOKED_AT: usize = 16 << 10;
/// What holds no words to read.
const SILENT: [&str; 3] = ["script", "style", "svg"];

/// The title of a page of HTML, else its words; none where the body is none.
pub(super) fn words(body: &[u8]) -> Option<String> {
    let page = String::from_utf8_lossy(&body[..body.len().min(LOOKED_AT)]);
    let page = page.trim_start_matches('\u{feff}').trim_start();
    let lower = page.to_ascii_lowercase();
    if !["<!doctype html", "<html", "<head", "<body", "<?xml"].iter().any(|begin| lower.starts_with(begin)) {
        return None;
    }
    let said = [within(page, &lower, "title"), Some(without_tags(page, &lower))];
    let said = said.into_iter().flatten().map(|text| in_one_line(&text)).find(|text| !text.is_empty());
    Some(format!("a web page: {}", said.as_deref().unwrap_or("without words")))
}

/// The text of the first element of this name.
fn within(page: &str, lower: &str, name: &str) -> Option<String> {
    let begin = lower.find(&format!("<{name}"))?;
    let begin = begin + lower[begin..].find('>')? + 1;
    let end = begin + lower[begin..].find(&format!("</{name}"))?;
    Some(without_tags(&page[begin..end], &lower[begin..end]))
}

/// What is left when tags, and what only a browser reads, are taken out.
fn without_tags(page: &str, lower: &str) -> String {
    let mut text = String::new();
    let mut at = 0;
    while let Some(length) = page[at..].find('<') {
        text.push_str(&page[at..at + length]);
        text.push(' ');
        let tag = at + length;
        let silent = SILENT.iter().find(|name| lower[tag + 1..].starts_with(**name));
        let close = match silent {
            Some(name) => format!("</{name}"),
            None if lower[tag..].starts_with("<!--") => "-->".to_owned(),
            None => String::new(),
        };
        let Some(end) = lower[tag..].find(&close).map(|end| tag + end) else { return text };
        let Some(end) = page[end..].find('>').map(|length| end + length + 1) else { return text };
        at = end;
    }
    text.push_str(&page[at..]);
    text
}

fn in_one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").replace("&amp;", "&").replace("&#39;", "'").replace("&quot;", "\"")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_page_is_told_by_its_title_and_without_one_by_its_words() {
        for (page, said) in [
            (
                "<html>\r\n<head><title>502 Bad Gateway</title></head><body><h1>502</h1></body></html>",
                "502 Bad Gateway",
            ),
            (
                "<!DOCTYPE html>\n<!--[if lt IE 7]> <html class=\"ie6\"> <![endif]-->\n<head>\n<style>p > a {}</style><TITLE>api.test | 524: A timeout &amp; more</TITLE>",
                "api.test | 524: A timeout & more",
            ),
            (
                "<html><head><script>if (a < b) {}</script></head><body><b>no healthy</b>\n upstream</body></html>",
                "no healthy upstream",
            ),
            ("<html><body></body></html>", "without words"),
            ("<html><title>é < a", "é"),
        ] {
            assert_eq!(words(page.as_bytes()), Some(format!("a web page: {said}")), "{page}");
        }
        for other in ["", "upstream is up", "{\"error\":\"<html>\"}", "<p>"] {
            assert_eq!(words(other.as_bytes()), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn any_page_has_words_and_makes_no_panic(rest in "(<|>|/|!--|-->|script|style|title|é|İ| ){0,40}") {
            let page = format!("<html{rest}");
            prop_assert!(words(page.as_bytes()).is_some());
        }
    }
}
