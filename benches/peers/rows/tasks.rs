//! Spawning, yielding and waking.

use super::{NANOS, nanos_each};
use crate::peers::Peer;
use crate::turns::Work;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{Notify, oneshot};

/// A task spawns another and waits for it, again and again.
pub(crate) struct SpawnAndAwait;

impl Work for SpawnAndAwait {
    const NAME: &'static str = "spawn inside, await each";
    const UNITS: &'static [&'static str] = NANOS;

    fn turn<P: Peer>(peer: &P) -> Vec<f64> {
        const COUNT: usize = 20_000;
        peer.run(async {
            let start = Instant::now();
            for _ in 0..COUNT {
                P::spawn(async {}).await;
            }
            nanos_each(start, COUNT)
        })
    }
}

/// A task spawns many, then waits for them.
pub(crate) struct SpawnMany;

impl Work for SpawnMany {
    const NAME: &'static str = "spawn inside 1,000, await all";
    const UNITS: &'static [&'static str] = NANOS;

    fn turn<P: Peer>(peer: &P) -> Vec<f64> {
        const ROUNDS: usize = 20;
        const COUNT: usize = 1_000;
        peer.run(async {
            let mut tasks = Vec::with_capacity(COUNT);
            let start = Instant::now();
            for _ in 0..ROUNDS {
                tasks.extend((0..COUNT).map(|_| P::spawn(async {})));
                for task in tasks.drain(..) {
                    task.await;
                }
            }
            nanos_each(start, ROUNDS * COUNT)
        })
    }
}

/// A thread that is no worker spawns many tasks, then waits for them.
pub(crate) struct SpawnFromOutside;

impl Work for SpawnFromOutside {
    const NAME: &'static str = "spawn from outside 1,000, await all";
    const UNITS: &'static [&'static str] = NANOS;

    fn turn<P: Peer>(peer: &P) -> Vec<f64> {
        const ROUNDS: usize = 20;
        const COUNT: usize = 1_000;
        let mut tasks = Vec::with_capacity(COUNT);
        let start = Instant::now();
        for _ in 0..ROUNDS {
            tasks.extend((0..COUNT).map(|_| peer.spawn_from_outside(async {})));
            peer.block_on(async {
                for task in tasks.drain(..) {
                    task.await;
                }
            });
        }
        nanos_each(start, ROUNDS * COUNT)
    }
}

/// A thread that is no worker spawns a task and waits for it: both go to sleep in between.
pub(crate) struct RoundTripFromOutside;

impl Work for RoundTripFromOutside {
    const NAME: &'static str = "spawn from outside, await each";
    const UNITS: &'static [&'static str] = NANOS;

    fn turn<P: Peer>(peer: &P) -> Vec<f64> {
        const COUNT: usize = 1_000;
        let start = Instant::now();
        for _ in 0..COUNT {
            peer.run(async {});
        }
        nanos_each(start, COUNT)
    }
}

/// One task that yields, with nobody to yield to.
pub(crate) struct YieldAlone;

impl Work for YieldAlone {
    const NAME: &'static str = "yield, alone";
    const UNITS: &'static [&'static str] = NANOS;

    fn turn<P: Peer>(peer: &P) -> Vec<f64> {
        const COUNT: usize = 50_000;
        peer.run(async {
            let start = Instant::now();
            for _ in 0..COUNT {
                P::yield_now().await;
            }
            nanos_each(start, COUNT)
        })
    }
}

/// Many tasks that yield.
pub(crate) struct YieldAmongMany;

impl Work for YieldAmongMany {
    const NAME: &'static str = "yield, 100 tasks";
    const UNITS: &'static [&'static str] = NANOS;

    fn turn<P: Peer>(peer: &P) -> Vec<f64> {
        const TASKS: usize = 100;
        const YIELDS: usize = 500;
        async fn yields<P: Peer>() {
            for _ in 0..YIELDS {
                P::yield_now().await;
            }
        }
        peer.run(async {
            let start = Instant::now();
            let tasks: Vec<_> = (0..TASKS).map(|_| P::spawn(yields::<P>())).collect();
            for task in tasks {
                task.await;
            }
            nanos_each(start, TASKS * YIELDS)
        })
    }
}

/// A task and another that it spawns send each other a message, each by a channel for one message.
pub(crate) struct PingPong;

impl Work for PingPong {
    const NAME: &'static str = "ping-pong (oneshot)";
    const UNITS: &'static [&'static str] = NANOS;

    fn turn<P: Peer>(peer: &P) -> Vec<f64> {
        const COUNT: usize = 10_000;
        peer.run(async {
            let start = Instant::now();
            for _ in 0..COUNT {
                let (ping, pinged) = oneshot::channel();
                let (pong, ponged) = oneshot::channel();
                P::detach(P::spawn(async {
                    pinged.await.expect("a ping");
                    pong.send(()).expect("somebody waits");
                }));
                ping.send(()).expect("somebody waits");
                ponged.await.expect("a pong");
            }
            nanos_each(start, COUNT)
        })
    }
}

/// Two tasks that wake each other in turn.
pub(crate) struct WakeEachOther;

impl Work for WakeEachOther {
    const NAME: &'static str = "two tasks wake each other";
    const UNITS: &'static [&'static str] = NANOS;

    fn turn<P: Peer>(peer: &P) -> Vec<f64> {
        const COUNT: usize = 20_000;
        peer.run(async {
            let (ping, pong) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
            let other = P::spawn({
                let (ping, pong) = (ping.clone(), pong.clone());
                async move {
                    for _ in 0..COUNT {
                        ping.notified().await;
                        pong.notify_one();
                    }
                }
            });
            let start = Instant::now();
            for _ in 0..COUNT {
                ping.notify_one();
                pong.notified().await;
            }
            let nanos = nanos_each(start, COUNT);
            other.await;
            nanos
        })
    }
}

/// Each task spawns the next; the last one tells the first.
pub(crate) struct ChainedSpawn;

impl Work for ChainedSpawn {
    const NAME: &'static str = "chained spawn, 1,000 deep";
    const UNITS: &'static [&'static str] = NANOS;

    fn turn<P: Peer>(peer: &P) -> Vec<f64> {
        const ROUNDS: usize = 20;
        const DEPTH: usize = 1_000;
        fn link<P: Peer>(
            done: oneshot::Sender<()>,
            left: usize,
        ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
            Box::pin(async move {
                match left {
                    0 => done.send(()).expect("somebody waits"),
                    _ => P::detach(P::spawn(link::<P>(done, left - 1))),
                }
            })
        }
        peer.run(async {
            let start = Instant::now();
            for _ in 0..ROUNDS {
                let (done, all_done) = oneshot::channel();
                P::detach(P::spawn(link::<P>(done, DEPTH)));
                all_done.await.expect("the end of the chain");
            }
            nanos_each(start, ROUNDS * DEPTH)
        })
    }
}
