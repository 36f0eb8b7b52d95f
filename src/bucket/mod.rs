//! Results → a bucket: S3, Google Cloud Storage, Azure, or another directory. What lies there is the same tree as here,
//! what is there already is never lost, and the files here stay whatever happens.

mod cloud;
mod count;
mod numbered;
mod object;
mod place;
mod send;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_denied;
mod trouble;

use std::path::PathBuf;

pub use count::Count;
pub use place::Bucket;
pub use send::{Left, Sent};

/// One file that is to be uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Where it lies here.
    pub path: PathBuf,
    /// Its key below the folder of what is uploaded, parts joined by `/`.
    pub key: String,
    /// What it is.
    pub sort: Sort,
}

/// What a file is to an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sort {
    /// Measured, and never changed after that: it tells whose a folder of a bucket is.
    Measured,
    /// Made of what was measured; it may be made again.
    Made,
    /// Rows that others append to: whole lines of it.
    Table,
}
