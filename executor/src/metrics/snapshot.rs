//! A copy of all numbers.

use super::counters::Counters;
use super::histogram::{Buckets, Histogram};
use crate::cpus::CpuLimits;
use crate::preempt::{self, Refusal};
use crate::scheduler::{Processor, Scheduler};
use crate::task::Priority;
use crate::trace::clock::{self, Scale};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// A snapshot of what a runtime does and has done.
///
/// The numbers are read one after the other while the runtime works, so they need not add up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuntimeMetrics {
    /// Processors: how many tasks can run at the same time.
    pub processors: usize,
    /// How much of the machine the process may use, and what has come of that. Read from the system at
    /// most ten times a second.
    pub cpu_limits: CpuLimits,
    /// Threads that run tasks or are ready to: the processors' machines, those that go on with a
    /// poll whose processor was handed off, and spare ones.
    pub machine_threads: usize,
    /// Those of them that are spare.
    pub spare_machine_threads: usize,
    /// Threads that run blocking work or are ready to.
    pub blocking_threads: usize,
    /// Those of them that wait for work.
    pub idle_blocking_threads: usize,
    /// Blocking closures that no thread has begun.
    pub blocking_queue_depth: usize,
    /// Tasks that were spawned and are not complete.
    pub live_tasks: usize,
    /// The same by what they do.
    pub tasks: TaskStates,
    /// Tasks that were spawned, complete ones included.
    pub spawned_tasks_count: u64,
    /// Tasks that wait in a queue.
    pub queued_tasks: usize,
    /// Those of them that are in the queues that all workers share: what came from outside or did not
    /// fit into a worker's own queue, and all of the latency and batch classes.
    pub injection_queue_depth: usize,
    /// Those of them that had to be preempted, and wait behind all others. Detached polls are among
    /// them.
    pub background_queue_depth: usize,
    /// Normal tasks that came into the shared queue from threads that run no tasks, or have lost their
    /// processor.
    pub remote_schedule_count: u64,
    /// Tasks that came into the shared queue as a worker's own was full.
    pub overflow_count: u64,
    /// What the tasks do of each [class](crate::task::Priority).
    pub latency: PriorityMetrics,
    /// The normal one.
    pub normal: PriorityMetrics,
    /// The batch class.
    pub batch: PriorityMetrics,
    /// Requests to a poll to give way.
    pub requests: u64,
    /// Rung 1: tasks that yielded when they were asked to.
    pub yields_on_request: u64,
    /// Rung 2: polls that were suspended in the middle, at a checkpoint in synchronous code or by a
    /// signal.
    pub detaches: u64,
    /// Polls that were suspended on one thread and resumed on another.
    pub migrations: u64,
    /// Polls that are suspended now.
    pub detached_polls: usize,
    /// Signals sent to polls that reached no checkpoint.
    pub signals: u64,
    /// Signals that found no async-safe point.
    pub refusals: Refusals,
    /// Stacks with thread-locals of their own: one for each thread that runs tasks, each detached
    /// poll, and spare ones.
    pub fibers: usize,
    /// Fibers that nothing runs on.
    pub spare_fibers: usize,
    /// Rung 3: processors that were taken from a poll and given to another thread, for whatever
    /// reason. Includes the next two, and `block_in_place`.
    pub hand_offs: u64,
    /// Hand-offs at a checkpoint in synchronous code.
    pub hand_offs_at_checkpoint: u64,
    /// Hand-offs by the monitor, from a poll that reached no checkpoint.
    pub hand_offs_by_monitor: u64,
    /// How often the world was stopped, see
    /// [`Handle::stop_the_world`](crate::runtime::Handle::stop_the_world).
    pub world_stops: u64,
    /// How often it could not be.
    pub world_stop_failures: u64,
    /// How long it took until it stood still, all stops together.
    pub world_stopping_duration: Duration,
    /// The longest of these times.
    pub longest_world_stopping_duration: Duration,
    /// How long it stood still, all stops together.
    pub world_stopped_duration: Duration,
    /// Timers that are set and have not fired.
    pub live_timers: usize,
    /// Timers that have fired.
    pub fired_timers: u64,
    /// Sockets and other sources of events that are registered.
    pub io_sources: usize,
    /// Looks at the system's event queue.
    pub io_driver_poll_count: u64,
    /// Events that came of them.
    pub io_driver_ready_count: u64,
    /// How long polls took, on all processors, and of those that lost theirs; see
    /// [`Builder::enable_metrics_poll_time_histogram`](crate::runtime::Builder::enable_metrics_poll_time_histogram).
    pub poll_time_histogram: Option<Histogram>,
    /// How long tasks waited from a wake-up to the poll; see
    /// [`Builder::enable_metrics_schedule_latency_histogram`](crate::runtime::Builder::enable_metrics_schedule_latency_histogram).
    pub schedule_latency_histogram: Option<Histogram>,
    /// The processors one by one.
    pub workers: Vec<WorkerMetrics>,
}

/// What the tasks of one class do and have done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PriorityMetrics {
    /// Tasks that wait in a queue. Detached polls are among them.
    pub queue_depth: usize,
    /// Polls. What was suspended and goes on counts again. Among the normal ones is the future of
    /// `block_on` of a current-thread runtime.
    pub poll_count: u64,
}

/// What the tasks do that are not complete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskStates {
    /// They are being polled, also if the poll's processor was handed off.
    pub running: usize,
    /// They wait in a queue for a poll.
    pub queued: usize,
    /// They are suspended in the middle of a poll.
    pub detached: usize,
    /// All others: they wait for a timer, an event, or each other.
    pub waiting: usize,
}

/// What one processor does and has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerMetrics {
    /// Polls. The future of `block_on` of a current-thread runtime is polled as well.
    pub poll_count: u64,
    /// Whether it is in a poll now.
    pub is_in_poll: bool,
    /// Tasks in its queue.
    pub local_queue_depth: usize,
    /// Tasks that were stolen from other processors.
    pub steal_count: u64,
    /// How often some were.
    pub steal_operations: u64,
    /// How often it went to sleep.
    pub park_count: u64,
    /// How often it woke up.
    pub unpark_count: u64,
    /// How often it woke up and went to sleep again without a poll.
    pub noop_count: u64,
    /// How long it was not asleep.
    pub total_busy_duration: Duration,
    /// How long its polls took.
    pub poll_time_histogram: Option<Histogram>,
    /// How long tasks had waited for these.
    pub schedule_latency_histogram: Option<Histogram>,
}

/// Why signals found no async-safe point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusals {
    /// The poll that was meant was over.
    pub stale: u64,
    /// In a `no_preempt` section, or in the runtime's own code.
    pub no_preempt: u64,
    /// In libc (leaf functions called by ordinary code excepted), the dynamic linker, the unwinder, or
    /// code at an unknown address.
    pub text: u64,
    /// Too little stack was left, or it was another stack.
    pub stack: u64,
    /// The code had changed the signal mask.
    pub masked: u64,
    /// No fiber was there to go on with.
    pub no_spare: u64,
    /// In the middle of a switch between fibers, in any runtime of the process.
    pub switching: u64,
}

impl Refusals {
    fn of(counters: &Counters) -> Self {
        Refusals {
            stale: counters.refusals(Refusal::Stale),
            no_preempt: counters.refusals(Refusal::NoPreempt),
            text: counters.refusals(Refusal::Text),
            stack: counters.refusals(Refusal::Stack),
            masked: counters.refusals(Refusal::Masked),
            no_spare: counters.refusals(Refusal::NoSpare),
            switching: preempt::refused_while_switching(),
        }
    }
}

impl RuntimeMetrics {
    pub(crate) fn of(scheduler: &Scheduler) -> Self {
        let counters = &scheduler.counters;
        let (machine_threads, spare_machine_threads) = scheduler.machines.alive_and_spare();
        let [blocking_threads, idle_blocking_threads, blocking_queue_depth] =
            scheduler.blocking.numbers();
        let fibers = scheduler.fibers();
        let world = counters.world.numbers();
        let (live_timers, fired_timers) = scheduler.timers.numbers();
        let (io_driver_poll_count, io_driver_ready_count) = scheduler.netpoll.numbers();
        let (remote_schedule_count, overflow_count) = scheduler.injector_pushes();
        let workers = workers(scheduler);
        let spare_or_blocked = spare_machine_threads + scheduler.machines_in_place();
        let off_processor = machine_threads.saturating_sub(spare_or_blocked);
        RuntimeMetrics {
            processors: scheduler.active_processors(),
            cpu_limits: scheduler.cpus.recent(),
            machine_threads,
            spare_machine_threads,
            blocking_threads,
            idle_blocking_threads,
            blocking_queue_depth,
            live_tasks: scheduler.registry.len(),
            tasks: TaskStates::of(scheduler, &workers, off_processor),
            spawned_tasks_count: scheduler.registry.added(),
            queued_tasks: scheduler.queued(),
            injection_queue_depth: scheduler.injected(),
            background_queue_depth: scheduler.in_background(),
            remote_schedule_count,
            overflow_count,
            latency: PriorityMetrics::of(scheduler, Priority::Latency),
            normal: PriorityMetrics::of(scheduler, Priority::Normal),
            batch: PriorityMetrics::of(scheduler, Priority::Batch),
            requests: counters.requests.load(Relaxed),
            yields_on_request: counters.yields_on_request.load(Relaxed),
            detaches: counters.detaches.load(Relaxed),
            migrations: counters.migrations.load(Relaxed),
            detached_polls: scheduler.detached_polls(),
            signals: counters.signals.load(Relaxed),
            refusals: Refusals::of(counters),
            fibers: fibers.as_ref().map_or(0, |fibers| fibers.fibers()),
            spare_fibers: fibers.as_ref().map_or(0, |fibers| fibers.spares()),
            hand_offs: counters.hand_offs.load(Relaxed),
            hand_offs_at_checkpoint: counters.hand_offs_at_checkpoint.load(Relaxed),
            hand_offs_by_monitor: counters.hand_offs_by_monitor.load(Relaxed),
            world_stops: world.stops,
            world_stop_failures: world.failures,
            world_stopping_duration: world.stopping,
            longest_world_stopping_duration: world.longest_stopping,
            world_stopped_duration: world.stopped,
            live_timers,
            fired_timers,
            io_sources: scheduler.netpoll.sources(),
            io_driver_poll_count,
            io_driver_ready_count,
            poll_time_histogram: sum(&workers, |worker| worker.poll_time_histogram.as_ref()).map(
                |mut all| {
                    all.add(&counters.lost_poll_times.copy());
                    all
                },
            ),
            schedule_latency_histogram: sum(&workers, |worker| {
                worker.schedule_latency_histogram.as_ref()
            }),
            workers,
        }
    }
}

impl PriorityMetrics {
    fn of(scheduler: &Scheduler, class: Priority) -> Self {
        let polls = |processor: &Processor| {
            let (latency, batch) = processor.counters.class_polls();
            match class {
                Priority::Latency => latency,
                Priority::Batch => batch,
                _ => processor.watch.polls().saturating_sub(latency + batch),
            }
        };
        PriorityMetrics {
            queue_depth: scheduler.queued_of(class),
            poll_count: scheduler.processors.iter().map(polls).sum(),
        }
    }
}

/// Of all workers together.
fn sum(
    workers: &[WorkerMetrics],
    of: impl Fn(&WorkerMetrics) -> Option<&Histogram>,
) -> Option<Histogram> {
    workers.iter().filter_map(of).fold(None, |all, one| {
        let mut all = all.unwrap_or_default();
        all.add(one);
        Some(all)
    })
}

fn workers(scheduler: &Scheduler) -> Vec<WorkerMetrics> {
    let scale = Scale::measure();
    let of = |processor: &Processor| WorkerMetrics::of(processor, scheduler, &scale);
    scheduler.used_processors().iter().map(of).collect()
}

impl WorkerMetrics {
    fn of(processor: &Processor, scheduler: &Scheduler, scale: &Scale) -> Self {
        let counters = &processor.counters;
        let numbers = counters.numbers();
        let parked = scale.nanos(numbers.parked_ticks);
        let up = scale.nanos(clock::ticks().saturating_sub(scheduler.built_at));
        let copy = |is_on: bool, buckets: &Buckets| is_on.then(|| buckets.copy());
        let config = &scheduler.config;
        WorkerMetrics {
            poll_count: processor.watch.polls(),
            is_in_poll: processor.watch.observe().is_some(),
            local_queue_depth: processor.queue.len(),
            steal_count: numbers.steals,
            steal_operations: numbers.steal_operations,
            park_count: numbers.parks,
            unpark_count: numbers.unparks,
            noop_count: numbers.noops,
            total_busy_duration: Duration::from_nanos(up.saturating_sub(parked)),
            poll_time_histogram: copy(config.poll_time_histogram, counters.poll_times()),
            schedule_latency_histogram: copy(
                config.schedule_latency_histogram,
                counters.schedule_latency(),
            ),
        }
    }
}

impl TaskStates {
    fn of(scheduler: &Scheduler, workers: &[WorkerMetrics], off_processor: usize) -> Self {
        let in_polls = workers.iter().filter(|worker| worker.is_in_poll).count();
        let live = scheduler.registry.len();
        let detached = scheduler.detached_polls().min(live);
        // The future of `block_on` is no task, and what was queued may run by now.
        let running = (in_polls + off_processor).min(live - detached);
        let queued = scheduler.queued().saturating_sub(scheduler.detached_polls());
        let queued = queued.min(live - detached - running);
        TaskStates { running, queued, detached, waiting: live - detached - running - queued }
    }
}
