//! Since when somebody has waited for a processor: what a poll that goes on is charged with.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

/// Written by the monitor at its looks, read by polls that are suspended.
#[derive(Debug)]
pub(crate) struct Waits {
    /// Nanoseconds after the epoch, and one; zero: nobody waits.
    since: AtomicU64,
    epoch: Instant,
}

impl Waits {
    pub(crate) fn new() -> Self {
        Waits { since: AtomicU64::new(0), epoch: Instant::now() }
    }

    fn nanos(&self, instant: Instant) -> u64 {
        let nanos = instant.saturating_duration_since(self.epoch).as_nanos();
        u64::try_from(nanos).unwrap_or(u64::MAX - 1) + 1
    }

    /// The monitor has looked.
    pub(crate) fn note(&self, somebody_waits: bool) {
        let since = self.since.load(Relaxed);
        if !somebody_waits {
            if since != 0 {
                self.since.store(0, Relaxed);
            }
        } else if since == 0 {
            self.since.store(self.nanos(Instant::now()), Relaxed);
        }
    }

    /// How long somebody has waited behind a poll that has run since then, in nanoseconds.
    pub(crate) fn behind(&self, runs_since: Option<Instant>) -> u64 {
        match self.since.load(Relaxed) {
            0 => 0,
            since => {
                let begin = runs_since.map_or(0, |instant| self.nanos(instant)).max(since);
                self.nanos(Instant::now()).saturating_sub(begin)
            }
        }
    }
}
