//! What a server sees of our environment: an allow-list, since TGI reads `PORT` and llama.cpp `LLAMA_ARG_*`.

use std::collections::BTreeMap;

use crate::schema::target::LaunchSpec;

/// Names, and patterns that end in `*`, which every server is handed.
const HANDED_THROUGH: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "LC_*",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "XDG_*",
    "CUDA_*",
    "NVIDIA_*",
    "NCCL_*",
    "OMP_*",
    "HF_*",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
];

/// What a container is handed of them; the rest describes this machine and not the inside of an image.
const HANDED_INTO_CONTAINERS: &[&str] = &[
    "NCCL_*",
    "OMP_*",
    "HF_*",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
];

/// The whole environment of a server: of our `own` what the allow-list and `env_from` name and `env_clear`
/// does not, and over it what `env` sets.
pub fn child_environment(
    own: impl Iterator<Item = (String, String)>,
    spec: &LaunchSpec,
) -> BTreeMap<String, String> {
    let mut environment = handed_through(own, spec);
    environment.extend(spec.env.clone());
    environment
}

/// The environment of the docker client: ours through the allow-list, and how it finds its daemon. What the
/// image is to see stands in its arguments.
pub fn docker_client_environment(
    own: impl Iterator<Item = (String, String)>,
    spec: &LaunchSpec,
) -> BTreeMap<String, String> {
    let own: Vec<_> = own.collect();
    let daemon = own.iter().filter(|(name, _)| name.starts_with("DOCKER_")).cloned().collect::<Vec<_>>();
    let mut environment = handed_through(own.into_iter(), spec);
    environment.extend(daemon);
    environment
}

/// Names of our variables that a container is handed, by name alone so that no value stands in a command.
/// Paths of this machine are left out.
pub fn names_for_container(own: impl Iterator<Item = (String, String)>, spec: &LaunchSpec) -> Vec<String> {
    let mut names: Vec<String> = own
        .filter(|(name, value)| {
            let asked_for = matches_any(name, spec.env_from.iter().map(String::as_str));
            asked_for
                || (matches_any(name, HANDED_INTO_CONTAINERS.iter().copied()) && !value.starts_with('/'))
        })
        .map(|(name, _)| name)
        .filter(|name| !is_cleared(name, spec) && !spec.env.contains_key(name))
        .collect();
    names.sort();
    names
}

/// Families of variables that change what an engine does, whichever engine it is.
const FAMILIES: &[&str] = &[
    "CUDA_*",
    "NVIDIA_*",
    "NCCL_*",
    "HF_*",
    "HUGGINGFACE_*",
    "TRANSFORMERS_*",
    "TOKENIZERS_*",
    "SAFETENSORS_*",
    "TORCH_*",
    "TORCHINDUCTOR_*",
    "PYTORCH_*",
    "TRITON_*",
    "FLASHINFER_*",
    "CUBLAS_*",
    "ROCM_*",
    "ROCR_*",
    "HIP_*",
    "HSA_*",
    "OMP_*",
    "MKL_*",
    "KMP_*",
    "GGML_*",
    "RAY_*",
];

/// Names of our variables that look like the engine's and that it was not `given`, or with another value. What its
/// file clears by that very name is kept back with good reason, and is left out.
pub fn kept_back<'a>(
    own: impl Iterator<Item = (&'a String, &'a String)>,
    given: &BTreeMap<String, String>,
    spec: &LaunchSpec,
) -> Vec<String> {
    let patterns = || FAMILIES.iter().copied().chain(spec.env_family.iter().map(String::as_str));
    own.filter(|(name, value)| matches_any(name, patterns()) && given.get(*name) != Some(*value))
        .filter(|(name, _)| !spec.env_clear.contains(name))
        .map(|(name, _)| name.clone())
        .collect()
}

fn handed_through(
    own: impl Iterator<Item = (String, String)>,
    spec: &LaunchSpec,
) -> BTreeMap<String, String> {
    own.filter(|(name, _)| {
        matches_any(name, HANDED_THROUGH.iter().copied().chain(spec.env_from.iter().map(String::as_str)))
            && !is_cleared(name, spec)
    })
    .collect()
}

fn is_cleared(name: &str, spec: &LaunchSpec) -> bool {
    matches_any(name, spec.env_clear.iter().map(String::as_str))
}

fn matches_any<'a>(name: &str, mut patterns: impl Iterator<Item = &'a str>) -> bool {
    patterns.any(|pattern| match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::target::{Launcher, Readiness, Stop};

    fn spec() -> LaunchSpec {
        LaunchSpec {
            launcher: Launcher::Process,
            argv: vec!["server".into()],
            port: None,
            env: BTreeMap::new(),
            env_from: Vec::new(),
            env_clear: Vec::new(),
            env_family: Vec::new(),
            before: Vec::new(),
            parameters: BTreeMap::new(),
            readiness: Readiness {
                paths: vec!["/health".into()],
                models_path: Some("/v1/models".into()),
                listed_model: "model".into(),
            },
            stop: Stop { grace_s: 1.0, second_term_after_s: None },
            failures: Vec::new(),
            install_hint: String::new(),
        }
    }

    fn own(pairs: &[(&str, &str)]) -> std::vec::IntoIter<(String, String)> {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        pairs.into_iter()
    }

    #[test]
    fn what_would_configure_a_server_behind_our_back_is_not_handed_through() {
        let own = own(&[
            ("PATH", "/bin"),
            ("PORT", "80"),
            ("HOSTNAME", "box"),
            ("LLAMA_ARG_CTX_SIZE", "1"),
            ("VLLM_PORT", "9"),
            ("API_KEY", "k"),
            ("LC_ALL", "C"),
            ("CUDA_VISIBLE_DEVICES", "0"),
            ("https_proxy", "p"),
            ("HTTPS_PROXY", "P"),
            ("SSL_CERT_FILE", "c"),
        ]);
        let names: Vec<String> = child_environment(own, &spec()).into_keys().collect();
        let expected =
            ["CUDA_VISIBLE_DEVICES", "HTTPS_PROXY", "LC_ALL", "PATH", "SSL_CERT_FILE", "https_proxy"];
        assert_eq!(names, expected);
    }

    #[test]
    fn set_wins_over_handed_through_and_cleared_wins_over_the_allow_list() {
        let mut spec = spec();
        spec.env = BTreeMap::from([("OMP_NUM_THREADS".into(), "1".into())]);
        spec.env_from = vec!["MY_KEY".into(), "VENDOR_*".into()];
        spec.env_clear = vec!["HF_TOKEN".into(), "XDG_*".into(), "VENDOR_DEBUG".into()];
        let own = own(&[
            ("OMP_NUM_THREADS", "64"),
            ("MY_KEY", "k"),
            ("MY_KEYS", "no"),
            ("VENDOR_A", "a"),
            ("VENDOR_DEBUG", "1"),
            ("HF_TOKEN", "t"),
            ("XDG_CACHE_HOME", "x"),
        ]);
        let environment = child_environment(own, &spec);
        let expected = [("MY_KEY", "k"), ("OMP_NUM_THREADS", "1"), ("VENDOR_A", "a")];
        assert_eq!(environment, expected.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
    }

    #[test]
    fn a_container_is_handed_names_alone_and_no_path_of_this_machine() {
        let mut spec = spec();
        spec.env = BTreeMap::from([("HF_HUB_OFFLINE".into(), "1".into())]);
        spec.env_from = vec!["MY_KEY".into()];
        let own = own(&[
            ("HF_HOME", "/home/me/hf"),
            ("HF_TOKEN", "hf_secret"),
            ("HF_HUB_OFFLINE", "0"),
            ("MY_KEY", "k"),
            ("PATH", "/bin"),
            ("LD_LIBRARY_PATH", "/cuda"),
        ]);
        assert_eq!(names_for_container(own, &spec), ["HF_TOKEN", "MY_KEY"]);
    }

    #[test]
    fn what_looks_like_the_engines_and_was_kept_back_is_named() {
        let spec = LaunchSpec {
            env: BTreeMap::from([("HF_HUB_OFFLINE".into(), "1".into())]),
            env_clear: vec!["VLLM_PORT".into(), "OMP_*".into()],
            env_family: vec!["VLLM_*".into()],
            ..spec()
        };
        let own: BTreeMap<String, String> = own(&[
            ("VLLM_USE_FLASHINFER_SAMPLER", "0"),
            ("VLLM_PORT", "1"),
            ("SGLANG_X", "1"),
            ("PORT", "1"),
            ("EDITOR", "ed"),
            ("HF_HOME", "/x"),
            ("HF_HUB_OFFLINE", "0"),
            ("OMP_NUM_THREADS", "2"),
            ("TORCH_LOGS", "x"),
        ])
        .collect();
        let given = child_environment(own.clone().into_iter(), &spec);
        let kept = kept_back(own.iter(), &given, &spec);
        assert_eq!(kept, ["HF_HUB_OFFLINE", "OMP_NUM_THREADS", "TORCH_LOGS", "VLLM_USE_FLASHINFER_SAMPLER"]);
    }

    #[test]
    fn the_docker_client_finds_its_daemon() {
        let own = own(&[("DOCKER_HOST", "unix:///x"), ("PORT", "1"), ("PATH", "/bin")]);
        let names: Vec<String> = docker_client_environment(own, &spec()).into_keys().collect();
        assert_eq!(names, ["DOCKER_HOST", "PATH"]);
    }
}
