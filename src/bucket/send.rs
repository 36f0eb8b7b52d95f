//! All files of a run → a folder of its own in the bucket. A folder of another run that has its name is left alone:
//! this one gets a number, as it would on disk.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::bail;
use object_store::path::Path;
use object_store::{Error, ObjectStoreExt};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::count::Count;
use super::numbered::numbered;
use super::object::{Put, Ship, Unsent};
use super::place::{Bucket, Patience};
use super::{Item, Sort};

/// Files that are under way.
const FILES_AT_ONCE: usize = 6;
/// Folders of one name that are looked at.
const MOST_FOLDERS: usize = 1_000;

/// What came of an upload.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// The folder: an address.
    pub at: String,
    /// Files that are there now.
    pub files: usize,
    /// Of them, those that were there before, the same bytes.
    pub same: usize,
    /// Of them, those that took the place of what an earlier upload of the same run had made.
    pub replaced: usize,
    /// The name was another run's, and got a number.
    pub renamed: bool,
    /// Files that are not there.
    pub left: Vec<Left>,
    /// What helps.
    pub cure: Option<String>,
    /// The user stopped it.
    pub stopped: bool,
}

/// A file that is not there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Left {
    /// Where it lies here.
    pub path: PathBuf,
    /// Why it is not there; empty where it was not tried after another's trouble.
    pub why: String,
}

impl Bucket {
    /// Sends the files of what is called `name` into its folder. Files that are there already with the same bytes are
    /// left; those that were made of the same measurement are replaced; where the folder is another run's, the next
    /// name that is not is taken: `name_2`, `name_3`. Turns of `stop` after this began stop it.
    ///
    /// # Errors
    /// No store at all: what became of single files stands in what is returned.
    pub async fn send(
        &self,
        name: &str,
        items: Vec<Item>,
        count: &Arc<Count>,
        stop: &watch::Receiver<bool>,
    ) -> anyhow::Result<Sent> {
        let ship = Ship {
            store: self.store(Patience::Long)?,
            cloud: self.cloud,
            count: count.clone(),
            stop: stop.clone(),
            broken: Arc::default(),
        };
        let mut sent = send(ship, &self.path, name, items).await?;
        let root = self.shown().strip_suffix(self.path.as_ref()).unwrap_or(self.shown());
        sent.at = format!("{}/{}", root.strip_suffix('/').unwrap_or(root), sent.at);
        Ok(sent)
    }
}

/// Sends all files below `path`; the folder that is told is a key.
pub(super) async fn send(mut ship: Ship, path: &Path, name: &str, items: Vec<Item>) -> anyhow::Result<Sent> {
    ship.stop.borrow_and_update();
    let (measured, others): (Vec<Item>, Vec<Item>) =
        items.into_iter().partition(|item| item.sort == Sort::Measured);
    // A store takes no large file under the condition that nothing is there yet: where it may not be asked either, the
    // small ones tell first whose the folder is.
    let (small, large): (Vec<Item>, Vec<Item>) = measured.iter().cloned().partition(Ship::is_small);
    for (place, folder) in numbered(name).take(MOST_FOLDERS).enumerate() {
        let at = path.clone().join(folder);
        // Whoever stops here is told so of every file.
        if let Ok(true) = ship.unless_stopped(is_foreign(&ship, &at, &measured)).await {
            continue;
        }
        let is_taken =
            |done: &[(Item, Result<Put, Unsent>)]| done.iter().any(|(_, put)| matches!(put, Ok(Put::Taken)));
        let mut done = put_all(&ship, &at, &small).await;
        if is_taken(&done) {
            continue;
        }
        done.extend(put_all(&ship, &at, &large).await);
        if is_taken(&done) {
            continue;
        }
        done.extend(put_all(&ship, &at, &others).await);
        let sent = told(done);
        return Ok(Sent { at: at.to_string(), renamed: place > 0, ..sent });
    }
    bail!("every name from {name} on is taken there");
}

/// Whether a folder is another's: something lies in it, and nothing of what was measured here. Where it may not be
/// looked into, the first file tells.
async fn is_foreign(ship: &Ship, at: &Path, measured: &[Item]) -> bool {
    let listed = match ship.store.list_with_delimiter(Some(at)).await {
        Ok(listed) => listed,
        Err(_) => return false,
    };
    if listed.objects.is_empty() && listed.common_prefixes.is_empty() {
        return false;
    }
    for item in measured {
        match ship.store.head(&key(at, item)).await {
            Ok(_) => return false,
            Err(Error::NotFound { .. }) => {}
            Err(_) => return false,
        }
    }
    true
}

fn key(at: &Path, item: &Item) -> Path {
    item.key.split('/').fold(at.clone(), |at, part| at.join(part))
}

/// Sends some files at once; each with what became of it.
async fn put_all(ship: &Ship, at: &Path, items: &[Item]) -> Vec<(Item, Result<Put, Unsent>)> {
    let mut done = Vec::new();
    let mut sending = JoinSet::new();
    for item in items {
        while sending.len() >= FILES_AT_ONCE {
            done.extend(sending.join_next().await.and_then(Result::ok));
        }
        let (ship, at, item) = (ship.clone(), key(at, item), item.clone());
        sending.spawn(async move {
            let put = ship.put(&item, &at).await;
            (item, put)
        });
    }
    while let Some(joined) = sending.join_next().await {
        done.extend(joined.ok());
    }
    done
}

fn told(done: Vec<(Item, Result<Put, Unsent>)>) -> Sent {
    let mut sent = Sent::default();
    for (item, put) in done {
        let why = match put {
            Ok(put) => {
                sent.files += 1;
                sent.same += usize::from(put == Put::Same);
                sent.replaced += usize::from(put == Put::Replaced);
                continue;
            }
            Err(Unsent::Stopped) => {
                sent.stopped = true;
                String::new()
            }
            Err(Unsent::NotTried) => String::new(),
            Err(Unsent::Trouble(trouble)) => {
                sent.cure.get_or_insert(trouble.cure);
                trouble.why
            }
        };
        sent.left.push(Left { path: item.path, why });
    }
    sent.left.sort();
    sent
}
