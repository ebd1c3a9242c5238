//! How long a call takes: the copies of all kernels in turn, round by round.
//!
//! One sample is a batch of calls, about 0.1 ms or one call, whichever is longer; a slice is as many
//! samples as fit into 1 ms, and its result is the fastest of them. Every round has a slice of each
//! copy, and begins with another copy than the round before.
//!
//! Rejected: a copy's fastest slice as its time. On a machine whose frequency varies it is that of the
//! luckiest moment, which not every copy comes by: the control was off by up to 10% on one kernel.

use crate::copies::LAYOUTS;
use crate::kernel::{Kernel, Run};
use std::hint::black_box;
use std::time::{Duration, Instant};

const SAMPLE: Duration = Duration::from_micros(100);
const SLICE: Duration = Duration::from_millis(1);
/// The first one finds the caches cold.
const MIN_SAMPLES: u32 = 2;

/// Microseconds per call: by round, and for each round the copies in the order of
/// [`Kernel::copies`].
pub(crate) struct Times {
    batch: u32,
    rounds: Vec<Vec<f64>>,
}

/// What is reported of a kernel.
pub(crate) struct Cost {
    pub(crate) plain_us: f64,
    pub(crate) annotated_us: f64,
    /// Best annotated to best plain copy.
    pub(crate) annotated: f64,
    /// The same of each round, and of these the median.
    pub(crate) median: f64,
    /// Best control to best plain copy: what differs from 1 is noise.
    pub(crate) control: f64,
    /// As `median`, of the control.
    pub(crate) control_median: f64,
    /// Slowest to fastest of all copies of the plain code: what the layout does.
    pub(crate) layouts: f64,
}

pub(crate) fn measure(kernels: &[Kernel], rounds: usize) -> Vec<Times> {
    let mut times: Vec<Times> = kernels.iter().map(Times::calibrated).collect();
    for round in 0..rounds {
        for (kernel, times) in kernels.iter().zip(&mut times) {
            times.add_round(kernel, round);
        }
    }
    times
}

impl Times {
    fn calibrated(kernel: &Kernel) -> Self {
        let once = (0..5).map(|_| sample(&kernel.plain[0], 1)).fold(f64::INFINITY, f64::min);
        let batch = (SAMPLE.as_secs_f64() * 1e6 / once).ceil().max(1.0) as u32;
        Times { batch, rounds: Vec::new() }
    }

    fn add_round(&mut self, kernel: &Kernel, round: usize) {
        let copies: Vec<&Run> = kernel.copies().collect();
        let mut times = vec![0.0; copies.len()];
        for turn in 0..copies.len() {
            let copy = (round + turn) % copies.len();
            times[copy] = slice(copies[copy], self.batch);
        }
        self.rounds.push(times);
    }

    /// A tenth of the rounds is faster.
    fn undisturbed(&self, copy: usize) -> f64 {
        let mut times: Vec<f64> = self.rounds.iter().map(|times| times[copy]).collect();
        times.sort_by(f64::total_cmp);
        times[times.len() / 10]
    }

    pub(crate) fn cost(&self) -> Cost {
        let copies = self.rounds[0].len();
        let best: Vec<f64> = (0..copies).map(|copy| self.undisturbed(copy)).collect();
        let [plain_us, annotated_us, control_us] = best_of_variants(&best);
        let plain_code = best[..LAYOUTS].iter().chain(&best[2 * LAYOUTS..]).copied();
        Cost {
            plain_us,
            annotated_us,
            annotated: annotated_us / plain_us,
            median: self.median(|[plain, annotated, _]| annotated / plain),
            control: control_us / plain_us,
            control_median: self.median(|[plain, _, control]| control / plain),
            layouts: plain_code.fold(0.0, f64::max) / plain_us.min(control_us),
        }
    }

    /// Of a ratio of the variants in each round.
    fn median(&self, ratio: impl Fn([f64; 3]) -> f64) -> f64 {
        let mut ratios: Vec<f64> =
            self.rounds.iter().map(|times| ratio(best_of_variants(times))).collect();
        ratios.sort_by(f64::total_cmp);
        ratios[ratios.len() / 2]
    }
}

/// The fastest layout of each variant, in the order of [`Kernel::copies`].
fn best_of_variants(times: &[f64]) -> [f64; 3] {
    let best = |variant: usize| {
        let times = &times[variant * LAYOUTS..][..LAYOUTS];
        times.iter().copied().fold(f64::INFINITY, f64::min)
    };
    [best(0), best(1), best(2)]
}

/// The fastest sample of a slice, in microseconds per call.
fn slice(run: &Run, batch: u32) -> f64 {
    let start = Instant::now();
    let mut best = f64::INFINITY;
    let mut samples = 0;
    while samples < MIN_SAMPLES || start.elapsed() < SLICE {
        best = best.min(sample(run, batch));
        samples += 1;
    }
    best
}

/// Microseconds per call.
fn sample(run: &Run, batch: u32) -> f64 {
    let start = Instant::now();
    for _ in 0..batch {
        black_box(run());
    }
    start.elapsed().as_secs_f64() * 1e6 / f64::from(batch)
}
