//! The thread that hears worker 0, and answers its pings at once.

use std::io;
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::UnboundedSender;

use super::clock::Now;
use super::frame::{self, Frame};
use super::link::Link;
use super::message::{ClockWord, FromFollower, FromLeader, Order};
use super::place::LOST_AFTER;

/// What the thread has.
pub struct Hearing {
    /// To it.
    pub link: Arc<Link>,
    /// Where its orders go, and at the end why there will be no more.
    pub orders: UnboundedSender<Result<Order, String>>,
    /// What it says of this side's clock.
    pub words: Arc<Mutex<Vec<ClockWord>>>,
    /// This side's clock.
    pub now: Now,
}

impl Hearing {
    /// Hears it until its end.
    pub fn hear(self, mut stream: TcpStream) {
        let why = loop {
            let frame = frame::read(&mut stream);
            let t1 = (self.now)();
            let bytes = match frame {
                Ok(Some(Frame::Message(bytes))) => bytes,
                Ok(Some(Frame::Block(_))) => break "it said what is no message".to_owned(),
                Ok(None) => break "its connection closed".to_owned(),
                Err(error) if is_silence(&error) => {
                    break format!("it has not been heard for {} s", LOST_AFTER.as_secs());
                }
                Err(error) => break format!("its connection broke: {error}"),
            };
            let message = match serde_json::from_slice(&bytes) {
                Ok(message) => message,
                Err(error) => break format!("it said what is no message: {error}"),
            };
            match self.order(message, t1) {
                Ok(Some(order)) => {
                    let _ = self.orders.send(order);
                }
                Ok(None) => {}
                Err(error) => break format!("nothing can be sent to it: {error}"),
            }
        };
        let _ = self.orders.send(Err(why));
        self.link.close();
    }

    /// What a message wants of the program; none of one that is dealt with here.
    fn order(&self, message: FromLeader, t1: i64) -> io::Result<Option<Result<Order, String>>> {
        Ok(match message {
            FromLeader::Ping { t0 } => {
                self.link.send_stamped(&self.now, |t2| FromFollower::Pong { t0, t1, t2 })?;
                None
            }
            FromLeader::Clock(word) => {
                self.words.lock().unwrap_or_else(PoisonError::into_inner).push(word);
                None
            }
            FromLeader::Welcome => None,
            FromLeader::Refused { what, cure } => Some(Err(format!("{what}; {cure}"))),
            FromLeader::Order(order) => Some(Ok(order)),
        })
    }
}

fn is_silence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
