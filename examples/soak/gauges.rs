//! What the process holds, and whether that is flat.

use std::fs;
use std::time::{Duration, Instant};

/// A look at the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gauges {
    /// Memory in use, in KiB.
    pub(crate) resident: u64,
    pub(crate) descriptors: u64,
    pub(crate) threads: u64,
    /// Tasks that have not ended.
    pub(crate) tasks: u64,
}

/// By how much a median may grow: in hundredths, and then by so many more.
struct Tolerance {
    name: &'static str,
    of: fn(&Gauges) -> u64,
    percent: u64,
    more: u64,
}

/// Memory: what the allocator does with threads that come and go is not the runtime's. Threads and
/// descriptors: how many runtimes, child processes and connections there are at the same time is a matter of
/// luck.
static TOLERANCES: [Tolerance; 3] = [
    Tolerance { name: "KiB", of: |gauges| gauges.resident, percent: 10, more: 8 << 10 },
    Tolerance { name: "descriptors", of: |gauges| gauges.descriptors, percent: 10, more: 20 },
    Tolerance { name: "threads", of: |gauges| gauges.threads, percent: 10, more: 20 },
];

impl Gauges {
    pub(crate) fn look(tasks: usize) -> Gauges {
        let status = fs::read_to_string("/proc/self/status").expect("Linux");
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let word = line.and_then(|line| line.split_whitespace().next());
            word.and_then(|word| word.parse().ok()).expect("the kernel tells")
        };
        // One of them is the directory's own.
        let descriptors = fs::read_dir("/proc/self/fd").expect("Linux").count() as u64 - 1;
        Gauges {
            resident: number("VmRSS:"),
            descriptors,
            threads: number("Threads:"),
            tasks: tasks as u64,
        }
    }
}

/// Looks in the course of time.
pub(crate) struct History {
    began: Instant,
    length: Duration,
    looks: Vec<(Duration, Gauges)>,
}

impl History {
    pub(crate) fn new(length: Duration) -> History {
        History { began: Instant::now(), length, looks: Vec::new() }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    pub(crate) fn add(&mut self, gauges: Gauges) {
        self.looks.push((self.elapsed(), gauges));
    }

    /// The median in a quarter of the time, the first of which is number zero.
    fn median(&self, quarter: u32, of: fn(&Gauges) -> u64) -> Option<u64> {
        let quarter = self.length * quarter / 4..self.length * (quarter + 1) / 4;
        let looks = self.looks.iter().filter(|(at, _)| quarter.contains(at));
        let mut values: Vec<_> = looks.map(|(_, gauges)| of(gauges)).collect();
        values.sort_unstable();
        values.get(values.len() / 2).copied()
    }

    /// Prints how each gauge has grown. `false`: one was not flat.
    pub(crate) fn is_flat(&self) -> bool {
        let mut all_flat = true;
        for Tolerance { name, of, percent, more } in &TOLERANCES {
            let (Some(before), Some(after)) = (self.median(1, *of), self.median(3, *of)) else {
                println!("too short: no look in the second or in the last quarter");
                return false;
            };
            let most = before + before * percent / 100 + more;
            let verdict = if after <= most { "flat" } else { "NOT FLAT" };
            println!(
                "{name}: {before} in the second quarter, {after} in the last: {verdict} (at most {most})"
            );
            all_flat &= after <= most;
        }
        all_flat
    }
}
