//! What runs tell of the load at which an objective is just met: a Bayesian inverse regression on a grid.
//!
//! An objective `ttft_p99=500ms` is just met where 1 % of the requests take longer than 500 ms. So each run says
//! how many of its requests did, which is about that limit alone. Around the root ρ (a logarithm of a load) that share is
//! logistic in the logarithm of the load r: logit share = logit 0.01 + b·(ln r − ρ).
//!
//! Requests of a run are no independent draws: who waits in one queue waits together, so that n of them are worth n/φ.
//! Counts are then overdispersed by φ, taken by their extended quasi-likelihood (Nelder and Pregibon, Biometrika 74,
//! 1987), which costs two logarithms a run. The same φ says how long a queue takes to fill: a run that begins at an empty
//! server shows share·(1 − (1 − e^(−n/φ))·φ/n), as a process does whose correlation decays at that pace. Of a wait φ is
//! large and hardly to be seen in a few runs (65 for a p90 of TTFT near saturation in benches/search), of a pace small.
//!
//! No line holds far from the root: its misfit, with a standard deviation of b·([`TILT`]·|ln r − ρ| + [`BEND`]·(ln r − ρ)²)
//! in logits, is what a run there does not know however long it is.
//!
//! A mean has no share. Of such an objective y = limit / mean is taken, 1 at the root: y = 1 − b·(ln r − ρ), the
//! reciprocal because a wait grows as 1/(capacity − r), whose reciprocal is a straight line. Its noise is c·y/√n
//! with Student's t, since a queue's noise has outliers.
//!
//! Slope and noise are integrated over, so that the interval holds what is not known of them too.
//! (Waeber, Frazier and Henderson, *Bisection search with noisy responses*, SIAM J. Control Optim. 51, 2013, keep
//! a distribution of the root likewise and know of a run only whether it lay above; how far it lay is what saves the
//! runs here. Inverse regression: Hoadley, JASA 65, 1970.)

/// Points of the grid over the root, and of the coarse one before it.
const ROOTS: usize = 80;
const COARSE: usize = 40;
/// Slopes of a share, in logits, and the requests that make one independent draw, φ.
const SHARE_SLOPES: (f64, f64, usize) = (1.0, 256.0, 9);
const CLUMPS: (f64, f64, usize) = (1.0, 256.0, 7);
/// Middle and width (of the logarithm) of what is believed of φ before a run: of a pace, of a wait.
const PACE_CLUMPS: (f64, f64) = (8.0, 1.0);
const WAIT_CLUMPS: (f64, f64) = (80.0, 0.5);
/// Slopes of a reciprocal: from a TPOT that hardly feels the load to a queue at the edge of saturation.
const MEAN_SLOPES: (f64, f64, usize) = (0.25, 64.0, 9);
/// Noise of a mean over one request, as a share of it: 1 for an exponential and independent requests.
const NOISES: (f64, f64, usize) = (0.2, 25.0, 7);
const NOISES_BELIEF: (f64, f64) = (4.0, 0.8);
/// How far the curve leaves a line: its slope elsewhere may be half as much more or less, and it bends.
const TILT: f64 = 0.5;
const BEND: f64 = 2.0;
/// Degrees of freedom of the errors of a mean.
const FREEDOM: f64 = 5.0;
/// How sharply a run that failed says that the root is below its load.
const FAILED_WIDTH: f64 = 0.1;

/// What a run says of one objective.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Seen {
    /// So many of so many values were above the limit, of which so large a share may be.
    Share {
        /// Values above the limit.
        above: f64,
        /// Values.
        of: f64,
        /// Share that may be above: 0.01 for a p99.
        allowed: f64,
        /// The values hold a wait in a queue.
        waits: bool,
    },
    /// A statistic that is no percentile: limit over statistic, and the values that it is over.
    Ratio {
        /// Limit over statistic.
        ratio: f64,
        /// Values.
        of: f64,
    },
    /// It failed so many requests that it lies beyond the limit, and nothing tells how far.
    Beyond,
}

/// One run as one objective sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Logarithm of the load.
    pub x: f64,
    /// What it says.
    pub seen: Seen,
}

/// What is known of a root: its distribution on a grid of logarithms of loads.
#[derive(Debug, Clone, PartialEq)]
pub struct Posterior {
    /// Grid, rising in equal steps.
    pub roots: Vec<f64>,
    /// Probability that the root is at or below each.
    pub below: Vec<f64>,
    /// Mean of noise over slope: what a run of one request leaves unknown of the logarithm of the load.
    pub spread: f64,
}

fn logarithmic((low, high, count): (f64, f64, usize)) -> impl Iterator<Item = f64> {
    let step = (high / low).ln() / (count - 1) as f64;
    (0..count).map(move |place| low * (step * place as f64).exp())
}

/// The posterior from the runs of one objective, over roots between `low` and `high` (logarithms). The grid is laid
/// twice: the second time where the probability is.
pub fn posterior(points: &[Point], low: f64, high: f64) -> Posterior {
    let wide = on_grid(points, low, high, COARSE);
    let step = wide.roots[1] - wide.roots[0];
    let (from, to) = (wide.quantile(1e-4) - step, wide.quantile(1.0 - 1e-4) + step);
    on_grid(points, from.max(low), to.min(high), ROOTS)
}

fn on_grid(points: &[Point], low: f64, high: f64, count: usize) -> Posterior {
    let step = (high - low) / (count - 1) as f64;
    let roots: Vec<f64> = (0..count).map(|place| low + step * place as f64).collect();
    let is_mean = points.iter().any(|point| matches!(point.seen, Seen::Ratio { .. }));
    let waits = points.iter().any(|point| matches!(point.seen, Seen::Share { waits: true, .. }));
    let (slopes, noises, belief) = match (is_mean, waits) {
        (true, _) => (MEAN_SLOPES, NOISES, NOISES_BELIEF),
        (false, true) => (SHARE_SLOPES, CLUMPS, WAIT_CLUMPS),
        (false, false) => (SHARE_SLOPES, CLUMPS, PACE_CLUMPS),
    };
    let cells: Vec<(f64, f64)> =
        logarithmic(slopes).flat_map(|slope| logarithmic(noises).map(move |noise| (slope, noise))).collect();
    let mut logs = Vec::with_capacity(count * cells.len());
    for root in &roots {
        for slope in logarithmic(slopes) {
            let fits: Vec<Fit> = points.iter().map(|point| Fit::of(point, *root, slope)).collect();
            logs.extend(logarithmic(noises).map(|noise| {
                let off = (noise / belief.0).ln() / belief.1;
                fits.iter().map(|fit| fit.log_likelihood(noise)).sum::<f64>() - 0.5 * off * off
            }));
        }
    }
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (mut below, mut sum, mut spread) = (Vec::with_capacity(count), 0.0, 0.0);
    for of_root in logs.chunks(cells.len()) {
        for (log, (slope, noise)) in of_root.iter().zip(&cells) {
            let weight = (log - most).exp();
            sum += weight;
            spread += weight * noise / slope;
        }
        below.push(sum);
    }
    below.iter_mut().for_each(|value| *value /= sum);
    Posterior { roots, below, spread: spread / sum }
}

/// A run against one root and one slope: what does not depend on the noise.
struct Fit {
    seen: Seen,
    /// The share or the reciprocal that the line says; the logarithm of the likelihood of a run that lies beyond.
    expected: f64,
    /// Misfit of the line there, one standard deviation.
    misfit: f64,
}

impl Fit {
    fn of(point: &Point, root: f64, slope: f64) -> Fit {
        let away = point.x - root;
        let misfit = slope * (TILT * away.abs() + BEND * away * away);
        let expected = match point.seen {
            // A soft step: the root lies below the load.
            Seen::Beyond => -(1.0 + (-away / FAILED_WIDTH).exp()).ln(),
            Seen::Ratio { .. } => 1.0 - slope * away,
            Seen::Share { allowed, .. } => {
                let logit = (allowed / (1.0 - allowed)).ln() + slope * away;
                (1.0 / (1.0 + (-logit).exp())).clamp(1e-9, 1.0 - 1e-9)
            }
        };
        Fit { seen: point.seen, expected, misfit }
    }

    fn log_likelihood(&self, noise: f64) -> f64 {
        match self.seen {
            Seen::Beyond => self.expected,
            Seen::Ratio { ratio, of } => {
                let own = noise * ratio.clamp(0.3, 3.0) / of.sqrt();
                let variance = own * own + self.misfit * self.misfit;
                let off = ratio - self.expected;
                -0.5 * (FREEDOM + 1.0) * (1.0 + off * off / variance / FREEDOM).ln() - 0.5 * variance.ln()
            }
            Seen::Share { above, of, .. } => {
                let ages = of / noise;
                let share = self.expected * (1.0 - (1.0 - (-ages).exp()) / ages);
                let spread = noise + of * share * (1.0 - share) * self.misfit * self.misfit;
                let part = |count: f64, share: f64| match count > 0.0 {
                    true => count * (count / (of * share)).ln(),
                    false => 0.0,
                };
                let deviance = 2.0 * (part(above, share) + part(of - above, 1.0 - share));
                -0.5 * spread.ln() - 0.5 * deviance / spread
            }
        }
    }
}

impl Posterior {
    /// The root below which it lies with this probability, between grid points by a line.
    pub fn quantile(&self, probability: f64) -> f64 {
        let place = self.below.partition_point(|below| *below < probability);
        let Some(&to) = self.roots.get(place) else { return self.roots[self.roots.len() - 1] };
        let Some(before) = place.checked_sub(1) else { return to };
        let (low, high) = (self.below[before], self.below[place]);
        let share = if high > low { (probability - low) / (high - low) } else { 1.0 };
        self.roots[before] + share * (to - self.roots[before])
    }

    /// Probability that the root is at or below a logarithm of a load.
    fn probability(&self, root: f64) -> f64 {
        let (first, last) = (self.roots[0], self.roots[self.roots.len() - 1]);
        if root <= first || last <= first {
            return if root < first { 0.0 } else { self.below[0] };
        }
        let at = (root - first) / (last - first) * (self.roots.len() - 1) as f64;
        let place = at as usize;
        let Some(&next) = self.below.get(place + 1) else { return 1.0 };
        self.below[place] + (at - place as f64) * (next - self.below[place])
    }

    /// That of the lowest of several roots: the load that meets all objectives ends where the first is missed.
    pub fn lowest(all: &[Posterior]) -> Option<Posterior> {
        let first = all.iter().map(|one| one.roots[0]).reduce(f64::min)?;
        let last = all.iter().map(|one| one.roots[ROOTS - 1]).reduce(f64::min)?;
        let step = (last - first) / (ROOTS - 1) as f64;
        let roots: Vec<f64> = (0..ROOTS).map(|place| first + step * place as f64).collect();
        let above = |root: &f64| all.iter().map(|one| 1.0 - one.probability(*root)).product::<f64>();
        let below: Vec<f64> = roots.iter().map(|root| 1.0 - above(root)).collect();
        // The objective that decides says how much a further request tells.
        let middle = |one: &&Posterior| one.quantile(0.5);
        let decides = all.iter().min_by(|left, right| middle(left).total_cmp(&middle(right)))?;
        Some(Posterior { roots, below, spread: decides.spread })
    }
}
