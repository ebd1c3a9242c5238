//! What kept the world from stopping, when it did not stop within the limit.
//!
//! Asked by the stopper before the world goes on. Nothing is disturbed: the kernel reads which task a machine
//! runs, and the machine has noted why the last signal did not suspend it.

use super::Scheduler;
use super::machine::Machine;
use super::world::Stopper;
use crate::observe::{Who, is_asleep, task_on};
use crate::preempt::Refusal;
use crate::runtime::{Obstacle, UnstoppedTask};
use crate::task::{Preemption, Task};

impl Stopper<'_> {
    /// What has not come to a stop, and why.
    pub(super) fn unstopped(&self) -> Vec<UnstoppedTask> {
        let mut tasks = Vec::new();
        for processor in self.scheduler.used_processors() {
            if self.scheduler.stands_still(processor.index) {
                continue;
            }
            let slice = processor.watch.observe();
            let machine = slice.and_then(|slice| processor.machine_in(slice));
            let (Some(slice), Some(machine)) = (slice, machine) else {
                tasks.push(UnstoppedTask::new(None, Obstacle::BetweenPolls));
                continue;
            };
            if is_asleep(&machine) {
                continue;
            }
            let task = task_on(self.scheduler, &machine).filter(|_| processor.watch.is_in(slice));
            let allowed = processor.watch.preemption(slice);
            tasks.push(self.unstopped_task(task, allowed, &machine));
        }
        for machine in
            self.scheduler.running_orphans(self.number).filter(|machine| !is_asleep(machine))
        {
            let task = task_on(self.scheduler, &machine);
            let allowed = task.as_ref().map(Task::preemption).unwrap_or_default();
            tasks.push(self.unstopped_task(task, allowed, &machine));
        }
        tasks
    }

    fn unstopped_task(
        &self,
        task: Option<Task>,
        allowed: Preemption,
        machine: &Machine,
    ) -> UnstoppedTask {
        let obstacle = match allowed {
            Preemption::Never => Obstacle::Never,
            Preemption::Forced => self.scheduler.obstacle_to_signals(machine),
            _ => Obstacle::NoCheckpoint,
        };
        UnstoppedTask::new(task.map(|task| Who::of(task.header())), obstacle)
    }
}

impl Scheduler {
    /// Why signals do not stop what the machine runs.
    fn obstacle_to_signals(&self, machine: &Machine) -> Obstacle {
        if !self.config.sends_signals() || self.fibers().is_none() {
            Obstacle::NoSignals
        } else if !self.background.has_place() {
            Obstacle::TooManyDetached
        } else if machine.expects_signal() {
            Obstacle::SignalPending
        } else {
            match machine.last_refusal() {
                Some(Refusal::NoPreempt) => Obstacle::Section,
                Some(Refusal::NoSpare) => Obstacle::NoFiber,
                Some(Refusal::Text) => Obstacle::SystemCode,
                Some(Refusal::Masked) => Obstacle::MaskedSignals,
                Some(Refusal::Stack) => Obstacle::Stack,
                Some(Refusal::Stale) | None => Obstacle::Unknown,
            }
        }
    }
}
