//! Which GPUs a server uses: by `CUDA_VISIBLE_DEVICES` and its like, as the drivers read them.

use crate::schema::target::{LaunchSpec, Launcher, Origin, Target};

use super::super::listener::all_here;

/// A GPU that a library offers, as far as a choice needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offered {
    /// `GPU-…`, `MIG-…`
    pub uuid: String,
    /// `NVIDIA H200`
    pub name: String,
    /// A slice of another one of the list.
    pub is_slice: bool,
    /// Cut into slices.
    pub is_sliced: bool,
    /// A process holds memory on it; none where the library does not tell.
    pub is_busy: Option<bool>,
}

/// Which GPUs are to be read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Choice {
    base: Base,
    /// `CUDA_VISIBLE_DEVICES`
    cuda: Option<String>,
    /// `CUDA_DEVICE_ORDER` is `PCI_BUS_ID`.
    by_bus: bool,
    /// `ROCR_VISIBLE_DEVICES`
    rocr: Option<String>,
    /// `HIP_VISIBLE_DEVICES`
    hip: Option<String>,
    /// `--gpus` of `docker run`
    docker: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Base {
    /// All that the lists leave.
    #[default]
    All,
    /// Those that hold processes, else all.
    Busy,
    /// None: the server runs elsewhere, or without a GPU.
    Nothing,
}

impl Choice {
    /// All of the machine.
    pub fn all() -> Choice {
        Choice::default()
    }

    /// Those that a target uses: of a server to be launched by its environment, which takes from `own` what it does not
    /// set; of one that already runs on this machine those that hold processes; of one elsewhere, be it a part of it,
    /// none. It may look up a host's name, and looks through the processes, of one that already runs.
    pub fn of(target: &Target, own: impl Fn(&str) -> Option<String>) -> Choice {
        match &target.origin {
            Origin::Launch(spec) => Choice::of_launch(spec, own),
            Origin::Url(url) => {
                let is_here = all_here(std::iter::once(url).chain(&target.more_urls));
                Choice { base: if is_here { Base::Busy } else { Base::Nothing }, ..Choice::default() }
            }
        }
    }

    fn of_launch(spec: &LaunchSpec, own: impl Fn(&str) -> Option<String>) -> Choice {
        if let Launcher::Docker(docker) = &spec.launcher {
            let base = if docker.gpus.is_some() { Base::All } else { Base::Nothing };
            let cuda = spec.env.get("CUDA_VISIBLE_DEVICES").cloned();
            return Choice { base, docker: docker.gpus.clone(), cuda, ..Choice::default() };
        }
        let is_cleared = |name: &str| spec.env_clear.iter().any(|pattern| matches(pattern, name));
        let variable = |name: &str| {
            spec.env.get(name).cloned().or_else(|| (!is_cleared(name)).then(|| own(name)).flatten())
        };
        // Of AMD's, nothing is handed on but what the backend's file names.
        let named = |name: &str| {
            let is_named = spec.env_from.iter().any(|pattern| matches(pattern, name));
            spec.env.get(name).cloned().or_else(|| is_named.then(|| own(name)).flatten())
        };
        Choice {
            cuda: variable("CUDA_VISIBLE_DEVICES"),
            by_bus: variable("CUDA_DEVICE_ORDER").as_deref() == Some("PCI_BUS_ID"),
            rocr: named("ROCR_VISIBLE_DEVICES"),
            hip: named("HIP_VISIBLE_DEVICES"),
            ..Choice::default()
        }
    }

    /// By a list of `CUDA_VISIBLE_DEVICES`.
    #[cfg(test)]
    pub(super) fn listed(list: &str) -> Choice {
        Choice { cuda: Some(list.to_owned()), ..Choice::default() }
    }

    /// Of a server that runs elsewhere, or without a GPU.
    pub(super) fn is_nothing(&self) -> bool {
        self.base == Base::Nothing
    }

    /// The chosen ones of NVIDIA's, by their places in `offered` (whole ones in the order of their bus, slices after
    /// them), and what is to be said of them.
    pub(super) fn of_nvidia(&self, offered: &[Offered]) -> (Vec<usize>, Vec<String>) {
        let whole = self.of_base(offered);
        let mut notes = Vec::new();
        let mut chosen = match &self.docker {
            Some(gpus) => of_docker(gpus, offered, &whole),
            None => whole.clone(),
        };
        if let Some(list) = &self.cuda {
            let (listed, by_number) = of_list(list, offered, &chosen);
            let differ = chosen.iter().any(|place| offered[*place].name != offered[chosen[0]].name);
            if by_number && differ && !self.by_bus {
                notes.push(format!(
                    "CUDA_VISIBLE_DEVICES={list} is read in the order of the bus, and CUDA counts the fastest first: \
                     set CUDA_DEVICE_ORDER=PCI_BUS_ID, or name GPUs by their UUIDs"
                ));
            }
            chosen = listed;
        }
        for place in &chosen {
            let Offered { name, is_slice, is_sliced, .. } = &offered[*place];
            if *is_sliced {
                notes.push(format!("{name} is cut into MIG instances: its figures are those of all of them"));
            }
            if *is_slice {
                notes.push(format!(
                    "{name} is a MIG instance: power, energy and temperature are its whole GPU's alone"
                ));
            }
        }
        notes.dedup();
        (chosen, notes)
    }

    /// The chosen ones of AMD's, by their places.
    pub(super) fn of_amd(&self, offered: &[Offered]) -> Vec<usize> {
        let mut chosen = self.of_base(offered);
        // The runtime below filters first, and the numbers of the one above count what is left.
        for list in [self.rocr.as_ref(), self.hip.as_ref().or(self.cuda.as_ref())].into_iter().flatten() {
            chosen = of_list(list, offered, &chosen).0;
        }
        chosen
    }

    fn of_base(&self, offered: &[Offered]) -> Vec<usize> {
        let whole: Vec<usize> = (0..offered.len()).filter(|place| !offered[*place].is_slice).collect();
        match self.base {
            Base::All => whole,
            Base::Nothing => Vec::new(),
            Base::Busy => {
                let busy = |place: &usize| offered[*place].is_busy == Some(true);
                let held: Vec<usize> = whole.iter().copied().filter(busy).collect();
                if held.is_empty() { whole } else { held }
            }
        }
    }
}

/// The places that a list names, cut at the first entry that names none, as CUDA does; and whether it has numbers.
fn of_list(list: &str, offered: &[Offered], counted: &[usize]) -> (Vec<usize>, bool) {
    let mut chosen = Vec::new();
    let mut by_number = false;
    for entry in list.split(',').map(str::trim) {
        let number = entry.parse::<usize>().ok();
        let place = match number {
            Some(number) => counted.get(number).copied(),
            None => by_uuid(entry, offered),
        };
        by_number |= number.is_some();
        match place.filter(|place| !chosen.contains(place)) {
            Some(place) => chosen.push(place),
            None => break,
        }
    }
    (chosen, by_number)
}

/// The one whose UUID starts so.
fn by_uuid(prefix: &str, offered: &[Offered]) -> Option<usize> {
    if !["GPU-", "MIG-"].iter().any(|kind| prefix.len() > kind.len() && prefix.starts_with(kind)) {
        return None;
    }
    let mut found = (0..offered.len()).filter(|place| offered[*place].uuid.starts_with(prefix));
    let place = found.next()?;
    found.next().is_none().then_some(place)
}

/// `--gpus` of `docker run`: `all`, a count, `device=0,GPU-…` in quotes or not; numbers as NVML counts.
fn of_docker(gpus: &str, offered: &[Offered], whole: &[usize]) -> Vec<usize> {
    let gpus = gpus.trim_matches(['"', '\'']);
    if let Ok(count) = gpus.parse::<usize>() {
        return whole.iter().copied().take(count).collect();
    }
    match gpus.split_once("device=") {
        Some((_, list)) => of_list(list.trim_matches(['"', '\'']), offered, whole).0,
        None => whole.to_vec(),
    }
}

/// Whether a pattern of the allow-list (`CUDA_*`) means a variable.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => pattern == name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(uuids: &[&str]) -> Vec<Offered> {
        let one = |uuid: &&str| Offered {
            uuid: (*uuid).to_owned(),
            name: "NVIDIA H200".to_owned(),
            is_slice: uuid.starts_with("MIG"),
            is_sliced: false,
            is_busy: Some(false),
        };
        uuids.iter().map(one).collect()
    }

    fn listed(list: &str) -> Vec<usize> {
        let all = offered(&["GPU-aa1", "GPU-aa2", "GPU-b", "MIG-c1", "MIG-c2"]);
        Choice { cuda: Some(list.into()), ..Choice::all() }.of_nvidia(&all).0
    }

    #[test]
    fn a_list_is_read_as_cuda_reads_it() {
        assert_eq!(listed("0,2"), [0, 2]);
        assert_eq!(listed("2, 0"), [2, 0], "in the order of the list");
        assert_eq!(listed("1,7,0"), [1], "cut at the first that is none");
        assert_eq!(listed("0,-1,1"), [0]);
        assert_eq!(listed("1,1,2"), [1]);
        assert_eq!((listed(""), listed("none"), listed("-1")), (vec![], vec![], vec![]));
        assert_eq!(listed("GPU-b,GPU-aa2"), [2, 1]);
        assert_eq!(listed("GPU-b,GPU-aa,0"), [2], "two start so");
        assert_eq!(listed("GPU-"), [0; 0]);
        assert_eq!(listed("MIG-c2"), [4]);
        assert_eq!(listed("3"), [0; 0], "numbers count whole GPUs");
    }

    #[test]
    fn numbers_among_different_gpus_are_said_to_be_unsure_unless_the_order_is_the_bus() {
        let mut all = offered(&["GPU-a", "GPU-b"]);
        all[1].name = "NVIDIA T4".into();
        let choice = Choice { cuda: Some("1".into()), ..Choice::all() };
        let (chosen, notes) = choice.of_nvidia(&all);
        assert_eq!(chosen, [1]);
        assert!(notes[0].contains("CUDA_DEVICE_ORDER=PCI_BUS_ID"), "{notes:?}");
        assert!(Choice { by_bus: true, ..choice.clone() }.of_nvidia(&all).1.is_empty());
        let named = Choice { cuda: Some("GPU-b".into()), ..Choice::all() };
        assert!(named.of_nvidia(&all).1.is_empty());
    }

    #[test]
    fn of_a_server_that_runs_here_those_that_hold_processes_are_read_and_else_all() {
        let mut all = offered(&["GPU-a", "GPU-b", "MIG-c"]);
        let busy = Choice { base: Base::Busy, ..Choice::all() };
        assert_eq!(busy.of_nvidia(&all).0, [0, 1]);
        all[1].is_busy = Some(true);
        assert_eq!(busy.of_nvidia(&all).0, [1]);
    }

    #[test]
    fn a_container_gets_what_docker_gives_it() {
        let all = offered(&["GPU-a", "GPU-b", "GPU-c"]);
        let given = |gpus: &str| Choice { docker: Some(gpus.into()), ..Choice::all() }.of_nvidia(&all).0;
        assert_eq!(given("all"), [0, 1, 2]);
        assert_eq!(given("2"), [0, 1]);
        assert_eq!(given("device=1"), [1]);
        assert_eq!(given("\"device=2,GPU-a\""), [2, 0]);
    }

    #[test]
    fn amds_lists_filter_one_after_the_other() {
        let all = offered(&["GPU-a", "GPU-b", "GPU-c"]);
        let lists = Choice { rocr: Some("1,2".into()), hip: Some("1".into()), ..Choice::all() };
        assert_eq!(lists.of_amd(&all), [2]);
    }
}
