//! Which processors sleep, and how many look for work: decides whom new work wakes.
//!
//! # Protocol
//! A machine that finds nothing to do *searches* (steals); at most half of the processors search
//! at a time. One that searched in vain *parks* together with its processor. New work wakes one
//! sleeper if nobody searches, and the sleeper wakes up searching. The last searcher that finds
//! work wakes another, so that a burst of work wakes the machines one after the other and a single
//! task wakes one.
//!
//! # No task is left behind while a processor sleeps (proof sketch)
//! Whoever makes a task visible in a queue then calls `pick_sleeper`; whoever parks first calls
//! `park` and then looks at the queues. What either side writes (queue; `state`) and then reads
//! (`state`; queues) is written and read sequentially consistently, so at least one of them sees the
//! other. (Loom has that order for fences only: there each side has one in between. Elsewhere a fence
//! would cost each yield as much as its push.)
//! * the pusher sees the sleeper, and wakes it unless somebody searches;
//! * if somebody searches, that searcher either finds the task or parks later, and whoever parks when
//!   nobody else searches looks at all queues after its own `park`;
//! * a searcher that stops searching without having looked, because its processor retires
//!   (`resize.rs`), wakes a sleeper if it was the last; and whoever was about to park beside it finds
//!   that nobody searches, by the line above (found by `loom_push_against_a_retirement`).
//!
//! The same argument covers a machine that has lost its processor and still pushes to its queue:
//! it checks its ownership after the push (`Processors` push functions) and then wakes somebody.
//!
//! Models: `loom_*` at the end of this file.

use crate::sync::{AtomicU64, Mutex, fence_for_loom};
use std::sync::atomic::Ordering::SeqCst;

/// Three counts in one word, from its low end: who searches, who is awake (searchers included), who
/// sleeps. Processors that have retired are in none of them.
const SEARCHING: u64 = 1;
const AWAKE: u64 = 1 << FIELD_BITS;
const SLEEPING: u64 = 1 << (2 * FIELD_BITS);
const FIELD_BITS: u32 = 20;
const FIELD_MASK: u64 = AWAKE - 1;

/// More than this many processors are a mistake; the counts have room for them.
pub(crate) const MOST_PROCESSORS: usize = 1 << 15;

/// The word, taken apart.
#[derive(Clone, Copy)]
struct Counts(u64);

impl Counts {
    fn searching(self) -> u64 {
        self.0 & FIELD_MASK
    }

    fn awake(self) -> u64 {
        (self.0 / AWAKE) & FIELD_MASK
    }

    fn sleeping(self) -> u64 {
        self.0 / SLEEPING
    }
}

#[derive(Debug)]
pub(crate) struct Idle {
    state: AtomicU64,
    /// The processors that sleep; the last is woken first, its caches are the warmest.
    sleepers: Mutex<Vec<usize>>,
}

impl Idle {
    /// So many processors are awake, none searches. There is room for `most` to sleep.
    pub(crate) fn new(processors: usize, most: usize) -> Self {
        debug_assert!(processors <= most && most <= MOST_PROCESSORS);
        Idle {
            state: AtomicU64::new(processors as u64 * AWAKE),
            sleepers: Mutex::new(Vec::with_capacity(most)),
        }
    }

    fn counts(&self) -> Counts {
        Counts(self.state.load(SeqCst))
    }

    /// After a push: the processor to unpark, if one is to be woken for it. It is then counted as
    /// awake and searching.
    #[inline]
    #[must_use]
    pub(crate) fn pick_sleeper(&self) -> Option<usize> {
        fence_for_loom();
        if self.should_wake() { self.take_sleeper() } else { None }
    }

    #[cold]
    fn take_sleeper(&self) -> Option<usize> {
        let mut sleepers = self.sleepers.lock();
        if !self.should_wake() {
            return None;
        }
        let processor = sleepers.pop()?;
        self.state.fetch_add((AWAKE + SEARCHING).wrapping_sub(SLEEPING), SeqCst);
        Some(processor)
    }

    fn should_wake(&self) -> bool {
        let counts = self.counts();
        counts.searching() == 0 && counts.sleeping() > 0
    }

    /// Asks for leave to search. `false`: enough others do.
    #[must_use]
    pub(crate) fn start_search(&self) -> bool {
        let counts = self.counts();
        // Two may pass the check together; the limit is a matter of economy, not of correctness.
        if 2 * counts.searching() >= counts.awake() + counts.sleeping() {
            return false;
        }
        self.state.fetch_add(SEARCHING, SeqCst);
        true
    }

    /// The search is over with a find. `true`: it was the last searcher, so another sleeper is to
    /// be picked.
    #[must_use]
    pub(crate) fn stop_search(&self) -> bool {
        let before = self.state.fetch_sub(SEARCHING, SeqCst);
        Counts(before).searching() == 1
    }

    /// The processor goes to sleep. `true`: nobody searches any more, and it has to look at all queues
    /// once more. Every processor has to look at its own.
    #[must_use]
    pub(crate) fn park(&self, processor: usize, searching: bool) -> bool {
        let mut sleepers = self.sleepers.lock();
        let gone = AWAKE + if searching { SEARCHING } else { 0 };
        let before = self.state.fetch_add(SLEEPING.wrapping_sub(gone), SeqCst);
        sleepers.push(processor);
        drop(sleepers);
        fence_for_loom();
        Counts(before).searching() == u64::from(searching)
    }

    /// The processor is up. `true`: it was picked, and counts as searching; `false`: it woke by
    /// itself and does not search.
    #[must_use]
    pub(crate) fn unpark(&self, processor: usize) -> bool {
        let mut sleepers = self.sleepers.lock();
        let Some(at) = sleepers.iter().position(|&sleeper| sleeper == processor) else {
            return true;
        };
        sleepers.remove(at);
        self.state.fetch_add(AWAKE.wrapping_sub(SLEEPING), SeqCst);
        false
    }

    /// A processor that is awake and does not search is no longer there. Whatever it was woken for, or
    /// would have seen, somebody else has to be woken for.
    pub(crate) fn retire(&self) {
        self.state.fetch_sub(AWAKE, SeqCst);
    }

    /// A processor is there again, awake.
    pub(crate) fn revive(&self) {
        self.state.fetch_add(AWAKE, SeqCst);
    }

    /// Whether the processor sleeps. If so, its machine takes the sleepers' lock before it polls again, and
    /// then sees what the caller has written.
    pub(crate) fn is_asleep(&self, processor: usize) -> bool {
        self.sleepers.lock().contains(&processor)
    }

    /// How many processors sleep, and how many search.
    #[cfg(not(loom))]
    pub(crate) fn numbers(&self) -> (usize, usize) {
        let counts = self.counts();
        (counts.sleeping() as usize, counts.searching() as usize)
    }

    /// Whether some processor sleeps.
    pub(crate) fn has_sleeper(&self) -> bool {
        self.counts().sleeping() > 0
    }

    /// Whether all sleep.
    pub(crate) fn all_sleep(&self) -> bool {
        self.counts().awake() == 0
    }

    /// Whether somebody searches.
    pub(crate) fn has_searcher(&self) -> bool {
        self.counts().searching() > 0
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn one_task_wakes_one_sleeper() {
        let idle = Idle::new(2, 2);
        assert_eq!(idle.pick_sleeper(), None, "nobody sleeps");
        assert!(idle.park(0, false), "nobody searches");
        assert!(idle.park(1, false));
        assert!(idle.all_sleep());
        assert_eq!(idle.pick_sleeper(), Some(1), "the last that went to sleep");
        assert_eq!(idle.pick_sleeper(), None, "somebody searches");
        assert!(idle.unpark(1), "it was picked");
        assert!(idle.stop_search(), "the only searcher wakes the next");
        assert_eq!(idle.pick_sleeper(), Some(0));
    }

    #[test]
    fn half_of_the_processors_may_search() {
        let idle = Idle::new(4, 4);
        assert!(idle.start_search());
        assert!(idle.start_search());
        assert!(!idle.start_search());
        assert!(!idle.park(0, true), "another one searches on");
        assert!(idle.park(1, true), "the last searcher looks again");
    }

    #[test]
    fn a_processor_that_wakes_by_itself_does_not_search() {
        let idle = Idle::new(1, 1);
        assert!(idle.start_search());
        assert!(idle.park(0, true));
        assert!(!idle.unpark(0));
        assert!(!idle.has_searcher());
        assert!(!idle.has_sleeper());
    }

    #[test]
    fn a_processor_that_retired_is_neither_awake_nor_asleep() {
        let idle = Idle::new(2, 4);
        idle.retire();
        assert!(!idle.has_sleeper());
        assert!(idle.park(0, false));
        assert!(idle.all_sleep(), "the only one that is left sleeps");
        assert_eq!(idle.numbers(), (1, 0));
        idle.revive();
        assert!(!idle.all_sleep());
        assert!(idle.start_search());
        assert!(!idle.start_search(), "half of two search");
        assert_eq!(idle.pick_sleeper(), None, "the one that came back looks for work itself");
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use crate::scheduler::parker::Parker;
    use crate::sync::fence;
    use loom::sync::Arc;
    use loom::sync::atomic::{AtomicUsize as Counter, Ordering::*};
    use loom::thread;
    use preempt_sysmon::Watch;

    /// Two processors and a queue that is only a number.
    struct World {
        idle: Idle,
        queued: Counter,
        parkers: [Parker; 2],
    }

    impl World {
        fn new(processors: usize) -> Arc<Self> {
            Arc::new(World {
                idle: Idle::new(processors, processors),
                queued: Counter::new(0),
                parkers: [Parker::new(), Parker::new()],
            })
        }

        fn push(&self) {
            self.queued.fetch_add(1, Release);
            self.wake_one();
        }

        fn wake_one(&self) {
            if let Some(processor) = self.idle.pick_sleeper() {
                let _done = self.parkers[processor].unpark();
            }
        }

        fn take(&self) -> bool {
            let mut queued = self.queued.load(Acquire);
            while queued > 0 {
                match self.queued.compare_exchange(queued, queued - 1, AcqRel, Acquire) {
                    Ok(_) => return true,
                    Err(now) => queued = now,
                }
            }
            false
        }

        /// What a machine does on `processor` until it has run `count` tasks.
        fn work(&self, processor: usize, count: usize) {
            let mut searching = false;
            for _ in 0..count {
                loop {
                    if self.take() {
                        break;
                    }
                    if !searching {
                        searching = self.idle.start_search();
                        if searching {
                            continue;
                        }
                    }
                    let last = self.idle.park(processor, std::mem::take(&mut searching));
                    if !(last && self.queued.load(Acquire) > 0) {
                        self.parkers[processor].park();
                    }
                    searching = self.idle.unpark(processor);
                }
                if std::mem::take(&mut searching) && self.idle.stop_search() {
                    self.wake_one();
                }
            }
        }
    }

    /// Work that is pushed while a machine goes to sleep is found. A lost wake-up shows as a
    /// deadlock of the model.
    #[test]
    fn loom_push_against_park() {
        loom::model(|| {
            let world = World::new(1);
            let pusher = thread::spawn({
                let world = world.clone();
                move || world.push()
            });
            world.work(0, 1);
            pusher.join().unwrap();
        });
    }

    /// Two tasks, two machines, each runs one: a burst wakes both.
    #[test]
    fn loom_a_burst_wakes_every_machine() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(2);
        model.check(|| {
            let world = World::new(2);
            let other = thread::spawn({
                let world = world.clone();
                move || world.work(1, 1)
            });
            world.push();
            world.push();
            world.work(0, 1);
            other.join().unwrap();
        });
    }

    /// A processor that sleeps is woken to retire, just when a task comes, and may have been picked for
    /// it: the other one runs the task.
    #[test]
    fn loom_push_against_a_retirement() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let world = World::new(2);
            let retiring = thread::spawn({
                let world = world.clone();
                move || {
                    let _looks = world.idle.park(1, false);
                    // `Scheduler::set_processors` unparks it.
                    if world.idle.unpark(1) && world.idle.stop_search() {
                        world.wake_one();
                    }
                    world.idle.retire();
                    world.wake_one();
                }
            });
            let pusher = thread::spawn({
                let world = world.clone();
                move || world.push()
            });
            world.work(0, 1);
            retiring.join().unwrap();
            pusher.join().unwrap();
        });
    }

    /// A machine pushes to its processor's own queue, which it does without waking anybody, while
    /// the processor is taken away and its new machine goes to sleep. The pusher finds out
    /// afterwards and wakes it.
    #[test]
    fn loom_push_by_a_machine_that_lost_its_processor() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let world = World::new(1);
            let watch = Arc::new(Watch::new());
            let slice = watch.begin_poll();
            let next_machine = thread::spawn({
                let (world, watch) = (world.clone(), watch.clone());
                move || {
                    let retaken = watch.retake(slice);
                    if retaken {
                        world.work(0, 1);
                    }
                    retaken
                }
            });
            // `Processor::push_lifo` and what its caller does.
            world.queued.fetch_add(1, Release);
            fence(SeqCst);
            if !watch.is_in(slice) {
                world.wake_one();
            }
            let ended = watch.end_poll(slice);
            if ended {
                assert!(world.take(), "the owner runs its own task");
            }
            assert!(ended != next_machine.join().unwrap());
        });
    }
}
