//! A stack of small numbers that any thread pushes and pops, without locks and allocations.
//!
//! ```text
//!   head: tag (48 bits) | 1 + number on top (16 bits), 0 when empty
//!   next[number]: 1 + number below it, 0 for the last; written by whoever pushes the number
//! ```
//!
//! Treiber's stack (IBM RJ 5118, 1986). Every change increments the tag, so that a pop which has
//! read an outdated `next` fails its compare-and-swap (ABA) unless exactly 2^48 changes have happened in
//! between. A number is in the stack at most once: who pushes it owns it.
//!
//! Model-checked with loom, see the end of the file.
//!
//! Last in, first out: the stack and the thread-locals of the latest fiber are still in the cache.

#[cfg(loom)]
use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};

const NUMBER_BITS: u32 = 16;
const NUMBER_MASK: u64 = (1 << NUMBER_BITS) - 1;
/// How many numbers there can be.
pub(super) const MAX: usize = NUMBER_MASK as usize - 1;

/// See the module.
pub(super) struct Slots {
    head: AtomicU64,
    next: Box<[AtomicU32]>,
    /// For `len` only. Raised before a push, lowered after a pop: never less than there are.
    len: AtomicUsize,
}

impl Slots {
    /// Room for the numbers below `capacity`; none is in.
    pub(super) fn empty(capacity: usize) -> Self {
        assert!(capacity <= MAX, "too many slots");
        Slots {
            head: AtomicU64::new(0),
            next: (0..capacity).map(|_| AtomicU32::new(0)).collect(),
            len: AtomicUsize::new(0),
        }
    }

    /// All numbers below `capacity`, the smallest on top.
    pub(super) fn full(capacity: usize) -> Self {
        let slots = Self::empty(capacity);
        for number in (0..capacity as u32).rev() {
            slots.push(number);
        }
        slots
    }

    /// Puts a number in that is not in.
    pub(super) fn push(&self, number: u32) {
        self.len.fetch_add(1, Ordering::Relaxed);
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            self.next[number as usize].store((head & NUMBER_MASK) as u32, Ordering::Relaxed);
            let new = tag_after(head) | u64::from(number + 1);
            // Release: pairs with the acquire of `pop`, which sees `next` and what the pusher did.
            match self.head.compare_exchange_weak(head, new, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// Takes the number that was put in last.
    pub(super) fn pop(&self) -> Option<u32> {
        // Acquire, here and below: pairs with the release of the push that made this head. Heads
        // made by pops continue its release sequence, as they are made by read-modify-writes.
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            let number = (head & NUMBER_MASK).checked_sub(1)? as u32;
            let below = self.next[number as usize].load(Ordering::Relaxed);
            let new = tag_after(head) | u64::from(below);
            match self.head.compare_exchange_weak(head, new, Ordering::Acquire, Ordering::Acquire) {
                Ok(_) => {
                    self.len.fetch_sub(1, Ordering::Relaxed);
                    return Some(number);
                }
                Err(now) => head = now,
            }
        }
    }

    /// About how many numbers are in.
    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }
}

/// [`Slots`] of idle fibers, which can be closed: from then on whatever is put in is to be taken out
/// and ended at once, by whoever notices.
///
/// Proof sketch that nothing stays in after the closing: `put` pushes, then reads `closed`; `close`
/// writes `closed`, and its caller pops. In the single order of the two SeqCst fences, either
/// the pop comes second and finds the number, or the read comes second and finds `closed`. A
/// number is popped once, so that its fiber is ended once.
pub(super) struct Spares {
    slots: Slots,
    closed: AtomicBool,
}

impl Spares {
    /// Room for the numbers below `capacity`; none is in.
    pub(super) fn new(capacity: usize) -> Self {
        Spares { slots: Slots::empty(capacity), closed: AtomicBool::new(false) }
    }

    /// Puts a number in that is not in. If it returns true, the caller has to take everything out.
    #[must_use]
    pub(super) fn put(&self, number: u32) -> bool {
        self.slots.push(number);
        fence(Ordering::SeqCst); // Pairs with the fence in `close`.
        self.closed.load(Ordering::Relaxed)
    }

    /// Takes the number that was put in last.
    pub(super) fn take(&self) -> Option<u32> {
        self.slots.pop()
    }

    /// About how many numbers are in.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Closes it. The caller has to take everything out.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst); // Pairs with the fence in `put`.
    }
}

fn tag_after(head: u64) -> u64 {
    (head & !NUMBER_MASK).wrapping_add(1 << NUMBER_BITS)
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use loom::cell::UnsafeCell;
    use loom::sync::Arc;
    use loom::thread;

    type Shared = (Slots, [UnsafeCell<u32>; 2]);

    fn take_and_use(shared: &Shared) -> Option<u32> {
        let number = shared.0.pop()?;
        // SAFETY: the number was taken by this thread; loom checks that.
        shared.1[number as usize].with_mut(|cell| unsafe { *cell += 1 });
        Some(number)
    }

    /// One thread takes a number while the other one takes both and puts one back (ABA). Loom
    /// reports a use by two owners, and one that does not see what the previous owner did.
    #[test]
    fn a_number_has_one_owner_at_a_time() {
        loom::model(|| {
            let shared = Arc::new((Slots::full(2), [UnsafeCell::new(0u32), UnsafeCell::new(0)]));
            let theirs = Arc::clone(&shared);
            let other = thread::spawn(move || {
                let (first, second) = (take_and_use(&theirs), take_and_use(&theirs));
                first.into_iter().for_each(|number| theirs.0.push(number));
                second
            });
            let mine = take_and_use(&shared);
            let second = other.join().unwrap();
            let mut all: Vec<u32> = mine.into_iter().chain(second).collect();
            all.extend(std::iter::from_fn(|| shared.0.pop()));
            all.sort_unstable();
            assert_eq!(all, [0, 1]);
        });
    }

    /// A number that is put in while another thread closes is taken out exactly once.
    #[test]
    fn nothing_stays_in_a_closed_table() {
        loom::model(|| {
            let spares = Arc::new(Spares::new(2));
            assert!(!spares.put(0));
            let drain = |spares: &Spares| std::iter::from_fn(|| spares.take()).count();
            let theirs = Arc::clone(&spares);
            let putter = thread::spawn(move || if theirs.put(1) { drain(&theirs) } else { 0 });
            spares.close();
            let ended = drain(&spares) + putter.join().unwrap();
            assert_eq!((ended, spares.take()), (2, None));
        });
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn the_last_one_in_is_the_first_one_out() {
        let slots = Slots::empty(3);
        slots.push(2);
        slots.push(0);
        assert_eq!([slots.pop(), slots.pop(), slots.pop()], [Some(0), Some(2), None]);
    }

    #[test]
    fn full_means_every_number_once() {
        let slots = Slots::full(MAX);
        assert_eq!(slots.len(), MAX);
        assert!((0..MAX as u32).all(|number| slots.pop() == Some(number)));
        assert_eq!(slots.pop(), None);
    }

    /// Each number stands for a cell that only its owner may change: two owners would lose counts.
    #[test]
    fn a_number_has_one_owner_at_a_time() {
        const ROUNDS: usize = 20_000;
        let slots = Slots::full(3);
        let uses: [AtomicUsize; 3] = Default::default();
        let turn = || {
            for _ in 0..ROUNDS {
                let number = loop {
                    match slots.pop() {
                        Some(number) => break number,
                        None => thread::yield_now(),
                    }
                };
                let cell = &uses[number as usize];
                cell.store(cell.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
                slots.push(number);
            }
        };
        thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(turn))));
        assert_eq!(uses.iter().map(|cell| cell.load(Ordering::Relaxed)).sum::<usize>(), 4 * ROUNDS);
        assert_eq!(slots.len(), 3);
    }
}
