//! Stopping the world: whoever wants it sees to it that each processor comes to the barrier.
//!
//! ```text
//!   stop ─ look at each processor ─┬─ stands at the barrier, or sleeps ─────────────▶ stopped
//!                                  ├─ in a poll: ask; 20 us later a signal, and again ─▶ look again
//!                                  └─ in a poll that sleeps in the kernel ──────────▶ counts as stopped
//! ```
//!
//! The protocol with the machines, and its proof sketch, are in `barrier.rs`; this file is the thread that
//! stops them. It does what the monitor does to a long poll, and does it itself, as microseconds matter; the
//! monitor helps ([`Scheduler::is_unstopped`]). A poll that is asked goes away like any other that has to
//! give way: it yields or is detached, and its machine comes to the barrier.
//!
//! # Polls that are not stopped
//! One that sleeps in the kernel (a system call, a lock) is left there: a signal would make its call fail.
//! As in Go it counts as stopped; other than in Go it goes on when it wakes up, until the monitor, which
//! looks each millisecond while the world is stopped, has interrupted it. It was asked beforehand, so that
//! one with checkpoints stops at the first.
//! Last of all those are looked at that counted because they slept: one may have waited for a lock that
//! another had until it was stopped.
//!
//! # Polls without a processor
//! One whose processor was taken, or that has come back from `block_in_place`, runs beside the processors.
//! Its machine is marked as an orphan before the processor has another machine, so that who looks at the
//! machines after the processors does not miss it. It is interrupted like the others. One that comes back
//! during the stop waits at the barrier: it writes that it is an orphan and then reads the bit; the stopper
//! has written the bit and then reads who is an orphan.
//!
//! # Shutdown
//! The runtime may close during a stop: machines that stand at the barrier learn of it when the stop is
//! over. Once it has closed nobody may be left to come to the barrier, so a stop fails; one that finds it
//! open after it has set the bit is seen by every machine that learns of the shutdown.

use super::attention::STOPPING;
use super::barrier::{Nested, Stand};
use super::machine::Machine;
use super::seat::Seat;
use super::{Processor, Scheduler, seeded};
use crate::context;
use crate::observe::{is_asleep, is_in_section};
use crate::preempt;
use crate::runtime::{StopTheWorldError, World};
use crate::sync::Critical;
use crate::task::Preemption;
use preempt_sysmon::Slice;
use std::hint;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// How long the stopper spins before it sleeps. Not for longer: where there are as many hogs as cores,
/// it has the core of somebody who is to come to the barrier (20 us: 66 instead of 27 us at the median
/// beside hogs with checkpoints, on two cores).
const SPIN: Duration = Duration::from_micros(2);
/// How long after it was asked a poll is interrupted.
const PATIENCE: Duration = Duration::from_micros(20);
/// The pause between two signals doubles up to this.
const LONGEST_PAUSE: Duration = Duration::from_micros(320);
/// For so long a poll must have slept that sleeps in a section that is not suspended, or where no signal
/// wakes it: what it waits for may be a lock of the runtime's own, or a page, and then it goes on in a
/// moment.
const LONG_NAP: Duration = Duration::from_millis(5);

/// The thread that stops the world.
pub(super) struct Stopper<'a> {
    pub(super) scheduler: &'a Scheduler,
    /// Of the stop.
    pub(super) number: u64,
    /// By processor.
    pursuits: Box<[Pursuit]>,
    naps: Vec<Nap>,
    /// When orphans are interrupted next, and how long after that again.
    next: Instant,
    pause: Duration,
    started: Instant,
    /// Arrivals at the barrier.
    seen: u64,
}

/// What was done about the poll on a processor.
#[derive(Clone, Copy)]
struct Pursuit {
    slice: Option<Slice>,
    next: Instant,
    pause: Duration,
}

/// A poll on a processor that sleeps in the kernel.
struct Sleeper<'a> {
    processor: &'a Processor,
    slice: Slice,
    machine: Arc<Machine>,
}

/// Since when a machine's thread has used no time, as far as was seen.
struct Nap {
    machine: Arc<Machine>,
    since: Instant,
    cpu_time: Option<Duration>,
}

/// Lets the world go on, also if the closure panics.
struct Stopped<'a> {
    scheduler: &'a Scheduler,
    /// Since when all stand still, if they do.
    since: Option<Instant>,
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        if let Some(since) = self.since {
            self.scheduler.counters.world.went_on(since.elapsed());
        }
        self.scheduler.barrier.go_on(&self.scheduler.attention);
    }
}

/// Something of the calling thread's own, or fiber's. It is one and the same in a [`Critical`] stretch.
fn this_thread() -> usize {
    context::current_task_place()
}

impl Scheduler {
    /// See `Handle::stop_the_world_within`.
    pub(crate) fn stop_the_world<R>(
        &self,
        limit: Duration,
        work: impl FnOnce(&World<'_>) -> R,
    ) -> Result<R, StopTheWorldError> {
        // The calling poll stays where it is.
        let _critical = Critical::enter();
        let (machine, stand) = self.caller();
        let stand = match &machine {
            Some(machine) => stand.with(machine.ticket()),
            None => stand,
        };
        let turn = self.barrier.stop(&self.attention, this_thread(), stand);
        let (number, seen) = turn.map_err(|Nested| StopTheWorldError::Nested)?;
        let mut stopped = Stopped { scheduler: self, since: None };
        let mut stopper = Stopper::new(self, number, seen);
        let asleep = stopper.stop_all(limit).inspect_err(|_| self.counters.world.failed())?;
        let now = Instant::now();
        let took = now.saturating_duration_since(stopper.started);
        self.counters.world.stopped(took);
        stopped.since = Some(now);
        Ok(work(&World::new(self, asleep, took)))
    }

    /// The machine of the calling thread, and where it stands.
    fn caller(&self) -> (Option<Arc<Machine>>, Stand<'static>) {
        context::with_seat(|seat| {
            let Some(seat) = seat.filter(|seat| std::ptr::eq(&**seat.scheduler(), self)) else {
                return (None, Stand::default());
            };
            let stand = match (seat.held(), seat.held_in_poll()) {
                (_, Some((processor, slice))) => Stand::in_poll(processor.index, slice.into_bits()),
                (Some(processor), None) if seat.is_between_polls() => {
                    Stand::between_polls(processor.index)
                }
                _ => Stand::default(),
            };
            (Some(seat.machine().clone()), stand)
        })
    }

    /// Whether the world is stopped, or about to be.
    pub(super) fn is_stopping(&self) -> bool {
        self.attention.is_wanted_for(STOPPING)
    }

    /// A machine that is about to poll on the processor waits until the world goes on.
    #[cold]
    pub(super) fn stand_at_barrier(&self, seat: &Seat, processor: &Processor) {
        self.classes.stop_clock(self, processor.index);
        let since = seat.trace_pause(Some(processor.index));
        self.barrier.wait(this_thread(), Stand::between_polls(processor.index));
        seat.trace_pause_end(Some(processor.index), since);
    }

    /// A machine without a processor that is about to go on with a poll waits until the world goes on.
    #[cold]
    pub(super) fn wait_at_barrier(&self, machine: &Machine) {
        self.barrier.wait(this_thread(), Stand::default().with(machine.ticket()));
    }

    /// Whether the processor is to come to a stop, and has not. For the monitor.
    pub(super) fn is_unstopped(&self, processor: usize) -> bool {
        if !self.is_stopping() || self.stands_still(processor) {
            return false;
        }
        let watch = &self.processors[processor].watch;
        let machine =
            watch.observe().and_then(|slice| self.processors[processor].machine_in(slice));
        machine.is_none_or(|machine| !is_asleep(&machine))
    }

    /// Whether there is a positive answer for the processor.
    pub(super) fn stands_still(&self, processor: usize) -> bool {
        let watch = &self.processors[processor].watch;
        let is_in = |poll| Slice::from_bits(poll).is_some_and(|slice| watch.is_in(slice));
        self.processors[processor].is_retired()
            || self.barrier.has_arrived(processor, is_in)
            || self.idle.is_asleep(processor)
    }

    /// The machines that run a poll without a processor and do not stand at the barrier in the stop of that
    /// number.
    pub(super) fn running_orphans(&self, stop: u64) -> impl Iterator<Item = Arc<Machine>> {
        let is_one =
            move |machine: &Arc<Machine>| machine.is_orphaned() && !machine.ticket().is_for(stop);
        self.machines.all().into_iter().filter(is_one)
    }

    /// Interrupts the polls without a processor while the world is stopped. For the monitor.
    pub(super) fn stop_orphans(&self) {
        self.running_orphans(self.barrier.current()).for_each(|machine| {
            preempt::interrupt(self, &machine);
        });
    }
}

impl<'a> Stopper<'a> {
    fn new(scheduler: &'a Scheduler, number: u64, seen: u64) -> Self {
        let started = Instant::now();
        let pursuit = Pursuit { slice: None, next: started, pause: PATIENCE };
        let pursuits = vec![pursuit; scheduler.processors.len()].into_boxed_slice();
        let naps = Vec::new();
        Stopper { scheduler, number, pursuits, naps, next: started, pause: PATIENCE, started, seen }
    }

    /// Returns how many polls sleep in the kernel.
    fn stop_all(&mut self, limit: Duration) -> Result<usize, StopTheWorldError> {
        if seeded::has_turn(self.scheduler) {
            return Ok(0);
        }
        let deadline = self.started.checked_add(limit);
        loop {
            // After the bit was set, see the head of the file.
            if self.scheduler.is_closed() {
                return Err(StopTheWorldError::Closed);
            }
            let now = Instant::now();
            if let Some(asleep) = self.look(now) {
                if asleep > 0 {
                    self.keep_the_monitor_awake();
                }
                return Ok(asleep);
            }
            if deadline.is_some_and(|deadline| now >= deadline) {
                let tasks = self.unstopped();
                return Err(StopTheWorldError::Unstopped { limit, tasks });
            }
            self.wait(now, deadline);
        }
    }

    /// Looks at all processors, and sees to those that do not stand still. If all do, returns how many
    /// polls sleep in the kernel.
    fn look(&mut self, now: Instant) -> Option<usize> {
        let mut sleepers = Vec::new();
        let mut is_missing = false;
        for processor in self.scheduler.used_processors() {
            if self.scheduler.stands_still(processor.index) {
                continue;
            }
            let Some(slice) = processor.watch.observe() else {
                is_missing = true;
                continue;
            };
            match self.pursue(processor, slice, now) {
                Some(machine) => sleepers.push(Sleeper { processor, slice, machine }),
                None => is_missing = true,
            }
        }
        if is_missing {
            return None;
        }
        let orphans = self.look_at_orphans(now, &sleepers)?;
        let mut sleeps_on = |Sleeper { processor, slice, machine }: &Sleeper<'_>| {
            self.sleeps(machine) && processor.watch.is_in(*slice)
        };
        sleepers.iter().all(&mut sleeps_on).then(|| orphans + sleepers.len())
    }

    /// Whether the poll on the machine sleeps in the kernel, and not just for a moment.
    fn sleeps(&mut self, machine: &Arc<Machine>) -> bool {
        let cpu_time = preempt::cpu_time(machine);
        let is_asleep = is_asleep(machine);
        let may_go_on = is_in_section(machine) || preempt::is_uninterruptible(machine);
        // It has not run between the looks.
        if !is_asleep || preempt::cpu_time(machine) != cpu_time {
            return false;
        }
        if !may_go_on {
            return true;
        }
        let now = Instant::now();
        match self.naps.iter_mut().find(|nap| Arc::ptr_eq(&nap.machine, machine)) {
            Some(nap) if nap.cpu_time == cpu_time => now - nap.since >= LONG_NAP,
            Some(nap) => {
                (nap.since, nap.cpu_time) = (now, cpu_time);
                false
            }
            None => {
                self.naps.push(Nap { machine: machine.clone(), since: now, cpu_time });
                false
            }
        }
    }

    /// Asks the poll to go away, and insists. If it sleeps in the kernel, returns its machine.
    fn pursue(
        &mut self,
        processor: &Processor,
        slice: Slice,
        now: Instant,
    ) -> Option<Arc<Machine>> {
        let scheduler = self.scheduler;
        let machine = processor.machine_in(slice)?;
        let pursuit = &mut self.pursuits[processor.index];
        if pursuit.slice != Some(slice) {
            let is_silent = processor.watch.is_silent(slice);
            let next = if is_silent { now } else { now + PATIENCE };
            *pursuit = Pursuit { slice: Some(slice), next, pause: PATIENCE };
            machine.forget_refusal();
            // One that is left alone is not even asked.
            if processor.watch.preemption(slice) != Preemption::Never {
                scheduler.request_at_once(processor, slice);
            }
        }
        if now < pursuit.next {
            return None;
        }
        if self.sleeps(&machine) {
            return processor.watch.is_in(slice).then_some(machine);
        }
        let pursuit = &mut self.pursuits[processor.index];
        pursuit.pause = (pursuit.pause * 2).min(LONGEST_PAUSE);
        pursuit.next = now + pursuit.pause;
        if scheduler.may_signal(processor, slice) {
            self.see_to_fibers();
            preempt::interrupt(scheduler, &machine);
        }
        None
    }

    /// How many orphans sleep in the kernel; `None`: some do not. Not counted are those that have just been
    /// found on their processor, which the monitor may be taking.
    fn look_at_orphans(&mut self, now: Instant, found: &[Sleeper<'_>]) -> Option<usize> {
        let is_due = now >= self.next;
        let (mut asleep, mut is_missing) = (0, false);
        let is_new = |machine: &Arc<Machine>| {
            !found.iter().any(|sleeper| Arc::ptr_eq(&sleeper.machine, machine))
        };
        for machine in self.scheduler.running_orphans(self.number).filter(is_new) {
            if self.sleeps(&machine) {
                asleep += 1;
                continue;
            }
            is_missing |= machine.is_orphaned();
            if is_due {
                self.see_to_fibers();
                preempt::interrupt(self.scheduler, &machine);
            }
        }
        if is_missing && is_due {
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
            self.next = now + self.pause;
        }
        (!is_missing).then_some(asleep)
    }

    /// A poll is about to be interrupted: it needs a fiber to leave its machine to.
    fn see_to_fibers(&self) {
        if self.scheduler.fibers().is_some_and(|fibers| fibers.spares() == 0) {
            self.scheduler.kick_monitor(Instant::now());
        }
    }

    /// Whatever wakes up during the stop is the monitor's.
    fn keep_the_monitor_awake(&self) {
        self.scheduler.monitor.work_started();
        self.scheduler.kick_monitor(Instant::now() + super::LONGEST_LOOK_AWAY);
    }

    /// Until there is something to look at.
    fn wait(&mut self, now: Instant, deadline: Option<Instant>) {
        if now < self.started + SPIN {
            for _ in 0..16 {
                hint::spin_loop();
            }
            return;
        }
        let next = self.pursuits.iter().map(|pursuit| pursuit.next).chain([self.next]);
        let pursued = next.filter(|&next| next > now);
        let until = pursued.min().unwrap_or(now + LONGEST_PAUSE).min(now + LONGEST_PAUSE);
        let until = deadline.map_or(until, |deadline| until.min(deadline));
        self.seen = self.scheduler.barrier.listen(self.seen, Some(until));
    }
}

impl Scheduler {
    fn request_at_once(&self, processor: &Processor, slice: Slice) {
        if processor.request(slice) {
            self.counters.requests.fetch_add(1, Relaxed);
            self.trace_request(processor.index);
        }
    }

    /// Whether a signal may set the poll aside.
    fn may_signal(&self, processor: &Processor, slice: Slice) -> bool {
        processor.watch.preemption(slice) == Preemption::Forced
            && self.config.sends_signals()
            && self.fibers().is_some()
    }
}
