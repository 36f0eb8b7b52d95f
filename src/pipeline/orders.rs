//! What a worker is to do: the orders of worker 0, and the stop of its own user, in one row.

use tokio::sync::watch;

use crate::cluster::{Follower, Order, Speaker};

/// How it ended for a worker.
#[derive(Debug, Default)]
pub struct Followed {
    /// Somebody stopped it, here or elsewhere.
    pub interrupted: bool,
    /// Worker 0 was lost: why.
    pub lost: Option<String>,
    /// This worker could not play or save what it was told to.
    pub failed: bool,
}

/// Where orders come from.
pub struct Orders {
    /// This side of the connection to worker 0.
    pub follower: Follower,
    /// Says to worker 0 how it goes.
    pub speaker: Speaker,
    /// How it ends.
    pub ended: Followed,
    shutdown: watch::Receiver<bool>,
    /// Worker 0 knows that this worker's user stopped it.
    told: bool,
}

impl Orders {
    /// Nothing was ordered yet. `shutdown` turns true when the user stops this worker.
    pub fn of(follower: Follower, shutdown: watch::Receiver<bool>) -> Orders {
        let speaker = follower.speaker();
        Orders { follower, speaker, ended: Followed::default(), shutdown, told: false }
    }

    /// The next order; none where nothing more is played, or worker 0 is gone. The user's own stop is one too, and told
    /// to worker 0.
    pub async fn next(&mut self) -> Option<Order> {
        if self.ended.lost.is_some() {
            return None;
        }
        let order = tokio::select! {
            order = self.follower.next() => order,
            () = user_stops(&mut self.shutdown), if !self.told => {
                self.told = true;
                self.ended.interrupted = true;
                self.speaker.stop();
                Ok(Order::Stop)
            }
        };
        match order {
            Ok(Order::End { interrupted }) => {
                self.ended.interrupted |= interrupted;
                None
            }
            Ok(
                order @ (Order::Play(_)
                | Order::Warm { .. }
                | Order::Start { .. }
                | Order::Stop
                | Order::Close { .. }
                | Order::Send { .. }
                | Order::Have { .. }),
            ) => Some(order),
            Err(why) => {
                self.ended.lost = Some(why);
                None
            }
        }
    }

    /// The next order within a run; none where worker 0 is gone.
    pub async fn next_of_run(&mut self) -> Option<Order> {
        let order = self.next().await;
        if order.is_none() {
            let ended = || "it ended the plan in the middle of a run".to_owned();
            self.ended.lost.get_or_insert_with(ended);
        }
        order
    }

    /// Why worker 0 is gone, as records say it.
    pub fn lost(&self) -> String {
        format!("worker 0 was lost: {}", self.ended.lost.as_deref().unwrap_or_default())
    }
}

async fn user_stops(shutdown: &mut watch::Receiver<bool>) {
    // A sender that is gone will never stop it.
    if shutdown.wait_for(|stop| *stop).await.is_err() {
        std::future::pending().await
    }
}
