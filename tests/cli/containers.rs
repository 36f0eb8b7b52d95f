//! Engines from an image, with a stand-in for docker.

use super::common::*;

fn with_docker() -> Place {
    let place = Place::new();
    install_docker(&place.path("bin"));
    // What runs in the image is not on this machine.
    std::fs::remove_file(place.path("bin/fake-engine")).unwrap();
    place.change_definition("  image: fake/engine:1", "  command: []\n  image: fake/engine:1");
    place
}

#[test]
fn an_engine_in_a_container_is_measured_stopped_and_removed() {
    for choice in
        [&["--launcher", "docker"][..], &["--set", "a.launcher=docker", "--set", "b.launcher=docker"]]
    {
        let place = with_docker();
        place.compare(TWO, &[&QUICK[..], choice].concat()).expect(0);
        for label in ["a", "b"] {
            let run = place.run_json(label);
            assert_eq!(run["summary"]["requests"]["completed"], 12);
            let server = &run["summary"]["server"];
            assert_eq!(server["generated_tokens"], server["client_generated_tokens"]);
            place.assert_gone(label);
        }
        assert_eq!(containers(&place.path("bin")), 0);
        let calls = place.read("bin/calls");
        let verbs: Vec<_> = calls.lines().map(|line| line.split(' ').next().unwrap()).collect();
        let each = ["run", "stop", "rm"];
        assert!(each.iter().all(|verb| verbs.iter().filter(|other| other == &verb).count() >= 2), "{calls}");
        let run = calls.lines().next().unwrap();
        assert!(run.contains(" -p 127.0.0.1:") && run.contains(":/models/model:ro"), "{run}");
    }
}

#[test]
fn kill_9_of_the_harness_removes_the_container_within_30_s() {
    let place = with_docker();
    let load = ["--duration", "10m", "--concurrency", "2", "--launcher", "docker"];
    let mut running = place.start_compare("a=fake.yaml", &load);
    running.wait_for_records(&place, "a", 0);
    assert_eq!(containers(&place.path("bin")), 1);
    running.kill();
    let took = place.wait_until_nothing_lives();
    assert!(took.as_secs() < 30, "{took:?}");
    assert_eq!(containers(&place.path("bin")), 0);
    place.assert_gone("a");
}

#[test]
fn without_docker_the_cure_is_named() {
    let place = Place::new();
    place
        .compare("a=fake.yaml", &[&QUICK[..], &["--launcher", "docker"]].concat())
        .expect(1)
        .says(&["docker is not on the PATH", "hint: install Docker"]);
}
