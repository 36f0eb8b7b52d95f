//! `harness bench`: a server that already runs.

use std::process::ExitCode;

use anyhow::Context;

use crate::backend::definition::Definitions;
use crate::backend::resolve::url_target;
use crate::cli::BenchArgs;
use crate::load;
use crate::schema::refusal::{OrRefuse, refusal, refuse};
use crate::secrets;
use crate::server_api;

use crate::commands::play;
use crate::commands::play::{Dataset, Targets};
use crate::commands::resolve::{choices, traffic};
use crate::commands::title;

/// The label of a server that nobody named.
const PLAIN_LABEL: &str = "server";

/// Runs the command.
pub fn bench(args: BenchArgs) -> anyhow::Result<ExitCode> {
    measure(args, title::BENCH)
}

/// Measures a server that already runs.
pub fn measure(args: BenchArgs, title: &str) -> anyhow::Result<ExitCode> {
    crate::commands::block_on(async {
        let Some(url) = &args.url else {
            return refuse(
                format!("{title} needs a server"),
                format!("harness {title} --url http://127.0.0.1:8000"),
            );
        };
        let url = base_url(url)?;
        let wire = traffic::wire(&args.load)?;
        if url.starts_with("http://") && (wire.insecure || wire.ca_file.is_some()) {
            return refuse(
                format!("--insecure and --ca-file are for https, and {url} is not"),
                "leave them out",
            );
        }
        let dataset = Dataset::load(&args.load)?;
        let environment = play::look_at_machine();
        let definitions = Definitions::load(args.backends_dir.as_deref())?;
        let label = args.backend.clone().unwrap_or_else(|| PLAIN_LABEL.to_owned());
        choices::check_label(&label)?;
        if wire.http2 && !args.output.dry_run {
            load::check_http2(&url, &wire).await.with_context(|| format!("{url} cannot be measured"))?;
        }
        let api_key = server_api::api_key(&wire)?;
        secrets::keep_wire_from_outputs(&wire, api_key.as_deref());
        let client = server_api::client(&wire, api_key.as_deref())?;
        let models = server_api::listed_models(&client, &url).await;
        let model = match (&args.model, models) {
            (Some(model), _) => model.clone(),
            (None, Ok(models)) => {
                models.into_iter().next().map(|name| without_keys(&name)).ok_or_else(|| {
                    refusal(format!("{url}/v1/models lists no model"), "name one with --model NAME")
                })?
            }
            (None, Err(error)) => {
                return refuse(
                    format!("{error:#}"),
                    "start the server, check the address, or name a model with --model NAME",
                );
            }
        };
        let targets = Targets {
            title: title.to_owned(),
            targets: vec![url_target(&label, definitions.get(&label), &url, &model)],
            skipped: Vec::new(),
            launching: None,
            probe: args.probe,
            simulated: false,
        };
        play::play(targets, &args.load, &args.runs, &args.output, dataset, environment).await
    })
}

/// The name that a server gave as it may stand in files: some repeat the key that they were asked with.
fn without_keys(name: &str) -> String {
    secrets::hide_kept(name).into_owned()
}

/// `http://HOST:PORT`, without a slash or `/v1` at its end. A refusal repeats only what cannot hold a password.
fn base_url(text: &str) -> anyhow::Result<String> {
    let text = text.trim();
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let cure = "write http://HOST:PORT or https://HOST";
    let shown = if text.contains(['@', '?', '#', '%', '\\']) { "…" } else { text };
    let more = || {
        refuse(
            format!("--url {shown} holds more than a server's address"),
            format!("{cure}; keys go into --api-key-env, a password into --header 'Authorization: Basic …'"),
        )
    };
    // Before it is read as a URL: what is none, or is read in another way, may hold a password all the same.
    if text.contains('@') || text.contains("%40") {
        return more();
    }
    let url = url::Url::parse(&with_scheme).or_refuse(|| format!("--url {shown} is not a URL"), cure)?;
    if !["http", "https"].contains(&url.scheme()) || url.host_str().is_none_or(str::is_empty) {
        return refuse(format!("--url {shown} is not the address of a server"), cure);
    }
    if url.query().is_some()
        || url.fragment().is_some()
        || !url.username().is_empty()
        || url.password().is_some()
    {
        return more();
    }
    let base = with_scheme.trim_end_matches('/');
    Ok(base.strip_suffix("/v1").unwrap_or(base).trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::refusal::{cures, shown};

    #[test]
    fn a_url_is_brought_to_its_base_or_refused() {
        assert_eq!(base_url("http://h:1/v1/").unwrap(), "http://h:1");
        assert_eq!(base_url("127.0.0.1:8000").unwrap(), "http://127.0.0.1:8000");
        assert_eq!(base_url("https://h/prefix").unwrap(), "https://h/prefix");
        for bad in ["ftp://h", "http://", "http://h?x=1", "http://me:key@h", "::"] {
            let error = base_url(bad).unwrap_err();
            assert_eq!(cures(&error).len(), 1, "{bad}: {error}");
        }
    }

    #[test]
    fn a_password_in_a_url_is_refused_in_every_form_and_not_repeated() {
        for bad in [
            "http://me:pass-1@h",
            "http://:pass-1@h",
            "http://pass-1@h",
            "me:pass-1@h:8000",
            ":pass-1@h",
            "http://@h/pass-1?",
            "http://me%3Apass-1%40h",
            "http:\\\\me:pass-1@h",
            "http:/me:pass-1@h",
            "http:me:pass-1@h",
            "ftp://me:pass-1@h",
            "postgres://me:pass-1@h",
            "me:pa://pass-1@h",
            "http://me:p@ss-1/pass-1@h",
            "http://h:1/?key=pass-1",
            "http://h:1/v1#pass-1",
            "http://h:1@pass-1:99999",
        ] {
            let error = base_url(bad).expect_err(bad);
            assert!(!shown(&error).contains("pass-1"), "{bad}: {}", shown(&error));
        }
    }
}
