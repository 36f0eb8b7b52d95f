//! An engine from an image, with a stand-in for docker.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::bench::*;

/// Not a test by itself: run by the test after it, with the stand-in on its PATH.
#[tokio::test]
async fn a_harness_that_uses_docker() {
    if std::env::var_os("LIFECYCLE_DOCKER").is_none() {
        return;
    }
    let bench = Bench::new().await;
    let bin = PathBuf::from(std::env::var_os("LIFECYCLE_DOCKER").unwrap());
    let calls = || fs::read_to_string(bin.join("calls")).unwrap();
    let name = format!("harness-run-1-fake-{}", std::process::id());

    let server = bench.launch(&in_docker(bench.spec(&["--startup-s", "0.2"]))).await.unwrap();
    let expected = format!(
        "run --rm=false --name {name} -p 127.0.0.1:{}:80 -v /models:/models:ro -e SET=1 \
         -e LIFECYCLE_TOKEN --shm-size 1g fake/engine:1 --port 80 --served-model-name our-model \
         --no-access-log --startup-s 0.2\n",
        server.port
    );
    // Other variables of this machine that are handed into containers may stand there too.
    assert!(calls().starts_with(expected.split(" -e ").next().unwrap()), "{}", calls());
    assert!(calls().contains(" -e LIFECYCLE_TOKEN ") && !calls().contains("hidden-value"), "{}", calls());
    assert!(server.launched[0].ends_with("/bin/docker"));
    assert_eq!(containers(&bin), 1);
    let stopped = server.stop().await;
    assert!(stopped.graceful && stopped.gone && stopped.port_free, "{stopped:?}");
    assert!(calls().contains(&format!("\nstop -t 20 {name}\nrm -f {name}\n")), "{}", calls());
    assert_eq!(containers(&bin), 0);
    assert!(fs::read_to_string(bench.path("server.log")).unwrap().contains("Listening on"));

    let error = bench
        .launch(&in_docker(bench.spec(&[&["--die-while-loading", "1"], &OUT_OF_MEMORY[..]].concat())))
        .await
        .unwrap_err();
    assert_eq!(error.cause.as_deref(), Some("out of GPU memory"));
    assert_eq!(containers(&bin), 0);
    bench.assert_nothing_lives();
}

#[test]
fn a_container_is_started_followed_stopped_and_removed() {
    let place = Place::new();
    let path = path_with_docker(&place.path("bin"));
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "containers::a_harness_that_uses_docker", "--nocapture"])
        .env("LIFECYCLE_DOCKER", place.path("bin"))
        .env("LIFECYCLE_TOKEN", "hidden-value")
        .env("PATH", path)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}{:?}", output.stderr);
}
