//! The slots of an open loop under a cap. A slot carries the time since which it is free, so that a
//! client that takes it late cannot pass its own lateness off as a wait for it.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// So many slots; those who wait for one get it in the order in which they asked.
#[derive(Debug)]
pub(crate) struct Slots {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Free slots by the time since which they are, µs.
    free: BinaryHeap<Reverse<u64>>,
    waiting: VecDeque<oneshot::Sender<Slot>>,
}

/// A slot that is held; it is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Arc<Slots>,
    free_since_us: u64,
}

impl Slots {
    /// `count` slots, free since ever.
    pub(crate) fn new(count: u32) -> Arc<Slots> {
        let free = (0..count).map(|_| Reverse(0)).collect();
        Arc::new(Slots { state: Mutex::new(State { free, waiting: VecDeque::new() }) })
    }

    /// A slot, at once where one is free: the one that has been free for longest.
    pub(crate) async fn take(self: &Arc<Self>) -> Slot {
        loop {
            let handed_over = {
                let mut state = self.lock();
                if let Some(Reverse(free_since_us)) = state.free.pop() {
                    return Slot { slots: self.clone(), free_since_us };
                }
                let (sender, receiver) = oneshot::channel();
                state.waiting.push_back(sender);
                receiver
            };
            if let Ok(slot) = handed_over.await {
                return slot;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// When it became free, µs: not when its holder noticed.
    pub(crate) fn free_since_us(&self) -> u64 {
        self.free_since_us
    }

    /// Gives it back: its request ended at `end_us`.
    pub(crate) fn end(mut self, end_us: u64) {
        self.free_since_us = end_us;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.slots.lock();
        match state.waiting.pop_front() {
            None => state.free.push(Reverse(self.free_since_us)),
            Some(next) => {
                drop(state);
                // Who no longer waits sends it back, and it goes to the next by being dropped.
                let _ = next.send(Slot { slots: self.slots.clone(), free_since_us: self.free_since_us });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slot_tells_when_it_became_free_and_not_when_it_was_taken() {
        let slots = Slots::new(2);
        let (first, second) = (slots.take().await, slots.take().await);
        assert_eq!((first.free_since_us(), second.free_since_us()), (0, 0));
        second.end(900);
        first.end(700);
        assert_eq!(slots.take().await.free_since_us(), 700);
    }

    #[tokio::test]
    async fn a_slot_goes_to_the_one_who_asked_first_and_still_waits() {
        let slots = Slots::new(1);
        let held = slots.take().await;
        let mut gave_up = Box::pin(slots.take());
        assert!(futures_poll(gave_up.as_mut()).await.is_none());
        let mut second = Box::pin(slots.take());
        assert!(futures_poll(second.as_mut()).await.is_none());
        drop(gave_up);
        held.end(50);
        let slot = second.await;
        assert_eq!(slot.free_since_us(), 50);
        drop(slot);
        assert_eq!(slots.take().await.free_since_us(), 50, "given back unused");
    }

    #[tokio::test]
    async fn a_slot_handed_to_one_who_gives_up_before_looking_is_not_lost() {
        let slots = Slots::new(1);
        let held = slots.take().await;
        let mut waiting = Box::pin(slots.take());
        assert!(futures_poll(waiting.as_mut()).await.is_none());
        held.end(50);
        drop(waiting);
        assert_eq!(slots.take().await.free_since_us(), 50);
    }

    /// Polls once.
    async fn futures_poll<F: Future + Unpin>(mut future: F) -> Option<F::Output> {
        std::future::poll_fn(|context| match std::pin::Pin::new(&mut future).poll(context) {
            std::task::Poll::Ready(value) => std::task::Poll::Ready(Some(value)),
            std::task::Poll::Pending => std::task::Poll::Ready(None),
        })
        .await
    }
}
