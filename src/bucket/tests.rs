//! Uploads into a store in memory and into a directory. (tests/cli/uploading.rs: the program against a pretend S3;
//! scripts/check-upload.sh: against real servers.)
#![allow(clippy::unwrap_used)]

use std::path::Path as File;
use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::throttle::{ThrottleConfig, ThrottledStore};
use tempfile::TempDir;
use tokio::sync::watch;

use super::cloud::Cloud;
use super::object::{AT_ONCE, Ship};
use super::send::{Sent, send};
use super::{Bucket, Count, Item, Sort};
use crate::schema::refusal::{cures, shown};

/// A folder of files here, and a store.
struct Place {
    here: TempDir,
    store: Arc<InMemory>,
    count: Arc<Count>,
    stop: watch::Sender<bool>,
}

impl Place {
    fn new() -> Place {
        let (stop, _) = watch::channel(false);
        Place { here: tempfile::tempdir().unwrap(), store: Arc::default(), count: Arc::default(), stop }
    }

    fn item(&self, key: &str, sort: Sort, bytes: &[u8]) -> Item {
        let path = self.here.path().join(key.replace('/', "_"));
        std::fs::write(&path, bytes).unwrap();
        Item { path, key: key.to_owned(), sort }
    }

    fn ship(&self) -> Ship {
        Ship {
            store: self.store.clone(),
            cloud: Cloud::S3,
            count: self.count.clone(),
            stop: self.stop.subscribe(),
            broken: Arc::default(),
        }
    }

    async fn send(&self, items: &[Item]) -> Sent {
        send(self.ship(), &Path::from("runs"), "bench_1", items.to_vec()).await.unwrap()
    }

    async fn there(&self, key: &str) -> Option<Vec<u8>> {
        let object = self.store.get(&Path::from(key)).await.ok()?;
        Some(object.bytes().await.unwrap().to_vec())
    }
}

#[tokio::test]
async fn a_run_is_sent_into_a_folder_of_its_own_and_a_second_time_changes_nothing() {
    let place = Place::new();
    let items = [
        place.item("vllm_records.jsonl.zst", Sort::Measured, b"records"),
        place.item("compare_1/plots/a.png", Sort::Made, b"picture"),
        place.item("benchmark_summary.csv", Sort::Table, b"head\nrow\nhalf a r"),
    ];
    let sent = place.send(&items).await;
    assert_eq!((sent.at.as_str(), sent.files, sent.same, sent.left.len()), ("runs/bench_1", 3, 0, 0));
    assert_eq!(place.there("runs/bench_1/compare_1/plots/a.png").await.unwrap(), b"picture");
    let table = place.there("runs/bench_1/benchmark_summary.csv").await.unwrap();
    assert_eq!(table, b"head\nrow\n", "a row that is being written is not torn");
    assert_eq!(place.count.files(), 3);
    let again = place.send(&items).await;
    assert_eq!((again.at, again.files, again.same, again.replaced), (sent.at, 3, 3, 0));
}

#[tokio::test]
async fn what_is_made_of_the_same_measurement_is_replaced_and_said_to_be() {
    let place = Place::new();
    let records = place.item("vllm_records.jsonl.zst", Sort::Measured, b"records");
    place.send(&[records.clone(), place.item("vllm.json", Sort::Made, b"old")]).await;
    let sent = place.send(&[records, place.item("vllm.json", Sort::Made, b"new")]).await;
    assert_eq!((sent.same, sent.replaced, sent.renamed), (1, 1, false));
    assert_eq!(place.there("runs/bench_1/vllm.json").await.unwrap(), b"new");
}

#[tokio::test]
async fn another_run_of_the_same_name_is_left_alone_and_this_one_gets_a_number() {
    let place = Place::new();
    let of = |records: &[u8]| {
        [
            place.item("vllm_records.jsonl.zst", Sort::Measured, records),
            place.item("vllm.json", Sort::Made, records),
        ]
    };
    place.send(&of(b"one")).await;
    let other = place.send(&of(b"two")).await;
    assert_eq!((other.at.as_str(), other.renamed, other.replaced), ("runs/bench_1_2", true, 0));
    assert_eq!(place.there("runs/bench_1/vllm.json").await.unwrap(), b"one");
    assert_eq!(place.there("runs/bench_1_2/vllm.json").await.unwrap(), b"two");
    // Of another label nothing collides by name, and it is another run all the same.
    let labelled = [place.item("sglang_records.jsonl.zst", Sort::Measured, b"three")];
    assert_eq!(place.send(&labelled).await.at, "runs/bench_1_3");
}

#[tokio::test]
async fn a_large_file_goes_in_parts_and_comes_back_byte_for_byte() {
    let place = Place::new();
    let bytes: Vec<u8> = (0..AT_ONCE + 1234567).map(|place| (place * 31 % 251) as u8).collect();
    let items = [place.item("vllm_records.jsonl.zst", Sort::Measured, &bytes)];
    let sent = place.send(&items).await;
    assert_eq!((sent.files, place.count.bytes()), (1, bytes.len() as u64));
    assert!(place.there("runs/bench_1/vllm_records.jsonl.zst").await.unwrap() == bytes);
    assert_eq!(place.send(&items).await.same, 1);
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_named_and_costs_no_other() {
    let place = Place::new();
    let records = place.item("vllm_records.jsonl.zst", Sort::Measured, b"records");
    let gone = Item { path: place.here.path().join("gone"), key: "gone".to_owned(), sort: Sort::Made };
    let sent = place.send(&[records, gone.clone(), place.item("vllm.json", Sort::Made, b"x")]).await;
    assert_eq!((sent.files, sent.left.len()), (2, 1));
    assert!(sent.left[0].path == gone.path && sent.left[0].why.starts_with("cannot be read"), "{sent:?}");
    assert_eq!(sent.cure.as_deref(), Some("make it readable"));
}

#[tokio::test]
async fn a_stop_ends_an_upload_at_once_and_what_is_not_there_is_named() {
    let place = Place::new();
    let slow = ThrottleConfig { wait_put_per_call: Duration::from_secs(600), ..ThrottleConfig::default() };
    let ship = Ship { store: Arc::new(ThrottledStore::new(InMemory::new(), slow)), ..place.ship() };
    let items = vec![
        place.item("vllm_records.jsonl.zst", Sort::Measured, b"records"),
        place.item("vllm.json", Sort::Made, b"json"),
    ];
    let path = Path::from("runs");
    let (sent, ()) = tokio::join!(send(ship, &path, "bench_1", items), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        place.stop.send(true).unwrap();
    });
    let sent = sent.unwrap();
    assert_eq!((sent.stopped, sent.files, sent.left.len()), (true, 0, 2));
}

#[tokio::test]
async fn a_stop_is_heard_while_a_store_is_asked_for_what_is_there() {
    let place = Place::new();
    let slow = ThrottleConfig {
        wait_list_with_delimiter_per_call: Duration::from_secs(600),
        ..ThrottleConfig::default()
    };
    let ship = Ship { store: Arc::new(ThrottledStore::new(InMemory::new(), slow)), ..place.ship() };
    let items = vec![place.item("vllm_records.jsonl.zst", Sort::Measured, b"records")];
    let path = Path::from("runs");
    let both = async {
        tokio::join!(send(ship, &path, "bench_1", items), async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            place.stop.send(true).unwrap();
        })
    };
    let (sent, ()) = tokio::time::timeout(Duration::from_secs(60), both).await.unwrap();
    let sent = sent.unwrap();
    assert_eq!((sent.stopped, sent.files, sent.left.len()), (true, 0, 1));
}

#[test]
fn an_address_is_one_of_four_kinds_and_never_holds_a_key() {
    let shown_of = |given: &str| Bucket::of(given).unwrap().shown().to_owned();
    assert_eq!(shown_of("s3://my_bucket/llm/a%20b/"), "s3://my_bucket/llm/a b");
    assert_eq!(shown_of("gs://bucket"), "gs://bucket");
    assert_eq!(shown_of("az://box@account/runs"), "az://box@account/runs");
    assert_eq!(shown_of("file:///tmp/copies"), "file:///tmp/copies");
    for bad in [
        "bucket/path",
        "http://host/path",
        "s3://",
        "s3:///path",
        "s3://key:hush-hush@bucket/path",
        "s3://hush-hush@bucket/path",
        "az://box/path?sig=hush-hush",
        "gs://bucket/a//b",
        "file://relative/path",
        "file:relative",
        "file:/tmp/copies",
    ] {
        let error = Bucket::of(bad).unwrap_err();
        assert!(!cures(&error).is_empty() && !shown(&error).contains("hush-hush"), "{bad}: {error:#}");
    }
}

#[tokio::test]
async fn a_directory_is_proved_to_take_files_and_nothing_is_left_of_that() {
    let folder = tempfile::tempdir().unwrap();
    let of = |path: &File| Bucket::of(&format!("file://{}", path.display())).unwrap();
    let below = folder.path().join("a/b");
    of(&below).check().await.unwrap();
    assert_eq!(std::fs::read_dir(&below).unwrap().count(), 0);
    std::fs::write(folder.path().join("file"), "x").unwrap();
    let refused = of(&folder.path().join("file")).check().await.unwrap_err();
    assert!(cures(&refused).contains(&"choose a directory that you may write"), "{refused:#}");
    let count = Arc::new(Count::default());
    let (_sender, stop) = watch::channel(true);
    let path = folder.path().join("records");
    std::fs::write(&path, "r").unwrap();
    let items = vec![Item { path, key: "x_records.jsonl.zst".to_owned(), sort: Sort::Measured }];
    let sent = of(&below).send("run_1", items, &count, &stop).await.unwrap();
    assert_eq!(sent.at, format!("file://{}/run_1", below.display()));
    assert!(!sent.stopped, "who stopped the run wants what was measured to arrive");
    assert_eq!(std::fs::read(below.join("run_1/x_records.jsonl.zst")).unwrap(), b"r");
}
