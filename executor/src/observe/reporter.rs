//! The thread that makes reports out of what was noted: unwinds, looks symbols up, prints. It may wait
//! for any lock, also for one that a suspended poll holds: nobody waits for it.

use super::probe::{self, Activity, Capture};
use super::stall::{Event, INTERVAL, Lost, Outcome, Stall, Stalls};
use super::symbols::Symbols;
use super::verdict;
use crate::context;
use crate::report;
use crate::runtime::Handle;
use crate::scheduler::Scheduler;
use crate::scheduler::parker::Parker;
use crate::trace::triggers;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// The way to the thread.
#[derive(Default)]
pub(crate) struct Reporter {
    wanted: AtomicBool,
    started: AtomicBool,
    shortage_reported: AtomicBool,
    shared: Arc<Shared>,
}

struct Shared {
    parker: Parker,
    stopped: AtomicBool,
}

impl Default for Shared {
    fn default() -> Self {
        Shared { parker: Parker::new(), stopped: AtomicBool::new(false) }
    }
}

impl Reporter {
    /// There is something to report. Allocates nothing, waits for nobody.
    pub(super) fn wake(&self) {
        self.wanted.store(true, SeqCst);
        let _done = self.shared.parker.unpark();
    }

    /// Starts the thread, once. Without one nothing is reported, until there is something again and a
    /// thread to be had.
    pub(super) fn start_if_wanted(&self, scheduler: &Scheduler) {
        if !self.wanted.load(SeqCst) || self.started.swap(true, SeqCst) {
            return;
        }
        let (scheduler, shared) = (scheduler.downgrade(), self.shared.clone());
        let work = Work { scheduler, shared, watched: Vec::new(), sites: HashMap::new() };
        let body = move || work.run();
        let thread = thread::Builder::new().name("preempt-reporter".to_owned());
        if let Err(error) = thread.spawn(body) {
            self.wanted.store(false, SeqCst);
            self.started.store(false, SeqCst);
            if !self.shortage_reported.swap(true, SeqCst) {
                report::warn(format_args!("no thread to report long polls with: {error}"));
            }
        }
    }

    /// The runtime is over.
    pub(crate) fn stop(&self) {
        self.shared.stopped.store(true, SeqCst);
        let _done = self.shared.parker.unpark();
    }
}

/// A poll that goes on without its processor, and when it is reported next.
struct Watched {
    lost: Lost,
    due: Instant,
}

/// Until a poll is looked at again whose stack could not be had.
const SHORTEST_WAIT: Duration = Duration::from_millis(10);

struct Work {
    scheduler: Weak<Scheduler>,
    shared: Arc<Shared>,
    watched: Vec<Watched>,
    /// When a task of that origin was last reported.
    sites: HashMap<Option<&'static Location<'static>>, Instant>,
}

impl Work {
    fn run(mut self) {
        while !self.shared.stopped.load(SeqCst) {
            let Some(scheduler) = self.scheduler.upgrade() else { return };
            if let Some(stalls) = &scheduler.stalls {
                while let Some(event) = stalls.events.pop() {
                    self.handle(&scheduler, stalls, event);
                }
                self.look_at_watched(&scheduler, stalls);
            }
            drop(scheduler);
            let next = self.watched.iter().map(|watched| watched.due).min();
            self.shared.parker.park_until(next);
        }
    }

    fn handle(&mut self, scheduler: &Arc<Scheduler>, stalls: &Stalls, event: Event) {
        match event {
            Event::Detached(slot) => stalls.with_slot(slot, |stopped| {
                let outcome = Outcome::Detached { signals: stopped.signals };
                self.report(scheduler, stalls, Some(&stopped.capture), stopped.ran, outcome);
            }),
            Event::HandedOff(lost) => self.watched.push(Watched { lost, due: Instant::now() }),
            Event::Overdue { processor, slice, asked } => {
                let Some(machine) = scheduler.processors[processor].machine_in(slice) else {
                    return;
                };
                if stalls.may_report(Instant::now()) {
                    let capture = probe::look_at(scheduler, &machine);
                    // If the poll is over, what was seen is something else.
                    if !scheduler.processors[processor].watch.is_in(slice) {
                        return;
                    }
                    let ran = asked.elapsed();
                    self.report(scheduler, stalls, capture.as_ref(), ran, Outcome::KeepsWorker);
                }
            }
        }
    }

    fn look_at_watched(&mut self, scheduler: &Arc<Scheduler>, stalls: &Stalls) {
        self.watched.retain(|watched| watched.lost.goes_on());
        let now = Instant::now();
        for index in 0..self.watched.len() {
            let Watched { lost, due } = &mut self.watched[index];
            if *due > now {
                continue;
            }
            *due = now + (now - lost.at).max(INTERVAL);
            if !stalls.may_report(now) {
                continue;
            }
            // What was seen is another poll's if this one has ended meanwhile, or none if the machine was
            // in the middle of a switch.
            let capture = probe::look_at(scheduler, &lost.machine);
            let is_in_task = capture.as_ref().is_some_and(|capture| capture.who.is_some());
            if lost.goes_on() && (is_in_task || cfg!(not(target_os = "linux"))) {
                let ran = lost.at.elapsed();
                self.report(scheduler, stalls, capture.as_ref(), ran, Outcome::HandedOff);
            } else {
                *due = now + stalls.threshold.max(SHORTEST_WAIT);
            }
        }
    }

    fn report(
        &mut self,
        scheduler: &Arc<Scheduler>,
        stalls: &Stalls,
        capture: Option<&Capture>,
        ran: Duration,
        outcome: Outcome,
    ) {
        let who = capture.and_then(|capture| capture.who);
        let spawned_at = who.map(|who| who.spawned_at);
        if !self.is_due(spawned_at) {
            return stalls.suppress();
        }
        let addresses = capture.map(Capture::addresses).unwrap_or_default();
        let mut stall = Stall {
            task: who.map(|who| who.id),
            name: who.and_then(|who| who.name()),
            spawned_at,
            ran,
            outcome,
            blocked_in: None,
            location: None,
            frames: Symbols::default().frames(&addresses),
            remedy: String::new(),
            suppressed: stalls.take_suppressed(),
        };
        verdict::pass(&mut stall, capture.map_or(Activity::Runs, |capture| capture.activity));
        match &scheduler.config.on_stall {
            Some(hook) => {
                let _in_runtime = context::enter(Handle::of(scheduler));
                if catch_unwind(AssertUnwindSafe(|| hook(&stall))).is_err() {
                    report::warn(format_args!("the function of `Builder::on_stall` panicked"));
                }
            }
            None => print(&stall),
        }
        triggers::note_stall(scheduler);
    }

    /// Whether no task of that origin was reported a moment ago.
    fn is_due(&mut self, spawned_at: Option<&'static Location<'static>>) -> bool {
        let now = Instant::now();
        // Half of it, as one poll is not seen in exactly those intervals.
        self.sites.retain(|_, last| now - *last < INTERVAL / 2);
        if self.sites.contains_key(&spawned_at) {
            return false;
        }
        self.sites.insert(spawned_at, now);
        true
    }
}

fn print(stall: &Stall) {
    #[cfg(feature = "tracing")]
    if tracing::dispatcher::has_been_set() {
        return trace(stall);
    }
    report::warn(format_args!("{stall}"));
}

#[cfg(feature = "tracing")]
fn trace(stall: &Stall) {
    tracing::warn!(
        target: "preempt::stall",
        task = stall.task,
        name = stall.name.as_deref(),
        spawned_at = stall.spawned_at.map(tracing::field::display),
        location = stall.location.as_deref(),
        ran_ms = u64::try_from(stall.ran.as_millis()).unwrap_or(u64::MAX),
        outcome = ?stall.outcome,
        blocked_in = stall.blocked_in.as_deref(),
        remedy = stall.remedy.as_str(),
        suppressed = stall.suppressed,
        "{stall}"
    );
}
