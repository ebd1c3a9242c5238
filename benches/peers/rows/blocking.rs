//! Closures on threads for blocking work.

use super::{NANOS, nanos_each};
use crate::peers::Peer;
use crate::turns::Work;
use std::time::Instant;

/// One after the other.
pub(crate) struct BlockingEach;

impl Work for BlockingEach {
    const NAME: &'static str = "spawn_blocking, await each";
    const UNITS: &'static [&'static str] = NANOS;

    fn turn<P: Peer>(peer: &P) -> Vec<f64> {
        const COUNT: usize = 1_000;
        peer.run(async {
            let start = Instant::now();
            for _ in 0..COUNT {
                P::spawn_blocking(|| ()).await;
            }
            nanos_each(start, COUNT)
        })
    }
}

/// Many at a time.
pub(crate) struct BlockingMany;

impl Work for BlockingMany {
    const NAME: &'static str = "spawn_blocking 100, await all";
    const UNITS: &'static [&'static str] = NANOS;

    fn turn<P: Peer>(peer: &P) -> Vec<f64> {
        const ROUNDS: usize = 10;
        const COUNT: usize = 100;
        peer.run(async {
            let start = Instant::now();
            for _ in 0..ROUNDS {
                let jobs: Vec<_> = (0..COUNT).map(|_| P::spawn_blocking(|| ())).collect();
                for job in jobs {
                    job.await;
                }
            }
            nanos_each(start, ROUNDS * COUNT)
        })
    }
}
