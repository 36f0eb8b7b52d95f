#!/usr/bin/env bash
# plotters smooths the left edge of a filled polygon and leaves the right one in steps.
#
# Package  plotters-backend 0.3.7, plotters-bitmap 0.3.7 (crates.io)
# Guess    A filled polygon is drawn with smooth edges all around, or with none: a symmetric one looks symmetric.
# Seen     A triangle that stands on its tip has 75 half-covered pixels along its left edge and none along its right.
#          Lying on its side it has 75 above and 78 below, so the shape's direction decides.
# Matters  Markers, bands and filled histograms of a chart look frayed on one side in PNG, and not in SVG, where the
#          viewer smooths. Pictures that are compared pixel by pixel change when a shape is only mirrored.
set -euo pipefail
command -v cargo >/dev/null || { echo "needs cargo" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/src"
cat >"$work/Cargo.toml" <<'TOML'
[package]
name = "see"
version = "0.0.0"
edition = "2021"

[dependencies]
plotters-backend = "=0.3.7"
plotters-bitmap = { version = "=0.3.7", default-features = false }
TOML
cat >"$work/src/main.rs" <<'RUST'
use plotters_backend::{BackendColor, DrawingBackend};
use plotters_bitmap::BitMapBackend;

const SIDE: u32 = 100;

/// Fills a black triangle on white: its half-covered pixels below 35 and from 35 on, along one axis.
fn smooth(corners: [(i32, i32); 3], axis: fn(u32, u32) -> u32) -> [u32; 2] {
    let mut pixels = vec![255; (SIDE * SIDE * 3) as usize];
    let mut backend = BitMapBackend::with_buffer(&mut pixels, (SIDE, SIDE));
    backend.fill_polygon(corners, &BackendColor { alpha: 1.0, rgb: (0, 0, 0) }).unwrap();
    backend.present().unwrap();
    drop(backend);
    let mut found = [0, 0];
    for (x, y) in (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| (x, y))) {
        if (1..255).contains(&pixels[((y * SIDE + x) * 3) as usize]) {
            found[usize::from(axis(x, y) >= 35)] += 1;
        }
    }
    found
}

fn main() {
    let [left, right] = smooth([(10, 10), (61, 10), (35, 90)], |x, _| x);
    println!("on its tip: {left} left, {right} right");
    let [above, below] = smooth([(10, 10), (90, 35), (10, 61)], |_, y| y);
    println!("on its side: {above} above, {below} below");
}
RUST
seen=$(cargo run -q --manifest-path "$work/Cargo.toml") || exit 2
echo "$seen"
diff - <(echo "$seen") <<'TEXT' || { echo "no longer so"; exit 1; }
on its tip: 75 left, 0 right
on its side: 75 above, 78 below
TEXT
echo "still so"
