//! What a person sees of a plan that is played: results on stdout, talk and live lines on stderr.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::backend::launch::LaunchEvent;
use crate::commands::course::{Course, which_run};
use crate::commands::hints;
use crate::commands::sure;
use crate::pipeline::{Event, Visit, forecast::Forecast};
use crate::progress::{Activity, Goal, LoadLine, Progress, print};
use crate::report::terminal::{self, Style};
use crate::schema::comparison::Comparison;
use crate::schema::objective::{LimitOf, Search, Strategy};
use crate::schema::plan::{LoadPoint, Plan, RunKey};

/// Shows the events of a plan.
pub struct Show {
    progress: Progress,
    style: Style,
    state: RefCell<State>,
}

/// What changes while a plan is played.
struct State {
    course: Course,
    activity: Option<Activity>,
    load: Option<LoadLine>,
    /// JSON files of the runs so far: what a plan without a directory of its own names at its end.
    files: Vec<PathBuf>,
}

impl Show {
    /// Nothing is shown yet. `forecast` knows what earlier runs took.
    pub fn new(progress: Progress, style: Style, forecast: Option<Forecast>) -> Self {
        let course = Course::new(forecast);
        let state = State { course, activity: None, load: None, files: Vec::new() };
        Show { progress, style, state: RefCell::new(state) }
    }

    /// Shows one event.
    pub fn event(&self, event: Event<'_>) {
        self.state.borrow_mut().course.hear(&event);
        match event {
            Event::Planned { plan, visits } => self.planned(plan, visits),
            // Its first step is told next.
            Event::Starting { .. } => {}
            Event::Launching { label, event } => self.launching(label, event),
            Event::Ready { label, after, command } => {
                self.state.borrow_mut().activity = None;
                self.progress.say(&format!("{label}: ready in {:.1} s", after.as_secs_f64()));
                self.progress.detail(&format!("{label}: {}", command.join(" ")));
            }
            Event::Loading { key, load, live, figures } => {
                let line = self.progress.load(&key.label, goal(load), live, move || figures.ttft_p50_ms());
                self.state.borrow_mut().load = Some(line);
            }
            Event::Loaded => self.state.borrow_mut().load = None,
            Event::RunClosed { run, path, closed } => {
                print(&terminal::run_block(
                    &run.summary,
                    &which_run(&run.plan, &run.summary.key),
                    self.style,
                ));
                let target = run.plan.targets.iter().find(|target| target.label == run.summary.key.label);
                if let Some(hint) = hints::hint_of(&run.summary, target) {
                    self.progress.error(&format!("hint: {hint}"));
                }
                self.state.borrow_mut().files.push(path.to_owned());
                self.count(closed);
            }
            Event::Stopping { label } => {
                let activity = self.progress.start(&format!("{label}:"));
                activity.message("stopping");
                self.state.borrow_mut().activity = Some(activity);
            }
            Event::Stopped { label, graceful, took } => {
                self.state.borrow_mut().activity = None;
                let how = if graceful { "stopped" } else { "killed" };
                self.progress.detail(&format!("{label}: {how} in {:.1} s", took.as_secs_f64()));
            }
            Event::Failed { label, failure } => {
                self.state.borrow_mut().activity = None;
                self.progress.error(&failure.text(label));
            }
            Event::Trouble(text) => self.progress.error(text),
            Event::Note(line) => self.progress.say(line),
            Event::Detail(line) => self.progress.detail(line),
            Event::Looked { state, rounds_max } => {
                for line in sure::lines(state, rounds_max) {
                    self.progress.say(&line);
                }
            }
            Event::Compared { comparison, folder } => match folder {
                Some(folder) => {
                    print(&terminal::comparison_table(comparison, self.style));
                    self.progress.say(&format!("files: {}", folder.display()));
                }
                None => {
                    print_caveats(comparison, self.style);
                    for path in &self.state.borrow().files {
                        self.progress.say(&format!("files: {}", path.display()));
                    }
                }
            },
        }
    }

    /// Something that is said also when quiet.
    pub fn error(&self, text: &str) {
        self.progress.error(text);
    }

    fn planned(&self, plan: &Plan, visits: &[Visit]) {
        let state = self.state.borrow();
        if !state.course.several {
            return;
        }
        for line in plan_lines(plan, visits) {
            self.progress.say(&line);
        }
        if state.course.is_forecast() && visits.iter().any(|visit| !visit.runs.is_empty()) {
            self.progress.say(&match state.course.left(Duration::ZERO) {
                Some(words) => format!("  time: {words}"),
                None => "  time: known when the first run is over".to_owned(),
            });
        }
    }

    fn count(&self, (closed, all): (usize, usize)) {
        let course = &self.state.borrow().course;
        if !course.several || closed >= all {
            return;
        }
        let time = course.left(Duration::ZERO).map(|words| format!(", {words} left"));
        let most = if course.at_most { "at most " } else { "" };
        self.progress.say(&format!("{closed} of {most}{all} runs{}", time.unwrap_or_default()));
    }

    fn launching(&self, label: &str, event: LaunchEvent) {
        let mut state = self.state.borrow_mut();
        let activity = state.activity.get_or_insert_with(|| self.progress.start(&format!("{label}:")));
        match event {
            LaunchEvent::MemoryHeld { what } => activity.message(&format!("waiting: {what}")),
            LaunchEvent::Starting { pid } => activity.message(&format!("starting (pid {pid})")),
            LaunchEvent::Loading { log_last_line } => activity.message(&format!("loading: {log_last_line}")),
            LaunchEvent::Waiting { what } => activity.message(&format!("healthy, waiting: {what}")),
            LaunchEvent::Probing => activity.message("healthy, asking for a first token"),
            LaunchEvent::Ready { after } => {
                activity.message(&format!("ready in {:.1} s", after.as_secs_f64()))
            }
        }
    }
}

/// What is to be doubted of runs that are compared with nothing.
fn print_caveats(comparison: &Comparison, style: Style) {
    let alone = Comparison { caveats: Vec::new(), ..comparison.clone() };
    let text = terminal::caveat_list(&alone, style);
    if !text.is_empty() {
        print(&text);
    }
}

fn goal(load: &LoadPoint) -> Goal {
    match (load.until.duration_s(), load.until.requests()) {
        (Some(seconds), None) => Goal::Seconds(seconds),
        (_, requests) => Goal::Requests(requests.unwrap_or(0)),
    }
}

/// Rounds whose order of backends is shown.
const SHOWN_ROUNDS: usize = 4;

/// What is going to be played, in a few lines.
pub fn plan_lines(plan: &Plan, visits: &[Visit]) -> Vec<String> {
    let runs: usize = visits.iter().map(|visit| visit.runs.len()).sum();
    let times = [
        (plan.targets.len(), "backend"),
        (plan.loads.len(), "load"),
        (plan.rounds as usize, "round"),
        (plan.repeats as usize, "repeat"),
    ];
    let factors: Vec<String> = times
        .iter()
        .filter(|(count, _)| *count > 1)
        .map(|(count, noun)| format!("{count} {noun}s"))
        .collect();
    if let Some(search) = &plan.search {
        return search_lines(plan, search);
    }
    let all = plan.run_count();
    let left = if runs == all { String::new() } else { format!("{runs} left of ") };
    let most = if plan.until_sure_pct.is_some() { "at most " } else { "" };
    let mut lines = vec![format!("plan: {left}{most}{all} runs ({})", factors.join(" × "))];
    lines.extend(plan.until_sure_pct.map(|within| {
        format!("  rounds are played until each backend is decided, or within {within} % of the baseline")
    }));
    if plan.loads.len() > 1 {
        let words: Vec<String> = plan.loads.iter().map(|load| load.traffic.to_string()).collect();
        lines.push(format!("  loads: {}", words.join(" | ")));
    }
    let mut by_round: BTreeMap<u32, Vec<&str>> = BTreeMap::new();
    for visit in visits {
        by_round.entry(visit.round).or_default().push(&visit.label);
    }
    if plan.targets.len() > 1 || plan.rounds > 1 {
        for (round, labels) in by_round.iter().take(SHOWN_ROUNDS) {
            lines.push(format!("  round {round}: {}", labels.join(", ")));
        }
        if by_round.len() > SHOWN_ROUNDS {
            lines.push(format!("  and so on, {} rounds in all", by_round.len()));
        }
    }
    lines
}

/// What a search is going to play.
fn search_lines(plan: &Plan, search: &Search) -> Vec<String> {
    let (what, unit) = match search.of {
        LimitOf::Rate => ("rate", "requests a second"),
        LimitOf::Concurrency => ("concurrency", "requests in flight"),
    };
    let each = if plan.targets.len() > 1 { " of each backend" } else { "" };
    let most = search.most_runs();
    let mut lines = match search.strategy {
        Strategy::Limit { .. } => {
            vec![format!("plan: the highest {what} that meets the objectives, at most {most} runs{each}")]
        }
        Strategy::Curve { points, .. } => {
            let first = match search.of {
                LimitOf::Rate => "a burst, then the rate is doubled until a queue grows",
                LimitOf::Concurrency => "one stream, then four times as many until throughput stops to grow",
            };
            vec![
                format!("plan: the curve around the knee, at most {points} loads ({unit}){each}"),
                format!("  {first}, then loads where the curve bends; all on one grid"),
            ]
        }
    };
    if plan.targets.len() > 1 {
        let labels: Vec<&str> = plan.targets.iter().map(|target| target.label.as_str()).collect();
        lines.push(format!("  backends in turn: {}", labels.join(", ")));
    }
    lines
}

/// The runs of a visit, as `--dry-run` shows them.
pub fn visit_json(visit: &Visit) -> serde_json::Value {
    let run = |key: &RunKey| serde_json::json!({"point": key.point, "repeat": key.repeat});
    serde_json::json!({
        "round": visit.round,
        "label": visit.label,
        "runs": visit.runs.iter().map(run).collect::<Vec<_>>(),
    })
}
