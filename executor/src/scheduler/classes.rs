//! The classes of tasks beside the normal one: their queues, and which class is served next.
//!
//! Normal tasks are in the queues that there would be without classes, and as long as nothing else is
//! queued the loop looks at one word here and no further. Latency and batch tasks have a queue each that
//! all machines share, and behind it a background of its own, as in `background.rs`: what had to be
//! preempted.
//!
//! ```text
//!   next ── nothing in use ──▶ next_normal                        (one load)
//!     └───── in use ──▶ who goes first? (shares.rs) ──▶ latency: background in its turn, fresh, background
//!                                                       normal:  next_normal
//!                                                       batch:   as latency
//! ```
//!
//! # Time
//! While more than one class has work it is noted for each processor which class it works for and since
//! when. Whoever picks next anywhere first settles the accounts for all processors. So time is charged
//! to classes by the processor that it was spent on, also if the poll lost its processor meanwhile; and
//! who is alone costs no look at the clock.
//!
//! # `in_use`
//! Counts what is queued here, and processors that work for a class by the clock. It is raised before a
//! runnable is pushed and lowered after it was taken, so that it is never too low for long: a machine
//! that reads zero while something is being pushed goes to sleep only after it has looked at the queues
//! themselves, see `Scheduler::has_work` and the proof sketch in `idle.rs`.

use super::background::{Background, Turn};
use super::detach::Detached;
use super::places::Places;
use super::queue::Injector;
use super::seat::Seat;
use super::shares::{Accounts, Period, Rules};
use super::worker::{Work, next_normal};
use super::{Processor, Scheduler};
use crate::context;
use crate::observe::Paused;
use crate::runtime::Config;
use crate::sync::Mutex;
use crate::task::{Priority, Runnable};
use preempt_sysmon::policy::Claims;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// `in_use`: one more that is queued; one more processor that works by the clock.
const QUEUED: u64 = 1;
const CLOCKED: u64 = 1 << 32;

pub(super) struct Classes {
    in_use: AtomicU64,
    /// Made for the first task that needs them.
    queues: OnceLock<Box<Queues>>,
}

struct Queues {
    latency: ClassQueue,
    batch: ClassQueue,
    ledger: Mutex<Ledger>,
    epoch: Instant,
}

/// What waits of one class.
struct ClassQueue {
    fresh: Injector,
    background: Background,
}

struct Ledger {
    accounts: Accounts,
    /// For which class each processor works, and since when it has not been charged, in nanoseconds
    /// after the epoch; `None`: not by the clock.
    clocked: Box<[Option<(Priority, u64)>]>,
    settled_at: u64,
    rules: Rules,
}

/// Which class is served first, and whether its time is to be taken.
struct Verdict {
    order: [Priority; 3],
    is_clocked: bool,
}

/// A machine's turns for the backgrounds of the classes.
#[derive(Default)]
pub(super) struct Turns {
    latency: Turn,
    batch: Turn,
}

impl ClassQueue {
    fn new(config: &Config, processors: usize, places: &Arc<Places>) -> Self {
        let background = Background::new(config, processors, places);
        ClassQueue { fresh: Injector::default(), background }
    }

    fn pop(&self, seat: &Seat, turn: &Turn) -> Option<Work> {
        if let Some(preempted) = self.background.pop_in_turn(turn) {
            seat.has_turn.set(true);
            return Some(preempted);
        }
        self.pop_fresh().or_else(|| self.background.pop())
    }

    fn pop_fresh(&self) -> Option<Work> {
        let fresh = self.fresh.pop()?;
        self.background.note_fresh();
        Some(Work::Run(fresh))
    }

    fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.background.is_empty()
    }

    fn len(&self) -> usize {
        self.fresh.len() + self.background.len()
    }
}

impl Queues {
    fn new(scheduler: &Scheduler) -> Self {
        let config = &scheduler.config;
        let active = scheduler.active_processors();
        let queue = || ClassQueue::new(config, active, scheduler.background.places());
        Queues {
            latency: queue(),
            batch: queue(),
            ledger: Mutex::new(Ledger {
                accounts: Accounts::default(),
                clocked: vec![None; scheduler.processors.len()].into(),
                settled_at: 0,
                rules: Rules::new(config.shares, config.time_slice, active),
            }),
            epoch: Instant::now(),
        }
    }

    fn both(&self) -> [&ClassQueue; 2] {
        [&self.latency, &self.batch]
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Charges everybody until now. `leaving`: a processor that works for nobody any more.
    fn settle(&self, ledger: &mut Ledger, ready: [bool; 3], leaving: Option<usize>, now: u64) {
        let mut used = [0; 3];
        let mut have_work = ready;
        for (index, clocked) in ledger.clocked.iter_mut().enumerate() {
            let Some((class, since)) = clocked else { continue };
            used[*class as usize] += now.saturating_sub(*since);
            *since = now;
            if leaving == Some(index) {
                *clocked = None;
            } else {
                have_work[*class as usize] = true;
            }
        }
        let elapsed = now.saturating_sub(ledger.settled_at);
        ledger.settled_at = now;
        let rules = ledger.rules;
        ledger.accounts.settle(&Period { elapsed, used, have_work }, &rules);
    }
}

impl Classes {
    pub(super) fn new() -> Self {
        Classes { in_use: AtomicU64::new(0), queues: OnceLock::new() }
    }

    /// Whether there is anything to decide.
    #[inline]
    pub(super) fn are_in_use(&self) -> bool {
        self.in_use.load(Relaxed) != 0
    }

    /// Whether there has been a task of another class than the normal one.
    pub(super) fn are_known(&self) -> bool {
        self.queues.get().is_some()
    }

    /// All that are made, which is none or both.
    fn all(&self) -> impl Iterator<Item = &ClassQueue> {
        self.queues.get().into_iter().flat_map(|queues| queues.both())
    }

    pub(super) fn have_fresh(&self) -> bool {
        self.all().any(|queue| !queue.fresh.is_empty())
    }

    pub(super) fn have_preempted(&self) -> bool {
        self.all().any(|queue| !queue.background.is_empty())
    }

    /// How many fresh ones wait, and how many that had to be preempted.
    pub(super) fn lens(&self) -> (usize, usize) {
        let fresh = self.all().map(|queue| queue.fresh.len()).sum();
        (fresh, self.all().map(|queue| queue.background.len()).sum())
    }

    /// How many of a class wait; none are normal here.
    pub(super) fn len_of(&self, class: Priority) -> usize {
        self.queues.get().map_or(0, |queues| match class {
            Priority::Latency => queues.latency.len(),
            Priority::Batch => queues.batch.len(),
            _ => 0,
        })
    }

    /// How many polls are detached.
    pub(super) fn detached(&self) -> usize {
        self.all().map(|queue| queue.background.detached()).sum()
    }

    /// One more is about to be queued of a class that is not the normal one.
    fn queue_for(&self, class: Priority, scheduler: &Scheduler) -> &ClassQueue {
        let queues = self.queues.get_or_init(|| Box::new(Queues::new(scheduler)));
        self.in_use.fetch_add(QUEUED, SeqCst);
        match class {
            Priority::Latency => &queues.latency,
            _ => &queues.batch,
        }
    }

    /// Counts one out that was taken from a queue.
    fn taken<T>(&self, taken: T) -> T {
        self.in_use.fetch_sub(QUEUED, SeqCst);
        taken
    }

    /// As [`Background::pop_last_detached`].
    pub(super) fn pop_last_detached(&self) -> Option<Detached> {
        let last = self.all().find_map(|queue| queue.background.pop_last_detached())?;
        Some(self.taken(last))
    }

    /// As [`Background::inspect_detached`].
    pub(super) fn inspect_detached(&self, mut look: impl FnMut(&Detached)) {
        self.all().for_each(|queue| queue.background.inspect_detached(&mut look));
    }

    /// When all machines have gone: what is left, one by one.
    pub(super) fn drain(&self) -> Option<Runnable> {
        let left =
            |queue: &ClassQueue| queue.fresh.pop().or_else(|| queue.background.pop_yielded());
        let left = self.all().find_map(left)?;
        Some(self.taken(left))
    }

    /// There are so many processors now.
    pub(super) fn share_among(&self, config: &Config, processors: usize) {
        if let Some(queues) = self.queues.get() {
            queues.both().iter().for_each(|queue| queue.background.share_turns(processors));
            queues.ledger.lock().rules = Rules::new(config.shares, config.time_slice, processors);
        }
    }

    /// The processor works for nobody any more.
    #[cold]
    pub(super) fn stop_clock(&self, scheduler: &Scheduler, processor: usize) {
        if let Some(queues) = self.queues.get() {
            let ready = self.ready(queues, scheduler);
            let mut ledger = queues.ledger.lock();
            if ledger.clocked[processor].is_some() {
                queues.settle(&mut ledger, ready, Some(processor), queues.now());
                self.in_use.fetch_sub(CLOCKED, SeqCst);
            }
        }
    }

    fn start_clock(&self, queues: &Queues, processor: usize, class: Priority) {
        let mut ledger = queues.ledger.lock();
        let now = queues.now();
        if ledger.clocked[processor].replace((class, now)).is_none() {
            self.in_use.fetch_add(CLOCKED, SeqCst);
        }
    }

    /// Which classes have something that waits.
    fn ready(&self, queues: &Queues, scheduler: &Scheduler) -> [bool; 3] {
        let normal = scheduler.has_fresh_normal() || !scheduler.background.is_empty();
        [!queues.latency.is_empty(), normal, !queues.batch.is_empty()]
    }

    /// Who is served first by a processor that has done what it worked for.
    fn decide(&self, queues: &Queues, scheduler: &Scheduler, processor: usize) -> Verdict {
        let ready = self.ready(queues, scheduler);
        let are_several = ready.iter().filter(|ready| **ready).count() > 1;
        if !are_several && self.in_use.load(SeqCst) < CLOCKED {
            return Verdict { order: Priority::ALL, is_clocked: false };
        }
        let mut ledger = queues.ledger.lock();
        let was_clocked = ledger.clocked[processor].is_some();
        queues.settle(&mut ledger, ready, Some(processor), queues.now());
        if was_clocked {
            self.in_use.fetch_sub(CLOCKED, SeqCst);
        }
        let works_for_other = |&(class, _): &(Priority, u64)| !ready[class as usize];
        let others_work = ledger.clocked.iter().flatten().any(works_for_other);
        Verdict {
            order: ledger.accounts.order(),
            is_clocked: are_several || (others_work && ready != [false; 3]),
        }
    }

    /// For the monitor.
    pub(super) fn claims(&self, scheduler: &Scheduler) -> Claims {
        let Some(queues) = self.queues.get() else { return Claims::NORMAL };
        let ready = self.ready(queues, scheduler);
        let fresh = [
            !queues.latency.fresh.is_empty(),
            scheduler.has_fresh_normal(),
            !queues.batch.fresh.is_empty(),
        ];
        let mut ledger = queues.ledger.lock();
        queues.settle(&mut ledger, ready, None, queues.now());
        Claims { fresh, entitled: ledger.accounts.entitled() }
    }
}

/// What to run next, when tasks of several classes may be ready.
#[cold]
pub(super) fn next_by_class(seat: &Seat, processor: &Processor, picks: u32) -> Option<Work> {
    let scheduler = &**seat.scheduler();
    let classes = &scheduler.classes;
    let Some(queues) = classes.queues.get() else { return next_normal(seat, processor, picks) };
    let verdict = classes.decide(queues, scheduler, processor.index);
    let pop = |queue: &ClassQueue, turn| queue.pop(seat, turn).map(|work| classes.taken(work));
    let work = verdict.order.into_iter().find_map(|class| match class {
        Priority::Latency => pop(&queues.latency, &seat.turns.latency),
        Priority::Batch => pop(&queues.batch, &seat.turns.batch),
        _ => next_normal(seat, processor, picks),
    })?;
    if verdict.is_clocked {
        classes.start_clock(queues, processor.index, work.priority());
    }
    Some(work)
}

/// A latency task that was woken by what a machine did to find something else.
pub(super) fn pop_woken_latency(scheduler: &Scheduler) -> Option<Work> {
    let classes = &scheduler.classes;
    if !classes.are_in_use() {
        return None;
    }
    let queues = classes.queues.get()?;
    if queues.latency.fresh.is_empty() || !queues.ledger.lock().accounts.entitled()[0] {
        return None;
    }
    queues.latency.pop_fresh().map(|work| classes.taken(work))
}

impl Scheduler {
    /// Queues a new or woken task of another class than the normal one.
    #[cold]
    pub(super) fn push_fresh_by_class(&self, runnable: Runnable) {
        let class = runnable.priority();
        context::with_held(self, |held| {
            let queue = self.classes.queue_for(class, self);
            let had_company = self.classes.have_fresh();
            queue.fresh.push(runnable);
            match held {
                // It is about to look itself.
                Some((seat, processor)) if seat.is_between_polls() => {
                    if had_company || !processor.queue.is_empty() {
                        self.wake_one();
                    }
                }
                // As for a normal one: the poll that has woken it is likely to end soon, or is seen soon
                // enough if it is of no lower class.
                Some(_) if !self.outranks_a_poll(class) => self.wake_one(),
                _ => {
                    self.wake_one();
                    self.alert_monitor(class);
                }
            }
        });
    }

    /// As `push_yielded`.
    #[cold]
    pub(super) fn push_yielded_by_class(&self, runnable: Runnable, was_asked: bool) {
        let queue = self.classes.queue_for(runnable.priority(), self);
        if was_asked {
            queue.background.push_yielded(runnable);
        } else {
            queue.fresh.push(runnable);
        }
    }

    /// Allocates nothing: the queues are there since the task was spawned.
    pub(super) fn push_detached_by_class(&self, detached: Detached) {
        let queue = self.classes.queue_for(detached.terms.priority, self);
        queue.background.push_detached(detached);
    }

    /// Whether some processor is in a poll of a lower class.
    pub(super) fn outranks_a_poll(&self, class: Priority) -> bool {
        let outranks = |processor: &Processor| {
            let slice = processor.watch.observe();
            slice.is_some_and(|slice| processor.watch.priority(slice) as usize > class as usize)
        };
        self.classes.are_known() && self.used_processors().iter().any(outranks)
    }

    /// How many tasks of a class wait in a queue.
    pub(crate) fn queued_of(&self, class: Priority) -> usize {
        match class {
            Priority::Normal => self.queued_normal(),
            other => self.classes.len_of(other),
        }
    }

    /// The first of all detached polls, for a machine that leaves if there is none.
    pub(super) fn pop_last_detached(&self) -> Option<Detached> {
        self.background.pop_last_detached().or_else(|| self.classes.pop_last_detached())
    }

    /// Looks at all polls that are detached. `look` waits for nobody, and is told where each is; the
    /// poll stays there meanwhile.
    pub(crate) fn inspect_detached(&self, mut look: impl FnMut(&Paused)) {
        let mut look = |detached: &Detached| look(detached.at.look());
        self.background.inspect_detached(&mut look);
        self.classes.inspect_detached(&mut look);
        // Whoever looked for work meanwhile may have missed one.
        self.wake_one();
    }
}
