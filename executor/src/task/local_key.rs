//! Values that belong to a task: `task_local!`.
//!
//! A key is a thread-local slot, empty but while somebody is inside one of the key's scopes. The
//! value is kept by the scope, in the future that it belongs to, and swapped with the slot at both
//! ends of each poll; what the slot held before, of an outer scope, is kept in the meantime.
//!
//! # Preemption
//! A poll that is detached leaves its thread in the middle of a scope, and may go on elsewhere. That is
//! right as it is: thread-locals belong to the fiber, so the slot goes along with its value, and what
//! runs on the machine next has a fiber, and an empty slot, of its own. Rejected: a map in the task,
//! found through the task's id. It would cost a look-up for each access, and futures that are polled
//! outside of any task (`block_on`, other executors) would have none.

use pin_project_lite::pin_project;
use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::marker::PhantomPinned;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;

/// Declares keys of values that belong to tasks, see [`task::LocalKey`](crate::task::LocalKey): any
/// number of `static NAME: Type;`, with attributes and a visibility.
#[macro_export]
macro_rules! task_local {
    () => {};
    ($(#[$attribute:meta])* $visibility:vis static $name:ident: $type:ty) => {
        $crate::task_local! { $(#[$attribute])* $visibility static $name: $type; }
    };
    ($(#[$attribute:meta])* $visibility:vis static $name:ident: $type:ty; $($more:tt)*) => {
        $(#[$attribute])*
        $visibility static $name: $crate::task::LocalKey<$type> = {
            ::std::thread_local! {
                static SLOT: ::std::cell::RefCell<::std::option::Option<$type>> =
                    const { ::std::cell::RefCell::new(::std::option::Option::None) };
            }
            $crate::task::LocalKey { slot: SLOT }
        };
        $crate::task_local! { $($more)* }
    };
}

/// The key of a value that belongs to a task, or to any other future; made by
/// [`task_local!`](crate::task_local).
///
/// There is a value only inside of a [`scope`](Self::scope). Tasks that are spawned there do not
/// inherit it.
pub struct LocalKey<T: 'static> {
    #[doc(hidden)]
    pub slot: thread::LocalKey<RefCell<Option<T>>>,
}

impl<T: 'static> LocalKey<T> {
    /// A future during whose polls, and whose drop, the key has this value.
    ///
    /// # Panics
    /// When it is polled inside [`with`](Self::with) of the same key.
    pub fn scope<F: Future>(&'static self, value: T, future: F) -> TaskLocalFuture<T, F> {
        TaskLocalFuture {
            key: self,
            value: Some(value),
            future: Some(future),
            _pinned: PhantomPinned,
        }
    }

    /// Calls `body`, during which the key has this value.
    ///
    /// # Panics
    /// Inside [`with`](Self::with) of the same key.
    #[track_caller]
    pub fn sync_scope<R>(&'static self, value: T, body: impl FnOnce() -> R) -> R {
        match self.swapped_in(&mut Some(value), body) {
            Ok(result) => result,
            Err(error) => error.panic(),
        }
    }

    /// Calls `f` with the value.
    ///
    /// # Panics
    /// Outside a scope of the key.
    #[track_caller]
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        match self.try_with(f) {
            Ok(result) => result,
            Err(error) => panic!(
                "{error}; wrap the future in `LocalKey::scope`, also that of a task which is spawned \
                 in a scope, or use `LocalKey::try_with`"
            ),
        }
    }

    /// Calls `f` with the value.
    ///
    /// # Errors
    /// Outside a scope of the key.
    pub fn try_with<R>(&'static self, f: impl FnOnce(&T) -> R) -> Result<R, AccessError> {
        // Only `swapped_in` borrows mutably, and calls nothing meanwhile.
        let result = self.slot.try_with(|slot| slot.borrow().as_ref().map(f));
        result.ok().flatten().ok_or(AccessError(()))
    }

    /// Swaps `value` with the slot at both ends of `body`.
    fn swapped_in<R>(
        &'static self,
        value: &mut Option<T>,
        body: impl FnOnce() -> R,
    ) -> Result<R, EnterError> {
        self.swap(value)?;
        let _swapped = Swapped { key: self, value };
        Ok(body())
    }

    fn swap(&'static self, value: &mut Option<T>) -> Result<(), EnterError> {
        let swapped = self.slot.try_with(|slot| {
            let mut slot = slot.try_borrow_mut().map_err(|_| EnterError::InWith)?;
            mem::swap(&mut *slot, value);
            Ok(())
        });
        swapped.unwrap_or(Err(EnterError::ThreadEnds))
    }
}

impl<T: Clone + 'static> LocalKey<T> {
    /// A copy of the value.
    ///
    /// # Panics
    /// Outside a scope of the key.
    #[track_caller]
    #[must_use]
    pub fn get(&'static self) -> T {
        self.with(T::clone)
    }

    /// A copy of the value.
    ///
    /// # Errors
    /// Outside a scope of the key.
    pub fn try_get(&'static self) -> Result<T, AccessError> {
        self.try_with(T::clone)
    }
}

impl<T: 'static> fmt::Debug for LocalKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalKey").finish_non_exhaustive()
    }
}

/// Swaps the value and the slot back.
struct Swapped<'a, T: 'static> {
    key: &'static LocalKey<T>,
    value: &'a mut Option<T>,
}

impl<T: 'static> Drop for Swapped<'_, T> {
    fn drop(&mut self) {
        // Cannot fail: what was borrowed inside was given back, and the slot was there before.
        let _done = self.key.swap(self.value);
    }
}

/// Why a scope cannot be entered.
enum EnterError {
    InWith,
    ThreadEnds,
}

impl EnterError {
    #[track_caller]
    fn panic(self) -> ! {
        match self {
            EnterError::InWith => panic!(
                "a scope of a task-local was entered inside `with` of the same key, which is still \
                 looking at the value; copy what is needed out of `with` first"
            ),
            EnterError::ThreadEnds => panic!(
                "a scope of a task-local was entered while the thread ends, after its thread-locals \
                 were dropped"
            ),
        }
    }
}

/// There is no value: this is outside of all scopes of the key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AccessError(());

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a task-local has no value outside of its scopes")
    }
}

impl std::error::Error for AccessError {}

pin_project! {
    /// The future of [`LocalKey::scope`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct TaskLocalFuture<T, F>
    where
        T: 'static,
    {
        key: &'static LocalKey<T>,
        // The value between polls; during them what the slot held before.
        value: Option<T>,
        // Until it is ready.
        #[pin]
        future: Option<F>,
        // As in tokio.
        #[pin]
        _pinned: PhantomPinned,
    }

    impl<T: 'static, F> PinnedDrop for TaskLocalFuture<T, F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            // If the scope cannot be entered, the future is dropped without its value.
            if this.future.is_some() {
                let _entered = this.key.swapped_in(this.value, || this.future.set(None));
            }
        }
    }
}

impl<T: 'static, F> TaskLocalFuture<T, F> {
    /// Takes the value out, also before the future is ready, which then has none any more; `None`: it
    /// was taken already.
    pub fn take_value(self: Pin<&mut Self>) -> Option<T> {
        self.project().value.take()
    }
}

impl<T: 'static, F: Future> Future for TaskLocalFuture<T, F> {
    type Output = F::Output;

    #[track_caller]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let polled = this.key.swapped_in(this.value, || {
            let polled = this.future.as_mut().as_pin_mut()?.poll(cx);
            if polled.is_ready() {
                // In the scope, so that what it drops finds the value.
                this.future.set(None);
            }
            Some(polled)
        });
        match polled {
            Ok(Some(polled)) => polled,
            Ok(None) => panic!("a `TaskLocalFuture` was polled after it was ready"),
            Err(error) => error.panic(),
        }
    }
}

impl<T: fmt::Debug + 'static, F> fmt::Debug for TaskLocalFuture<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskLocalFuture").field("value", &self.value).finish_non_exhaustive()
    }
}
