//! The number of processors follows the limits: the thread that reads them again.
//!
//! Reading files allocates and may wait, which the monitor must not. It only notes that a second has gone
//! by in which the runtime was not idle, and unparks the thread, which it starts the first time. While the
//! runtime is idle the monitor does not look, so nobody wakes up: the first work afterwards finds the
//! second gone by.
//!
//! # A number that is set by hand
//! It stays, whatever this thread is about to do. Who sets it writes `by_hand` and then changes the number;
//! this thread changes the number and then reads `by_hand`. Either it sees the write, and changes the
//! number once more, to that one; or the write comes later, and so does the change that follows it.

use crate::report;
use crate::runtime::Config;
use crate::scheduler::Scheduler;
use crate::scheduler::parker::Parker;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::*};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// How often the limits are read while the runtime works. Go: up to once a second.
const PERIOD: Duration = Duration::from_secs(1);

/// The way to the thread.
#[derive(Debug)]
pub(crate) struct Follower {
    is_on: bool,
    epoch: Instant,
    /// When the thread was last told to read, or the runtime was built: nanoseconds after the epoch. The
    /// monitor's.
    told_at: AtomicU64,
    started: AtomicBool,
    /// The number that was set by hand; zero: none was.
    by_hand: AtomicUsize,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    parker: Parker,
    stopped: AtomicBool,
}

impl Follower {
    pub(crate) fn new(config: &Config) -> Self {
        Follower {
            is_on: config.follow_cpu_limits,
            epoch: Instant::now(),
            told_at: AtomicU64::new(0),
            started: AtomicBool::new(false),
            by_hand: AtomicUsize::new(0),
            shared: Arc::new(Shared { parker: Parker::new(), stopped: AtomicBool::new(false) }),
        }
    }

    /// For the monitor, at every look.
    pub(crate) fn tend(&self, scheduler: &Scheduler) {
        if !self.is_on || self.by_hand.load(Relaxed) != 0 || scheduler.idle.all_sleep() {
            return;
        }
        let now = u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let told_at = self.told_at.load(Relaxed);
        if u128::from(now.saturating_sub(told_at)) < PERIOD.as_nanos() {
            return;
        }
        self.told_at.store(now, Relaxed);
        self.start_once(scheduler);
        let _done = self.shared.parker.unpark();
    }

    /// Without a thread the number stays as it is.
    fn start_once(&self, scheduler: &Scheduler) {
        if self.started.swap(true, Relaxed) {
            return;
        }
        let work = Work {
            scheduler: scheduler.downgrade(),
            shared: self.shared.clone(),
            count: scheduler.config.processors,
            has_warned: false,
        };
        let body = move || work.run();
        if let Err(error) = thread::Builder::new().name("preempt-limits".to_owned()).spawn(body) {
            report::warn(format_args!(
                "the number of worker threads does not follow the CPU limits, for want of a thread: \
                 {error}"
            ));
        }
    }

    /// The number is set by hand, which ends the following for good, unless it is one that cannot be.
    pub(crate) fn give_way_to(
        &self,
        count: usize,
        set: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        // SeqCst: pairs with `set`, see above.
        let before = self.by_hand.swap(count, SeqCst);
        let result = set();
        if result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::InvalidInput) {
            self.by_hand.store(before, SeqCst);
        }
        result
    }

    /// The runtime is over.
    pub(crate) fn stop(&self) {
        self.shared.stopped.store(true, SeqCst);
        let _done = self.shared.parker.unpark();
    }

    /// Sets the number of processors, unless it is set by hand.
    fn set(&self, count: usize, mut set: impl FnMut(usize) -> io::Result<()>) -> io::Result<()> {
        let mut by_hand = self.by_hand.load(SeqCst);
        if by_hand != 0 {
            return Ok(());
        }
        let mut result = set(count);
        // SeqCst: pairs with `give_way_to`, see above.
        loop {
            let now = self.by_hand.load(SeqCst);
            if now == by_hand {
                return result;
            }
            by_hand = now;
            // Zero again: it was one that cannot be.
            result = set(if by_hand == 0 { count } else { by_hand });
        }
    }
}

struct Work {
    scheduler: Weak<Scheduler>,
    shared: Arc<Shared>,
    /// What the limits allowed when the number was last set.
    count: usize,
    has_warned: bool,
}

impl Work {
    fn run(mut self) {
        loop {
            self.shared.parker.park();
            if self.shared.stopped.load(SeqCst) {
                return;
            }
            let Some(scheduler) = self.scheduler.upgrade() else { return };
            self.follow(&scheduler);
        }
    }

    fn follow(&mut self, scheduler: &Scheduler) {
        let limits = scheduler.cpus.read_and_warn();
        // There is room for all that the machine had when the runtime was built.
        let count = limits.processors(scheduler.config.quota_rounding);
        let count = count.min(scheduler.config.most_processors);
        if count == self.count {
            return;
        }
        match scheduler.follower.set(count, |count| scheduler.set_processors(count)) {
            Ok(()) => self.count = count,
            // Tried again in a second.
            Err(error) if !scheduler.is_closed() && !self.has_warned => {
                self.has_warned = true;
                report::warn(format_args!(
                    "this process may now use {count} processors, but the number of worker threads \
                     stays at {}: {error}",
                    self.count
                ));
            }
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    fn follower() -> Follower {
        Follower {
            is_on: true,
            epoch: Instant::now(),
            told_at: AtomicU64::new(0),
            started: AtomicBool::new(false),
            by_hand: AtomicUsize::new(0),
            shared: Arc::new(Shared { parker: Parker::new(), stopped: AtomicBool::new(false) }),
        }
    }

    #[test]
    fn a_number_that_was_set_by_hand_stays() {
        let follower = follower();
        follower.give_way_to(3, || Ok(())).unwrap();
        follower.set(2, |_| unreachable!("it is set by hand")).unwrap();
    }

    #[test]
    fn a_number_that_is_set_by_hand_meanwhile_is_the_last() {
        let follower = follower();
        let set = RefCell::new(Vec::new());
        follower
            .set(2, |count| {
                let by_hand = match set.borrow().len() {
                    0 => follower.give_way_to(3, || Ok(())),
                    1 => follower.give_way_to(4, || Ok(())),
                    _ => Ok(()),
                };
                set.borrow_mut().push(count);
                by_hand
            })
            .unwrap();
        assert_eq!(*set.borrow(), [2, 3, 4]);
    }

    #[test]
    fn a_number_that_cannot_be_set_by_hand_changes_nothing() {
        let follower = follower();
        let refused = follower.give_way_to(99, || Err(io::ErrorKind::InvalidInput.into()));
        assert!(refused.is_err());
        let mut set = Vec::new();
        follower
            .set(2, |count| {
                set.push(count);
                Ok(())
            })
            .unwrap();
        assert_eq!(set, [2]);
    }
}
