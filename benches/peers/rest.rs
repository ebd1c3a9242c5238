//! What a runtime costs while nothing happens.

use crate::cpu::cpu_time;
use crate::peers::{Peer, Preempt, Smol, Tokio, idle};
use crate::plan::Plan;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// Until whatever has begun with the runtime is over.
const SETTLE: Duration = Duration::from_millis(500);
const TASKS: usize = 1_000;
/// Longer than the measurement.
const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn section(plan: &Plan) {
    if !plan.wants("idle CPU") {
        return;
    }
    let time = plan.case() * 3;
    println!(
        "\nIdle CPU: two workers, {TASKS} tasks that wait, as many with a timeout of {LIMIT:?}."
    );
    println!("What the process uses in {time:?}, the measuring thread included.\n");
    println!("| runtime | CPU time, ms per second | context switches per second |");
    println!("|---|---|---|");
    row::<Preempt>(time);
    row::<Tokio>(time);
    row::<Smol>(time);
}

fn row<P: Peer>(time: Duration) {
    let peer = P::new(2);
    for _ in 0..TASKS {
        P::detach(peer.spawn_from_outside(idle()));
        P::detach(peer.spawn_from_outside(P::timeout(LIMIT, idle())));
    }
    thread::sleep(SETTLE);
    let (start, cpu, switches) = (Instant::now(), cpu_time(), context_switches());
    thread::sleep(time);
    let seconds = start.elapsed().as_secs_f64();
    let cpu = (cpu_time() - cpu).as_secs_f64() * 1e3 / seconds;
    let switches = (context_switches() - switches) as f64 / seconds;
    println!("| {:7} | {cpu:.3} | {switches:.1} |", P::NAME);
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
