//! Building a runtime.

use super::DebugEndpoint;
use super::Runtime;
use super::config::{Config, Flavor, SeedSettings};
use crate::cpus::{self, Cpus, Rounding};
use crate::endpoint::EndpointSetting;
use crate::observe::Stall;
use crate::scheduler::DEFAULT_SHARES;
use crate::scheduler::idle::MOST_PROCESSORS;
use preempt_fiber::Backend;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The environment variable that sets the number of worker threads.
const WORKERS_VARIABLE: &str = "PREEMPT_WORKERS";

/// As in Go.
const DEFAULT_TIME_SLICE: Duration = Duration::from_millis(10);

#[cfg(unix)]
const DEFAULT_SIGNAL: i32 = libc::SIGURG;
#[cfg(not(unix))]
const DEFAULT_SIGNAL: i32 = 0;

/// How many time slices a poll keeps others waiting until it is reported.
const SLICES_OF_A_STALL: u32 = 10;

const MOST_DETACHED: usize = 16_384;

const DEFAULT_PREEMPT_PROBABILITY: f64 = 0.25;

const DEFAULT_TRACE_BYTES: usize = 1024 * 1024;
const MOST_TRACE_BYTES: usize = 1024 * 1024 * 1024;

const SHORTEST_TIME_SLICE: Duration = Duration::from_micros(100);
const LONGEST_TIME_SLICE: Duration = Duration::from_secs(60);

const MOST_WEIGHT: u32 = 10_000;

/// # Panics
/// If a poll may not have such a time slice.
#[track_caller]
pub(crate) fn check_time_slice(slice: Duration) {
    assert!(
        (SHORTEST_TIME_SLICE..=LONGEST_TIME_SLICE).contains(&slice),
        "`time_slice` must be 100 us to 60 s, not {slice:?}"
    );
}

/// Builds a [`Runtime`] with settings of one's own. The methods of tokio's builder have tokio's
/// meaning.
#[derive(Debug)]
pub struct Builder {
    config: Config,
    /// Set by hand.
    workers: Option<usize>,
    stall_report: bool,
}

impl Builder {
    /// A runtime with worker threads: as many as [`worker_threads`](Self::worker_threads) says, or the
    /// environment variable `PREEMPT_WORKERS`. Without either, or if the variable is `auto`, as many as
    /// this process may use: the CPUs in its affinity mask, and no more than the least CPU quota of its
    /// control group and those above it lasts for (Linux, both versions). That number is read again about
    /// once a second while the runtime works, see [`follow_cpu_limits`](Self::follow_cpu_limits).
    #[must_use]
    pub fn new_multi_thread() -> Builder {
        Self::new(Flavor::MultiThread)
    }

    /// A runtime whose tasks run on the thread that calls `block_on`, and nowhere else: a poll
    /// that does not give way is never handed off.
    #[must_use]
    pub fn new_current_thread() -> Builder {
        Self::new(Flavor::CurrentThread)
    }

    /// A runtime for tests, in which everything that happens follows from `seed`.
    ///
    /// One thing runs at a time: a poll of a task, of the future of `block_on`, or the closure of
    /// `spawn_blocking`. What is next is drawn among all that is ready, and at each checkpoint and each
    /// await in annotated code it is drawn whether the poll is preempted there. Another seed is another
    /// schedule; the same seed is the same schedule, in each run of the same program, also on a busy
    /// machine. [`Runtime::schedule_hash`] tells whether two runs went the same way.
    ///
    /// * Tasks run only while some thread is in `block_on`.
    /// * The clock is stopped. When nothing is ready it goes on to the next timer, so that a test of
    ///   hours takes no time; [`advance`](crate::time::advance) moves it by hand.
    /// * When nothing is ready, no timer is set and nothing is waited for that comes from outside (a socket
    ///   or pipe is open, a child process, a signal or standard input is waited for), `block_on` panics and
    ///   lists the tasks that wait. That a thread of the application's own would have woken one is not
    ///   foreseen.
    /// * The closures of `spawn_blocking` and the operations of `fs` run on threads of their own, in
    ///   turn with all others. One that blocks for something that another task does, by other means than
    ///   [`Handle::block_on`](super::Handle::block_on), waits for ever, as does a poll that waits for a
    ///   `std::sync::Mutex` whose owner was preempted at a checkpoint: protect such a section by
    ///   `no_preempt`, or use the locks of `preempt::sync`.
    /// * What comes from outside is not in the seed's power: sockets, processes, signals, other threads,
    ///   the system's clock, `RandomState`, `tokio::select!` (`preempt::select!` is). Sockets do work; a
    ///   timer goes before an event that has not come yet.
    ///
    /// There is no monitor: nothing is handed off, interrupted or reported. `#[preempt::test(seeds = 200)]`
    /// runs a test with many seeds.
    ///
    /// ```
    /// use preempt_executor::runtime::Builder;
    ///
    /// let hash_of = |seed| {
    ///     let runtime = Builder::new_seeded(seed).build().unwrap();
    ///     runtime.block_on(async {
    ///         let tasks = [1, 2, 3].map(|n| preempt_executor::spawn(async move { n }));
    ///         for task in tasks {
    ///             task.await.unwrap();
    ///         }
    ///     });
    ///     runtime.schedule_hash()
    /// };
    /// assert_eq!(hash_of(7), hash_of(7));
    /// ```
    #[must_use]
    pub fn new_seeded(seed: u64) -> Builder {
        let mut builder = Self::new(Flavor::MultiThread);
        builder.workers = Some(1);
        builder.stall_report = false;
        let config = &mut builder.config;
        config.hand_off = false;
        config.forced_preemption = false;
        config.preempt_on_wake = false;
        config.seeded =
            Some(SeedSettings { seed, preempt_probability: DEFAULT_PREEMPT_PROBABILITY });
        builder
    }

    /// How likely a poll of a seeded runtime is preempted at a checkpoint. The default is 0.25; with 0
    /// polls end at their awaits only, with 1 at each checkpoint.
    ///
    /// # Panics
    /// If it is not 0 to 1, or the runtime is not a seeded one.
    #[track_caller]
    pub fn preempt_probability(&mut self, probability: f64) -> &mut Self {
        assert!(
            (0.0..=1.0).contains(&probability),
            "`preempt_probability` must be 0 to 1, not {probability}"
        );
        let Some(seeded) = &mut self.config.seeded else {
            panic!("`preempt_probability` is for seeded runtimes: use `Builder::new_seeded`")
        };
        seeded.preempt_probability = probability;
        self
    }

    fn new(flavor: Flavor) -> Builder {
        let config = Config {
            flavor,
            processors: 1,
            most_processors: 1,
            follow_cpu_limits: true,
            quota_rounding: Rounding::default(),
            system_root: PathBuf::from("/"),
            time_slice: DEFAULT_TIME_SLICE,
            shares: DEFAULT_SHARES,
            hand_off: true,
            forced_preemption: true,
            preemption_signal: DEFAULT_SIGNAL,
            max_detached: 256,
            backend: None,
            preempt_on_wake: true,
            max_blocking_threads: 512,
            blocking_keep_alive: Duration::from_secs(10),
            thread_name: "preempt-worker".to_owned(),
            thread_stack_size: None,
            on_thread_start: None,
            on_thread_stop: None,
            stall_threshold: None,
            on_stall: None,
            dump_on_quit: false,
            poll_time_histogram: false,
            schedule_latency_histogram: false,
            trace: false,
            trace_bytes: DEFAULT_TRACE_BYTES,
            trace_on_panic: None,
            trace_on_stall: None,
            debug_endpoint: None,
            start_paused: false,
            seeded: None,
        };
        Builder { config, workers: None, stall_report: true }
    }

    /// How many processors there are, that is, how many tasks run at the same time. The runtime
    /// has more threads than that while polls go on without a processor.
    ///
    /// # Panics
    /// If it is zero or more than 32,768, or not one for a seeded runtime.
    #[track_caller]
    pub fn worker_threads(&mut self, count: usize) -> &mut Self {
        assert!(
            count == 1 || self.config.seeded.is_none(),
            "`worker_threads`: in a seeded runtime one thing runs at a time; remove the call"
        );
        assert!(
            (1..=MOST_PROCESSORS).contains(&count),
            "`worker_threads` must be 1 to {MOST_PROCESSORS}, not {count}; leave the call out to \
             have as many as this process may use"
        );
        self.workers = Some(count);
        self
    }

    /// What a CPU quota of 1.5 CPUs, say, makes of the number of worker threads. The default is
    /// [`Rounding::Ceil`]. Has no effect if the number is set by hand.
    pub fn quota_rounding(&mut self, rounding: Rounding) -> &mut Self {
        self.config.quota_rounding = rounding;
        self
    }

    /// Whether the number of worker threads follows the affinity mask and the CPU quota when they change.
    /// The default is `true`; has no effect if the number is set by hand, and ends for good when that is
    /// done later. They are read by a thread of their own, while the runtime works, about once a second.
    pub fn follow_cpu_limits(&mut self, on: bool) -> &mut Self {
        self.config.follow_cpu_limits = on;
        self
    }

    /// The directory in which `proc` and `sys` are found that tell of CPU quotas. The default is `/`; for
    /// containers that have them elsewhere, and for tests.
    pub fn system_root(&mut self, path: impl Into<PathBuf>) -> &mut Self {
        self.config.system_root = path.into();
        self
    }

    /// How long a poll may run while other tasks wait, before it is asked to give way. The default
    /// is 10 ms. Polls that nobody waits behind are not limited.
    ///
    /// # Panics
    /// If it is less than 100 us or more than 60 s.
    #[track_caller]
    pub fn time_slice(&mut self, slice: Duration) -> &mut Self {
        check_time_slice(slice);
        self.config.time_slice = slice;
        self
    }

    /// How tasks of the classes latency, normal and batch (see
    /// [`Priority`](crate::task::Priority)) share the workers' time while there is not enough of it. The
    /// default is `[16, 4, 1]`: a class that is higher clearly goes first, and a lower one gets on.
    ///
    /// Only the classes that have something ready count: with the default a normal and a batch task that
    /// compute all the time have four fifths and a fifth. A class that uses less than its share goes
    /// before the lower ones whenever it has something ready. The share is kept over some time slices,
    /// not in each of them.
    ///
    /// # Panics
    /// If a weight is zero or more than 10,000.
    #[track_caller]
    pub fn priority_weights(&mut self, weights: [u32; 3]) -> &mut Self {
        assert!(
            weights.iter().all(|weight| (1..=MOST_WEIGHT).contains(weight)),
            "`priority_weights` must be 1 to {MOST_WEIGHT} each, not {weights:?}"
        );
        self.config.shares.weights = weights;
        self
    }

    /// The least that each of the classes latency, normal and batch gets of the workers' time while it
    /// has something ready, in percent: for one whose
    /// [weight](Self::priority_weights) would give it less. The default is `[5, 5, 5]`.
    ///
    /// # Panics
    /// If a floor is zero, or they are more than 100 together.
    #[track_caller]
    pub fn priority_floors(&mut self, percent: [u32; 3]) -> &mut Self {
        let sum = percent.iter().fold(0, |sum: u32, floor| sum.saturating_add(*floor));
        assert!(
            percent.iter().all(|&floor| floor >= 1) && sum <= 100,
            "`priority_floors` must be 1% to 98% each and 100% at most together, not {percent:?}"
        );
        self.config.shares.floors = percent;
        self
    }

    /// Whether a poll that goes on after it was asked to give way loses its processor to another
    /// thread. The default is `true`; with `false` only checkpoints and awaits end a poll.
    pub fn hand_off(&mut self, on: bool) -> &mut Self {
        self.config.hand_off = on;
        self
    }

    /// Whether a poll that reaches no checkpoint is suspended by a signal. The default is `true`,
    /// on platforms that can (x86-64 Linux with glibc); with `false` such a poll is handed off.
    pub fn forced_preemption(&mut self, on: bool) -> &mut Self {
        self.config.forced_preemption = on;
        self
    }

    /// The signal of forced preemption. The default is `SIGURG`, as in Go. It is chosen once per
    /// process; `build` fails if another runtime uses another one.
    ///
    /// The application may use the signal, too, if it installs its handler before the first runtime is
    /// built: it is called for all signals but the runtime's own. A handler that is installed later
    /// should call the one that was there. If it does not, the runtime says so on standard error and
    /// hands polls off until its own handler is back.
    pub fn preemption_signal(&mut self, signal: i32) -> &mut Self {
        self.config.preemption_signal = signal;
        self
    }

    /// How many polls may be suspended in the middle at a time; each takes a stack. Beyond that
    /// they are handed off. The default is 256; with zero nothing is ever suspended.
    ///
    /// # Panics
    /// If it is more than 16,384.
    #[track_caller]
    pub fn max_detached(&mut self, count: usize) -> &mut Self {
        assert!(
            count <= MOST_DETACHED,
            "`max_detached` must be 0 to {MOST_DETACHED}, not {count}: each takes a thread"
        );
        self.config.max_detached = count;
        self
    }

    /// How a poll's stack is left and entered again. The default is the platform's fastest; the
    /// environment variable `PREEMPT_FIBER_BACKEND` (`user`, `kernel`) goes before both.
    pub fn backend(&mut self, backend: Backend) -> &mut Self {
        self.config.backend = Some(backend);
        self
    }

    /// Whether a task that becomes ready while every processor has been in one poll for more than
    /// 100 us has the longest of them asked to give way at once, instead of after its time slice; and
    /// whether one of a higher [class](crate::task::Priority) than such a poll does so without the
    /// 100 us. The default is `true`.
    pub fn preempt_on_wake(&mut self, on: bool) -> &mut Self {
        self.config.preempt_on_wake = on;
        self
    }

    /// Whether polls are reported that keep others waiting for long and do not give way by
    /// themselves: which task, what it does, and what can be done about it. The default is `true`:
    /// with the feature `tracing` and a subscriber, as an event of the `tracing` crate (level WARN, target
    /// `preempt::stall`), else on standard error.
    ///
    /// Code that gives way when it is asked to is not reported. A report costs nothing until then; the
    /// first one starts a thread. Reports are limited to two a second for the tasks that are spawned at
    /// one place, and four a second in all.
    pub fn stall_report(&mut self, on: bool) -> &mut Self {
        self.stall_report = on;
        self
    }

    /// How long a poll keeps others waiting until it is reported, see
    /// [`stall_report`](Self::stall_report). The default is ten time slices.
    pub fn stall_threshold(&mut self, threshold: Duration) -> &mut Self {
        self.config.stall_threshold = Some(threshold);
        self
    }

    /// Passes the reports to a function instead, see [`stall_report`](Self::stall_report). It is called
    /// on a thread of its own, in the runtime's context, and may take its time.
    pub fn on_stall(&mut self, hook: impl Fn(&Stall) + Send + Sync + 'static) -> &mut Self {
        self.config.on_stall = Some(Arc::new(hook));
        self
    }

    /// Whether the signal SIGQUIT (ctrl-\) shows on standard error where all tasks are, see
    /// [`Handle::dump`](super::Handle::dump), instead of ending the process. The default is `false`. Has
    /// no effect where there is no such signal.
    pub fn dump_on_sigquit(&mut self, on: bool) -> &mut Self {
        self.config.dump_on_quit = on;
        self
    }

    /// How many threads `spawn_blocking` may use. The default is 512.
    ///
    /// # Panics
    /// If it is zero.
    #[track_caller]
    pub fn max_blocking_threads(&mut self, count: usize) -> &mut Self {
        assert!(count > 0, "`max_blocking_threads` must be 1 or more: `spawn_blocking` needs one");
        self.config.max_blocking_threads = count;
        self
    }

    /// How long a thread for blocking work waits for more of it. The default is 10 s.
    pub fn thread_keep_alive(&mut self, keep_alive: Duration) -> &mut Self {
        self.config.blocking_keep_alive = keep_alive;
        self
    }

    /// What the runtime's threads are called. The default is `preempt-worker`.
    pub fn thread_name(&mut self, name: impl Into<String>) -> &mut Self {
        self.config.thread_name = name.into();
        self
    }

    /// The stack size of the runtime's threads in bytes. The default is Rust's.
    pub fn thread_stack_size(&mut self, stack_bytes: usize) -> &mut Self {
        self.config.thread_stack_size = Some(stack_bytes);
        self
    }

    /// Called on each thread of the runtime before it works.
    pub fn on_thread_start(&mut self, hook: impl Fn() + Send + Sync + 'static) -> &mut Self {
        self.config.on_thread_start = Some(Arc::new(hook));
        self
    }

    /// Called on each thread of the runtime after it has worked.
    pub fn on_thread_stop(&mut self, hook: impl Fn() + Send + Sync + 'static) -> &mut Self {
        self.config.on_thread_stop = Some(Arc::new(hook));
        self
    }

    /// Has the runtime count how long polls take:
    /// [`RuntimeMetrics::poll_time_histogram`](crate::runtime::RuntimeMetrics::poll_time_histogram). It
    /// costs a reading of the clock for each poll.
    pub fn enable_metrics_poll_time_histogram(&mut self) -> &mut Self {
        self.config.poll_time_histogram = true;
        self
    }

    /// Has the runtime count how long tasks wait from a wake-up to their poll:
    /// [`RuntimeMetrics::schedule_latency_histogram`](crate::runtime::RuntimeMetrics::schedule_latency_histogram).
    /// It costs two readings of the clock for each poll.
    pub fn enable_metrics_schedule_latency_histogram(&mut self) -> &mut Self {
        self.config.schedule_latency_histogram = true;
        self
    }

    /// Whether the runtime records what it does from the start, see [`Tracer`](crate::trace::Tracer).
    /// The default is `false`; the tracer can start later as well.
    pub fn trace(&mut self, on: bool) -> &mut Self {
        self.config.trace = on;
        self
    }

    /// How many bytes of events are kept for each thread that runs tasks, and for all others together.
    /// The default is 1 MiB, which is some 16,000 events. The memory is taken when the tracer first
    /// starts.
    ///
    /// # Panics
    /// If it is more than 1 GiB.
    #[track_caller]
    pub fn trace_buffer_bytes(&mut self, bytes: usize) -> &mut Self {
        assert!(
            bytes <= MOST_TRACE_BYTES,
            "`trace_buffer_bytes` must be at most {MOST_TRACE_BYTES}, not {bytes}"
        );
        self.config.trace_bytes = bytes;
        self
    }

    /// Records from the start, and writes what was recorded to a file when something panics for the
    /// first time on a thread of the runtime, or in its `block_on`: JSON if the name ends in `.json`,
    /// else a Perfetto trace.
    ///
    /// It is done by a panic hook, which calls the one that was there before. A hook that the
    /// application sets after `build` has to do the same.
    pub fn trace_on_panic(&mut self, path: impl Into<PathBuf>) -> &mut Self {
        self.config.trace = true;
        self.config.trace_on_panic = Some(path.into());
        self
    }

    /// Records from the start, and writes what was recorded to a file when a poll is reported for the
    /// first time (see [`stall_report`](Self::stall_report)), with the end of the name as in
    /// [`trace_on_panic`](Self::trace_on_panic). For more than the first one use a function of
    /// [`on_stall`](Self::on_stall), in which
    /// [`Handle::current`](super::Handle::current)`().tracer()` is this runtime's.
    pub fn trace_on_stall(&mut self, path: impl Into<PathBuf>) -> &mut Self {
        self.config.trace = true;
        self.config.trace_on_stall = Some(path.into());
        self
    }

    /// Shows over HTTP what the runtime does, at that address, usually `127.0.0.1:6060`: its tasks,
    /// metrics, traces, see [`DebugEndpoint`]. [`Runtime::debug_addr`] tells where, if the port is 0.
    /// `build` fails if nobody can listen there, or if it is no loopback address and the endpoint does
    /// not allow others. There is none by default.
    ///
    /// ```
    /// use preempt_executor::runtime::Builder;
    /// use std::net::SocketAddr;
    ///
    /// let addr = SocketAddr::from(([127, 0, 0, 1], 0));
    /// let runtime = Builder::new_multi_thread().debug_endpoint(addr).build().unwrap();
    /// println!("curl http://{}/debug/tasks", runtime.debug_addr().unwrap());
    /// ```
    pub fn debug_endpoint(&mut self, endpoint: impl Into<DebugEndpoint>) -> &mut Self {
        self.config.debug_endpoint = Some(EndpointSetting::new(endpoint.into()));
        self
    }

    /// Whether the clock is stopped from the start, for tests: see [`pause`](crate::time::pause). The
    /// default is `false`.
    ///
    /// # Panics
    /// If it is switched on for a multi-threaded runtime, or off for a seeded one.
    #[track_caller]
    pub fn start_paused(&mut self, on: bool) -> &mut Self {
        if self.config.seeded.is_some() {
            assert!(on, "`start_paused`: the clock of a seeded runtime is always stopped");
            return self;
        }
        assert!(
            !on || self.config.flavor == Flavor::CurrentThread,
            "`start_paused`: only the clock of a current-thread runtime can be stopped"
        );
        self.config.start_paused = on;
        self
    }

    /// Does nothing: sockets, pipes and signals are always on. Here so that code for tokio compiles.
    pub fn enable_io(&mut self) -> &mut Self {
        self
    }

    /// Does nothing: timers are always on. Here so that code for tokio compiles.
    pub fn enable_time(&mut self) -> &mut Self {
        self
    }

    /// Does nothing: whatever the runtime has is always on. Here so that code for tokio compiles.
    pub fn enable_all(&mut self) -> &mut Self {
        self
    }

    /// Builds the runtime and starts its threads.
    ///
    /// # Errors
    /// When the operating system makes no thread, or `PREEMPT_WORKERS` is no valid number.
    pub fn build(&mut self) -> io::Result<Runtime> {
        let mut config = self.config.clone();
        match config.flavor {
            Flavor::MultiThread => {
                match self.workers()? {
                    Workers::Count(count) => {
                        config.processors = count;
                        config.follow_cpu_limits = false;
                    }
                    Workers::Auto => {
                        let limits = Cpus::new(&config.system_root).read_and_warn();
                        config.processors = limits.processors(config.quota_rounding);
                    }
                }
                let most = if config.seeded.is_some() { 1 } else { cpus::configured() };
                config.most_processors = config.processors.max(most);
            }
            Flavor::CurrentThread => {
                // There is no other thread to hand a processor to.
                config.hand_off = false;
                config.follow_cpu_limits = false;
            }
        }
        let threshold = config.stall_threshold.unwrap_or(config.time_slice * SLICES_OF_A_STALL);
        config.stall_threshold = self.stall_report.then_some(threshold);
        if config.seeded.is_some() {
            // Whatever was set: all of these act by the system's clock.
            config.hand_off = false;
            config.forced_preemption = false;
            config.preempt_on_wake = false;
            config.stall_threshold = None;
        }
        Runtime::start(config)
    }

    fn workers(&self) -> io::Result<Workers> {
        if let Some(count) = self.workers {
            return Ok(Workers::Count(count));
        }
        let Some(text) = std::env::var_os(WORKERS_VARIABLE) else { return Ok(Workers::Auto) };
        Workers::from_text(text.to_str().unwrap_or_default()).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "the environment variable {WORKERS_VARIABLE} must be a number from 1 to \
                     {MOST_PROCESSORS}, or `auto`, not {text:?}"
                ),
            )
        })
    }
}

/// How many worker threads there are to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workers {
    /// 1 to [`MOST_PROCESSORS`].
    Count(usize),
    /// As many as the process may use.
    Auto,
}

impl Workers {
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        match text.trim() {
            "auto" => Some(Workers::Auto),
            number => {
                let count = number.parse().ok().filter(|it| (1..=MOST_PROCESSORS).contains(it));
                count.map(Workers::Count)
            }
        }
    }
}

#[cfg(any(fuzzing, test))]
#[path = "../fuzzing/workers.rs"]
pub(crate) mod fuzz;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_takes_numbers_from_one_on_and_auto() {
        assert_eq!(Workers::from_text("1"), Some(Workers::Count(1)));
        assert_eq!(Workers::from_text(" 8 "), Some(Workers::Count(8)));
        assert_eq!(Workers::from_text("32768"), Some(Workers::Count(32_768)));
        assert_eq!(Workers::from_text(" auto\n"), Some(Workers::Auto));
        for wrong in
            ["", "0", "-1", "two", "1.5", "99999999999999999999", "32769", "auto 2", "AUTO"]
        {
            assert_eq!(Workers::from_text(wrong), None, "{wrong:?}");
        }
    }
}
