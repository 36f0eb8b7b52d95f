//! One request played to its end: over HTTP/1.1 or HTTP/2, within its time, or until the run is cancelled.

use std::future::Future;

use crate::load::cancel::Cancel;
use crate::load::http::{http1_exchange, http2};
use crate::load::request::answer::Ending;
use crate::load::request::in_flight::{Assignment, Client, Ended, InFlight};
use crate::load::schedule::pacer::Tickets;

/// Plays a request to its end. With `tickets` the pacer sends it at its due time, else it is sent at once.
/// None where it was cancelled before it was due. Not an `async fn`: that would keep the assignment
/// beside the request made from it, for each of maybe 100,000 requests.
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
        let ending = tokio::select! {
            biased;
            ending = converse(&mut request, tickets) => ending,
            () = tokio::time::sleep_until(deadline.into()) => Ending::TimedOut,
            () = cancel.wait() => Ending::Cancelled,
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
