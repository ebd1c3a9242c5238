//! A set of tasks that are waited for together, and settings for them.

use super::{AbortHandle, Id, JoinError, JoinHandle, LocalSet, Preemption, Priority, coop};
use crate::runtime::Handle;
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::panic;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// A set of tasks whose outputs come in the order of completion.
///
/// Dropping the set aborts all its tasks.
pub struct JoinSet<T> {
    handles: FuturesUnordered<Member<T>>,
}

/// A join handle that also tells the id of the task.
struct Member<T>(JoinHandle<T>);

impl<T> Future for Member<T> {
    type Output = Result<(Id, T), JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let id = self.0.id();
        Pin::new(&mut self.0).poll(cx).map_ok(|output| (id, output))
    }
}

fn without_id<T>(joined: Result<(Id, T), JoinError>) -> Result<T, JoinError> {
    joined.map(|(_, output)| output)
}

impl<T> JoinSet<T> {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        JoinSet { handles: FuturesUnordered::new() }
    }

    /// How many tasks are in the set, completed ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.handles.len()
    }

    /// Whether no task is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.handles.is_empty()
    }

    /// Aborts every task. They stay in the set and come out as cancelled.
    pub fn abort_all(&mut self) {
        self.handles.iter().for_each(|member| member.0.abort());
    }

    /// Takes every task out without aborting it.
    pub fn detach_all(&mut self) {
        self.handles = FuturesUnordered::new();
    }

    fn insert(&mut self, handle: JoinHandle<T>) -> AbortHandle {
        let abort = handle.abort_handle();
        self.handles.push(Member(handle));
        abort
    }
}

impl<T: 'static> JoinSet<T> {
    /// Settings for a task that is to be added.
    pub fn build_task(&mut self) -> Builder<'_, T> {
        Builder { settings: super::Builder::new(), set: self }
    }

    /// Spawns a task on the current runtime and adds it.
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub fn spawn<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        self.insert(crate::spawn(future))
    }

    /// Spawns a task on the given runtime and adds it.
    #[track_caller]
    pub fn spawn_on<F>(&mut self, future: F, handle: &Handle) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        self.insert(handle.spawn(future))
    }

    /// Spawns a task on the current [`LocalSet`] and adds it.
    ///
    /// # Panics
    /// Outside a `LocalSet`.
    #[track_caller]
    pub fn spawn_local<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        self.insert(super::spawn_local(future))
    }

    /// Spawns a task on the given [`LocalSet`] and adds it.
    #[track_caller]
    pub fn spawn_local_on<F>(&mut self, future: F, local_set: &LocalSet) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        self.insert(local_set.spawn_local(future))
    }

    /// Runs blocking code on a thread of its own and adds it.
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub fn spawn_blocking<F>(&mut self, work: F) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        self.insert(crate::spawn_blocking(work))
    }

    /// Runs blocking code on a thread of the given runtime and adds it.
    #[track_caller]
    pub fn spawn_blocking_on<F>(&mut self, work: F, handle: &Handle) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        self.insert(handle.spawn_blocking(work))
    }

    /// Waits for the next task to complete; `None` if the set is empty.
    ///
    /// # Cancellation
    /// Safe: if this future is dropped, no task was taken out of the set.
    pub async fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        poll_fn(|cx| self.poll_join_next(cx)).await
    }

    /// Like [`join_next`](Self::join_next), with the task's id. An error tells it itself.
    pub async fn join_next_with_id(&mut self) -> Option<Result<(Id, T), JoinError>> {
        poll_fn(|cx| self.poll_join_next_with_id(cx)).await
    }

    /// Takes a task out that is already complete; `None` if there is none.
    pub fn try_join_next(&mut self) -> Option<Result<T, JoinError>> {
        self.try_join_next_with_id().map(without_id)
    }

    /// Like [`try_join_next`](Self::try_join_next), with the task's id.
    pub fn try_join_next_with_id(&mut self) -> Option<Result<(Id, T), JoinError>> {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        // It cannot give way, so it must not be asked to.
        match coop::with_unlimited(|| self.poll_join_next_with_id(&mut cx)) {
            Poll::Ready(next) => next,
            Poll::Pending => None,
        }
    }

    /// Polls for a completed task: `Ready(None)` if the set is empty.
    pub fn poll_join_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, JoinError>>> {
        self.poll_join_next_with_id(cx).map(|next| next.map(without_id))
    }

    /// Like [`poll_join_next`](Self::poll_join_next), with the task's id.
    pub fn poll_join_next_with_id(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<(Id, T), JoinError>>> {
        self.handles.poll_next_unpin(cx)
    }

    /// Aborts every task and waits until all have ended.
    pub async fn shutdown(&mut self) {
        self.abort_all();
        while self.join_next().await.is_some() {}
    }

    /// Waits for all tasks and returns their outputs in the order of completion.
    ///
    /// # Panics
    /// With the payload of the first task that panicked, or if one was cancelled; the others are
    /// aborted.
    pub async fn join_all(mut self) -> Vec<T> {
        let mut outputs = Vec::with_capacity(self.len());
        while let Some(result) = self.join_next().await {
            match result.map_err(JoinError::try_into_panic) {
                Ok(output) => outputs.push(output),
                Err(Ok(payload)) => panic::resume_unwind(payload),
                Err(Err(cancelled)) => panic!("`JoinSet::join_all`: {cancelled}"),
            }
        }
        outputs
    }
}

impl<T> Drop for JoinSet<T> {
    fn drop(&mut self) {
        self.abort_all();
    }
}

impl<T> Default for JoinSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet").field("len", &self.len()).finish()
    }
}

impl<T, F> FromIterator<F> for JoinSet<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    fn from_iter<I: IntoIterator<Item = F>>(futures: I) -> Self {
        let mut set = Self::new();
        futures.into_iter().for_each(|future| {
            set.spawn(future);
        });
        set
    }
}

impl<T, F> Extend<F> for JoinSet<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    fn extend<I: IntoIterator<Item = F>>(&mut self, futures: I) {
        futures.into_iter().for_each(|future| {
            self.spawn(future);
        });
    }
}

/// Settings for a task of a [`JoinSet`], see [`JoinSet::build_task`]. They are those of
/// [`task::Builder`](super::Builder), and so are the errors and panics.
#[derive(Debug)]
#[must_use = "a builder does nothing until it spawns"]
pub struct Builder<'a, T> {
    settings: super::Builder<'a>,
    set: &'a mut JoinSet<T>,
}

impl<'a, T: 'static> Builder<'a, T> {
    /// As [`Builder::name`](super::Builder::name).
    pub fn name(self, name: &'a str) -> Self {
        Builder { settings: self.settings.name(name), ..self }
    }

    /// As [`Builder::preemption`](super::Builder::preemption).
    pub fn preemption(self, preemption: Preemption) -> Self {
        Builder { settings: self.settings.preemption(preemption), ..self }
    }

    /// As [`Builder::priority`](super::Builder::priority).
    pub fn priority(self, priority: Priority) -> Self {
        Builder { settings: self.settings.priority(priority), ..self }
    }

    /// As [`Builder::time_slice`](super::Builder::time_slice).
    ///
    /// # Panics
    /// As there.
    #[track_caller]
    pub fn time_slice(self, slice: Duration) -> Self {
        Builder { settings: self.settings.time_slice(slice), ..self }
    }

    /// As [`Builder::spawn`](super::Builder::spawn).
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> io::Result<AbortHandle>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        Ok(self.set.insert(self.settings.spawn(future)?))
    }

    /// As [`Builder::spawn_on`](super::Builder::spawn_on).
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn spawn_on<F>(self, future: F, handle: &Handle) -> io::Result<AbortHandle>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        Ok(self.set.insert(self.settings.spawn_on(future, handle)?))
    }

    /// As [`Builder::spawn_local`](super::Builder::spawn_local).
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn spawn_local<F>(self, future: F) -> io::Result<AbortHandle>
    where
        F: Future<Output = T> + 'static,
    {
        Ok(self.set.insert(self.settings.spawn_local(future)?))
    }

    /// As [`Builder::spawn_local_on`](super::Builder::spawn_local_on).
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn spawn_local_on<F>(self, future: F, local_set: &LocalSet) -> io::Result<AbortHandle>
    where
        F: Future<Output = T> + 'static,
    {
        Ok(self.set.insert(self.settings.spawn_local_on(future, local_set)?))
    }

    /// As [`Builder::spawn_blocking`](super::Builder::spawn_blocking).
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn spawn_blocking<F>(self, work: F) -> io::Result<AbortHandle>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        Ok(self.set.insert(self.settings.spawn_blocking(work)?))
    }

    /// As [`Builder::spawn_blocking_on`](super::Builder::spawn_blocking_on).
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn spawn_blocking_on<F>(self, work: F, handle: &Handle) -> io::Result<AbortHandle>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        Ok(self.set.insert(self.settings.spawn_blocking_on(work, handle)?))
    }
}
