//! What does it cost to be observed?
//!
//! Question: how much longer polls take, of a task that yields again and again, and tasks that are
//! spawned and awaited one after the other, while the runtime records a trace, counts times, or could
//! but does not.
//! Baseline: the same on a runtime without stall reports, in the same run. `off, again` is another such
//! runtime: what it shows beside 1.00 is noise. `default` reports stalls, `endpoint` has a debug endpoint
//! that nobody asks for anything.
//! Method: one worker each. All rows take turns, so that disturbances hit all of them; what is shown is
//! the median of the ratios of single turns, and between which values the middle half of them is. The
//! tasks do nothing, so that no program can lose more than this.
//!
//! ```text
//! cargo bench --bench observe_cost
//! ```

use preempt::runtime::{Builder, Runtime};
use preempt::task::yield_now;
use std::net::SocketAddr;
use std::time::Instant;

const TURNS: usize = 601;
const WARM_UP_TURNS: usize = 20;
const YIELDS: u32 = 5_000;
const SPAWNS: u32 = 1_500;

fn runtime(configure: impl FnOnce(&mut Builder)) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1);
    configure(&mut builder);
    builder.build().expect("a runtime")
}

fn off(builder: &mut Builder) {
    builder.stall_report(false);
}

/// Nanoseconds per poll.
async fn yields() -> f64 {
    let start = Instant::now();
    for _ in 0..YIELDS {
        yield_now().await;
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(YIELDS)
}

/// Nanoseconds per task that is spawned, polled once and awaited.
async fn spawns() -> f64 {
    let start = Instant::now();
    for _ in 0..SPAWNS {
        preempt::spawn(async {}).await.expect("no panic");
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(SPAWNS)
}

struct Row {
    name: &'static str,
    runtime: Runtime,
    /// Of yields and of spawns, in each turn.
    nanoseconds: [Vec<f64>; 2],
}

impl Row {
    fn new(name: &'static str, runtime: Runtime) -> Self {
        Row { name, runtime, nanoseconds: Default::default() }
    }

    fn turn(&mut self) {
        let yields = self.runtime.spawn(yields());
        self.nanoseconds[0].push(self.runtime.block_on(yields).expect("no panic"));
        let spawns = self.runtime.spawn(spawns());
        self.nanoseconds[1].push(self.runtime.block_on(spawns).expect("no panic"));
    }
}

/// The lower quartile, the median and the upper quartile.
fn quartiles(mut samples: Vec<f64>) -> [f64; 3] {
    samples.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| samples[samples.len() * quarter / 4])
}

fn main() {
    let stopped = runtime(|_| {});
    stopped.handle().tracer().start();
    stopped.handle().tracer().stop();
    let mut rows = [
        Row::new("off", runtime(off)),
        Row::new("off, again", runtime(off)),
        Row::new("default", runtime(|_| {})),
        Row::new(
            "endpoint",
            runtime(|builder| {
                builder.debug_endpoint(SocketAddr::from(([127, 0, 0, 1], 0)));
            }),
        ),
        Row::new("tracer stopped", stopped),
        Row::new(
            "poll times",
            runtime(|builder| {
                builder.enable_metrics_poll_time_histogram();
            }),
        ),
        Row::new(
            "poll times and latencies",
            runtime(|builder| {
                builder.enable_metrics_poll_time_histogram();
                builder.enable_metrics_schedule_latency_histogram();
            }),
        ),
        Row::new(
            "tracer records",
            runtime(|builder| {
                builder.trace(true);
            }),
        ),
    ];
    for turn in 0..WARM_UP_TURNS + TURNS {
        if turn == WARM_UP_TURNS {
            rows.iter_mut().for_each(|row| row.nanoseconds = Default::default());
        }
        // Nobody is always behind the same one.
        let first = turn % rows.len();
        let (before, after) = rows.split_at_mut(first);
        after.iter_mut().chain(before).for_each(Row::turn);
    }
    print(&rows);
}

fn print(rows: &[Row]) {
    println!("{:26} {:>8} {:>20}   {:>8} {:>20}", "", "ns/yield", "ratio", "ns/spawn", "ratio");
    for row in rows {
        print!("{:26}", row.name);
        for (all, baseline) in row.nanoseconds.iter().zip(&rows[0].nanoseconds) {
            let ratios = all.iter().zip(baseline).map(|(one, off)| one / off).collect();
            let [low, median, high] = quartiles(ratios);
            let [_, nanoseconds, _] = quartiles(all.clone());
            print!(" {nanoseconds:8.0} {median:6.3} ({low:.3}..{high:.3})  ");
        }
        println!();
    }
}
