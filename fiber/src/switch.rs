//! Leaving one fiber for another, and what runs right after.
//!
//! ```text
//!   A: resume(B, after)                         B: was in its own resume(..), earlier
//!      handoff on A's stack ── context switch ──>  reads the handoff, `after` included
//!                                                  notes the machine
//!                                                  after(Suspended(A))   <- now A may be published
//!                                                  returns from resume(..)
//! ```
//!
//! *Publish after the switch*: whatever makes A visible to other machines gets A's handle as an
//! argument, and that handle is made on B's side. `after` is moved out of A's stack before it runs;
//! it borrows nothing (`'static`), as A's stack may be in use again while it still runs.
//!
//! The injection count is raised on a fiber while it is in here, see `inject.rs`: a handler that
//! respects [`injecting`](crate::injecting) never injects a call into a half-complete switch.

use std::mem::ManuallyDrop;
use std::ptr::{NonNull, null_mut};
use std::sync::Arc;

use crate::backend::Context;
use crate::fiber::{Leave, Record, Spare, Suspended};
use crate::inject::Busy;
use crate::machine::Machine;

/// What the context that is left tells the one that is continued. Lies on the stack that is left.
pub(crate) struct Handoff {
    /// The machine that moves over; null only in [`RELEASE`].
    pub(crate) machine: *const Machine,
    /// The fiber that is left; null if it is a machine's home.
    pub(crate) from: *const Record,
    pub(crate) action: Action,
    /// What `action` works on; on the stack that is left, too.
    pub(crate) data: *mut (),
}

// SAFETY: the only handoff that is shared is `RELEASE`, which is constant.
unsafe impl Sync for Handoff {}

/// What the continued context does first.
#[derive(Clone, Copy)]
pub(crate) enum Action {
    /// A suspended fiber, or a home, is continued: run this and go on.
    Resume(unsafe fn(data: *mut (), left: NonNull<Record>)),
    /// An idle fiber starts working: run this, which gives the reason for its end.
    Start(unsafe fn(data: *mut (), left: Option<NonNull<Record>>) -> Leave),
    /// An idle fiber ends.
    Release,
}

/// Tells an idle fiber to end. Static, as whoever releases it does not wait.
pub(crate) static RELEASE: Handoff = Handoff {
    machine: std::ptr::null(),
    from: std::ptr::null(),
    action: Action::Release,
    data: null_mut(),
};

/// Suspends the current fiber and continues `target` on this machine.
///
/// `after` runs on `target`, when the current fiber is completely left, with the handle to it: it
/// publishes the fiber. Returns when somebody has continued the current fiber, perhaps on another
/// machine, and to Rust code nothing has happened meanwhile: thread-locals, thread identity and
/// `errno` are the fiber's own. `after` must not panic (the process aborts).
///
/// Allocates nothing and takes no lock.
///
/// # Panics
///
/// If the calling code is not on a fiber, or `target` has another backend. `target` is leaked then.
pub fn resume<F>(target: Suspended, after: F)
where
    F: FnOnce(Suspended) + Send + 'static,
{
    let me = own_record("resume");
    let _busy = Busy::enter(); // From here on the fiber stays on the machine that it is on.
    assert!(target.backend() == me.context.backend(), "the fibers have different backends");
    let mut after = ManuallyDrop::new(after);
    let handoff = Handoff {
        machine: me.machine().as_ptr(),
        from: me,
        action: Action::Resume(run_after::<F>),
        data: (&raw mut after).cast(),
    };
    // SAFETY: the record lives as long as its handle; the handle, just given up, was the sole right
    // to continue a suspended fiber; `run_after` gets an `F` that nobody else uses or drops.
    unsafe { suspend(me, &target.into_record().as_ref().context, &handoff) };
}

/// Suspends the current fiber and goes on in `work` on the idle fiber `spare`, on this machine.
///
/// As [`resume`], but for what runs there: `after`, then `work`. Neither may panic (the process
/// aborts). When `work` returns, its fiber becomes a spare again and its machine does what [`Leave`] says.
///
/// # Panics
///
/// If the calling code is not on a fiber, or `spare` has another backend.
pub fn start<F, W>(spare: Spare, work: W, after: F)
where
    F: FnOnce(Suspended) + Send + 'static,
    W: FnOnce() -> Leave + Send + 'static,
{
    let me = own_record("start");
    let _busy = Busy::enter(); // From here on the fiber stays on the machine that it is on.
    let mut data = StartData { after: ManuallyDrop::new(after), work: ManuallyDrop::new(work) };
    let handoff = Handoff {
        machine: me.machine().as_ptr(),
        from: me,
        action: Action::Start(run_start::<F, W>),
        data: (&raw mut data).cast(),
    };
    // SAFETY: the record lives as long as its handle.
    let backend = unsafe { spare.record().as_ref() }.context.backend();
    assert!(backend == me.context.backend(), "the fibers have different backends");
    // SAFETY: as in `resume`, for an idle fiber.
    unsafe { suspend(me, &spare.into_record().as_ref().context, &handoff) };
}

/// Starts `work` on `spare` from a machine's home; returns when a fiber has left with `Exit`.
///
/// # Safety
///
/// `home` is the context of the calling thread, `machine` is the one that begins on it, `spare` is
/// of the same backend.
pub(crate) unsafe fn start_from_home<W>(home: &Context, machine: &Machine, spare: Spare, work: W)
where
    W: FnOnce() -> Leave + Send + 'static,
{
    let mut data = StartData { after: ManuallyDrop::new(NoFiber), work: ManuallyDrop::new(work) };
    let handoff = Handoff {
        machine,
        from: std::ptr::null(),
        action: Action::Start(run_first::<W>),
        data: (&raw mut data).cast(),
    };
    let record = spare.into_record();
    // SAFETY: the spare was the sole right to continue the fiber, the handoff is of the kind that
    // an idle fiber expects, and nobody publishes a home.
    let received = unsafe { home.switch(&record.as_ref().context, &handoff) };
    // SAFETY: the fiber that was left stays as it is until `retire` publishes it.
    let Handoff { from, action, data, .. } = unsafe { received.read() };
    match (action, NonNull::new(from.cast_mut())) {
        // SAFETY: as the fiber that left meant it.
        (Action::Resume(run), Some(left)) => unsafe { run(data, left) },
        _ => crate::abort("a machine's home was continued by something else than a leaving fiber"),
    }
}

/// Life of a fiber, on its own stack: idle, at work, idle .. until released.
pub(crate) fn base_loop(me: &Record, first: *const Handoff) {
    let mut received = first;
    loop {
        // SAFETY: whoever continued this fiber passed a handoff that is valid until the fiber or
        // home that it lies on is published, which the action below does.
        let handoff = unsafe { received.read() };
        let run = match handoff.action {
            Action::Start(run) => run,
            Action::Release => return,
            Action::Resume(_) => crate::abort("an idle fiber was resumed"),
        };
        me.arrive_on(machine_of(&handoff));
        let unwinding = AbortIfUnwound("the work of a fiber panicked");
        // SAFETY: as the sender meant it.
        let leave = unsafe { run(handoff.data, NonNull::new(handoff.from.cast_mut())) };
        std::mem::forget(unwinding);
        received = self::leave(me, leave);
    }
}

/// Turns the current fiber into a spare; its machine goes on elsewhere. Returns at its next start.
fn leave(me: &Record, leave: Leave) -> *const Handoff {
    if me.pool.has_warm_spares() {
        me.give_back_stack();
    }
    let machine = me.machine();
    let handoff = Handoff {
        machine: machine.as_ptr(),
        from: me,
        action: Action::Resume(retire),
        data: null_mut(),
    };
    let to = match leave {
        Leave::Resume(target) => {
            if target.backend() != me.context.backend() {
                crate::abort("a fiber was left for one of another backend");
            }
            // SAFETY: the record lives; the handle given up was the right to continue it.
            unsafe { &(*target.into_record().as_ptr()).context }
        }
        // SAFETY: the machine and its home stand still until this switch continues the home.
        Leave::Exit => unsafe { machine.as_ref().home() },
    };
    // SAFETY: `to` is suspended and expects a `Resume`; this fiber is published by `retire` only.
    unsafe { me.context.switch(to, &handoff) }
}

/// The way out of a suspension: switch, and when continued, do what the continuer asks for.
///
/// # Safety
///
/// The caller has the sole right to continue `to`, which expects a handoff of this kind. The count
/// has been raised since before the machine was looked up: a call injected in between could have
/// taken the fiber to another one.
unsafe fn suspend(me: &Record, to: &Context, handoff: &Handoff) {
    // SAFETY: the caller's contract; `me` is the fiber that runs here and it is published by the
    // action only.
    let received = unsafe { me.context.switch(to, handoff) };
    // SAFETY: valid until the action publishes the stack that it lies on.
    let received = unsafe { received.read() };
    me.arrive_on(machine_of(&received));
    match (received.action, NonNull::new(received.from.cast_mut())) {
        // SAFETY: as the sender meant it.
        (Action::Resume(run), Some(left)) => unsafe { run(received.data, left) },
        _ => crate::abort("a suspended fiber was continued as if it were idle"),
    }
}

struct StartData<F, W> {
    after: ManuallyDrop<F>,
    work: ManuallyDrop<W>,
}

/// In the place of `after` when a machine starts: there is no fiber to publish.
struct NoFiber;

/// # Safety
///
/// `data` is a `ManuallyDrop<F>` that is not used again; `left` is suspended and has no handle.
unsafe fn run_after<F: FnOnce(Suspended)>(data: *mut (), left: NonNull<Record>) {
    // SAFETY: the caller's contract.
    let (after, left) = unsafe { (data.cast::<F>().read(), Suspended::new(left)) };
    call_after(after, left);
}

/// # Safety
///
/// `data` is a `StartData<F, W>` that is not used again; `left` is suspended and has no handle.
unsafe fn run_start<F, W>(data: *mut (), left: Option<NonNull<Record>>) -> Leave
where
    F: FnOnce(Suspended),
    W: FnOnce() -> Leave,
{
    let Some(left) = left else { crate::abort("a home used the start of a fiber") };
    // SAFETY: the caller's contract. Both are moved out before `after` publishes their stack.
    let (data, left) = unsafe { (data.cast::<StartData<F, W>>().read(), Suspended::new(left)) };
    call_after(ManuallyDrop::into_inner(data.after), left);
    call_work(ManuallyDrop::into_inner(data.work))
}

/// # Safety
///
/// `data` is a `StartData<NoFiber, W>` that is not used again.
unsafe fn run_first<W: FnOnce() -> Leave>(data: *mut (), _home: Option<NonNull<Record>>) -> Leave {
    // SAFETY: the caller's contract.
    let data = unsafe { data.cast::<StartData<NoFiber, W>>().read() };
    call_work(ManuallyDrop::into_inner(data.work))
}

/// Makes the fiber that was left for good a spare.
///
/// # Safety
///
/// `left` is idle and has no handle.
unsafe fn retire(_data: *mut (), left: NonNull<Record>) {
    // The record may be gone, and its share of the pool with it, before `put` returns.
    // SAFETY: a record lives until it is released, for which the handle has to be given up.
    let pool = Arc::clone(&unsafe { left.as_ref() }.pool);
    pool.put(left);
}

fn call_after(after: impl FnOnce(Suspended), left: Suspended) {
    let unwinding = AbortIfUnwound("a post-switch action panicked");
    after(left);
    std::mem::forget(unwinding);
}

/// The base loop keeps the count raised; while the fiber works it is not.
fn call_work(work: impl FnOnce() -> Leave) -> Leave {
    let _working = Busy::pause();
    work()
}

fn own_record(what: &str) -> &'static Record {
    match Record::own() {
        // SAFETY: the record outlives everything that runs on its fiber; the reference is used
        // by code on the fiber only.
        Some(record) => unsafe { &*record.as_ptr() },
        None => panic!("preempt_fiber::{what} was called on a thread that is not a fiber"),
    }
}

fn machine_of(handoff: &Handoff) -> NonNull<Machine> {
    match NonNull::new(handoff.machine.cast_mut()) {
        Some(machine) => machine,
        None => crate::abort("a fiber was continued without a machine"),
    }
}

/// A panic that reached it would leave a machine without a fiber or a fiber without a handle.
struct AbortIfUnwound(&'static str);

impl Drop for AbortIfUnwound {
    fn drop(&mut self) {
        crate::abort(self.0);
    }
}
