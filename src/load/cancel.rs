//! A cancel signal that costs a waiting request one atomic read a poll, and no lock on a token's way.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// Set once; wakes all who wait.
#[derive(Debug, Default)]
pub(crate) struct Cancel {
    set: AtomicBool,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
}

impl Cancel {
    /// Cancels: every wait ends now.
    pub(crate) fn set(&self) {
        self.set.store(true, Ordering::SeqCst);
        let waiting = std::mem::take(&mut *self.lock());
        waiting.wakers.into_iter().flatten().for_each(Waker::wake);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.set.load(Ordering::Relaxed)
    }

    /// Waits until it is set. To be polled by one task only.
    pub(crate) fn wait(&self) -> Cancelled<'_> {
        Cancelled { cancel: self, place: None }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`Cancel::wait`].
pub(crate) struct Cancelled<'a> {
    cancel: &'a Cancel,
    place: Option<usize>,
}

impl Future for Cancelled<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.cancel.is_set() {
            return Poll::Ready(());
        }
        if self.place.is_none() {
            let mut waiting = self.cancel.lock();
            let waker = Some(context.waker().clone());
            let place = match waiting.free.pop() {
                Some(place) => {
                    waiting.wakers[place] = waker;
                    place
                }
                None => {
                    waiting.wakers.push(waker);
                    waiting.wakers.len() - 1
                }
            };
            drop(waiting);
            self.place = Some(place);
            // Set between the first look and the registration: nobody would wake us.
            if self.cancel.set.load(Ordering::SeqCst) {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }
}

impl Drop for Cancelled<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            let mut waiting = self.cancel.lock();
            if let Some(waker) = waiting.wakers.get_mut(place) {
                *waker = None;
                waiting.free.push(place);
            }
        }
    }
}
