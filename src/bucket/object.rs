//! One file → one object, which is whole or absent. What is there already is compared by its bytes.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use object_store::path::Path;
use object_store::{Error, MultipartUpload, ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::cloud::Cloud;
use super::count::Count;
use super::trouble::Trouble;
use super::{Item, Sort};

/// A larger file goes in parts, bytes.
pub(super) const AT_ONCE: u64 = 16 << 20;
/// A part, bytes: every store takes it, and a slow line carries it within the time that a request may take.
const PART: u64 = 8 << 20;
/// No store takes more than 10,000 parts.
const MOST_PARTS: u64 = 9_000;
/// Parts of a file that are under way.
const PARTS_AT_ONCE: usize = 4;
/// What failed sooner than this was hardly tried by the store's own retries, and is tried once more.
const SOON: Duration = Duration::from_secs(20);
/// The time before that.
const PAUSE: Duration = Duration::from_secs(1);
/// The time that giving up an upload in parts may take: a store that says nothing more must not keep who stops.
const GIVING_UP: Duration = Duration::from_secs(1);

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Put {
    /// It was not there.
    New,
    /// It was there, the same bytes.
    Same,
    /// Another was there, made of the same measurement; it was replaced.
    Replaced,
    /// Another measurement is there under its name, and was left as it is.
    Taken,
}

/// Why there is no object.
#[derive(Debug)]
pub(super) enum Unsent {
    /// The user wants to stop.
    Stopped,
    /// Another file had a trouble that all have.
    NotTried,
    /// Its own.
    Trouble(Trouble),
}

/// What files are sent with.
#[derive(Debug, Clone)]
pub(super) struct Ship {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) cloud: Cloud,
    pub(super) count: Arc<Count>,
    /// Turns true once the user wants to stop.
    pub(super) stop: watch::Receiver<bool>,
    /// Some file had a trouble that all have.
    pub(super) broken: Arc<AtomicBool>,
}

/// What the store or the file says.
pub(super) enum Cause {
    Store(Error),
    File(std::io::Error),
    Stopped,
}

impl From<Error> for Cause {
    fn from(error: Error) -> Self {
        Cause::Store(error)
    }
}

impl From<std::io::Error> for Cause {
    fn from(error: std::io::Error) -> Self {
        Cause::File(error)
    }
}

impl Ship {
    /// Sends a file, unless it is there.
    pub(super) async fn put(&self, item: &Item, at: &Path) -> Result<Put, Unsent> {
        if self.broken.load(Ordering::Relaxed) {
            return Err(Unsent::NotTried);
        }
        if self.stop.has_changed().unwrap_or(false) {
            return Err(Unsent::Stopped);
        }
        let since = Instant::now();
        let mut tried = self.try_put(item, at).await;
        if matches!(tried, Err(Cause::Store(Error::Generic { .. }))) && since.elapsed() < SOON {
            tokio::time::sleep(PAUSE).await;
            tried = self.try_put(item, at).await;
        }
        let trouble = match tried {
            Ok(put) => {
                if put != Put::Taken {
                    self.count.add_file();
                }
                return Ok(put);
            }
            Err(Cause::Stopped) => return Err(Unsent::Stopped),
            Err(Cause::Store(error)) => Trouble::of(&error, self.cloud),
            Err(Cause::File(error)) => Trouble::of_file(&error),
        };
        self.broken.fetch_or(trouble.of_all, Ordering::Relaxed);
        Err(Unsent::Trouble(trouble))
    }

    async fn try_put(&self, item: &Item, at: &Path) -> Result<Put, Cause> {
        let mut file = File::open(&item.path)?;
        let size = file.metadata()?.len();
        if size > AT_ONCE && item.sort != Sort::Table {
            return self.put_large(item.sort, file, size, at).await;
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        if item.sort == Sort::Table {
            // Another program may be appending a row.
            bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1));
        }
        self.unless_stopped(self.put_small(item.sort, bytes.into(), at)).await?
    }

    /// Whether the object is only written where nothing is, in one request. The others are asked for first.
    pub(super) fn is_small(item: &Item) -> bool {
        item.path.metadata().is_ok_and(|file| file.len() <= AT_ONCE)
    }

    async fn put_small(&self, sort: Sort, bytes: Bytes, at: &Path) -> Result<Put, Cause> {
        let put = |mode: PutMode| self.store.put_opts(at, PutPayload::from(bytes.clone()), mode.into());
        let length = bytes.len() as u64;
        let outcome = match put(PutMode::Create).await {
            Ok(_) => Put::New,
            Err(Error::AlreadyExists { .. }) if self.holds(&bytes, at).await => Put::Same,
            Err(Error::AlreadyExists { .. }) if sort == Sort::Measured => Put::Taken,
            Err(Error::AlreadyExists { .. }) => {
                put(PutMode::Overwrite).await?;
                Put::Replaced
            }
            // A store without conditional writes (AWS_CONDITIONAL_PUT=disabled) is asked first.
            Err(Error::NotImplemented { .. }) => match self.there(at).await? {
                Some(_) if self.holds(&bytes, at).await => Put::Same,
                Some(_) if sort == Sort::Measured => Put::Taken,
                there => {
                    put(PutMode::Overwrite).await?;
                    if there.is_some() { Put::Replaced } else { Put::New }
                }
            },
            Err(error) => return Err(error.into()),
        };
        self.count.add_bytes(length);
        Ok(outcome)
    }

    async fn put_large(&self, sort: Sort, file: File, size: u64, at: &Path) -> Result<Put, Cause> {
        let outcome = match self.unless_stopped(self.there(at)).await?? {
            Some(there) if there == size && self.holds_file(&file, size, at).await? => {
                self.count.add_bytes(size);
                return Ok(Put::Same);
            }
            Some(_) if sort == Sort::Measured => return Ok(Put::Taken),
            Some(_) => Put::Replaced,
            None => Put::New,
        };
        let mut upload = self.unless_stopped(self.store.put_multipart(at)).await??;
        match self.send_parts(upload.as_mut(), file, size).await {
            Ok(()) => Ok(outcome),
            Err(cause) => {
                // Parts that stay cost money until the bucket's own rule takes them away.
                let _ = tokio::time::timeout(GIVING_UP, upload.abort()).await;
                Err(cause)
            }
        }
    }

    /// The size of what is there, bytes; none also where that may not be asked: S3 refuses so, where it does not show
    /// lists, what is not there.
    async fn there(&self, at: &Path) -> Result<Option<u64>, Cause> {
        match self.store.head(at).await {
            Ok(there) => Ok(Some(there.size)),
            Err(Error::NotFound { .. } | Error::PermissionDenied { .. } | Error::Unauthenticated { .. }) => {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn send_parts(
        &self,
        upload: &mut dyn MultipartUpload,
        mut file: File,
        size: u64,
    ) -> Result<(), Cause> {
        let part = PART.max(size.div_ceil(MOST_PARTS));
        let mut sending = JoinSet::new();
        let mut left = size;
        while left > 0 || !sending.is_empty() {
            if left > 0 && sending.len() < PARTS_AT_ONCE {
                let length = left.min(part);
                // A file that shrinks meanwhile is no file that is closed.
                let mut bytes = vec![0; length as usize];
                file.read_exact(&mut bytes)?;
                let sent = upload.put_part(bytes.into());
                sending.spawn(async move { sent.await.map(|()| length) });
                left -= length;
                continue;
            }
            if let Some(joined) = self.unless_stopped(sending.join_next()).await? {
                let length = joined.map_err(|source| Error::JoinError { source })??;
                self.count.add_bytes(length);
            }
        }
        self.unless_stopped(upload.complete()).await??;
        Ok(())
    }

    /// Whether the object has just these bytes. What cannot be read is another.
    async fn holds(&self, bytes: &Bytes, at: &Path) -> bool {
        let size = bytes.len() as u64;
        match self.store.head(at).await {
            Ok(there) if there.size != size => false,
            Ok(_) if size == 0 => true,
            Ok(_) => self.store.get_range(at, 0..size).await.is_ok_and(|there| there == *bytes),
            Err(_) => false,
        }
    }

    /// The same of a file that is read in parts.
    async fn holds_file(&self, mut file: &File, size: u64, at: &Path) -> Result<bool, Cause> {
        let mut from = 0;
        while from < size {
            let to = size.min(from + PART);
            let mut bytes = vec![0; (to - from) as usize];
            file.read_exact(&mut bytes)?;
            match self.unless_stopped(self.store.get_range(at, from..to)).await? {
                Ok(there) if there == bytes => from = to,
                Ok(_) | Err(_) => {
                    std::io::Seek::rewind(&mut file)?;
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// The outcome of some work, unless the user stops it first.
    pub(super) async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T, Cause> {
        let mut stop = self.stop.clone();
        let stopped = async {
            // Who asked to stop before the upload began wants what was measured to arrive.
            if stop.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            done = work => Ok(done),
            () = stopped => Err(Cause::Stopped),
        }
    }
}
