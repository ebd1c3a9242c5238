//! Asking a machine for the stack of what it runs, without disturbing it for long.
//!
//! ```text
//!   asleep in the kernel:  /proc, and the kernel reads its stack (`kernel.rs`)
//!   running:               the preemption signal, with the address of a probe as its mark
//!
//!   FREE ── claim ──▶ CLAIMED ── ask ──▶ ASKED ── handler ──▶ WRITING ──▶ FULL ── read ──▶ FREE
//!                                          │ no answer                ──▶ REFUSED ───────▶ FREE
//!                                          └──────────────────────────────────────────────▶ FREE
//! ```
//!
//! Both sides leave ASKED by compare-and-swap, so that a handler which comes too late writes nothing;
//! and it answers only if it interrupts the machine that was meant.
//!
//! # Signal safety
//! [`answer`] copies the stack into memory that was made before.

use super::kernel;
pub(crate) use super::kernel::name_of as system_call_name;
use super::stack::{Copied, Registers};
use super::unwind::Unwinder;
use super::who::Who;
use crate::context;
use crate::preempt;
use crate::scheduler::{Machine, Scheduler};
use crate::task::{Task, TaskHeader};
use preempt_fiber::Stack;
use std::cell::UnsafeCell;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering::*};
use std::thread;
use std::time::{Duration, Instant};

const FREE: u32 = 0;
const CLAIMED: u32 = 1;
const ASKED: u32 = 2;
const WRITING: u32 = 3;
const FULL: u32 = 4;
const REFUSED: u32 = 5;

/// How long an answer is waited for: on a busy machine a thread may have no processor for a while.
const PATIENCE: Duration = Duration::from_millis(100);
const ASK_AGAIN: Duration = Duration::from_millis(2);
/// In the middle of a switch there is no answer; a moment later there is.
const TRIES: u32 = 5;

/// A stack, and whose it is.
pub(crate) struct Capture {
    pub(crate) stack: Copied,
    pub(crate) who: Option<Who>,
    pub(crate) activity: Activity,
}

/// What a thread was found at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    Runs,
    /// In the kernel, in that system call.
    Sleeps(Option<i64>),
}

impl Capture {
    pub(crate) fn new() -> Self {
        Capture { stack: Copied::new(), who: None, activity: Activity::Runs }
    }

    /// Of the caller, on a fiber. Allocates nothing.
    #[inline(always)]
    pub(crate) fn fill_here(&mut self) {
        let stack = preempt_fiber::current().map_or(Stack { lo: 0, hi: 0 }, |fiber| fiber.stack());
        // SAFETY: the caller's own.
        unsafe { self.stack.copy(Registers::here(), stack) };
        self.who = context::current_task().map(Who::of);
        self.activity = Activity::Runs;
    }

    /// Of the code that a signal has interrupted; without a stack only where it is. Signal-safe.
    ///
    /// # Safety
    /// `context` is the third argument of the running handler, and the interrupted code on that stack.
    pub(super) unsafe fn fill_interrupted(
        &mut self,
        context: *const libc::ucontext_t,
        stack: Option<Stack>,
    ) {
        // SAFETY: the caller's contract.
        let registers = unsafe { Registers::interrupted(context) };
        // SAFETY: the caller's contract; nothing is copied if the stack pointer is elsewhere.
        unsafe { self.stack.copy(registers, stack.unwrap_or(Stack { lo: 0, hi: 0 })) };
        self.activity = Activity::Runs;
    }

    /// Addresses of the instructions at which its functions are, the innermost first. Without the
    /// functions that a signal has made it call.
    pub(crate) fn addresses(&self) -> Vec<usize> {
        self.addresses_by(&mut Unwinder::new())
    }

    /// As [`addresses`](Self::addresses), with an unwinder that knows some objects already.
    pub(super) fn addresses_by(&self, unwinder: &mut Unwinder) -> Vec<usize> {
        let mut addresses = unwinder.walk(&self.stack);
        let injected = |address: &usize| preempt_fiber::text_range().contains(address);
        if let Some(trampoline) = addresses.iter().position(injected) {
            // It has others above it in the base of a fiber only, where nothing is polled yet.
            if trampoline + 1 < addresses.len() {
                addresses.drain(..=trampoline);
            }
        }
        addresses
    }
}

/// Where a suspended poll is, noted by itself.
pub(crate) struct Paused {
    registers: Registers,
    stack: Stack,
    task: Option<NonNull<TaskHeader>>,
    pub(crate) since: Instant,
}

// SAFETY: the pointer is used under the contract of `look` only.
unsafe impl Send for Paused {}

impl Paused {
    /// The calling function is about to be left, and not to return before the poll goes on.
    #[inline(always)]
    pub(crate) fn here() -> Self {
        Paused {
            registers: Registers::here(),
            stack: preempt_fiber::current().map_or(Stack { lo: 0, hi: 0 }, |fiber| fiber.stack()),
            task: context::current_task().map(NonNull::from),
            since: Instant::now(),
        }
    }

    /// Copies its stack. Allocates nothing.
    ///
    /// # Safety
    /// The poll is suspended where this was made, and is not resumed meanwhile.
    pub(crate) unsafe fn look(&self, into: &mut Capture) {
        // SAFETY: the caller's contract.
        unsafe { into.stack.copy(self.registers, self.stack) };
        // SAFETY: the poll's reference keeps the task alive until the poll ends.
        into.who = self.task.map(|task| Who::of(unsafe { task.as_ref() }));
        into.activity = Activity::Runs;
    }
}

struct Probe {
    state: AtomicU32,
    /// Whose answer is waited for.
    machine: AtomicPtr<Machine>,
    /// Whoever moved the state to CLAIMED or WRITING has it, until the next move.
    capture: UnsafeCell<Option<Capture>>,
}

// SAFETY: the state says who may touch the capture.
unsafe impl Sync for Probe {}

/// One for each that is asked at the same time.
static PROBES: [Probe; 4] = [const {
    Probe {
        state: AtomicU32::new(FREE),
        machine: AtomicPtr::new(ptr::null_mut()),
        capture: UnsafeCell::new(None),
    }
}; 4];

/// The probe that a signal's mark stands for. Signal-safe.
fn marked(mark: usize) -> Option<&'static Probe> {
    PROBES.iter().find(|probe| ptr::from_ref(*probe).addr() == mark)
}

/// Whether a mark is that of a probe; if it is, answers it. Signal-safe.
///
/// # Safety
/// `context` is the third argument of the running handler.
pub(crate) unsafe fn answer(mark: usize, context: *const libc::ucontext_t) -> bool {
    let Some(probe) = marked(mark) else { return false };
    // SAFETY: the caller's contract.
    let interrupted = unsafe { preempt::interrupted_machine(context) };
    let is_meant = interrupted.is_none_or(|machine| ptr::eq(machine, probe.machine.load(Relaxed)));
    // Acquire: pairs with the release of whoever asked.
    if !is_meant || probe.state.compare_exchange(ASKED, WRITING, AcqRel, Relaxed).is_err() {
        return true;
    }
    // SAFETY: WRITING gives this handler the capture.
    let capture = unsafe { &mut *probe.capture.get() };
    let stack = preempt_fiber::current().map(|fiber| fiber.stack());
    let state = match (interrupted, stack, capture) {
        (Some(_), Some(stack), Some(capture)) => {
            // SAFETY: the caller's contract; on this fiber's stack, as no switch is under way.
            unsafe { capture.fill_interrupted(context, Some(stack)) };
            capture.who = context::current_task().map(Who::of);
            FULL
        }
        _ => REFUSED,
    };
    // Release: pairs with the acquire in `ask`.
    probe.state.store(state, Release);
    true
}

/// Copies the stack of what the machine runs; `None`: it cannot be had. Waits for a moment.
pub(crate) fn look_at(scheduler: &Scheduler, machine: &Machine) -> Option<Capture> {
    for _ in 0..TRIES {
        let thread = machine.kernel_thread()?;
        let capture = match kernel::asleep(thread) {
            Some(_) => look_at_sleeper(scheduler, machine, thread),
            None => ask(machine),
        };
        if capture.is_some() {
            return capture;
        }
        thread::sleep(Duration::from_micros(50));
    }
    None
}

/// Whether the machine's thread sleeps in the kernel, and not in the middle of a switch: with the kernel
/// backend, the thread of a fiber that is left sleeps as well, and looks as if it were in a poll.
pub(crate) fn is_asleep(machine: &Machine) -> bool {
    let thread = machine.kernel_thread();
    preempt::is_asleep(machine) && !is_switching(machine) && machine.kernel_thread() == thread
}

/// Also if that cannot be told.
fn is_switching(machine: &Machine) -> bool {
    let mut switching = [0; size_of::<u32>()];
    let can_tell = kernel::read_memory(machine.place().switching(), &mut switching) > 0;
    !can_tell || switching != [0; 4]
}

/// Whether what the machine runs is in a `no_preempt` section, or in the runtime's own code. Also if that
/// cannot be told.
pub(crate) fn is_in_section(machine: &Machine) -> bool {
    let mut sections = [0; size_of::<u32>()];
    let can_tell = kernel::read_memory(machine.place().sections(), &mut sections) > 0;
    !can_tell || sections != [0; 4]
}

/// The task whose code the machine runs, without disturbing it; a moment later it may be another.
pub(crate) fn task_on(scheduler: &Scheduler, machine: &Machine) -> Option<Task> {
    let task = kernel::read_word(machine.place().task()).filter(|&task| task != 0)?;
    scheduler.registry.find(task)
}

fn look_at_sleeper(scheduler: &Scheduler, machine: &Machine, thread: usize) -> Option<Capture> {
    let found = kernel::asleep(thread)?;
    if is_switching(machine) {
        return None;
    }
    let mut capture = Capture::new();
    capture.stack.copy_with(Registers::at(found.pc, found.sp), kernel::read_memory);
    capture.activity = Activity::Sleeps(found.system_call);
    capture.who = task_on(scheduler, machine).map(|task| Who::of(task.header()));
    // If it has not moved, it was there all the time.
    let has_stayed =
        kernel::asleep(thread) == Some(found) && machine.kernel_thread() == Some(thread);
    has_stayed.then_some(capture)
}

/// By a signal.
fn ask(machine: &Machine) -> Option<Capture> {
    let is_claimed =
        |probe: &&Probe| probe.state.compare_exchange(FREE, CLAIMED, Acquire, Relaxed).is_ok();
    let probe = PROBES.iter().find(is_claimed)?;
    // SAFETY: CLAIMED gives this thread the capture.
    let capture = unsafe { &mut *probe.capture.get() };
    capture.get_or_insert_with(Capture::new);
    probe.machine.store(ptr::from_ref(machine).cast_mut(), Relaxed);
    // Release: pairs with the handler's acquire.
    probe.state.store(ASKED, Release);
    let is_full = wait_for_answer(probe, machine);
    if !is_full && probe.state.compare_exchange(ASKED, CLAIMED, Acquire, Relaxed).is_err() {
        // The handler is at work after all: it is done in a moment.
        while probe.state.load(Acquire) == WRITING {
            thread::yield_now();
        }
    }
    let is_full = probe.state.load(Acquire) == FULL;
    // SAFETY: no handler touches it in any of the states that are left.
    let answer = unsafe { &mut *probe.capture.get() }.take().filter(|_| is_full);
    probe.machine.store(ptr::null_mut(), Relaxed);
    probe.state.store(FREE, Release);
    answer
}

/// Asks, and waits. Asks again now and then: of several signals that wait for a thread the system keeps
/// one, and that may be the monitor's.
fn wait_for_answer(probe: &Probe, machine: &Machine) -> bool {
    let deadline = Instant::now() + PATIENCE;
    let mut pause = Duration::from_micros(10);
    let mut asked: Option<Instant> = None;
    loop {
        match probe.state.load(Acquire) {
            FULL => return true,
            REFUSED => return false,
            _ if Instant::now() >= deadline => return false,
            _ => {}
        }
        if asked.is_none_or(|asked| asked.elapsed() >= ASK_AGAIN) {
            let is_awake = |thread| kernel::asleep(thread).is_none();
            let mark = ptr::from_ref(probe).expose_provenance();
            if !machine.kernel_thread().is_some_and(is_awake) || !preempt::ask(machine, mark) {
                return false;
            }
            asked = Some(Instant::now());
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(1));
    }
}
