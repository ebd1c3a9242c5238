//! What each task did: the sums of a trace.

use super::event::{Event, Kind};
use super::snapshot::Trace;
use std::collections::HashMap;
use std::time::Duration;

/// What the tasks did in a stretch of time.
#[derive(Debug)]
pub(crate) struct Activity {
    window: Duration,
    tasks: HashMap<u64, TaskActivity>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TaskActivity {
    /// How many polls began.
    pub(crate) polls: u64,
    /// How long it was being polled, also without a processor, but without the time in which it was
    /// detached.
    pub(crate) ran: Duration,
    /// How often it was woken by others.
    pub(crate) wakes: u64,
}

impl Activity {
    /// Of the last so long of a trace, or of less: of what none of the machines has overwritten.
    pub(super) fn of(trace: &Trace, last: Duration) -> Self {
        let start = trace.now.saturating_sub(trace.scale.ticks(last));
        let complete = trace.lanes.iter().map(|lane| lane.complete_from);
        let start = complete.fold(start, u64::max);
        let mut sums = Sums { start, tasks: HashMap::new() };
        for lane in &trace.lanes {
            lane.events.iter().for_each(|event| sums.add(event));
            // What goes on: as if it ended now.
            if let Some(state) = lane.state {
                let took = trace.now.saturating_sub(state.time);
                sums.add(&Event { time: trace.now, ..state }.small(took));
            }
        }
        trace.outside.iter().for_each(|event| sums.add(event));
        let nanos = |ticks| Duration::from_nanos(trace.scale.nanos(ticks));
        let known = |(task, Sum { polls, ticks, wakes })| {
            (task, TaskActivity { polls, ran: nanos(ticks), wakes })
        };
        Activity {
            window: nanos(trace.now.saturating_sub(start)),
            tasks: sums.tasks.into_iter().map(known).collect(),
        }
    }

    /// How long the stretch is.
    pub(crate) fn window(&self) -> Duration {
        self.window
    }

    /// `None`: the task did nothing, as far as is known.
    pub(crate) fn of_task(&self, task: u64) -> Option<TaskActivity> {
        self.tasks.get(&task).copied()
    }
}

struct Sums {
    /// Only what happened later counts.
    start: u64,
    tasks: HashMap<u64, Sum>,
}

#[derive(Default)]
struct Sum {
    polls: u64,
    ticks: u64,
    wakes: u64,
}

impl Sums {
    fn add(&mut self, event: &Event) {
        // Task 0 is the future of `block_on`.
        if event.time < self.start || event.a == 0 {
            return;
        }
        match event.kind {
            Kind::Poll => {
                let sum = self.tasks.entry(event.a).or_default();
                let began = event.start();
                let is_new = began >= self.start && !event.poll_note().is_resumed;
                sum.polls += u64::from(is_new);
                sum.ticks += event.time - began.max(self.start);
            }
            Kind::Wake => self.tasks.entry(event.a).or_default().wakes += 1,
            _ => {}
        }
    }
}
