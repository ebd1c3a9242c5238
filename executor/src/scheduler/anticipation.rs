//! Whether it pays to wait a moment for fresh work before the background has the processor.
//!
//! A server that is faster than its clients has nothing to do again and again for a few microseconds.
//! Each time a hog of the background would go on, and would have to be stopped by way of the monitor
//! when the next request comes, which takes longer than the request. (Disk schedulers that expect
//! the next request nearby do the same: Iyer and Druschel, "Anticipatory scheduling", SOSP 2001.)
//!
//! It pays if the last time was regretted: the background had the processor, and fresh work came
//! right afterwards. It does not pay any more when a wait was in vain. The background loses nothing of
//! the time that it is promised, see `background.rs`.
//!
//! Owned by a seat, and touched by its machine only.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// For less it was a mistake to let the background have the processor: about what it takes to stop a
/// hog, several times over.
const REGRET: Duration = Duration::from_micros(300);

#[derive(Debug, Default)]
pub(super) struct Anticipation {
    is_worth_it: Cell<bool>,
    /// Since when the background has had the processor, if nothing fresh has run since.
    background_since: Cell<Option<Instant>>,
}

impl Anticipation {
    pub(super) fn is_worth_it(&self) -> bool {
        self.is_worth_it.get()
    }

    /// No fresh work came in the time that was waited.
    pub(super) fn was_in_vain(&self) {
        self.is_worth_it.set(false);
    }

    /// The background gets the processor.
    pub(super) fn background(&self) {
        self.background_since.set(Some(Instant::now()));
    }

    /// Fresh work runs.
    pub(super) fn fresh(&self) {
        if let Some(since) = self.background_since.take()
            && since.elapsed() < REGRET
        {
            self.is_worth_it.set(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_pays_after_a_regret_until_it_is_in_vain() {
        let anticipation = Anticipation::default();
        anticipation.fresh();
        assert!(!anticipation.is_worth_it(), "the background did not have the processor");
        anticipation.background_since.set(Instant::now().checked_sub(REGRET * 2));
        anticipation.fresh();
        assert!(!anticipation.is_worth_it(), "it had it for long");
        anticipation.background_since.set(Some(Instant::now() + REGRET));
        anticipation.fresh();
        assert!(anticipation.is_worth_it());
        anticipation.fresh();
        assert!(anticipation.is_worth_it());
        anticipation.was_in_vain();
        assert!(!anticipation.is_worth_it());
    }
}
