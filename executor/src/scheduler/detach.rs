//! Setting a poll aside in the middle, and what is set aside.
//!
//! ```text
//!   fiber A: loop ─ poll ─ .. ─ checkpoint or injected call ─ detach ──┐ start
//!                                                                      ▼
//!   fiber B (a spare):                          publish A ─ loop ─ other polls ─ next: A
//!                                                                      │ Leave::Resume
//!   fiber A: ◀── detach returns ── poll goes on, ends ── its loop ◀────┘ B is a spare again
//! ```
//!
//! The second half may happen on another machine. A's thread-locals come with it; what A knows of
//! the machine is renewed in `context::reseat`.
//!
//! The detach path allocates nothing and takes no lock that user code can hold: it may run at any
//! instruction of the poll.

use super::Scheduler;
use super::seat::Seat;
use super::seeded;
use super::worker::{self, SeatRef};
use crate::cancel;
use crate::context::{self, Visible};
use crate::observe;
use crate::sync::Critical;
use crate::task::{Preemption, Terms};
use crate::trace::Outcome;
use preempt_checkpoint::runtime as checkpoint;
use preempt_fiber::{Spare, Suspended};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// A poll that was set aside.
pub(super) struct Detached {
    pub(super) suspended: Suspended,
    /// What can be seen of its fiber while it runs.
    pub(super) visible: Visible,
    /// How it is treated when it goes on.
    pub(super) terms: Terms,
    /// What has stopped it.
    pub(super) stopped_by: StoppedBy,
    /// Where it is.
    pub(super) at: PausedAt,
}

/// The note of a suspended poll, which lies on its own stack: what waits in the queue stays small, and
/// nothing is allocated.
pub(super) struct PausedAt(NonNull<observe::Paused>);

// SAFETY: whoever has the `Detached` is the only one who looks at the note.
unsafe impl Send for PausedAt {}

impl PausedAt {
    /// The note. The poll is not resumed meanwhile, as only the owner of the `Detached` can.
    pub(super) fn look(&self) -> &observe::Paused {
        // SAFETY: `detach` does not return, and so keeps the note, before the poll is resumed.
        unsafe { self.0.as_ref() }
    }
}

/// What has stopped a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoppedBy {
    Checkpoint,
    Signal,
}

impl From<StoppedBy> for Outcome {
    fn from(stopped_by: StoppedBy) -> Self {
        match stopped_by {
            StoppedBy::Checkpoint => Outcome::DetachedAtCheckpoint,
            StoppedBy::Signal => Outcome::DetachedBySignal,
        }
    }
}

/// What is ready when a poll leaves.
struct Departure {
    spare: Spare,
    seat: SeatRef,
    scheduler: Arc<Scheduler>,
}

/// Detaches the poll that this is called in, if it was asked to give way and can be. Returns when
/// it was resumed (`true`), or at once (`false`).
pub(crate) fn detach(stopped_by: StoppedBy) -> bool {
    checkpoint::enter();
    let departure = context::with_seat(|seat| seat.and_then(|seat| prepare(seat, stopped_by)));
    let leaves = departure.is_some();
    if let Some(Departure { spare, seat, scheduler }) = departure {
        let (visible, terms) = (Visible::here(), context::terms());
        let note = observe::Paused::here();
        let at = PausedAt(NonNull::from(&note));
        let subject = context::with_seat(|seat| seat.map(Seat::subject)).unwrap_or_default();
        let publish = move |suspended| {
            let detached = Detached { suspended, visible, terms, stopped_by, at };
            scheduler.push_detached(detached);
        };
        preempt_fiber::start(spare, move || worker::work(seat), publish);
        context::reseat();
        cancel::remind();
        context::with_seat(|now| {
            let Some(now) = now else { return };
            now.count_migration(seat);
            observe::note_resumption(now);
            now.observe_resumption(subject);
        });
    }
    checkpoint::leave();
    leaves
}

/// Ends the poll's slice. From then on the processor belongs to the loop that starts on the spare
/// fiber; if the monitor has taken it, that loop begins by waiting for another.
fn prepare(seat: &Seat, stopped_by: StoppedBy) -> Option<Departure> {
    if !seat.poll_is_to_leave() {
        return None;
    }
    if !seat.scheduler().is_stopping() && observe::is_spared(seat, stopped_by) {
        return None;
    }
    // Only a fiber can be left; a machine that found none when it began runs without.
    preempt_fiber::current()?;
    let background = &seat.scheduler().background;
    let fibers = seat.fibers.as_ref().filter(|_| background.take_place())?;
    let Some(spare) = fibers.take_spare() else {
        background.give_place_back();
        return None;
    };
    checkpoint::clear_request();
    observe::note_suspension(seat, stopped_by);
    seat.scheduler().trace_outcome(None, stopped_by.into());
    seat.end_slice();
    seat.scheduler().counters.detaches.fetch_add(1, Relaxed);
    Some(Departure { spare, seat: SeatRef::new(seat), scheduler: seat.scheduler().clone() })
}

/// The hook of a checkpoint that found this thread's flag raised: the poll is set aside, or at
/// least goes on without its processor.
pub(crate) fn on_checkpoint() {
    if seeded::at_checkpoint() {
        return;
    }
    if detach(StoppedBy::Checkpoint) {
        return;
    }
    // Between the look at the seat and the hand-off the poll must not move to another seat.
    let _critical = Critical::enter();
    context::with_seat(|seat| {
        if seat.is_some_and(Seat::waits_for_fiber) {
            // It tries again at its next checkpoint. Nobody would ask it once more.
            return;
        }
        checkpoint::clear_request();
        let Some(seat) = seat else { return };
        let Some((processor, slice)) = seat.held_in_poll() else { return };
        if processor.watch.is_requested(slice) {
            let scheduler = seat.scheduler();
            let is_lost = seat.lose_processor();
            scheduler.counters.hand_offs_at_checkpoint.fetch_add(is_lost.into(), Relaxed);
            // For want of a fiber. It takes turns with the others as soon as there is one.
            if is_lost && seat.fibers.is_some() && context::preemption() == Preemption::Forced {
                scheduler.note_orphan(seat.machine().clone());
            }
        }
    });
}
