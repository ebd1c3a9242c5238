//! Profiles: where tasks use the processors, and where they keep others waiting.
//!
//! ```text
//!   a timer per worker thread, of its CPU time ── SIGPROF ──▶ handler ──┐ copies the stack
//!   a poll that is detached, or handed off ────────────────────────────┤
//!                                                                      ▼
//!                                                  slots, made when the profile begins
//!                                                                      ▼
//!                           the thread in `Handle::profile`: unwinds, counts; at the end, symbols
//! ```
//!
//! A slot is claimed and passed on by its state word; if none is free, the sample is lost, and counted.
//! The slots are found through one pointer. Whoever uses it says so first, and the end of a profile
//! takes the pointer away and then waits until nobody does.
//!
//! # Signal safety
//! [`on_timer`] and [`Sampling::take`] copy into memory that was made before.
//!
//! # Rejected
//! * `ITIMER_PROF`: its signal goes to any thread of the process, before Linux 6.4 mostly to the main one.
//! * Signals from a thread that looks at the clock: they would hit threads that sleep, and fail their
//!   system calls.

use super::probe::{self, Capture};
use super::profile::{Profile, ProfileKind, ProfileSample};
use super::stall::Lost;
use super::symbols::{self, Frame, Origin, Symbols};
use super::unwind::Unwinder;
use super::who::Who;
use crate::context;
use crate::preempt;
use crate::scheduler::{Machine, Scheduler};
use crate::sync::Mutex;
use crossbeam_queue::ArrayQueue;
use std::cell::UnsafeCell;
use std::collections::HashMap;
use std::io;
use std::mem::{self, MaybeUninit};
use std::panic::Location;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering::*};
use std::thread;
use std::time::{Duration, Instant};

/// Samples that can wait until they are counted. On a busy machine the thread that counts may have no
/// processor for tens of milliseconds.
const SLOTS: usize = 256;
/// How long they wait. A poll that was handed off may end meanwhile; its stack is gone then.
const DRAIN_INTERVAL: Duration = Duration::from_millis(2);
/// Hand-offs that can wait until they are looked at.
const HAND_OFFS: usize = 64;

const FREE: u32 = 0;
const WRITING: u32 = 1;
const FULL: u32 = 2;

struct Slot {
    state: AtomicU32,
    /// Whoever moved the state to WRITING, then whoever finds it FULL.
    sample: UnsafeCell<Sample>,
}

struct Sample {
    capture: Capture,
    count: u64,
    nanos: u64,
}

/// A profile that is being made.
pub(super) struct Sampling {
    kind: ProfileKind,
    scheduler: *const Scheduler,
    slots: Box<[Slot]>,
    next: AtomicUsize,
    lost: AtomicU64,
    period_nanos: u64,
    /// Polls that were handed off, and how long others had waited.
    handed_off: ArrayQueue<(Lost, u64)>,
}

// SAFETY: the state of a slot says who may touch its sample; the scheduler is only compared.
unsafe impl Sync for Sampling {}

/// The profile of each kind that is being made in this process, and how many use it at the moment.
struct Active {
    sampling: AtomicPtr<Sampling>,
    users: AtomicUsize,
    is_claimed: AtomicBool,
}

/// The right to make a profile of a kind.
struct Maker(&'static AtomicBool);

impl Drop for Maker {
    fn drop(&mut self) {
        self.0.store(false, Release);
    }
}

static CPU: Active = Active::new();
static DELAYS: Active = Active::new();

impl Active {
    const fn new() -> Self {
        Active {
            sampling: AtomicPtr::new(ptr::null_mut()),
            users: AtomicUsize::new(0),
            is_claimed: AtomicBool::new(false),
        }
    }

    fn claim(&'static self) -> Option<Maker> {
        (!self.is_claimed.swap(true, Acquire)).then_some(Maker(&self.is_claimed))
    }

    /// Calls `use_it` if there is one. Signal-safe if that is.
    fn with(&self, use_it: impl FnOnce(&Sampling)) {
        if self.sampling.load(Relaxed).is_null() {
            return;
        }
        // SeqCst, all four: either this sees that it is over, or whoever ends it sees this user.
        self.users.fetch_add(1, SeqCst);
        // SAFETY: it lives until there is no user.
        if let Some(sampling) = unsafe { self.sampling.load(SeqCst).as_ref() } {
            use_it(sampling);
        }
        self.users.fetch_sub(1, SeqCst);
    }

    fn end(&self) {
        self.sampling.store(ptr::null_mut(), SeqCst);
        while self.users.load(SeqCst) > 0 {
            thread::yield_now();
        }
    }
}

impl Sampling {
    fn new(kind: ProfileKind, scheduler: &Scheduler, period: Duration) -> Box<Self> {
        let slot = || Slot {
            state: AtomicU32::new(FREE),
            sample: UnsafeCell::new(Sample { capture: Capture::new(), count: 0, nanos: 0 }),
        };
        Box::new(Sampling {
            kind,
            scheduler,
            slots: (0..SLOTS).map(|_| slot()).collect(),
            next: AtomicUsize::new(0),
            lost: AtomicU64::new(0),
            period_nanos: u64::try_from(period.as_nanos()).unwrap_or(u64::MAX),
            handed_off: ArrayQueue::new(HAND_OFFS),
        })
    }

    /// Fills a free slot. Signal-safe if `fill` is.
    fn take(&self, count: u64, nanos: u64, fill: impl FnOnce(&mut Capture)) {
        let first = self.next.fetch_add(1, Relaxed);
        let mut slots = (0..SLOTS).map(|step| &self.slots[(first + step) % SLOTS]);
        let is_free =
            |slot: &&Slot| slot.state.compare_exchange(FREE, WRITING, Acquire, Relaxed).is_ok();
        let Some(slot) = slots.find(is_free) else {
            self.lost.fetch_add(count, Relaxed);
            return;
        };
        // SAFETY: WRITING gives it to the caller.
        let sample = unsafe { &mut *slot.sample.get() };
        fill(&mut sample.capture);
        (sample.count, sample.nanos) = (count, nanos);
        // Release: pairs with the acquire in `drain`.
        slot.state.store(FULL, Release);
    }

    fn drain(&self, scheduler: &Scheduler, counted: &mut Counted) {
        // Not kept: the objects that it knows may be unloaded.
        let mut unwinder = Unwinder::new();
        for slot in &self.slots {
            if slot.state.load(Acquire) == FULL {
                // SAFETY: FULL gives it to the only thread that drains.
                let Sample { capture, count, nanos } = unsafe { &*slot.sample.get() };
                counted.add(capture, &mut unwinder, *count, *nanos);
                slot.state.store(FREE, Release);
            }
        }
        while let Some((lost, nanos)) = self.handed_off.pop() {
            let capture = probe::look_at(scheduler, &lost.machine);
            // If the poll is over, what was seen is something else.
            match capture.filter(|capture| capture.who.is_some() && lost.goes_on()) {
                Some(capture) => counted.add(&capture, &mut unwinder, 1, nanos),
                None => drop(self.lost.fetch_add(1, Relaxed)),
            }
        }
    }
}

/// A poll is about to be suspended, while others have waited behind it for that long. Called in the
/// middle of it, at any instruction.
#[inline(always)]
pub(super) fn note_delay(scheduler: &Scheduler, waited: impl FnOnce() -> u64) {
    DELAYS.with(|sampling| {
        if ptr::eq(sampling.scheduler, scheduler) {
            sampling.take(1, waited(), Capture::fill_here);
        }
    });
}

/// A poll has lost its processor. For the monitor.
pub(super) fn note_hand_off(
    scheduler: &Scheduler,
    machine: &Arc<Machine>,
    waited: impl FnOnce() -> u64,
) {
    DELAYS.with(|sampling| {
        if ptr::eq(sampling.scheduler, scheduler)
            && sampling.handed_off.push((Lost::now(machine), waited())).is_err()
        {
            sampling.lost.fetch_add(1, Relaxed);
        }
    });
}

/// Samples by stack and origin.
#[derive(Default)]
struct Counted(HashMap<Key, (u64, u64)>);

#[derive(PartialEq, Eq, Hash)]
struct Key {
    addresses: Vec<usize>,
    task: Option<String>,
    spawned_at: Option<&'static Location<'static>>,
}

impl Counted {
    fn add(&mut self, capture: &Capture, unwinder: &mut Unwinder, count: u64, nanos: u64) {
        let who = capture.who;
        let key = Key {
            addresses: capture.addresses_by(unwinder),
            task: who.as_ref().and_then(Who::name),
            spawned_at: who.map(|who| who.spawned_at),
        };
        let (counted, time) = self.0.entry(key).or_default();
        *counted += count;
        *time += nanos;
    }

    fn into_samples(self) -> Vec<ProfileSample> {
        let mut symbols = Symbols::default();
        let mut samples: Vec<_> = self
            .0
            .into_iter()
            .map(|(Key { addresses, task, spawned_at }, (count, nanos))| {
                let frames = match spawned_at {
                    Some(_) => symbols::trim(&symbols.frames(&addresses)).to_vec(),
                    None => vec![no_task(addresses.first().copied())],
                };
                ProfileSample { task, spawned_at, frames, count, time: Duration::from_nanos(nanos) }
            })
            .collect();
        samples.sort_by_key(|sample| std::cmp::Reverse(sample.time));
        samples
    }
}

/// Stands for whatever the runtime does between polls.
fn no_task(address: Option<usize>) -> Frame {
    Frame {
        address: address.unwrap_or(0),
        function: Some("(the runtime)".to_owned()),
        file: None,
        line: None,
        origin: Origin::Runtime,
    }
}

/// # Errors
/// When another one is being made, somebody else uses SIGPROF, or the rate is out of range.
pub(super) fn cpu(
    scheduler: &Scheduler,
    hz: u32,
    duration: Duration,
    goes_on: &dyn Fn() -> bool,
) -> io::Result<Profile> {
    if !(1..=10_000).contains(&hz) {
        let message = "the rate of a profile is 1 to 10,000 samples a second of CPU time";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    install_handler()?;
    let period = Duration::from_secs(1) / hz;
    let sampling = Sampling::new(ProfileKind::Cpu, scheduler, period);
    let mut timers = Timers { period, threads: HashMap::new() };
    make(&CPU, sampling, scheduler, duration, || {
        timers.extend(scheduler);
        goes_on()
    })
}

/// # Errors
/// When another one is being made.
pub(super) fn delays(
    scheduler: &Scheduler,
    duration: Duration,
    goes_on: &dyn Fn() -> bool,
) -> io::Result<Profile> {
    let sampling = Sampling::new(ProfileKind::Delay, scheduler, Duration::ZERO);
    make(&DELAYS, sampling, scheduler, duration, goes_on)
}

/// Samples for so long, or until `goes_on`, called in between, says no.
fn make(
    active: &'static Active,
    sampling: Box<Sampling>,
    scheduler: &Scheduler,
    duration: Duration,
    mut goes_on: impl FnMut() -> bool,
) -> io::Result<Profile> {
    let Some(_maker) = active.claim() else {
        let message = "another profile of this kind is being made";
        return Err(io::Error::new(io::ErrorKind::ResourceBusy, message));
    };
    let start = Instant::now();
    let mut counted = Counted::default();
    active.sampling.store(ptr::from_ref(&*sampling).cast_mut(), SeqCst);
    while start.elapsed() < duration && goes_on() {
        thread::sleep(DRAIN_INTERVAL.min(duration.saturating_sub(start.elapsed())));
        sampling.drain(scheduler, &mut counted);
    }
    let duration = start.elapsed();
    active.end();
    sampling.drain(scheduler, &mut counted);
    Ok(Profile {
        kind: sampling.kind,
        duration,
        period: Duration::from_nanos(sampling.period_nanos),
        samples: counted.into_samples(),
        lost: sampling.lost.load(Relaxed),
    })
}

/// Timers of the CPU time of threads. They end with it.
struct Timers {
    period: Duration,
    threads: HashMap<usize, Option<libc::timer_t>>,
}

// SAFETY: a timer belongs to the process.
unsafe impl Send for Timers {}

impl Timers {
    /// One for each thread that runs tasks now and has none.
    fn extend(&mut self, scheduler: &Scheduler) {
        for machine in scheduler.machines.all() {
            if let Some(thread) = machine.kernel_thread() {
                let period = self.period;
                self.threads.entry(thread).or_insert_with(|| start_timer(thread, period));
            }
        }
    }
}

impl Drop for Timers {
    fn drop(&mut self) {
        for timer in self.threads.values().flatten() {
            // SAFETY: made by `start_timer`, deleted once.
            unsafe { libc::timer_delete(*timer) };
        }
    }
}

/// `None`: the thread is gone.
fn start_timer(thread: usize, period: Duration) -> Option<libc::timer_t> {
    /// The time of a thread, not of a process, as the scheduler counts it.
    const OF_A_THREAD: libc::clockid_t = 0b110;
    let number = libc::c_int::try_from(thread).ok()?;
    // SAFETY: all zeros is a valid value.
    let mut event: libc::sigevent = unsafe { mem::zeroed() };
    event.sigev_notify = libc::SIGEV_THREAD_ID;
    event.sigev_signo = libc::SIGPROF;
    event.sigev_notify_thread_id = number;
    let mut timer = MaybeUninit::<libc::timer_t>::uninit();
    // SAFETY: valid structures.
    let made =
        unsafe { libc::timer_create((!number << 3) | OF_A_THREAD, &mut event, timer.as_mut_ptr()) };
    if made != 0 {
        return None;
    }
    // SAFETY: filled in.
    let timer = unsafe { timer.assume_init() };
    let each = libc::timespec {
        tv_sec: period.as_secs().try_into().ok()?,
        tv_nsec: period.subsec_nanos().into(),
    };
    let times = libc::itimerspec { it_interval: each, it_value: each };
    // SAFETY: a timer that was made, and a valid structure.
    unsafe { libc::timer_settime(timer, 0, &times, ptr::null_mut()) };
    Some(timer)
}

/// Installs the handler, once and for good: a signal that comes late must not end the process.
fn install_handler() -> io::Result<()> {
    static INSTALLED: Mutex<bool> = Mutex::const_new(false);
    let mut installed = INSTALLED.lock();
    if *installed {
        return Ok(());
    }
    let mut before = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: the place is valid, and nothing is changed.
    let asked = unsafe { libc::sigaction(libc::SIGPROF, ptr::null(), before.as_mut_ptr()) };
    // SAFETY: zeros are valid, and else it was filled in.
    let before = unsafe { before.assume_init() }.sa_sigaction;
    if asked != 0 || (before != libc::SIG_DFL && before != libc::SIG_IGN) {
        return Err(io::Error::new(io::ErrorKind::ResourceBusy, "SIGPROF has a handler already"));
    }
    let handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) = on_timer;
    // SAFETY: all zeros is a valid value.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = handler as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
    // SAFETY: a valid structure, and a handler that is safe in a signal.
    if unsafe { libc::sigaction(libc::SIGPROF, &action, ptr::null_mut()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    *installed = true;
    Ok(())
}

/// The beginning of what the kernel passes for a timer.
#[repr(C)]
struct TimerInformation {
    _signal: i32,
    _error: i32,
    code: i32,
    _padding: i32,
    _timer: i32,
    overrun: i32,
}

extern "C" fn on_timer(_signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes the signal's information, as the handler has SA_SIGINFO.
    let information = unsafe { &*info.cast::<TimerInformation>() };
    if information.code != libc::SI_TIMER {
        return;
    }
    let count = 1 + u64::try_from(information.overrun).unwrap_or(0);
    CPU.with(|sampling| {
        let nanos = count * sampling.period_nanos;
        // SAFETY: `context` is this handler's third argument.
        sampling.take(count, nanos, |capture| unsafe { fill_interrupted(capture, context.cast()) });
    });
}

/// In the middle of a switch there is no stack that belongs to a task.
///
/// # Safety
/// `context` is the third argument of the running handler.
unsafe fn fill_interrupted(capture: &mut Capture, context: *const libc::ucontext_t) {
    // SAFETY: the caller's contract.
    let pc = unsafe { preempt_fiber::interrupted(context) }.pc;
    // The preemption signal has often come at the same time, and goes first.
    let is_somewhere = preempt_fiber::begins_injected_call(pc)
        // SAFETY: the caller's contract.
        || unsafe { preempt::interrupted_machine(context) }.is_some();
    let stack = preempt_fiber::current().filter(|_| is_somewhere).map(|fiber| fiber.stack());
    // SAFETY: the caller's contract; no switch is under way.
    unsafe { capture.fill_interrupted(context, stack) };
    capture.who = context::current_task().filter(|_| stack.is_some()).map(Who::of);
}
