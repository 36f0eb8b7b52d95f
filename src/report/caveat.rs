//! Doubts in plain words: what they mean and what to do.

use super::caveat_words::{
    answers_are, answers_of, energy_unsure, events_of, held_back, impossible, listed, made_otherwise,
    metric_title, missing_signs, nothing_shown, pace_bounds, percent, requests_of, sender, tokens_off,
};
use super::gpu_caveat;
use super::machine;
use super::number::{bytes, compact, count, fixed};
use crate::schema::caveat::{Caveat, GpuEnergyDoubt};
use crate::schema::token_counts::CountFault;
use crate::schema::trace::Ticks;

/// What a doubt means and what to do about it, as one or two sentences.
pub fn sentence(caveat: &Caveat) -> String {
    match caveat {
        Caveat::Simulated => {
            "SIMULATED: a pretend engine with invented timings answered, not the real one. The numbers \
             show what the harness does and say nothing about any engine. Leave --simulate out to measure."
                .to_owned()
        }
        Caveat::SingleRun => "One run of each backend: a difference may be chance, so there is no verdict. \
             Run it again and see whether the order stays before you decide."
            .to_owned(),
        Caveat::MadeOtherwise { window, ttft } => made_otherwise(*window, *ttft),
        Caveat::NotPaired { run_ids, differ } => {
            let differ = if differ.is_empty() {
                String::new()
            } else {
                format!(" They differ: {}.", differ.join("; "))
            };
            format!(
                "NOT PAIRED: these results were measured at different times ({}), so their rounds are no pairs and there \
                 is no verdict between them.{differ} Measure both in one harness compare for a verdict.",
                listed(run_ids, Clone::clone)
            )
        }
        Caveat::PrecisionDiffers { by_label } => format!(
            "The backends serve weights of different precision ({}): a difference may come from the weights and \
             not from the server. Give each backend a model of the same precision to compare the servers alone.",
            listed(by_label, Clone::clone)
        ),
        Caveat::LengthsUnequal { by_label } => format!(
            "Answers differ in length (mean output tokens: {}), so E2E and RPS do not compare. \
             Where every engine can, --max-tokens with --ignore-eos forces one length.",
            listed(by_label, |tokens| compact(*tokens))
        ),
        Caveat::PromptTokensDiffer { by_label } => format!(
            "The same prompts have different token counts ({}), so the servers do not do quite the same \
             work. Another chat template, BOS rule or tokenizer is in use: check that all serve the same model.",
            listed(by_label, |tokens| count(*tokens))
        ),
        Caveat::NotLevel { label, what } => format!(
            "{label} does not run with the shared settings: {what}. \
             Leave that setting out, or give every backend the same, to compare like with like."
        ),
        Caveat::TokensEstimated { requests, completed: _ } => format!(
            "The server gave no count of tokens that can be used for {}: chunks stand in for tokens, so token rates, TPOT \
             and NTPOT are estimates. A chunk may hold several tokens.",
            requests_of(*requests)
        ),
        Caveat::PaceWithheld { difference_pct, low_ms, high_ms } => format!(
            "TPOT, ITL and TPS a user are withheld: of {} of the delivered tokens nobody can tell whether they came \
             between the first event of their answer and its last (hidden reasoning, several tokens an event, a proxy \
             that holds them back).{} Read E2E, NTPOT and the chunk gap instead, or ask for exact counts with --exact-itl.",
            percent(*difference_pct),
            pace_bounds(*low_ms, *high_ms)
                .map(|bounds| format!(" A token took {bounds}."))
                .unwrap_or_default()
        ),
        Caveat::Buffered { whole, answers, together_pct, gateway } => format!(
            "{} ({}), so TTFT and the gaps are those of its sending and not of the model. Turn buffering off \
             (nginx: proxy_buffering off), or send the requests to the server itself.",
            sender(*gateway),
            held_back(*whole, *answers, *together_pct)
        ),
        Caveat::AskedWhole { answers } => format!(
            "{} came whole, as was asked for: when their tokens came is not known, so there is no TTFT, TPOT or ITL. \
             Leave --no-stream out where the server can stream.",
            answers_of(*answers)
        ),
        Caveat::NoLatency { answers, completed, tokens } => format!(
            "Nothing to time: {}. They are completed and carry no latency, which is that of the others alone. Look at \
             one answer: the model may end at once, or spend all its tokens on what the server does not show.",
            nothing_shown(*answers, *completed, *tokens)
        ),
        Caveat::CountsImpossible { requests, completed, worst, gateway } => format!(
            "The token counts of {} of {} cannot be ({}{}), and are not believed. {}",
            count(*requests),
            requests_of(*completed),
            impossible(worst),
            gateway.map(|gateway| format!("; {} answered", gateway.title())).unwrap_or_default(),
            match worst.fault {
                CountFault::OfGateway => "Send the requests to the server itself, or have it send its usage.",
                CountFault::NoNumber
                | CountFault::Zero
                | CountFault::AboveLimit
                | CountFault::AgainstEvents => "Ask who makes the usage: the server, or a gateway before it.",
            }
        ),
        Caveat::LongerThanAsked { requests, completed, longest, asked } => format!(
            "{} of {} were answered with more tokens than max_tokens allows ({} where {} were asked for): the load is not \
             the one that was asked for. The server may want another field (max_completion_tokens), leave hidden \
             reasoning out of the limit, or count what it did not make.",
            count(*requests),
            requests_of(*completed),
            count(u64::from(*longest)),
            count(u64::from(*asked))
        ),
        Caveat::OneAtATime { answers, waited } => format!(
            "The server answers one request at a time: of {} answers no two came at the same time, though {} waited \
             while another was answered. TTFT holds that wait. Start it with more slots (--parallel, --max-num-seqs).",
            count(*answers),
            count(*waited)
        ),
        Caveat::NoSuchCounter { names } => format!(
            "No such counter: {}. The server's page does not have it, so its own count is not known. Correct the name \
             in the engine's definition (of a histogram the sum: NAME_sum).",
            names.join(", ")
        ),
        Caveat::Failures { rate_pct } => format!(
            "{} of the requests failed: the latencies are those of the completed ones only and may look too good. \
             Look at the kinds of failure and at the server's log first.",
            percent(*rate_pct)
        ),
        Caveat::FewSamples { completed } => format!(
            "Only {} completed, too few for a p99: it says little more than the slowest one. \
             Raise --requests or --duration.",
            requests_of(*completed)
        ),
        Caveat::ReadStamps { read, answered } => format!(
            "{} of {} carry the time at which the client read them; the kernel's receive time was missing or could not \
             be true. Where the client was late to read, these latencies are too long, by how much nothing shows. Run \
             it on Linux, over HTTP/1.1, on a machine that is less busy.",
            count(*read),
            requests_of(*answered)
        ),
        Caveat::MergedEvents { share_pct } => format!(
            "{} of the token events were read together with later ones, so their times are somewhat too late. \
             Run the client on a less busy machine; over HTTP/2, where answers share connections, try HTTP/1.1.",
            percent(*share_pct)
        ),
        Caveat::ClientLimited { reason } => format!(
            "The client, and not the server, set these numbers: {reason}. \
             Lower the load, give the client more CPU, or send from another machine."
        ),
        Caveat::ClockError { error_ms, window_s } => format!(
            "The clocks of the machines that sent may be {} ms apart, in a window of {} s. Latencies are each machine's \
             own and not touched; the order of arrivals, requests in flight over time, figures by second and the edges \
             of the window are. Send from machines with shorter round trips, or for longer.",
            compact(*error_ms),
            compact(*window_s)
        ),
        Caveat::CapSplit { cap, workers, wait_ms } => format!(
            "The cap of {cap} requests in flight is split among {workers} machines, so it binds where one of them is at \
             its part while others are not: requests waited {} ms for a place at p99. Raise the cap, or send from one \
             machine.",
            compact(*wait_ms)
        ),
        Caveat::Saturated { offered_rps, achieved_rps } => format!(
            "SATURATED: offered {} rps, achieved {}: the queue grew by {} requests a second while they came. TTFT, E2E \
             and NTPOT of this run say how long it ran, not how fast the server is; its throughput is what it carries at \
             most. Lower the rate to compare latencies.",
            compact(*offered_rps),
            compact(*achieved_rps),
            compact(offered_rps - achieved_rps)
        ),
        Caveat::Partial { reason } => {
            format!(
                "The run did not reach its end ({reason}): the numbers cover only the part that was measured."
            )
        }
        Caveat::ServerCountsDiffer { what } => format!(
            "The server counted other numbers than the client ({what}). Make sure that nothing else uses the server; \
             until it is explained, do not rely on the token rates."
        ),
        Caveat::PrefixCacheHits { share_pct } => format!(
            "{} of the prompt tokens came from the server's prefix cache, so TTFT is lower than with new prompts. \
             Use a dataset with more prompts, or turn the server's cache off.",
            percent(*share_pct)
        ),
        Caveat::PromptLengthsDiffer { off, requests, largest } => format!(
            "Prompts were made to a length, and the server counted another for {} of {}, {} at most. Give the tokenizer \
             of the model that is served (--tokenizer).",
            count(*off),
            requests_of(*requests),
            tokens_off(*largest)
        ),
        Caveat::LengthNotForced { short, completed } if *completed > 0 => format!(
            "Lengths were to be forced (--ignore-eos), and {} of {} ended before their limit: the server does not \
             ignore the end of sequence. Compare TPOT and tokens a second rather than E2E and RPS.",
            count(*short),
            requests_of(*completed)
        ),
        Caveat::LengthNotForced { .. } => {
            "The engine cannot be told to ignore the end of sequence, so its answers may be \
             shorter than asked for. Compare TPOT and tokens a second rather than E2E and RPS."
                .to_owned()
        }
        Caveat::SignMissing { done_marker, finish_reason } => format!(
            "{} whole by another sign: the server sent {}. If a proxy stands before it, ask the server directly to see \
             whose doing that is.",
            answers_are(done_marker + finish_reason),
            missing_signs(*done_marker, *finish_reason)
        ),
        Caveat::PassedOver { events, requests } => format!(
            "{} of {} said nothing to a stop-watch, wholly or in part (no data, another name, a count that is none), and \
             were passed over.",
            events_of(*events),
            answers_of(*requests)
        ),
        Caveat::NagleOn { requests } => format!(
            "The server leaves Nagle's algorithm on: in {} it sent on only when its response head had been acknowledged. \
             Ordinary clients on this host see the first token up to 40 ms later than this client, which acknowledges at \
             once. Set TCP_NODELAY at the server.",
            requests_of(*requests)
        ),
        Caveat::Drift { metric, change_pct } => format!(
            "{} {} by {} from the beginning of the run to its end, so a mean over it depends on how long it is. Where a \
             queue grows, the load is more than the server carries: lower it. Else warm up longer (--warmup 60s), and \
             look at clocks and heat.",
            metric_title(metric),
            if *change_pct > 0.0 { "rises" } else { "falls" },
            percent(change_pct.abs())
        ),
        Caveat::FirstRoundDiffers { label, point: _, figure, change_pct } => format!(
            "The first round of {label} differs from its others ({figure} {}{}): compilation, cold caches or clocks that \
             had yet to settle. Warm up longer (--warmup 60s), or play a round first that you throw away.",
            if *change_pct > 0.0 { "+" } else { "−" },
            percent(change_pct.abs())
        ),
        Caveat::WorkerLost { what } => format!(
            "Not all of the load was offered: {what}. See on its machine why it ended, and play it again."
        ),
        Caveat::ClockStep { worker, step_ms } => format!(
            "The clock of worker {worker} jumped by {step_ms:.1} ms against that of worker 0: the order of arrivals and \
             the concurrency over time are off by as much; latencies are not. (Was its machine moved, or its clock set?)"
        ),
        Caveat::WorkerStill { worker, seconds } => format!(
            "Worker {worker} stood still or was not heard for {seconds:.1} s: what was due meanwhile was sent late. Give \
             it a machine that is not paused, and a network that is not cut."
        ),
        Caveat::BeyondCalibration { what } => format!(
            "The load lies beyond what harness calibrate found this client exact for on this machine ({what}): its own \
             error may be over 1 ms. Lower the load, or run harness calibrate again with the machine at rest \
             (--full tries more loads).",
        ),
        Caveat::Preempted { times } => format!(
            "The server took requests out of its batch {} to make room for others, and computed them again: ITL and E2E \
             are longer by that. Give it more KV cache, or lower --max-batch or the load.",
            match times {
                1 => "once".to_owned(),
                times => format!("{} times", count(*times)),
            }
        ),
        Caveat::OtherRequests { served, sent } => format!(
            "By its own page the server gave {} first tokens, to other requests than the {} of this run: something else \
             uses it, or the page is that of another. Leave it to this run alone.",
            count(*served),
            count(*sent)
        ),
        Caveat::GpuEnergyUnsure { gpu, why } => energy_unsure(*gpu, *why),
        Caveat::TraceTicks(Ticks { step_s, instants, rows }) => format!(
            "{} of the trace sit on {} instants {step_s} s apart: that is the tick of the log that they were read from, \
             so these are bursts that never happened, and waits and TTFT are those of bursts. --spread-ticks spreads \
             them over the tick.",
            requests_of(*rows),
            count(*instants)
        ),
        Caveat::GpuShared { by_gpu, memory_bytes } => gpu_caveat::shared(by_gpu, *memory_bytes),
        Caveat::GpuThrottled { share_pct: _, by_gpu } => gpu_caveat::throttled(by_gpu),
        Caveat::GpuNotAsked { asked, used } => gpu_caveat::not_asked(asked, used),
        Caveat::GpuMemoryHeld { by_gpu } => gpu_caveat::memory_held(by_gpu),
        Caveat::GpuVanished { after_s } => gpu_caveat::vanished(after_s),
        Caveat::GpuClocksDiffer { by_label, round, point: _ } => format!(
            "GPU clocks differ by more than 3 % in round {round} (median while busy: {}): the GPUs did not run alike. A \
             power cap or heat does that, or a load that draws more. Lock the clocks (nvidia-smi -lgc), or let the GPUs \
             cool between rounds.",
            listed(by_label, |mhz| format!("{mhz:.0} MHz"))
        ),
        Caveat::GpusDiffer { by_label } => format!(
            "The backends ran on different GPUs ({}): these are results of different machines, and a difference may come \
             from the GPU and not from the server. Measure all on the same GPUs.",
            listed(by_label, Clone::clone)
        ),
        Caveat::OthersBusy { cores, of, names } => machine::others_busy(*cores, *of, names),
        Caveat::CpuStolen { share_pct } => machine::cpu_stolen(*share_pct),
        Caveat::Swapping { bytes_s } => machine::swapping(*bytes_s),
        Caveat::CpuQuotaReached { share_pct, quota } => machine::cpu_quota_reached(*share_pct, *quota),
        Caveat::MemoryNearlyFull { left_bytes, of_bytes } => {
            machine::memory_nearly_full(*left_bytes, *of_bytes)
        }
        Caveat::CpuClock { powersave, fell_pct } => machine::cpu_clock(*powersave, *fell_pct),
    }
}

/// The same doubt in a few words, for the foot of a picture.
pub fn short(caveat: &Caveat) -> String {
    match caveat {
        Caveat::Simulated => "SIMULATED: invented timings".to_owned(),
        Caveat::SingleRun => "one run each, so no verdict".to_owned(),
        Caveat::MadeOtherwise { window, ttft } => made_otherwise(*window, *ttft),
        Caveat::NotPaired { .. } => "NOT PAIRED: measured at different times".to_owned(),
        Caveat::PrecisionDiffers { by_label } => {
            format!("precision differs ({})", listed(by_label, Clone::clone))
        }
        Caveat::LengthsUnequal { by_label } => {
            format!("lengths differ (mean output tokens {})", listed(by_label, |tokens| compact(*tokens)))
        }
        Caveat::PromptTokensDiffer { .. } => "prompt token counts differ".to_owned(),
        Caveat::NotLevel { label, what } => format!("{label} not level ({what})"),
        Caveat::TokensEstimated { .. } => "tokens estimated from chunks".to_owned(),
        Caveat::PaceWithheld { .. } => "TPOT, ITL and TPS a user withheld".to_owned(),
        Caveat::Buffered { .. } => "tokens sent together".to_owned(),
        Caveat::AskedWhole { answers } => format!("{} whole", answers_of(*answers)),
        Caveat::NoLatency { answers, .. } => format!("no token shown in {} answers", count(*answers)),
        Caveat::CountsImpossible { requests, .. } => {
            format!("impossible token counts in {}", requests_of(*requests))
        }
        Caveat::LongerThanAsked { requests, .. } => format!("{} longer than asked", requests_of(*requests)),
        Caveat::OneAtATime { .. } => "one request at a time".to_owned(),
        Caveat::NoSuchCounter { names } => format!("no such counter: {}", names.join(", ")),
        Caveat::Failures { rate_pct } => format!("{} failed", percent(*rate_pct)),
        Caveat::FewSamples { completed } => format!("only {}", requests_of(*completed)),
        Caveat::ReadStamps { read, .. } => format!("{} with read stamps", requests_of(*read)),
        Caveat::MergedEvents { share_pct } => format!("{} of stamps merged", percent(*share_pct)),
        Caveat::ClientLimited { .. } => "limited by the client".to_owned(),
        Caveat::ClockError { error_ms, .. } => format!("clocks up to {} ms apart", compact(*error_ms)),
        Caveat::CapSplit { workers, .. } => format!("the cap was split among {workers} machines, and bound"),
        Caveat::Saturated { offered_rps, achieved_rps } => {
            format!("saturated: offered {} rps, achieved {}", compact(*offered_rps), compact(*achieved_rps))
        }
        Caveat::Partial { reason } => format!("partial: {reason}"),
        Caveat::ServerCountsDiffer { .. } => "server counts differ".to_owned(),
        Caveat::PrefixCacheHits { share_pct } => format!("{} prefix cache hits", percent(*share_pct)),
        Caveat::PromptLengthsDiffer { off, requests, largest } => {
            format!(
                "{} of {} have another prompt length, {}",
                count(*off),
                requests_of(*requests),
                tokens_off(*largest)
            )
        }
        Caveat::LengthNotForced { short: 0, .. } => "length not forced".to_owned(),
        Caveat::LengthNotForced { short, .. } => format!("{} ended before the limit", requests_of(*short)),
        Caveat::SignMissing { done_marker, finish_reason } => {
            format!("{} without a sign of the end", answers_of(done_marker + finish_reason))
        }
        Caveat::PassedOver { events, .. } => format!("{} passed over", events_of(*events)),
        Caveat::NagleOn { .. } => "Nagle on: ordinary clients wait up to 40 ms more".to_owned(),
        Caveat::Drift { metric, change_pct } => {
            let way = if *change_pct > 0.0 { "rises" } else { "falls" };
            format!("{} {way} by {} within the run", metric_title(metric), percent(change_pct.abs()))
        }
        Caveat::FirstRoundDiffers { label, .. } => format!("{label}'s first round differs"),
        Caveat::WorkerLost { .. } => "a worker was lost".to_owned(),
        Caveat::ClockStep { worker, step_ms } => {
            format!("the clock of worker {worker} jumped by {step_ms:.1} ms")
        }
        Caveat::WorkerStill { worker, seconds } => format!("worker {worker} stood still for {seconds:.1} s"),
        Caveat::BeyondCalibration { .. } => "beyond the calibrated load".to_owned(),
        Caveat::Preempted { times } => format!("{} preemptions at the server", count(*times)),
        Caveat::OtherRequests { .. } => "the server served other requests too".to_owned(),
        Caveat::GpuEnergyUnsure { gpu, .. } => format!("the energy of GPU {gpu} is not sure"),
        Caveat::TraceTicks(ticks) => format!("bursts of a log's tick of {} s", ticks.step_s),
        Caveat::GpuShared { .. } => "GPU shared with another process".to_owned(),
        Caveat::GpuThrottled { share_pct, .. } => {
            format!("GPU throttled in {} of samples", percent(*share_pct))
        }
        Caveat::GpuNotAsked { used, .. } => format!("ran on {}, which was not asked for", used.join(", ")),
        Caveat::GpuMemoryHeld { .. } => "GPU memory not given back before the launch".to_owned(),
        Caveat::GpuVanished { .. } => "a GPU was not read to the end".to_owned(),
        Caveat::GpuClocksDiffer { .. } => "GPU clocks differ by more than 3 %".to_owned(),
        Caveat::GpusDiffer { .. } => "different GPUs".to_owned(),
        Caveat::OthersBusy { cores, of, .. } => format!("others kept {} of {of} cores busy", fixed(*cores)),
        Caveat::CpuStolen { share_pct } => format!("{} of the CPU time stolen", percent(*share_pct)),
        Caveat::Swapping { bytes_s } => format!("swapped {} a second", bytes(*bytes_s as u64)),
        Caveat::CpuQuotaReached { share_pct, .. } => {
            format!("held back by the CPU quota ({})", percent(*share_pct))
        }
        Caveat::MemoryNearlyFull { left_bytes, .. } => format!("{} of memory left", bytes(*left_bytes)),
        Caveat::CpuClock { fell_pct: Some(fell), .. } => format!("CPU clock fell by {}", percent(*fell)),
        Caveat::CpuClock { fell_pct: None, .. } => "CPU governor powersave".to_owned(),
    }
}

/// Its number depends on the client and the length of the run more than on the backend.
pub(super) fn is_of_the_client(caveat: &Caveat) -> bool {
    use Caveat as C;
    match caveat {
        C::MergedEvents { .. } | C::ReadStamps { .. } | C::FewSamples { .. } => true,
        // The machine's, whichever server stood on it.
        C::OthersBusy { .. } | C::CpuStolen { .. } | C::Swapping { .. } | C::CpuQuotaReached { .. } => true,
        C::MemoryNearlyFull { .. } | C::CpuClock { .. } => true,
        C::NagleOn { .. } | C::MadeOtherwise { .. } | C::NotPaired { .. } => false,
        C::Simulated | C::SingleRun | C::PrecisionDiffers { .. } | C::LengthsUnequal { .. } => false,
        C::PromptTokensDiffer { .. } | C::NotLevel { .. } | C::TokensEstimated { .. } => false,
        C::PaceWithheld { .. } | C::Failures { .. } | C::ClientLimited { .. } | C::Partial { .. } => false,
        C::Buffered { .. } | C::NoLatency { .. } | C::CountsImpossible { .. } => false,
        C::LongerThanAsked { .. } | C::OneAtATime { .. } | C::NoSuchCounter { .. } => false,
        C::AskedWhole { .. } => false,
        C::ServerCountsDiffer { .. } | C::PrefixCacheHits { .. } | C::LengthNotForced { .. } => false,
        C::Preempted { .. } | C::OtherRequests { .. } | C::ClockError { .. } | C::CapSplit { .. } => false,
        C::PromptLengthsDiffer { .. } | C::TraceTicks(_) | C::GpuEnergyUnsure { .. } => false,
        C::SignMissing { .. } | C::PassedOver { .. } | C::BeyondCalibration { .. } => false,
        C::Drift { .. } | C::FirstRoundDiffers { .. } | C::Saturated { .. } => false,
        C::GpuShared { .. } | C::GpuThrottled { .. } | C::GpuNotAsked { .. } => false,
        C::GpuMemoryHeld { .. } | C::GpuClocksDiffer { .. } | C::GpusDiffer { .. } => false,
        C::WorkerLost { .. } | C::ClockStep { .. } | C::WorkerStill { .. } => false,
        C::GpuVanished { .. } => false,
    }
}

/// How bad a doubt is beside others of its kind; 0 where its words hold no number.
pub(super) fn weight(caveat: &Caveat) -> f64 {
    use Caveat as C;
    match caveat {
        C::MergedEvents { share_pct } | C::PrefixCacheHits { share_pct } => *share_pct,
        C::Failures { rate_pct } => *rate_pct,
        C::Saturated { offered_rps, achieved_rps } => offered_rps - achieved_rps,
        C::PromptLengthsDiffer { off, .. } => *off as f64,
        C::PaceWithheld { difference_pct, .. } => *difference_pct,
        C::Buffered { whole, together_pct, .. } => *whole as f64 + *together_pct,
        C::NoLatency { answers, .. } => *answers as f64,
        C::CountsImpossible { requests, .. } | C::LongerThanAsked { requests, .. } => *requests as f64,
        C::OneAtATime { .. } | C::NoSuchCounter { .. } => 0.0,
        C::AskedWhole { answers } => *answers as f64,
        C::TokensEstimated { requests, .. } => *requests as f64,
        C::ReadStamps { read, .. } => *read as f64,
        C::FewSamples { completed } => -(*completed as f64),
        C::SignMissing { done_marker, finish_reason } => (*done_marker + *finish_reason) as f64,
        C::PassedOver { events, .. } => *events as f64,
        C::NagleOn { requests } => *requests as f64,
        C::Simulated | C::SingleRun | C::PrecisionDiffers { .. } | C::LengthsUnequal { .. } => 0.0,
        C::PromptTokensDiffer { .. } | C::NotLevel { .. } | C::ClientLimited { .. } => 0.0,
        C::Partial { .. } | C::ServerCountsDiffer { .. } | C::LengthNotForced { .. } => 0.0,
        C::Drift { change_pct, .. } | C::FirstRoundDiffers { change_pct, .. } => change_pct.abs(),
        C::BeyondCalibration { .. } | C::MadeOtherwise { .. } | C::NotPaired { .. } => 0.0,
        C::WorkerLost { .. } => 0.0,
        C::ClockStep { step_ms, .. } => *step_ms,
        C::WorkerStill { seconds, .. } => *seconds,
        C::Preempted { times } => *times as f64,
        C::ClockError { error_ms: ms, .. } | C::CapSplit { wait_ms: ms, .. } => *ms,
        C::OtherRequests { served, sent } => *served as f64 - *sent as f64,
        C::TraceTicks(_) | C::GpuNotAsked { .. } | C::GpuClocksDiffer { .. } | C::GpusDiffer { .. } => 0.0,
        C::GpuShared { memory_bytes, .. } => memory_bytes.unwrap_or(0) as f64,
        C::GpuThrottled { share_pct, .. } => *share_pct,
        C::GpuVanished { after_s } => after_s.len() as f64,
        C::GpuMemoryHeld { by_gpu } => by_gpu.values().map(|held| held.above_bytes).sum::<u64>() as f64,
        C::GpuEnergyUnsure { why, .. } => match why {
            GpuEnergyDoubt::CounterWentBack => f64::INFINITY,
            GpuEnergyDoubt::Differ { counter_j, integral_j } => (integral_j / counter_j - 1.0).abs(),
        },
        C::OthersBusy { cores, .. } => *cores,
        C::CpuStolen { share_pct } | C::CpuQuotaReached { share_pct, .. } => *share_pct,
        C::Swapping { bytes_s } => *bytes_s,
        C::MemoryNearlyFull { left_bytes, .. } => -(*left_bytes as f64),
        C::CpuClock { fell_pct, .. } => fell_pct.unwrap_or(0.0),
    }
}
