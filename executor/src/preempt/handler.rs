//! The signal: its handler, which only decides, and sending it.
//!
//! # Signal safety
//! `on_signal` and everything it calls allocates nothing, takes no lock and calls no libc
//! function. It reads the seat and the fiber of the code that it interrupts, whose fields are
//! atomics for that reason, and rewrites the interrupted context; the poll is suspended after the
//! handler has returned, outside of any signal context.

use super::allocator;
use super::leaf;
use super::reach;
use super::safe_point::{Refusal, STACK_RESERVE_BYTES, Situation, is_async_safe_point};
use super::text;
use super::thread_status;
use crate::context;
use crate::observe::probe;
use crate::scheduler::{Expected, Machine, Scheduler, Seat, StoppedBy, detach};
use crate::sync::Mutex;
use crate::task::Preemption;
use preempt_checkpoint::runtime as checkpoint;
use preempt_fiber::{Backend, Stack};
use preempt_sysmon::Interrupted;
use std::io;
use std::mem::{self, MaybeUninit};
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// Signals that tell of faults. std has a handler for the first two.
const RESERVED: [i32; 7] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGFPE,
    libc::SIGTRAP,
    libc::SIGABRT,
    libc::SIGSYS,
];

/// The signal that is installed; zero: none yet.
static SIGNAL: AtomicI32 = AtomicI32::new(0);
/// Held while a handler is installed that may be the preemption signal's.
static INSTALLING: Mutex<()> = Mutex::const_new(());
/// What was installed before, if it was a function, and whether it takes three arguments.
static PREVIOUS: AtomicUsize = AtomicUsize::new(0);
static PREVIOUS_TAKES_INFO: AtomicI32 = AtomicI32::new(0);
/// Who wants to hear of signals that no runtime has sent. Reading it is a load.
static OTHERS: OnceLock<fn(i32)> = OnceLock::new();

/// Signals that came in the middle of a switch, of all runtimes.
static REFUSED_WHILE_SWITCHING: AtomicU64 = AtomicU64::new(0);

/// How many signals came in the middle of a switch, in all runtimes of the process.
pub(crate) fn refused_while_switching() -> u64 {
    REFUSED_WHILE_SWITCHING.load(Relaxed)
}

/// The signals that the calling thread blocks, after it has unblocked the preemption signal.
pub(crate) fn prepare_signal_mask() -> u64 {
    let signal = SIGNAL.load(Relaxed);
    let mut mask = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: valid sets; the calls only fail for invalid arguments, and then the mask is empty,
    // which is the mask of a thread that blocks nothing.
    unsafe {
        if signal != 0 {
            libc::sigaddset(mask.as_mut_ptr(), signal);
            libc::pthread_sigmask(libc::SIG_UNBLOCK, mask.as_ptr(), ptr::null_mut());
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, ptr::null(), mask.as_mut_ptr());
        mask.as_ptr().cast::<u64>().read()
    }
}

/// Installs the handler, once per process.
///
/// # Errors
/// When the system refuses, or another runtime of the process uses another signal.
pub(crate) fn install(signal: i32) -> io::Result<()> {
    if cfg!(target_feature = "crt-static") {
        // libc is then a part of the program's own text, and no address tells them apart.
        return Err(io::Error::from(io::ErrorKind::Unsupported));
    }
    let _one_at_a_time = INSTALLING.lock();
    match SIGNAL.load(Relaxed) {
        0 => {}
        installed if installed == signal => return Ok(()),
        installed => {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "the preemption signal of a process is chosen once: it is {installed}, so it \
                     cannot be {signal}"
                ),
            ));
        }
    }
    if RESERVED.contains(&signal) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("signal {signal} reports faults, so it cannot be the preemption signal"),
        ));
    }
    text::load()?;
    leaf::find();
    let previous = replace_action(signal).map_err(|error| {
        let message = format!("signal {signal} cannot be the preemption signal: {error}");
        io::Error::new(error.kind(), message)
    })?;
    if previous.sa_sigaction != libc::SIG_DFL && previous.sa_sigaction != libc::SIG_IGN {
        PREVIOUS_TAKES_INFO.store(previous.sa_flags & libc::SA_SIGINFO, Relaxed);
        PREVIOUS.store(previous.sa_sigaction, Relaxed);
    }
    SIGNAL.store(signal, Relaxed);
    allocator::check();
    Ok(())
}

/// Calls `install`, which installs a handler for `signal`; no runtime installs its own meanwhile. If
/// that is there already, another one in front of it would keep it from its work: then `install` is
/// not called, and the runtime's handler calls `others`, which is safe in a signal, for each one that
/// no runtime has sent.
///
/// # Errors
/// Those of `install`.
pub(crate) fn share_signal(
    signal: i32,
    others: fn(i32),
    install: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    let _installing = INSTALLING.lock();
    if SIGNAL.load(Relaxed) != signal {
        return install();
    }
    OTHERS.get_or_init(|| others);
    Ok(())
}

fn replace_action(signal: i32) -> io::Result<libc::sigaction> {
    let handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) = on_signal;
    // SAFETY: all zeros is a valid `sigaction`: no flags, an empty mask.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = handler as *const () as usize;
    // On the machine's signal stack: a poll may have little stack left. Restarting, as a thread
    // may have gone to sleep in the kernel after it was looked at.
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
    // A profile is to sample the poll, not this handler.
    // SAFETY: a valid set.
    unsafe { libc::sigaddset(&raw mut action.sa_mask, libc::SIGPROF) };
    let mut previous = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: both structures are valid, and the handler is safe in a signal, see above.
    if unsafe { libc::sigaction(signal, &raw const action, previous.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    reach::installed(action.sa_sigaction);
    // SAFETY: `sigaction` has filled it in.
    Ok(unsafe { previous.assume_init() })
}

/// Whether an address is in the program or an ordinary library. `true` also if that is not known.
pub(crate) fn is_ordinary_code(address: usize) -> bool {
    text::load().is_err() || text::is_ordinary(address)
}

/// What has to be done from time to time by ordinary code.
pub(crate) fn prepare() {
    text::refresh();
}

/// How much CPU time the machine's thread has used, if that can be told.
pub(crate) fn cpu_time(machine: &Machine) -> Option<Duration> {
    thread_status::cpu_time(machine.fibers().kernel_thread()?)
}

/// Whether the machine's thread sleeps in the kernel.
pub(crate) fn is_asleep(machine: &Machine) -> bool {
    machine.kernel_thread().is_some_and(thread_status::is_asleep)
}

/// Whether it sleeps where no signal wakes it.
pub(crate) fn is_uninterruptible(machine: &Machine) -> bool {
    machine.kernel_thread().is_some_and(thread_status::is_uninterruptible)
}

/// Sends the signal to the machine, unless its thread sleeps in the kernel.
pub(crate) fn interrupt(scheduler: &Scheduler, machine: &Machine) -> Interrupted {
    let signal = SIGNAL.load(Relaxed);
    let Some(thread) = machine.fibers().kernel_thread() else { return Interrupted::Done };
    if signal == 0 {
        return Interrupted::Done;
    }
    if thread_status::is_asleep(thread) {
        return Interrupted::Asleep;
    }
    if !reach::is_worth_sending(signal) {
        return Interrupted::Done;
    }
    match machine.expect_signal() {
        Expected::Already => return Interrupted::Done,
        Expected::Again => reach::missed(signal, thread),
        Expected::Now => {}
    }
    if send(thread, signal, mark()) {
        scheduler.counters.signals.fetch_add(1, Relaxed);
        scheduler.trace_signal(thread);
    }
    Interrupted::Done
}

/// What the kernel calls `siginfo_t`, as `sigqueue` fills it in.
#[repr(C)]
struct Information {
    signal: i32,
    error: i32,
    code: i32,
    _padding: i32,
    process: i32,
    user: u32,
    value: usize,
    _rest: [u64; 12],
}

const _: () = assert!(size_of::<Information>() == size_of::<libc::siginfo_t>());

/// Marks our own signals: an address that nobody else has a reason to send.
fn mark() -> usize {
    (&raw const SIGNAL).addr()
}

/// Sends the signal to the machine to ask for its stack, see `observe/probe.rs`. `false`: it cannot be
/// sent, or would not come to the handler.
pub(crate) fn ask(machine: &Machine, mark: usize) -> bool {
    let signal = SIGNAL.load(Relaxed);
    signal != 0
        && reach::is_worth_sending(signal)
        && machine.kernel_thread().is_some_and(|thread| send(thread, signal, mark))
}

/// Sends the signal, marked, to a thread of this process. `false`: the thread is gone.
fn send(thread: usize, signal: i32, mark: usize) -> bool {
    // SAFETY: numbers of this process.
    let (process, user) = unsafe { (libc::getpid(), libc::getuid()) };
    let information = Information {
        signal,
        error: 0,
        code: libc::SI_QUEUE,
        _padding: 0,
        process,
        user,
        value: mark,
        _rest: [0; 12],
    };
    // SAFETY: the structure is the kernel's and outlives the call.
    let result = unsafe {
        let information = &raw const information;
        libc::syscall(libc::SYS_rt_tgsigqueueinfo, process, thread, signal, information)
    };
    result == 0
}

/// What a signal is marked with. Those that no runtime has sent are the application's, wherever they
/// hit.
///
/// # Safety
/// `info` is the second argument of the running handler.
unsafe fn mark_of(info: *const libc::siginfo_t) -> Option<usize> {
    // SAFETY: the caller's contract; the layout is the kernel's.
    let information = unsafe { &*info.cast::<Information>() };
    (information.code == libc::SI_QUEUE).then_some(information.value)
}

extern "C" fn on_signal(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes the signal's information, as the handler has SA_SIGINFO.
    let mark_found = unsafe { mark_of(info) };
    if mark_found != Some(mark()) {
        // SAFETY: `context` is this handler's third argument.
        if mark_found.is_some_and(|found| unsafe { probe::answer(found, context.cast()) }) {
            return;
        }
        if let Some(others) = OTHERS.get() {
            others(signal);
        }
        call_previous(signal, info, context);
        return;
    }
    reach::arrived();
    // SAFETY: `context` is this handler's third argument.
    if !unsafe { is_on_signal_stack(context.cast()) } {
        // The monitor will find that nothing helps and hand the processor off.
        return;
    }
    // SAFETY: as above.
    if unsafe { is_switching(context.cast()) } {
        REFUSED_WHILE_SWITCHING.fetch_add(1, Relaxed);
        return;
    }
    match interrupted_seat() {
        Some(seat) if seat.machine().take_expected_signal() => {
            // SAFETY: as above.
            unsafe { preempt_at(seat, context.cast()) };
        }
        // It came too late: the machine was signalled again or has moved on.
        _ => {}
    }
}

/// Whether the handler runs on the machine's signal stack. It does not if somebody has put a handler
/// of theirs in front of it, without SA_ONSTACK, that passes the signals on: then what the kernel has
/// saved is on the stack of the poll, just where a call would be injected.
///
/// # Safety
/// `context` is the third argument of the running handler.
unsafe fn is_on_signal_stack(context: *const libc::ucontext_t) -> bool {
    // SAFETY: the caller's contract; the kernel has filled it in.
    let stack = unsafe { &raw const (*context).uc_stack };
    // SAFETY: as above.
    let (start, bytes) = unsafe { ((*stack).ss_sp.addr(), (*stack).ss_size) };
    let on_this_stack = 0_u8;
    (&raw const on_this_stack).addr().wrapping_sub(start) < bytes
}

/// Whether the interrupted code is in the middle of a switch, where it cannot be told which machine
/// this is, or in an injected call.
///
/// # Safety
/// `context` is the third argument of the running handler.
unsafe fn is_switching(context: *const libc::ucontext_t) -> bool {
    // SAFETY: the caller's contract.
    let at = unsafe { preempt_fiber::interrupted(context) };
    preempt_fiber::injecting() || preempt_fiber::text_range().contains(&at.pc)
}

/// The machine that the interrupted code runs on, unless it is in the middle of a switch. Signal-safe.
///
/// # Safety
/// `context` is the third argument of the running handler.
pub(crate) unsafe fn interrupted_machine(
    context: *const libc::ucontext_t,
) -> Option<&'static Machine> {
    // SAFETY: the caller's contract.
    let is_switching = unsafe { is_switching(context) };
    if is_switching { None } else { interrupted_seat().map(|seat| &**seat.machine()) }
}

/// The seat of the machine that the interrupted code runs on.
fn interrupted_seat() -> Option<&'static Seat> {
    let token = preempt_fiber::current()?.machine_token();
    let machine = ptr::with_exposed_provenance::<Machine>(token);
    // SAFETY: no switch is under way, so the fiber runs on that machine right now; the machine and
    // its seat live as long as their thread.
    unsafe { machine.as_ref()?.seat().as_ref() }
}

/// Makes the interrupted poll detach itself, if it is at an async-safe point.
///
/// # Safety
/// `context` is the third argument of the running handler, and is not used afterwards.
unsafe fn preempt_at(seat: &Seat, context: *mut libc::ucontext_t) {
    let counters = &seat.scheduler().counters;
    // SAFETY: the caller's contract.
    let situation = unsafe { situation(seat, context) };
    match is_async_safe_point(&situation) {
        // SAFETY: the conditions that were just checked are those of `inject_call`.
        Ok(()) => unsafe {
            preempt_fiber::inject_call(context, detach_injected, ptr::null_mut());
        },
        Err(refusal) => {
            counters.refuse(refusal);
            seat.machine().note_refusal(refusal);
            seat.trace_refusal(refusal as usize);
        }
    }
}

/// # Safety
/// `context` is the third argument of the running handler.
unsafe fn situation(seat: &Seat, context: *const libc::ucontext_t) -> Situation {
    // SAFETY: the caller's contract.
    let at = unsafe { preempt_fiber::interrupted(context) };
    // SAFETY: as above; the kernel has filled the mask in.
    let mask = unsafe { &raw const (*context).uc_sigmask };
    let fiber = preempt_fiber::current();
    // The mask belongs to the kernel thread: the machine's, or with the kernel backend the fiber's.
    let is_kernel = fiber.as_ref().is_some_and(|fiber| fiber.backend() == Backend::Kernel);
    let usual_mask = if is_kernel { context::signal_mask() } else { seat.machine().signal_mask() };
    let stack = fiber.map_or(Stack { lo: 0, hi: 0 }, |fiber| fiber.stack());
    Situation {
        in_requested_poll: seat.poll_is_to_leave() && context::preemption() == Preemption::Forced,
        no_preempt_depth: checkpoint::no_preempt_depth(),
        in_ordinary_text: text::is_ordinary(at.pc) || leaf::is_called_by_ordinary_code(at, stack),
        stack_left_bytes: stack.remaining_bytes(at.sp),
        stack_needed_bytes: preempt_fiber::inject_stack_bytes() + STACK_RESERVE_BYTES,
        // The kernel's mask is the first 64 bits of libc's.
        // SAFETY: as above.
        has_changed_mask: unsafe { mask.cast::<u64>().read() } != usual_mask,
        spares: seat.spares(),
    }
}

/// Called by the poll, as if it had called it itself.
extern "C" fn detach_injected(_argument: *mut ()) {
    detach(StoppedBy::Signal);
}

fn call_previous(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let previous = ptr::with_exposed_provenance::<()>(PREVIOUS.load(Relaxed));
    if previous.is_null() {
        return;
    }
    if PREVIOUS_TAKES_INFO.load(Relaxed) != 0 {
        type Handler = extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void);
        // SAFETY: it was installed with SA_SIGINFO, so it has this type.
        let handler = unsafe { mem::transmute::<*const (), Handler>(previous) };
        handler(signal, info, context);
    } else {
        // SAFETY: it was installed without SA_SIGINFO, so it has this type.
        let handler = unsafe { mem::transmute::<*const (), extern "C" fn(i32)>(previous) };
        handler(signal);
    }
}

/// So that every refusal has its counter.
const _: () = assert!(super::REFUSALS.len() == Refusal::NoSpare as usize + 1);
