//! Runtimes in which everything follows from a seed: for tests of the programs that run on them.
//!
//! The scheduler is the one of a multi-thread runtime with one processor and one machine, so that polls can
//! be detached. What differs is decided in three places:
//!
//! 1. **What is next** ([`step`]): the loop comes here before each poll (`attention.rs`), empties all queues
//!    into one list, and draws from it: tasks, detached polls, blocking closures that have not begun, and
//!    guests (`turns.rs`: threads in `block_on` or in a blocking closure), each as likely as the others.
//!    Neither the order of the queues nor time plays a part.
//! 2. **Whether a poll gives way** ([`at_checkpoint`], [`choose`]): the flag is raised in every poll, so
//!    that each checkpoint comes here, and it is drawn whether the poll is detached, or yields.
//! 3. **What time it is**: the clock is stopped, and goes to the next timer when nothing is ready.
//!
//! There is no monitor.
//!
//! # The same seed is the same schedule (proof sketch)
//! One thread at a time runs code of the application or draws (`turns.rs`). So whatever is pushed to a queue
//! is pushed by the one that runs, in the order of its program, and the list has the same elements in
//! the same order whenever the same was drawn before; and so has the next draw. No decision looks at a
//! real clock, an address or another thread. Tasks are in the order in which they were spawned, whoever was
//! woken first: `tokio::sync::watch` wakes in an order of its own, by a generator that nobody can seed. What breaks this comes from outside of the runtime: events,
//! signals, wake-ups by other threads; and the system's refusal to make a thread, without which a
//! poll is not detached.
//!
//! Rejected: blocking closures as tasks on the machine. They may call `Handle::block_on`, which on the
//! machine would wait for itself, and with threads that take turns they can be preempted as well.

mod guest;
mod random;
mod turns;

pub(crate) use guest::block_on;

use super::background::Background;
use super::detach::{self, Detached, StoppedBy};
use super::seat::Seat;
use super::worker::{self, Step};
use super::{Processor, Scheduler};
use crate::blocking::AtClose;
use crate::context;
use crate::report;
use crate::runtime::{Handle, SeedSettings, Sleeper};
use crate::sync::{Critical, Mutex};
use crate::task::{Preemption, Runnable, Task, TaskHeader};
use crate::trace::Subject;
use preempt_checkpoint::runtime as checkpoint;
use random::Random;
use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use turns::{GuestId, Turns, Woken};

/// The environment variable that has each decision printed.
const TRACE_VARIABLE: &str = "PREEMPT_SEED_TRACE";

/// So many tasks at most are listed in the message of a deadlock.
const MOST_LISTED: usize = 100;

/// How long the machine sleeps when whatever is awaited is no source of the event queue, until it looks
/// whether it still is.
const NAP: Duration = Duration::from_millis(10);

/// Some runtime of the process has been seeded. Until then nobody looks for one.
static ANY_SEEDED: AtomicBool = AtomicBool::new(false);

/// What a seeded runtime has beside the others.
pub(crate) struct Seeded {
    seed: u64,
    preempt_probability: f64,
    is_traced: bool,
    draws: Mutex<Draws>,
    turns: Turns<Sleeper>,
}

impl Woken for Sleeper {
    fn is_woken(&self) -> bool {
        self.has_wake()
    }
}

/// What is drawn from, and by.
struct Draws {
    random: Random,
    /// Tasks that are ready, taken out of the queues, in the order in which they were spawned.
    ready: Vec<Runnable>,
    /// Blocking closures that have not begun.
    jobs: Vec<(Runnable, AtClose)>,
}

/// What was drawn.
enum Choice {
    Task(Runnable),
    Detached(Detached),
    Job(Runnable),
    Guest(GuestId),
}

impl Seeded {
    pub(super) fn new(settings: SeedSettings) -> Self {
        ANY_SEEDED.store(true, Relaxed);
        Seeded {
            seed: settings.seed,
            preempt_probability: settings.preempt_probability,
            is_traced: std::env::var_os(TRACE_VARIABLE).is_some_and(|value| value != "0"),
            draws: Mutex::new(Draws {
                random: Random::new(settings.seed),
                ready: Vec::new(),
                jobs: Vec::new(),
            }),
            turns: Turns::new(),
        }
    }

    /// Of all that was decided.
    pub(crate) fn hash(&self) -> u64 {
        self.draws.lock().random.hash()
    }

    /// How many tasks are ready beside those in the queues.
    pub(super) fn ready(&self) -> usize {
        self.draws.lock().ready.len()
    }

    /// Takes a blocking closure.
    pub(crate) fn add_job(&self, runnable: Runnable, at_close: AtClose) {
        self.draws.lock().jobs.push((runnable, at_close));
    }

    /// Runs a blocking closure that has begun, on its thread.
    pub(crate) fn run_job(&self, scheduler: &Arc<Scheduler>, runnable: Runnable) {
        guest::run_job(scheduler, runnable);
    }

    /// Draws whether a poll gives way at this place.
    fn gives_way(&self) -> bool {
        if self.turns.is_free() {
            return false;
        }
        let gives_way = self.draws.lock().random.chance(self.preempt_probability);
        if gives_way {
            self.trace(format_args!("{} gives way", Current));
        }
        gives_way
    }

    /// Draws what is next. `None`: nothing is ready.
    fn draw(&self, scheduler: &Scheduler, processor: &Processor) -> Option<Choice> {
        let guests = self.turns.ready();
        let mut draws = self.draws.lock();
        draws.empty_queues(scheduler, processor);
        let background = &scheduler.background;
        let parts = [draws.ready.len(), background.all_detached(), draws.jobs.len(), guests.len()];
        let count = parts.iter().sum();
        if count == 0 {
            return None;
        }
        let drawn = draws.random.below(count);
        let choice = draws.take(drawn, parts, background, &guests);
        drop(draws);
        if let Some(choice) = &choice {
            self.trace(format_args!("{} of {count}: {choice}", drawn + 1));
        }
        choice
    }

    fn trace(&self, what: fmt::Arguments<'_>) {
        if self.is_traced {
            eprintln!("seed {}: {what}", self.seed);
        }
    }

    /// The runtime shuts down: what has not begun is cancelled, or done by this thread, and the guests go
    /// on without turns.
    pub(super) fn close(&self) {
        self.turns.free();
        let jobs = std::mem::take(&mut self.draws.lock().jobs);
        for (job, at_close) in jobs {
            match at_close {
                AtClose::Cancel => job.shut_down(),
                AtClose::Run => job.run(),
            }
        }
    }

    /// Drops what is left when the machine has gone.
    pub(super) fn drain(&self) {
        let left = std::mem::take(&mut self.draws.lock().ready);
        drop(left);
    }

    /// What to say when nobody will ever be woken.
    fn describe_deadlock(&self, scheduler: &Scheduler) -> Arc<str> {
        let mut tasks = scheduler.registry.all();
        tasks.sort_by_key(|task| task.id().as_u64());
        let [in_block_on, in_jobs] = self.turns.waiting();
        let mut text = format!(
            "deadlock with seed {}: nothing is ready, no timer is set and no event is waited for, but \
             the future of `block_on` is not done. What waits:\n  {in_block_on} in `block_on`, {in_jobs} \
             in blocking closures",
            self.seed
        );
        for task in tasks.iter().take(MOST_LISTED) {
            push_line(&mut text, format_args!("{}", Named(task.header())));
        }
        if let Some(more) = tasks.len().checked_sub(MOST_LISTED).filter(|more| *more > 0) {
            push_line(&mut text, format_args!("and {more} more tasks"));
        }
        drop::<Vec<Task>>(tasks);
        text.into()
    }
}

fn push_line(text: &mut String, line: fmt::Arguments<'_>) {
    if write!(text, "\n  {line}").is_err() {
        unreachable!("a string takes all that is written to it");
    }
}

impl Draws {
    fn empty_queues(&mut self, scheduler: &Scheduler, processor: &Processor) {
        let next = || {
            let local = processor.queue.pop_lifo().or_else(|| processor.queue.pop());
            local
                .or_else(|| scheduler.injector.pop())
                .or_else(|| scheduler.background.pop_yielded())
        };
        let before = self.ready.len();
        self.ready.extend(std::iter::from_fn(next));
        if self.ready.len() > before {
            self.ready.sort_by_key(|runnable| runnable.id().as_u64());
        }
    }

    /// The element `at` of all lists, one behind the other.
    fn take(
        &mut self,
        mut at: usize,
        parts: [usize; 4],
        background: &Background,
        guests: &[GuestId],
    ) -> Option<Choice> {
        let part = parts.iter().position(|length| {
            let is_here = at < *length;
            if !is_here {
                at -= length;
            }
            is_here
        })?;
        Some(match part {
            0 => Choice::Task(self.ready.remove(at)),
            1 => Choice::Detached(background.pop_nth_detached(at)?),
            2 => Choice::Job(self.jobs.swap_remove(at).0),
            _ => Choice::Guest(guests[at]),
        })
    }
}

/// One step of the machine: runs what is drawn, or has the time go on.
#[cold]
pub(super) fn step(seat: &Seat, processor: &Processor) -> Step {
    let scheduler = seat.scheduler();
    let Some(seeded) = &scheduler.seeded else {
        unreachable!("only a seeded runtime has this concern")
    };
    if !seeded.turns.wait_for_block_on() {
        return Step::Again;
    }
    seat.fire_timers();
    scheduler.prepare_fibers();
    match seeded.draw(scheduler, processor) {
        Some(Choice::Task(runnable)) => run(seat, processor, runnable),
        Some(Choice::Detached(detached)) => return worker::resume(seat, processor, detached),
        Some(Choice::Job(runnable)) => begin_job(seeded, scheduler, runnable),
        Some(Choice::Guest(guest)) => seeded.turns.give(guest),
        None => go_on_in_time(seat, processor, seeded),
    }
    Step::Again
}

fn run(seat: &Seat, processor: &Processor, runnable: Runnable) {
    seat.observe_begin(processor, || Subject::of(runnable.header()));
    match runnable.terms() {
        Some(terms) if terms.preemption == Preemption::Never => {
            worker::poll_on_terms(seat, processor, runnable, terms);
        }
        // Nobody sends signals or measures time, so that the others do not differ.
        _ => worker::poll(seat, processor, || {
            checkpoint::raise_request();
            runnable.run();
        }),
    }
}

fn begin_job(seeded: &Seeded, scheduler: &Arc<Scheduler>, runnable: Runnable) {
    let sleeper = Arc::new(Sleeper::of_seeded(scheduler));
    let begin = || scheduler.blocking.begin(runnable, &Handle::of(scheduler));
    if let Err(error) = seeded.turns.give_to_new(sleeper, begin) {
        report::warn(format_args!(
            "a blocking closure needs a thread and the system gives none, so it is cancelled: {error}"
        ));
    }
}

/// Nothing is ready: events that have come, the next timer, a wait for events, or the end.
fn go_on_in_time(seat: &Seat, processor: &Processor, seeded: &Seeded) {
    let scheduler = seat.scheduler();
    seat.poll_netpoll();
    if scheduler.has_work() || !seeded.turns.ready().is_empty() {
        return;
    }
    if scheduler.timers.advance_to_next() {
        seeded.trace(format_args!("the clock goes on to the next timer"));
        seat.fire_timers();
    } else if scheduler.netpoll.sources() > 0 {
        // As a searcher it looks at all queues again before it sleeps.
        let _leave = seat.start_search();
        seeded.turns.while_machine_sleeps(|| seat.park(processor));
        let _found_or_not = seat.was_searching() && scheduler.idle.stop_search();
    } else if is_outside_awaited() {
        processor.parker.park_until(Some(Instant::now() + NAP));
    } else {
        seeded.turns.declare_deadlock(&seeded.describe_deadlock(scheduler));
    }
}

/// Whether somebody in the process waits for what is no source of the event queue.
fn is_outside_awaited() -> bool {
    #[cfg(unix)]
    let signals = crate::signal::unix::has_listeners();
    #[cfg(not(unix))]
    let signals = false;
    signals || crate::io::is_stdin_awaited()
}

/// The hook of a checkpoint. `false`: no seeded runtime's poll runs here.
pub(super) fn at_checkpoint() -> bool {
    if !checkpoint::has_chooser() {
        return false;
    }
    if guest::at_checkpoint() {
        return true;
    }
    let is_to_leave = {
        // Until the note is made the poll stays where it is.
        let _critical = Critical::enter();
        context::with_seat(|seat| seat.and_then(decide_here))
    };
    let Some(is_to_leave) = is_to_leave else { return false };
    if is_to_leave && detach::detach(StoppedBy::Checkpoint) {
        with_seeded(|seeded| seeded.trace(format_args!("{} goes on", Current)));
    }
    checkpoint::raise_request();
    true
}

/// Draws whether the poll on this seat is detached, and notes that it was asked to give way if so; `None`: the
/// runtime is not a seeded one.
fn decide_here(seat: &Seat) -> Option<bool> {
    let seeded = seat.scheduler().seeded.as_ref()?;
    let gives_way = seeded.gives_way();
    if gives_way && let Some((processor, slice)) = seat.held_in_poll() {
        processor.watch.note_request(slice);
    }
    Some(gives_way)
}

/// Whether the runtime is a seeded one and this thread has the turn, so that nothing else runs on it.
pub(super) fn has_turn(scheduler: &Scheduler) -> bool {
    scheduler.seeded.is_some() && (context::is_on_seat_of(scheduler) || guest::is_of(scheduler))
}

/// Whether some runtime of the process is or was a seeded one.
pub(crate) fn is_anywhere() -> bool {
    ANY_SEEDED.load(Relaxed)
}

/// Calls `f` with the seeded runtime whose code this thread runs.
fn with_seeded<R>(f: impl FnOnce(&Seeded) -> R) -> Option<R> {
    let _critical = Critical::enter();
    let mut f = Some(f);
    let mut call = |seeded: &Seeded| f.take().map(|f| f(seeded));
    guest::with_host(&mut call).flatten().or_else(|| {
        context::with_seat(|seat| seat.and_then(|seat| call(seat.scheduler().seeded.as_ref()?)))
    })
}

/// Whether async code, which asks at an await, is to yield there.
pub(crate) fn choose() -> bool {
    with_seeded(Seeded::gives_way).unwrap_or(true)
}

/// A number below `count`, which is not 0, if a seed decides here.
pub(crate) fn draw_below(count: usize) -> Option<usize> {
    if !is_anywhere() {
        return None;
    }
    with_seeded(|seeded| seeded.draws.lock().random.below(count))
}

/// A task as messages call it.
struct Named<'a>(&'a TaskHeader);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {}", self.0.id())?;
        if let Some(name) = self.0.name() {
            write!(f, " {name:?}")?;
        }
        write!(f, ", spawned at {}", self.0.spawned_at())
    }
}

/// What runs on this thread, as messages call it.
struct Current;

impl fmt::Display for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match context::task() {
            Some(id) => write!(f, "task {id}"),
            None => f.write_str("the future of `block_on`"),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Choice::Task(runnable) => write!(f, "{}", Named(runnable.header())),
            Choice::Detached(_) => f.write_str("a poll that gave way"),
            Choice::Job(_) => f.write_str("a blocking closure begins"),
            Choice::Guest(_) => f.write_str("a thread in `block_on` or in a blocking closure"),
        }
    }
}
