//! `harness bench`: a server that already runs.

use std::process::ExitCode;
use std::time::Duration;

use crate::backend::definition::Definitions;
use crate::backend::resolve::url_target;
use crate::cli::BenchArgs;
use crate::load;
use crate::progress::Progress;
use crate::schema::objective::Search;
use crate::schema::plan::HttpSettings;
use crate::schema::refusal::{OrRefuse, refuse};
use crate::schema::target::Target;
use crate::secrets;
use crate::server_api::{self, NoAnswer};

use crate::commands::play::{self, Targets};
use crate::commands::resolve::server_url::{ServerUrl, server_url_of};
use crate::commands::resolve::{choices, protocol, served_model, traffic};
use crate::commands::title;
use crate::commands::tui;
use crate::commands::workload::Workload;

/// The label of a server that nobody named.
const PLAIN_LABEL: &str = "server";
/// The cure where a server does not say which models it has.
const NAME_ONE: &str = "name a model with --model NAME, or check the address";
/// The cure where it asks for a key first.
const GIVE_KEY: &str = "give the key with --api-key-env NAME, or a --header; --model NAME needs no list";
/// Time that a list of models may take where the model is named.
const COURTESY: Duration = Duration::from_secs(2);

/// Runs the command.
pub fn bench(args: BenchArgs) -> anyhow::Result<ExitCode> {
    measure(args, title::BENCH, None)
}

/// Measures a server that already runs.
pub fn measure(args: BenchArgs, title: &str, search: Option<Search>) -> anyhow::Result<ExitCode> {
    tui::check(&args.output)?;
    crate::commands::block_on(async {
        let urls = urls(&args, title)?;
        let (url, others) = (&urls.0, &urls.1);
        let mut wire = traffic::wire(&args.load, url.endpoint.as_ref())?;
        wire.unix_socket.clone_from(&url.socket);
        if url.base.starts_with("http://") && (wire.insecure || wire.ca_file.is_some()) {
            return refuse(
                format!("--insecure and --ca-file are for https, and {} is not", url.base),
                "leave them out",
            );
        }
        let workload = Workload::load(&args.load)?;
        let environment = play::look_at_machine();
        let definitions = Definitions::load(args.backends_dir.as_deref())?;
        let label = args.backend.clone().unwrap_or_else(|| PLAIN_LABEL.to_owned());
        choices::check_label(&label)?;
        let engine = definitions.get(&label).map_or("", |definition| definition.name.as_str());
        protocol::refuse_unknown_engine(&args.load, engine, &url.base)?;
        let progress = Progress::new(args.output.quiet, args.output.verbose);
        let model = model(&args, url, &wire, &progress).await?;
        for other in others {
            same_model(&args, other, &wire, (&model, &progress)).await?;
        }
        if !others.is_empty() {
            progress.say(&format!(
                "{} servers, each unit to the next in turn; probes and the metrics page are those of {}",
                others.len() + 1,
                url.base
            ));
        }
        let more_urls = others.iter().map(|other| other.base.clone()).collect();
        let target = url_target(&label, definitions.get(&label), &url.base, &model);
        let targets = Targets {
            title: title.to_owned(),
            targets: vec![Target { more_urls, ..target }],
            http: wire,
            skipped: Vec::new(),
            launching: None,
            probe: args.probe,
            simulated: false,
            search,
        };
        play::play(targets, &args.load, &args.runs, &args.output, workload, environment).await
    })
}

/// The servers' addresses, the first apart: all with one endpoint.
fn urls(args: &BenchArgs, title: &str) -> anyhow::Result<(ServerUrl, Vec<ServerUrl>)> {
    let Some((first, others)) = args.url.split_first() else {
        return refuse(
            format!("{title} needs a server"),
            format!("harness {title} --url http://127.0.0.1:8000"),
        );
    };
    let named = protocol::spoken(&args.load)?.named;
    let first = server_url_of(first, named)?;
    let others =
        others.iter().map(|other| server_url_of(other, named)).collect::<anyhow::Result<Vec<_>>>()?;
    for other in &others {
        if other.endpoint != first.endpoint {
            return refuse(
                format!("{} and {} are addresses with different endpoints", first.base, other.base),
                "give all as http://HOST:PORT, and the endpoint by --endpoint or --endpoint-path",
            );
        }
        if first.socket.is_some() || other.socket.is_some() {
            return refuse("several --url, and one is a socket", "give one --url unix:PATH, or none");
        }
        if other.base.starts_with("https") != first.base.starts_with("https") {
            return refuse("some --url are http and some https", "give all of one kind");
        }
    }
    Ok((first, others))
}

/// A further server must be there, and where it says which models it has, have the one that is asked for.
async fn same_model(
    args: &BenchArgs,
    url: &ServerUrl,
    wire: &HttpSettings,
    (model, progress): (&str, &Progress),
) -> anyhow::Result<()> {
    if args.output.dry_run {
        return Ok(());
    }
    let cure = "start the server, or check the address";
    let absent = || format!("{} cannot be measured", url.base);
    load::check_reachable(&url.base, wire).await.or_refuse(absent, cure)?;
    let client = server_api::client(wire, server_api::api_key(wire)?.as_deref())?;
    match tokio::time::timeout(COURTESY, server_api::models(&client, &url.models)).await {
        Ok(Ok(listed)) if !listed.iter().any(|other| other == model) => {
            progress.say(&format!("{}: {}", url.base, served_model::chosen_line(model, &listed)));
        }
        Ok(Ok(_) | Err(_)) | Err(_) => {}
    }
    Ok(())
}

/// The models that are named: that of --model, or those of --models.
fn named(args: &BenchArgs) -> &[String] {
    match &args.model {
        Some(model) => std::slice::from_ref(model),
        None => &args.load.conversations.models,
    }
}

/// The model to ask for, once the server is known to be there.
async fn model(
    args: &BenchArgs,
    url: &ServerUrl,
    wire: &HttpSettings,
    progress: &Progress,
) -> anyhow::Result<String> {
    let api_key = server_api::api_key(wire)?;
    secrets::keep_wire_from_outputs(wire, api_key.as_deref());
    let named = named(args);
    if let (Some(model), true) = (named.first(), args.output.dry_run) {
        return Ok(model.clone());
    }
    let cure = match named.first() {
        Some(_) => "start the server, or check the address",
        None => "start the server, or check the address; --model NAME is needed where a server lists none",
    };
    let shown =
        url.socket.as_ref().map_or_else(|| url.base.clone(), |path| format!("unix:{}", path.display()));
    let absent = || format!("{shown} cannot be measured");
    if wire.http2 {
        load::check_reachable(&url.base, wire).await.or_refuse(absent, cure)?;
    }
    let client = server_api::client(wire, api_key.as_deref())?;
    // Where the model is named its list is a courtesy: many servers have none.
    let patience = if named.is_empty() { Duration::MAX } else { COURTESY };
    let listed = tokio::time::timeout(patience, server_api::models(&client, &url.models)).await;
    match &listed {
        Ok(Err(NoAnswer::NoConnection(_))) | Err(_) => {
            load::check_reachable(&url.base, wire).await.or_refuse(absent, cure)?;
        }
        Ok(Ok(_) | Err(_)) => {}
    }
    match named.first() {
        Some(model) => {
            match listed {
                Ok(Ok(listed)) => {
                    for model in named {
                        progress.say(&served_model::chosen_line(model, &listed));
                    }
                }
                Ok(Err(why)) => progress.detail(&server_api::no_list(&url.models, &why)),
                Err(_) => progress.say(&format!(
                    "{} has not answered within {} s; going on with the model that was named",
                    url.models,
                    COURTESY.as_secs()
                )),
            }
            Ok(model.clone())
        }
        None => {
            let listed = match listed {
                Ok(Ok(listed)) => listed,
                Ok(Err(why)) => match protocol::unlisted_model(wire) {
                    Some(model) => {
                        progress.detail(&server_api::no_list(&url.models, &why));
                        return Ok(model.to_owned());
                    }
                    None => {
                        let cure = if why.asks_for_key() { GIVE_KEY } else { NAME_ONE };
                        return refuse(server_api::no_list(&url.models, &why), cure);
                    }
                },
                Err(_) => return refuse(format!("{} does not answer", url.models), NAME_ONE),
            };
            let Some(model) = served_model::choose(&listed) else {
                return refuse(format!("{} lists no model", url.models), NAME_ONE);
            };
            progress.say(&served_model::chosen_line(model, &listed));
            // Some servers repeat the key that they were asked with.
            Ok(secrets::hide_kept(model).into_owned())
        }
    }
}
