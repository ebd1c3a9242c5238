//! All live tasks of a runtime, so that shutdown can drop every future.
//!
//! Sharded lists, linked through the tasks, each under its own lock. A shard holds one reference
//! for each task in it. A closed shard takes no task.

use super::Task;
use super::cell::{Header, Links};
use crate::sync::Mutex;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};

pub(crate) struct Registry {
    shards: Box<[Mutex<Shard>]>,
    /// How many tasks have come, and how many have gone.
    added: AtomicU64,
    removed: AtomicU64,
}

#[derive(Default)]
struct Shard {
    first: Option<NonNull<Header>>,
    closed: bool,
}

// SAFETY: a shard owns references to its tasks, which are `Send`.
unsafe impl Send for Shard {}

impl Registry {
    pub(crate) fn new(processors: usize) -> Self {
        let shards = (processors * 4).next_power_of_two();
        Registry {
            shards: (0..shards).map(|_| Mutex::default()).collect(),
            added: AtomicU64::new(0),
            removed: AtomicU64::new(0),
        }
    }

    fn shard(&self, id: u64) -> &Mutex<Shard> {
        // The number of shards is a power of two.
        &self.shards[id as usize & (self.shards.len() - 1)]
    }

    /// Adds a new task, or shuts it down if the registry is closed. `true`: added.
    pub(crate) fn add(&self, task: Task) -> bool {
        let mut shard = self.shard(task.id().as_u64()).lock();
        if shard.closed {
            drop(shard);
            task.shut_down();
            return false;
        }
        shard.link(task);
        self.added.fetch_add(1, Relaxed);
        true
    }

    /// Removes a task that is complete. `true`: its reference is now the caller's.
    pub(crate) fn remove(&self, header: &Header) -> bool {
        let removed = self.shard(header.id.as_u64()).lock().unlink(header);
        if removed {
            self.removed.fetch_add(1, Release);
        }
        removed
    }

    /// All live tasks. Holds up whoever spawns or ends one, a shard at a time.
    pub(crate) fn all(&self) -> Vec<Task> {
        let mut all = Vec::new();
        for shard in &self.shards {
            // Before the lock: nothing is to be allocated under it for long.
            all.reserve(self.len() / self.shards.len() + 64);
            let shard = shard.lock();
            let mut next = shard.first;
            while let Some(header) = next {
                all.push(shard.share(header));
                next = links(header).next;
            }
        }
        all
    }

    /// The task at an address, if one lives there.
    pub(crate) fn find(&self, address: usize) -> Option<Task> {
        self.shards.iter().find_map(|shard| {
            let shard = shard.lock();
            let mut next = shard.first;
            while let Some(header) = next {
                if header.addr().get() == address {
                    return Some(shard.share(header));
                }
                next = links(header).next;
            }
            None
        })
    }

    /// How many tasks there have been.
    pub(crate) fn added(&self) -> u64 {
        self.added.load(Relaxed)
    }

    /// How many tasks live.
    pub(crate) fn len(&self) -> usize {
        // First those that have gone: nobody goes without having come.
        let removed = self.removed.load(Acquire);
        (self.added.load(Relaxed) - removed) as usize
    }

    /// The tasks that live, at least most of them while others come and go. No lock is held while
    /// memory is allocated.
    pub(crate) fn tasks(&self) -> Vec<Task> {
        let mut tasks = Vec::with_capacity(self.len() * 2 + 64);
        for shard in &self.shards {
            let shard = shard.lock();
            let mut next = shard.first;
            while let Some(header) = next.filter(|_| tasks.len() < tasks.capacity()) {
                next = links(header).next;
                // SAFETY: a task in the list is alive; its state counts one reference more.
                tasks.push(unsafe { Task::one_more(header) });
            }
        }
        tasks
    }

    /// Takes no more tasks, and drops the futures of all that are not being polled. User code
    /// runs without a lock.
    pub(crate) fn close(&self) {
        for shard in &self.shards {
            shard.lock().closed = true;
            while let Some(task) = self.pop(shard) {
                task.shut_down();
            }
        }
    }

    fn pop(&self, shard: &Mutex<Shard>) -> Option<Task> {
        let mut shard = shard.lock();
        let first = shard.first?;
        // SAFETY: a task in the list is alive.
        shard.unlink(unsafe { first.as_ref() });
        self.removed.fetch_add(1, Release);
        // SAFETY: the list's reference is handed over.
        Some(unsafe { Task::from_raw(first) })
    }
}

impl Shard {
    /// Puts the task in front; its reference becomes the list's.
    fn link(&mut self, task: Task) {
        let header = task.into_raw();
        set_links(header, Links { previous: None, next: self.first, is_linked: true });
        if let Some(next) = self.first {
            set_links(next, Links { previous: Some(header), ..links(next) });
        }
        self.first = Some(header);
    }

    /// One more reference to a task in the list.
    fn share(&self, header: NonNull<Header>) -> Task {
        // SAFETY: the list has a reference, so the task is alive.
        unsafe { header.as_ref() }.state.add_ref();
        // SAFETY: made right above.
        unsafe { Task::from_raw(header) }
    }

    /// Takes the task out. `false`: it was not in the list.
    fn unlink(&mut self, header: &Header) -> bool {
        let taken = links(NonNull::from(header));
        if !taken.is_linked {
            return false;
        }
        match taken.previous {
            Some(previous) => set_links(previous, Links { next: taken.next, ..links(previous) }),
            None => self.first = taken.next,
        }
        if let Some(next) = taken.next {
            set_links(next, Links { previous: taken.previous, ..links(next) });
        }
        set_links(NonNull::from(header), Links::default());
        true
    }
}

fn links(header: NonNull<Header>) -> Links {
    // SAFETY: called under the shard's lock on a live task; the links are the shard's.
    unsafe { *header.as_ref().registry_links.get() }
}

fn set_links(header: NonNull<Header>, links: Links) {
    // SAFETY: as in `links`.
    unsafe { *header.as_ref().registry_links.get() = links };
}
