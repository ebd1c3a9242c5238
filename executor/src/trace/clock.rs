//! The clock of whatever is observed: the processor's time stamp counter where the kernel itself goes
//! by it, else the system's clock.
//!
//! A reading of the counter takes 9 ns, one of `Instant` 22 ns (AMD EPYC virtual machine, Linux 6.18,
//! 2026-11-25, a loop of 20 million). The kernel uses the counter as its clock source only if it has
//! found it to be constant and the same on all processors, so its choice is ours.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Whether the counter is the clock. Set before anything is observed.
static IS_COUNTER: AtomicBool = AtomicBool::new(false);
/// When the clock was first used, by both clocks.
static START: OnceLock<Reading> = OnceLock::new();

/// For a scale that is right to a part in a thousand: a reading is right to some 50 ns.
const SHORTEST_SPAN: Duration = Duration::from_micros(200);

/// One moment by both clocks.
#[derive(Clone, Copy, Debug)]
struct Reading {
    ticks: u64,
    instant: Instant,
}

impl Reading {
    fn now() -> Self {
        Reading { ticks: ticks(), instant: Instant::now() }
    }
}

/// To be called before the first reading.
pub(crate) fn prepare() {
    START.get_or_init(|| {
        IS_COUNTER.store(is_counter_good(), Relaxed);
        Reading { ticks: counter(), instant: Instant::now() }
    });
}

/// The time, in units of its own. Never zero.
#[inline]
pub(crate) fn ticks() -> u64 {
    if IS_COUNTER.load(Relaxed) { counter() } else { system_ticks() }
}

/// As [`ticks`], for a signal handler: only by the counter, which is one instruction.
#[inline]
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
pub(crate) fn ticks_in_handler() -> Option<u64> {
    IS_COUNTER.load(Relaxed).then(counter)
}

#[cold]
fn system_ticks() -> u64 {
    let start = START.get().map_or_else(Instant::now, |start| start.instant);
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1)
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn counter() -> u64 {
    // SAFETY: every processor of this architecture has the instruction.
    unsafe { std::arch::x86_64::_rdtsc() }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn counter() -> u64 {
    1
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn is_counter_good() -> bool {
    let path = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    std::fs::read(path).is_ok_and(|source| source.trim_ascii() == b"tsc")
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
fn is_counter_good() -> bool {
    false
}

/// From ticks to nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    nanos_per_tick: f64,
}

impl Scale {
    /// By all the time since [`prepare`]: the longer that was ago, the better.
    pub(crate) fn measure() -> Self {
        prepare();
        let start = START.get().copied().unwrap_or_else(Reading::now);
        while start.instant.elapsed() < SHORTEST_SPAN {
            std::hint::spin_loop();
        }
        let now = Reading::now();
        let nanos = now.instant.duration_since(start.instant).as_nanos() as f64;
        let ticks = now.ticks.saturating_sub(start.ticks).max(1) as f64;
        let is_counter = IS_COUNTER.load(Relaxed);
        Scale { nanos_per_tick: if is_counter { nanos / ticks } else { 1.0 } }
    }

    /// Measured once, for what is counted as it happens.
    pub(crate) fn fixed() -> Self {
        static SCALE: OnceLock<Scale> = OnceLock::new();
        *SCALE.get_or_init(Scale::measure)
    }

    /// How long so many ticks are.
    pub(crate) fn nanos(&self, ticks: u64) -> u64 {
        (ticks as f64 * self.nanos_per_tick) as u64
    }

    /// How many ticks a time is.
    pub(crate) fn ticks(&self, time: Duration) -> u64 {
        (time.as_nanos() as f64 / self.nanos_per_tick) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_as_fast_as_the_system_clock() {
        prepare();
        let (from, began) = (ticks(), Instant::now());
        std::thread::sleep(Duration::from_millis(20));
        let (to, took) = (ticks(), began.elapsed());
        let by_ticks = Scale::measure().nanos(to - from) as f64;
        let ratio = by_ticks / took.as_nanos() as f64;
        assert!((0.9..1.1).contains(&ratio), "{ratio}");
    }
}
