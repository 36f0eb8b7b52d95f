//! The client watches itself: what it says of itself in every output, and what follows where it was the limit.

use super::common::*;

/// No client sends 400 requests within 0.4 ms: this takes a system call each.
const TOO_FAST: [&str; 6] = ["--rate", "1000000", "--arrival", "constant", "--requests", "400"];

#[test]
fn a_client_that_cannot_keep_up_says_so_everywhere_and_under_strict_it_is_a_failure() {
    let place = Place::new();
    let server = Simulator::start("vllm", &["--ttft", "20ms", "--itl", "20ms", "--jitter", "0.9"]);
    let url = server.url();
    let load = [&["bench", "--url", &url, "--warmup", "0", "--max-tokens", "2"][..], &TOO_FAST].concat();
    let ran = place.run(&load).expect(0);
    assert!(ran.stdout.contains("Client limited: YES: "), "{}", ran.stdout);
    let words = ran.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("The client, and not the server, set these numbers: "), "{words}");
    assert!(words.contains("Lower the load, give the client more CPU"), "{words}");

    let summary = &place.run_json("server")["summary"];
    let client = &summary["client"];
    assert_eq!(summary["requests"]["completed"], 400, "{summary}");
    let reason = client["client_limited"].as_str().unwrap();
    assert!(ran.stdout.split_whitespace().collect::<String>().contains(&reason.replace(' ', "")), "{reason}");
    assert_eq!(client["send_delay_ms"]["count"], 400);
    assert_eq!((&client["stamps"]["kernel"], &client["threads"]), (&400.into(), &1.into()), "{client}");
    assert!(client["achieved_rate"].as_f64().unwrap() < 0.99, "{client}");
    let row = &place.summary_rows()[0];
    assert_eq!(row["client_limited"], reason);
    assert_eq!(row["late_sends"], client["late_sends"].to_string());
    assert!(row["caveats"].split(';').any(|code| code == "client_limited"), "{row:?}");

    place.run(&[&load[..], &["--strict", "--output", "strict"]].concat()).expect(1);
}

#[test]
fn a_client_that_keeps_up_says_what_it_took() {
    let place = Place::new();
    let ran = place.compare("a=fake.yaml", &QUICK).expect(0);
    let client = place.run_json("a")["summary"]["client"].clone();
    // On a machine that is too busy it may be limited; the block is there all the same.
    let verdict = if client["client_limited"].is_null() { "no" } else { "YES" };
    assert!(ran.stdout.contains(&format!("Client limited: {verdict}")), "{}", ran.stdout);
    assert!(ran.stdout.contains("Client stamps:  kernel (all 12) | merged: "), "{}", ran.stdout);
    assert!(place.read_folder("report.md").contains("## The client itself"));
    assert_eq!((&client["late_sends"], &client["dropped_sends"]), (&0.into(), &0.into()), "{client}");
}
