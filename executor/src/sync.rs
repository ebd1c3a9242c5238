//! The one place that chooses between std's synchronisation and loom's, so that the protocols
//! built on it can be model-checked (`--cfg loom`).

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, fence};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, fence};

#[cfg(loom)]
use loom::sync as imp;
#[cfg(not(loom))]
use std::sync as imp;

use std::ops::{Deref, DerefMut};
use std::sync::TryLockError;
use std::time::Instant;

/// Between what a protocol writes and what it then reads, if both are sequentially consistent: loom has
/// that order for fences only. Pairs with itself. Elsewhere it is nothing.
#[inline]
pub(crate) fn fence_for_loom() {
    #[cfg(loom)]
    fence(std::sync::atomic::Ordering::SeqCst);
}

/// A stretch of the runtime's own code in the middle of a poll: the poll is not suspended in it.
///
/// What the scheduler itself may need (a lock, a queue in the middle of a push) must never be in
/// the hands of a poll that waits for the scheduler to resume it.
pub(crate) struct Critical;

impl Critical {
    #[inline]
    pub(crate) fn enter() -> Self {
        #[cfg(not(loom))]
        preempt_checkpoint::runtime::enter();
        Critical
    }
}

impl Drop for Critical {
    #[inline]
    fn drop(&mut self) {
        #[cfg(not(loom))]
        preempt_checkpoint::runtime::leave();
    }
}

/// A mutex whose holder is not suspended.
///
/// Without poisoning: what it guards here is never left half-changed by a panic, as user code
/// never runs under it.
#[derive(Debug)]
pub(crate) struct Mutex<T>(imp::Mutex<T>);

/// The right to what a [`Mutex`] guards. First the lock goes, then the [`Critical`] stretch.
pub(crate) struct Guard<'a, T> {
    /// `None` only inside `Condvar::wait_until`.
    inner: Option<imp::MutexGuard<'a, T>>,
    _critical: Critical,
}

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Mutex(imp::Mutex::new(value))
    }

    /// For statics.
    #[cfg(not(loom))]
    pub(crate) const fn const_new(value: T) -> Self {
        Mutex(imp::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> Guard<'_, T> {
        let critical = Critical::enter();
        let inner = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        Guard { inner: Some(inner), _critical: critical }
    }

    /// The guard, unless somebody else has it.
    pub(crate) fn try_lock(&self) -> Option<Guard<'_, T>> {
        let critical = Critical::enter();
        let inner = match self.0.try_lock() {
            Ok(inner) => inner,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(Guard { inner: Some(inner), _critical: critical })
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

const WAITS: &str = "the lock is only away while its holder waits";

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.inner.as_ref().expect(WAITS)
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.inner.as_mut().expect(WAITS)
    }
}

/// A condition variable for [`Mutex`].
#[derive(Debug)]
pub(crate) struct Condvar(imp::Condvar);

impl Default for Condvar {
    fn default() -> Self {
        Self::new()
    }
}

impl Condvar {
    pub(crate) fn new() -> Self {
        Condvar(imp::Condvar::new())
    }

    /// For statics.
    #[cfg(not(loom))]
    pub(crate) const fn const_new() -> Self {
        Condvar(imp::Condvar::new())
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }

    /// Waits once, until notified or until the deadline; also returns for no reason. `false`: the
    /// deadline has passed.
    #[must_use]
    pub(crate) fn wait_until<T>(
        &self,
        guard: &mut Guard<'_, T>,
        deadline: Option<Instant>,
    ) -> bool {
        let inner = guard.inner.take().expect(WAITS);
        let (inner, in_time) = self.wait(inner, deadline);
        guard.inner = Some(inner);
        in_time
    }

    #[cfg(not(loom))]
    fn wait<'a, T>(
        &self,
        inner: imp::MutexGuard<'a, T>,
        deadline: Option<Instant>,
    ) -> (imp::MutexGuard<'a, T>, bool) {
        use std::sync::PoisonError;
        let Some(deadline) = deadline else {
            return (self.0.wait(inner).unwrap_or_else(PoisonError::into_inner), true);
        };
        let limit = deadline.saturating_duration_since(Instant::now());
        if limit.is_zero() {
            return (inner, false);
        }
        let (inner, _) = self.0.wait_timeout(inner, limit).unwrap_or_else(PoisonError::into_inner);
        (inner, Instant::now() < deadline)
    }

    #[cfg(loom)]
    fn wait<'a, T>(
        &self,
        inner: imp::MutexGuard<'a, T>,
        _deadline: Option<Instant>,
    ) -> (imp::MutexGuard<'a, T>, bool) {
        (self.0.wait(inner).unwrap(), true)
    }
}
