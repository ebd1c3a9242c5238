//! What the monitor sees of the scheduler, and what it may do to it.

use super::{LONGEST_LOOK_AWAY, Processor, Scheduler};
use crate::observe;
use crate::preempt;
use preempt_sysmon::policy::{Claims, Preemption, Waiting};
use preempt_sysmon::{Interrupted, Slice, Watch};
use std::sync::atomic::Ordering::Relaxed;
use std::task::Waker;
use std::time::{Duration, Instant};

impl Scheduler {
    /// For the monitor's thread.
    fn collect_and_wake(&self, collect: impl FnOnce(&mut Vec<Waker>)) {
        let mut wakers = std::mem::take(&mut *self.monitors_wakers.lock());
        collect(&mut wakers);
        self.wake_all(&mut wakers);
        *self.monitors_wakers.lock() = wakers;
    }

    fn look_who_waits(&self) -> Waiting {
        let waiting = if self.has_fresh_work() {
            Waiting::Fresh
        } else if self.has_preempted_work() {
            Waiting::Background
        } else {
            return Waiting::Nobody;
        };
        if self.idle.has_sleeper() || self.idle.has_searcher() {
            // A task in a LIFO slot, say, behind a long poll: a free processor will steal it.
            self.wake_one();
            return Waiting::Nobody;
        }
        if !self.injector.is_empty() {
            self.injector.make_urgent();
        }
        waiting
    }
}

impl preempt_sysmon::Scheduler for Scheduler {
    fn most_processors(&self) -> usize {
        self.processors.len()
    }

    fn processors(&self) -> usize {
        self.used_processors().len()
    }

    fn is_retired(&self, processor: usize) -> bool {
        self.processors[processor].is_retired()
    }

    fn watch(&self, processor: usize) -> &Watch {
        &self.processors[processor].watch
    }

    fn is_idle(&self) -> bool {
        self.idle.all_sleep() && !self.cancelling.has_deadline_adrift() && !self.is_stopping()
    }

    fn waiting(&self) -> Waiting {
        let waiting = self.look_who_waits();
        self.waits.note(waiting != Waiting::Nobody);
        waiting
    }

    fn claims(&self) -> Claims {
        self.classes.claims(self)
    }

    fn is_wanted(&self, processor: usize) -> bool {
        self.is_surplus(processor) || self.is_unstopped(processor)
    }

    fn longest_look_away(&self) -> Option<Duration> {
        self.is_stopping().then_some(LONGEST_LOOK_AWAY)
    }

    fn fire_timers(&self) {
        let Some(due) = self.timers.due() else { return };
        self.collect_and_wake(|wakers| {
            self.timers.fire_due(due, wakers);
            self.trace_timers(wakers.len());
        });
    }

    fn next_timer(&self) -> Option<Instant> {
        // Who sleeps until then needs no help.
        let timer = if self.netpoll.has_keeper() { None } else { self.timers.next() };
        // Nobody but the monitor looks after the deadlines of polls that go on.
        timer.into_iter().chain(self.cancelling.next_deadline()).min()
    }

    fn poll_events(&self, now: Instant) {
        let is_hog = |processor: &Processor| {
            processor.watch.observe().is_some_and(|slice| processor.watch.is_background(slice))
        };
        let is_busy = |processor: &Processor| processor.is_retired() || is_hog(processor);
        let all_are_hogs = self.used_processors().iter().all(is_busy);
        self.collect_and_wake(|wakers| {
            if all_are_hogs {
                self.netpoll.poll_in_passing(wakers);
            } else {
                self.netpoll.poll_if_stale(now, wakers);
            }
            self.trace_netpoll(wakers.len());
        });
    }

    fn is_unattended(&self) -> bool {
        self.netpoll.is_unattended()
    }

    fn sleep_until_event(&self, until: Instant, is_kicked: impl FnOnce() -> bool) -> bool {
        let until = self.cancelling.next_deadline().map_or(until, |next| next.min(until));
        let mut slept = false;
        self.collect_and_wake(|wakers| {
            let next_timer = || self.timers.next();
            slept = self.netpoll.sleep_as_monitor(until, next_timer, is_kicked, wakers);
            self.trace_netpoll(wakers.len());
        });
        if slept && self.idle.has_sleeper() {
            // It went to sleep meanwhile and could not become the keeper.
            self.wake_one();
        }
        slept
    }

    fn request(&self, processor: usize, slice: Slice) {
        if self.processors[processor].request(slice) {
            self.counters.requests.fetch_add(1, Relaxed);
            self.stalls.iter().for_each(|stalls| stalls.note_request(processor, slice));
            self.trace_request(processor);
        }
    }

    fn cpu_time(&self, processor: usize, slice: Slice) -> Option<Duration> {
        let machine = self.processors[processor].machine_in(slice)?;
        preempt::cpu_time(&machine)
    }

    fn is_asleep(&self, processor: usize, slice: Slice) -> bool {
        let machine = self.processors[processor].machine_in(slice);
        machine.is_some_and(|machine| preempt::is_asleep(&machine))
    }

    fn interrupt(&self, processor: usize, slice: Slice) -> Interrupted {
        match self.processors[processor].machine_in(slice) {
            Some(machine) => preempt::interrupt(self, &machine),
            None => Interrupted::Done,
        }
    }

    fn prepare(&self) {
        preempt::prepare();
        self.empty_retired();
        self.interrupt_orphans();
        self.have_deadlines_looked_at();
        if self.is_stopping() {
            self.stop_orphans();
        }
        self.top_up_fibers();
        self.stalls.iter().for_each(|stalls| stalls.tend(self));
        self.follower.tend(self);
    }

    fn hand_off(&self, processor: usize, slice: Slice, since: Instant) -> bool {
        let Some(machine) = self.processors[processor].machine_in(slice) else { return false };
        let may_be_forced = self.watch(processor).preemption(slice) == Preemption::Forced;
        // Before the processor goes: the machine takes it back when it finds out.
        machine.place().lose();
        machine.set_orphaned(true);
        let handed_off = self.hand_off(processor, slice);
        if handed_off {
            observe::note_hand_off(self, &machine, since);
            if may_be_forced {
                self.note_orphan(machine);
            }
        } else {
            machine.set_orphaned(false);
        }
        self.counters.hand_offs_by_monitor.fetch_add(handed_off.into(), Relaxed);
        handed_off
    }
}
