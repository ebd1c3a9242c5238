//! Where runnables wait: a queue per processor, and lists that all share.
//!
//! | queue | who puts in | who takes out |
//! |---|---|---|
//! | [`LocalQueue`] `lifo_slot` | the processor's machine | the same, or a thief with nothing else to steal |
//! | [`LocalQueue`] ring | the processor's machine | the same, or a thief: half at a time |
//! | [`Injector`] | everybody | every machine |
//!
//! All of them are safe for any number of threads on both sides. That is more than a processor
//! with one machine needs, but a machine can lose its processor in the middle of a push (see
//! `hand_off` in `mod.rs`), and then two machines push. Rejected for now: a single-producer ring
//! with ownership checked by an asymmetric fence; it saves a compare-and-swap per push.

use crate::metrics::bump;
use crate::sync::Mutex;
use crate::task::{List, Runnable};
use crossbeam_queue::ArrayQueue;
use std::ptr::{self, NonNull};
use std::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst,
};

/// As in Go and tokio: 256 runnables, of which half move to the injector when they are too many.
const LOCAL_CAPACITY: usize = 256;

/// The most that one visit to the injector brings.
const LARGEST_BATCH: usize = LOCAL_CAPACITY / 2;

/// The runnables of one processor.
pub(crate) struct LocalQueue {
    /// What the running task woke last, to be run next while its data is warm.
    lifo_slot: AtomicPtr<()>,
    ring: ArrayQueue<Runnable>,
}

impl LocalQueue {
    pub(crate) fn new() -> Self {
        LocalQueue {
            lifo_slot: AtomicPtr::new(ptr::null_mut()),
            ring: ArrayQueue::new(LOCAL_CAPACITY),
        }
    }

    /// Puts a runnable into the LIFO slot; the one that was there goes to the ring.
    /// `true`: there was one.
    pub(crate) fn push_lifo(&self, runnable: Runnable, overflow: &Injector) -> bool {
        // SeqCst: pairs with `Watch::retake` and `is_empty`, see `Idle`'s proof sketch.
        match from_slot(self.lifo_slot.swap(runnable.into_word(), SeqCst)) {
            Some(displaced) => {
                self.push(displaced, overflow);
                true
            }
            None => false,
        }
    }

    /// Puts a runnable at the end of the ring; if it is full, half of it moves to `overflow`.
    pub(crate) fn push(&self, runnable: Runnable, overflow: &Injector) {
        let Err(runnable) = self.ring.push(runnable) else { return };
        let mut spilled = List::default();
        while spilled.len() < LOCAL_CAPACITY / 2
            && let Some(oldest) = self.ring.pop()
        {
            spilled.push_back(oldest);
        }
        spilled.push_back(runnable);
        overflow.push_list(&mut spilled);
    }

    pub(crate) fn pop_lifo(&self) -> Option<Runnable> {
        if self.lifo_slot.load(SeqCst).is_null() {
            return None;
        }
        from_slot(self.lifo_slot.swap(ptr::null_mut(), SeqCst))
    }

    pub(crate) fn pop(&self) -> Option<Runnable> {
        self.ring.pop()
    }

    /// Moves half of this ring to `thief`. Returns one of it to be run at once, and how many it were.
    pub(crate) fn steal_into(
        &self,
        thief: &LocalQueue,
        overflow: &Injector,
    ) -> Option<(Runnable, usize)> {
        let count = self.ring.len().div_ceil(2);
        let first = self.ring.pop()?;
        let mut stolen = 1;
        while stolen < count
            && let Some(runnable) = self.ring.pop()
        {
            thief.push(runnable, overflow);
            stolen += 1;
        }
        Some((first, stolen))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lifo_slot.load(SeqCst).is_null() && self.ring.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.ring.len() + usize::from(!self.lifo_slot.load(SeqCst).is_null())
    }
}

impl Drop for LocalQueue {
    fn drop(&mut self) {
        drop(self.pop_lifo());
    }
}

fn from_slot(word: *mut ()) -> Option<Runnable> {
    // SAFETY: the slot holds words of `into_word`, and a swap gives each to one thread.
    NonNull::new(word).map(|word| unsafe { Runnable::from_word(word) })
}

/// A list that all machines share.
#[derive(Default)]
pub(crate) struct Injector {
    list: Mutex<List>,
    /// The list's length, to be read without the lock.
    len: AtomicUsize,
    /// How many came one by one, and how many from queues that were full. Written under the lock.
    pushed: AtomicU64,
    spilled: AtomicU64,
    /// The monitor has seen something in it while every processor was at work.
    urgent: AtomicBool,
}

impl Injector {
    pub(crate) fn push(&self, runnable: Runnable) {
        let mut list = self.list.lock();
        list.push_back(runnable);
        bump(&self.pushed, 1);
        self.len.store(list.len(), SeqCst);
    }

    pub(crate) fn push_list(&self, added: &mut List) {
        let mut list = self.list.lock();
        bump(&self.spilled, added.len() as u64);
        list.append(added);
        self.len.store(list.len(), SeqCst);
    }

    pub(crate) fn pop(&self) -> Option<Runnable> {
        if self.is_empty() {
            return None;
        }
        let mut list = self.list.lock();
        let first = list.pop_front();
        self.len.store(list.len(), SeqCst);
        first
    }

    /// Moves a fair share for one of `processors` to `queue` and returns the first of it.
    pub(crate) fn pop_batch(&self, queue: &LocalQueue, processors: usize) -> Option<Runnable> {
        if self.is_empty() {
            return None;
        }
        let mut batch = {
            let mut list = self.list.lock();
            let share = list.len() / processors + 1;
            let batch = list.take_front(share.min(LARGEST_BATCH));
            self.len.store(list.len(), SeqCst);
            batch
        };
        let first = batch.pop_front();
        batch.drain().for_each(|runnable| queue.push(runnable, self));
        first
    }

    /// The next pick looks here first: a local queue that is never empty would keep a timer's task
    /// waiting for the 61st.
    pub(crate) fn make_urgent(&self) {
        self.urgent.store(true, Relaxed);
    }

    /// Whether this pick is the one to look here first.
    pub(crate) fn take_urgency(&self) -> bool {
        self.urgent.load(Relaxed) && self.urgent.swap(false, Relaxed)
    }

    /// How many were put in one by one, and how many together.
    pub(crate) fn pushes(&self) -> (u64, u64) {
        (self.pushed.load(Relaxed), self.spilled.load(Relaxed))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.len.load(SeqCst)
    }
}
