//! How many polls may be detached at the same time: each has a place in a queue of fixed size.
//!
//! # A place that was taken is free (proof sketch)
//! Whoever gives a place back has emptied it before, and whoever takes it acquires that; so there are never
//! more in the queue than places, and it never seems to be full. Counting up comes first and is undone
//! where there was no room: two that are late may refuse a third who would just have had room, and that
//! one tries again.
//!
//! Model: `loom_*` at the end of this file.

use crate::sync::AtomicUsize;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

pub(super) struct Places {
    taken: AtomicUsize,
    most: usize,
}

impl Places {
    pub(super) fn new(most: usize) -> Self {
        Places { taken: AtomicUsize::new(0), most }
    }

    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// How many are taken; for a moment it may be more than there are.
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Relaxed)
    }

    /// Whether one is free; out of date as soon as it is known. Signal-safe.
    pub(super) fn has_one(&self) -> bool {
        self.taken.load(Relaxed) < self.most
    }

    /// `false`: there is none.
    #[must_use]
    pub(super) fn take(&self) -> bool {
        // Pairs with `give_back`.
        let taken = self.taken.fetch_add(1, Acquire) < self.most;
        if !taken {
            self.give_back();
        }
        taken
    }

    pub(super) fn give_back(&self) {
        // Pairs with `take`.
        self.taken.fetch_sub(1, Release);
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use loom::cell::UnsafeCell;
    use loom::sync::Arc;
    use loom::thread;

    /// Three want the only place. Loom fails the model if two have it at the same time, or if one has it
    /// before what the other did there is seen.
    #[test]
    fn loom_a_place_is_one_polls_at_a_time() {
        loom::model(|| {
            let world = Arc::new((Places::new(1), UnsafeCell::new(0)));
            let try_one = |world: &(Places, UnsafeCell<i32>)| {
                let (places, place) = world;
                if places.take() {
                    // SAFETY: the place is this thread's, which is what the model checks.
                    place.with_mut(|place| unsafe { *place += 1 });
                    places.give_back();
                }
            };
            let others = [(); 2].map(|()| {
                let world = world.clone();
                thread::spawn(move || try_one(&world))
            });
            try_one(&world);
            others.into_iter().for_each(|other| other.join().unwrap());
            assert!(world.0.has_one(), "all places come back");
        });
    }
}
