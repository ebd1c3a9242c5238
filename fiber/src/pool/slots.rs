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
//! Last in, first out: the stack and the thread-locals of the latest fiber are still in the cache.

use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

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

fn tag_after(head: u64) -> u64 {
    (head & !NUMBER_MASK).wrapping_add(1 << NUMBER_BITS)
}

#[cfg(test)]
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
