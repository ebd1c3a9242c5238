//! How much time lies between two checks.
//!
//! The annotated code runs on a thread whose flag is raised and stays raised, so that each check
//! calls the hook, and the hook writes down how long ago it was left last. A call is taken as one of
//! many in a row: what comes after its last check and before its first one are one gap.
//!
//! The calls of the hook slow the loop down: values go to memory that stay in registers otherwise.
//! The time in the hook itself is not counted, but what lies around it is, 5 to 20 ns per gap. So a
//! gap is overstated by that, and gaps below it cannot be told from each other. How many checks
//! there are per millisecond is reliable, because they are counted here and the time is taken from
//! the run without a hook.
//!
//! The machine's interruptions lengthen gaps too, so the call is repeated, and the one with the
//! shortest longest gap is taken. A gap of it that was much shorter in another call is taken from
//! there, if the calls have as many checks each. The time stamp counter may have steps, of 10 ns on
//! some processors: always to take the shortest would make all gaps below that 0.

use crate::kernel::Run;
use preempt_checkpoint::runtime;
use std::cell::{Cell, RefCell};
use std::hint::black_box;
use std::time::{Duration, Instant};

const MIN_PASSES: u32 = 5;
const MAX_PASSES: u32 = 50;
/// When no further pass is begun.
const ENOUGH: Duration = Duration::from_millis(60);

/// A gap that is longer by this than in another call was interrupted.
const INTERRUPTED_US: f64 = 0.1;

pub(crate) struct Gaps {
    pub(crate) checks_per_call: usize,
    /// Microseconds; of the instants of a call, half are in gaps that are not longer.
    pub(crate) p50_us: f64,
    /// As `p50_us`, 99 of 100 instants.
    pub(crate) p99_us: f64,
    pub(crate) max_us: f64,
}

thread_local! {
    /// When the hook was left, by [`ticks`].
    static LEFT: Cell<u64> = const { Cell::new(0) };
    static RECORD: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// Leaves the request as it is: raised.
fn hook() {
    let gap = ticks().saturating_sub(LEFT.get());
    RECORD.with_borrow_mut(|record| record.push(gap));
    LEFT.set(ticks());
}

pub(crate) fn measure(run: &Run, ticks_per_us: f64) -> Gaps {
    let mut quietest = Pass::record(run);
    let mut shortest = quietest.clone();
    let start = Instant::now();
    let mut passes = 1;
    while passes < MIN_PASSES || (passes < MAX_PASSES && start.elapsed() < ENOUGH) {
        let pass = Pass::record(run);
        shortest.replace_by_shorter(&pass, 0);
        if pass.max() < quietest.max() {
            quietest = pass;
        }
        passes += 1;
    }
    quietest.replace_by_shorter(&shortest, (INTERRUPTED_US * ticks_per_us) as u64);
    quietest.gaps.sort_unstable();
    let us = |ticks: u64| ticks as f64 / ticks_per_us;
    Gaps {
        checks_per_call: quietest.checks,
        p50_us: us(quietest.gap_at(0.5)),
        p99_us: us(quietest.gap_at(0.99)),
        max_us: us(quietest.max()),
    }
}

/// One call.
#[derive(Clone)]
struct Pass {
    checks: usize,
    /// In ticks; as many as there are checks, or one if there are none.
    gaps: Vec<u64>,
}

impl Pass {
    fn record(run: &Run) -> Self {
        RECORD.with_borrow_mut(Vec::clear);
        runtime::install(hook);
        // SAFETY: the flag is this thread's own.
        unsafe { runtime::this_thread().request_remote() };
        LEFT.set(ticks());
        black_box(run());
        hook();
        runtime::uninstall();
        let mut gaps = RECORD.with_borrow(Vec::clone);
        let checks = gaps.len() - 1;
        if checks > 0 {
            gaps[0] += gaps.pop().unwrap_or(0);
        }
        Pass { checks, gaps }
    }

    fn max(&self) -> u64 {
        self.gaps.iter().copied().fold(0, u64::max)
    }

    /// Takes the gaps of `other` that are shorter by more than `slack`. None if the calls differ.
    fn replace_by_shorter(&mut self, other: &Self, slack: u64) {
        if self.checks != other.checks {
            return;
        }
        for (gap, other) in self.gaps.iter_mut().zip(&other.gaps) {
            if *gap > *other + slack {
                *gap = *other;
            }
        }
    }

    /// The gap that an instant lies in, the gaps, which are sorted, being laid end to end.
    fn gap_at(&self, share: f64) -> u64 {
        let total: u64 = self.gaps.iter().sum();
        let mut left = (total as f64 * share) as u64;
        for &gap in &self.gaps {
            if left < gap {
                return gap;
            }
            left -= gap;
        }
        self.gaps[self.gaps.len() - 1]
    }
}

/// The clock of this file: cheap, because it is read twice per check.
#[cfg(target_arch = "x86_64")]
fn ticks() -> u64 {
    // SAFETY: every x86-64 processor has the instruction.
    unsafe { core::arch::x86_64::_rdtsc() }
}

#[cfg(not(target_arch = "x86_64"))]
fn ticks() -> u64 {
    thread_local! {
        static START: Instant = Instant::now();
    }
    START.with(|start| start.elapsed().as_nanos() as u64)
}

/// The rate of the clock of this file.
pub(crate) fn ticks_per_us() -> f64 {
    let (start, from) = (Instant::now(), ticks());
    while start.elapsed() < Duration::from_millis(20) {}
    (ticks() - from) as f64 / (start.elapsed().as_secs_f64() * 1e6)
}
