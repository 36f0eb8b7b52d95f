//! What a store says of its trouble → a line that a person reads, with the cure.

use object_store::Error;

use crate::secrets;

use super::cloud::Cloud;

/// What is shown of an answer, characters.
const LONGEST_WORDS: usize = 200;

/// How object_store calls the file of Google's credentials.
const ACCOUNT_FILE: &str = "service account file";

/// Why something was not written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    /// What happened, one line.
    pub(super) why: String,
    /// What helps.
    pub(super) cure: String,
    /// All other files would have it too.
    pub(super) of_all: bool,
}

impl Trouble {
    /// Of an error of a store.
    pub(super) fn of(error: &Error, cloud: Cloud) -> Trouble {
        // Shortened after keys are hidden: half of one is not known as a key any more.
        let why: String = secrets::from_outside(&words(error)).chars().take(LONGEST_WORDS).collect();
        let cure = match error {
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
                credentials(cloud, "that may write there")
            }
            Error::NotFound { .. } => match cloud {
                Cloud::Directory => "make the directory, or check its name".to_owned(),
                Cloud::S3 | Cloud::Google | Cloud::Azure => "make the bucket, or check its name".to_owned(),
            },
            _ if why.contains(ACCOUNT_FILE) => {
                "GOOGLE_APPLICATION_CREDENTIALS names the JSON file of a service account: check it (docs/upload.md)"
                    .to_owned()
            }
            _ if why.contains("redirect") || why.contains("AuthorizationHeaderMalformed") => {
                "set AWS_REGION to the region of the bucket".to_owned()
            }
            _ => general(cloud),
        };
        Trouble { why, cure, of_all: true }
    }

    /// Nobody answers.
    pub(super) fn silent(cloud: Cloud) -> Trouble {
        Trouble { why: "no answer".to_owned(), cure: general(cloud), of_all: true }
    }

    /// Of a file here, which says nothing of the others.
    pub(super) fn of_file(error: &std::io::Error) -> Trouble {
        let (why, cure) = (format!("cannot be read: {error}"), "make it readable".to_owned());
        Trouble { why, cure, of_all: false }
    }
}

fn credentials(cloud: Cloud, which: &str) -> String {
    let variables = match cloud {
        Cloud::S3 => "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        Cloud::Google => "GOOGLE_APPLICATION_CREDENTIALS",
        Cloud::Azure => "AZURE_STORAGE_ACCOUNT and AZURE_STORAGE_KEY",
        Cloud::Directory => return "choose a directory that you may write".to_owned(),
    };
    format!("give credentials {which}: {variables} (docs/upload.md)")
}

fn general(cloud: Cloud) -> String {
    let network = match cloud {
        Cloud::S3 => "check the network, AWS_ENDPOINT_URL and AWS_REGION",
        Cloud::Google => "check the network",
        Cloud::Azure => "check the network and AZURE_STORAGE_ENDPOINT",
        Cloud::Directory => return "make room there, or choose a directory that you may write".to_owned(),
    };
    format!("{network}, or {}", credentials(cloud, "where none are set"))
}

/// The end of the chain says what happened; an answer in XML by its code and message.
fn words(error: &Error) -> String {
    let mut deepest: &dyn std::error::Error = error;
    let mut text = deepest.to_string();
    while let Some(deeper) = deepest.source() {
        deepest = deeper;
        // "No such file or directory" alone does not say which: its name stands one further out.
        let inner = deepest.to_string();
        let names_file =
            text.starts_with("Unable to") && text.contains(ACCOUNT_FILE) && text.ends_with(&inner);
        if !names_file {
            text = inner;
        }
    }
    let text = text.strip_prefix("Server returned non-2xx status code: ").unwrap_or(&text);
    let told = match text.split_once('<') {
        Some((status, body)) => {
            let parts = ["Code", "Message"].into_iter().filter_map(|tag| element(body, tag));
            let parts: Vec<&str> = parts.collect();
            format!("{}: {}", status.trim_end_matches([':', ' ']), parts.join(": "))
        }
        None => text.to_owned(),
    };
    told.trim_end_matches([':', ' ']).lines().next().unwrap_or_default().to_owned()
}

fn element<'a>(xml: &'a str, tag: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{tag}>"))?;
    rest.split_once('<').map(|(text, _)| text.lines().next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_an_answer_repeats_is_hidden_also_where_the_answer_is_shortened_within_it() {
        secrets::keep_from_outputs(["hush-hush-token-of-a-session".to_owned()]);
        let status = format!("{}hush-hush-token-of-a-session", "x".repeat(LONGEST_WORDS - 10));
        let denied = Error::PermissionDenied { path: "a".to_owned(), source: status.into() };
        let trouble = Trouble::of(&denied, Cloud::S3);
        assert!(trouble.why.ends_with("x***") && trouble.why.len() <= LONGEST_WORDS, "{}", trouble.why);
    }

    /// An error whose cause is the end of its own text, as object_store's own are.
    #[derive(Debug)]
    struct Outer(&'static str, std::io::Error);

    impl std::fmt::Display for Outer {
        fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            to.write_str(self.0)
        }
    }

    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.1)
        }
    }

    fn crate_error(text: &'static str) -> Error {
        let inner = std::io::Error::other(text.rsplit(": ").next().unwrap_or_default());
        Error::Generic { store: "GCS", source: Box::new(Outer(text, inner)) }
    }

    #[test]
    fn an_answer_is_told_by_its_status_code_and_message_and_not_by_its_whole_body() {
        let status = "Server returned non-2xx status code: 403 Forbidden: <?xml version=\"1.0\"?>\n<Error>\
                      <Code>SignatureDoesNotMatch</Code><Message>It does not match.</Message>\
                      <AWSAccessKeyId>AKIA1</AWSAccessKeyId></Error>";
        let denied = Error::PermissionDenied { path: "a".to_owned(), source: status.into() };
        let trouble = Trouble::of(&denied, Cloud::S3);
        assert_eq!(trouble.why, "403 Forbidden: SignatureDoesNotMatch: It does not match.");
        assert!(trouble.cure.contains("AWS_ACCESS_KEY_ID"), "{}", trouble.cure);
        let file =
            crate_error("Unable to open service account file from /run/key.json: No such file or directory");
        let trouble = Trouble::of(&file, Cloud::Google);
        assert!(trouble.why.contains("/run/key.json") && trouble.cure.contains("check it"), "{trouble:?}");
        let moved = Error::Generic { store: "S3", source: "Received redirect without LOCATION".into() };
        assert!(Trouble::of(&moved, Cloud::S3).cure.contains("AWS_REGION"));
        let absent = Error::NotFound { path: "a".to_owned(), source: "404 Not Found".into() };
        assert_eq!(Trouble::of(&absent, Cloud::Google).cure, "make the bucket, or check its name");
    }
}
