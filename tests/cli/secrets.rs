//! Keys and tokens: in no file, in no output, in no command line of the harness.

use std::path::Path;

use super::common::*;

fn files(directory: &Path, into: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, into);
        } else {
            into.push(path);
        }
    }
}

/// What a file holds, compressed or not.
fn content(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap();
    match path.extension().is_some_and(|extension| extension == "zst") {
        true => zstd::decode_all(&bytes[..]).unwrap(),
        false => bytes,
    }
}

fn holds(bytes: &[u8], secret: &str) -> bool {
    bytes.windows(secret.len()).any(|window| window == secret.as_bytes())
}

/// The engine tells its token, as engines do with their settings.
const TELLS: &str = "--log-env HF_TOKEN";

const SECRETS: [&str; 4] = ["sk-of-the-client", "header-value-1", "hf-of-the-engine", "key-of-the-server"];

fn start(place: &Place, more: &[&str]) -> Running {
    let secret_free =
        ["--api-key-env", "CLIENT_KEY", "--env", "a.HF_TOKEN", "--set", "a.api_key_env=SERVER_KEY", "-v"];
    let args = ["compare", "--backend", "a=fake.yaml", "--model", "model"];
    let mut command = place.command(&[&args[..], &secret_free, more].concat());
    command.env("CLIENT_KEY", SECRETS[0]).env("HARNESS_HEADER", format!("X-Key: {}", SECRETS[1]));
    command.env("HF_TOKEN", SECRETS[2]).env("SERVER_KEY", SECRETS[3]);
    Running::of(command)
}

fn assert_no_secret(place: &Place, ran: &Ran) {
    let mut all = Vec::new();
    files(&place.path("results"), &mut all);
    files(&place.path("home"), &mut all);
    assert!(all.len() > 10 || ran.code != Some(0), "{all:?}");
    for secret in SECRETS {
        for path in &all {
            assert!(!holds(&content(path), secret), "{secret} is in {}", path.display());
        }
        assert!(
            !ran.stdout.contains(secret) && !ran.stderr.contains(secret),
            "{secret}: {}{}",
            ran.stdout,
            ran.stderr
        );
    }
}

#[test]
fn no_secret_reaches_a_file_an_output_or_a_command_line_of_ours() {
    let place = Place::new();
    let traffic = ["--duration", "2s", "--concurrency", "2", "--warmup", "0", "--max-tokens", "4"];
    let mut running = start(&place, &[&traffic[..], &["--extra-args", &format!("a={TELLS}")]].concat());
    running.wait_for_records(&place, "a", 0);
    let pids = place.processes();
    // Its server was given them.
    let environments: Vec<u8> = pids
        .iter()
        .flat_map(|pid| std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default())
        .collect();
    assert!(holds(&environments, SECRETS[2]));
    let ours: Vec<String> = pids
        .iter()
        .map(|pid| command_line(*pid))
        .filter(|line| line.starts_with(env!("CARGO_BIN_EXE_harness")))
        .collect();
    assert_eq!(ours.len(), 2, "the harness and its guard: {ours:?}");
    for secret in SECRETS {
        assert!(ours.iter().all(|line| !line.contains(secret)), "{ours:?}");
    }
    let ran = running.wait().expect(0);
    assert!(ran.stderr.contains("--log-line ***"), "{}", ran.stderr);
    // The engine printed its two secrets: the log shows that they were there, and not what they were.
    let hidden = |text: &str, line: &str| text.lines().filter(|other| *other == line).count();
    assert_eq!(hidden(&place.log("a"), "***"), 2, "{}", place.log("a"));
    assert_no_secret(&place, &ran);
    let plan = std::fs::read_to_string(place.folder("plan.json")).unwrap();
    assert!(plan.contains("X-Key") && plan.contains("CLIENT_KEY") && plan.contains("HF_TOKEN"), "{plan}");
    place.assert_nothing_lives();
}

#[test]
fn a_start_that_fails_shows_its_log_without_the_secrets_in_it() {
    let place = Place::new();
    let ran = start(&place, &["--extra-args", &format!("a={TELLS} --die-while-loading 1")]).wait().expect(1);
    assert_eq!(ran.stderr.matches("  | ***\n").count(), 2, "{}", ran.stderr);
    assert_no_secret(&place, &ran);
}

#[test]
fn the_key_and_the_header_do_reach_the_server() {
    let place = Place::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = listener.accept().unwrap();
        // The first connection only looks whether somebody is there.
        if stream.peek(&mut [0]).unwrap() == 0 {
            (stream, _) = listener.accept().unwrap();
        }
        let mut head = Vec::new();
        while !head.windows(4).any(|window| window == b"\r\n\r\n") {
            let mut buffer = [0; 1024];
            let count = stream.read(&mut buffer).unwrap();
            assert!(count > 0);
            head.extend(&buffer[..count]);
        }
        stream.write_all(b"HTTP/1.1 500 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
        String::from_utf8(head).unwrap()
    });
    let args = ["bench", "--url", &url, "--api-key-env", "CLIENT_KEY", "--requests", "1", "--warmup", "0"];
    let mut command = place.command(&args);
    command.env("CLIENT_KEY", SECRETS[0]).env("HARNESS_HEADER", format!("X-Key: {}", SECRETS[1]));
    let ran = Running::of(command).wait().expect(2);
    assert!(!ran.stderr.contains(SECRETS[0]) && !ran.stderr.contains(SECRETS[1]), "{}", ran.stderr);
    let head = asked.join().unwrap().to_lowercase();
    assert!(head.contains("authorization: bearer sk-of-the-client"), "{head}");
    assert!(head.contains("x-key: header-value-1"), "{head}");
}

#[test]
fn a_secret_on_the_command_line_is_refused_without_being_repeated() {
    let place = Place::new();
    let args = ["compare", "--backend", "a=fake.yaml", "--model", "model", "--env", "a.HF_TOKEN=hf-typed"];
    let ran = place.run(&args).expect(2).says(&["HF_TOKEN", "hint: "]);
    assert!(!ran.stderr.contains("hf-typed"), "{}", ran.stderr);
    let args = ["compare", "--backend", "a=fake.yaml", "--model", "model", "--header", "sk-typed"];
    let ran = place.run(&args).expect(2).says(&["--header", "hint: "]);
    assert!(!ran.stderr.contains("sk-typed"), "{}", ran.stderr);
    assert!(!place.path("results").exists());
}

#[test]
fn a_log_is_for_its_owner_alone_and_cleaned_also_where_harness_and_guard_were_killed_together() {
    use std::os::unix::fs::PermissionsExt;
    for how in ["the next start", "report"] {
        let place = Place::new();
        let traffic = ["--duration", "10m", "--concurrency", "1", "--warmup", "0", "--max-tokens", "4"];
        let mut running = start(&place, &[&traffic[..], &["--extra-args", &format!("a={TELLS}")]].concat());
        running.wait_for_records(&place, "a", 0);
        let mode = std::fs::metadata(place.folder("a.log")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let guard =
            place.processes().into_iter().find(|pid| command_line(*pid).ends_with(" guard ")).unwrap();
        signal(guard, rustix::process::Signal::STOP);
        running.kill();
        signal(guard, rustix::process::Signal::KILL);
        wait_for("the guard's end", || !is_alive(guard));
        assert!(place.log("a").contains(SECRETS[2]), "nobody has cleaned it");
        let args: &[&str] = match how {
            "report" => &["report", "results"],
            _ => &[
                "compare",
                "--backend",
                "a=fake.yaml",
                "--model",
                "model",
                "--requests",
                "1",
                "--output",
                "other",
            ],
        };
        let mut command = place.command(args);
        // Nobody knows the other key any more but the log itself.
        command.env("HF_TOKEN", SECRETS[2]);
        Running::of(command).wait();
        assert!(!place.log("a").contains(SECRETS[2]), "{how}: {}", place.log("a"));
    }
}
