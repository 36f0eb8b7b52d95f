//! A worker comes to worker 0: it finds it, says who it is, and is welcomed or refused.

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::schema::refusal::refusal;
use crate::schema::workers::Share;

use super::frame::{self, Frame};
use super::identity::Identity;
use super::link::Link;
use super::meeting::Meeting;
use super::message::{FromFollower, FromLeader};
use super::place::{LOST_AFTER, Place};

/// One try to connect.
const TRY: Duration = Duration::from_secs(2);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(200);
/// Worker 0 waits for the others as long as this one does, and may have begun later.
const LONGER: Duration = Duration::from_secs(30);

/// The connection of a worker that was welcomed.
///
/// # Errors
/// Worker 0 cannot be reached in time, refuses this worker or another one, or ends.
pub fn arrive(place: &Place, identity: Identity, host: String) -> anyhow::Result<(TcpStream, Arc<Link>)> {
    let mut stream = connect(place)?;
    let link = Arc::new(Link::of(&stream)?);
    link.send(&FromFollower::Hello {
        index: place.share.worker,
        of: place.share.of,
        token: place.token.clone(),
        host,
        identity: Box::new(identity),
    })?;
    stream.set_read_timeout(Some(place.timeout.saturating_add(LONGER)))?;
    welcomed(&mut stream, place)?;
    stream.set_read_timeout(Some(LOST_AFTER))?;
    Ok((stream, link))
}

fn connect(place: &Place) -> anyhow::Result<TcpStream> {
    let until = Instant::now() + place.timeout;
    loop {
        let why = match try_all(&place.meeting) {
            Ok(stream) => return Ok(stream),
            Err(error) => error,
        };
        if Instant::now() >= until {
            let Share { worker, of } = place.share;
            return Err(refusal(
                format!(
                    "worker {worker} of {of} cannot reach worker 0 at {} ({why}), and tried for {} s",
                    place.meeting,
                    place.timeout.as_secs_f64()
                ),
                place.meeting.cure(),
            ));
        }
        std::thread::sleep(PAUSE);
    }
}

fn try_all(meeting: &Meeting) -> io::Result<TcpStream> {
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in meeting.addresses()? {
        match try_each(&address) {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

fn try_each(address: &str) -> io::Result<TcpStream> {
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, TRY) {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

fn welcomed(stream: &mut TcpStream, place: &Place) -> anyhow::Result<()> {
    let ended = |why: String| {
        let what = format!("worker 0 at {} ended before all workers had joined ({why})", place.meeting);
        refusal(what, "see what worker 0 says; an older harness there closes the connection too")
    };
    let stranger = || {
        let what = format!("{} is no worker 0 of a harness", place.meeting);
        refusal(
            what,
            "give the address at which worker 0 listens, and not that of the server: --join HOST:PORT",
        )
    };
    match frame::read(stream) {
        Ok(Some(Frame::Message(bytes))) => match serde_json::from_slice(&bytes) {
            Ok(FromLeader::Welcome) => Ok(()),
            Ok(FromLeader::Refused { what, cure }) => Err(refusal(what, cure)),
            Ok(FromLeader::Ping { .. } | FromLeader::Clock(_) | FromLeader::Order(_)) | Err(_) => {
                Err(stranger())
            }
        },
        Ok(Some(Frame::Block(_))) => Err(stranger()),
        // A server of something else answers in its own words.
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(stranger()),
        Ok(None) => Err(ended("its connection closed".to_owned())),
        Err(error) => Err(ended(error.to_string())),
    }
}
