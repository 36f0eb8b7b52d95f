//! Which processes of this machine listen at a port.

use std::collections::HashSet;
use std::fs;
use std::net::{IpAddr, ToSocketAddrs, UdpSocket};
use std::path::Path;

use url::Url;

use super::process_stat::{ProcessId, ProcessStat};
use super::tree::ServerProcesses;

/// Programs that hand a port on to a server elsewhere: what they use is not what the server uses.
const FORWARDERS: [&str; 9] = [
    "docker-proxy",
    "rootlesskit",
    "rootlessport",
    "slirp4netns",
    "pasta",
    "ssh",
    "kubectl",
    "socat",
    "systemd",
];
/// Those among them whose server is not on this machine, as a rule. A container's forwarder leads to one that is.
const LEAD_AWAY: [&str; 3] = ["ssh", "kubectl", "socat"];
/// What starts programs and is no part of them.
const SHELLS: [&str; 7] = ["sh", "bash", "dash", "zsh", "fish", "tmux", "screen"];
/// State of a socket that listens, as `/proc/net/tcp` writes it.
const LISTENS: &str = "0A";

/// The processes of the servers at these URLs. Where a part of them is elsewhere, the rest would pass for all of them:
/// they are hidden.
pub fn at_urls(urls: &[String]) -> ServerProcesses {
    let addresses: Vec<Option<(String, u16)>> = urls.iter().map(|url| address(url)).collect();
    let here: Vec<u16> = addresses.iter().flatten().filter_map(port_here).collect();
    match here.len() {
        0 => ServerProcesses::Elsewhere,
        some if some < urls.len() => ServerProcesses::Hidden,
        _ => below_listeners(Path::new("/"), &here, std::process::id()),
    }
}

/// True where each of these URLs leads to a server on this machine, as far as can be told.
pub(super) fn all_here<'a>(urls: impl IntoIterator<Item = &'a String>) -> bool {
    urls.into_iter().all(|url| {
        let port = address(url).and_then(|address| port_here(&address));
        port.is_some_and(|port| !leads_away(Path::new("/"), port))
    })
}

/// True where one of these URLs leads to a server on this machine, as far as can be told.
pub fn some_here(urls: &[String]) -> bool {
    urls.iter().any(|url| all_here([url]))
}

/// Host and port.
fn address(url: &str) -> Option<(String, u16)> {
    let url = Url::parse(url).ok()?;
    Some((url.host_str()?.to_owned(), url.port_or_known_default()?))
}

fn port_here((host, port): &(String, u16)) -> Option<u16> {
    is_here(host, *port).then_some(*port)
}

/// Whoever holds a port hands it on to another machine.
fn leads_away(root: &Path, port: u16) -> bool {
    let holders = holders(root, &listening(root, port));
    !holders.is_empty() && holders.iter().all(|stat| LEAD_AWAY.contains(&stat.name.as_str()))
}

/// True where a host is this machine: an address of it can be bound.
fn is_here(host: &str, port: u16) -> bool {
    let plain = host.trim_start_matches('[').trim_end_matches(']');
    let is_ours = |address: IpAddr| address.is_loopback() || UdpSocket::bind((address, 0)).is_ok();
    match plain.parse::<IpAddr>() {
        Ok(address) => is_ours(address),
        Err(_) => (plain, port).to_socket_addrs().is_ok_and(|mut all| all.any(|found| is_ours(found.ip()))),
    }
}

fn below_listeners(root: &Path, ports: &[u16], me: u32) -> ServerProcesses {
    let mut roots = Vec::new();
    for port in ports {
        let sockets = listening(root, *port);
        let holders: Vec<ProcessStat> = holders(root, &sockets)
            .into_iter()
            .filter(|stat| stat.id.pid != me && !FORWARDERS.contains(&stat.name.as_str()))
            .collect();
        if holders.is_empty() {
            return ServerProcesses::Hidden;
        }
        roots.extend(holders.into_iter().map(|stat| launcher(root, stat, me)));
    }
    ServerProcesses::Below(apart(root, roots))
}

/// Each once, and none that is below another: several workers may hold one socket.
fn apart(root: &Path, mut roots: Vec<ProcessId>) -> Vec<ProcessId> {
    roots.sort_unstable();
    roots.dedup();
    let is_below = |of: &ProcessId| {
        let above = ancestors(root, of.pid);
        roots.iter().any(|other| other != of && above.contains(&other.pid))
    };
    roots.iter().filter(|of| !is_below(of)).copied().collect()
}

/// Inodes of the sockets that listen at a port.
fn listening(root: &Path, port: u16) -> HashSet<u64> {
    let read = |name: &str| fs::read_to_string(root.join("proc/net").join(name)).unwrap_or_default();
    let inode = |line: &str| {
        // sl local_address rem_address st tx:rx tr:tm retrnsmt uid timeout inode
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (_, local_port) = fields.get(1)?.rsplit_once(':')?;
        let is_it = u16::from_str_radix(local_port, 16) == Ok(port) && fields.get(3) == Some(&LISTENS);
        fields.get(9).filter(|_| is_it)?.parse::<u64>().ok()
    };
    ["tcp", "tcp6"].iter().flat_map(|name| read(name).lines().filter_map(inode).collect::<Vec<_>>()).collect()
}

/// Processes that hold one of the sockets and let us see that.
fn holders(root: &Path, sockets: &HashSet<u64>) -> Vec<ProcessStat> {
    let Ok(entries) = fs::read_dir(root.join("proc")) else { return Vec::new() };
    let names: HashSet<String> = sockets.iter().map(|inode| format!("socket:[{inode}]")).collect();
    let holds = |pid: u32| {
        let open = fs::read_dir(root.join(format!("proc/{pid}/fd"))).into_iter().flatten();
        let mut targets = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        targets.any(|target| target.to_str().is_some_and(|target| names.contains(target)))
    };
    if names.is_empty() {
        return Vec::new();
    }
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| holds(*pid)).filter_map(|pid| ProcessStat::read(root, pid)).collect()
}

/// The process that started the holder of a port as a part of itself: TGI's launcher, whose other children are the
/// engine. Of the same process group, no shell, and nobody that we run below.
fn launcher(root: &Path, holder: ProcessStat, me: u32) -> ProcessId {
    let above_us = ancestors(root, me);
    let mut top = holder;
    while let Some(parent) = ProcessStat::read(root, top.parent) {
        let is_part = parent.group == top.group
            && parent.id.pid > 1
            && !SHELLS.contains(&parent.name.as_str())
            && !above_us.contains(&parent.id.pid);
        if !is_part {
            break;
        }
        top = parent;
    }
    top.id
}

fn ancestors(root: &Path, pid: u32) -> HashSet<u32> {
    let mut found = HashSet::from([pid]);
    let mut at = pid;
    while let Some(stat) = ProcessStat::read(root, at) {
        if !found.insert(stat.parent) {
            break;
        }
        at = stat.parent;
    }
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::monitor::fake_proc::FakeProc;

    const HEAD: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    fn line(port: u16, state: &str, inode: u64) -> String {
        format!(
            "   0: 0100007F:{port:04X} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000  1000        0 {inode} 1 0\n"
        )
    }

    fn holds(fake: &FakeProc, pid: u32, target: &str) {
        let folder = fake.root().join(format!("proc/{pid}/fd"));
        fs::create_dir_all(&folder).unwrap();
        std::os::unix::fs::symlink(target, folder.join("3")).unwrap();
    }

    fn found(fake: &FakeProc, me: u32) -> Option<Vec<u32>> {
        match below_listeners(fake.root(), &[8000], me) {
            ServerProcesses::Below(roots) => Some(roots.iter().map(|id| id.pid).collect()),
            ServerProcesses::Hidden => None,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_process_that_listens_is_found_and_not_one_that_is_connected() {
        let fake = FakeProc::new();
        fake.write("proc/net/tcp", &format!("{HEAD}{}{}garbage\n", line(8000, "01", 5), line(8001, "0A", 6)));
        fake.write("proc/net/tcp6", &format!("{HEAD}{}", line(8000, "0A", 7)));
        for (pid, target) in [(20, "socket:[5]"), (21, "socket:[6]"), (22, "socket:[7]"), (23, "/dev/null")] {
            fake.process(pid, 1).put();
            holds(&fake, pid, target);
        }
        assert_eq!(found(&fake, 99), Some(vec![22]));
    }

    #[test]
    fn nobody_we_ourselves_and_a_forwarder_are_hidden() {
        let fake = FakeProc::new();
        assert_eq!(found(&fake, 99), None);
        fake.write("proc/net/tcp", &format!("{HEAD}{}", line(8000, "0A", 7)));
        assert_eq!(found(&fake, 99), None);
        fake.process(22, 1).put();
        holds(&fake, 22, "socket:[7]");
        assert_eq!(found(&fake, 22), None);
        fake.process(22, 1).name("docker-proxy").put();
        assert_eq!(found(&fake, 99), None);
    }

    #[test]
    fn the_launcher_above_a_router_is_the_root_and_a_shell_or_our_own_parent_is_not() {
        let fake = FakeProc::new();
        fake.write("proc/net/tcp", &format!("{HEAD}{}", line(8000, "0A", 7)));
        let put = |pid: u32, parent: u32, name: &str, group: u32| {
            fake.write(
                &format!("proc/{pid}/stat"),
                &format!("{pid} ({name}) S {parent} {group} 1 0 -1 0 0 0 0 0 1 0 0 0 20 0 3 0 1 0 9 0\n"),
            );
        };
        put(10, 1, "bash", 10);
        put(11, 10, "tgi-launcher", 11);
        put(12, 11, "tgi-router", 11);
        holds(&fake, 12, "socket:[7]");
        put(30, 10, "harness", 30);
        assert_eq!(found(&fake, 30), Some(vec![11]));
        put(11, 10, "sh", 11);
        assert_eq!(found(&fake, 30), Some(vec![12]));
        // A test that starts both the server and us.
        put(11, 10, "cargo-test", 11);
        put(30, 11, "harness", 11);
        assert_eq!(found(&fake, 30), Some(vec![12]));
    }

    #[test]
    fn several_workers_at_one_socket_are_one_server() {
        let fake = FakeProc::new();
        fake.write("proc/net/tcp", &format!("{HEAD}{}", line(8000, "0A", 7)));
        // A session of its own each, so that none is the launcher of another.
        let put = |pid: u32, parent: u32| {
            let stat =
                format!("{pid} (python3) S {parent} {pid} 1 0 -1 0 0 0 0 0 1 0 0 0 20 0 3 0 1 0 9 0\n");
            fake.write(&format!("proc/{pid}/stat"), &stat);
        };
        for (pid, parent) in [(20, 1), (21, 20), (22, 21)] {
            put(pid, parent);
            holds(&fake, pid, "socket:[7]");
        }
        assert_eq!(found(&fake, 99), Some(vec![20]));
        put(21, 1);
        assert_eq!(found(&fake, 99), Some(vec![20, 21]), "two servers at one port");
        // Two ports of one server.
        fake.write("proc/net/tcp6", &format!("{HEAD}{}", line(8001, "0A", 7)));
        let both = below_listeners(fake.root(), &[8000, 8001], 99);
        assert!(matches!(&both, ServerProcesses::Below(roots) if roots.len() == 2), "{both:?}");
    }

    #[test]
    fn a_port_that_a_tunnel_alone_holds_leads_away_and_a_containers_does_not() {
        let fake = FakeProc::new();
        fake.write("proc/net/tcp", &format!("{HEAD}{}", line(8000, "0A", 7)));
        let named = |name: &str| {
            fake.process(22, 1).name(name).put();
            leads_away(fake.root(), 8000)
        };
        assert!(!named("ssh"), "it holds another port");
        holds(&fake, 22, "socket:[7]");
        assert!(named("ssh") && named("kubectl"));
        assert!(!named("docker-proxy") && !named("vllm"));
        fake.process(22, 1).name("ssh").put();
        fake.process(23, 1).name("vllm").put();
        holds(&fake, 23, "socket:[7]");
        assert!(!leads_away(fake.root(), 8000));
    }

    #[test]
    fn this_machine_is_told_from_another() {
        assert!(is_here("127.0.0.1", 1) && is_here("[::1]", 1) && is_here("localhost", 1));
        assert!(is_here("0.0.0.0", 1));
        assert!(!is_here("192.0.2.1", 1), "an address that is kept for documents");
    }

    #[test]
    fn of_servers_on_several_machines_the_processes_here_are_not_taken_for_all() {
        let urls = |urls: &[&str]| urls.iter().map(|url| (*url).to_owned()).collect::<Vec<_>>();
        let there = urls(&["http://192.0.2.1:8000"]);
        let both = urls(&["http://127.0.0.1:1", "http://192.0.2.1:8000"]);
        assert!(matches!(at_urls(&there), ServerProcesses::Elsewhere));
        assert!(matches!(at_urls(&both), ServerProcesses::Hidden));
        assert!(!all_here(&there) && !all_here(&both) && !all_here(&urls(&["no URL"])));
        assert!(all_here(&urls(&["http://127.0.0.1:1", "http://[::1]:1/v1", "http://localhost"])));
    }
}
