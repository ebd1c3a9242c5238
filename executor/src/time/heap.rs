//! The timers of one shard: a 4-ary heap over slots, without an allocation per timer.
//!
//! ```text
//!   items: [(due, key)]  heap order; children of i at 4i+1 .. 4i+4
//!   slots: key -> Slot { waker, position in items, or FIRED }
//! ```
//!
//! A `Sleep` owns its slot from registration until it is dropped or has seen that it fired, so a
//! key is never used for two timers at the same time. Timers mostly come in the order of their
//! deadlines and leave before they fire (timeouts): an insertion at the end and a removal there
//! are constant time in practice.

use slab::Slab;
use std::task::Waker;

const ARITY: usize = 4;
const FIRED: usize = usize::MAX;

/// A slot's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key(usize);

#[derive(Debug, Default)]
pub(crate) struct Heap {
    items: Vec<Item>,
    slots: Slab<Slot>,
}

#[derive(Clone, Copy, Debug)]
struct Item {
    due: u64,
    key: usize,
}

#[derive(Debug)]
struct Slot {
    waker: Option<Waker>,
    position: usize,
}

impl Heap {
    /// When the first timer is due.
    pub(crate) fn earliest(&self) -> Option<u64> {
        self.items.first().map(|item| item.due)
    }

    /// How many timers have not fired.
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn insert(&mut self, due: u64, waker: Waker) -> Key {
        let position = self.items.len();
        let key = self.slots.insert(Slot { waker: Some(waker), position });
        self.items.push(Item { due, key });
        self.sift_up(position);
        Key(key)
    }

    /// Gives the slot back. The waker is returned so that it is dropped without the lock.
    pub(crate) fn remove(&mut self, key: Key) -> Option<Waker> {
        let slot = self.slots.remove(key.0);
        if slot.position != FIRED {
            self.remove_item(slot.position);
        }
        slot.waker
    }

    /// Whether the timer has fired. If not, `waker` is the one to wake; the one before it, if it
    /// was another, is returned so that it is dropped without the lock.
    pub(crate) fn poll(&mut self, key: Key, waker: &Waker) -> (bool, Option<Waker>) {
        let slot = &mut self.slots[key.0];
        if slot.position == FIRED {
            return (true, None);
        }
        if slot.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            return (false, None);
        }
        (false, slot.waker.replace(waker.clone()))
    }

    /// Fires the first timer, if it is due.
    pub(crate) fn pop_due(&mut self, now: u64) -> Option<Waker> {
        let first = *self.items.first()?;
        if first.due > now {
            return None;
        }
        self.remove_item(0);
        let slot = &mut self.slots[first.key];
        slot.position = FIRED;
        slot.waker.take()
    }

    fn remove_item(&mut self, position: usize) {
        self.items.swap_remove(position);
        if position < self.items.len() {
            let settled = self.sift_up(position);
            self.sift_down(settled);
        }
    }

    /// Moves the item up to its place and returns that.
    fn sift_up(&mut self, mut position: usize) -> usize {
        while position > 0 {
            let parent = (position - 1) / ARITY;
            if self.items[parent].due <= self.items[position].due {
                break;
            }
            self.items.swap(parent, position);
            self.note_position(position);
            position = parent;
        }
        self.note_position(position);
        position
    }

    fn sift_down(&mut self, mut position: usize) {
        while let Some(child) = self.earliest_child(position) {
            if self.items[position].due <= self.items[child].due {
                break;
            }
            self.items.swap(position, child);
            self.note_position(position);
            position = child;
        }
        self.note_position(position);
    }

    fn earliest_child(&self, parent: usize) -> Option<usize> {
        let first = parent * ARITY + 1;
        let last = (first + ARITY).min(self.items.len());
        (first..last).min_by_key(|&child| self.items[child].due)
    }

    fn note_position(&mut self, position: usize) {
        let key = self.items[position].key;
        self.slots[key].position = position;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn next(seed: &mut u64) -> u64 {
        *seed =
            seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *seed >> 33
    }

    /// Against an ordered map, over thousands of random insertions, removals and firings.
    #[test]
    fn it_fires_in_order_whatever_is_removed() {
        let mut seed = 7;
        let mut heap = Heap::default();
        let mut model: BTreeMap<(u64, usize), Key> = BTreeMap::new();
        for serial in 0..20_000 {
            match next(&mut seed) % 4 {
                0 | 1 => {
                    let due = next(&mut seed) % 1_000;
                    let key = heap.insert(due, Waker::noop().clone());
                    model.insert((due, serial), key);
                }
                2 if !model.is_empty() => {
                    let nth = next(&mut seed) as usize % model.len();
                    let id = *model.keys().nth(nth).unwrap();
                    let key = model.remove(&id).unwrap();
                    assert!(heap.remove(key).is_some());
                }
                _ => {
                    let now = next(&mut seed) % 300;
                    while heap.pop_due(now).is_some() {}
                    let fired: Vec<_> =
                        model.range(..(now + 1, 0)).map(|(id, key)| (*id, *key)).collect();
                    for (id, key) in fired {
                        model.remove(&id);
                        assert!(
                            heap.poll(key, Waker::noop()).0,
                            "due at {} not fired at {now}",
                            id.0
                        );
                        assert!(heap.remove(key).is_none());
                    }
                }
            }
            assert_eq!(heap.earliest(), model.keys().next().map(|id| id.0));
        }
        assert_eq!(heap.slots.len(), model.len());
    }
}
