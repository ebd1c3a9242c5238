//! What is recorded: events, and how they are packed into the words of a ring.
//!
//! ```text
//!   word 0   the time, in ticks
//!   word 1   kind (8 bits) | processor (16) | small (40)
//!   word 2   a
//!   word 3   b
//! ```

use super::ring::Words;
use crate::task::{Id, TaskHeader};
use std::panic::Location;

/// No processor.
pub(super) const NO_PROCESSOR: u16 = u16::MAX;

const SMALL_BITS: u32 = 40;
const LARGEST_SMALL: u64 = (1 << SMALL_BITS) - 1;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident,)*) => {
        /// What has happened. `small` is how many ticks it took, for the first three; for whatever is
        /// recorded by a thread that has no ring of its own it is the thread's number.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(super) enum Kind { $($(#[$doc])* $kind,)* }

        impl Kind {
            fn from_bits(bits: u8) -> Option<Kind> {
                [$(Kind::$kind),*].get(usize::from(bits)).copied()
            }
        }
    };
}

kinds! {
    /// A poll is over. `a`: the task's id, zero for the future of `block_on`; `b`: a [`PollNote`].
    Poll,
    /// A processor slept.
    Park,
    /// A machine had no processor.
    Spare,
    /// A task was spawned. `a`: its id; `b`: where.
    Spawn,
    /// A task was woken. `a`: its id.
    Wake,
    /// A sleeping processor was woken. `a`: which.
    Unpark,
    /// The monitor has asked a poll to give way. `a`: the processor.
    Request,
    /// The monitor has sent a signal. `a`: the number of the thread.
    Signal,
    /// A signal found no async-safe point. `a`: why.
    Refuse,
    /// A processor went to another machine. `a`: which.
    HandOff,
    /// Runnables were stolen. `a`: how many; `b`: from which processor.
    Steal,
    /// Events have woken somebody. `a`: how many.
    Netpoll,
    /// Timers have fired. `a`: how many.
    Timers,
    /// A machine got a processor.
    Take,
    /// `block_on` has begun, on a thread that runs no tasks.
    BlockOn,
    /// It has ended. `a`: its ticks.
    BlockedOn,
    /// A blocking closure has ended. `a`: the id of its task; `b`: its ticks.
    Blocking,
}

/// How a poll has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Outcome {
    /// It waits for something.
    #[default]
    Pending,
    /// The task is complete.
    Complete,
    /// It has woken itself.
    Yielded,
    /// So it has, as it was asked to.
    GaveWay,
    /// It was set aside in the middle, at a checkpoint.
    DetachedAtCheckpoint,
    /// It was, by a signal.
    DetachedBySignal,
}

const OUTCOMES: [Outcome; 6] = [
    Outcome::Pending,
    Outcome::Complete,
    Outcome::Yielded,
    Outcome::GaveWay,
    Outcome::DetachedAtCheckpoint,
    Outcome::DetachedBySignal,
];

/// Who is polled.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Subject {
    /// `None`: the future of `block_on`.
    pub(crate) task: Option<Id>,
    pub(crate) spawned_at: Option<&'static Location<'static>>,
    /// It was set aside before.
    pub(crate) is_resumed: bool,
    /// When it was queued; zero: not known.
    pub(crate) queued_at: u64,
}

impl Subject {
    pub(crate) fn of(task: &TaskHeader) -> Self {
        let spawned_at = Some(task.spawned_at());
        let queued_at = task.queued_at();
        Subject { task: Some(task.id()), spawned_at, is_resumed: false, queued_at }
    }
}

const OUTCOME_SHIFT: u32 = 56;
const RESUMED: u64 = 1 << 63;
const LOST: u64 = 1 << 62;
const PLACE: u64 = (1 << OUTCOME_SHIFT) - 1;

/// The last word of [`Kind::Poll`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PollNote {
    pub(super) spawned_at: Option<&'static Location<'static>>,
    pub(super) outcome: Outcome,
    pub(super) is_resumed: bool,
    /// The processor was taken away during the poll.
    pub(super) has_lost_processor: bool,
}

impl PollNote {
    pub(super) fn to_word(self) -> u64 {
        let resumed = if self.is_resumed { RESUMED } else { 0 };
        let lost = if self.has_lost_processor { LOST } else { 0 };
        place_to_word(self.spawned_at) | (self.outcome as u64) << OUTCOME_SHIFT | resumed | lost
    }

    fn from_word(word: u64) -> Self {
        let outcome = (word & !RESUMED & !LOST) >> OUTCOME_SHIFT;
        PollNote {
            spawned_at: place_from_word(word),
            outcome: OUTCOMES.get(outcome as usize).copied().unwrap_or_default(),
            is_resumed: word & RESUMED != 0,
            has_lost_processor: word & LOST != 0,
        }
    }
}

/// Addresses of user space have at most 56 bits on every platform with 64 of them.
fn place_to_word(place: Option<&'static Location<'static>>) -> u64 {
    let address = place.map_or(0, |place| std::ptr::from_ref(place).expose_provenance());
    address as u64 & PLACE
}

fn place_from_word(word: u64) -> Option<&'static Location<'static>> {
    let address = usize::try_from(word & PLACE).ok()?;
    // SAFETY: the word is one that `place_to_word` has made of a reference that is valid for ever:
    // words are only read from a ring whole.
    unsafe { std::ptr::with_exposed_provenance::<Location<'static>>(address).as_ref() }
}

/// An event, or a state that goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub(super) time: u64,
    pub(super) kind: Kind,
    pub(super) processor: u16,
    pub(super) small: u64,
    pub(super) a: u64,
    pub(super) b: u64,
}

impl Event {
    pub(super) fn new(kind: Kind) -> Self {
        Event { time: 0, kind, processor: NO_PROCESSOR, small: 0, a: 0, b: 0 }
    }

    pub(super) fn small(self, small: u64) -> Self {
        Event { small, ..self }
    }

    pub(super) fn a(self, a: u64) -> Self {
        Event { a, ..self }
    }

    pub(super) fn b(self, b: u64) -> Self {
        Event { b, ..self }
    }

    pub(super) fn task(self, id: Id) -> Self {
        self.a(id.as_u64())
    }

    pub(super) fn place(self, place: &'static Location<'static>) -> Self {
        self.b(place_to_word(Some(place)))
    }

    pub(super) fn spawned_at(&self) -> Option<&'static Location<'static>> {
        match self.kind {
            Kind::Spawn => place_from_word(self.b),
            Kind::Poll => self.poll_note().spawned_at,
            _ => None,
        }
    }

    pub(super) fn poll_note(&self) -> PollNote {
        PollNote::from_word(self.b)
    }

    pub(super) fn to_words(self) -> Words {
        let small = self.small.min(LARGEST_SMALL);
        let first = (self.kind as u64) << 56 | u64::from(self.processor) << SMALL_BITS | small;
        [self.time, first, self.a, self.b]
    }

    pub(super) fn from_words([time, first, a, b]: Words) -> Option<Self> {
        Some(Event {
            time,
            kind: Kind::from_bits((first >> 56) as u8)?,
            processor: (first >> SMALL_BITS) as u16,
            small: first & LARGEST_SMALL,
            a,
            b,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_survives_being_packed() {
        let here = Location::caller();
        let note = PollNote {
            spawned_at: Some(here),
            outcome: Outcome::DetachedBySignal,
            is_resumed: true,
            has_lost_processor: false,
        };
        let mut event = Event::new(Kind::Poll).small(7).a(u64::MAX).b(note.to_word());
        event.time = 1 << 60;
        event.processor = 3;
        let back = Event::from_words(event.to_words()).unwrap();
        assert_eq!((back.time, back.kind, back.processor), (1 << 60, Kind::Poll, 3));
        assert_eq!((back.small, back.a), (7, u64::MAX));
        let back = back.poll_note();
        assert!(back.spawned_at.is_some_and(|place| std::ptr::eq(place, here)));
        assert_eq!(back.outcome, Outcome::DetachedBySignal);
        assert!(back.is_resumed && !back.has_lost_processor);
    }

    #[test]
    fn a_long_time_does_not_reach_into_the_other_fields() {
        let event = Event::new(Kind::Spare).small(u64::MAX);
        let back = Event::from_words(event.to_words()).unwrap();
        assert_eq!((back.kind, back.small), (Kind::Spare, LARGEST_SMALL));
        assert_eq!(back.processor, NO_PROCESSOR);
    }
}
