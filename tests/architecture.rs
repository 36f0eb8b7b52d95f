//! The shape of the source: who may import whom, no circle of files, the map in lib.rs, and where errors get
//! their hints.
#![allow(clippy::unwrap_used)]

#[path = "architecture/circles.rs"]
mod circles;
#[path = "architecture/hints.rs"]
mod hints;
#[path = "architecture/imports.rs"]
mod imports;
#[path = "architecture/map.rs"]
mod map;
#[path = "architecture/paths.rs"]
mod paths;
#[path = "architecture/source.rs"]
mod source;
