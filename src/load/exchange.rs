//! One request played to its end: over HTTP/1.1 or HTTP/2, within its time, or until the run is cancelled.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::load::cancel::{Cancel, Cancelled};
use crate::load::http::{http1_exchange, http2};
use crate::load::request::in_flight::{Assignment, Client, Ended, InFlight};
use crate::load::request::outcome::Ending;
use crate::load::schedule::pacer::Tickets;

/// Plays a request to its end. With `tickets` the pacer sends it at its due time, else it is sent at once.
/// None where it was cancelled before it was due. Not an `async fn`: that would keep the assignment
/// beside the request made from it, for each of maybe 100,000 requests. To be polled by one task only.
pub(crate) fn play(
    client: &Client,
    assignment: Assignment,
    tickets: Option<&Tickets>,
    cancel: &Cancel,
) -> impl Future<Output = Option<Ended>> {
    let start_us = assignment.slot_free_us.max(client.clock.now_us());
    let deadline = client.clock.instant(start_us.saturating_add(assignment.timeout_us));
    let mut request = InFlight::new(client, assignment);
    async move {
        let within = Within {
            conversation: converse(&mut request, tickets),
            deadline: tokio::time::sleep_until(deadline.into()),
            is_timed: false,
            cancelled: cancel.wait(),
        };
        let ending = within.await;
        request.close(ending)
    }
}

pin_project_lite::pin_project! {
    /// A conversation within its time, or until it is cancelled. No `select!`: that asks the timer at each token.
    struct Within<'a, C> {
        #[pin]
        conversation: C,
        #[pin]
        deadline: tokio::time::Sleep,
        // The timer knows of it.
        is_timed: bool,
        #[pin]
        cancelled: Cancelled<'a>,
    }
}

impl<C: Future<Output = Ending>> Future for Within<'_, C> {
    type Output = Ending;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Ending> {
        let mut this = self.project();
        if let Poll::Ready(ending) = this.conversation.poll(context) {
            return Poll::Ready(ending);
        }
        // One task polls a request: the timer need not be told of it again until it is over.
        if (!*this.is_timed || this.deadline.is_elapsed()) && this.deadline.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Ending::TimedOut);
        }
        *this.is_timed = true;
        this.cancelled.poll(context).map(|()| Ending::Cancelled)
    }
}

async fn converse(request: &mut InFlight<'_>, tickets: Option<&Tickets>) -> Ending {
    request.issue_if_ready();
    match &request.client.http2 {
        None => http1_exchange::converse(request, tickets).await,
        // Boxed: a request over HTTP/1.1 carries nothing of it.
        Some(connections) => Box::pin(http2::converse(request, connections, tickets)).await,
    }
}
