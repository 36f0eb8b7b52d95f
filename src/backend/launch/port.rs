//! Ports: is one free, which one to take, and who holds it.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use crate::backend::process::{self, Process};
use crate::schema::target::{METRICS_PORT, Origin, Target};

/// How many ports are tried before the kernel is asked for one.
const TRIES: usize = 200;

/// Fails where nobody could listen on this port of 127.0.0.1 now. Connections in TIME_WAIT do not count.
pub fn check_free(port: u16) -> io::Result<()> {
    // std sets SO_REUSEADDR, as the servers do.
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map(drop)
}

/// A free port, from outside the range that the kernel gives to outgoing connections: vLLM listens half a
/// minute after its launch and SGLang after minutes, and until then no connection may take it by chance.
pub fn choose_free() -> io::Result<u16> {
    let first_ephemeral = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|text| text.split_ascii_whitespace().next()?.parse::<u16>().ok())
        .unwrap_or(32_768);
    let range = 20_000..first_ephemeral;
    if range.len() > TRIES {
        for _ in 0..TRIES {
            let port = rand::random_range(range.clone());
            if check_free(port).is_ok() {
                return Ok(port);
            }
        }
    }
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// The target with a free port where its metrics page is to have one of its own; as it is where it has none.
///
/// # Errors
/// There is no free port.
pub fn with_metrics_port(target: &Target) -> io::Result<Cow<'_, Target>> {
    let Origin::Launch(spec) = &target.origin else { return Ok(Cow::Borrowed(target)) };
    let asked = target.metrics.port.iter().chain(&spec.argv).chain(spec.env.values());
    if !asked.into_iter().any(|text| text.contains(METRICS_PORT)) {
        return Ok(Cow::Borrowed(target));
    }
    let port = choose_free()?.to_string();
    let fill = |text: &mut String| *text = text.replace(METRICS_PORT, &port);
    let (mut target, mut spec) = (target.clone(), spec.clone());
    target.metrics.port.iter_mut().for_each(fill);
    spec.argv.iter_mut().chain(spec.env.values_mut()).for_each(fill);
    for helper in &mut spec.before {
        helper.argv.iter_mut().chain(helper.env.values_mut()).for_each(fill);
    }
    target.origin = Origin::Launch(spec);
    Ok(Cow::Owned(target))
}

/// Waits until the port can be listened on again; false where it is still taken after `limit`.
pub async fn wait_until_free(port: u16, limit: Duration) -> bool {
    let deadline = tokio::time::Instant::now() + limit;
    while check_free(port).is_err() {
        if tokio::time::Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    true
}

/// Whose socket answers on 127.0.0.1 at a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listener {
    /// One of the processes asked about.
    Ours,
    /// Another process; which, where we may see it.
    Foreign(Option<Process>),
    /// The kernel does not tell.
    Unknown,
}

/// Tells whether one of `ours` listens on this port.
pub fn listener(port: u16, ours: &[Process]) -> Listener {
    let inodes = listening_inodes(port);
    if inodes.is_empty() {
        return Listener::Unknown;
    }
    let mut readable = true;
    for process in ours {
        match holds_any(process.pid, &inodes) {
            Some(true) => return Listener::Ours,
            Some(false) => {}
            None => readable = readable && !process.is_alive(),
        }
    }
    // A process of ours whose descriptors we may not read (a set-uid program) could be the one.
    if readable { Listener::Foreign(holder(port)) } else { Listener::Unknown }
}

/// The process that listens on this port, where we may see it: another user's are hidden from us.
pub fn holder(port: u16) -> Option<Process> {
    let inodes = listening_inodes(port);
    if inodes.is_empty() {
        return None;
    }
    process::all()
        .into_iter()
        .map(|stat| stat.process)
        .find(|process| holds_any(process.pid, &inodes) == Some(true))
}

/// `pid 12 (llama-server -m …)`, for a message.
pub fn describe(holder: Process) -> String {
    let command: String = process::command_line(holder.pid).chars().take(80).collect();
    format!("pid {} ({command})", holder.pid)
}

/// Inodes of the sockets that take connections to 127.0.0.1 at `port`; of several only the most exact bind,
/// as the kernel prefers it.
fn listening_inodes(port: u16) -> HashSet<u64> {
    let mut found: Vec<(u8, u64)> = Vec::new();
    for file in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = fs::read_to_string(file).unwrap_or_default();
        found.extend(text.lines().skip(1).filter_map(|line| listening_inode(line, port)));
    }
    let best = found.iter().map(|(rank, _)| *rank).min();
    found.into_iter().filter(|(rank, _)| Some(*rank) == best).map(|(_, inode)| inode).collect()
}

/// Rank (0: 127.0.0.1, 1: every IPv4 address, 2: every address) and inode of a line of `/proc/net/tcp`.
fn listening_inode(line: &str, port: u16) -> Option<(u8, u64)> {
    const LISTEN: &str = "0A";
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let (address, hex_port) = fields.get(1)?.split_once(':')?;
    if fields.get(3) != Some(&LISTEN) || u16::from_str_radix(hex_port, 16).ok()? != port {
        return None;
    }
    let rank = match address {
        "0100007F" | "0000000000000000FFFF00000100007F" => 0,
        "00000000" => 1,
        "00000000000000000000000000000000" => 2,
        _ => return None,
    };
    Some((rank, fields.get(9)?.parse().ok()?))
}

/// Whether a process has one of these sockets open; none where its descriptors may not be read.
fn holds_any(pid: u32, inodes: &HashSet<u64>) -> Option<bool> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    Some(entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok()).any(|target| {
        target
            .to_str()
            .and_then(|name| name.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok())
            .is_some_and(|inode| inodes.contains(&inode))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_taken_port_is_named() {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = socket.local_addr().unwrap().port();
        let me = Process::current().unwrap();
        assert!(check_free(port).is_err());
        assert_eq!(holder(port), Some(me));
        assert_eq!(listener(port, &[me]), Listener::Ours);
        let init = Process { pid: u32::MAX, start_time: 1 };
        assert_eq!(listener(port, &[init]), Listener::Foreign(Some(me)));
    }

    #[test]
    fn nobody_listens_on_a_chosen_port() {
        let port = choose_free().unwrap();
        assert!(check_free(port).is_ok());
        assert_eq!(listener(port, &[]), Listener::Unknown);
    }

    #[test]
    fn only_listening_sockets_of_this_port_count() {
        let line = |address: &str, state: &str| {
            format!(
                "   0: {address}:1F90 00000000:0000 {state} 00000000:00000000 00:00000000 00000000  0  0 777 1"
            )
        };
        assert_eq!(listening_inode(&line("0100007F", "0A"), 8080), Some((0, 777)));
        assert_eq!(listening_inode(&line("00000000", "0A"), 8080), Some((1, 777)));
        assert_eq!(listening_inode(&line("0100007F", "01"), 8080), None);
        assert_eq!(listening_inode(&line("0100007F", "0A"), 8081), None);
        assert_eq!(listening_inode(&line("0A00000A", "0A"), 8080), None);
    }
}
