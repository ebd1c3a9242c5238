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
use preempt_fiber::Stack;
use std::cell::UnsafeCell;
use std::ptr;
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

    /// Addresses of the instructions at which its functions are, the innermost first. Without the
    /// functions that a signal has made it call.
    pub(crate) fn addresses(&self) -> Vec<usize> {
        let mut addresses = Unwinder::new().walk(&self.stack);
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
            // SAFETY: the caller's contract.
            let registers = unsafe { Registers::interrupted(context) };
            // SAFETY: interrupted code, on this fiber's stack, as no switch is under way.
            unsafe { capture.stack.copy(registers, stack) };
            capture.who = context::current_task().map(Who::of);
            capture.activity = Activity::Runs;
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

fn look_at_sleeper(scheduler: &Scheduler, machine: &Machine, thread: usize) -> Option<Capture> {
    let found = kernel::asleep(thread)?;
    let task = kernel::read_word(machine.place().task());
    let mut capture = Capture::new();
    capture.stack.copy_with(Registers::at(found.pc, found.sp), kernel::read_memory);
    capture.activity = Activity::Sleeps(found.system_call);
    let task = task.filter(|&task| task != 0).and_then(|task| scheduler.registry.find(task));
    capture.who = task.map(|task| Who::of(task.header()));
    // If it has not moved, it was there all the time.
    (kernel::asleep(thread) == Some(found)).then_some(capture)
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
    let is_sent = preempt::ask(machine, ptr::from_ref(probe).expose_provenance());
    let is_full = is_sent && wait_for_answer(probe);
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

fn wait_for_answer(probe: &Probe) -> bool {
    let deadline = Instant::now() + PATIENCE;
    let mut pause = Duration::from_micros(10);
    loop {
        match probe.state.load(Acquire) {
            FULL => return true,
            REFUSED => return false,
            _ if Instant::now() >= deadline => return false,
            _ => thread::sleep(pause),
        }
        pause = (pause * 2).min(Duration::from_millis(1));
    }
}
