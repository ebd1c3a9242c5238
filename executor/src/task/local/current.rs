//! Which set is current on a thread: the one that `spawn_local` means, and whose local queue wakers on
//! this thread may use.

use super::queue::Local;
use std::cell::RefCell;
use std::fmt;
use std::mem::ManuallyDrop;
use std::rc::Rc;

thread_local! {
    /// The set that `spawn_local` means on this thread.
    ///
    /// Not dropped with the thread: whoever sets it has a guard that sets it back. So it can be used
    /// in the destructors of other thread-locals, and the first use allocates nothing: the monitor
    /// wakes tasks too.
    static CURRENT: RefCell<ManuallyDrop<Option<Rc<Local>>>> =
        const { RefCell::new(ManuallyDrop::new(None)) };
}

/// Calls `f` with the current set.
pub(super) fn with<R>(f: impl FnOnce(Option<&Rc<Local>>) -> R) -> R {
    CURRENT.with_borrow(|current| f(current.as_ref()))
}

/// Makes `local` the current set until the guard goes.
pub(super) fn enter(local: Rc<Local>) -> LocalEnterGuard {
    LocalEnterGuard { previous: replace(Some(local)) }
}

/// Ends a stay in a set's context, see [`LocalSet::enter`](super::LocalSet::enter).
#[must_use = "the stay ends when the guard is dropped"]
pub struct LocalEnterGuard {
    previous: Option<Rc<Local>>,
}

impl Drop for LocalEnterGuard {
    fn drop(&mut self) {
        let left = replace(self.previous.take());
        drop(left);
    }
}

/// Returns what was current before.
fn replace(current: Option<Rc<Local>>) -> Option<Rc<Local>> {
    ManuallyDrop::into_inner(CURRENT.replace(ManuallyDrop::new(current)))
}

impl fmt::Debug for LocalEnterGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalEnterGuard").finish_non_exhaustive()
    }
}
