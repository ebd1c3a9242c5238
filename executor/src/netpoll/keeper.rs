//! The keeper: who sleeps in the system's event queue, where an alarm rings for the next timer.
//!
//! One of the sleeping processors, or the monitor, or nobody. What is generic here is what it sleeps
//! in, so that the protocol can be modelled without a system.
//!
//! # No timer is overslept (proof sketch)
//! The keeper writes that it is the keeper, then reads the timers and sets the alarm; who sets a timer
//! writes it, then reads whether there is a keeper and sets the alarm, or tells the monitor. All of that
//! is sequentially consistent, so one sees the other. A keeper that leaves writes that, then reads the
//! timers and tells the monitor (`Scheduler::sleep_on`). The timers are read with the lock of the
//! poller: the alarm that seems to be set has not rung in another's poll.
//!
//! # No unpark is lost in a poll (proof sketch)
//! `Parker::park_in` and the monitor's `is_kicked` are asked *under the lock* of the poller. Whoever
//! unparks writes first and then wakes the poll. That wake-up is an event, which any poll may consume;
//! but one that was under way before the lock was taken had to end before it, so what was written is
//! seen; and a later poll is the sleeper's own.
//!
//! # No processor is left without a keeper by a monitor that leaves (proof sketch)
//! A processor says that it sleeps, then asks who the keeper is; the monitor writes that it is not the
//! keeper any more, then looks for a processor that sleeps, and wakes it (`sleep_until_event` in
//! `scheduler/monitored.rs`).
//!
//! Models: `loom_*` at the end of this file.

use crate::scheduler::parker::Parker;
use crate::sync::{AtomicUsize, Mutex, fence_for_loom};
use std::sync::atomic::Ordering::SeqCst;

/// Nobody is.
const NOBODY: usize = usize::MAX;
/// The monitor is.
const MONITOR: usize = usize::MAX - 1;

pub(super) struct Keeper {
    /// The processor, or one of the above.
    who: AtomicUsize,
}

impl Keeper {
    pub(super) fn new() -> Self {
        Keeper { who: AtomicUsize::new(NOBODY) }
    }

    /// Whether somebody sleeps in the poll, or is about to.
    pub(super) fn is_there(&self) -> bool {
        fence_for_loom();
        self.who.load(SeqCst) != NOBODY
    }

    fn become_keeper(&self, who: usize) -> bool {
        let became = self.who.compare_exchange(NOBODY, who, SeqCst, SeqCst).is_ok();
        fence_for_loom();
        became
    }

    fn leave(&self) {
        self.who.store(NOBODY, SeqCst);
        fence_for_loom();
    }

    /// Sleeps until the processor is unparked; if there is no keeper, as the keeper in `poll`, which may
    /// also end by itself. `true`: as the keeper.
    pub(super) fn sleep_on<P>(
        &self,
        poller: &Mutex<P>,
        processor: usize,
        parker: &Parker,
        poll: impl FnOnce(&mut P),
    ) -> bool {
        if !self.become_keeper(processor) {
            parker.park();
            return false;
        }
        {
            let mut poller = poller.lock();
            parker.park_in(|| poll(&mut poller));
        }
        self.leave();
        true
    }

    /// Sleeps in `poll` as the monitor, unless it is kicked. `true`: it was the keeper, and a processor
    /// that went to sleep meanwhile is not; `false`: somebody else polls.
    pub(super) fn sleep_as_monitor<P>(
        &self,
        poller: &Mutex<P>,
        is_kicked: impl FnOnce() -> bool,
        poll: impl FnOnce(&mut P),
    ) -> bool {
        // The lock first: a monitor that were the keeper without it would keep a processor from being
        // the keeper, and then go away.
        let Some(mut poller) = poller.try_lock() else { return false };
        if !self.become_keeper(MONITOR) {
            return false;
        }
        if !is_kicked() {
            poll(&mut poller);
        }
        drop(poller);
        self.leave();
        true
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use crate::netpoll::rings_at::RingsAt;
    use crate::scheduler::idle::Idle;
    use crate::scheduler::parker::Unparked;
    use crate::sync::Condvar;
    use crate::time::shards::{NEVER, Shards};
    use loom::sync::Arc;
    use loom::sync::atomic::AtomicBool;
    use loom::thread;
    use std::task::Waker;

    /// What the system's event queue has to tell. An alarm that is set rings at once: when it does is not
    /// what the protocol depends on.
    #[derive(Default)]
    struct Events {
        broken: bool,
        rung: bool,
    }

    struct World {
        keeper: Keeper,
        poller: Mutex<()>,
        parker: Parker,
        timers: Shards,
        alarm: RingsAt<u64>,
        events: Mutex<Events>,
        come: Condvar,
        monitor_told: AtomicBool,
    }

    impl World {
        fn new() -> Arc<Self> {
            Arc::new(World {
                keeper: Keeper::new(),
                poller: Mutex::new(()),
                parker: Parker::new(),
                timers: Shards::new(1),
                alarm: RingsAt::default(),
                events: Mutex::default(),
                come: Condvar::new(),
                monitor_told: AtomicBool::new(false),
            })
        }

        fn come(&self, change: impl FnOnce(&mut Events)) {
            change(&mut self.events.lock());
            self.come.notify_all();
        }

        fn set_alarm(&self, due: u64) {
            self.alarm.bring_forward(due, || self.come(|events| events.rung = true));
        }

        /// `Timers::set`, and `Scheduler::timer_set`.
        fn set_timer(&self, due: u64) {
            let (_key, is_earliest) = self.timers.set(0, due, Waker::noop().clone());
            if !is_earliest {
                return;
            }
            if self.keeper.is_there() { self.set_alarm(due) } else { self.tell_monitor() }
        }

        fn next_timer(&self) -> Option<u64> {
            Some(self.timers.not_before()).filter(|&due| due != NEVER)
        }

        fn tell_monitor(&self) {
            self.monitor_told.store(true, SeqCst);
        }

        /// `Scheduler::unpark`.
        fn unpark(&self) {
            if self.parker.unpark() == Unparked::Elsewhere {
                self.come(|events| events.broken = true);
            }
        }

        /// `Netpoll::poll`: consumes what has come; with `wait` it waits for it.
        fn poll(&self, wait: bool) {
            let mut events = self.events.lock();
            while wait && !events.broken && !events.rung {
                assert!(self.come.wait_until(&mut events, None));
            }
            let Events { rung, .. } = std::mem::take(&mut *events);
            drop(events);
            if rung {
                self.alarm.rang();
            }
        }

        /// `Netpoll::sleep_on`, and what `Scheduler::sleep_on` does afterwards.
        fn sleep(&self) -> bool {
            let was_keeper = self.keeper.sleep_on(&self.poller, 0, &self.parker, |()| {
                if let Some(due) = self.next_timer() {
                    self.set_alarm(due);
                }
                self.poll(true);
            });
            if was_keeper && self.next_timer().is_some() {
                self.tell_monitor();
            }
            was_keeper
        }
    }

    fn spawn(world: &Arc<World>, body: impl FnOnce(&World) + 'static) -> thread::JoinHandle<()> {
        let world = world.clone();
        thread::spawn(move || body(&world))
    }

    /// A timer is set while a processor becomes the keeper: the alarm rings. A timer that is overslept
    /// shows as a deadlock of the model, here and below.
    #[test]
    fn loom_a_timer_against_a_keeper_that_comes() {
        loom::model(|| {
            let world = World::new();
            let setter = spawn(&world, |world| world.set_timer(5));
            assert!(world.sleep());
            setter.join().unwrap();
            assert!(world.monitor_told.load(SeqCst), "the keeper left before the timer fired");
        });
    }

    /// The second timer is the earlier one: the alarm is brought forward for a poll that is under way.
    #[test]
    fn loom_an_earlier_timer_against_a_keeper_that_comes() {
        loom::model(|| {
            let world = World::new();
            world.timers.set(0, 7, Waker::noop().clone());
            // Far away: it does not ring in this model.
            world.alarm.bring_forward(7, || {});
            let setter = spawn(&world, |world| world.set_timer(5));
            assert!(world.sleep());
            setter.join().unwrap();
        });
    }

    /// A timer is set while the keeper leaves: the monitor sees to it.
    #[test]
    fn loom_a_timer_against_a_keeper_that_leaves() {
        loom::model(|| {
            let world = World::new();
            world.unpark();
            let setter = spawn(&world, |world| world.set_timer(5));
            assert!(world.sleep());
            setter.join().unwrap();
            assert!(world.monitor_told.load(SeqCst));
        });
    }

    /// The alarm rings in the poll of a machine in passing, while a processor becomes the keeper to which
    /// it seemed to be set.
    #[test]
    fn loom_an_alarm_that_rings_in_passing() {
        loom::model(|| {
            let world = World::new();
            world.timers.set(0, 5, Waker::noop().clone());
            world.set_alarm(5);
            let passing = spawn(&world, |world| {
                // `Netpoll::poll_in_passing`.
                if !world.keeper.is_there()
                    && let Some(_poller) = world.poller.try_lock()
                {
                    world.poll(false);
                }
            });
            assert!(world.sleep());
            passing.join().unwrap();
        });
    }

    /// A machine in passing takes the event that was to end the keeper's sleep.
    #[test]
    fn loom_an_unpark_against_a_poll_in_passing() {
        loom::model(|| {
            let world = World::new();
            let passing = spawn(&world, |world| {
                if !world.keeper.is_there()
                    && let Some(_poller) = world.poller.try_lock()
                {
                    world.poll(false);
                }
            });
            let unparker = spawn(&world, World::unpark);
            assert!(world.sleep());
            passing.join().unwrap();
            unparker.join().unwrap();
        });
    }

    /// A processor goes to sleep while the monitor is the keeper: it becomes the keeper afterwards.
    #[test]
    fn loom_a_processor_sleeps_against_a_monitor_that_leaves() {
        loom::model(|| {
            let world = World::new();
            let idle = Arc::new(Idle::new(1, 1));
            let monitor = {
                let (world, idle) = (world.clone(), idle.clone());
                thread::spawn(move || {
                    // Nothing comes before its time is up.
                    let slept = world.keeper.sleep_as_monitor(&world.poller, || false, |()| {});
                    if slept
                        && idle.has_sleeper()
                        && let Some(_processor) = idle.pick_sleeper()
                    {
                        world.unpark();
                    }
                })
            };
            // An event for whoever is the keeper.
            world.come(|events| events.rung = true);
            let _is_last = idle.park(0, false);
            if !world.sleep() {
                assert!(idle.unpark(0), "the monitor has picked it");
                assert!(idle.park(0, true));
                assert!(world.sleep(), "the monitor is gone");
            }
            monitor.join().unwrap();
        });
    }
}
