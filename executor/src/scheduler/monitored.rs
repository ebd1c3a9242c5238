//! What the monitor sees of the scheduler, and what it may do to it.

use super::Scheduler;
use crate::preempt;
use preempt_sysmon::policy::{Preemption, Waiting};
use preempt_sysmon::{Interrupted, Slice, Watch};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

impl preempt_sysmon::Scheduler for Scheduler {
    fn processors(&self) -> usize {
        self.processors.len()
    }

    fn watch(&self, processor: usize) -> &Watch {
        &self.processors[processor].watch
    }

    fn is_idle(&self) -> bool {
        self.idle.all_sleep()
    }

    fn waiting(&self) -> Waiting {
        let waiting = if self.has_fresh_work() {
            Waiting::Fresh
        } else if !self.background.is_empty() {
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

    fn fire_timers(&self) {
        self.timers.fire_if_due();
    }

    fn next_timer(&self) -> Option<Instant> {
        // A processor that sleeps until then needs no help.
        if self.timers.keeper().is_some() { None } else { self.timers.next() }
    }

    fn request(&self, processor: usize, slice: Slice) {
        if self.processors[processor].request(slice) {
            self.counters.requests.fetch_add(1, Relaxed);
        }
    }

    fn interrupt(&self, processor: usize, slice: Slice) -> Interrupted {
        match self.processors[processor].machine_in(slice) {
            Some(machine) => preempt::interrupt(self, &machine),
            None => Interrupted::Done,
        }
    }

    fn prepare(&self) {
        preempt::prepare();
        self.interrupt_orphans();
        self.top_up_fibers();
    }

    fn hand_off(&self, processor: usize, slice: Slice) -> bool {
        let Some(machine) = self.processors[processor].machine_in(slice) else { return false };
        let may_be_forced = self.watch(processor).preemption(slice) == Preemption::Forced;
        // Before the processor goes: the machine takes it back when it finds out.
        machine.set_orphaned(true);
        let handed_off = self.hand_off(processor, slice);
        if handed_off {
            if may_be_forced {
                self.orphans.lock().push(machine);
            }
        } else {
            machine.set_orphaned(false);
        }
        self.counters.hand_offs_by_monitor.fetch_add(handed_off.into(), Relaxed);
        handed_off
    }
}
