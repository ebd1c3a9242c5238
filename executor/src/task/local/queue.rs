//! Where the tasks of a set wait, and how they are run: the owner's part, and that of all threads.

use super::current::{self, LocalEnterGuard};
use crate::runtime;
use crate::scheduler;
use crate::sync::Mutex;
use crate::task::{self, JoinHandle, List, Preemption, Registry, Runnable, Schedule, TaskHeader};
use atomic_waker::AtomicWaker;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::panic::Location;
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::Waker;

/// How many polls of tasks one poll of the set makes at most, before others have their turn.
const MOST_POLLS: u32 = 61;

/// After so many polls the remote list is looked at although the local queue is not empty.
const REMOTE_INTERVAL: u32 = 31;

/// What belongs to the owner's thread.
pub(super) struct Local {
    queue: RefCell<List>,
    /// A poll of the set is under way, which looks at the queue before it ends.
    is_polled: Cell<bool>,
    polls: Cell<u32>,
    pub(super) shared: Arc<Shared>,
}

/// What all threads may touch.
pub(super) struct Shared {
    remote: Mutex<Remote>,
    /// Of whoever polls the set.
    waker: AtomicWaker,
    /// A waker was registered once that may wait for a lock when it is called, a combinator's, say.
    /// Then the wakers of the tasks, which call it, are no longer for the scheduler itself to call.
    waker_may_wait: AtomicBool,
    pub(super) registry: Registry,
    pub(super) id: runtime::Id,
}

/// What was queued while the set was not being polled, or from other threads.
#[derive(Default)]
struct Remote {
    list: List,
    /// The set is gone: what is queued would stay for ever, and keep `Shared` with it.
    closed: bool,
}

impl Local {
    pub(super) fn new() -> Self {
        let shared = Shared {
            remote: Mutex::default(),
            waker: AtomicWaker::new(),
            waker_may_wait: AtomicBool::new(false),
            registry: Registry::new(1),
            id: runtime::Id::next(),
        };
        Local {
            queue: RefCell::default(),
            is_polled: Cell::new(false),
            polls: Cell::new(0),
            shared: Arc::new(shared),
        }
    }

    /// Makes a task and queues it, unless the set is gone: then it is cancelled. `schedule` leads to
    /// this set.
    pub(super) fn spawn<F, S>(
        &self,
        future: F,
        schedule: S,
        spawned_at: &'static Location<'static>,
    ) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
        S: Schedule,
    {
        let (task, runnable, handle) = task::new(future, schedule, Preemption::Forced, spawned_at);
        if self.shared.registry.add(task) {
            self.shared.push(runnable);
        }
        handle
    }

    /// A poll of the set begins; `waker` is to be called when it should be polled again. A task of the
    /// set may poll it too: then it is the outer poll that goes on with the other tasks.
    pub(super) fn begin_poll<'a>(self: &'a Rc<Self>, waker: &Waker) -> InPoll<'a> {
        if !self.is_polled.get() {
            self.shared.register(waker);
        }
        self.enter()
    }

    /// Until the guard goes this is the current set, and whatever wakes its tasks on this thread uses
    /// the local queue.
    fn enter(self: &Rc<Self>) -> InPoll<'_> {
        InPoll {
            _entered: current::enter(self.clone()),
            local: self,
            was_polled: self.is_polled.replace(true),
        }
    }

    /// Polls tasks until none is queued, or others are to have their turn.
    pub(super) fn run_some(&self) {
        for _ in 0..MOST_POLLS {
            let Some(runnable) = self.next() else { return };
            runnable.run();
            if preempt_checkpoint::preempt_requested() {
                return;
            }
        }
    }

    fn next(&self) -> Option<Runnable> {
        if scheduler::seeded::is_anywhere() {
            self.draw();
        }
        let polls = self.polls.get();
        self.polls.set(polls.wrapping_add(1));
        if polls.is_multiple_of(REMOTE_INTERVAL) {
            self.take_remote();
        }
        self.pop().or_else(|| {
            self.take_remote();
            self.pop()
        })
    }

    /// On a seeded runtime: which task is the first of the queue. It is drawn among them in the order in
    /// which they were spawned, as there is no telling in which some of `tokio::sync` wakes.
    #[cold]
    fn draw(&self) {
        self.take_remote();
        let mut queue = self.queue.borrow_mut();
        let count = queue.len();
        if count == 0 {
            return;
        }
        let Some(drawn) = scheduler::seeded::draw_below(count) else { return };
        let mut all: Vec<Runnable> = std::iter::from_fn(|| queue.pop_front()).collect();
        all.sort_by_key(|runnable| runnable.id().as_u64());
        all.rotate_left(drawn);
        all.into_iter().for_each(|runnable| queue.push_back(runnable));
    }

    fn pop(&self) -> Option<Runnable> {
        self.queue.borrow_mut().pop_front()
    }

    /// Moves the remote list to the end of the local queue.
    fn take_remote(&self) {
        let mut list = std::mem::take(&mut self.shared.remote.lock().list);
        self.queue.borrow_mut().append(&mut list);
    }

    /// The set goes: drops the futures of all tasks, and takes no more.
    pub(super) fn close(self: &Rc<Self>) {
        let _entered = self.enter();
        self.shared.registry.close();
        // What is left queued has no future any more, and may be the last of its task.
        drop(self.queue.take());
        let left = {
            let mut remote = self.shared.remote.lock();
            remote.closed = true;
            std::mem::take(&mut remote.list)
        };
        drop(left);
    }
}

/// Ends a poll of the set.
pub(super) struct InPoll<'a> {
    _entered: LocalEnterGuard,
    local: &'a Local,
    /// A task of the set polls it.
    was_polled: bool,
}

impl Drop for InPoll<'_> {
    fn drop(&mut self) {
        self.local.is_polled.set(self.was_polled);
        // Others are to have their turn, or the future of one `run_until` is ready and another goes on.
        if !self.was_polled && self.local.queue.borrow().len() > 0 {
            self.local.shared.waker.wake();
        }
    }
}

impl Shared {
    /// Whoever polls the set is to be woken by this.
    fn register(&self, waker: &Waker) {
        if !scheduler::waits_for_nobody(waker) {
            self.waker_may_wait.store(true, Relaxed);
        }
        self.waker.register(waker);
    }

    /// Queues a task where it will be seen.
    fn push(&self, runnable: Runnable) {
        if let Some(runnable) = self.push_if_polled(runnable) {
            self.push_remote(runnable);
        }
    }

    /// Queues a task locally if this thread polls the set; else gives it back.
    fn push_if_polled(&self, runnable: Runnable) -> Option<Runnable> {
        current::with(|current| match current {
            Some(local) if local.is_polled.get() && ptr::eq(&*local.shared, self) => {
                local.queue.borrow_mut().push_back(runnable);
                None
            }
            _ => Some(runnable),
        })
    }

    fn push_remote(&self, runnable: Runnable) {
        let mut remote = self.remote.lock();
        if remote.closed {
            // Its future is gone, or is being dropped right now by the set's drop.
            drop(remote);
            drop(runnable);
            return;
        }
        remote.list.push_back(runnable);
        drop(remote);
        self.waker.wake();
    }
}

impl Schedule for Arc<Shared> {
    fn schedule(&self, runnable: Runnable) {
        self.push(runnable);
    }

    unsafe fn reschedule(this: NonNull<Self>, runnable: Runnable) {
        // SAFETY: the caller's contract; the set polls the task, and so outlives the call.
        let shared = unsafe { &*Arc::as_ptr(this.as_ref()) };
        shared.push(runnable);
    }

    fn release(&self, header: &TaskHeader) -> bool {
        self.registry.remove(header)
    }

    fn wakes_at_once(&self) -> bool {
        !self.waker_may_wait.load(Relaxed)
    }
}
