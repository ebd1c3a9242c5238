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
    /// Of the last so long of a trace, or of less: of the time in which all is known of all machines.
    pub(super) fn of(trace: &Trace, last: Duration) -> Self {
        let lanes = || trace.lanes.iter();
        let start = trace.now.saturating_sub(trace.scale.ticks(last));
        let start = lanes().map(|lane| lane.complete_from).fold(start, u64::max);
        let end = lanes().map(|lane| lane.complete_until).min().unwrap_or(trace.now);
        let mut sums = Sums { start, end, tasks: HashMap::new() };
        for lane in &trace.lanes {
            lane.events.iter().for_each(|event| sums.add(event));
            // What goes on: as if it ended now.
            if let Some(state) = lane.state.filter(|state| state.time < end) {
                sums.add(&Event { time: end, ..state }.small(end - state.time));
            }
        }
        trace.outside.iter().for_each(|event| sums.add(event));
        let nanos = |ticks| Duration::from_nanos(trace.scale.nanos(ticks));
        let known = |(task, Sum { polls, ticks, wakes })| {
            (task, TaskActivity { polls, ran: nanos(ticks), wakes })
        };
        Activity {
            window: nanos(end.saturating_sub(start)),
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
    /// Only what happened in between counts.
    start: u64,
    end: u64,
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
        let began = if event.kind == Kind::Poll { event.start() } else { event.time };
        // Task 0 is the future of `block_on`.
        if event.time < self.start || began >= self.end || event.a == 0 {
            return;
        }
        match event.kind {
            Kind::Poll => {
                let sum = self.tasks.entry(event.a).or_default();
                let is_new = began >= self.start && !event.poll_note().is_resumed;
                sum.polls += u64::from(is_new);
                sum.ticks += event.time.min(self.end).saturating_sub(began.max(self.start));
            }
            Kind::Wake => self.tasks.entry(event.a).or_default().wakes += 1,
            _ => {}
        }
    }
}
