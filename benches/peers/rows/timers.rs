//! Timers that fire, and those that do not.

use super::{NANOS, nanos_each};
use crate::cpu::cpu_time;
use crate::peers::Peer;
use crate::turns::Work;
use std::time::{Duration, Instant};

/// A limit that is never reached.
const FAR: Duration = Duration::from_secs(60);

/// Many tasks sleep once each, between 10 and 60 ms: CPU time of the whole process, as the time that
/// passes is that of the longest sleep.
pub(crate) struct ManySleeps;

impl Work for ManySleeps {
    const NAME: &'static str = "100,000 timers fire (spawn included)";
    const UNITS: &'static [&'static str] = &["ns of CPU"];
    const TURNS: usize = 15;

    fn turn<P: Peer>(peer: &P) -> Vec<f64> {
        const COUNT: u64 = 100_000;
        peer.run(async {
            let before = cpu_time();
            let tasks: Vec<_> = (0..COUNT)
                .map(|n| {
                    // Spread evenly, and not in order: 10,007 is a prime.
                    let micros = 10_000 + n * 10_007 % COUNT / 2;
                    P::spawn(P::sleep(Duration::from_micros(micros)))
                })
                .collect();
            for task in tasks {
                task.await;
            }
            vec![(cpu_time() - before).as_secs_f64() * 1e9 / COUNT as f64]
        })
    }
}

/// A future that is ready at its second poll, with a limit that is then taken back.
pub(crate) struct Timeouts;

impl Work for Timeouts {
    const NAME: &'static str = "timeout set and cancelled";
    const UNITS: &'static [&'static str] = NANOS;

    fn turn<P: Peer>(peer: &P) -> Vec<f64> {
        const COUNT: usize = 20_000;
        peer.run(async {
            let start = Instant::now();
            for _ in 0..COUNT {
                P::timeout(FAR, P::yield_now()).await.expect("in time");
            }
            nanos_each(start, COUNT)
        })
    }
}

/// The same among the timeouts of 10,000 other tasks.
pub(crate) struct TimeoutsAmongMany;

impl Work for TimeoutsAmongMany {
    const NAME: &'static str = "timeout set and cancelled, 10,000 others";
    const UNITS: &'static [&'static str] = NANOS;

    fn turn<P: Peer>(peer: &P) -> Vec<f64> {
        const TASKS: usize = 10_000;
        const ROUNDS: usize = 4;
        async fn request<P: Peer>() {
            for _ in 0..ROUNDS {
                P::timeout(FAR, P::yield_now()).await.expect("in time");
            }
        }
        peer.run(async {
            let start = Instant::now();
            let tasks: Vec<_> = (0..TASKS).map(|_| P::spawn(request::<P>())).collect();
            for task in tasks {
                task.await;
            }
            nanos_each(start, TASKS * ROUNDS)
        })
    }
}
