//! The memory that tasks need, for a fresh process to measure.

use crate::peers::{Peer, idle};
use std::fs;

const TASKS: usize = 100_000;

/// How much larger the process gets for each task that only waits.
pub(crate) fn of_a_task<P: Peer>() -> f64 {
    let peer = P::new(1);
    let mut tasks = Vec::with_capacity(TASKS);
    // The pages of the list itself, and whatever the first tasks need.
    tasks.extend((0..TASKS).map(|_| None));
    peer.run(async {});
    let before = resident_bytes();
    tasks.iter_mut().for_each(|task| *task = Some(peer.spawn_from_outside(idle())));
    // Each has been polled when one behind them is.
    peer.run(async {});
    let bytes = (resident_bytes() - before) as f64 / TASKS as f64;
    drop(tasks);
    bytes
}

/// The second field of `statm`, see proc(5).
fn resident_bytes() -> usize {
    const PAGE: usize = 4096;
    let statm = fs::read_to_string("/proc/self/statm").expect("proc is mounted");
    let pages = statm.split_ascii_whitespace().nth(1).and_then(|pages| pages.parse::<usize>().ok());
    PAGE * pages.unwrap_or_else(|| panic!("not what proc(5) says: {statm:?}"))
}
