//! Where workers meet worker 0: at an address that all know beforehand, or at one that it writes into a file that all see.

use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::directories::write_json;
use crate::schema::refusal::{OrRefuse, refusal};

/// How a file is told from an address: `file:results/.join`.
const FILE: &str = "file:";
/// Linux' name of a machine that runs, until it is started again.
const MACHINE: &str = "/proc/sys/kernel/random/boot_id";
/// Addresses for documentation (RFC 5737, RFC 3849): a datagram socket that is laid towards one sends nothing, and tells
/// by which address this machine is seen from outside.
const OUTSIDE: [(&str, &str); 2] = [("0.0.0.0:0", "192.0.2.1:9"), ("[::]:0", "[2001:db8::1]:9")];

/// Where workers meet worker 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meeting {
    /// `host:port`
    Address(String),
    /// Worker 0 listens on a port that is free, and writes into this file where that is. It lies in a directory that all
    /// share.
    File(PathBuf),
}

/// What worker 0 writes into the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Notice {
    /// Tells a worker that it is on the same machine.
    machine: Option<String>,
    /// Its address for workers on the same machine.
    here: String,
    /// Its addresses for the others, `host:port`.
    elsewhere: Vec<String>,
}

impl Meeting {
    /// The file of a text that names one: `file:PATH`.
    pub fn file_of(text: &str) -> Option<Meeting> {
        let path = text.strip_prefix(FILE).filter(|path| !path.is_empty())?;
        Some(Meeting::File(path.into()))
    }

    /// The addresses of worker 0, the likeliest first.
    ///
    /// # Errors
    /// The file is not there yet, or holds something else.
    pub fn addresses(&self) -> io::Result<Vec<String>> {
        let path = match self {
            Meeting::Address(address) => return Ok(vec![address.clone()]),
            Meeting::File(path) => path,
        };
        let notice: Notice = serde_json::from_slice(&fs::read(path)?)?;
        let is_here = notice.machine.is_some() && notice.machine == machine();
        Ok(is_here.then_some(notice.here).into_iter().chain(notice.elsewhere).collect())
    }

    /// What to do where worker 0 is not found.
    pub fn cure(&self) -> &'static str {
        match self {
            Meeting::Address(_) => {
                "start worker 0, or check its address (--join HOST:PORT) and what lies between"
            }
            Meeting::File(_) => {
                "start worker 0, with the same file in a directory that all workers share; or --join HOST:PORT"
            }
        }
    }
}

impl fmt::Display for Meeting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Meeting::Address(address) => f.write_str(address),
            Meeting::File(path) => write!(f, "{FILE}{}", path.display()),
        }
    }
}

/// Worker 0 listens.
pub struct Listening {
    /// Takes those who come.
    pub listener: TcpListener,
    /// The file that says where: gone when nobody is waited for any more.
    file: Option<PathBuf>,
}

impl Listening {
    /// Listens where the others will look; `names` are those of this machine.
    ///
    /// # Errors
    /// The port is taken, or the file cannot be written.
    pub fn at(meeting: &Meeting, names: &[String]) -> anyhow::Result<Listening> {
        let path = match meeting {
            Meeting::Address(address) => {
                return Ok(Listening { listener: listen(address)?, file: None });
            }
            Meeting::File(path) => path,
        };
        let listener = everywhere(0)
            .or_refuse(|| "worker 0 cannot listen on any port".to_owned(), "--join HOST:PORT")?;
        let port = listener.local_addr()?.port();
        let outside = OUTSIDE.iter().filter_map(|(from, to)| seen_from_outside(from, to));
        let elsewhere = names.iter().map(|name| format!("{name}:{port}"));
        let elsewhere: Vec<String> = elsewhere.chain(outside.map(|address| at(address, port))).collect();
        let notice = Notice { machine: machine(), here: format!("127.0.0.1:{port}"), elsewhere };
        write(path, &notice).or_refuse(
            || format!("worker 0 cannot write where it listens into {}", path.display()),
            "give a file in a directory that all workers share and worker 0 may write into; or --join HOST:PORT",
        )?;
        Ok(Listening { listener, file: Some(path.clone()) })
    }
}

impl Drop for Listening {
    /// Whoever comes later finds no file, and says so.
    fn drop(&mut self) {
        if let Some(path) = &self.file {
            let _ = fs::remove_file(path);
        }
    }
}

fn write(path: &Path, notice: &Notice) -> anyhow::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    write_json(path, notice)
}

fn machine() -> Option<String> {
    let id = fs::read_to_string(MACHINE).ok()?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}

fn seen_from_outside(from: &str, to: &str) -> Option<IpAddr> {
    let socket = UdpSocket::bind(from).ok()?;
    socket.connect(to).ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

fn at(address: IpAddr, port: u16) -> String {
    std::net::SocketAddr::new(address, port).to_string()
}

/// The address is one of this machine alone.
pub fn is_here(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// A loopback address is listened on alone; else every address of the machine: a name may mean any of them, and on many
/// machines their own name means a loopback address to them and another one to everybody else.
fn listen(address: &str) -> anyhow::Result<TcpListener> {
    let cure = || "give another port with --join HOST:PORT, the same at every worker".to_owned();
    let port = port(address)?;
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host).trim_matches(['[', ']']);
    let is_loopback = host == "localhost" || host.parse().is_ok_and(is_here);
    let listened = if is_loopback { TcpListener::bind(address) } else { everywhere(port) };
    listened.or_refuse(|| format!("worker 0 cannot listen on {address}"), cure())
}

fn everywhere(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind(("::", port)).or_else(|error| match error.kind() {
        io::ErrorKind::AddrInUse => Err(error),
        _ => TcpListener::bind(("0.0.0.0", port)),
    })
}

/// The port of `host:port`.
fn port(address: &str) -> anyhow::Result<u16> {
    let port = address.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    port.ok_or_else(|| refusal(format!("{address} has no port"), "--join HOST:PORT, such as 10.0.0.1:7400"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_file_tells_where_worker_0_listens_for_as_long_as_it_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("not yet there").join(".join-7");
        let meeting = Meeting::file_of(&format!("file:{}", path.display())).unwrap();
        assert_eq!(meeting, Meeting::File(path.clone()));
        assert!(meeting.addresses().is_err());
        let listening = Listening::at(&meeting, &["n1".to_owned()]).unwrap();
        let port = listening.listener.local_addr().unwrap().port();
        let told = meeting.addresses().unwrap();
        assert_eq!(&told[..2], [format!("127.0.0.1:{port}"), format!("n1:{port}")]);
        // On another machine a loopback address would be somebody else.
        let notice: Notice = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        write(&path, &Notice { machine: Some("another".to_owned()), ..notice }).unwrap();
        assert_eq!(meeting.addresses().unwrap(), told[1..]);
        drop(listening);
        assert!(!path.exists());
    }

    #[test]
    fn an_address_is_no_file() {
        assert_eq!((Meeting::file_of("host:1"), Meeting::file_of("file:")), (None, None));
    }
}
