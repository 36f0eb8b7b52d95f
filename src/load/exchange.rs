//! One request played to its end: over HTTP/1.1 or HTTP/2, within its time, or until the run is cancelled.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use crate::load::cancel::Cancel;
use crate::load::http::{http1_exchange, http2};
use crate::load::request::answer::Ending;
use crate::load::request::in_flight::{Assignment, Client, Ended, InFlight};
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
        let ending = {
            let mut conversation = pin!(converse(&mut request, tickets));
            let mut deadline = pin!(tokio::time::sleep_until(deadline.into()));
            let mut cancelled = pin!(cancel.wait());
            let mut is_timed = false;
            poll_fn(|context| {
                if let Poll::Ready(ending) = conversation.as_mut().poll(context) {
                    return Poll::Ready(ending);
                }
                // One task polls a request: the timer, once told of it, need not be told again at each token.
                if (!is_timed || deadline.is_elapsed()) && deadline.as_mut().poll(context).is_ready() {
                    return Poll::Ready(Ending::TimedOut);
                }
                is_timed = true;
                cancelled.as_mut().poll(context).map(|()| Ending::Cancelled)
            })
            .await
        };
        request.close(ending)
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
