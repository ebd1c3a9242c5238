//! The memory that tasks need, measured in a fresh process: this program, started again.

use crate::peers::{Peer, Preempt, Smol, Tokio, idle};
use std::env;
use std::fs;
use std::process::Command;

/// The argument that makes this program such a process; the name of a runtime follows.
const CHILD: &str = "--memory-of";
const TASKS: usize = 100_000;

/// If this process is such a child: measures, prints and returns `true`.
pub(crate) fn is_done_by_this_child() -> bool {
    let mut arguments = env::args().skip(1).skip_while(|argument| argument != CHILD);
    if arguments.next().is_none() {
        return false;
    }
    let bytes = match arguments.next().as_deref() {
        Some(Preempt::NAME) => of_a_task::<Preempt>(),
        Some(Tokio::NAME) => of_a_task::<Tokio>(),
        Some(Smol::NAME) => of_a_task::<Smol>(),
        other => panic!("{CHILD} {other:?}: there is no such runtime"),
    };
    println!("{bytes}");
    true
}

/// Bytes, by a child.
pub(crate) fn of_a_task_in_a_child<P: Peer>() -> f64 {
    let program = env::current_exe().expect("this program");
    let output = Command::new(program).args([CHILD, P::NAME]).output().expect("a child");
    let text = String::from_utf8_lossy(&output.stdout);
    match text.trim().parse() {
        Ok(bytes) if output.status.success() => bytes,
        _ => panic!("a child failed: {output:?}"),
    }
}

fn of_a_task<P: Peer>() -> f64 {
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
