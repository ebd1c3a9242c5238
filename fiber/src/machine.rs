//! A machine: the right to run one fiber at a time, and the thread that it was started from.
//!
//! Any ordinary thread becomes a machine for the duration of [`Machine::run`]. Its own stack and
//! thread-locals, its *home*, are never lent out: the thread goes on there when a fiber leaves with
//! [`Leave::Exit`], whichever fiber that is, and ends like any thread. (Rejected: making the home a
//! fiber, too. It could be suspended on some other machine when its kernel thread wants to end.)
//!
//! In the user backend the home's kernel thread runs all the machine's fibers. In the kernel backend
//! it sleeps, and the machine moves from one fiber's kernel thread to the next.

use std::fmt;
use std::io;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use crate::backend::{Backend, Context};
use crate::error::Error;
use crate::fiber::{Leave, Record, Spare};
use crate::os::signal_stack::SignalStack;
use crate::os::thread::{self, KernelThread};
use crate::switch;

/// Runs fibers on the thread that calls [`Machine::run`]. Shared with whoever wants to signal it.
pub struct Machine {
    token: usize,
    /// One `run` at a time.
    running: AtomicBool,
    /// The kernel thread that the machine's current fiber runs on.
    thread: KernelThread,
    /// Context of the thread in `run`; points into its frame. Read by the fiber that leaves.
    home: AtomicPtr<Context>,
}

impl Machine {
    /// A machine that does not run yet. `token` is what [`Current::machine_token`] reports.
    ///
    /// [`Current::machine_token`]: crate::Current::machine_token
    #[must_use]
    pub const fn new(token: usize) -> Self {
        Machine {
            token,
            running: AtomicBool::new(false),
            thread: KernelThread::none(),
            home: AtomicPtr::new(null_mut()),
        }
    }

    /// Enters `spare`, runs `work` there and goes on with fiber after fiber until one of them leaves
    /// with [`Leave::Exit`].
    ///
    /// The thread gets a signal stack of 64 KiB meanwhile, as handlers run while fibers do; its
    /// signal mask is in force on all fibers (user backend).
    ///
    /// # Errors
    ///
    /// [`Error::Map`] if there is no memory for the signal stack; `spare` is back in its pool then.
    ///
    /// # Panics
    ///
    /// If the machine runs already, or the calling code is on a fiber.
    pub fn run<W>(&self, spare: Spare, work: W) -> Result<(), Error>
    where
        W: FnOnce() -> Leave + Send + 'static,
    {
        assert!(Record::own().is_none(), "a machine cannot be started on a fiber");
        // Acquire: pairs with the release at the end of the previous run.
        assert!(!self.running.swap(true, Ordering::Acquire), "the machine runs already");
        let _running = Running(self);
        // SAFETY: a record lives as long as its handle.
        let pool = unsafe { spare.record().as_ref() }.pool.clone();
        let home = Context::of_this_thread(pool.machinery(), pool.backend());
        let _signal_stack = match pool.backend() {
            Backend::User => Some(SignalStack::install(home.fs_base()).map_err(Error::Map)?),
            Backend::Kernel => None,
        };
        self.home.store((&raw const home).cast_mut(), Ordering::Relaxed);
        self.thread.set_to_caller();
        // SAFETY: the home was made here, from the backend of the spare's pool.
        unsafe { switch::start_from_home(&home, self, spare, work) };
        Ok(())
    }

    /// What it was made with.
    #[must_use]
    pub fn token(&self) -> usize {
        self.token
    }

    /// The kernel thread that runs the machine's current fiber, `None` if the machine does not run.
    ///
    /// Linux: a thread id, for example for its CPU clock or `/proc`. Elsewhere: a `pthread_t`. With
    /// the kernel backend it changes at every switch and may be out of date when it is used.
    #[must_use]
    pub fn kernel_thread(&self) -> Option<usize> {
        Some(self.thread.get()).filter(|&thread| thread != 0)
    }

    /// Sends `signal` to the kernel thread that runs the machine's current fiber.
    ///
    /// The machine may have moved on, or its thread ended, when the signal arrives: the handler has
    /// to check whether it is still meant. Allocates nothing, takes no lock.
    ///
    /// # Errors
    ///
    /// What `tgkill` or `pthread_kill` reports; `NotFound` if the machine does not run.
    pub fn interrupt(&self, signal: i32) -> io::Result<()> {
        let thread = self.kernel_thread().ok_or(io::ErrorKind::NotFound)?;
        thread::signal(thread, signal)
    }

    /// The kernel backend's fiber that arrives says where.
    pub(crate) fn runs_on(&self, kernel_thread: usize) {
        self.thread.set(kernel_thread);
    }

    /// # Safety
    ///
    /// The caller runs on this machine, and uses the context for the switch that ends that.
    pub(crate) unsafe fn home(&self) -> &Context {
        // SAFETY: set by `run`, whose frame stands still as long as fibers run on the machine.
        unsafe { &*self.home.load(Ordering::Relaxed) }
    }
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine")
            .field("token", &self.token)
            .field("kernel_thread", &self.kernel_thread())
            .finish_non_exhaustive()
    }
}

/// Ends a run, also one that did not come about.
struct Running<'a>(&'a Machine);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.thread.clear();
        self.0.home.store(null_mut(), Ordering::Relaxed);
        // Release: pairs with the swap in `run`.
        self.0.running.store(false, Ordering::Release);
    }
}
