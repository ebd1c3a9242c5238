//! Measurements that need a process without a past: this program, started again, which prints what it
//! found.

use crate::peers::{Peer, Preempt, Smol, Tokio};
use crate::{memory, rest};
use std::env;
use std::process::Command;

/// The argument that makes this program such a process; a job and the name of a runtime follow.
const CHILD: &str = "--child";

#[derive(Clone, Copy, Debug)]
pub(crate) enum Job {
    /// Bytes per task.
    Memory,
    /// Milliseconds of CPU time, and context switches, per second.
    Rest,
}

impl Job {
    const ALL: [Job; 2] = [Job::Memory, Job::Rest];

    fn name(self) -> &'static str {
        match self {
            Job::Memory => "memory",
            Job::Rest => "rest",
        }
    }

    fn run<P: Peer>(self) -> Vec<f64> {
        match self {
            Job::Memory => vec![memory::of_a_task::<P>()],
            Job::Rest => rest::measure::<P>(),
        }
    }
}

/// If this process is such a child: does its job and returns `true`.
pub(crate) fn is_this_process() -> bool {
    let mut arguments = env::args().skip_while(|argument| argument != CHILD).skip(1);
    let (Some(job), Some(peer)) = (arguments.next(), arguments.next()) else { return false };
    let known = Job::ALL.into_iter().find(|known| known.name() == job);
    let known = known.unwrap_or_else(|| panic!("{CHILD} {job}: there is no such job"));
    let values = match peer.as_str() {
        Preempt::NAME => known.run::<Preempt>(),
        Tokio::NAME => known.run::<Tokio>(),
        Smol::NAME => known.run::<Smol>(),
        _ => panic!("{CHILD} {job} {peer}: there is no such runtime"),
    };
    values.iter().for_each(|value| println!("{value}"));
    true
}

/// What a child finds.
pub(crate) fn run<P: Peer>(job: Job) -> Vec<f64> {
    let program = env::current_exe().expect("this program");
    let output = Command::new(program).args([CHILD, job.name(), P::NAME]).output();
    let output = output.expect("a child");
    let text = String::from_utf8_lossy(&output.stdout);
    let values: Result<Vec<f64>, _> = text.lines().map(str::parse).collect();
    match values {
        Ok(values) if output.status.success() => values,
        _ => panic!("a child failed: {output:?}"),
    }
}
