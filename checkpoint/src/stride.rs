//! How many iterations a strip has, where syntax does not tell how long one takes.
//!
//! Each such loop has a [`Stride`] of its own, in a static. A loop that gets as far as the end of
//! a second strip has timed one, and adapts the stride so that the next takes about 2 us. Loops
//! that end within a strip never read the clock.
//!
//! Where a runtime decides at each check whether the poll gives way (`runtime::set_chooser`), time has no say:
//! there every strip has [`DECIDED`] iterations, and nothing is learned.

use crate::{call_hook_for_check, call_hook_or_unwind, local};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Ticks of the time-stamp counter, which counts 1 to 5 in a nanosecond: what a strip should take.
/// Checks come every 1 to 8 us then, and reading the clock, 10 ns, costs little beside them.
const SHORT: u64 = 3_000;
const LONG: u64 = 12_000;
const GOAL: u64 = 6_000;

/// Iterations that vectors of every width divide.
const VECTORS: u32 = 64;

/// The strips of a poll whose every check is a decision.
const DECIDED: usize = 1;

/// The stride of one loop, for all its executions.
#[derive(Debug)]
pub struct Stride {
    /// Not 0, which would be a strip that never ends.
    iterations: AtomicU32,
    most: u32,
}

impl Stride {
    /// Starts with strips of `first` iterations, and never makes them longer than `most`: it bounds
    /// what happens in a loop whose iterations take longer than they did before.
    #[must_use]
    pub const fn new(first: u32, most: u32) -> Self {
        Stride { iterations: AtomicU32::new(first), most }
    }

    /// How many iterations the next strip has, at least 1.
    #[inline(always)]
    #[must_use]
    pub fn get(&self) -> usize {
        // The flag is that of the check, which is near; while it is down nothing else is looked at.
        if local::with(|local| local.raised().has(local::REQUESTED)) && is_decided() {
            return DECIDED;
        }
        self.iterations.load(Relaxed) as usize
    }

    /// The check after a strip that started at `since`, in the clock's ticks, or 0 if that is not
    /// known. Returns when the next strip starts.
    #[inline(always)]
    #[must_use]
    pub fn end_strip(&self, since: u64) -> u64 {
        let now = self.time_strip(since);
        if local::with(|local| local.raised().has(local::REQUESTED)) {
            call_hook_for_check();
            // How long it was suspended says nothing about the loop.
            return ticks();
        }
        now
    }

    /// As [`end_strip`](Self::end_strip), with the check of `#[preemptible(cancel)]`.
    #[inline(always)]
    #[must_use]
    pub fn end_strip_or_cancel(&self, since: u64) -> u64 {
        let now = self.time_strip(since);
        if local::with(|local| local.raised().has_any()) {
            call_hook_or_unwind();
            return ticks();
        }
        now
    }

    /// Learns from the time that a strip took. Returns the time.
    #[inline(always)]
    fn time_strip(&self, since: u64) -> u64 {
        let now = ticks();
        if since != 0 {
            let took = now.wrapping_sub(since);
            if took.wrapping_sub(SHORT) > LONG - SHORT {
                self.adapt(took);
            }
        }
        now
    }

    /// Racing threads may overwrite what the other has learned, and learn it again.
    #[cold]
    #[inline(never)]
    fn adapt(&self, took: u64) {
        if is_decided() {
            return;
        }
        let stride = self.iterations.load(Relaxed);
        let next = if took < SHORT {
            stride.saturating_mul(2)
        } else {
            u32::try_from(u64::from(stride).saturating_mul(GOAL) / took).unwrap_or(stride)
        };
        let next = next.clamp(1, self.most);
        // Strips end where vectors do.
        let next = if next > VECTORS { next / VECTORS * VECTORS } else { next };
        if next != stride {
            self.iterations.store(next, Relaxed);
        }
    }
}

#[cold]
#[inline(never)]
fn is_decided() -> bool {
    local::with(|local| local.has_chooser())
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "an instruction that every such processor has")]
#[inline(always)]
fn ticks() -> u64 {
    // SAFETY: RDTSC is part of x86-64.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// Without a clock the stride stays what it is: a strip never seems to have been timed.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn ticks() -> u64 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(feature = "std")]
    use crate::runtime;

    #[test]
    fn short_strips_grow_and_long_ones_shrink_in_proportion() {
        let stride = Stride::new(16, 1024);
        stride.adapt(SHORT - 1);
        assert_eq!(stride.get(), 32);
        stride.adapt(GOAL * 8);
        assert_eq!(stride.get(), 4);
    }

    #[test]
    fn a_stride_stays_within_its_bounds() {
        let stride = Stride::new(16, 1024);
        stride.adapt(u64::MAX);
        assert_eq!(stride.get(), 1);
        for _ in 0..20 {
            stride.adapt(0);
        }
        assert_eq!(stride.get(), 1024);
    }

    #[cfg(feature = "std")]
    #[test]
    fn where_checks_are_decisions_strips_do_not_depend_on_time() {
        let stride = Stride::new(16, 1024);
        runtime::set_chooser(Some(|| false));
        assert_eq!(stride.get(), 16, "the flag is down");
        runtime::raise_request();
        stride.adapt(0);
        assert_eq!(stride.get(), DECIDED);
        runtime::uninstall();
        assert_eq!(stride.get(), 16, "nothing was learned");
    }

    #[test]
    fn the_first_strip_is_not_timed() {
        let stride = Stride::new(16, 1024);
        let now = stride.end_strip(0);
        assert_eq!(stride.get(), 16);
        assert_eq!(cfg!(target_arch = "x86_64"), now != 0);
    }
}
