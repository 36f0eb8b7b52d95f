//! Uploads into a store that may be written and not be read, and into one that says nothing more.
#![allow(clippy::unwrap_used)]

use std::fmt::{Display, Formatter};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::stream::{BoxStream, once};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};
use tokio::sync::watch;

use super::cloud::Cloud;
use super::object::{AT_ONCE, Ship};
use super::send::{Sent, send};
use super::{Count, Item, Sort};

/// A store of which nothing may be read.
#[derive(Debug, Default)]
struct WriteOnly {
    held: Arc<InMemory>,
    /// Parts and their end are never answered.
    silent: bool,
}

impl Display for WriteOnly {
    fn fmt(&self, to: &mut Formatter<'_>) -> std::fmt::Result {
        to.write_str("write only")
    }
}

fn denied() -> Error {
    Error::PermissionDenied { path: "x".to_owned(), source: "403 Forbidden".into() }
}

#[async_trait]
impl ObjectStore for WriteOnly {
    async fn put_opts(&self, at: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.held.put_opts(at, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        match self.silent {
            true => Ok(Box::new(Silent)),
            false => self.held.put_multipart_opts(at, options).await,
        }
    }

    async fn get_opts(&self, _: &Path, _: GetOptions) -> Result<GetResult> {
        Err(denied())
    }

    fn delete_stream(&self, _: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        Box::pin(once(async { Err(denied()) }))
    }

    fn list(&self, _: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        Box::pin(once(async { Err(denied()) }))
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        Err(denied())
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(denied())
    }
}

/// An upload in parts that is never answered.
#[derive(Debug)]
struct Silent;

#[async_trait]
impl MultipartUpload for Silent {
    fn put_part(&mut self, _: PutPayload) -> UploadPart {
        Box::pin(std::future::pending())
    }

    async fn complete(&mut self) -> Result<PutResult> {
        std::future::pending().await
    }

    async fn abort(&mut self) -> Result<()> {
        std::future::pending().await
    }
}

/// Records that go in parts, and the samples beside them.
fn run(here: &std::path::Path, byte: u8) -> Vec<Item> {
    let item = |key: &str, size: usize| {
        let path = here.join(format!("{byte}_{key}"));
        std::fs::write(&path, vec![byte; size]).unwrap();
        Item { path, key: key.to_owned(), sort: Sort::Measured }
    };
    vec![item("x_records.jsonl.zst", AT_ONCE as usize + 1), item("x_samples.jsonl.zst", 3)]
}

async fn sent_to(store: Arc<WriteOnly>, items: Vec<Item>, stop: watch::Receiver<bool>) -> Sent {
    let count = Arc::new(Count::default());
    let ship = Ship { store, cloud: Cloud::S3, count, stop, broken: Arc::default() };
    send(ship, &Path::from("runs"), "bench_1", items).await.unwrap()
}

#[tokio::test]
async fn who_may_only_write_overwrites_no_large_file_of_another_run_of_the_same_name() {
    let here = tempfile::tempdir().unwrap();
    let store = Arc::new(WriteOnly::default());
    let (_sender, stop) = watch::channel(false);
    let one = sent_to(store.clone(), run(here.path(), b'1'), stop.clone()).await;
    let two = sent_to(store.clone(), run(here.path(), b'2'), stop).await;
    assert_eq!((one.at.as_str(), two.at.as_str(), two.renamed), ("runs/bench_1", "runs/bench_1_2", true));
    for (folder, byte) in [("bench_1", b'1'), ("bench_1_2", b'2')] {
        let at = Path::from(format!("runs/{folder}/x_records.jsonl.zst"));
        let there = store.held.get(&at).await.unwrap().bytes().await.unwrap();
        assert!(there.len() as u64 == AT_ONCE + 1 && there.iter().all(|each| *each == byte), "{folder}");
    }
}

#[tokio::test]
async fn a_stop_ends_an_upload_in_parts_to_a_store_that_says_nothing_more() {
    let here = tempfile::tempdir().unwrap();
    let store = Arc::new(WriteOnly { silent: true, ..WriteOnly::default() });
    let (sender, stop) = watch::channel(false);
    let begun = Instant::now();
    let (sent, ()) = tokio::join!(sent_to(store, run(here.path(), b'1'), stop), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        sender.send(true).unwrap();
    });
    assert!(sent.stopped && sent.left.len() == 1, "{sent:?}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}
