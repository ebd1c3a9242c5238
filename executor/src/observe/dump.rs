//! Where all tasks are.
//!
//! Made on a thread of its own, which is no machine: it may wait for locks that a suspended poll holds,
//! and no signal suspends it. It holds a detached poll for as long as its stack is copied, and unwinds
//! only when the poll is back in its queue: unwinding takes the dynamic linker's lock, which that very
//! poll may have.
//!
//! Tasks move while they are looked at. One that was running when the detached ones were looked at, and
//! detached when the running ones were, is looked for again, for a while.

use super::probe::{self, Activity, Capture};
use super::symbols::{self, Frame, Symbols};
use super::verdict;
use super::who::Who;
use crate::scheduler::Scheduler;
use crate::task::{Phase, Task};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::panic::Location;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// How long tasks are looked for that were not found.
const PATIENCE: Duration = Duration::from_millis(200);

/// Where all tasks of a runtime were, see [`Handle::dump`](crate::runtime::Handle::dump).
///
/// `Display` is for a person, [`to_json`](Self::to_json) for a program.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TaskDump {
    /// The tasks, in the order in which they were spawned.
    pub tasks: Vec<DumpedTask>,
    /// How long it took until all had been looked at, without looking up symbols.
    pub took: Duration,
}

/// Where one task was.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DumpedTask {
    /// Its number.
    pub id: u64,
    /// What it was called by `task::Builder::name`.
    pub name: Option<String>,
    /// Where it was spawned.
    pub spawned_at: &'static Location<'static>,
    /// What it was at.
    pub state: TaskState,
    /// How long it had been at that, where that is known: for detached tasks.
    pub since: Option<Duration>,
    /// The lock or system call that it was blocked in, if it was.
    pub blocked_in: Option<String>,
    /// Its stack, the innermost function first, if it was in the middle of a poll.
    pub frames: Vec<Frame>,
}

/// What a task is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskState {
    /// It is being polled.
    Running,
    /// It is being polled, without a worker's place: that went to another thread.
    HandedOff,
    /// It was suspended in the middle of a poll, and goes on when it is its turn.
    Detached,
    /// It is ready, and waits for a worker.
    Queued,
    /// It waits for something.
    Waiting,
}

impl TaskState {
    const ALL: [TaskState; 5] = [
        TaskState::Running,
        TaskState::HandedOff,
        TaskState::Detached,
        TaskState::Queued,
        TaskState::Waiting,
    ];

    fn as_str(self) -> &'static str {
        match self {
            TaskState::Running => "running",
            TaskState::HandedOff => "handed off",
            TaskState::Detached => "detached",
            TaskState::Queued => "queued",
            TaskState::Waiting => "waiting",
        }
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A poll that was found.
struct Found {
    state: TaskState,
    since: Option<Duration>,
    capture: Capture,
}

impl TaskDump {
    pub(crate) fn of(scheduler: &Arc<Scheduler>) -> io::Result<TaskDump> {
        let scheduler = scheduler.clone();
        let thread = thread::Builder::new().name("preempt-dump".to_owned());
        let dump = thread.spawn(move || Self::make(&scheduler))?;
        dump.join().map_err(|_| io::Error::other("a task dump panicked"))
    }

    fn make(scheduler: &Scheduler) -> TaskDump {
        let start = Instant::now();
        let mut found = HashMap::new();
        find(scheduler, &mut found);
        // After that, so that whoever has a stack is in it.
        let tasks = scheduler.registry.all();
        // Read once: a task that began to run right afterwards has no stack here.
        let mut phases: Vec<_>;
        loop {
            phases = tasks.iter().map(Task::phase).collect();
            let is_missing = |(task, &phase): (&Task, &Phase)| {
                phase == Phase::Running && !found.contains_key(&task.id().as_u64())
            };
            if !tasks.iter().zip(&phases).any(is_missing) || start.elapsed() >= PATIENCE {
                break;
            }
            find(scheduler, &mut found);
        }
        let took = start.elapsed();
        let mut symbols = Symbols::default();
        let tasks = tasks.iter().zip(phases);
        let describe = |(task, phase)| describe(task, phase, &mut found, &mut symbols);
        let mut tasks: Vec<_> = tasks.filter_map(describe).collect();
        tasks.sort_by_key(|task| task.id);
        TaskDump { tasks, took }
    }

    /// As a JSON object: `took_us` and `tasks`, an array of objects with `id`, `name`, `spawned_at`,
    /// `state`, `since_us`, `blocked_in` and `frames`, an array of objects with `address`, `function`,
    /// `file` and `line`. What is not known is `null`.
    #[must_use]
    pub fn to_json(&self) -> String {
        self.to_value().to_string()
    }

    pub(crate) fn to_value(&self) -> Value {
        let tasks: Vec<_> = self.tasks.iter().map(DumpedTask::to_json).collect();
        json!({ "took_us": micros(self.took), "tasks": tasks })
    }
}

/// Those in the middle of a poll.
fn find(scheduler: &Scheduler, found: &mut HashMap<u64, Found>) {
    find_detached(scheduler, found);
    find_running(scheduler, found);
}

/// Those that were suspended.
fn find_detached(scheduler: &Scheduler, found: &mut HashMap<u64, Found>) {
    // Made before, as nothing is to be allocated while a poll is held.
    let count = scheduler.detached_polls() + 8;
    let mut captures: Vec<_> = (0..count).map(|_| (Capture::new(), None)).collect();
    let mut next = captures.iter_mut();
    scheduler.inspect_detached(|paused| {
        if let Some((capture, since)) = next.next() {
            // SAFETY: it is suspended there while it is inspected.
            unsafe { paused.look(capture) };
            *since = Some(paused.since.elapsed());
        }
    });
    for (capture, since) in captures {
        if let Some(Who { id, .. }) = capture.who {
            found.insert(id, Found { state: TaskState::Detached, since, capture });
        }
    }
}

/// Those that run on a machine.
fn find_running(scheduler: &Scheduler, found: &mut HashMap<u64, Found>) {
    for machine in scheduler.machines.all() {
        let is_orphaned = machine.is_orphaned();
        let Some(capture) = probe::look_at(scheduler, &machine) else { continue };
        let state = if is_orphaned { TaskState::HandedOff } else { TaskState::Running };
        if let Some(Who { id, .. }) = capture.who {
            found.insert(id, Found { state, since: None, capture });
        }
    }
}

fn describe(
    task: &Task,
    phase: Phase,
    found: &mut HashMap<u64, Found>,
    symbols: &mut Symbols,
) -> Option<DumpedTask> {
    let id = task.id().as_u64();
    let mut dumped = DumpedTask {
        id,
        name: task.header().name().map(str::to_owned),
        spawned_at: task.header().spawned_at(),
        state: match phase {
            Phase::Complete => return None,
            Phase::Running => TaskState::Running,
            Phase::Queued => TaskState::Queued,
            Phase::Waiting => TaskState::Waiting,
        },
        since: None,
        blocked_in: None,
        frames: Vec::new(),
    };
    // One whose poll has ended since has no stack any more.
    if dumped.state == TaskState::Running
        && let Some(Found { state, since, capture }) = found.remove(&id)
    {
        let frames = symbols.frames(&capture.addresses());
        dumped.frames = symbols::trim(&frames).to_vec();
        (dumped.state, dumped.since) = (state, since);
        if let Activity::Sleeps(system_call) = capture.activity {
            dumped.blocked_in = Some(verdict::blocked_in(&dumped.frames, system_call).0);
        }
    }
    Some(dumped)
}

impl fmt::Display for TaskDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tasks", self.tasks.len())?;
        for state in TaskState::ALL {
            let count = self.tasks.iter().filter(|task| task.state == state).count();
            if count > 0 {
                write!(f, ", {count} {state}")?;
            }
        }
        writeln!(f, "; looked at within {:.1} ms", self.took.as_secs_f64() * 1e3)?;
        self.tasks.iter().try_for_each(|task| writeln!(f, "{task}"))
    }
}

impl fmt::Display for DumpedTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {}", self.id)?;
        if let Some(name) = &self.name {
            write!(f, " \"{name}\"")?;
        }
        write!(f, ": {}", self.state)?;
        if let Some(since) = self.since {
            write!(f, " for {:.1} ms", since.as_secs_f64() * 1e3)?;
        }
        if let Some(what) = &self.blocked_in {
            write!(f, ", blocked in {what}")?;
        }
        write!(f, ", spawned at {}", self.spawned_at)?;
        for (index, frame) in symbols::readable(&self.frames).enumerate() {
            write!(f, "\n  {index:>4}: {frame}")?;
        }
        Ok(())
    }
}

impl DumpedTask {
    fn to_json(&self) -> Value {
        let frame = |frame: &Frame| {
            json!({
                "address": format!("{:#x}", frame.address),
                "function": frame.function,
                "file": frame.file,
                "line": frame.line,
            })
        };
        json!({
            "id": self.id,
            "name": self.name,
            "spawned_at": self.spawned_at.to_string(),
            "state": self.state.as_str(),
            "since_us": self.since.map(micros),
            "blocked_in": self.blocked_in,
            "frames": self.frames.iter().map(frame).collect::<Vec<_>>(),
        })
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
