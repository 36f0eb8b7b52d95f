//! What a container may use of its machine: CPU quota and memory of our control group and of those above it.

use std::fs;
use std::path::{Path, PathBuf};

/// The control groups that limit this process, the innermost first; none where it is in none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cgroups {
    cpu: Vec<PathBuf>,
    memory: Vec<PathBuf>,
}

/// How often a CPU quota was used up.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Throttled {
    /// Periods (mostly of 100 ms) in which it was, so far.
    pub periods: u64,
    /// Time that cores were kept from the group, summed over cores, seconds so far.
    pub seconds: f64,
}

impl Cgroups {
    /// Those of this process.
    pub fn own() -> Self {
        Self::of(Path::new("/"), "self")
    }

    /// Those of a process (`self`, a pid) below another root than `/`.
    pub fn of(root: &Path, process: &str) -> Self {
        let read = |name: &str| fs::read_to_string(root.join("proc").join(process).join(name));
        let (Ok(groups), Ok(mounts)) = (read("cgroup"), read("mountinfo")) else { return Self::default() };
        let mounts: Vec<Mount> = mounts.lines().filter_map(Mount::parse).collect();
        Cgroups {
            cpu: directories(root, &groups, &mounts, "cpu"),
            memory: directories(root, &groups, &mounts, "memory"),
        }
    }

    /// Cores that the tightest quota allows, `0.5` for half of one; none without a quota.
    pub fn cpu_quota(&self) -> Option<f64> {
        self.cpu.iter().filter_map(|group| quota(group)).reduce(f64::min)
    }

    /// Bytes that the tightest limit allows; none without a limit.
    pub fn memory_limit(&self) -> Option<u64> {
        self.memory.iter().filter_map(|group| memory_limit(group)).min()
    }

    /// Bytes that are left below the tightest limit, pages of files that can be dropped counted as left.
    pub fn memory_left(&self) -> Option<u64> {
        self.memory.iter().filter_map(|group| memory_left(group)).min()
    }

    /// How often the quotas were used up, by the group that was kept back the longest; none without a quota.
    pub fn throttled(&self) -> Option<Throttled> {
        let limited = self.cpu.iter().filter(|group| quota(group).is_some());
        limited
            .filter_map(|group| throttled(group))
            .reduce(|one, other| if other.seconds > one.seconds { other } else { one })
    }
}

/// A mount of control groups.
struct Mount {
    /// Which directory of the hierarchy is mounted.
    of: String,
    at: String,
    /// Version 1's controllers; none for version 2.
    controllers: Option<Vec<String>>,
}

impl Mount {
    /// A line of `mountinfo` (proc(5)): `36 35 98:0 /of /at options … - type source super,options`.
    fn parse(line: &str) -> Option<Mount> {
        let (before, after) = line.split_once(" - ")?;
        let mut before = before.split(' ').skip(3);
        let (of, at) = (before.next()?.to_owned(), before.next()?.to_owned());
        let mut after = after.split(' ');
        let controllers = match after.next()? {
            "cgroup2" => None,
            "cgroup" => Some(after.nth(1)?.split(',').map(str::to_owned).collect()),
            _ => return None,
        };
        Some(Mount { of, at, controllers })
    }
}

/// The directories of a controller, from the process's own group up to the mount: version 1's where it has that
/// controller there, and version 2's.
fn directories(root: &Path, groups: &str, mounts: &[Mount], controller: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for line in groups.lines() {
        // `4:memory:/path`, and version 2's `0::/path`.
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let second = controllers.is_empty();
        if !second && !controllers.split(',').any(|name| name == controller) {
            continue;
        }
        let mount = mounts.iter().find(|mount| match &mount.controllers {
            None => second,
            Some(names) => !second && names.iter().any(|name| name == controller),
        });
        let Some(mount) = mount else { continue };
        let base = root.join(mount.at.trim_start_matches('/'));
        // A container sees its own group as the root of the mount, and perhaps the host's path as its name.
        let below = path.strip_prefix(mount.of.trim_end_matches('/')).unwrap_or("");
        let mut group = base.join(below.trim_start_matches('/'));
        if !group.is_dir() {
            group.clone_from(&base);
        }
        while group.starts_with(&base) {
            found.push(group.clone());
            if !group.pop() {
                break;
            }
        }
    }
    found
}

fn number(path: PathBuf) -> Option<i64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The value of a key in a file of `key value` lines.
fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

fn quota(group: &Path) -> Option<f64> {
    let cores = |quota: i64, period: i64| (quota > 0 && period > 0).then(|| quota as f64 / period as f64);
    if let Ok(text) = fs::read_to_string(group.join("cpu.max")) {
        let mut parts = text.split_whitespace();
        return cores(parts.next()?.parse().ok()?, parts.next().map_or(Ok(100_000), str::parse).ok()?);
    }
    cores(number(group.join("cpu.cfs_quota_us"))?, number(group.join("cpu.cfs_period_us"))?)
}

fn memory_limit(group: &Path) -> Option<u64> {
    // Version 1 says no limit with the largest multiple of a page.
    const NO_LIMIT: i64 = 1 << 60;
    let limit = number(group.join("memory.max")).or_else(|| number(group.join("memory.limit_in_bytes")))?;
    u64::try_from(limit).ok().filter(|_| limit < NO_LIMIT)
}

fn memory_left(group: &Path) -> Option<u64> {
    let limit = memory_limit(group)?;
    let used =
        number(group.join("memory.current")).or_else(|| number(group.join("memory.usage_in_bytes")))?;
    let statistics = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
    let files = keyed(&statistics, "total_inactive_file").or_else(|| keyed(&statistics, "inactive_file"));
    Some(limit.saturating_sub(u64::try_from(used).ok()?.saturating_sub(files.unwrap_or(0))))
}

fn throttled(group: &Path) -> Option<Throttled> {
    let text = fs::read_to_string(group.join("cpu.stat")).ok()?;
    let seconds = match (keyed(&text, "throttled_usec"), keyed(&text, "throttled_time")) {
        (Some(microseconds), _) => microseconds as f64 / 1e6,
        (None, Some(nanoseconds)) => nanoseconds as f64 / 1e9,
        (None, None) => return None,
    };
    Some(Throttled { periods: keyed(&text, "nr_throttled")?, seconds })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    struct Fake(tempfile::TempDir);

    impl Fake {
        fn new(cgroup: &str, mountinfo: &str) -> Fake {
            let fake = Fake(tempfile::tempdir().unwrap());
            fake.write("proc/self/cgroup", cgroup);
            fake.write("proc/self/mountinfo", mountinfo);
            fake
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn cgroups(&self) -> Cgroups {
            Cgroups::of(self.0.path(), "self")
        }
    }

    const SECOND: &str =
        "22 20 0:21 / /proc rw - proc proc rw\n30 20 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";

    #[test]
    fn the_tightest_of_nested_groups_counts_and_half_a_core_is_half_a_core() {
        let fake = Fake::new("0::/pod/inner\n", SECOND);
        fake.write("sys/fs/cgroup/pod/cpu.max", "50000 100000\n");
        fake.write("sys/fs/cgroup/pod/memory.max", "1073741824\n");
        fake.write("sys/fs/cgroup/pod/inner/cpu.max", "400000 100000\n");
        fake.write("sys/fs/cgroup/pod/inner/memory.max", "max\n");
        assert_eq!(fake.cgroups().cpu_quota(), Some(0.5));
        assert_eq!(fake.cgroups().memory_limit(), Some(1 << 30));
    }

    #[test]
    fn no_limit_is_none_and_so_is_what_cannot_be_read() {
        let fake = Fake::new("0::/\n", SECOND);
        fake.write("sys/fs/cgroup/cpu.max", "max 100000\n");
        fake.write("sys/fs/cgroup/memory.max", "many\n");
        assert_eq!((fake.cgroups().cpu_quota(), fake.cgroups().memory_limit()), (None, None));
        assert_eq!(Cgroups::of(&fake.0.path().join("nothing"), "self"), Cgroups::default());
        let broken = Fake::new("garbage\n0:\n", "x y z\n- - -\n");
        assert_eq!(broken.cgroups(), Cgroups::default());
    }

    #[test]
    fn a_container_that_sees_the_host_s_name_of_its_group_finds_it_at_the_root_of_the_mount() {
        let fake = Fake::new("0::/system.slice/docker-1.scope\n", SECOND);
        fake.write("sys/fs/cgroup/cpu.max", "400000 100000\n");
        assert_eq!(fake.cgroups().cpu_quota(), Some(4.0));
        let mounted = "30 20 0:26 /docker/1 /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
        let fake = Fake::new("0::/docker/1/child\n", mounted);
        fake.write("sys/fs/cgroup/child/cpu.max", "150000 100000\n");
        fake.write("sys/fs/cgroup/cpu.max", "200000 100000\n");
        assert_eq!(fake.cgroups().cpu_quota(), Some(1.5));
    }

    #[test]
    fn version_one_is_read_where_it_has_the_controller() {
        let mounts = "31 20 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
                      32 20 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
        let fake = Fake::new("4:memory:/a\n1:cpu,cpuacct:/a\n", mounts);
        fake.write("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "250000\n");
        fake.write("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
        fake.write(
            "sys/fs/cgroup/cpu,cpuacct/a/cpu.stat",
            "nr_periods 9\nnr_throttled 3\nthrottled_time 1500000000\n",
        );
        fake.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
        fake.write("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1000000\n");
        fake.write("sys/fs/cgroup/memory/a/memory.usage_in_bytes", "900000\n");
        fake.write("sys/fs/cgroup/memory/a/memory.stat", "cache 1\ntotal_inactive_file 400000\n");
        fake.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        let groups = fake.cgroups();
        assert_eq!((groups.cpu_quota(), groups.memory_limit()), (Some(2.5), Some(1_000_000)));
        assert_eq!(groups.memory_left(), Some(500_000));
        assert_eq!(groups.throttled(), Some(Throttled { periods: 3, seconds: 1.5 }));
    }

    #[test]
    fn what_is_throttled_is_read_of_the_group_that_has_a_quota() {
        let fake = Fake::new("0::/a\n", SECOND);
        fake.write(
            "sys/fs/cgroup/a/cpu.stat",
            "usage_usec 5\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0\n",
        );
        assert_eq!(fake.cgroups().throttled(), None);
        fake.write("sys/fs/cgroup/a/cpu.max", "50000 100000\n");
        fake.write("sys/fs/cgroup/a/cpu.stat", "nr_periods 90\nnr_throttled 30\nthrottled_usec 250000\n");
        assert_eq!(fake.cgroups().throttled(), Some(Throttled { periods: 30, seconds: 0.25 }));
    }
}
