//! The scheduler: processors, machines, and the tasks between them.
//!
//! ```text
//!      injector   background          timers        monitor (preempt-sysmon)
//!          \          |                 |                │ looks, asks, hands off
//!   ┌ Processor 0: lifo_slot, ring, watch ┐  ┌ Processor 1 … ┐
//!   └──────────────┬──────────────────────┘  └──────┬────────┘
//!           Machine a (Seat)                 Machine b (Seat)        Machine c, spare
//! ```
//!
//! A processor is the right to run tasks, and a queue. A machine is a thread; it runs tasks while
//! it holds a processor (`seat.rs`). The two separate when a poll does not give way: see
//! [`Scheduler::hand_off`].

mod anticipation;
mod attention;
mod background;
mod barrier;
mod cancelling;
mod classes;
mod detach;
pub(crate) mod idle;
mod machine;
mod monitored;
mod offer;
pub(crate) mod os_thread;
pub(crate) mod parker;
mod places;
mod queue;
mod resize;
mod seat;
pub(crate) mod seeded;
mod shares;
mod unstopped;
mod waking;
pub(crate) mod worker;
mod world;

pub(crate) use background::TURNS_PER_SLICE;
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
pub(crate) use detach::detach;
pub(crate) use detach::{StoppedBy, on_checkpoint};
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
pub(crate) use machine::Expected;
pub(crate) use machine::Machine;
pub(crate) use seat::Seat;
pub(crate) use shares::{DEFAULT_SHARES, Shares};
pub(crate) use waking::waits_for_nobody;

use crate::blocking::BlockingPool;
use crate::context::{self, Visible};
use crate::cpus::{Cpus, Follower};
use crate::metrics::{Counters, ProcessorCounters};
use crate::netpoll::Netpoll;
use crate::observe::{Stalls, Waits};
use crate::preempt;
use crate::report;
use crate::runtime::{Config, Flavor, Id};
use crate::sync::Mutex;
use crate::task::{
    self, JoinHandle, Preemption, Priority, Registry, Runnable, Schedule, TaskHeader,
};
use crate::time::Timers;
use crate::trace::triggers::TraceOnce;
use crate::trace::{self, Outcome, Recorder};
use attention::{Attention, CLOSED, SEEDED};
use background::Background;
use barrier::Barrier;
use cancelling::Cancelling;
use classes::Classes;
use detach::Detached;
use idle::Idle;
use machine::Machines;
use parker::{Parker, Unparked};
use places::Places;
use preempt_fiber::{Pool, Spare};
use preempt_sysmon::{Kicked, Monitor, MonitorThread, Slice, Watch};
use queue::{Injector, LocalQueue};
use resize::Size;
use seeded::Seeded;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Weak};
use std::task::Waker;
use std::time::{Duration, Instant};

/// How soon the monitor looks again while the world is stopped.
const LONGEST_LOOK_AWAY: Duration = Duration::from_millis(1);

/// The right to run tasks, and what belongs to it.
pub(crate) struct Processor {
    pub(crate) index: usize,
    pub(crate) queue: LocalQueue,
    pub(crate) watch: Watch,
    pub(crate) counters: ProcessorCounters,
    /// What its machine sleeps on while it has the processor.
    pub(crate) parker: Parker,
    /// Whoever looks at the holder, or raises its flag, has the lock, and a thread or fiber takes its flag out
    /// before it ends.
    holder: Mutex<Option<Holder>>,
    /// See `resize.rs`.
    is_retired: AtomicBool,
}

/// Who runs on a processor.
struct Holder {
    /// What can be seen of the thread or fiber.
    visible: Visible,
    machine: Arc<Machine>,
}

impl Processor {
    fn new(index: usize, is_retired: bool) -> Self {
        Processor {
            index,
            is_retired: AtomicBool::new(is_retired),
            queue: LocalQueue::new(),
            watch: Watch::new(),
            counters: ProcessorCounters::default(),
            parker: Parker::new(),
            holder: Mutex::new(None),
        }
    }

    fn is_retired(&self) -> bool {
        self.is_retired.load(SeqCst)
    }

    fn set_retired(&self, retired: bool) {
        self.is_retired.store(retired, SeqCst);
    }

    fn set_holder(&self, visible: Visible, machine: &Arc<Machine>) {
        let holder = Holder { visible, machine: machine.clone() };
        let previous = self.holder.lock().replace(holder);
        drop(previous);
    }

    fn clear_holder(&self) {
        let previous = self.holder.lock().take();
        drop(previous);
    }

    /// The machine that runs `slice`, if it is still running.
    pub(crate) fn machine_in(&self, slice: Slice) -> Option<Arc<Machine>> {
        let holder = self.holder.lock();
        holder.as_ref().filter(|_| self.watch.is_in(slice)).map(|holder| holder.machine.clone())
    }

    /// Asks `slice` to give way, if it is still running.
    fn request(&self, slice: Slice) -> bool {
        let holder = self.holder.lock();
        let Some(holder) = holder.as_ref() else { return false };
        if !self.watch.is_in(slice) {
            return false;
        }
        self.watch.note_request(slice);
        // SAFETY: the thread takes its flag out of here, under the lock, before it ends.
        unsafe { holder.visible.flag.request_remote() };
        true
    }
}

/// Everything that the machines of one runtime share.
pub(crate) struct Scheduler {
    this: Weak<Scheduler>,
    pub(crate) id: Id,
    pub(crate) config: Config,
    /// As many as there can ever be; see `active_processors` and `used_processors`.
    pub(crate) processors: Box<[Processor]>,
    size: Size,
    injector: Injector,
    background: Background,
    classes: Classes,
    pub(crate) idle: Idle,
    pub(crate) machines: Machines,
    pub(crate) monitor: Monitor,
    pub(crate) timers: Timers,
    pub(crate) netpoll: Netpoll,
    pub(crate) registry: Registry,
    pub(crate) blocking: BlockingPool,
    pub(crate) counters: Counters,
    /// `None`: long polls are not reported.
    pub(crate) stalls: Option<Stalls>,
    pub(crate) recorder: Recorder,
    pub(crate) cpus: Cpus,
    pub(crate) follower: Follower,
    /// When, by the clock of what is observed.
    pub(crate) built_at: u64,
    pub(crate) trace_of_panic: TraceOnce,
    pub(crate) trace_of_stall: TraceOnce,
    pub(crate) waits: Waits,
    /// `Some`: a seed decides what runs next.
    pub(crate) seeded: Option<Seeded>,
    attention: Attention,
    barrier: Barrier,
    /// Gone after shutdown, so that idle fibers end then and not with the last handle.
    fibers: Mutex<Option<Arc<Pool>>>,
    /// Machines in a poll without a processor, because it was taken or no fiber was at hand, and which may
    /// be interrupted. Looked at by the monitor.
    orphans: Mutex<Vec<Arc<Machine>>>,
    cancelling: Cancelling,
    thread_shortage_reported: AtomicBool,
    /// The monitor's, kept for its memory; empty between uses.
    monitors_wakers: Mutex<Vec<Waker>>,
}

impl Scheduler {
    /// # Errors
    /// When the system has no event queue left.
    pub(crate) fn new(config: Config) -> io::Result<(Arc<Self>, MonitorThread)> {
        let (count, most) = (config.processors, config.most_processors);
        let netpoll = Netpoll::new()?;
        let (monitor, monitor_thread) = Monitor::new();
        let scheduler = Arc::new_cyclic(|this| Scheduler {
            this: this.clone(),
            id: Id::next(),
            processors: (0..most).map(|index| Processor::new(index, index >= count)).collect(),
            size: Size::new(count),
            injector: Injector::default(),
            background: Background::new(
                &config,
                count,
                &Arc::new(Places::new(config.max_detached)),
            ),
            classes: Classes::new(),
            idle: Idle::new(count, most),
            machines: Machines::default(),
            monitor,
            timers: Timers::new(most),
            netpoll,
            registry: Registry::new(count),
            blocking: BlockingPool::new(&config),
            counters: Counters::default(),
            stalls: Stalls::new(&config),
            recorder: Recorder::new(&config),
            cpus: Cpus::new(&config.system_root),
            follower: Follower::new(&config),
            built_at: trace::clock::ticks(),
            trace_of_panic: TraceOnce::new(config.trace_on_panic.clone()),
            trace_of_stall: TraceOnce::new(config.trace_on_stall.clone()),
            waits: Waits::new(),
            seeded: config.seeded.map(Seeded::new),
            attention: Attention::default(),
            barrier: Barrier::new(most),
            fibers: Mutex::new(None),
            orphans: Mutex::default(),
            cancelling: Cancelling::new(most),
            thread_shortage_reported: AtomicBool::new(false),
            monitors_wakers: Mutex::default(),
            config,
        });
        if scheduler.seeded.is_some() {
            scheduler.attention.call_for(SEEDED);
            scheduler.timers.stop_at_the_start();
        }
        Ok((scheduler, monitor_thread))
    }

    /// Puts one machine on each processor.
    ///
    /// # Errors
    /// When the operating system makes no thread.
    pub(crate) fn start_machines(self: &Arc<Self>) -> io::Result<()> {
        for processor in self.used_processors() {
            self.machines.obtain(self)?.offer(processor.index);
        }
        Ok(())
    }

    /// Where the machines get their fibers from; `None`: nothing is ever detached.
    pub(crate) fn fibers(&self) -> Option<Arc<Pool>> {
        self.fibers.lock().clone()
    }

    /// Makes the fibers, as far as the platform has any and the system gives threads.
    ///
    /// # Errors
    /// When `PREEMPT_FIBER_BACKEND` is no backend, or the signal cannot be had.
    pub(crate) fn make_fibers(&self) -> io::Result<()> {
        let Some(pool) = self.config.fiber_pool()? else {
            if self.config.max_detached > 0 && self.config.forced_preemption {
                report_missing_preemption();
            }
            return Ok(());
        };
        if self.config.forced_preemption {
            match preempt::install(self.config.preemption_signal) {
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                    report_missing_preemption();
                }
                other => other?,
            }
        }
        match pool.prepare(self.config.processors + self.config.spare_fibers()) {
            Ok(_) => *self.fibers.lock() = Some(Arc::new(pool)),
            // Machines with a fiber beside machines without one would not get on: without all of
            // these nothing is detached.
            Err(error) => self.report_thread_shortage(&io::Error::other(error)),
        }
        Ok(())
    }

    /// The fiber that a new machine begins on; `None`: this runtime has no fibers.
    ///
    /// # Errors
    /// When there is none and the operating system makes no thread for one.
    fn first_fiber(&self) -> io::Result<Option<Spare>> {
        let Some(fibers) = self.fibers() else { return Ok(None) };
        if let Some(spare) = fibers.take_spare() {
            return Ok(Some(spare));
        }
        fibers.prepare(1).map_err(io::Error::other)?;
        match fibers.take_spare() {
            Some(spare) => Ok(Some(spare)),
            None => Err(io::Error::other("all fibers are in use")),
        }
    }

    /// Sees to it that the next polls can be detached. Makes threads.
    fn top_up_fibers(&self) {
        let Some(fibers) = self.fibers() else { return };
        if fibers.spares() < self.config.spare_fibers()
            && let Err(error) = fibers.top_up(self.config.spare_fibers())
        {
            self.report_thread_shortage(&io::Error::other(error));
        }
    }

    /// For a seeded runtime: waits until the next poll can be detached, so that this is no matter of time.
    fn prepare_fibers(&self) {
        /// The next poll takes one, and the loop that resumes a detached poll leaves one behind.
        const ENOUGH: usize = 2;
        let Some(fibers) = self.fibers() else { return };
        if fibers.spares() < ENOUGH
            && let Err(error) = fibers.prepare(ENOUGH)
        {
            self.report_thread_shortage(&io::Error::other(error));
        }
    }

    /// Interrupts the polls that go on without a processor: they compete with the processors for
    /// the machine's real ones. Once detached they take turns like all others.
    fn interrupt_orphans(&self) {
        let mut orphans = self.orphans.lock();
        orphans.retain(|machine| machine.is_orphaned());
        if self.background.has_place() {
            for machine in orphans.iter() {
                preempt::interrupt(self, machine);
            }
        }
    }

    /// A poll goes on without a processor that might be detached later.
    fn note_orphan(&self, machine: Arc<Machine>) {
        self.orphans.lock().push(machine);
    }

    /// How many polls are detached.
    pub(crate) fn detached_polls(&self) -> usize {
        self.background.detached() + self.classes.detached()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.attention.is_wanted_for(CLOSED)
    }

    /// Queues a new or woken task.
    #[inline]
    fn push_woken(&self, runnable: Runnable) {
        // Two calls, each the last thing that is done, so that no frame is made for them.
        if self.observes_wakes() {
            self.record_wake_and_push(runnable);
        } else {
            self.push_fresh(runnable);
        }
    }

    #[cold]
    fn record_wake_and_push(&self, runnable: Runnable) {
        self.record_wake(&runnable);
        self.push_fresh(runnable);
    }

    /// Queues a task: in the LIFO slot of this thread's processor, or for all.
    fn push_fresh(&self, runnable: Runnable) {
        if !runnable.is_of_normal_class() {
            return self.push_fresh_by_class(runnable);
        }
        context::with_held(self, |held| match held {
            None => {
                self.injector.push(runnable);
                self.wake_one();
                self.alert_monitor(Priority::Normal);
            }
            // A timer or an event: in the order in which they came.
            Some((seat, processor)) if seat.is_between_polls() => {
                let has_company = !processor.queue.is_empty();
                processor.queue.push(runnable, &self.injector);
                if has_company {
                    self.wake_one();
                }
            }
            Some((seat, processor)) => {
                let displaced = processor.queue.push_lifo(runnable, &self.injector);
                // After the push: a machine that loses its processor meanwhile cannot tell whether
                // the next one saw the task before it went to sleep.
                if displaced || seat.held().is_none() {
                    self.wake_one();
                }
            }
        });
    }

    /// Queues a task that yielded: behind all others, and behind all that did not have to be asked
    /// if the monitor asked for it.
    fn push_yielded(&self, runnable: Runnable) {
        if preempt_checkpoint::preempt_requested() {
            self.observe_yield(&runnable, Outcome::GaveWay);
            self.counters.yields_on_request.fetch_add(1, Relaxed);
            if runnable.is_of_normal_class() {
                self.background.push_yielded(runnable);
            } else {
                self.push_yielded_by_class(runnable, true);
            }
        } else if !runnable.is_of_normal_class() {
            self.observe_yield(&runnable, Outcome::Yielded);
            self.push_yielded_by_class(runnable, false);
        } else {
            self.observe_yield(&runnable, Outcome::Yielded);
            context::with_held(self, |held| match held {
                None => self.injector.push(runnable),
                Some((_, processor)) => processor.queue.push(runnable, &self.injector),
            });
        }
        self.wake_one();
    }

    /// A timer was set that is the earliest of its shard: whoever sleeps until the next one has to
    /// know.
    pub(crate) fn timer_set(&self) {
        match self.timers.next() {
            Some(due) if self.netpoll.has_keeper() => self.netpoll.set_alarm(due),
            Some(due) => self.kick_monitor(due),
            // Who sleeps is to move the clock on, if it is not this thread's own timer.
            None => self.unpark_only_processor(),
        }
    }

    /// For a current-thread runtime whose clock is stopped.
    fn unpark_only_processor(&self) {
        if context::with_held(self, |held| held.is_none()) {
            self.unpark(0);
        }
    }

    /// Makes sure that the monitor looks then or before.
    fn kick_monitor(&self, then: Instant) {
        if self.monitor.kick(then) == Kicked::InNetpoll {
            self.netpoll.break_poll();
        }
    }

    /// Ends the sleep of a processor, or its next one.
    pub(crate) fn unpark(&self, processor: usize) {
        if self.processors[processor].parker.unpark() == Unparked::Elsewhere {
            self.netpoll.break_poll();
        }
    }

    /// Sleeps until the processor is unparked, and at most one of those who sleep until there is an
    /// event or a timer is due.
    fn sleep_on(&self, processor: &Processor, wakers: &mut Vec<Waker>) {
        if self.timers.clock.is_stopped() && self.move_clock_on(processor, wakers) {
            return;
        }
        let next_timer = || self.timers.next();
        if !self.netpoll.sleep_on(processor.index, &processor.parker, next_timer, wakers) {
            return;
        }
        // The keeper would have fired the next timer, and now works: the monitor takes over.
        if let Some(due) = self.timers.next() {
            self.kick_monitor(due);
        }
    }

    /// There is nothing to do until the next timer: goes straight there. `false`: there is none, or
    /// blocking work is going on.
    fn move_clock_on(&self, processor: &Processor, wakers: &mut Vec<Waker>) -> bool {
        self.netpoll.poll_in_passing(wakers);
        processor.parker.take_notification()
            || !wakers.is_empty()
            || (!self.blocking.is_at_work() && self.timers.advance_to_next())
    }

    /// Queues a poll that was set aside. Allocates nothing.
    fn push_detached(&self, detached: Detached) {
        match detached.terms.priority {
            Priority::Normal => self.background.push_detached(detached),
            _ => self.push_detached_by_class(detached),
        }
        self.wake_one();
    }

    /// A task has come from outside: if every processor is at work, the monitor is to find out soon
    /// whether one of them has to give way; at once, if one is in a poll of a lower class.
    fn alert_monitor(&self, class: Priority) {
        if let Some(grace) = self.config.grace()
            && !self.monitor.is_unhurried()
            && !self.idle.has_sleeper()
            && !self.idle.has_searcher()
        {
            let grace = if self.outranks_a_poll(class) { Duration::ZERO } else { grace };
            self.kick_monitor(Instant::now() + grace);
        }
    }

    /// Wakes a sleeping processor to look for work, unless one is looking already.
    pub(crate) fn wake_one(&self) {
        if let Some(processor) = self.idle.pick_sleeper() {
            self.trace_unpark(processor);
            self.unpark(processor);
        }
    }

    /// Whether a task waits anywhere.
    fn has_work(&self) -> bool {
        self.has_fresh_work() || self.has_preempted_work()
    }

    /// Whether a task waits for a processor.
    pub(crate) fn has_waiting_tasks(&self) -> bool {
        self.has_work() && !self.idle.has_sleeper()
    }

    /// For a thread of the runtime's that does not keep it.
    pub(crate) fn downgrade(&self) -> Weak<Scheduler> {
        self.this.clone()
    }

    fn has_fresh_work(&self) -> bool {
        self.has_fresh_normal() || self.classes.have_fresh()
    }

    fn has_preempted_work(&self) -> bool {
        !self.background.is_empty() || self.classes.have_preempted()
    }

    fn has_fresh_normal(&self) -> bool {
        !self.injector.is_empty()
            || self.used_processors().iter().any(|other| !other.queue.is_empty())
    }

    /// Gives the processor of a running poll to another machine. The poll goes on where it is,
    /// without the processor; its machine becomes a spare one when the poll ends.
    ///
    /// `false`: the poll has ended or lost its processor already, or no machine can be had, as on a
    /// current-thread or seeded runtime. Whether the monitor may ask for it is `Config::limits`'s business.
    pub(crate) fn hand_off(&self, processor: usize, slice: Slice) -> bool {
        let Some(this) = self.this.upgrade() else { return false };
        if self.config.flavor == Flavor::CurrentThread || self.seeded.is_some() {
            return false;
        }
        // First the machine, so that the processor is never without one.
        let machine = match self.machines.obtain(&this) {
            Ok(machine) => machine,
            Err(error) => {
                self.report_thread_shortage(&error);
                return false;
            }
        };
        if !self.retake(&self.processors[processor], slice) {
            self.machines.put_back(machine);
            return false;
        }
        // Before the next poll on the processor.
        self.trace_hand_off(processor);
        // So that a task which runs because of it finds it counted.
        self.counters.hand_offs.fetch_add(1, Relaxed);
        machine.offer(processor);
        true
    }

    /// Takes the processor away from the poll, which is adrift then. `false`: it has ended.
    fn retake(&self, processor: &Processor, slice: Slice) -> bool {
        let mut holder = processor.holder.lock();
        let is_taken = processor.watch.retake(slice);
        if is_taken && let Some(holder) = holder.take() {
            self.cancelling.set_adrift(holder);
        }
        is_taken
    }

    /// Tells once that polls keep their processors for want of threads.
    fn report_thread_shortage(&self, error: &io::Error) {
        if !self.is_closed() && !self.thread_shortage_reported.swap(true, Relaxed) {
            report::warn(format_args!(
                "no thread to preempt a long poll with, so it goes on while others wait: {error}"
            ));
        }
    }

    /// The first half of shutdown: drops all futures that are not being polled, asks the polls
    /// that are running to end, and sends the machines home.
    pub(crate) fn close(&self) {
        self.attention.call_for(CLOSED);
        if let Some(seeded) = &self.seeded {
            seeded.close();
        }
        self.registry.close();
        let mut wakers = Vec::new();
        self.timers.fire_all(&mut wakers);
        self.netpoll.close(&mut wakers);
        self.wake_all(&mut wakers);
        for processor in &self.processors {
            if let Some(slice) = processor.watch.observe() {
                processor.request(slice);
            }
            self.unpark(processor.index);
        }
        self.have_all_polls_look();
        self.machines.close();
    }

    /// The last of shutdown, when all machines have gone: drops what is left in the queues, and ends
    /// the monitor and the fibers.
    pub(crate) fn finish(&self) {
        self.monitor.stop();
        self.follower.stop();
        if let Some(stalls) = &self.stalls {
            stalls.stop();
        }
        self.netpoll.break_poll();
        self.drain_queues();
        self.orphans.lock().clear();
        let fibers = self.fibers.lock().take();
        drop(fibers);
    }

    fn drain_queues(&self) {
        for processor in &self.processors {
            while let Some(runnable) = processor.queue.pop_lifo().or_else(|| processor.queue.pop())
            {
                drop(runnable);
            }
        }
        while let Some(runnable) = self.injector.pop().or_else(|| self.background.pop_yielded()) {
            drop(runnable);
        }
        while let Some(runnable) = self.classes.drain() {
            drop(runnable);
        }
        if let Some(seeded) = &self.seeded {
            seeded.drain();
        }
    }

    /// How many fresh tasks are in the queues that all machines share.
    pub(crate) fn injected(&self) -> usize {
        self.injector.len() + self.classes.lens().0
    }

    /// How many tasks and polls are in the backgrounds.
    pub(crate) fn in_background(&self) -> usize {
        self.background.len() + self.classes.lens().1
    }

    /// How many tasks came into the injector from threads without a processor, and how many from
    /// queues that were full.
    pub(crate) fn injector_pushes(&self) -> (u64, u64) {
        self.injector.pushes()
    }

    /// How many tasks are queued, detached polls included.
    pub(crate) fn queued(&self) -> usize {
        self.queued_tasks() + self.detached_polls()
    }

    /// How many tasks are queued for a poll to begin.
    pub(crate) fn queued_tasks(&self) -> usize {
        let drawn_from = self.seeded.as_ref().map_or(0, Seeded::ready);
        let (fresh, preempted) = self.classes.lens();
        let of_classes = fresh + preempted.saturating_sub(self.classes.detached());
        self.queued_in_place() + self.background.yielded() + of_classes + drawn_from
    }

    /// How many normal tasks and polls are queued.
    fn queued_normal(&self) -> usize {
        self.queued_in_place() + self.background.len()
    }

    fn queued_in_place(&self) -> usize {
        let local: usize =
            self.used_processors().iter().map(|processor| processor.queue.len()).sum();
        local + self.injector.len()
    }

    /// How many polls are suspended, with those that are on their way into the queue.
    pub(crate) fn suspended_polls(&self) -> usize {
        self.background.suspended()
    }
}

/// Tells once in the life of the process what is missing here.
#[cold]
fn report_missing_preemption() {
    static REPORTED: AtomicBool = AtomicBool::new(false);
    if !REPORTED.swap(true, Relaxed) {
        report::warn(format_args!(
            "polls without checkpoints cannot be suspended on this platform (x86-64 Linux with glibc \
             only): a long one has its worker's place handed to another thread; \
             `Builder::forced_preemption(false)` silences this"
        ));
    }
}

impl Schedule for Arc<Scheduler> {
    fn schedule(&self, runnable: Runnable) {
        self.push_woken(runnable);
    }

    unsafe fn schedule_alone(this: NonNull<Self>, runnable: Runnable) -> Result<(), Runnable> {
        // SAFETY: the runnable's task is alive.
        let scheduler = Arc::as_ptr(unsafe { this.as_ref() });
        if !context::is_on_seat_of(scheduler) {
            return Err(runnable);
        }
        // SAFETY: this thread's seat keeps the scheduler alive, or the one that this poll moves to.
        unsafe { &*scheduler }.push_woken(runnable);
        Ok(())
    }

    unsafe fn reschedule(this: NonNull<Self>, runnable: Runnable) {
        // SAFETY: the runnable's task is alive; and the seat on which it was polled keeps the scheduler
        // alive.
        let scheduler = unsafe { &*Arc::as_ptr(this.as_ref()) };
        scheduler.push_yielded(runnable);
    }

    fn cancel_poll(&self, header: &TaskHeader) {
        Scheduler::cancel_poll(self, header);
    }

    fn release(&self, header: &TaskHeader) -> bool {
        self.trace_outcome(Some(header.id()), Outcome::Complete);
        self.registry.remove(header)
    }
}

impl Scheduler {
    /// Makes a task and queues it, unless the runtime has shut down: then the task is cancelled.
    pub(crate) fn spawn<F>(
        self: &Arc<Self>,
        future: F,
        spawned_at: &'static Location<'static>,
    ) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.spawn_with(future, self.clone(), Preemption::Forced, spawned_at)
    }

    /// As [`spawn`](Self::spawn), with settings. `schedule` leads to this scheduler.
    pub(crate) fn spawn_with<F, S>(
        &self,
        future: F,
        schedule: S,
        preemption: Preemption,
        spawned_at: &'static Location<'static>,
    ) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
        S: Schedule,
    {
        let (task, runnable, handle) = task::new(future, schedule, preemption, spawned_at);
        if self.registry.add(task) {
            self.trace_spawn(&runnable);
            self.push_woken(runnable);
        }
        handle
    }
}
