//! The yield check of [preempt](https://docs.rs/preempt): what a library author depends on.
//!
//! A *checkpoint* is one load and one branch on a flag of the current thread. The flag is raised
//! by a runtime's monitor when a poll has outlived its time slice and somebody waits. As long as
//! nobody raises it, a checkpoint does nothing.
//!
//! ```
//! fn checksum(data: &[u8]) -> u32 {
//!     data.iter().fold(0, |sum, byte| {
//!         preempt_checkpoint::checkpoint();
//!         sum.wrapping_mul(31).wrapping_add(u32::from(*byte))
//!     })
//! }
//! assert_eq!(checksum(b"ab"), 97 * 31 + 98);
//! ```
//!
//! The crate has no dependencies and is `no_std`. With the feature `std` (every runtime turns it
//! on) each thread has a flag of its own; without it there is one flag for the whole program, for
//! a runtime on a single core that raises it from a timer interrupt.
//!
//! What a runtime needs in order to raise the flag and to be called is in [`runtime`].

#![no_std]
#![deny(unsafe_code)]

#[cfg(feature = "std")]
extern crate std;

mod local;
pub mod runtime;
mod yielding;

pub use yielding::{YieldNow, yield_now};

/// Lets the runtime suspend this thread's poll here if it was asked to.
///
/// Costs a load, a compare and a branch not taken while nothing is requested, and does nothing on
/// a thread that no runtime has prepared with [`runtime::install`]. Inside [`no_preempt`] the
/// request is kept for the end of the protected section.
///
/// In async code prefer `if preempt_requested() { yield_now().await }`, which gives the poll up
/// instead of suspending it; `#[preemptible]` writes the right one of the two.
#[inline(always)]
pub fn checkpoint() {
    if preempt_requested() {
        checkpoint_requested();
    }
}

/// Whether the runtime has asked this thread's poll to give way. A request, not a fact: it may be
/// stale by the time it is acted on.
#[inline(always)]
#[must_use]
pub fn preempt_requested() -> bool {
    local::with(|local| local.is_requested())
}

/// Runs `section` without being suspended: neither a checkpoint nor a signal stops it.
///
/// For code that depends on the kernel thread it runs on (`gettid`, the signal mask, `unshare`)
/// or that must not be suspended while it holds something. Sections nest; a request that came
/// during the section is honoured when the outermost one ends (by a panic: at the next checkpoint).
///
/// ```
/// let sum = preempt_checkpoint::no_preempt(|| (0..10).sum::<u32>());
/// assert_eq!(sum, 45);
/// ```
#[inline]
pub fn no_preempt<R>(section: impl FnOnce() -> R) -> R {
    let guard = Section::enter();
    let value = section();
    drop(guard);
    checkpoint();
    value
}

/// Keeps the nesting count right when the section panics.
struct Section;

impl Section {
    fn enter() -> Self {
        local::with(|local| local.enter_no_preempt());
        Section
    }
}

impl Drop for Section {
    fn drop(&mut self) {
        local::with(|local| local.leave_no_preempt());
    }
}

#[cold]
#[inline(never)]
fn checkpoint_requested() {
    if let Some(hook) = local::with(|local| local.hook_to_call()) {
        hook();
    }
}

#[cfg(all(test, feature = "std"))]
#[allow(unsafe_code, reason = "raises flags as a runtime does")]
mod tests {
    extern crate std;

    use super::*;
    use std::cell::Cell;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::thread;
    use std::thread_local;

    thread_local! {
        static CALLS: Cell<u32> = const { Cell::new(0) };
    }

    fn count_and_clear() {
        CALLS.set(CALLS.get() + 1);
        runtime::clear_request();
    }

    fn request_here() {
        // SAFETY: the flag is this thread's own.
        unsafe { runtime::this_thread().request_remote() };
    }

    /// Runs `body` on a fresh thread, as each thread starts without a request and without a hook.
    fn on_a_new_thread(body: impl FnOnce() + Send + 'static) {
        thread::spawn(body).join().expect("the test body panicked");
    }

    #[test]
    fn nothing_happens_without_a_request() {
        on_a_new_thread(|| {
            runtime::install(count_and_clear);
            checkpoint();
            assert_eq!(CALLS.get(), 0);
        });
    }

    #[test]
    fn a_request_calls_the_hook_once() {
        on_a_new_thread(|| {
            runtime::install(count_and_clear);
            request_here();
            checkpoint();
            checkpoint();
            assert_eq!(CALLS.get(), 1);
        });
    }

    #[test]
    fn a_request_without_a_hook_is_harmless() {
        on_a_new_thread(|| {
            request_here();
            checkpoint();
            assert!(preempt_requested());
        });
    }

    #[test]
    fn a_request_from_another_thread_arrives() {
        on_a_new_thread(|| {
            runtime::install(count_and_clear);
            let flag = runtime::this_thread();
            thread::scope(|scope| {
                // SAFETY: the scope ends before the thread that owns the flag does.
                scope.spawn(move || unsafe { flag.request_remote() });
            });
            checkpoint();
            assert_eq!(CALLS.get(), 1);
        });
    }

    #[test]
    fn no_preempt_defers_to_the_end_of_the_outermost_section() {
        on_a_new_thread(|| {
            runtime::install(count_and_clear);
            no_preempt(|| {
                no_preempt(|| {
                    request_here();
                    checkpoint();
                });
                checkpoint();
                assert_eq!(CALLS.get(), 0);
            });
            assert_eq!(CALLS.get(), 1);
        });
    }

    #[test]
    fn a_panic_ends_the_section() {
        on_a_new_thread(|| {
            runtime::install(count_and_clear);
            let result =
                catch_unwind(AssertUnwindSafe(|| no_preempt(|| std::panic!("on purpose"))));
            assert!(result.is_err());
            request_here();
            checkpoint();
            assert_eq!(CALLS.get(), 1);
        });
    }
}
