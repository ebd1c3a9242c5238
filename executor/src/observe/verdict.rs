//! What a stack says of a stall: where to look, what it waits for, and what can be done about it; and
//! the report as a person reads it.

use super::probe::{Activity, system_call_name};
use super::stall::{Outcome, Stall};
use super::symbols::{self, Frame, Origin};
use std::fmt;

/// More frames are left out of a message.
const MOST_FRAMES_SHOWN: usize = 12;

/// A function that blocks, by parts of its file and its name; what is told of it, and what to do
/// instead.
const BLOCKING: &[(&[&str], &str, &str)] = &[
    (&["/parking_lot", "raw_mutex"], "the lock of a `parking_lot::Mutex`", LOCK),
    (&["/parking_lot", "raw_rwlock"], "the lock of a `parking_lot::RwLock`", LOCK),
    (&["/parking_lot", "condvar"], "a `parking_lot::Condvar`", NOTIFY),
    (&["/crossbeam-channel"], "a `crossbeam_channel`", CHANNEL),
    (&["std/src/", "condvar"], "a `std::sync::Condvar`", NOTIFY),
    (&["std/src/", "rwlock"], "the lock of a `std::sync::RwLock`", LOCK),
    (&["std/src/sy", "mutex"], "the lock of a `std::sync::Mutex`", LOCK),
    (&["std/src/sys/sync/once"], "a `std::sync::Once`", "use `preempt::sync::OnceCell`"),
    (&["std/src/sync/barrier"], "a `std::sync::Barrier`", "use `preempt::sync::Barrier`"),
    (&["std/src/sync/mpmc"], "a `std::sync::mpsc` channel", CHANNEL),
    (&["std/src/sync/mpsc"], "a `std::sync::mpsc` channel", CHANNEL),
    (&["std/src/thread/", "join"], "the end of a thread", BLOCKING_WORK),
    (&["std/src/thread/", "sleep"], "`std::thread::sleep`", "use `preempt::time::sleep(..).await`"),
    (&["std/src/thread/", "park"], "`std::thread::park`", NOTIFY),
    (&["std/src/net/"], "blocking network I/O of `std::net`", "use `preempt::net`"),
    (&["std/src/sys/net/"], "blocking network I/O of `std::net`", "use `preempt::net`"),
    (&["std/src/fs"], "blocking file I/O of `std::fs`", "use `preempt::fs`"),
    (&["std/src/sys/fs/"], "blocking file I/O of `std::fs`", "use `preempt::fs`"),
    (&["std/src/process"], "a process of `std::process`", "use `preempt::process`"),
    (&["std/src/io/stdio"], "a standard stream of `std::io`", "use those of `preempt::io`"),
];

const LOCK: &str = "hold it for a shorter time, use the one of `preempt::sync` whose `lock` is awaited, \
                    or wrap the call in `preempt::task::block_in_place`";
const NOTIFY: &str = "use `preempt::sync::Notify`";
const CHANNEL: &str = "use a channel of `preempt::sync`";
const BLOCKING_WORK: &str = "move the blocking call to `preempt::task::spawn_blocking`, or wrap it in \
                             `preempt::task::block_in_place`";

/// Fills in what follows from the stack.
pub(super) fn pass(stall: &mut Stall, activity: Activity) {
    stall.frames = symbols::trim(&stall.frames).to_vec();
    stall.location = symbols::guilty(&stall.frames).and_then(Frame::location);
    match activity {
        Activity::Sleeps(system_call) => {
            let (what, remedy) = blocked_in(&stall.frames, system_call);
            stall.blocked_in = Some(what);
            stall.remedy = remedy.to_owned();
        }
        Activity::Runs => stall.remedy = remedy_for_computing(&stall.frames),
    }
}

/// What a poll is blocked in, and what to do instead.
pub(super) fn blocked_in(frames: &[Frame], system_call: Option<i64>) -> (String, &'static str) {
    let call = system_call.and_then(system_call_name);
    let in_call = match (call, system_call) {
        (Some(name), _) => format!("the system call `{name}`"),
        (None, Some(number)) => format!("system call {number}"),
        (None, None) => "the kernel".to_owned(),
    };
    // Only what the program's innermost function has called.
    let called = frames.iter().take_while(|frame| frame.origin != Origin::Program);
    let known = called.filter_map(|frame| {
        let (file, function) = (frame.file.as_deref()?, frame.function.as_deref()?);
        let is_in = |part: &&str| file.contains(*part) || function.contains(*part);
        BLOCKING.iter().find(|(parts, ..)| parts.iter().all(&is_in))
    });
    match known.last() {
        Some((_, what, remedy)) => (format!("{what} ({in_call})"), remedy),
        None => (in_call, BLOCKING_WORK),
    }
}

fn remedy_for_computing(frames: &[Frame]) -> String {
    match symbols::guilty(frames) {
        Some(frame @ Frame { origin: Origin::Program, .. }) => format!(
            "put `#[preempt::preemptible]` on {}, or on the caller that has the loop, and it gives way \
             when it is asked; or move the work to `preempt::task::spawn_blocking`",
            function_of(frame).unwrap_or_else(|| "the function".to_owned())
        ),
        _ => "move the work to `preempt::task::spawn_blocking`".to_owned(),
    }
}

/// The function that a person has written.
fn function_of(frame: &Frame) -> Option<String> {
    let function = frame.function.as_deref()?;
    let written = function.split("::{{closure}}").next().unwrap_or(function);
    let written = written.split('<').next().filter(|name| !name.is_empty()).unwrap_or(written);
    // With debug information for lines only, a closure has a number and no name.
    if written.starts_with('{') {
        return frame.location().map(|location| format!("the function around {location}"));
    }
    Some(format!("`{written}`"))
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_title(f)?;
        match self.outcome {
            Outcome::Detached { signals } => {
                write!(f, "\n  dealt with: detached by signals, {signals} times; takes turns now")?;
            }
            Outcome::HandedOff => {
                write!(f, "\n  dealt with: handed off, its worker's place went to another thread")?;
            }
            Outcome::KeepsWorker => {
                write!(
                    f,
                    "\n  dealt with: not yet, it was asked to give way and keeps its worker"
                )?;
            }
        }
        if let Some(spawned_at) = self.spawned_at {
            write!(f, "\n  spawned at: {spawned_at}")?;
        }
        let mut shown = 0;
        for frame in symbols::readable(&self.frames).take(MOST_FRAMES_SHOWN) {
            write!(f, "\n  {shown:>4}: {frame}")?;
            shown += 1;
        }
        let left_out = symbols::readable(&self.frames).count() - shown;
        if left_out > 0 {
            write!(f, "\n        and {left_out} more")?;
        }
        write!(f, "\n  remedy: {}", self.remedy)?;
        if self.suppressed > 0 {
            write!(f, "\n  {} other stalls were not reported", self.suppressed)?;
        }
        Ok(())
    }
}

impl Stall {
    fn write_title(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.task, &self.name) {
            (Some(task), Some(name)) => write!(f, "task {task} \"{name}\"")?,
            (Some(task), None) => write!(f, "task {task}")?,
            (None, _) => f.write_str("a poll")?,
        }
        let ran = self.ran.as_millis();
        match &self.blocked_in {
            Some(what) => {
                write!(f, " has been blocked for {ran} ms while others waited, in {what}")?
            }
            None => write!(f, " has kept a worker for {ran} ms while others waited")?,
        }
        match &self.location {
            Some(location) => write!(f, ", at {location}"),
            None => Ok(()),
        }
    }
}
