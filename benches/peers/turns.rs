//! How a row is measured: all peers in turns, so that a disturbance hits all of them, and the ratio
//! of each turn by itself.

use crate::peers::{Peer, Preempt, Smol, Tokio};

/// The first turns find caches and pools cold.
const WARM_UP_TURNS: usize = 3;

/// Each row has so many sets of runtimes, one after the other, for a part of its turns each: on which
/// cores the system puts two threads that wake each other is a matter of luck, and may stay as it is.
const ROUNDS: usize = 3;

/// What is measured on each peer in turn.
pub(crate) trait Work {
    const NAME: &'static str;
    /// What comes out, in this order; of all of them less is better.
    const UNITS: &'static [&'static str];
    const TURNS: usize = 41;
    /// Whether smol has what it takes.
    const ON_SMOL: bool = true;

    /// The values of [`UNITS`](Self::UNITS).
    fn turn<P: Peer>(peer: &P) -> Vec<f64>;
}

/// What one peer has done in all turns, by unit and turn.
struct Samples(Vec<Vec<f64>>);

impl Samples {
    fn new<W: Work>() -> Self {
        Samples(vec![Vec::new(); W::UNITS.len()])
    }

    fn take<W: Work, P: Peer>(&mut self, peer: &P) {
        let values = W::turn(peer);
        assert_eq!(values.len(), self.0.len(), "{}: a value for each unit", W::NAME);
        self.0.iter_mut().zip(values).for_each(|(samples, value)| samples.push(value));
    }
}

/// The least, the median and the greatest.
#[derive(Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

impl Spread {
    pub(crate) fn of(samples: impl IntoIterator<Item = f64>) -> Self {
        let mut samples: Vec<f64> = samples.into_iter().collect();
        samples.sort_by(f64::total_cmp);
        Spread {
            min: samples[0],
            median: samples[samples.len() / 2],
            max: samples[samples.len() - 1],
        }
    }
}

/// Runs some turns on a new set of runtimes.
fn run_turns<W: Work>(workers: usize, warm_up: usize, turns: usize, all: &mut [Samples; 3]) {
    let peers =
        (Preempt::new(workers), Tokio::new(workers), W::ON_SMOL.then(|| Smol::new(workers)));
    let mut discarded = [(); 3].map(|()| Samples::new::<W>());
    for turn in 0..warm_up + turns {
        let all = if turn < warm_up { &mut discarded } else { &mut *all };
        // Nobody is always behind the same one.
        for peer in (0..3).map(|position| (turn + position) % 3) {
            match (peer, &peers.2) {
                (0, _) => all[0].take::<W, _>(&peers.0),
                (1, _) => all[1].take::<W, _>(&peers.1),
                (_, Some(smol)) => all[2].take::<W, _>(smol),
                (_, None) => {}
            }
        }
    }
}

/// One unit of a row, for one number of workers.
pub(crate) struct Outcome {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) workers: usize,
    /// Medians.
    pub(crate) preempt: f64,
    pub(crate) tokio: f64,
    pub(crate) to_tokio: Spread,
    pub(crate) to_smol: Option<Spread>,
}

/// Runs all turns of a row with so many workers.
pub(crate) fn measure<W: Work>(workers: usize, quick: bool) -> Vec<Outcome> {
    let (rounds, warm_up, turns) =
        if quick { (1, 1, 3) } else { (ROUNDS, WARM_UP_TURNS, W::TURNS.div_ceil(ROUNDS)) };
    let mut all = [(); 3].map(|()| Samples::new::<W>());
    for _ in 0..rounds {
        run_turns::<W>(workers, warm_up, turns, &mut all);
    }
    let [preempt, tokio, smol] = &all;
    let outcome = |(unit, name): (usize, &&'static str)| {
        let ratios = |other: &Samples| {
            let pairs = other.0[unit].iter().zip(&preempt.0[unit]);
            Spread::of(pairs.map(|(other, preempt)| other / preempt))
        };
        Outcome {
            name: W::NAME,
            unit: name,
            workers,
            preempt: Spread::of(preempt.0[unit].iter().copied()).median,
            tokio: Spread::of(tokio.0[unit].iter().copied()).median,
            to_tokio: ratios(tokio),
            to_smol: W::ON_SMOL.then(|| ratios(smol)),
        }
    };
    W::UNITS.iter().enumerate().map(outcome).collect()
}
