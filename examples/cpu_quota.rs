//! Containers with a CPU quota: how many worker threads?
//!
//! A quota of half a CPU is 50 ms in each 100 ms, on as many CPUs as there are. Two threads that compute
//! use that up in 25 ms, and then the whole process stands still for 75 ms, requests and all; one thread
//! stands still for 50 ms. So more worker threads than the quota is worth make nothing faster, and latency
//! worse. Requests of 1 ms each come here every 10 ms, beside computations without an end, in a control
//! group with a quota, and what is measured is how long each takes, from the moment when it is due:
//!
//! * 0.5 CPUs: one worker, two (the least that Go 1.25 has in a container), and the number that
//!   the runtime finds by itself;
//! * 1.5 CPUs, the same. One worker, which is what `Rounding::Floor` makes of it, leaves a third of the quota
//!   unused, and is never throttled;
//! * 0.5 CPUs that were 1.5 when the process was started: the number that the runtime finds by itself
//!   follows.
//!
//! Run it, as root, with
//!
//! ```text
//! cargo run --release --example cpu_quota [-- --seconds 5]
//! ```
//!
//! Where no control group can be made, but the process has a quota already, as in
//!
//! ```text
//! docker run --rm --cpus 0.5 -v "$PWD":/preempt -w /preempt rust \
//!     cargo run --release --example cpu_quota
//! ```
//!
//! that one is used, and there are three rows only.

#[cfg(target_os = "linux")]
mod cgroup;
#[cfg(target_os = "linux")]
mod measured;

#[cfg(target_os = "linux")]
fn main() -> Result<(), String> {
    linux::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("There are CPU quotas on Linux only.");
}

#[cfg(target_os = "linux")]
mod linux {
    use super::cgroup::{self, Group};
    use super::measured::{Arguments, Latencies};
    use preempt::runtime::{Builder, CpuThrottling, Runtime};
    use preempt::task::spawn;
    use preempt::time::{Instant, sleep_until};
    use std::env;
    use std::hint::black_box;
    use std::io;
    use std::path::Path;
    use std::process::{Child, Command};
    use std::sync::{Arc, Mutex};
    use std::thread;
    use std::time::Duration;

    const REQUEST_PERIOD: Duration = Duration::from_millis(10);
    const REQUEST_WORK: Duration = Duration::from_millis(1);

    /// Computations without an end, as many as the most workers.
    const HOGS: usize = 2;

    /// What the runtime takes after a change is not measured: it looks about once a second.
    const SETTLE_AFTER_CHANGE: Duration = Duration::from_secs(4);
    const SETTLE: Duration = Duration::from_millis(500);

    /// How many worker threads a row has.
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Workers {
        Count(usize),
        /// As the runtime finds by itself.
        Followed,
    }

    const WORKERS: [Workers; 3] = [Workers::Count(1), Workers::Count(2), Workers::Followed];

    impl Workers {
        /// Zero stands for the last one on a command line.
        fn number(self) -> usize {
            match self {
                Workers::Count(count) => count,
                Workers::Followed => 0,
            }
        }
    }

    pub(super) fn main() -> Result<(), String> {
        let mut arguments = Arguments::of_the_program()?;
        let seconds = arguments.take("seconds", 5.0)?;
        let row = arguments.take("row", usize::MAX)?;
        let units = arguments.take("units", 0)?;
        let settle_ms = arguments.take("settle-ms", 0)?;
        let label = arguments.take("label", String::new())?;
        let group = arguments.take("group", String::new())?;
        arguments.finish()?;
        let time = Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?;
        if row != usize::MAX {
            if !group.is_empty() {
                cgroup::enter(Path::new(&group)).map_err(|error| error.to_string())?;
            }
            let workers = if row == 0 { Workers::Followed } else { Workers::Count(row) };
            let row = Row { label, workers, units, settle: Duration::from_millis(settle_ms), time };
            return row.run().map_err(|error| error.to_string());
        }
        table(time)
    }

    fn table(time: Duration) -> Result<(), String> {
        let units = units_of(REQUEST_WORK);
        let start = |label: &str, workers: Workers, settle: Duration, group: Option<&Group>| {
            let mut command = Command::new(env::current_exe()?);
            command.args(["--row", &workers.number().to_string(), "--label", label]);
            command.args([
                "--units",
                &units.to_string(),
                "--seconds",
                &time.as_secs_f64().to_string(),
            ]);
            command.args(["--settle-ms", &settle.as_millis().to_string()]);
            if let Some(group) = group {
                command.arg("--group").arg(group.directory());
            }
            command.env_remove("PREEMPT_WORKERS").spawn()
        };
        let failed = |error: io::Error| error.to_string();
        let name = format!("preempt-cpu-quota-{}", std::process::id());
        match Group::new(&name, 50) {
            Ok(group) => {
                heading();
                for percent in [50, 150] {
                    group.set_quota(percent).map_err(failed)?;
                    let label = format!("{:.1}", f64::from(percent) / 100.0);
                    for workers in WORKERS {
                        finish(start(&label, workers, SETTLE, Some(&group)).map_err(failed)?)?;
                    }
                }
                for workers in [Workers::Count(2), Workers::Followed] {
                    group.set_quota(150).map_err(failed)?;
                    let settle = SETTLE + SETTLE_AFTER_CHANGE;
                    let row = start("1.5 -> 0.5", workers, settle, Some(&group)).map_err(failed)?;
                    thread::sleep(SETTLE);
                    group.set_quota(50).map_err(failed)?;
                    finish(row)?;
                }
            }
            Err(why) => {
                let runtime = Runtime::new().map_err(failed)?;
                let Some(quota) = runtime.metrics().cpu_limits.quota else {
                    explain(&why);
                    return Ok(());
                };
                drop(runtime);
                heading();
                for workers in WORKERS {
                    let label = format!("{:.1}", quota.cpus());
                    finish(start(&label, workers, SETTLE, None).map_err(failed)?)?;
                }
            }
        }
        Ok(())
    }

    fn finish(mut row: Child) -> Result<(), String> {
        let status = row.wait().map_err(|error| error.to_string())?;
        if status.success() { Ok(()) } else { Err(format!("a row failed: {status}")) }
    }

    fn heading() {
        println!(
            "Requests of {} ms each {} ms beside {HOGS} endless computations.",
            REQUEST_WORK.as_millis(),
            REQUEST_PERIOD.as_millis()
        );
        println!();
        println!(
            " quota, CPUs | workers      | requests | p50 ms | p99 ms | max ms | periods throttled"
        );
        println!(
            "-------------|--------------|----------|--------|--------|--------|------------------"
        );
    }

    fn explain(why: &str) {
        println!("There is no control group with a CPU quota to show this in: {why}.");
        println!("Run it as root, or in a container that has one:");
        println!();
        println!("    docker run --rm --cpus 0.5 -v \"$PWD\":/preempt -w /preempt rust \\");
        println!("        cargo run --release --example cpu_quota");
    }

    /// Computes.
    #[inline(never)]
    fn compute(units: u64) {
        let mut number = units;
        for _ in 0..units {
            number = black_box(number.wrapping_mul(31) ^ 7);
        }
    }

    /// How many units take so long. The fastest of some tries was disturbed the least.
    fn units_of(time: Duration) -> u64 {
        const UNITS: u64 = 200_000;
        let time_of_some = || {
            let start = Instant::now();
            compute(UNITS);
            start.elapsed()
        };
        let fastest = (0..50).map(|_| time_of_some()).min().unwrap_or_default();
        let units = UNITS as f64 * time.as_secs_f64() / fastest.as_secs_f64().max(1e-9);
        (units as u64).max(1)
    }

    /// One row of the table, in a process of its own.
    struct Row {
        label: String,
        workers: Workers,
        /// How much a request computes.
        units: u64,
        settle: Duration,
        time: Duration,
    }

    impl Row {
        fn run(self) -> io::Result<()> {
            let mut builder = Builder::new_multi_thread();
            builder.stall_report(false);
            if let Workers::Count(count) = self.workers {
                builder.worker_threads(count);
            }
            let runtime = builder.build()?;
            for _ in 0..HOGS {
                runtime.spawn(async {
                    loop {
                        compute(1_000_000);
                    }
                });
            }
            let latencies = Arc::new(Mutex::new(Latencies::default()));
            let first = Instant::now() + self.settle;
            let end = first + self.time;
            runtime.spawn(serve(first, end, self.units, latencies.clone()));
            sleep_thread_until(first);
            let before = runtime.metrics().cpu_limits.throttling.unwrap_or_default();
            sleep_thread_until(end);
            let metrics = runtime.metrics();
            let after = metrics.cpu_limits.throttling.unwrap_or_default();
            // The last requests are on their way.
            thread::sleep(Duration::from_millis(500));
            self.print(metrics.num_workers(), &latencies.lock().expect("no panic"), before, after);
            // The computations have no end.
            std::process::exit(0)
        }

        fn print(
            &self,
            workers: usize,
            latencies: &Latencies,
            before: CpuThrottling,
            after: CpuThrottling,
        ) {
            let [p50, p99, max] = latencies.percentiles([50.0, 99.0, 100.0]);
            let how = match self.workers {
                Workers::Count(_) => format!("{workers}"),
                Workers::Followed => format!("{workers} (followed)"),
            };
            let periods = after.periods - before.periods;
            let throttled = after.throttled_periods - before.throttled_periods;
            println!(
                " {:<11} | {how:<12} | {:>8} | {p50:>6.2} | {p99:>6.2} | {max:>6.2} | {throttled:>4} of {periods}",
                self.label,
                latencies.count(),
            );
        }
    }

    fn sleep_thread_until(then: Instant) {
        thread::sleep(then.saturating_duration_since(Instant::now()));
    }

    /// A request is due in each period, whether those before it are done or not.
    async fn serve(first: Instant, end: Instant, units: u64, latencies: Arc<Mutex<Latencies>>) {
        let mut due = first;
        while due < end {
            sleep_until(due).await;
            let latencies = latencies.clone();
            spawn(async move {
                compute(units);
                latencies.lock().expect("no panic").add(due.elapsed());
            });
            due += REQUEST_PERIOD;
        }
    }
}
