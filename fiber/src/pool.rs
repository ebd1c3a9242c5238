//! The pool: makes fibers, keeps the idle ones, ends them.
//!
//! [`Pool::take_spare`] runs on the detach path, where the code that was interrupted may hold any
//! lock of the process, malloc's included. So a spare is taken from, and put back to, a table of
//! fixed size (`pool/slots.rs`) without a lock or an allocation. Threads are made by
//! [`Pool::top_up`] only, from ordinary code.
//!
//! # Life of a fiber
//!
//! ```text
//!   top_up    slot taken from `vacant`; thread spawned (donor)
//!   donor     record made, rseq given up, base loop entered, slot pushed to `spare`
//!   ..        taken, worked, retired to `spare`, as often as you like
//!   release   the pool is closed: base loop returns, thread-local destructors run on the donor's own
//!             kernel thread, the thread ends and is joined
//! ```
//!
//! Dropping the [`Pool`] closes it: idle fibers are ended and joined; a fiber that is at work or
//! suspended goes on, and ends when it becomes idle. Everything is freed with the last of them.

mod slots;

use std::fmt;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::backend::{Backend, Context, Machinery, ParkStack};
use crate::error::Error;
use crate::fiber::{Record, Spare, Stack};
use crate::inject::Busy;
use crate::os::signal_stack::SignalStack;
use crate::os::thread::SignalsBlocked;
use crate::switch;
use slots::{Slots, Spares};

/// Configures a [`Pool`].
#[derive(Clone, Debug)]
pub struct Builder {
    backend: Option<Backend>,
    max_fibers: usize,
    warm_spares: usize,
    stack_bytes: usize,
    thread_name: String,
    force_fs_syscall: bool,
}

impl Default for Builder {
    fn default() -> Self {
        Builder {
            backend: None,
            max_fibers: 256,
            warm_spares: 16,
            stack_bytes: 2 * 1024 * 1024,
            thread_name: "preempt-fiber".to_owned(),
            force_fs_syscall: false,
        }
    }
}

impl Builder {
    /// The largest `max_fibers`.
    pub const MAX_FIBERS: usize = slots::MAX;
    /// The smallest `stack_bytes`.
    pub const MIN_STACK_BYTES: usize = 64 * 1024;

    /// 256 fibers at most, stacks of 2 MiB, the platform's preferred backend.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Uses this backend, unless the environment variable `PREEMPT_FIBER_BACKEND` (`user` or
    /// `kernel`) asks for another. Without either: [`Backend::preferred`].
    #[must_use]
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = Some(backend);
        self
    }

    /// How many fibers there can be at a time, idle or not (1 to [`Self::MAX_FIBERS`], clamped).
    ///
    /// Each is a thread to the operating system: it counts towards `RLIMIT_NPROC` and cgroup limits.
    #[must_use]
    pub fn max_fibers(mut self, fibers: usize) -> Self {
        self.max_fibers = fibers.clamp(1, Self::MAX_FIBERS);
        self
    }

    /// How many idle fibers keep the memory that their stacks have grown to; from others it is
    /// given back to the operating system (default: 16).
    #[must_use]
    pub fn warm_spares(mut self, spares: usize) -> Self {
        self.warm_spares = spares;
        self
    }

    /// Stack of each fiber, at least [`Self::MIN_STACK_BYTES`], in addition to a guard below it.
    /// Only what is used takes memory.
    #[must_use]
    pub fn stack_bytes(mut self, bytes: usize) -> Self {
        self.stack_bytes = bytes.max(Self::MIN_STACK_BYTES);
        self
    }

    /// Name of the fibers' threads, which panic messages show (default: `preempt-fiber`).
    ///
    /// # Panics
    ///
    /// If it contains a null byte.
    #[must_use]
    pub fn thread_name(mut self, name: impl Into<String>) -> Self {
        self.thread_name = name.into();
        assert!(!self.thread_name.contains('\0'), "a thread's name cannot contain null bytes");
        self
    }

    /// Sets the FS base by system call even where an instruction can, to test that way.
    #[doc(hidden)]
    #[must_use]
    pub fn force_fs_syscall(mut self, force: bool) -> Self {
        self.force_fs_syscall = force;
        self
    }

    /// Makes a pool without fibers; see [`Pool::top_up`].
    ///
    /// # Errors
    ///
    /// [`Error::Environment`] and [`Error::Unsupported`].
    pub fn build(self) -> Result<Pool, Error> {
        let asked = Backend::from_environment()?.or(self.backend);
        let Some(backend) = asked.or_else(Backend::preferred) else {
            return Err(Error::Unsupported(None));
        };
        if !backend.is_supported() {
            return Err(Error::Unsupported(Some(backend)));
        }
        crate::inject::prepare();
        let shared = Shared {
            backend,
            machinery: Machinery::new(self.force_fs_syscall),
            donors: (0..self.max_fibers).map(|_| Donor::default()).collect(),
            vacant: Slots::full(self.max_fibers),
            spare: Spares::new(self.max_fibers),
            starting: AtomicUsize::new(0),
            fibers: AtomicUsize::new(0),
            leaked: AtomicUsize::new(0),
            config: self,
        };
        Ok(Pool { shared: Arc::new(shared) })
    }
}

/// Makes fibers and keeps the idle ones. Dropping it ends them; see the module documentation for
/// those that are not idle.
pub struct Pool {
    shared: Arc<Shared>,
}

impl Pool {
    /// Starts fibers until `spares` are idle or starting, or the pool is full. Does not wait for
    /// them; returns how many are idle or starting. A fiber that is just becoming idle may be counted
    /// twice, so that it stops short of the number: call it again whenever there is an occasion.
    ///
    /// With the kernel backend the fibers take signals, with the mask of the thread that calls this;
    /// with the user backend it is the machine's mask that counts.
    ///
    /// Makes threads, allocates and locks: for ordinary code of the scheduler only, never for the
    /// detach path.
    ///
    /// # Errors
    ///
    /// [`Error::Spawn`] or [`Error::Map`] when the system has no more; the fibers that there are
    /// stay usable, and a later call may succeed.
    pub fn top_up(&self, spares: usize) -> Result<usize, Error> {
        loop {
            let there = self.spares() + self.shared.starting.load(Ordering::Relaxed);
            if there >= spares {
                return Ok(there);
            }
            let Some(slot) = self.shared.vacant.pop() else { return Ok(there) };
            if let Err(error) = spawn_donor(&self.shared, slot) {
                self.shared.vacant.push(slot);
                return Err(error);
            }
        }
    }

    /// As [`Self::top_up`], but waits until the fibers are idle. Returns how many are.
    ///
    /// # Errors
    ///
    /// As [`Self::top_up`].
    pub fn prepare(&self, spares: usize) -> Result<usize, Error> {
        loop {
            self.top_up(spares)?;
            self.wait_for_starting();
            let idle = self.spares();
            if idle >= spares || self.shared.vacant.len() == 0 {
                return Ok(idle);
            }
        }
    }

    /// Takes an idle fiber, the one that became idle last. `None` if there is none: then call
    /// [`Self::top_up`] when it is possible, and go without until then.
    ///
    /// Allocates nothing, takes no lock, makes no system call. Not for signal handlers: a handler
    /// looks at [`Self::spares`], the injected call takes the fiber.
    #[must_use]
    pub fn take_spare(&self) -> Option<Spare> {
        let slot = self.shared.spare.take()?;
        let record = self.shared.donor(slot).record();
        // SAFETY: the fiber in a slot of `spare` is idle, and popping took the one entry it has.
        Some(unsafe { Spare::new(record) })
    }

    /// How many fibers are idle; out of date as soon as it is known. Signal-safe.
    #[must_use]
    pub fn spares(&self) -> usize {
        self.shared.spare.len()
    }

    /// How many fibers there are: idle, at work, suspended, leaked.
    #[must_use]
    pub fn fibers(&self) -> usize {
        self.shared.fibers.load(Ordering::Relaxed)
    }

    /// How many fibers have been lost because a [`Suspended`](crate::Suspended) was dropped.
    #[must_use]
    pub fn leaked(&self) -> usize {
        self.shared.leaked.load(Ordering::Relaxed)
    }

    /// The backend of its fibers.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.shared.backend
    }

    /// Donors cannot notify through std: once published they may not touch their thread-locals.
    fn wait_for_starting(&self) {
        // Acquire: pairs with the decrement in `publish`, after which the spares are there.
        while self.shared.starting.load(Ordering::Acquire) != 0 {
            thread::sleep(Duration::from_micros(50));
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.wait_for_starting();
        self.shared.close();
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("backend", &self.backend())
            .field("fibers", &self.fibers())
            .field("spares", &self.spares())
            .field("leaked", &self.leaked())
            .finish_non_exhaustive()
    }
}

/// What the pool and its fibers share. Freed with the last of them.
pub(crate) struct Shared {
    backend: Backend,
    machinery: Machinery,
    config: Builder,
    /// One per slot.
    donors: Box<[Donor]>,
    /// Slots without a fiber.
    vacant: Slots,
    /// Slots whose fiber is idle and has no handle. Closed when the `Pool` is gone.
    spare: Spares,
    /// Donors on their way to their first sleep.
    starting: AtomicUsize,
    fibers: AtomicUsize,
    leaked: AtomicUsize,
}

#[derive(Default)]
struct Donor {
    /// Set by the donor before its slot is first pushed to `spare`, valid until it is released.
    record: AtomicPtr<Record>,
    /// Held by `spawn_donor` until the handle is in.
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Donor {
    fn record(&self) -> NonNull<Record> {
        // Relaxed: popping the slot has acquired what was stored before it was pushed.
        NonNull::new(self.record.load(Ordering::Relaxed)).expect("a spare slot has a fiber")
    }
}

impl Shared {
    pub(crate) fn backend(&self) -> Backend {
        self.backend
    }

    pub(crate) fn machinery(&self) -> &Machinery {
        &self.machinery
    }

    pub(crate) fn next_id(&self) -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        NEXT.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn note_leak(&self) {
        self.leaked.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether a fiber that becomes idle now should give its stack's memory back, as enough others
    /// keep theirs.
    pub(crate) fn has_warm_spares(&self) -> bool {
        self.spare.len() >= self.config.warm_spares
    }

    /// Takes back the handle of an idle fiber. The fiber may be gone when it returns.
    pub(crate) fn put(&self, record: NonNull<Record>) {
        // SAFETY: the handle was valid, and the record is not used after the slot is pushed.
        self.put_slot(unsafe { record.as_ref() }.slot);
    }

    fn put_slot(&self, slot: u32) {
        if self.spare.put(slot) {
            while self.release_one().is_some() {}
        }
    }

    /// Ends idle fibers and joins their threads; from now on fibers end when they become idle.
    fn close(&self) {
        self.spare.close();
        while let Some(slot) = self.release_one() {
            let mut thread = self.donor(slot).thread.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(thread) = thread.take() {
                // A thread-local's destructor may have panicked; std has reported that.
                let _ = thread.join();
            }
        }
    }

    /// Wakes the donor of an idle fiber for good. Uses no thread-locals, as donors call it as well.
    fn release_one(&self) -> Option<u32> {
        let slot = self.spare.take()?;
        self.fibers.fetch_sub(1, Ordering::Relaxed);
        // SAFETY: the fiber is idle, and popping its slot gave the right to continue it.
        unsafe { self.donor(slot).record().as_ref().context.release() };
        Some(slot)
    }

    fn donor(&self, slot: u32) -> &Donor {
        &self.donors[slot as usize]
    }
}

fn spawn_donor(shared: &Arc<Shared>, slot: u32) -> Result<(), Error> {
    let park = ParkStack::new(shared.backend).map_err(Error::Map)?;
    let builder = thread::Builder::new()
        .name(shared.config.thread_name.clone())
        .stack_size(shared.config.stack_bytes);
    let mut thread = shared.donor(slot).thread.lock().unwrap_or_else(PoisonError::into_inner);
    shared.starting.fetch_add(1, Ordering::Relaxed);
    shared.fibers.fetch_add(1, Ordering::Relaxed);
    let theirs = Arc::clone(shared);
    let spawned = {
        // A donor of the user backend runs no code but for its start and its end: it takes no
        // signals. In the kernel backend it runs what a machine runs, with the maker's mask.
        let _blocked = (shared.backend == Backend::User).then(SignalsBlocked::new);
        builder.spawn(move || live(theirs, slot, park))
    };
    match spawned {
        Ok(handle) => {
            *thread = Some(handle);
            shared.machinery.first_donor_runs();
            Ok(())
        }
        Err(error) => {
            shared.starting.fetch_sub(1, Ordering::Relaxed);
            shared.fibers.fetch_sub(1, Ordering::Relaxed);
            Err(Error::Spawn(error))
        }
    }
}

/// Main function of a donor's thread.
fn live(shared: Arc<Shared>, slot: u32, park: ParkStack) {
    let _signal_stack = match shared.backend {
        Backend::User => None,
        // Without memory for it, std's smaller one has to do.
        Backend::Kernel => SignalStack::install(0).ok(),
    };
    let context = Context::of_this_thread(&shared.machinery, shared.backend);
    #[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
    if shared.backend == Backend::User {
        crate::os::rseq::unregister(context.fs_base());
    }
    // In this frame, which stands still until the fiber is released.
    let record = Record::new(context, own_stack(), shared, slot);
    record.adopt_thread();
    let busy = Busy::enter();
    // SAFETY: the context was made here and is lent out once; `publish` uses no thread-locals.
    let first = unsafe { record.context.lend_out(&record, park, publish) };
    switch::base_loop(&record, first);
    drop(busy);
    Record::disown_thread();
}

/// A new fiber is idle. Runs where no thread-locals may be used.
fn publish(record: &Record) {
    let shared = &record.pool;
    shared.donor(record.slot).record.store((&raw const *record).cast_mut(), Ordering::Relaxed);
    shared.put_slot(record.slot);
    // Release: pairs with the load in `wait_for_starting`.
    shared.starting.fetch_sub(1, Ordering::Release);
}

fn own_stack() -> Stack {
    match crate::os::thread::own_stack() {
        Ok(range) => Stack { lo: range.start, hi: range.end },
        Err(_) => crate::abort("pthread_getattr_np failed on a fiber"),
    }
}
