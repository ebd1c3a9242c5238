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
//! 2. A future is polled by `Local::run_some` alone, which needs that `Rc`. It is dropped there too
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
//! before it wakes that waker. What is queued locally is queued during a poll, whose end wakes whoever
//! polls the set if something is left.
//!
//! # Preemption
//! A set is polled by the future of `block_on`, so its tasks are never detached: they share
//! thread-locals and `Rc`s. Between two tasks it gives way if it was asked to.
//!
//! Rejected: a local queue in `Shared`, with the owner's thread id to check against, as in tokio. It
//! saves the lock for wake-ups between polls, and needs unsafe code on each access.

mod current;
mod queue;

pub use current::LocalEnterGuard;

use super::{JoinHandle, Named};
use crate::runtime::{self, Runtime};
use pin_project_lite::pin_project;
use queue::Local;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

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
    match current::with(|current| current.cloned()) {
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
        LocalSet { local: Rc::new(Local::new()) }
    }

    /// Makes this the set that [`spawn_local`] means on this thread until the guard goes. Guards of
    /// one thread go in the reverse order in which they were made.
    pub fn enter(&self) -> LocalEnterGuard {
        current::enter(self.local.clone())
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

impl Future for LocalSet {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let _in_poll = self.local.begin_poll(cx.waker());
        self.local.run_some();
        if self.local.shared.registry.len() == 0 { Poll::Ready(()) } else { Poll::Pending }
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
        let _in_poll = local.begin_poll(cx.waker());
        let polled = this.future.poll(cx);
        if polled.is_pending() {
            local.run_some();
        }
        polled
    }
}

impl Drop for LocalSet {
    fn drop(&mut self) {
        self.local.close();
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
