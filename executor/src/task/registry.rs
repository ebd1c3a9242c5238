//! All live tasks of a runtime, so that shutdown can drop every future.
//!
//! Sharded lists, linked through the tasks, each under its own lock. A shard holds one reference
//! for each task in it. A closed shard takes no task.

use super::Task;
use super::cell::{Header, Links};
use crate::metrics::bump;
use crate::sync::Mutex;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};

pub(crate) struct Registry {
    shards: Box<[Shard]>,
}

#[derive(Default)]
struct Shard {
    list: Mutex<List>,
    /// How many tasks have come, and how many have gone. Written under the lock.
    added: AtomicU64,
    removed: AtomicU64,
}

#[derive(Default)]
struct List {
    first: Option<NonNull<Header>>,
    closed: bool,
}

// SAFETY: a list owns references to its tasks, which are `Send`.
unsafe impl Send for List {}

impl Registry {
    pub(crate) fn new(processors: usize) -> Self {
        let shards = (processors * 4).next_power_of_two();
        Registry { shards: (0..shards).map(|_| Shard::default()).collect() }
    }

    fn shard(&self, id: u64) -> &Shard {
        // The number of shards is a power of two.
        &self.shards[id as usize & (self.shards.len() - 1)]
    }

    /// Adds a new task, or shuts it down if the registry is closed. `true`: added.
    pub(crate) fn add(&self, task: Task) -> bool {
        let shard = self.shard(task.id().as_u64());
        let mut list = shard.list.lock();
        if list.closed {
            drop(list);
            task.shut_down();
            return false;
        }
        list.link(task);
        bump(&shard.added, 1);
        true
    }

    /// Removes a task that is complete. `true`: its reference is now the caller's.
    pub(crate) fn remove(&self, header: &Header) -> bool {
        let shard = self.shard(header.id.as_u64());
        shard.unlink(&mut shard.list.lock(), header)
    }

    /// All live tasks. Holds up whoever spawns or ends one, a shard at a time.
    pub(crate) fn all(&self) -> Vec<Task> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let list = loop {
                let list = shard.list.lock();
                let count = shard.len();
                if all.capacity() - all.len() >= count {
                    break list;
                }
                // Nothing is allocated under the lock; meanwhile more may have come.
                drop(list);
                all.reserve(count + count / 4);
            };
            all.extend(list.iter().map(|header| list.share(header)));
        }
        all
    }

    /// The task at an address, if one lives there.
    #[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
    pub(crate) fn find(&self, address: usize) -> Option<Task> {
        self.shards.iter().find_map(|shard| {
            let list = shard.list.lock();
            let header = list.iter().find(|header| header.addr().get() == address)?;
            Some(list.share(header))
        })
    }

    /// How many tasks there have been.
    pub(crate) fn added(&self) -> u64 {
        self.shards.iter().map(|shard| shard.added.load(Relaxed)).sum()
    }

    /// How many tasks live.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(Shard::len).sum()
    }

    /// Takes no more tasks, and drops the futures of all that are not being polled. User code
    /// runs without a lock.
    pub(crate) fn close(&self) {
        for shard in &self.shards {
            shard.list.lock().closed = true;
            while let Some(task) = shard.pop() {
                task.shut_down();
            }
        }
    }
}

impl Shard {
    fn len(&self) -> usize {
        // First those that have gone: nobody goes without having come.
        let removed = self.removed.load(Acquire);
        (self.added.load(Relaxed) - removed) as usize
    }

    /// Takes the task out. `false`: it was not in the list.
    fn unlink(&self, list: &mut List, header: &Header) -> bool {
        let was_linked = list.unlink(header);
        if was_linked {
            // Release: pairs with `len`.
            self.removed.store(self.removed.load(Relaxed) + 1, Release);
        }
        was_linked
    }

    fn pop(&self) -> Option<Task> {
        let mut list = self.list.lock();
        let first = list.first?;
        // SAFETY: a task in the list is alive.
        self.unlink(&mut list, unsafe { first.as_ref() });
        // SAFETY: the list's reference is handed over.
        Some(unsafe { Task::from_raw(first) })
    }
}

impl List {
    fn iter(&self) -> impl Iterator<Item = NonNull<Header>> {
        std::iter::successors(self.first, |&header| links(header).next)
    }

    /// Puts the task in front; its reference becomes the list's.
    fn link(&mut self, task: Task) {
        let header = task.into_raw();
        set_links(header, Links { previous: None, next: self.first });
        if let Some(next) = self.first {
            set_links(next, Links { previous: Some(header), ..links(next) });
        }
        self.first = Some(header);
    }

    /// One more reference to a task in the list.
    fn share(&self, header: NonNull<Header>) -> Task {
        // SAFETY: the list has a reference, so the task is alive.
        unsafe { Task::one_more(header) }
    }

    /// Takes the task out. `false`: it was not in the list.
    fn unlink(&mut self, header: &Header) -> bool {
        let taken = links(NonNull::from(header));
        if !taken.is_linked() {
            return false;
        }
        match taken.previous {
            Some(previous) => set_links(previous, Links { next: taken.next, ..links(previous) }),
            None => self.first = taken.next,
        }
        if let Some(next) = taken.next {
            set_links(next, Links { previous: taken.previous, ..links(next) });
        }
        set_links(NonNull::from(header), Links::NONE);
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
