//! Tasks whose futures are not `Send`: a `LocalSet` runs them on one thread, as a part of whatever
//! future polls it.
//!
//! ```text
//!        the owner's thread only                     any thread
//!   LocalSet ─ Rc<Local> ─ queue               Waker, AbortHandle, JoinHandle
//!                  │                                  │ schedule
//!                  └──▶ Arc<Shared>: remote, registry, waker ◀┘
//!                          ▲ each task's `Schedule`
//! ```
//!
//! # Why it is sound
//! A task's memory may be touched by every thread, its future and output only by the owner's.
//!
//! 1. The owner is the thread that made the `LocalSet`: the set is not `Send`, because of its `Rc`.
//!    "Thread" means what it means to Rust: if a poll that polls a set is detached, the set is on its
//!    fiber, and thread-locals, `thread::current` and the `Rc` go with it.
//! 2. A future is polled by [`Local::run_some`] alone, which needs that `Rc`. It is dropped there too
//!    (completion, cancellation), in the set's drop, or by `spawn` when the set is gone: all on the
//!    owner's thread. An abort from elsewhere only queues the task.
//! 3. While the future is in its task, the registry holds a reference. So a waker that is dropped as
//!    the last reference, on whatever thread, frees a task whose future is gone.
//! 4. An output that is not `Send` makes its `JoinHandle` not `Send`; without a handle the output is
//!    dropped at completion, see 2.
//! 5. The local queue is in the `Rc`. Wakers find it through a thread-local, so only on the owner's
//!    thread, and only while the set is polled there; else they use the remote list, under its lock.
//!
//! # No wake-up is lost
//! The poll of a set registers its waker before it looks at the remote list; who queues there does so
//! before it wakes that waker. What is queued locally is queued during the poll, which goes on until
//! the queue is empty or wakes itself.
//!
//! # Preemption
//! A set is polled by the future of `block_on`, so its tasks are never detached: they share
//! thread-locals and `Rc`s. Between two tasks it gives way if it was asked to.
//!
//! Rejected: a local queue in `Shared`, with the owner's thread id to check against, as in tokio. It
//! saves the lock for wake-ups between polls, and needs unsafe code on each access.

use super::{JoinHandle, List, Named, Preemption, Registry, Runnable, Schedule, TaskHeader};
use crate::runtime::{self, Runtime};
use crate::sync::Mutex;
use atomic_waker::AtomicWaker;
use pin_project_lite::pin_project;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::panic::Location;
use std::pin::Pin;
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};

/// How many polls of tasks one poll of the set makes at most, before others have their turn.
const MOST_POLLS: u32 = 61;

/// After so many polls the remote list is looked at although the local queue is not empty.
const REMOTE_INTERVAL: u32 = 31;

thread_local! {
    /// The set that `spawn_local` means on this thread.
    ///
    /// Not dropped with the thread: whoever sets it has a guard that sets it back. So it can be used
    /// in the destructors of other thread-locals, and the first use allocates nothing: the monitor
    /// wakes tasks too.
    static CURRENT: RefCell<ManuallyDrop<Option<Rc<Local>>>> =
        const { RefCell::new(ManuallyDrop::new(None)) };
}

/// Runs tasks whose futures are not [`Send`], all on the thread that polls it.
///
/// [`spawn_local`] adds a task, which runs whenever the set is polled: by
/// [`run_until`](Self::run_until) or [`block_on`](Self::block_on), or as a future itself, which is
/// ready when all tasks are complete. Tasks of a set run one at a time, and are never suspended in
/// the middle of a poll: one that computes for long keeps the others of its set waiting.
///
/// The handles of the tasks work on every thread, as far as the outputs allow.
///
/// Dropping the set drops the futures of its tasks; their handles return a cancelled
/// [`JoinError`](super::JoinError). The set itself is not `Send`: it stays on the thread that made it.
#[must_use = "its tasks run only while it is polled"]
pub struct LocalSet {
    local: Rc<Local>,
}

/// What belongs to the owner's thread.
struct Local {
    queue: RefCell<List>,
    /// A poll of the set is under way, which looks at the queue before it ends.
    is_polled: Cell<bool>,
    polls: Cell<u32>,
    shared: Arc<Shared>,
}

/// What all threads may touch.
struct Shared {
    remote: Mutex<Remote>,
    /// Of whoever polls the set.
    waker: AtomicWaker,
    /// A waker was registered once that may wait for a lock when it is called, a combinator's, say.
    /// Then the wakers of the tasks, which call it, are no longer for the scheduler itself to call.
    waker_may_wait: AtomicBool,
    registry: Registry,
    id: runtime::Id,
}

/// What was queued while the set was not being polled, or from other threads.
#[derive(Default)]
struct Remote {
    list: List,
    /// The set is gone: what is queued would stay for ever, and keep `Shared` with it.
    closed: bool,
}

/// Spawns a task on the current [`LocalSet`]: the one whose future or task calls this, or whose
/// [`enter`](LocalSet::enter) guard lives.
///
/// It runs also if the handle is dropped, whenever the set is polled.
///
/// # Panics
/// Outside a `LocalSet`.
#[track_caller]
pub fn spawn_local<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let local = current_set();
    local.spawn(future, local.shared.clone(), Location::caller())
}

/// Spawns a task with a name on the current set.
#[track_caller]
pub(super) fn spawn_named<F>(future: F, name: Option<&str>) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let local = current_set();
    local.spawn(future, Named::new(local.shared.clone(), name), Location::caller())
}

#[track_caller]
fn current_set() -> Rc<Local> {
    match CURRENT.with_borrow(|current| Option::clone(current)) {
        Some(local) => local,
        None => panic!(
            "`spawn_local` was called outside a `LocalSet`, whose thread the task would stay on; \
             call it inside `LocalSet::run_until` or `LocalSet::block_on`, keep the guard of \
             `LocalSet::enter`, or use `LocalSet::spawn_local`. A future that is `Send` needs only \
             `spawn`"
        ),
    }
}

impl LocalSet {
    /// A set without tasks. Needs no runtime.
    pub fn new() -> Self {
        let shared = Arc::new(Shared {
            remote: Mutex::default(),
            waker: AtomicWaker::new(),
            waker_may_wait: AtomicBool::new(false),
            registry: Registry::new(1),
            id: runtime::Id::next(),
        });
        LocalSet {
            local: Rc::new(Local {
                queue: RefCell::default(),
                is_polled: Cell::new(false),
                polls: Cell::new(0),
                shared,
            }),
        }
    }

    /// Makes this the set that [`spawn_local`] means on this thread until the guard goes. Guards of
    /// one thread go in the reverse order in which they were made.
    pub fn enter(&self) -> LocalEnterGuard {
        LocalEnterGuard { previous: replace_current(Some(self.local.clone())) }
    }

    /// A poll of the set begins, or something else that looks at the local queue before it ends.
    fn begin_poll(&self) -> InPoll<'_> {
        InPoll {
            _entered: self.enter(),
            local: &self.local,
            was_polled: self.local.is_polled.replace(true),
        }
    }

    /// Spawns a task on this set. It begins when the set is polled.
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.local.spawn(future, self.local.shared.clone(), Location::caller())
    }

    /// Spawns a task with a name on this set.
    #[track_caller]
    pub(super) fn spawn_named<F>(&self, future: F, name: Option<&str>) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let schedule = Named::new(self.local.shared.clone(), name);
        self.local.spawn(future, schedule, Location::caller())
    }

    /// Runs a future on this thread until it is ready, and the tasks of the set meanwhile.
    ///
    /// # Panics
    /// Inside a task or another `block_on`; and if the future panics.
    #[track_caller]
    pub fn block_on<F: Future>(&self, runtime: &Runtime, future: F) -> F::Output {
        runtime.block_on(self.run_until(future))
    }

    /// Runs a future, and the tasks of the set until it is ready. The tasks that are left go on when
    /// the set is polled again.
    ///
    /// # Cancellation
    /// As safe as the future is. The tasks are not affected.
    pub async fn run_until<F: Future>(&self, future: F) -> F::Output {
        RunUntil { set: self, future }.await
    }

    /// Identifies the set, among runtimes and other sets.
    #[must_use]
    pub fn id(&self) -> runtime::Id {
        self.local.shared.id
    }
}

impl Local {
    /// Makes a task and queues it, unless the set is gone: then it is cancelled. `schedule` leads to
    /// this set.
    fn spawn<F, S>(
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
        let (task, runnable, handle) = super::new(future, schedule, Preemption::Forced, spawned_at);
        if self.shared.registry.add(task) {
            self.shared.push(runnable);
        }
        handle
    }

    /// Polls tasks until none is queued (`false`), or others are to have their turn (`true`).
    fn run_some(&self) -> bool {
        for _ in 0..MOST_POLLS {
            let Some(runnable) = self.next() else { return false };
            runnable.run();
            if preempt_checkpoint::preempt_requested() {
                break;
            }
        }
        true
    }

    fn next(&self) -> Option<Runnable> {
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

    fn pop(&self) -> Option<Runnable> {
        self.queue.borrow_mut().pop_front()
    }

    /// Moves the remote list to the end of the local queue.
    fn take_remote(&self) {
        let mut list = std::mem::take(&mut self.shared.remote.lock().list);
        self.queue.borrow_mut().append(&mut list);
    }
}

impl Shared {
    /// Whoever polls the set is to be woken by this.
    fn register(&self, waker: &Waker) {
        if !super::wakes_at_once(waker) && !runtime::is_block_on_waker(waker) {
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
        CURRENT.with_borrow(|current| match &**current {
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

    fn reschedule(&self, runnable: Runnable) {
        self.push(runnable);
    }

    fn release(&self, header: &TaskHeader) -> bool {
        self.registry.remove(header)
    }

    fn wakes_at_once(&self) -> bool {
        !self.waker_may_wait.load(Relaxed)
    }
}

impl Future for LocalSet {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let shared = &self.local.shared;
        shared.register(cx.waker());
        let _in_poll = self.begin_poll();
        if self.local.run_some() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if shared.registry.len() == 0 { Poll::Ready(()) } else { Poll::Pending }
    }
}

pin_project! {
    /// The future of [`LocalSet::run_until`].
    struct RunUntil<'a, F> {
        set: &'a LocalSet,
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for RunUntil<'_, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let local = &this.set.local;
        local.shared.register(cx.waker());
        let _in_poll = this.set.begin_poll();
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(output);
        }
        if local.run_some() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl Drop for LocalSet {
    fn drop(&mut self) {
        let _in_poll = self.begin_poll();
        let Local { shared, queue, .. } = &*self.local;
        shared.registry.close();
        // What is left queued has no future any more, and may be the last of its task.
        let left = queue.take();
        drop(left);
        let left = {
            let mut remote = shared.remote.lock();
            remote.closed = true;
            std::mem::take(&mut remote.list)
        };
        drop(left);
    }
}

impl Default for LocalSet {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for LocalSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tasks = self.local.shared.registry.len();
        f.debug_struct("LocalSet").field("tasks", &tasks).finish_non_exhaustive()
    }
}

/// Ends a poll of the set.
struct InPoll<'a> {
    _entered: LocalEnterGuard,
    local: &'a Local,
    /// A task of the set polls the set.
    was_polled: bool,
}

impl Drop for InPoll<'_> {
    fn drop(&mut self) {
        self.local.is_polled.set(self.was_polled);
    }
}

/// Ends a stay in the context of a [`LocalSet`], see [`LocalSet::enter`].
#[must_use = "the stay ends when the guard is dropped"]
pub struct LocalEnterGuard {
    previous: Option<Rc<Local>>,
}

impl Drop for LocalEnterGuard {
    fn drop(&mut self) {
        let left = replace_current(self.previous.take());
        drop(left);
    }
}

/// Returns what was current before.
fn replace_current(current: Option<Rc<Local>>) -> Option<Rc<Local>> {
    ManuallyDrop::into_inner(CURRENT.replace(ManuallyDrop::new(current)))
}

impl fmt::Debug for LocalEnterGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalEnterGuard").finish_non_exhaustive()
    }
}

/// ```compile_fail
/// fn is_send<T: Send>(_: T) {}
/// is_send(preempt_executor::task::LocalSet::new());
/// ```
/// ```compile_fail
/// fn is_send<T: Send>(_: T) {}
/// is_send(preempt_executor::task::LocalSet::new().enter());
/// ```
#[cfg(doctest)]
struct IsNotSend;
