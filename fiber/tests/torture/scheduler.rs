//! A minimal preemptive scheduler: machines, a queue of tasks, a queue of detached fibers, and a
//! thread that interrupts the machines all the time. What the executor does, without its policy.
//!
//! Tasks are hogs that are never polled twice. Whatever a task is doing when the signal comes, it is
//! detached if the point is safe, and continued by whichever machine gets to it.
//!
//! Signal safety: `on_signal` only reads, counts and injects.

use crate::subjects::SUBJECTS;
use preempt_fiber::{
    Backend, Builder, Leave, Machine, Pool, Suspended, can_inject, current, inject_call,
    inject_stack_bytes, injecting, interrupted, start, text_range,
};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) struct Options {
    pub(crate) backend: Backend,
    pub(crate) machines: usize,
    pub(crate) duration: Duration,
    /// Pause between two rounds of signals.
    pub(crate) interval: Duration,
    /// Most fibers that are detached at a time.
    pub(crate) max_detached: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) tasks: u64,
    pub(crate) wrong: u64,
    pub(crate) signals: u64,
    pub(crate) refused: [u64; REASONS.len()],
    pub(crate) detached: u64,
    pub(crate) migrated: u64,
    pub(crate) leaked: usize,
    pub(crate) fibers: usize,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tasks, {} wrong; ", self.tasks, self.wrong)?;
        write!(f, "{} signals, {} detached, ", self.signals, self.detached)?;
        write!(f, "{} migrated, {} fibers; refused:", self.migrated, self.fibers)?;
        REASONS.iter().zip(self.refused).try_for_each(|(name, count)| write!(f, " {name} {count}"))
    }
}

const REASONS: [&str; 7] =
    ["no fiber", "scheduler", "switching", "foreign text", "mask", "stack", "no spare"];

struct World {
    pool: Pool,
    text: Range<usize>,
    expected: Vec<Option<u64>>,
    detached: Mutex<VecDeque<Suspended>>,
    next_task: AtomicUsize,
    stop: AtomicBool,
    tasks: AtomicU64,
    wrong: AtomicU64,
    signals: AtomicU64,
    refused: [AtomicU64; REASONS.len()],
    detaches: AtomicU64,
    migrations: AtomicU64,
}

/// The world, for the handler; null when there is none.
static WORLD: AtomicPtr<World> = AtomicPtr::new(std::ptr::null_mut());

thread_local! {
    /// This fiber is in a task, not in the scheduler.
    static IN_TASK: Cell<bool> = const { Cell::new(false) };
    static NAME: RefCell<String> = const { RefCell::new(String::new()) };
}

pub(crate) fn run(options: &Options) -> Outcome {
    let spares = options.max_detached + options.machines;
    let builder = Builder::new().backend(options.backend).max_fibers(spares);
    let pool = builder.build().expect("the backend is supported");
    pool.prepare(spares).expect("threads");
    let run_once = |subject: &crate::subjects::Subject| (subject.available)().then(subject.run);
    let world = Arc::new(World {
        pool,
        text: crate::text::own_text(),
        expected: SUBJECTS.iter().map(run_once).collect(),
        detached: Mutex::new(VecDeque::with_capacity(spares)),
        next_task: AtomicUsize::new(0),
        stop: AtomicBool::new(false),
        tasks: AtomicU64::new(0),
        wrong: AtomicU64::new(0),
        signals: AtomicU64::new(0),
        refused: Default::default(),
        detaches: AtomicU64::new(0),
        migrations: AtomicU64::new(0),
    });
    assert!(can_inject());
    WORLD.store(Arc::as_ptr(&world).cast_mut(), SeqCst);
    install_handler();
    let machines: Vec<_> =
        (0..options.machines).map(|token| Arc::new(Machine::new(token))).collect();
    let threads: Vec<_> = machines.iter().map(|machine| spawn_machine(&world, machine)).collect();
    let end = Instant::now() + options.duration;
    while Instant::now() < end {
        thread::sleep(options.interval);
        machines.iter().for_each(|machine| drop(machine.interrupt(libc::SIGURG)));
    }
    world.stop.store(true, SeqCst);
    threads.into_iter().for_each(|thread| thread.join().expect("a machine"));
    let outcome = world.outcome();
    WORLD.store(std::ptr::null_mut(), SeqCst);
    outcome
}

fn spawn_machine(world: &Arc<World>, machine: &Arc<Machine>) -> thread::JoinHandle<()> {
    let (world, machine) = (Arc::clone(world), Arc::clone(machine));
    let spare = world.pool.take_spare().expect("a spare for each machine");
    thread::spawn(move || machine.run(spare, move || world.worker_loop()).expect("a machine"))
}

fn install_handler() {
    // SAFETY: a handler with the signature that SA_SIGINFO asks for.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_signal as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
        assert_eq!(libc::sigaction(libc::SIGURG, &action, std::ptr::null_mut()), 0);
    }
}

impl World {
    /// Fresh tasks and detached ones in turn; when time is up, the detached ones until none is left.
    fn worker_loop(self: Arc<Self>) -> Leave {
        loop {
            let stopping = self.stop.load(SeqCst);
            let number = self.next_task.fetch_add(1, SeqCst);
            if stopping || number.is_multiple_of(3) {
                if let Some(fiber) = self.queue().pop_front() {
                    return Leave::Resume(fiber);
                }
                if stopping {
                    return Leave::Exit;
                }
            }
            self.run_task(number);
        }
    }

    fn run_task(&self, number: usize) {
        let index = number % SUBJECTS.len();
        let Some(expected) = self.expected[index] else { return };
        IN_TASK.set(true);
        let result = task(index);
        IN_TASK.set(false);
        self.tasks.fetch_add(1, SeqCst);
        if result != Some(expected) {
            self.wrong.fetch_add(1, SeqCst);
        }
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<Suspended>> {
        self.detached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The executor's predicate in small; the reason why not, else.
    fn is_async_safe_point(&self, context: *mut libc::ucontext_t) -> Result<(), usize> {
        let Some(fiber) = current() else { return Err(0) };
        if !IN_TASK.get() {
            return Err(1);
        }
        // SAFETY: the context of the running handler.
        let (at, mask) = unsafe { (interrupted(context), (*context).uc_sigmask) };
        if injecting() || text_range().contains(&at.pc) {
            return Err(2);
        }
        if !self.text.contains(&at.pc) {
            return Err(3);
        }
        // SAFETY: a valid set. (The kernel fills in its first 8 bytes only.)
        if unsafe { (&raw const mask).cast::<u64>().read() } != 0 {
            return Err(4);
        }
        if fiber.stack().remaining_bytes(at.sp) < inject_stack_bytes() + 16 * 1024 {
            return Err(5);
        }
        if self.pool.spares() == 0 {
            return Err(6);
        }
        Ok(())
    }

    fn outcome(&self) -> Outcome {
        Outcome {
            tasks: self.tasks.load(SeqCst),
            wrong: self.wrong.load(SeqCst),
            signals: self.signals.load(SeqCst),
            refused: std::array::from_fn(|reason| self.refused[reason].load(SeqCst)),
            detached: self.detaches.load(SeqCst),
            migrated: self.migrations.load(SeqCst),
            leaked: self.pool.leaked(),
            fibers: self.pool.fibers(),
        }
    }
}

/// Some rounds of a subject, with a thread-local borrowed all the while.
fn task(index: usize) -> Option<u64> {
    let name = format!("{} {index}", SUBJECTS[index].name);
    NAME.with_borrow_mut(|held| {
        held.clone_from(&name);
        let id = thread::current().id();
        let first = (SUBJECTS[index].run)();
        for _ in 0..50 {
            if (SUBJECTS[index].run)() != first || *held != name {
                return None;
            }
        }
        (thread::current().id() == id).then_some(first)
    })
}

unsafe extern "C" fn on_signal(_: i32, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the world lives as long as the machines run; null before and after.
    let Some(world) = (unsafe { WORLD.load(SeqCst).as_ref() }) else { return };
    world.signals.fetch_add(1, SeqCst);
    let context = context.cast();
    match world.is_async_safe_point(context) {
        // SAFETY: what `inject_call` asks for has just been checked, but for locks: text that is
        // the program's own holds none that `detach` takes.
        Ok(()) => unsafe { inject_call(context, detach, std::ptr::null_mut()) },
        Err(reason) => drop(world.refused[reason].fetch_add(1, SeqCst)),
    }
}

/// Injected into a task: sets it aside and lets the machine go on with others.
extern "C" fn detach(_: *mut ()) {
    // SAFETY: the world lives as long as the machines run. The count is not needed for that, but
    // the closures are `'static`.
    let world = unsafe {
        let world = WORLD.load(SeqCst);
        Arc::increment_strong_count(world);
        Arc::from_raw(world)
    };
    let Some(spare) = world.pool.take_spare() else { return };
    let before = current().map(|fiber| fiber.machine_token());
    world.detaches.fetch_add(1, SeqCst);
    let publisher = Arc::clone(&world);
    let next = Arc::clone(&world);
    start(spare, move || next.worker_loop(), move |left| publisher.queue().push_back(left));
    if current().map(|fiber| fiber.machine_token()) != before {
        world.migrations.fetch_add(1, SeqCst);
    }
}
