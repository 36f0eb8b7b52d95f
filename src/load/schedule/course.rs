//! Due times under a rate that changes with time, by the integral of the rate turned round.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1, Gamma};

use crate::schema::rate_course::{Gaps, Piece};

/// Requests by which two sums that are the same may differ: what is due within that of a piece's end is due behind it.
const GRAIN: f64 = 1e-9;

/// Gamma gaps of mean 1; none of a burstiness that is none.
pub(super) fn gamma(burstiness: f64) -> Option<Gamma<f64>> {
    Gamma::new(burstiness, 1.0 / burstiness).ok()
}

/// Mean requests due when a course of `gaps` ends that is to hold just so many: half a gap behind the last of them, by
/// the draws that this seed makes. So the number is exact, whatever the draws.
pub fn mean_at_end(gaps: Gaps, seed: u64, requests: u64) -> f64 {
    match gaps {
        // Nothing is drawn: so many gaps begin before as many are due.
        Gaps::Constant | Gaps::Bursts { .. } => requests as f64,
        Gaps::Poisson | Gaps::Gamma { .. } => {
            let mut course = Course::new(&[Piece::steady(1.0, 1.0, gaps)], ChaCha8Rng::seed_from_u64(seed));
            for _ in 1..requests {
                course.next += course.gap(gaps);
            }
            // A gap that is next to none must not be lost in the grain.
            course.next + (course.gap(gaps) / 2.0).max(1e3 * GRAIN)
        }
    }
}

/// Due times of pieces, in order.
#[derive(Debug, Clone)]
pub(super) struct Course {
    pieces: Vec<Piece>,
    rng: ChaCha8Rng,
    /// The piece that was reached.
    place: usize,
    /// When it begins, s.
    from_s: f64,
    /// Mean requests due before it begins.
    before: f64,
    /// Requests due in the mean when the next one is.
    next: f64,
    /// Requests of the burst under way.
    in_burst: u32,
}

impl Course {
    pub(super) fn new(pieces: &[Piece], rng: ChaCha8Rng) -> Course {
        let mut course = Course {
            pieces: pieces.to_vec(),
            rng,
            place: 0,
            from_s: 0.0,
            before: 0.0,
            next: 0.0,
            in_burst: 0,
        };
        // Where gaps are drawn one comes before the first request too; where they are not, it is due at once.
        course.next = match pieces.first().map(|piece| piece.gaps) {
            Some(drawn @ (Gaps::Poisson | Gaps::Gamma { .. })) => course.gap(drawn),
            Some(Gaps::Constant | Gaps::Bursts { .. }) | None => 0.0,
        };
        course
    }

    /// The next due time in seconds; none after the last piece.
    pub(super) fn next_s(&mut self) -> Option<f64> {
        loop {
            let piece = *self.pieces.get(self.place)?;
            let requests = piece.requests();
            if self.next < self.before + requests - GRAIN {
                let due_s = self.from_s + piece.time_of(self.next - self.before);
                self.next += self.gap(piece.gaps);
                return Some(due_s);
            }
            self.place += 1;
            self.from_s += piece.for_s;
            self.before += requests;
        }
    }

    /// The gap behind a request, by a law of mean 1.
    fn gap(&mut self, gaps: Gaps) -> f64 {
        match gaps {
            Gaps::Poisson => Exp1.sample(&mut self.rng),
            Gaps::Constant => 1.0,
            Gaps::Gamma { burstiness } => gamma(burstiness).map_or(1.0, |gaps| gaps.sample(&mut self.rng)),
            Gaps::Bursts { size } => {
                self.in_burst += 1;
                if self.in_burst < size.get() {
                    return 0.0;
                }
                self.in_burst = 0;
                f64::from(size.get())
            }
        }
    }
}
