//! Tasks that want a worker for themselves. They count until they are told to stop, by a thread that no
//! task runs on: on a cooperative runtime no task could.

use crate::peers::Peer;
use preempt::preemptible;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// How a hog is written.
#[derive(Clone, Copy)]
pub(crate) enum Hog {
    /// As if it were alone.
    Plain,
    /// With preempt's attribute.
    Annotated,
    /// On a thread for blocking work.
    Blocking,
    /// Yields when [`PATIENCE`] is over.
    ByHand,
}

/// Between two yields that are written by hand.
const PATIENCE: Duration = Duration::from_micros(100);

impl Hog {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Hog::Plain => "plain",
            Hog::Annotated => "#[preemptible]",
            Hog::Blocking => "spawn_blocking",
            Hog::ByHand => "yield by hand, 100 us",
        }
    }

    /// The task returns its count.
    pub(crate) fn spawn<P: Peer>(self, peer: &P, stop: &Arc<AtomicBool>) -> P::Join<u64> {
        let stop = stop.clone();
        match self {
            Hog::Plain => peer.spawn_from_outside(async move { plain(&stop) }),
            Hog::Annotated => peer.spawn_from_outside(async move { annotated(&stop) }),
            Hog::Blocking => {
                peer.spawn_from_outside(async { P::spawn_blocking(move || plain(&stop)).await })
            }
            Hog::ByHand => peer.spawn_from_outside(by_hand::<P>(stop)),
        }
    }
}

/// No call and no await.
fn plain(stop: &AtomicBool) -> u64 {
    let mut count = 0;
    while !stop.load(Relaxed) {
        count += 1;
    }
    count
}

#[preemptible]
fn annotated(stop: &AtomicBool) -> u64 {
    let mut count = 0;
    while !stop.load(Relaxed) {
        count += 1;
    }
    count
}

async fn by_hand<P: Peer>(stop: Arc<AtomicBool>) -> u64 {
    /// So that the clock costs little.
    const TURNS: u64 = 1_000;
    let (mut count, mut since) = (0, Instant::now());
    while !stop.load(Relaxed) {
        (0..TURNS).for_each(|_| count = black_box(count + 1));
        if since.elapsed() >= PATIENCE {
            P::yield_now().await;
            since = Instant::now();
        }
    }
    count
}
