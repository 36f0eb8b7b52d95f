//! `harness dataset generate`: flags → a model to ask and a file to fill.

use std::process::ExitCode;

use crate::cli::GenerateArgs;
use crate::commands::interrupt::{self, INTERRUPTED};
use crate::commands::resolve::served_model;
use crate::commands::resolve::server_url::server_url;
use crate::commands::resolve::traffic::check_variable;
use crate::commands::runtime::block_on;
use crate::dataset::generate::{
    self as stage, Bounds, CATEGORIES, ChatEndpoint, End, Progress as Reached, Told, Wanted,
};
use crate::progress::{Activity, Progress, print};
use crate::schema::plan::HttpSettings;
use crate::schema::refusal::{refusal, refuse, shown};
use crate::schema::target::ProtocolName;
use crate::secrets;
use crate::server_api;

/// The host whose key is looked for by default, and the variable that holds it.
const OPENROUTER: &str = "https://openrouter.ai";
const OPENROUTER_KEY: &str = "OPENROUTER_API_KEY";
/// What is said at the first Ctrl-C.
const STOPPING: &str = "interrupted: ending (again: at once)";

/// `harness dataset generate`
pub fn generate(args: &GenerateArgs) -> anyhow::Result<ExitCode> {
    let wanted = wanted(args)?;
    block_on(async {
        let progress = Progress::new(args.quiet, false);
        let endpoint = endpoint(args, &progress).await?;
        let stop = interrupt::watch_saying(progress.clone(), STOPPING)?;
        let activity = progress.start(&format!("{}:", endpoint.model));
        let tell = |told: Told<'_>| show(&told, &activity, &progress, &wanted);
        let done = stage::generate(&endpoint, &wanted, &tell, stop).await;
        drop(activity);
        let (reached, end) = done?;
        print(&summary(&reached, &wanted));
        Ok(match end {
            End::Whole => ExitCode::SUCCESS,
            End::Interrupted => {
                progress.say("interrupted: what is in the file stays, and counts the next time");
                ExitCode::from(INTERRUPTED)
            }
            End::Exhausted => {
                let (held, count) = (reached.held, wanted.count);
                let few = refusal(
                    format!("{} gives no new prompts any more: {held} of {count} are there", endpoint.model),
                    "another --model, --seed or --temperature, or more --categories; the file stays and counts",
                );
                progress.error(&format!("error: {}", shown(&few)));
                ExitCode::FAILURE
            }
        })
    })
}

fn wanted(args: &GenerateArgs) -> anyhow::Result<Wanted> {
    if !args.output.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("jsonl")) {
        return refuse(
            format!("--output {} does not end in .jsonl", args.output.display()),
            "give a file of JSON lines: to a JSON list nothing can be appended",
        );
    }
    if !(0.0..=10.0).contains(&args.temperature) {
        return refuse(format!("--temperature {} is not a temperature", args.temperature), "give 0 to 10");
    }
    if args.min_length > args.max_length {
        return refuse("--min-length is above --max-length", "give a lower one");
    }
    let mut categories: Vec<String> =
        args.categories.iter().map(|category| category.trim().to_owned()).collect();
    if categories.is_empty() {
        categories = CATEGORIES.map(str::to_owned).to_vec();
    }
    let mut distinct = categories.clone();
    distinct.sort();
    distinct.dedup();
    if distinct.len() < categories.len() || distinct.iter().any(String::is_empty) {
        return refuse(
            "--categories holds one twice, or an empty one",
            "give each once: --categories chat,code",
        );
    }
    Ok(Wanted {
        count: args.count as usize,
        categories,
        output: args.output.clone(),
        bounds: Bounds { least: args.min_length as usize, most: args.max_length as usize },
        max_tokens: args.max_tokens,
        temperature: args.temperature,
        seed: args.seed.unwrap_or(0),
        send_seed: args.seed.is_some(),
        tries: args.tries,
    })
}

/// Who is asked, with the key from its variable.
async fn endpoint(args: &GenerateArgs, progress: &Progress) -> anyhow::Result<ChatEndpoint> {
    let url = server_url(&args.url)?;
    let path = match &url.endpoint {
        Some((ProtocolName::OpenaiChat, path)) => path.clone(),
        None => "/v1/chat/completions".to_owned(),
        Some(_) => {
            return refuse(
                "prompts are written in chats",
                "give the address without its endpoint: http://HOST:PORT",
            );
        }
    };
    let is_openrouter = url.base == OPENROUTER || url.base.starts_with(&format!("{OPENROUTER}/"));
    let api_key_env = args.api_key_env.clone().or_else(|| is_openrouter.then(|| OPENROUTER_KEY.to_owned()));
    if let Some(name) = &args.api_key_env {
        check_variable(name)?;
    }
    let wire = HttpSettings { path: path.clone(), api_key_env, ..HttpSettings::default() };
    let api_key = server_api::api_key(&wire)?;
    secrets::keep_wire_from_outputs(&wire, api_key.as_deref());
    let client = server_api::client(&wire, api_key.as_deref())?;
    let model = match &args.model {
        Some(model) => model.clone(),
        None if is_openrouter => {
            return refuse(
                "OpenRouter has many models, and --model names none",
                "name one: --model meta-llama/llama-3.3-70b-instruct",
            );
        }
        None => {
            let listed = server_api::models(&client, &url.models).await;
            let listed = match listed {
                Ok(listed) => listed,
                Err(why) => {
                    return refuse(server_api::no_list(&url.models, &why), "name one with --model NAME");
                }
            };
            let Some(model) = served_model::choose(&listed) else {
                return refuse(format!("{} lists no model", url.models), "name one with --model NAME");
            };
            progress.say(&served_model::chosen_line(model, &listed));
            secrets::hide_kept(model).into_owned()
        }
    };
    Ok(ChatEndpoint { client, url: format!("{}{path}", url.base), model })
}

fn show(told: &Told<'_>, activity: &Activity, progress: &Progress, wanted: &Wanted) {
    match told {
        Told::Reached(reached) => {
            let rejected: u64 = reached.rejected.values().sum();
            activity
                .message(&format!("{} of {} prompts, {rejected} passed over", reached.held, wanted.count));
        }
        Told::Waiting(why, pause) => {
            progress.say(&format!("busy ({why}): again in {:.1} s", pause.as_secs_f64()));
        }
        Told::Note(what) => progress.say(what),
    }
}

/// `24 prompts in mine.jsonl, 18 of them new; passed over: 5 duplicates, 2 refusals`
fn summary(reached: &Reached, wanted: &Wanted) -> String {
    let passed: Vec<String> =
        reached.rejected.iter().map(|(why, count)| format!("{count} {}", why.name())).collect();
    let passed =
        if passed.is_empty() { String::new() } else { format!("; passed over: {}", passed.join(", ")) };
    let requests = reached.requests;
    format!(
        "{} prompts in {}, {} of them new, from {requests} requests{passed}\n",
        reached.held,
        wanted.output.display(),
        reached.new
    )
}
