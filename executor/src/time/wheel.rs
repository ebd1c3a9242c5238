//! The timers of one shard: a hierarchical timing wheel (Varghese and Lauck, 1987) over slots, without
//! an allocation per timer.
//!
//! ```text
//!   level 0: 64 lists of 16 us each     a timer is in the list of the highest level at which its time
//!   level 1: 64 lists of 1 ms each      differs from `elapsed`; when `elapsed` comes to the list, its
//!   level 2: 64 lists of 67 ms each     timers move to lower levels
//!   ..
//!   level 8: all that 64 bits can say
//! ```
//!
//! To set a timer and to take it back is constant time; each moves down a few times at most. Lists only
//! sort timers roughly: times are kept and compared in nanoseconds, and what is due is fired in the order
//! of its times.
//!
//! Rejected: a 4-ary heap, in which each timer that fires costs a walk through all levels.
//!
//! A `Sleep` owns its slot from registration until it is dropped or has seen that it fired, so a key is
//! never used for two timers at the same time.

use slab::Slab;
use std::task::Waker;

/// A list of level 0 covers 2^14 ns.
const TICK_BITS: u32 = 14;
/// Each level has 2^6 lists.
const LEVEL_BITS: u32 = 6;
const LISTS: usize = 1 << LEVEL_BITS;
const LEVELS: usize = (u64::BITS - TICK_BITS).div_ceil(LEVEL_BITS) as usize;

/// A list with no more timers than these is looked through for its first.
const SHORT: usize = 8;

/// An empty wheel keeps the memory of so many timers.
const KEPT: usize = 4096;

/// A slot's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key(usize);

#[derive(Debug)]
pub(crate) struct Wheel {
    levels: Box<[Level; LEVELS]>,
    slots: Slab<Slot>,
    /// In ticks: nothing that is in a list was due before.
    elapsed: u64,
    /// How many timers have not fired.
    len: usize,
    /// How many have.
    fired: u64,
    /// No timer is due before; there may be none at this very time.
    not_before: Option<u64>,
    /// Kept for its memory; empty between uses.
    due: Vec<(u64, usize)>,
}

#[derive(Debug)]
struct Level {
    /// A bit for each list that is not empty.
    occupied: u64,
    /// The first of each list, see `Slot::links`; of an empty one anything.
    firsts: [usize; LISTS],
}

#[derive(Debug)]
struct Slot {
    /// `None`: it has fired.
    waker: Option<Waker>,
    due: u64,
    place: Place,
    /// The neighbours in its list, which is a ring.
    links: Links,
}

#[derive(Clone, Copy, Debug)]
struct Links {
    previous: usize,
    next: usize,
}

/// A list.
#[derive(Clone, Copy, Debug)]
struct Place {
    level: u8,
    index: u8,
}

impl Default for Wheel {
    fn default() -> Self {
        const EMPTY: Level = Level { occupied: 0, firsts: [0; LISTS] };
        Wheel {
            levels: Box::new([EMPTY; LEVELS]),
            slots: Slab::new(),
            elapsed: 0,
            len: 0,
            fired: 0,
            not_before: None,
            due: Vec::new(),
        }
    }
}

impl Wheel {
    /// A time before which no timer is due; `None`: there is none. At that time there may be none
    /// either: one was taken back, or the wheel has to be looked at.
    pub(crate) fn not_before(&self) -> Option<u64> {
        self.not_before
    }

    /// When the first timer is due.
    pub(crate) fn earliest(&self) -> Option<u64> {
        let place = self.first_place()?;
        self.ring(place).map(|key| self.slots[key].due).min()
    }

    /// How many timers have not fired.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// How many timers have fired.
    pub(crate) fn fired(&self) -> u64 {
        self.fired
    }

    pub(crate) fn insert(&mut self, due: u64, waker: Waker) -> Key {
        let place = self.place_of(due);
        let links = Links { previous: 0, next: 0 };
        let key = self.slots.insert(Slot { waker: Some(waker), due, place, links });
        self.link(key);
        self.len += 1;
        self.not_before = Some(self.not_before.map_or(due, |before| before.min(due)));
        Key(key)
    }

    /// Gives the slot back. The waker is returned so that it is dropped without the lock.
    pub(crate) fn remove(&mut self, Key(key): Key) -> Option<Waker> {
        if self.slots[key].waker.is_some() {
            self.unlink(key);
            self.len -= 1;
        }
        self.vacate(key).waker
    }

    /// Gives a slot back, and with the last one the memory of very many.
    fn vacate(&mut self, key: usize) -> Slot {
        let slot = self.slots.remove(key);
        if self.slots.is_empty() && self.slots.capacity() > KEPT {
            self.slots = Slab::new();
            self.due = Vec::new();
        }
        slot
    }

    /// Whether the timer has fired; then its slot is given back. If not, `waker` is the one to wake; the
    /// one before it, if it was another, is returned so that it is dropped without the lock.
    pub(crate) fn poll(&mut self, Key(key): Key, waker: &Waker) -> (bool, Option<Waker>) {
        match &mut self.slots[key].waker {
            None => {
                self.vacate(key);
                (true, None)
            }
            Some(known) if known.will_wake(waker) => (false, None),
            Some(known) => (false, Some(std::mem::replace(known, waker.clone()))),
        }
    }

    /// Fires all timers that are due, in the order of their times. Returns how many.
    pub(crate) fn fire(&mut self, now: u64, wakers: &mut Vec<Waker>) -> usize {
        let before = wakers.len();
        let now_tick = now >> TICK_BITS;
        while let Some(place) = self.first_place() {
            let start = self.start(place);
            if start > now_tick {
                break;
            }
            self.elapsed = start;
            if place.level > 0 {
                self.cascade(place);
            } else {
                self.fire_list(place, now, wakers);
                if start == now_tick {
                    break;
                }
            }
        }
        self.elapsed = self.elapsed.max(now_tick);
        self.not_before = self.look_ahead();
        let fired = wakers.len() - before;
        self.fired += fired as u64;
        fired
    }

    /// The list that comes first. Whatever is on a lower level is due before all of a higher one.
    fn first_place(&self) -> Option<Place> {
        let level = self.levels.iter().position(|level| level.occupied != 0)?;
        let index = self.levels[level].occupied.trailing_zeros();
        Some(Place { level: level as u8, index: index as u8 })
    }

    /// The first tick of a list that is not empty.
    fn start(&self, place: Place) -> u64 {
        let shift = LEVEL_BITS * u32::from(place.level);
        let above = shift + LEVEL_BITS;
        let prefix = self.elapsed.checked_shr(above).map_or(0, |prefix| prefix << above);
        (prefix | u64::from(place.index) << shift).max(self.elapsed)
    }

    /// Where a timer belongs. What is overdue belongs to what comes next.
    fn place_of(&self, due: u64) -> Place {
        let tick = (due >> TICK_BITS).max(self.elapsed);
        let differs = (tick ^ self.elapsed) | (LISTS as u64 - 1);
        let level = (u64::BITS - 1 - differs.leading_zeros()) / LEVEL_BITS;
        let index = (tick >> (LEVEL_BITS * level)) % LISTS as u64;
        Place { level: level as u8, index: index as u8 }
    }

    /// Moves the timers of a list to lower levels. `elapsed` has come to its start.
    fn cascade(&mut self, place: Place) {
        let first = self.take_list(place);
        let mut key = first;
        loop {
            let Slot { links: Links { next, .. }, due, .. } = self.slots[key];
            self.slots[key].place = self.place_of(due);
            self.link(key);
            if next == first {
                return;
            }
            key = next;
        }
    }

    /// Fires what is due of a list of level 0.
    fn fire_list(&mut self, place: Place, now: u64, wakers: &mut Vec<Waker>) {
        let mut due = std::mem::take(&mut self.due);
        due.extend(self.ring(place).map(|key| (self.slots[key].due, key)).filter(|it| it.0 <= now));
        // Stable: timers of the same time fire in the order in which they were set.
        due.sort_by_key(|&(due, _)| due);
        for (_, key) in due.drain(..) {
            self.unlink(key);
            wakers.extend(self.slots[key].waker.take());
            self.len -= 1;
        }
        self.due = due;
    }

    /// When to look next: exactly, if that is cheap to tell.
    fn look_ahead(&self) -> Option<u64> {
        let place = self.first_place()?;
        let is_short = place.level == 0 || self.ring(place).nth(SHORT).is_none();
        if is_short { self.earliest() } else { Some(self.start(place) << TICK_BITS) }
    }

    /// The timers of a list that is not empty.
    fn ring(&self, Place { level, index }: Place) -> impl Iterator<Item = usize> {
        let first = self.levels[usize::from(level)].firsts[usize::from(index)];
        let next =
            move |&key: &usize| Some(self.slots[key].links.next).filter(|&next| next != first);
        std::iter::successors(Some(first), next)
    }

    /// Empties a list, and returns its first; the ring is as it was.
    fn take_list(&mut self, Place { level, index }: Place) -> usize {
        let level = &mut self.levels[usize::from(level)];
        level.occupied &= !(1 << index);
        level.firsts[usize::from(index)]
    }

    /// Puts a slot at the end of the list of its place.
    fn link(&mut self, key: usize) {
        let Place { level, index } = self.slots[key].place;
        let level = &mut self.levels[usize::from(level)];
        let is_empty = level.occupied & (1 << index) == 0;
        level.occupied |= 1 << index;
        let first = &mut level.firsts[usize::from(index)];
        if is_empty {
            *first = key;
            self.slots[key].links = Links { previous: key, next: key };
            return;
        }
        let first = *first;
        let last = self.slots[first].links.previous;
        self.slots[key].links = Links { previous: last, next: first };
        self.slots[last].links.next = key;
        self.slots[first].links.previous = key;
    }

    fn unlink(&mut self, key: usize) {
        let Slot { place: Place { level, index }, links: Links { previous, next }, .. } =
            self.slots[key];
        let level = &mut self.levels[usize::from(level)];
        let first = &mut level.firsts[usize::from(index)];
        if next == key {
            level.occupied &= !(1 << index);
            return;
        }
        if *first == key {
            *first = next;
        }
        self.slots[previous].links.next = next;
        self.slots[next].links.previous = previous;
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};
    use std::task::Wake;

    fn next(seed: &mut u64) -> u64 {
        *seed =
            seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *seed >> 33
    }

    /// Writes its number down when it is woken.
    struct Numbered(u64, Arc<Mutex<Vec<u64>>>);

    impl Wake for Numbered {
        fn wake(self: Arc<Self>) {
            self.1.lock().unwrap().push(self.0);
        }
    }

    struct World {
        wheel: Wheel,
        now: u64,
        woken: Arc<Mutex<Vec<u64>>>,
        /// What is set, by time and number.
        model: BTreeMap<(u64, u64), Key>,
    }

    impl World {
        fn new(now: u64) -> Self {
            let mut wheel = Wheel::default();
            assert_eq!(wheel.fire(now, &mut Vec::new()), 0);
            World { wheel, now, woken: Arc::default(), model: BTreeMap::new() }
        }

        fn set(&mut self, due: u64, number: u64) {
            let waker = Waker::from(Arc::new(Numbered(number, self.woken.clone())));
            let key = self.wheel.insert(due, waker);
            self.model.insert((due, number), key);
        }

        /// Moves on to `now`; what has fired must be what the model has until then, in its order.
        fn move_to(&mut self, now: u64) {
            self.now = now;
            let mut wakers = Vec::new();
            let fired = self.wheel.fire(now, &mut wakers);
            assert_eq!(fired, wakers.len());
            wakers.into_iter().for_each(Waker::wake);
            let left = self.model.split_off(&(now + 1, 0));
            let due = std::mem::replace(&mut self.model, left);
            let woken = std::mem::take(&mut *self.woken.lock().unwrap());
            assert_eq!(woken, due.keys().map(|id| id.1).collect::<Vec<_>>(), "fired at {now}");
            for ((_, number), key) in due {
                match number % 2 {
                    0 => assert!(self.wheel.poll(key, Waker::noop()).0),
                    _ => assert!(self.wheel.remove(key).is_none(), "nobody is to be woken twice"),
                }
            }
        }

        fn check(&self) {
            assert_eq!(self.wheel.len(), self.model.len());
            let earliest = self.model.keys().next().map(|id| id.0);
            assert_eq!(self.wheel.earliest(), earliest);
            match (self.wheel.not_before(), earliest) {
                (Some(before), Some(earliest)) => assert!(before <= earliest),
                (_, None) => {}
                (None, Some(_)) => panic!("nobody would look for it"),
            }
        }
    }

    /// Against an ordered map, over random insertions, removals and steps of all sizes.
    #[test]
    fn it_fires_in_order_whatever_is_removed() {
        for (seed, bits) in [(1, 8), (2, 16), (3, 22), (4, 30), (5, 40), (6, 55)] {
            let mut random = seed;
            let mut world = World::new(next(&mut random) << (bits / 2));
            for number in 0..20_000 {
                // All magnitudes are equally likely.
                let magnitude = next(&mut random) % bits;
                let far = (next(&mut random) << 31 | next(&mut random)) & ((1 << magnitude) - 1);
                match next(&mut random) % 4 {
                    0 | 1 => world.set(world.now + far, number),
                    2 if !world.model.is_empty() => {
                        let nth = next(&mut random) as usize % world.model.len();
                        let id = *world.model.keys().nth(nth).unwrap();
                        let key = world.model.remove(&id).unwrap();
                        assert!(!world.wheel.poll(key, Waker::noop()).0);
                        assert!(world.wheel.remove(key).is_some());
                    }
                    // As whoever sleeps until the next timer does.
                    _ if number % 2 == 0 => {
                        let then =
                            world.wheel.not_before().map_or(world.now, |it| it.max(world.now));
                        world.move_to(then);
                    }
                    _ => world.move_to(world.now + far),
                }
                world.check();
            }
            world.move_to(u64::MAX - 1);
            assert_eq!((world.wheel.len(), world.wheel.slots.len()), (0, 0));
        }
    }

    /// Somebody who sleeps until `not_before` again and again wakes for a lone timer once, however far
    /// off it is.
    #[test]
    fn a_lone_timer_is_looked_for_once() {
        for due in [0, 1, 20_000, 1 << 20, 1 << 40, 1 << 62, u64::MAX - 1] {
            let mut wheel = Wheel::default();
            wheel.insert(due, Waker::noop().clone());
            assert_eq!(wheel.not_before(), Some(due));
            assert_eq!(wheel.fire(due, &mut Vec::new()), 1);
            assert_eq!(wheel.not_before(), None);
        }
    }

    #[test]
    fn overdue_timers_fire_at_the_next_look() {
        let mut world = World::new(1 << 40);
        [5, 3, 1 << 39, 4].into_iter().enumerate().for_each(|(at, due)| world.set(due, at as u64));
        assert_eq!(world.wheel.not_before(), Some(3));
        world.move_to(1 << 40);
        world.check();
    }
}
