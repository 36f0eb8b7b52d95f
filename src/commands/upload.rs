//! `--upload`: results to a bucket, after their files are closed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::bucket::{Bucket, Count, Item, Sent, Sort};
use crate::pipeline;
use crate::progress::Progress;
use crate::schema::plan::Plan;
use crate::schema::refusal::{shown, with_cures};

/// An upload that takes longer says how far it is.
const QUIET_FOR: Duration = Duration::from_secs(2);
/// The time between two looks at how far it is.
const LOOK: Duration = Duration::from_millis(250);
/// Files that are named one by one where they could not be uploaded.
const NAMED: usize = 20;

/// Proves that the place of `--upload` takes what will be written; none where nothing is uploaded.
///
/// # Errors
/// An address that cannot be used, or a bucket that refuses, with the cure.
pub async fn checked(address: Option<&str>) -> anyhow::Result<Option<Bucket>> {
    let Some(address) = address else { return Ok(None) };
    let bucket = Bucket::of(address)?;
    bucket.check().await?;
    Ok(Some(bucket))
}

/// What is uploaded, and who hears of it.
pub struct Upload<'a> {
    /// Where to.
    pub bucket: &'a Bucket,
    /// Talks of it.
    pub progress: &'a Progress,
    /// Turns true once the user wants to stop.
    pub stop: watch::Receiver<bool>,
    /// What helps to do it later, behind `harness report`.
    pub again: PathBuf,
}

impl Upload<'_> {
    /// Uploads all files of a plan, and those that its export wrote. True where one of them is not there.
    pub async fn plan(&self, plan: &Plan, exported: &[PathBuf]) -> bool {
        let labels: Vec<String> = plan.targets.iter().map(|target| target.label.clone()).collect();
        let tree = pipeline::run_tree(&plan.output.directory, &plan.run_id, &labels);
        match tree {
            Ok(mut items) => {
                if plan.folder().is_none() {
                    items.extend(exported.iter().map(|path| beside(path)));
                }
                self.folder(&plan.run_id, items).await
            }
            Err(error) => self.failed(&error),
        }
    }

    /// Uploads the files of one folder. True where one of them is not there.
    pub async fn folder(&self, name: &str, items: Vec<Item>) -> bool {
        if items.is_empty() {
            self.progress.say(&format!("nothing to upload to {}", self.bucket.shown()));
            return false;
        }
        let (files, bytes) = (items.len(), items.iter().map(|item| size(&item.path)).sum());
        let count = Arc::new(Count::default());
        let sending = self.bucket.send(name, items, &count, &self.stop);
        match self.shown_meanwhile(sending, &count, (files, bytes)).await {
            Ok(sent) => self.tell(&sent, files, count.bytes()),
            Err(error) => self.failed(&error),
        }
    }

    /// Waits for it, with a line of how far it is where that takes long.
    async fn shown_meanwhile<T>(
        &self,
        sending: impl Future<Output = T>,
        count: &Count,
        (files, bytes): (usize, u64),
    ) -> T {
        tokio::pin!(sending);
        let (since, mut activity) = (Instant::now(), None);
        loop {
            match tokio::time::timeout(LOOK, &mut sending).await {
                Ok(done) => return done,
                Err(_) if since.elapsed() < QUIET_FOR => {}
                Err(_) => {
                    let head = format!("uploading to {}:", self.bucket.shown());
                    let line = activity.get_or_insert_with(|| self.progress.start(&head));
                    let (done, all) = (megabytes(count.bytes()), megabytes(bytes));
                    line.message(&format!("{} of {files} files, {done:.1} of {all:.1} MB", count.files()));
                }
            }
        }
    }

    fn tell(&self, sent: &Sent, files: usize, bytes: u64) -> bool {
        if sent.renamed {
            self.progress.say(&format!("its folder's name is another run's there: it is now {}", sent.at));
        }
        if sent.left.is_empty() {
            let mut notes = Vec::new();
            notes.extend((sent.same > 0).then(|| format!("{} were there", sent.same)));
            notes.extend((sent.replaced > 0).then(|| format!("{} replaced", sent.replaced)));
            let notes = if notes.is_empty() { String::new() } else { format!("; {}", notes.join(", ")) };
            let size = megabytes(bytes);
            self.progress.say(&format!("uploaded: {} ({files} files, {size:.1} MB{notes})", sent.at));
            return false;
        }
        let why = if sent.stopped { " (stopped)" } else { "" };
        let mut lines = vec![format!(
            "error: {} of {files} files were not uploaded to {}{why}; they stay here:",
            sent.left.len(),
            sent.at
        )];
        lines.extend(sent.left.iter().take(NAMED).map(|left| match left.why.as_str() {
            "" => format!("  {}", left.path.display()),
            why => format!("  {}: {why}", left.path.display()),
        }));
        if sent.left.len() > NAMED {
            lines.push(format!("  and {} more", sent.left.len() - NAMED));
        }
        let again = self.again();
        let cures = sent.cure.iter().map(String::as_str).chain([again.as_str()]);
        self.progress.error(&with_cures(lines.join("\n"), cures));
        true
    }

    fn failed(&self, error: &anyhow::Error) -> bool {
        self.progress.error(&with_cures(format!("error: {}", shown(error)), [self.again().as_str()]));
        true
    }

    fn again(&self) -> String {
        format!("then: harness report {} --upload {}", self.again.display(), self.bucket.shown())
    }
}

/// A file of an export that lies in the results directory, and not in the plan's own.
fn beside(path: &Path) -> Item {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Item { path: path.to_owned(), key: format!("lpg/{name}"), sort: Sort::Made }
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |is| is.len())
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
