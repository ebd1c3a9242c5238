//! What a runtime costs while nothing happens; in a fresh process, without the threads of others.

use crate::child::{self, Job};
use crate::cpu::cpu_time;
use crate::peers::{Peer, Preempt, Smol, Tokio, idle};
use crate::plan::Plan;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// Until whatever has begun with the runtime is over.
const SETTLE: Duration = Duration::from_millis(500);
const TIME: Duration = Duration::from_secs(3);
const TASKS: usize = 1_000;
/// Longer than the measurement.
const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn section(plan: &Plan) {
    if !plan.wants("idle CPU") {
        return;
    }
    println!(
        "\nIdle CPU: two workers, {TASKS} tasks that wait, as many with a timeout of {LIMIT:?}."
    );
    println!("What a process uses in {TIME:?}.\n");
    println!("| runtime | CPU time, ms per second | context switches per second |");
    println!("|---|---|---|");
    row::<Preempt>();
    row::<Tokio>();
    row::<Smol>();
}

fn row<P: Peer>() {
    let values = child::run::<P>(Job::Rest);
    println!("| {:7} | {:.3} | {:.1} |", P::NAME, values[0], values[1]);
}

/// Milliseconds of CPU time per second, and context switches.
pub(crate) fn measure<P: Peer>() -> Vec<f64> {
    let peer = P::new(2);
    for _ in 0..TASKS {
        P::detach(peer.spawn_from_outside(idle()));
        P::detach(peer.spawn_from_outside(P::timeout(LIMIT, idle())));
    }
    thread::sleep(SETTLE);
    // The looks at the counters themselves are between the two pairs.
    let switches = context_switches();
    let (start, cpu) = (Instant::now(), cpu_time());
    thread::sleep(TIME);
    let (seconds, cpu) = (start.elapsed().as_secs_f64(), cpu_time() - cpu);
    // One is this thread's.
    let switches = context_switches() - switches - 1;
    vec![cpu.as_secs_f64() * 1e3 / seconds, switches as f64 / seconds]
}

/// Of all threads that live.
fn context_switches() -> u64 {
    let threads = fs::read_dir("/proc/self/task").expect("proc is mounted");
    let of_thread = |thread: fs::DirEntry| {
        let status = fs::read_to_string(thread.path().join("status")).expect("it lives");
        let lines = status.lines().filter(|line| line.contains("voluntary_ctxt_switches:"));
        let number = |line: &str| line.rsplit_once('\t').and_then(|(_, text)| text.parse().ok());
        lines.map(|line| number(line).unwrap_or(0_u64)).sum::<u64>()
    };
    threads.map(|thread| of_thread(thread.expect("a thread"))).sum()
}
