//! Finding the poll that is to look whether it was cancelled, see `cancel.rs`.
//!
//! A poll that runs is the holder's of a processor, or has lost its processor and is *adrift*: then its
//! holder is in a list, from the hand-off, under the processor's lock, until the machine finds out. A
//! fiber ends after both, so that whoever has the lock may look at it.

use super::machine::Machine;
use super::{Holder, Processor, Scheduler};
use crate::context::Visible;
use crate::sync::Mutex;
use crate::task::TaskHeader;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::SeqCst, fence};
use std::time::{Duration, Instant};

/// No deadline.
const NEVER: u64 = u64::MAX;

/// So soon after a look the monitor does not look at polls that have begun since.
const SOON: Duration = Duration::from_millis(1);

pub(super) struct Cancelling {
    adrift: Mutex<Vec<Holder>>,
    /// When the monitor has to look for a deadline, in nanoseconds after `epoch`.
    next_deadline: AtomicU64,
    epoch: Instant,
    /// When it last did, and which poll each processor was in. For the monitor.
    looked: Mutex<Option<Instant>>,
    seen: Box<[AtomicU64]>,
}

impl Cancelling {
    pub(super) fn new(processors: usize) -> Self {
        Cancelling {
            adrift: Mutex::default(),
            next_deadline: AtomicU64::new(NEVER),
            epoch: Instant::now(),
            looked: Mutex::default(),
            seen: (0..processors).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// A poll loses its processor. The caller has the processor's lock.
    pub(super) fn set_adrift(&self, holder: Holder) {
        self.adrift.lock().push(holder);
    }

    /// The machine's poll, which was adrift, is over or left.
    fn forget(&self, machine: &Arc<Machine>) {
        self.adrift.lock().retain(|holder| !Arc::ptr_eq(&holder.machine, machine));
    }

    /// Whether a poll without a processor has a deadline.
    pub(super) fn has_deadline_adrift(&self) -> bool {
        // SAFETY: called under the lock that the fiber waits for before it ends.
        self.adrift.lock().iter().any(|holder| unsafe { holder.visible.has_deadline() })
    }

    /// When the monitor is to look again.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        match self.next_deadline.load(SeqCst) {
            NEVER => None,
            nanos => Some(self.epoch + Duration::from_nanos(nanos)),
        }
    }

    /// `true`: it is the next one now.
    fn note_deadline(&self, deadline: Instant) -> bool {
        let nanos = deadline.saturating_duration_since(self.epoch).as_nanos();
        let nanos = u64::try_from(nanos).unwrap_or(NEVER);
        self.next_deadline.fetch_min(nanos, SeqCst) > nanos
    }

    /// A look begins: whoever has a deadline that is to come says so again.
    fn begin_look(&self, now: Instant) {
        if self.next_deadline().is_some_and(|next| next <= now) {
            self.next_deadline.store(NEVER, SeqCst);
        }
    }
}

impl Processor {
    /// Calls `f` with what can be seen of whoever runs on the processor.
    fn with_visible<R>(&self, f: impl FnOnce(Visible) -> R) -> Option<R> {
        self.holder.lock().as_ref().map(|holder| f(holder.visible))
    }
}

impl Scheduler {
    /// Whether `reach` is true of some poll that runs; it is called for all until then. No fiber that it
    /// is called for ends meanwhile.
    fn reach_polls(&self, mut reach: impl FnMut(Visible) -> bool) -> bool {
        let mut reached =
            self.used_processors().iter().any(|it| it.with_visible(&mut reach) == Some(true));
        // After the processors: a poll goes from there to here.
        if !reached {
            reached = self.cancelling.adrift.lock().iter().any(|holder| reach(holder.visible));
        }
        reached
    }

    /// A task was aborted that is being polled: its next check looks. Async code yields there, too.
    #[cold]
    pub(super) fn cancel_poll(&self, task: &TaskHeader) {
        // Pairs with the check, `cancel::is_to_unwind`, and with `cancel::remind`.
        fence(SeqCst);
        let is_found = self.reach_polls(|visible| {
            // SAFETY: it does not end meanwhile.
            unsafe {
                let is_it = visible.runs(task);
                if is_it {
                    visible.flag.cancel_remote();
                    visible.flag.request_remote();
                }
                is_it
            }
        });
        if !is_found {
            self.have_all_polls_look();
        }
    }

    /// Each poll that runs looks at its next check whether it was cancelled.
    pub(super) fn have_all_polls_look(&self) {
        fence(SeqCst);
        self.reach_polls(|visible| {
            // SAFETY: it does not end meanwhile.
            unsafe { visible.flag.cancel_remote() };
            false
        });
    }

    /// For the monitor, at each look: polls that have deadlines look at the clock. Not those that have
    /// just begun, while it looks often: most are short.
    pub(super) fn have_deadlines_looked_at(&self) {
        let now = Instant::now();
        let cancelling = &self.cancelling;
        cancelling.begin_look(now);
        let last = cancelling.looked.lock().replace(now);
        let is_soon = last.is_some_and(|last| now.saturating_duration_since(last) < SOON);
        // SAFETY: called for whoever does not end meanwhile.
        let look = |visible: Visible| unsafe {
            if visible.has_deadline() {
                visible.flag.cancel_remote();
            }
        };
        for (processor, seen) in self.used_processors().iter().zip(&cancelling.seen) {
            let slice = processor.watch.observe().map_or(0, preempt_sysmon::Slice::into_bits);
            let is_same = seen.load(Relaxed) == slice;
            seen.store(slice, Relaxed);
            if slice != 0 && (is_same || !is_soon) {
                processor.with_visible(look);
            }
        }
        cancelling.adrift.lock().iter().for_each(|holder| look(holder.visible));
    }

    /// Some poll has to look at the clock then.
    pub(crate) fn note_deadline(&self, deadline: Instant) {
        if self.cancelling.note_deadline(deadline) {
            self.kick_monitor(deadline);
        }
    }

    /// The poll that the machine was in is over, or left, and its processor is another's.
    pub(super) fn forget_adrift(&self, processor: usize, machine: &Arc<Machine>) {
        if let Some(processor) = self.processors.get(processor) {
            // Whoever took it away does the rest under this lock.
            drop(processor.holder.lock());
        }
        self.cancelling.forget(machine);
    }
}
