//! Runs the operations, looks at the gauges and judges.

use crate::gauges::{Gauges, History};
use crate::operations::{KINDS, Kind, PURPOSE};
use preempt::runtime::{Backend, Builder, Runtime};
use preempt::task::JoinHandle;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

/// Looks at the gauges in the whole time.
const LOOKS: u32 = 200;
/// How long the operations that are under way may take when the time is over, and how long the threads of
/// runtimes that end in the background.
const LIMIT: Duration = Duration::from_secs(60);

struct Options {
    length: Duration,
    every: Option<Duration>,
    workers: usize,
    backend: Option<Backend>,
    only: Option<String>,
}

impl Options {
    fn parse() -> Result<Options, String> {
        let length = Duration::from_secs(60);
        let mut options = Options { length, every: None, workers: 2, backend: None, only: None };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or(format!("{name} needs a value"))?;
            let number = || match value.parse::<u64>() {
                Ok(number) if number > 0 => Ok(number),
                _ => Err(format!("{name}: {value:?} is no number from 1 on")),
            };
            match name.as_str() {
                "--seconds" => options.length = Duration::from_secs(number()?),
                "--every" => options.every = Some(Duration::from_secs(number()?)),
                "--workers" => options.workers = number()?.try_into().unwrap_or(usize::MAX),
                "--backend" if value == "user" => options.backend = Some(Backend::User),
                "--backend" if value == "kernel" => options.backend = Some(Backend::Kernel),
                "--only" if KINDS.iter().any(|kind| kind.name == value) => {
                    options.only = Some(value);
                }
                _ => return Err(format!("unknown: {name} {value}; see the head of this example")),
            }
        }
        Ok(options)
    }

    fn kinds(&self) -> impl Iterator<Item = (usize, &'static Kind)> {
        let wanted = |kind: &Kind| self.only.as_ref().is_none_or(|only| only == kind.name);
        KINDS.iter().enumerate().filter(move |(_, kind)| wanted(kind))
    }

    fn build(&self) -> std::io::Result<Runtime> {
        let mut builder = Builder::new_multi_thread();
        // Shorter than usual, for more preemptions. That hogs are long is no news.
        builder.worker_threads(self.workers).time_slice(Duration::from_millis(1));
        builder.stall_report(false);
        if let Some(backend) = self.backend {
            builder.backend(backend);
        }
        builder.build()
    }
}

/// What has come of the operations, by kind.
#[derive(Default)]
struct Tally {
    stop: AtomicBool,
    right: [AtomicU64; KINDS.len()],
    wrong: AtomicU64,
}

impl Tally {
    fn operations(&self) -> u64 {
        self.right.iter().map(|count| count.load(Relaxed)).sum()
    }
}

/// Repeats an operation until it is told to stop.
async fn repeat(index: usize, kind: &'static Kind, mut seed: u64, tally: Arc<Tally>) {
    while !tally.stop.load(Relaxed) {
        match (kind.run)(seed).await {
            Ok(()) => drop(tally.right[index].fetch_add(1, Relaxed)),
            Err(why) => {
                println!("WRONG: {} with {seed}: {why}", kind.name);
                tally.wrong.fetch_add(1, Relaxed);
            }
        }
        seed += kind.tasks;
        if kind.rest.is_zero() {
            preempt::task::yield_now().await;
        } else {
            preempt::time::sleep(kind.rest).await;
        }
    }
}

pub(crate) fn main() -> ExitCode {
    let options = match Options::parse() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("soak: {error}");
            return ExitCode::from(2);
        }
    };
    silence_intended_panics();
    let at_first = Gauges::look(0);
    let runtime = match options.build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("soak: {error}");
            return ExitCode::FAILURE;
        }
    };
    let tally = Arc::new(Tally::default());
    let drivers: Vec<_> = options
        .kinds()
        .flat_map(|(index, kind)| (0..kind.tasks).map(move |seed| (index, kind, seed)))
        .map(|(index, kind, seed)| runtime.spawn(repeat(index, kind, seed, tally.clone())))
        .collect();
    let history = look_on(&options, &runtime, &tally);
    tally.stop.store(true, Relaxed);
    let have_ended = wait_for(&runtime, drivers);
    let are_done = print_kinds(&options, &tally);
    let is_flat = history.is_flat();
    println!("{}", preemptions(&runtime));
    drop(runtime);
    let is_empty = is_as_before(at_first);
    let wrong = tally.wrong.load(Relaxed);
    println!("soak: {} operations, {wrong} wrong", tally.operations());
    let is_right = wrong == 0 && have_ended && are_done && is_flat && is_empty;
    if is_right { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn look_on(options: &Options, runtime: &Runtime, tally: &Tally) -> History {
    let every = options.every.unwrap_or(options.length / 12);
    let mut history = History::new(options.length);
    let mut next_line = every;
    while history.elapsed() < options.length {
        thread::sleep(options.length / LOOKS);
        let gauges = Gauges::look(runtime.metrics().live_tasks);
        history.add(gauges);
        if history.elapsed() >= next_line {
            next_line += every;
            let Gauges { resident, descriptors, threads, tasks } = gauges;
            let (seconds, done) = (history.elapsed().as_secs(), tally.operations());
            println!(
                "{seconds:5} s: {resident:7} KiB, {descriptors:4} descriptors, {threads:4} threads, \
                 {tasks:4} tasks, {done:9} operations"
            );
        }
    }
    history
}

/// `false`: an operation has not come to its end, or a driver has panicked.
fn wait_for(runtime: &Runtime, drivers: Vec<JoinHandle<()>>) -> bool {
    let all = runtime.block_on(async {
        preempt::time::timeout(LIMIT, async {
            let mut are_well = true;
            for driver in drivers {
                if let Err(error) = driver.await {
                    println!("WRONG: {error}");
                    are_well = false;
                }
            }
            are_well
        })
        .await
    });
    all.unwrap_or_else(|_| {
        println!("WRONG: some operation has not ended after {LIMIT:?}");
        false
    })
}

/// `false`: a kind was never done.
fn print_kinds(options: &Options, tally: &Tally) -> bool {
    let counts = options.kinds().map(|(at, kind)| (kind.name, tally.right[at].load(Relaxed)));
    let mut all_done = true;
    for (name, count) in counts {
        println!("{name}: {count}");
        all_done &= count > 0;
    }
    all_done
}

fn preemptions(runtime: &Runtime) -> String {
    let metrics = runtime.metrics();
    format!("{} detaches, {} hand-offs", metrics.detaches, metrics.hand_offs)
}

/// `false`: threads or descriptors of a runtime are left. Two of each belong to the process: for signals.
fn is_as_before(at_first: Gauges) -> bool {
    const OF_THE_PROCESS: u64 = 2;
    let deadline = Instant::now() + LIMIT;
    loop {
        let now = Gauges::look(0);
        let is_so = now.threads <= at_first.threads + OF_THE_PROCESS
            && now.descriptors <= at_first.descriptors + 2 * OF_THE_PROCESS;
        if is_so || Instant::now() > deadline {
            println!("without a runtime: {} descriptors, {} threads", now.descriptors, now.threads);
            return is_so;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn silence_intended_panics() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let is_intended = info.payload_as_str().is_some_and(|text| text.starts_with(PURPOSE));
        if !is_intended {
            hook(info);
        }
    }));
}
