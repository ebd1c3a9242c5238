//! A copy of what was recorded.

use super::clock::{Scale, ticks};
use super::event::{Event, Kind};
use super::recorder::{Recorder, Track};
use super::{chrome, perfetto};
use crate::scheduler::Scheduler;
use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// What a runtime did of late: a copy of the events that were recorded, see
/// [`Tracer`](super::Tracer).
///
/// Each processor has a track, on which its polls are, and so has each thread. What goes on at the
/// moment of the copy is shown as if it ended then.
#[derive(Clone)]
pub struct Trace {
    pub(super) lanes: Vec<LaneEvents>,
    /// Of threads that run no tasks.
    pub(super) outside: Vec<Event>,
    pub(super) task_names: HashMap<u64, Arc<str>>,
    pub(super) thread_names: HashMap<u32, String>,
    pub(super) processors: usize,
    /// When it was copied, in ticks, and by the system's clock.
    pub(super) now: u64,
    pub(super) now_ns: u64,
    pub(super) scale: Scale,
    overwritten: u64,
}

/// The events of a machine.
#[derive(Clone)]
pub(super) struct LaneEvents {
    pub(super) thread: u32,
    pub(super) events: Vec<Event>,
    /// What goes on.
    pub(super) state: Option<Event>,
    /// Since when nothing has been overwritten, in ticks.
    pub(super) complete_from: u64,
    /// Until when all is known.
    pub(super) complete_until: u64,
}

impl LaneEvents {
    fn of(track: &Track, since: u64, from: u64, overwritten: &mut u64) -> Self {
        // First the state: what ends meanwhile is then among the events, and not missing.
        let state = track.ring().and_then(|ring| ring.state()).and_then(Event::from_words);
        let complete_until = ticks();
        let (events, complete_from) = events_of(track, from, overwritten);
        let is_over = |state: &Event| {
            let mut starts = events.iter().filter(|event| event.is_slice()).map(Event::start);
            starts.next_back().is_some_and(|start| start >= state.time)
        };
        let state = state.filter(|state| state.time >= since && !is_over(state));
        let thread = track.thread.load(Relaxed);
        LaneEvents { thread, events, state, complete_from, complete_until }
    }
}

/// The events since then, and since when all there were are known.
fn events_of(track: &Track, from: u64, overwritten: &mut u64) -> (Vec<Event>, u64) {
    let mut words = Vec::new();
    // Its order among the others is that of their times.
    let mut handlers = Vec::new();
    if let Some(ring) = track.handler_ring() {
        *overwritten += ring.read(&mut handlers);
    }
    let lost = track.ring().map_or(0, |ring| ring.read(&mut words));
    *overwritten += lost;
    let decoded = |words: Vec<_>| words.into_iter().filter_map(Event::from_words);
    let events: Vec<_> = decoded(words).collect();
    let oldest = events.first().filter(|_| lost > 0);
    let complete_from = oldest.map_or(0, |oldest| oldest.time);
    let events = decoded(handlers).chain(events).filter(|event| event.time >= from).collect();
    (events, complete_from)
}

impl Trace {
    /// Of the last so long; `None`: of everything that is there.
    pub(super) fn of(scheduler: &Scheduler, last: Option<Duration>) -> Self {
        let recorder = &scheduler.recorder;
        let scale = Scale::measure();
        let (now, now_ns) = (ticks(), system_ns());
        let from = last.map_or(0, |last| now.saturating_sub(scale.ticks(last)));
        let mut overwritten = 0;
        let tracks = recorder.tracks();
        let since = recorder.since();
        let lane = |track: &Arc<Track>| LaneEvents::of(track, since, from, &mut overwritten);
        let lanes: Vec<_> = tracks.iter().map(lane).collect();
        let (outside, _) = events_of(recorder.outside(), from, &mut overwritten);
        let mut trace = Trace {
            lanes,
            outside,
            task_names: task_names(scheduler, recorder),
            thread_names: HashMap::new(),
            processors: scheduler.used_processors().len(),
            now,
            now_ns,
            scale,
            overwritten,
        };
        trace.name_threads();
        trace
    }

    fn name_threads(&mut self) {
        let outside = self.outside.iter().filter_map(|event| u32::try_from(event.small).ok());
        let threads = self.lanes.iter().map(|lane| lane.thread).chain(outside);
        for thread in threads {
            self.thread_names.entry(thread).or_insert_with(|| thread_name(thread));
        }
    }

    /// How many events there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.outside.len() + self.lanes.iter().map(|lane| lane.events.len()).sum::<usize>()
    }

    /// Whether there is none: nothing was recorded, or nothing happened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many events have been replaced by newer ones.
    #[must_use]
    pub fn overwritten(&self) -> u64 {
        self.overwritten
    }

    /// As a Perfetto trace, to be opened with <https://ui.perfetto.dev>.
    #[must_use]
    pub fn to_perfetto(&self) -> Vec<u8> {
        perfetto::encode(self)
    }

    /// As JSON in the Trace Event Format, to be opened with <https://ui.perfetto.dev>,
    /// `chrome://tracing` or <https://www.speedscope.app>.
    #[must_use]
    pub fn to_chrome_json(&self) -> String {
        chrome::encode(self)
    }

    /// Writes a file: JSON if its name ends in `.json`, else a Perfetto trace.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write_to(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        let is_json = path.extension().is_some_and(|extension| extension == "json");
        let bytes = if is_json { self.to_chrome_json().into_bytes() } else { self.to_perfetto() };
        let mut file = BufWriter::new(File::create(path)?);
        file.write_all(&bytes)?;
        file.flush()
    }

    /// The moment in nanoseconds of the system's clock.
    pub(super) fn nanos(&self, time: u64) -> u64 {
        match time.checked_sub(self.now) {
            Some(later) => self.now_ns + self.scale.nanos(later),
            None => self.now_ns.saturating_sub(self.scale.nanos(self.now - time)),
        }
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace")
            .field("len", &self.len())
            .field("overwritten", &self.overwritten)
            .finish_non_exhaustive()
    }
}

impl Event {
    /// Whether it is something that took time, and ends with the event.
    pub(super) fn is_slice(&self) -> bool {
        matches!(self.kind, Kind::Poll | Kind::Park | Kind::Spare)
    }

    /// When a slice began.
    pub(super) fn start(&self) -> u64 {
        self.time.saturating_sub(self.small)
    }
}

/// The names of the tasks that have one.
fn task_names(scheduler: &Scheduler, recorder: &Recorder) -> HashMap<u64, Arc<str>> {
    let mut names: HashMap<_, _> = recorder.names().into_iter().collect();
    for task in scheduler.registry.all() {
        if let Some(name) = task.name() {
            names.entry(task.id().as_u64()).or_insert_with(|| Arc::from(name));
        }
    }
    names
}

/// Nanoseconds by the clock that Perfetto goes by: since the machine was started.
fn system_ns() -> u64 {
    #[cfg(target_os = "linux")]
    {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: writes to the structure.
        unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut time) };
        let (seconds, nanos) = (time.tv_sec as u64, time.tv_nsec as u64);
        seconds * 1_000_000_000 + nanos
    }
    #[cfg(not(target_os = "linux"))]
    {
        use std::time::SystemTime;
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }
}

/// What the system calls a thread.
fn thread_name(thread: u32) -> String {
    let path = format!("/proc/self/task/{thread}/comm");
    match std::fs::read_to_string(path) {
        Ok(name) => name.trim_end().to_owned(),
        Err(_) => "thread".to_owned(),
    }
}
