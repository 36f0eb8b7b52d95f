//! How many client threads a run begins with, and how many there may be: never more than the cores that the server
//! leaves.

use std::collections::BTreeSet;

use crate::environment::allowed_cores;
use crate::load;
use crate::monitor;
use crate::schema::client_threads::ClientThreads;
use crate::schema::plan::LoadPoint;
use crate::schema::target::{Origin, Target};

use super::session::Session;

/// Where the server runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Server {
    /// On another machine, for all that is known.
    Elsewhere,
    /// On this one; of our cores it may not use so many (0: it may use each, or nobody knows).
    Here { apart: usize },
}

/// Gives a job its threads to begin with, and the most that there may be. `server` is the server's first process, where
/// it is on this machine and known.
pub(super) async fn give(
    job: &mut load::Job,
    session: &Session,
    (target, load): (&Target, &LoadPoint),
    server: Option<u32>,
) {
    (job.client_threads, job.most_client_threads) = match session.plan.client_threads {
        ClientThreads::Number(number) => (number.max(1), number.max(1)),
        ClientThreads::Auto => {
            let most = most(session.environment.cores, place(target, server).await);
            (load::threads_for(load, session.plan.workers, most), most)
        }
    };
}

/// One core is for the pacer, the recorder and the rest. A server that shares our cores has half of them.
fn most(cores: usize, server: Server) -> u32 {
    let left = match server {
        Server::Elsewhere => cores,
        Server::Here { apart: 0 } => cores / 2,
        Server::Here { apart } => apart.min(cores),
    };
    left.saturating_sub(1).max(1) as u32
}

async fn place(target: &Target, server: Option<u32>) -> Server {
    let known = Vec::from_iter(server);
    let Origin::Url(url) = &target.origin else { return Server::Here { apart: apart(&known) } };
    let urls: Vec<String> = std::iter::once(url).chain(&target.more_urls).cloned().collect();
    // A name is looked up, and perhaps a port's holder: not on the thread of everything else.
    let found = tokio::task::spawn_blocking(move || {
        let is_here = monitor::some_here(&urls);
        is_here.then(|| {
            // Several may share a port.
            let servers = if known.is_empty() { monitor::at_urls(&urls).roots() } else { known };
            Server::Here { apart: apart(&servers) }
        })
    });
    found.await.ok().flatten().unwrap_or(Server::Elsewhere)
}

/// Cores of ours that none of some processes may use: they are bound to others. 0 where nobody knows of one of them.
fn apart(servers: &[u32]) -> usize {
    let theirs: Option<Vec<_>> = servers.iter().map(|server| allowed_cores(&server.to_string())).collect();
    let theirs: BTreeSet<usize> = theirs.unwrap_or_default().into_iter().flatten().collect();
    apart_of(&allowed_cores("self").unwrap_or_default(), &theirs)
}

fn apart_of(ours: &BTreeSet<usize>, theirs: &BTreeSet<usize>) -> usize {
    if theirs.is_empty() { 0 } else { ours.difference(theirs).count() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_server_elsewhere_leaves_all_cores_but_one_and_one_here_half_of_them() {
        let elsewhere = [1, 2, 3, 16].map(|cores| most(cores, Server::Elsewhere));
        assert_eq!(elsewhere, [1, 1, 2, 15]);
        let here = [1, 2, 4, 6, 16].map(|cores| most(cores, Server::Here { apart: 0 }));
        assert_eq!(here, [1, 1, 1, 2, 7]);
    }

    #[test]
    fn a_server_that_is_bound_to_cores_of_its_own_leaves_the_others() {
        assert_eq!(most(16, Server::Here { apart: 8 }), 7);
        assert_eq!(most(16, Server::Here { apart: 12 }), 11);
        assert_eq!(most(8, Server::Here { apart: 8 }), 7, "client and server on eight each");
        assert_eq!(
            most(4, Server::Here { apart: 8 }),
            3,
            "a quota allows less than the cores that are named"
        );
        let set = |cores: std::ops::Range<usize>| cores.collect::<BTreeSet<usize>>();
        assert_eq!(apart_of(&set(0..16), &set(0..8)), 8);
        assert_eq!(apart_of(&set(8..16), &set(0..8)), 8);
        assert_eq!(apart_of(&set(0..8), &set(0..16)), 0);
        assert_eq!(apart_of(&set(0..8), &set(0..0)), 0, "nobody knows");
        let own = std::process::id();
        assert_eq!(apart(&[own]), 0, "ourselves");
        assert_eq!(apart(&[own, u32::MAX]), 0, "one is gone");
        assert_eq!(apart(&[]), 0, "nobody knows");
    }
}
