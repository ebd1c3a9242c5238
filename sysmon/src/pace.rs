//! How long the monitor sleeps between two looks.
//!
//! As in Go: 20 us at first, doubling after 50 looks at which nothing was done, at most 10 ms. After
//! something was done it is 20 us for 8 looks only: what was begun has its next step within that time, and
//! hogs that take turns would else be watched all the time (7% of two cores). While somebody waits the pause
//! is capped at an eighth of the time slice, so that a slice is overrun by an eighth at most (Go overruns its
//! own by 100%: its measured slice is 20.3 ms). While nothing runs it doubles at once, up to the same: a hog
//! may be the first of a burst that begins then. While nobody waits for events it is at most 1 ms: so long may an event go unnoticed
//! while each processor that is at work is in a longer poll.

use std::time::Duration;

const SHORTEST: Duration = Duration::from_micros(20);
const LONGEST: Duration = Duration::from_millis(10);
const LONGEST_UNATTENDED: Duration = Duration::from_millis(1);
const LOOKS_BEFORE_DOUBLING: u32 = 50;
const LOOKS_AFTER_ACTION: u32 = 8;

#[derive(Debug)]
pub(crate) struct Pace {
    quiet_looks: u32,
    pause: Duration,
}

impl Pace {
    pub(crate) fn new() -> Self {
        Pace { quiet_looks: 0, pause: SHORTEST }
    }

    /// The monitor acted: what it started may need the next step soon.
    pub(crate) fn quicken(&mut self) {
        let quiet_looks = LOOKS_BEFORE_DOUBLING - LOOKS_AFTER_ACTION;
        *self = Pace { quiet_looks: self.quiet_looks.min(quiet_looks), pause: SHORTEST };
    }

    /// The pause before the next look. `is_unattended`: nobody waits for events. `is_idle`: nothing has
    /// run since the last look.
    pub(crate) fn next(
        &mut self,
        somebody_waits: bool,
        is_unattended: bool,
        is_idle: bool,
        time_slice: Duration,
    ) -> Duration {
        if self.quiet_looks < LOOKS_BEFORE_DOUBLING && !is_idle {
            self.quiet_looks += 1;
        } else {
            self.pause = (self.pause * 2).min(LONGEST);
        }
        let longest = if is_unattended { LONGEST_UNATTENDED } else { LONGEST };
        let is_short = somebody_waits || is_idle;
        let longest = if is_short { longest.min(time_slice / 8) } else { longest };
        self.pause.min(longest.max(SHORTEST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLICE: Duration = Duration::from_millis(10);

    #[test]
    fn it_doubles_after_fifty_quiet_looks_up_to_ten_milliseconds() {
        let mut pace = Pace::new();
        for _ in 0..50 {
            assert_eq!(pace.next(false, false, false, SLICE), SHORTEST);
        }
        assert_eq!(pace.next(false, false, false, SLICE), SHORTEST * 2);
        let slowest = (0..20).map(|_| pace.next(false, false, false, SLICE)).last();
        assert_eq!(slowest, Some(LONGEST));
        pace.quicken();
        for _ in 0..8 {
            assert_eq!(pace.next(false, false, false, SLICE), SHORTEST);
        }
        assert_eq!(pace.next(false, false, false, SLICE), SHORTEST * 2);
    }

    #[test]
    fn while_nothing_runs_it_doubles_at_once() {
        let mut pace = Pace::new();
        let pauses: Vec<_> = (0..9).map(|_| pace.next(false, false, true, SLICE)).collect();
        assert_eq!((pauses[0], pauses[1], pauses[8]), (SHORTEST * 2, SHORTEST * 4, SLICE / 8));
    }

    #[test]
    fn while_somebody_waits_it_looks_eight_times_a_slice() {
        let mut pace = Pace::new();
        let slowest = (0..100).map(|_| pace.next(true, false, false, SLICE)).last();
        assert_eq!(slowest, Some(SLICE / 8));
    }

    #[test]
    fn while_nobody_waits_for_events_it_looks_each_millisecond() {
        let mut pace = Pace::new();
        let slowest = (0..100).map(|_| pace.next(false, true, false, SLICE)).last();
        assert_eq!(slowest, Some(LONGEST_UNATTENDED));
    }
}
