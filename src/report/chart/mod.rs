//! Pictures of a comparison, each as PNG and SVG from one drawing.

mod axis;
mod bars;
mod canvas;
mod lines;
#[cfg(test)]
mod tests;

use anyhow::{Context, anyhow};
use plotters::backend::{BitMapBackend, DrawingBackend, SVGBackend};

use self::canvas::{Canvas, Surface};
use super::caveat;
use super::number::one_line;
use crate::schema::comparison::Comparison;
use crate::schema::plan::Plan;

pub use self::bars::comparison_bars;
pub use self::lines::{throughput_over_time, ttft_distribution};

/// A picture in both forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chart {
    /// The file's stem below `plots/`.
    pub name: &'static str,
    /// A PNG file's bytes, [`PNG_SCALE`] pixels a point.
    pub png: Vec<u8>,
    /// An SVG file's text.
    pub svg: String,
}

/// Stem of [`comparison_bars`].
pub const COMPARISON: &str = "comparison";
/// Stem of [`ttft_distribution`].
pub const TTFT_DISTRIBUTION: &str = "ttft_distribution";
/// Stem of [`throughput_over_time`].
pub const THROUGHPUT: &str = "throughput_over_time";
/// Stems and titles of every picture, in the order of reports.
pub const CHARTS: &[(&str, &str)] = &[
    (COMPARISON, "Latency and throughput by backend"),
    (TTFT_DISTRIBUTION, "Time to first token: its distribution"),
    (THROUGHPUT, "Output tokens per second over the run"),
];

/// Width of every picture, points.
pub const WIDTH: u32 = 1000;
/// Pixels of the PNG a point.
pub const PNG_SCALE: u32 = 2;
/// Both forms are drawn on a grid this much finer than a point: the PNG is then averaged down, which
/// smooths its lines, and the SVG gets a view box.
const GRID: u32 = 4;

/// What every picture of a comparison shares.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChartContext {
    /// Model, traffic and dataset, below the title.
    pub subtitle: String,
    /// All labels in the order of play: a label's place gives its colour in every picture.
    pub labels: Vec<String>,
    /// Doubts in a few words, at the foot.
    pub notes: Vec<String>,
}

impl ChartContext {
    /// The context of a comparison that was played by this plan.
    pub fn new(plan: &Plan, comparison: &Comparison) -> ChartContext {
        let mut models: Vec<String> = Vec::new();
        for run in &comparison.runs {
            let model = one_line(&run.model);
            if !models.contains(&model) {
                models.push(model);
            }
        }
        let parts = [
            if plan.simulated { "SIMULATED".to_owned() } else { String::new() },
            models.join(", "),
            plan.loads.first().map(|load| load.traffic.to_string()).unwrap_or_default(),
            format!("dataset {}", one_line(&plan.dataset.name)),
        ];
        ChartContext {
            subtitle: parts.iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join("  ·  "),
            labels: comparison.runs.iter().map(|run| run.key.label.clone()).collect(),
            notes: caveat::collected(comparison, caveat::short),
        }
    }

    fn place(&self, label: &str, otherwise: usize) -> usize {
        self.labels.iter().position(|known| known == label).unwrap_or(otherwise)
    }
}

/// Something that can be drawn on either surface.
trait Picture {
    /// Height in points.
    fn height(&self) -> f64;
    /// Draws it.
    fn draw<DB: DrawingBackend>(&self, canvas: &mut Canvas<'_, DB>) -> anyhow::Result<()>;
}

fn render<P: Picture>(name: &'static str, picture: &P) -> anyhow::Result<Chart> {
    let height = picture.height().ceil().max(1.0) as u32;
    Ok(Chart {
        name,
        png: render_png(picture, height).with_context(|| format!("cannot draw {name}.png"))?,
        svg: render_svg(picture, height).with_context(|| format!("cannot draw {name}.svg"))?,
    })
}

fn draw<P: Picture, DB: DrawingBackend>(
    picture: &P,
    mut backend: DB,
    surface: Surface,
) -> anyhow::Result<()> {
    let (width, height) = backend.get_size();
    let mut canvas = Canvas::new(&mut backend, surface, f64::from(GRID));
    let grid = f64::from(GRID);
    canvas.rect((0.0, 0.0), (f64::from(width) / grid, f64::from(height) / grid), canvas::WHITE)?;
    picture.draw(&mut canvas)?;
    backend.present().map_err(|error| anyhow!("{error}"))
}

fn render_svg<P: Picture>(picture: &P, height: u32) -> anyhow::Result<String> {
    let (wide, high) = (WIDTH * GRID, height * GRID);
    let mut svg = String::new();
    draw(picture, SVGBackend::with_string(&mut svg, (wide, high)), Surface::Svg)?;
    let fine = format!("width=\"{wide}\" height=\"{high}\"");
    let shown = format!("width=\"{WIDTH}\" height=\"{height}\"");
    Ok(svg.replacen(&fine, &shown, 1))
}

fn render_png<P: Picture>(picture: &P, height: u32) -> anyhow::Result<Vec<u8>> {
    let (wide, high) = (WIDTH * GRID, height * GRID);
    let mut fine = vec![255u8; wide as usize * high as usize * 3];
    draw(picture, BitMapBackend::with_buffer(&mut fine, (wide, high)), Surface::Bitmap)?;
    let (wide, high) = (WIDTH * PNG_SCALE, height * PNG_SCALE);
    let pixels = averaged(&fine, wide as usize, high as usize, (GRID / PNG_SCALE) as usize);
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, wide, high);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_filter(png::FilterType::Up);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(file)
}

/// Each pixel the mean of a square of finer ones.
fn averaged(fine: &[u8], wide: usize, high: usize, factor: usize) -> Vec<u8> {
    let stride = wide * factor * 3;
    let square = (factor * factor) as u32;
    let mut pixels = Vec::with_capacity(wide * high * 3);
    for y in 0..high {
        for x in 0..wide {
            for channel in 0..3 {
                let mut sum = square / 2;
                for row in 0..factor {
                    let from = (y * factor + row) * stride + x * factor * 3 + channel;
                    sum += (0..factor).map(|column| u32::from(fine[from + column * 3])).sum::<u32>();
                }
                pixels.push((sum / square) as u8);
            }
        }
    }
    pixels
}
