//! Torture: does a poll that is suspended at any instruction compute what it would have computed?
//!
//! Tasks of many kinds (`workloads.rs`) run on a few processors with a short time slice. None of
//! them awaits while it works, so every switch is a forced one. Each result is compared with the
//! one that the same function gave undisturbed, before the runtime existed.
//!
//! ```text
//! cargo run --release --example torture -- --seconds 30 --slice-us 200 --backend user
//! ```
//!
//! Options: `--seconds N` (10), `--slice-us N` (200), `--backend user|kernel` (the platform's),
//! `--workers N` (2), `--only NAME` (all kinds of work).
//!
//! The last line is `torture: N checked, 0 wrong`; the exit status is 1 if anything was wrong, or
//! if nothing was ever suspended.

mod workloads;

use preempt::runtime::{Backend, Builder, RuntimeMetrics};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use workloads::{WORKLOADS, Workload};

/// How many tasks there are of each kind.
const TASKS_PER_KIND: u64 = 2;
/// How many different inputs each kind has.
const SEEDS: u64 = 16;

struct Options {
    seconds: u64,
    slice_us: u64,
    workers: usize,
    backend: Option<Backend>,
    only: Option<String>,
}

impl Options {
    fn parse() -> Result<Options, String> {
        let mut options =
            Options { seconds: 10, slice_us: 200, workers: 2, backend: None, only: None };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or(format!("{name} needs a value"))?;
            let number =
                || value.parse::<u64>().map_err(|_| format!("{name}: {value:?} is no number"));
            match name.as_str() {
                "--seconds" => options.seconds = number()?,
                "--slice-us" => options.slice_us = number()?,
                "--workers" => options.workers = number()?.try_into().unwrap_or(usize::MAX),
                "--backend" if value == "user" => options.backend = Some(Backend::User),
                "--backend" if value == "kernel" => options.backend = Some(Backend::Kernel),
                "--only" => options.only = Some(value),
                _ => return Err(format!("unknown: {name} {value}; see the head of this example")),
            }
        }
        Ok(options)
    }

    fn wants(&self, workload: &Workload) -> bool {
        self.only.as_ref().is_none_or(|only| *only == workload.name)
    }
}

/// What a kind of work has come to.
#[derive(Default)]
struct Tally {
    checked: AtomicU64,
    wrong: AtomicU64,
}

/// Works through the seeds until told to stop.
async fn torment(workload: &'static Workload, start: u64, plan: Arc<Plan>) {
    let (expected, tally) = &plan.kinds[workload.name_index()];
    let mut turn = start;
    while !plan.stop.load(Relaxed) {
        let seed = turn % SEEDS;
        let found = (workload.run)(seed);
        tally.checked.fetch_add(1, Relaxed);
        if found != expected[seed as usize] {
            tally.wrong.fetch_add(1, Relaxed);
            eprintln!("{}({seed}) = {found:#x}, not {:#x}", workload.name, expected[seed as usize]);
        }
        turn += 1;
        // Between two pieces of work a task may also move the ordinary way.
        if turn.is_multiple_of(7) {
            preempt::task::yield_now().await;
        }
    }
}

struct Plan {
    stop: AtomicBool,
    /// By the order of `WORKLOADS`: the undisturbed results, and what became of the others.
    kinds: Vec<(Vec<u64>, Tally)>,
}

fn main() -> ExitCode {
    let options = match Options::parse() {
        Ok(options) => options,
        Err(message) => {
            eprintln!("torture: {message}");
            return ExitCode::from(2);
        }
    };
    // A kind of work panics on purpose; its messages would hide the others.
    workloads::silence_intended_panics();
    let undisturbed = |workload: &Workload| (0..SEEDS).map(workload.run).collect();
    let plan = Arc::new(Plan {
        stop: AtomicBool::new(false),
        kinds: WORKLOADS.iter().map(|workload| (undisturbed(workload), Tally::default())).collect(),
    });
    let metrics = run(&options, &plan);
    report(&plan, &metrics)
}

fn run(options: &Options, plan: &Arc<Plan>) -> RuntimeMetrics {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(options.workers).time_slice(Duration::from_micros(options.slice_us));
    if let Some(backend) = options.backend {
        builder.backend(backend);
    }
    let runtime = builder.build().expect("the runtime starts");
    let deadline = Instant::now() + Duration::from_secs(options.seconds);
    runtime.block_on(async {
        let mut tasks = preempt::task::JoinSet::new();
        for workload in WORKLOADS.iter().filter(|workload| options.wants(workload)) {
            for task in 0..TASKS_PER_KIND {
                tasks.spawn(torment(workload, task * SEEDS / TASKS_PER_KIND, plan.clone()));
            }
        }
        // Keeps timers and wake-ups going between the hogs.
        while Instant::now() < deadline {
            preempt::time::sleep(Duration::from_millis(3)).await;
        }
        plan.stop.store(true, Relaxed);
        tasks.join_all().await;
    });
    runtime.metrics()
}

fn report(plan: &Plan, metrics: &RuntimeMetrics) -> ExitCode {
    let (mut checked, mut wrong) = (0, 0);
    for (workload, (_, tally)) in WORKLOADS.iter().zip(&plan.kinds) {
        let counts = (tally.checked.load(Relaxed), tally.wrong.load(Relaxed));
        println!("{:20} {:>9} checked {:>4} wrong", workload.name, counts.0, counts.1);
        checked += counts.0;
        wrong += counts.1;
    }
    println!(
        "requests {}, signals {}, detaches {}, migrations {}, hand-offs {}, fibers {}, threads {}",
        metrics.requests,
        metrics.signals,
        metrics.detaches,
        metrics.migrations,
        metrics.hand_offs,
        metrics.fibers,
        metrics.machine_threads,
    );
    println!("refused: {:?}", metrics.refusals);
    println!("torture: {checked} checked, {wrong} wrong");
    if wrong == 0 && metrics.detaches > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
