//! One word per processor: which poll it is in, if any.
//!
//! ```text
//!      begin_poll          end_poll (owner)
//!   even ──────▶ odd ─────────────────────▶ even + 2
//!   between      in a poll    or
//!   polls                  retake (monitor)
//! ```
//!
//! The word only grows. Odd means "in a poll", and the value names the poll: both `end_poll` and
//! `retake` move the same odd value to the next even one by compare-and-swap, so exactly one of
//! them succeeds. Whoever fails acts on nothing: the owner that fails has lost the processor, the
//! monitor that fails was late.
//!
//! Only the machine that holds the processor calls `begin_poll` and `end_poll`. Between polls the
//! word is even and nobody else moves it, which is why `begin_poll` needs no read-modify-write.

#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering::*};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU64, Ordering::*};

use crate::policy::{Preemption, Priority};
use crossbeam_utils::CachePadded;
use std::time::Duration;

/// What one processor shows to the monitor.
#[derive(Debug)]
pub struct Watch {
    words: CachePadded<Words>,
}

#[derive(Debug)]
struct Words {
    poll: AtomicU64,
    /// The poll that was last asked to give way.
    requested: AtomicU64,
    /// The last poll that had been preempted before.
    background: AtomicU64,
    /// The last poll of the background that was promised a turn.
    promised: AtomicU64,
    /// The last poll that only a signal has stopped before.
    silent: AtomicU64,
    /// The last poll that is only to be asked; and that is to be left alone.
    cooperative: AtomicU64,
    unpreemptible: AtomicU64,
    /// The last poll of the latency class; and of the batch class.
    latency: AtomicU64,
    batch: AtomicU64,
    /// The last poll with a time slice of its own, and that in microseconds.
    timed: AtomicU64,
    time_slice_us: AtomicU64,
}

/// One poll on one processor. Never used twice on the same processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice(u64);

impl Slice {
    /// As a number other than zero.
    #[must_use]
    pub fn into_bits(self) -> u64 {
        self.0
    }

    /// The slice that [`into_bits`](Self::into_bits) was called on; `None` for zero.
    #[must_use]
    pub fn from_bits(bits: u64) -> Option<Self> {
        (bits != 0).then_some(Slice(bits))
    }
}

impl Watch {
    /// A processor that is not in a poll.
    #[must_use]
    pub fn new() -> Self {
        Watch {
            words: CachePadded::new(Words {
                poll: AtomicU64::new(0),
                requested: AtomicU64::new(0),
                background: AtomicU64::new(0),
                promised: AtomicU64::new(0),
                silent: AtomicU64::new(0),
                cooperative: AtomicU64::new(0),
                unpreemptible: AtomicU64::new(0),
                latency: AtomicU64::new(0),
                batch: AtomicU64::new(0),
                timed: AtomicU64::new(0),
                time_slice_us: AtomicU64::new(0),
            }),
        }
    }

    /// The holder of the processor starts a poll.
    #[inline]
    pub fn begin_poll(&self) -> Slice {
        let word = self.words.poll.load(Relaxed) + 1;
        debug_assert!(word % 2 == 1, "a poll begins inside a poll");
        // Release: pairs with the acquiring swap in `retake`; the next holder sees what this one
        // wrote to the processor before the poll.
        self.words.poll.store(word, Release);
        Slice(word)
    }

    /// As [`begin_poll`](Self::begin_poll), for the rest of a poll that was preempted: it gives way
    /// to fresh tasks without a grace.
    pub fn begin_background_poll(&self) -> Slice {
        self.words.background.store(self.words.poll.load(Relaxed) + 1, Relaxed);
        self.begin_poll()
    }

    /// Notes how far the poll may be preempted that is about to begin. Without a note it is
    /// [`Preemption::Forced`].
    ///
    /// Only the holder of the processor calls this, right before
    /// [`begin_poll`](Self::begin_poll), whose store publishes the note: whoever observes the slice
    /// sees it. Only after the poll is it overwritten, so whoever looks at it and then finds the
    /// processor still in the slice was not misled.
    pub fn restrict_next_poll(&self, preemption: Preemption) {
        let note = match preemption {
            Preemption::Forced => return,
            Preemption::Cooperative => &self.words.cooperative,
            Preemption::Never => &self.words.unpreemptible,
        };
        self.note_next_poll(note);
    }

    /// Notes the class of the poll that is about to begin; without a note it is
    /// [`Priority::Normal`]. To be called, and read, as
    /// [`restrict_next_poll`](Self::restrict_next_poll).
    pub fn rank_next_poll(&self, priority: Priority) {
        match priority {
            Priority::Normal => {}
            Priority::Latency => self.note_next_poll(&self.words.latency),
            Priority::Batch => self.note_next_poll(&self.words.batch),
        }
    }

    /// Notes how long the poll that is about to begin may run while somebody waits, if it has a time
    /// slice of its own. To be called as [`restrict_next_poll`](Self::restrict_next_poll).
    ///
    /// Two words. Whoever finds the slice's name reads the time of that slice or, as the time is
    /// written first, that of a later one. In that case it also sees that the slice is over, since the
    /// time is stored with Release after that: so whoever then finds the processor still in the slice
    /// was not misled.
    pub fn time_next_poll(&self, time_slice: Duration) {
        let us = u64::try_from(time_slice.as_micros()).unwrap_or(u64::MAX);
        // Release: pairs with `time_slice`.
        self.words.time_slice_us.store(us, Release);
        self.note_next_poll(&self.words.timed);
    }

    fn note_next_poll(&self, note: &AtomicU64) {
        // Release: pairs with `has_note`; whoever sees this note sees that earlier polls are over.
        note.store(self.words.poll.load(Relaxed) + 1, Release);
    }

    fn has_note(note: &AtomicU64, slice: Slice) -> bool {
        // Acquire: pairs with `note_next_poll`.
        note.load(Acquire) == slice.0
    }

    /// How far `slice` may be preempted.
    #[must_use]
    pub fn preemption(&self, slice: Slice) -> Preemption {
        if Self::has_note(&self.words.cooperative, slice) {
            Preemption::Cooperative
        } else if Self::has_note(&self.words.unpreemptible, slice) {
            Preemption::Never
        } else {
            Preemption::Forced
        }
    }

    /// The class of `slice`.
    #[must_use]
    pub fn priority(&self, slice: Slice) -> Priority {
        if Self::has_note(&self.words.latency, slice) {
            Priority::Latency
        } else if Self::has_note(&self.words.batch, slice) {
            Priority::Batch
        } else {
            Priority::Normal
        }
    }

    /// How long `slice` may run while somebody waits, if that was said.
    #[must_use]
    pub fn time_slice(&self, slice: Slice) -> Option<Duration> {
        // Acquire: pairs with `time_next_poll`.
        Self::has_note(&self.words.timed, slice)
            .then(|| Duration::from_micros(self.words.time_slice_us.load(Acquire)))
    }

    /// Whether `slice` is the rest of a poll that was preempted.
    #[must_use]
    pub fn is_background(&self, slice: Slice) -> bool {
        self.words.background.load(Relaxed) == slice.0
    }

    /// The poll is over. `false`: the processor was taken away during it and now belongs to
    /// another machine.
    #[inline]
    #[must_use]
    pub fn end_poll(&self, slice: Slice) -> bool {
        self.advance(slice)
    }

    /// Takes the processor away from the machine that is in `slice`. `true`: the caller now holds
    /// the processor, between polls. `false`: that poll is over.
    #[must_use]
    pub fn retake(&self, slice: Slice) -> bool {
        self.advance(slice)
    }

    fn advance(&self, slice: Slice) -> bool {
        // Each winner sees what the other side did before (pairs with itself and with the store in
        // `begin_poll`). SeqCst: pairs with `is_in`, see there.
        self.words.poll.compare_exchange(slice.0, slice.0 + 1, SeqCst, Relaxed).is_ok()
    }

    /// The poll that the processor is in.
    #[must_use]
    pub fn observe(&self) -> Option<Slice> {
        let word = self.words.poll.load(Acquire);
        (word % 2 == 1).then_some(Slice(word))
    }

    /// How many polls have begun on the processor.
    #[must_use]
    pub fn polls(&self) -> u64 {
        self.words.poll.load(Relaxed).div_ceil(2)
    }

    /// Whether the processor is still in `slice`. Sequentially consistent: a machine that writes to
    /// the processor's queue and then finds itself still in its slice knows that whoever retakes
    /// the processor later sees what it wrote.
    #[inline]
    #[must_use]
    pub fn is_in(&self, slice: Slice) -> bool {
        self.words.poll.load(SeqCst) == slice.0
    }

    /// Notes that `slice` was asked to give way.
    pub fn note_request(&self, slice: Slice) {
        self.words.requested.store(slice.0, Relaxed);
    }

    /// Promises `slice` the time of a turn: no fresh task cuts it short.
    pub fn promise_turn(&self, slice: Slice) {
        self.words.promised.store(slice.0, Relaxed);
    }

    /// Notes that `slice` goes on with a poll that only a signal has stopped before.
    pub fn note_silent(&self, slice: Slice) {
        self.words.silent.store(slice.0, Relaxed);
    }

    /// Whether `slice` goes on with a poll that only a signal has stopped before.
    #[must_use]
    pub fn is_silent(&self, slice: Slice) -> bool {
        self.words.silent.load(Relaxed) == slice.0
    }

    /// Whether `slice` was promised a turn.
    #[must_use]
    pub fn is_promised_turn(&self, slice: Slice) -> bool {
        self.words.promised.load(Relaxed) == slice.0
    }

    /// Whether the last request was meant for `slice`; if not, the flag that was found is stale.
    #[must_use]
    pub fn is_requested(&self, slice: Slice) -> bool {
        self.words.requested.load(Relaxed) == slice.0
    }
}

impl Default for Watch {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_poll_that_ends_first_cannot_be_retaken() {
        let watch = Watch::new();
        let slice = watch.begin_poll();
        assert!(watch.end_poll(slice));
        assert!(!watch.retake(slice));
        assert_eq!(watch.observe(), None);
    }

    #[test]
    fn a_poll_that_was_retaken_cannot_end() {
        let watch = Watch::new();
        let slice = watch.begin_poll();
        assert_eq!(watch.observe(), Some(slice));
        assert!(watch.retake(slice));
        assert!(!watch.is_in(slice));
        assert!(!watch.end_poll(slice));
    }

    #[test]
    fn a_late_request_does_not_match_the_next_poll() {
        let watch = Watch::new();
        let first = watch.begin_poll();
        watch.note_request(first);
        assert!(watch.is_requested(first));
        assert!(watch.end_poll(first));
        let second = watch.begin_poll();
        assert!(!watch.is_requested(second));
    }

    #[test]
    fn a_restriction_is_for_one_poll() {
        let watch = Watch::new();
        for preemption in [Preemption::Never, Preemption::Cooperative, Preemption::Forced] {
            watch.restrict_next_poll(preemption);
            let restricted = watch.begin_poll();
            assert_eq!(watch.preemption(restricted), preemption);
            assert!(watch.end_poll(restricted));
            let next = watch.begin_poll();
            assert_eq!(watch.preemption(next), Preemption::Forced);
            assert!(watch.end_poll(next));
        }
    }

    #[test]
    fn a_class_and_a_time_slice_are_for_one_poll() {
        let watch = Watch::new();
        for (priority, ms) in [(Priority::Latency, 1), (Priority::Batch, 60_000)] {
            watch.rank_next_poll(priority);
            watch.time_next_poll(Duration::from_millis(ms));
            let noted = watch.begin_poll();
            assert_eq!(watch.priority(noted), priority);
            assert_eq!(watch.time_slice(noted), Some(Duration::from_millis(ms)));
            assert!(watch.end_poll(noted));
            watch.rank_next_poll(Priority::Normal);
            let next = watch.begin_poll();
            assert_eq!(watch.priority(next), Priority::Normal);
            assert_eq!(watch.time_slice(next), None);
            assert!(watch.end_poll(next));
        }
    }
}

#[cfg(all(test, loom))]
#[allow(unsafe_code, reason = "loom's cells check what the model does with them")]
#[allow(clippy::undocumented_unsafe_blocks, reason = "what the model is to prove")]
mod models {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    /// Exactly one of "the poll ends" and "the processor is retaken" happens, and the winner's
    /// successor sees what the previous holder wrote.
    #[test]
    fn loom_end_and_retake_exclude_each_other() {
        loom::model(|| {
            let watch = Arc::new(Watch::new());
            let held = Arc::new(loom::cell::UnsafeCell::new(0));
            held.with_mut(|value| unsafe { *value = 1 });
            let slice = watch.begin_poll();
            let monitor = thread::spawn({
                let (watch, held) = (watch.clone(), held.clone());
                move || {
                    let taken = watch.retake(slice);
                    if taken {
                        // The new holder may touch what only the holder touches.
                        held.with_mut(|value| unsafe { *value += 1 });
                    }
                    taken
                }
            });
            let ended = watch.end_poll(slice);
            if ended {
                held.with_mut(|value| unsafe { *value += 1 });
            }
            let taken = monitor.join().unwrap();
            assert!(ended != taken);
            assert_eq!(held.with(|value| unsafe { *value }), 2);
        });
    }

    /// Whoever looks at what a poll allows and then finds the processor still in it was not misled by
    /// the note of another poll.
    #[test]
    fn loom_a_look_at_a_restriction() {
        const ALLOWED: [Preemption; 3] = [Preemption::Never, Preemption::Forced, Preemption::Never];
        loom::model(|| {
            let watch = Arc::new(Watch::new());
            let monitor = thread::spawn({
                let watch = watch.clone();
                move || {
                    let Some(slice) = watch.observe() else { return };
                    let allowed = watch.preemption(slice);
                    if watch.is_in(slice) {
                        assert_eq!(allowed, ALLOWED[slice.into_bits() as usize / 2]);
                    }
                }
            });
            for allowed in ALLOWED {
                watch.restrict_next_poll(allowed);
                let slice = watch.begin_poll();
                assert!(watch.end_poll(slice));
            }
            monitor.join().unwrap();
        });
    }

    /// The same for a time slice, which takes two words.
    #[test]
    fn loom_a_look_at_a_time_slice() {
        const TIMES: [Option<u64>; 3] = [Some(1), None, Some(2)];
        loom::model(|| {
            let watch = Arc::new(Watch::new());
            let monitor = thread::spawn({
                let watch = watch.clone();
                move || {
                    let Some(slice) = watch.observe() else { return };
                    let time = watch.time_slice(slice);
                    if watch.is_in(slice) {
                        let noted = TIMES[slice.into_bits() as usize / 2];
                        assert_eq!(time, noted.map(Duration::from_micros));
                    }
                }
            });
            for time in TIMES {
                if let Some(us) = time {
                    watch.time_next_poll(Duration::from_micros(us));
                }
                let slice = watch.begin_poll();
                assert!(watch.end_poll(slice));
            }
            monitor.join().unwrap();
        });
    }
}
