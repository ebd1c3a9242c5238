//! The events of one thread: a ring that its writer never waits for, and that others may read at any
//! time.
//!
//! ```text
//!   begun: 7                 slot n % 4 holds the n-th event, unless a later one is being written
//!   ┌ slot 0 ┐┌ slot 1 ┐┌ slot 2 ┐┌ slot 3 ┐        stamp  2n + 1: the n-th event is being written
//!   │ n = 4  ││ n = 5  ││ n = 6  ││ n = 3  │               2n + 2: it is there
//!   └────────┘└────────┘└────────┘└────────┘        state: what goes on now, and has no end yet
//! ```
//!
//! Only one thread at a time writes. A reader copies a slot and looks at its stamp before and after:
//! if that changed, or names another event, the event is gone. Each slot is a seqlock, in the form that
//! needs no more than plain loads and stores (Boehm, "Can seqlocks get along with programming
//! language memory models?", MSPC 2012).
//!
//! # Signal safety
//! A signal handler writes to a ring of its own (`recorder.rs`). Rejected: that it takes the next place of
//! the ring whose writer it interrupts. If it comes between the load and the store that take a place, both
//! write to one slot, one after the other, with the same stamp, and a reader that began in between sees
//! the stamp that it expects, twice, around words of both. (Found by sending signals to a writer as
//! fast as it could be done: one torn event in some 50 runs.)

use crate::sync::{AtomicU64, fence};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// What an event is in memory.
pub(crate) type Words = [u64; 4];

/// How often a reader looks again at a state that is written at the same time.
const TRIES: usize = 100;

#[derive(Debug)]
pub(crate) struct Ring {
    slots: Box<[Slot]>,
    /// How many events have been begun.
    begun: AtomicU64,
    state: Slot,
}

#[derive(Debug)]
struct Slot {
    stamp: AtomicU64,
    words: [AtomicU64; 4],
}

impl Slot {
    fn new() -> Self {
        Slot { stamp: AtomicU64::new(0), words: std::array::from_fn(|_| AtomicU64::new(0)) }
    }

    fn write(&self, stamp: u64, words: Words) {
        self.stamp.store(stamp - 1, Relaxed);
        // Pairs with the fence in `read`: who sees one of the words sees the odd stamp.
        fence(Release);
        for (place, word) in self.words.iter().zip(words) {
            place.store(word, Relaxed);
        }
        // Pairs with the first load in `read`: who sees the stamp sees the words.
        self.stamp.store(stamp, Release);
    }

    /// The words and their stamp, if nobody wrote meanwhile.
    fn read(&self) -> Option<(u64, Words)> {
        let stamp = self.stamp.load(Acquire);
        if stamp == 0 || stamp % 2 == 1 {
            return None;
        }
        let words = std::array::from_fn(|index| self.words[index].load(Relaxed));
        // Pairs with the fence in `write`.
        fence(Acquire);
        (self.stamp.load(Relaxed) == stamp).then_some((stamp, words))
    }
}

impl Ring {
    /// Room for `capacity` events, a power of two.
    pub(crate) fn new(capacity: usize) -> Self {
        debug_assert!(capacity.is_power_of_two());
        Ring {
            slots: (0..capacity).map(|_| Slot::new()).collect(),
            begun: AtomicU64::new(0),
            state: Slot::new(),
        }
    }

    /// The bytes that an event takes.
    pub(crate) const EVENT_BYTES: usize = size_of::<Slot>();

    fn slot(&self, nth: u64) -> &Slot {
        &self.slots[nth as usize & (self.slots.len() - 1)]
    }

    /// Adds an event, in the place of the oldest. The writer's.
    #[inline]
    pub(crate) fn push(&self, words: Words) {
        let nth = self.begun.load(Relaxed);
        // Release: pairs with `read`; the event before this one is complete.
        self.begun.store(nth + 1, Release);
        self.slot(nth).write(2 * nth + 2, words);
    }

    /// Says what goes on from now on. The writer's, and no handler's.
    #[inline]
    pub(crate) fn set_state(&self, words: Words) {
        let stamp = self.state.stamp.load(Relaxed);
        self.state.write(stamp + 2, words);
    }

    /// What goes on.
    pub(crate) fn state(&self) -> Option<Words> {
        (0..TRIES).find_map(|_| self.state.read()).map(|(_, words)| words)
    }

    /// Appends all events that are there, the oldest first, and returns how many were overwritten
    /// before.
    pub(crate) fn read(&self, into: &mut Vec<Words>) -> u64 {
        let begun = self.begun.load(Acquire);
        let first = begun.saturating_sub(self.slots.len() as u64);
        let before = into.len();
        into.extend((first..begun).filter_map(|nth| match self.slot(nth).read() {
            Some((stamp, words)) if stamp == 2 * nth + 2 => Some(words),
            _ => None,
        }));
        begun - (into.len() - before) as u64
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;
    use std::thread;

    fn event(n: u64) -> Words {
        [n, n ^ 0xdead, n.wrapping_mul(31), !n]
    }

    fn read(ring: &Ring) -> (u64, Vec<Words>) {
        let mut words = Vec::new();
        let lost = ring.read(&mut words);
        (lost, words)
    }

    #[test]
    fn the_last_events_are_kept() {
        let ring = Ring::new(4);
        assert_eq!(read(&ring), (0, vec![]));
        (0..3).for_each(|n| ring.push(event(n)));
        assert_eq!(read(&ring), (0, (0..3).map(event).collect()));
        (3..10).for_each(|n| ring.push(event(n)));
        assert_eq!(read(&ring), (6, (6..10).map(event).collect()));
    }

    #[test]
    fn a_state_replaces_the_one_before() {
        let ring = Ring::new(1);
        assert_eq!(ring.state(), None);
        ring.set_state(event(1));
        ring.set_state(event(2));
        assert_eq!(ring.state(), Some(event(2)));
    }

    /// A writer as fast as it can be, and two readers: no event is torn, and they are in order.
    #[test]
    fn no_reader_sees_half_an_event() {
        let ring = Ring::new(8);
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let writer = || {
                let mut n = 0;
                while !stop.load(Relaxed) {
                    ring.push(event(n));
                    ring.set_state(event(n));
                    n += 1;
                }
            };
            let reader = || {
                (0..20_000).all(|_| {
                    let (_, words) = read(&ring);
                    let is_whole = |words: &Words| *words == event(words[0]);
                    words.windows(2).all(|pair| pair[0][0] < pair[1][0])
                        && words.iter().chain(&ring.state()).all(is_whole)
                })
            };
            scope.spawn(writer);
            let readers = [scope.spawn(reader), scope.spawn(reader)];
            let results = readers.map(|reader| reader.join().unwrap());
            stop.store(true, Relaxed);
            assert_eq!(results, [true, true]);
        });
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    /// A reader sees whole events or none, also while the only slot is written again and again.
    #[test]
    fn loom_an_event_that_is_written_is_not_read() {
        loom::model(|| {
            let ring = Arc::new(Ring::new(1));
            let writer = thread::spawn({
                let ring = ring.clone();
                move || (1..3).for_each(|n| ring.push([n; 4]))
            });
            let mut words = Vec::new();
            ring.read(&mut words);
            for words in words {
                assert!(words[0] != 0 && words.iter().all(|word| *word == words[0]));
            }
            writer.join().unwrap();
        });
    }

    /// As above, of the state.
    #[test]
    fn loom_a_state_that_is_written_is_not_read() {
        loom::model(|| {
            let ring = Arc::new(Ring::new(1));
            let writer = thread::spawn({
                let ring = ring.clone();
                move || (1..3).for_each(|n| ring.set_state([n; 4]))
            });
            if let Some((_, words)) = ring.state.read() {
                assert!(words.iter().all(|word| *word == words[0]));
            }
            writer.join().unwrap();
        });
    }
}
