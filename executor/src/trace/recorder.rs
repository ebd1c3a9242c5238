//! Where events go: a ring for each machine, and one that all other threads share.

use super::clock::{Scale, ticks};
use super::event::{Event, Kind, NO_PROCESSOR, Outcome, PollNote, Subject};
use super::ring::Ring;
use crate::runtime::Config;
use crate::sync::Mutex;
use crossbeam_utils::CachePadded;
use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};

/// How many names of tasks are kept; a task's own is found as long as it lives.
const MOST_NAMES: usize = 4096;

/// How many events of its signal handler are kept for each thread.
const HANDLER_EVENTS: usize = 256;

/// Events are recorded.
pub(super) const TRACE: u32 = 1;
/// The times of polls are counted.
pub(super) const POLL_TIMES: u32 = 2;
/// So are the times that tasks wait.
pub(super) const LATENCIES: u32 = 4;
/// The rest of the word counts the changes.
const PERIOD: u32 = 1 << 8;

/// What is recorded of one runtime.
pub(crate) struct Recorder {
    /// What is observed, see [`Recorder::period`]. On a cache line of its own: every poll looks at it.
    observed: CachePadded<AtomicU32>,
    tracks: Mutex<Vec<Arc<Track>>>,
    /// For threads without a seat.
    outside: Arc<Track>,
    /// Who holds it writes to `outside`.
    outside_writer: Mutex<()>,
    /// Tasks that were spawned with a name.
    names: Mutex<VecDeque<(u64, Arc<str>)>>,
    /// How many events a ring has room for.
    capacity: usize,
    wanted: Mutex<Wanted>,
    /// When events were last begun to be recorded, in ticks.
    since: AtomicU64,
}

/// Who wants events to be recorded. They are as long as anybody does.
#[derive(Debug, Default)]
struct Wanted {
    /// The application, by its tracer.
    by_tracer: bool,
    sessions: usize,
}

/// The events of one thread, or of all that have none of their own.
#[derive(Debug, Default)]
pub(super) struct Track {
    /// Made when something is to be recorded for the first time.
    ring: OnceLock<Ring>,
    /// What the signal handler writes that interrupts the thread.
    handler_ring: OnceLock<Ring>,
    /// The number of the thread, see `thread_number`.
    pub(super) thread: AtomicU32,
}

impl Track {
    pub(super) fn ring(&self) -> Option<&Ring> {
        self.ring.get()
    }

    pub(super) fn handler_ring(&self) -> Option<&Ring> {
        self.handler_ring.get()
    }

    fn make_ring(&self, capacity: usize) {
        self.ring.get_or_init(|| Ring::new(capacity));
        self.handler_ring.get_or_init(|| Ring::new(capacity.min(HANDLER_EVENTS)));
    }
}

impl Recorder {
    pub(crate) fn new(config: &Config) -> Self {
        super::clock::prepare();
        let flag = |is_on: bool, flag: u32| if is_on { flag } else { 0 };
        let flags = flag(config.poll_time_histogram, POLL_TIMES)
            | flag(config.schedule_latency_histogram, LATENCIES);
        if flags != 0 {
            // Not in the first poll.
            Scale::fixed();
        }
        let most = (config.trace_bytes / Ring::EVENT_BYTES).max(2);
        let capacity = if most.is_power_of_two() { most } else { most.next_power_of_two() / 2 };
        let recorder = Recorder {
            // Not zero, which is what a lane has that has observed nothing.
            observed: CachePadded::new(AtomicU32::new(PERIOD | flags)),
            tracks: Mutex::new(Vec::with_capacity(config.most_machines())),
            outside: Arc::default(),
            outside_writer: Mutex::default(),
            names: Mutex::default(),
            capacity,
            wanted: Mutex::default(),
            since: AtomicU64::new(0),
        };
        if config.trace {
            recorder.start();
        }
        recorder
    }

    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.observes(TRACE)
    }

    /// Whether any of these flags is set.
    #[inline]
    pub(super) fn observes(&self, flags: u32) -> bool {
        self.period() & flags != 0
    }

    /// What is observed, and since which change of that: a number that tells each such time from all
    /// others. What a lane remembers of another time is worth nothing.
    #[inline]
    pub(super) fn period(&self) -> u32 {
        self.observed.load(Relaxed)
    }

    fn observe_trace(&self, on: bool) {
        let change = |word: u32| {
            let flags = word & (PERIOD - 1);
            let changed = if on { flags | TRACE } else { flags & !TRACE };
            (changed != flags).then(|| (word & !(PERIOD - 1)).wrapping_add(PERIOD) | changed)
        };
        // An error is that it is so already.
        let _unchanged = self.observed.fetch_update(SeqCst, SeqCst, change);
    }

    /// Records from now on.
    pub(super) fn start(&self) {
        self.want(|wanted| wanted.by_tracer = true);
    }

    /// Records no more, unless somebody else wants it. What is there stays.
    pub(super) fn stop(&self) {
        self.want(|wanted| wanted.by_tracer = false);
    }

    /// Records until [`end_session`](Self::end_session).
    pub(super) fn begin_session(&self) {
        self.want(|wanted| wanted.sessions += 1);
    }

    pub(super) fn end_session(&self) {
        self.want(|wanted| wanted.sessions -= 1);
    }

    fn want(&self, change: impl FnOnce(&mut Wanted)) {
        self.make_room_for_names();
        let mut wanted = self.wanted.lock();
        change(&mut wanted);
        let is_on = wanted.by_tracer || wanted.sessions > 0;
        if is_on && !self.is_on() {
            self.since.store(ticks(), Relaxed);
        }
        self.observe_trace(is_on);
        drop(wanted);
        if is_on {
            self.make_rings();
        }
    }

    /// A thread that comes later makes its ring if it sees `observed` after it has added its track; this
    /// makes the rings of all tracks after `observed` was set. So none is left without.
    fn make_rings(&self) {
        self.outside.make_ring(self.capacity);
        for track in self.tracks() {
            track.make_ring(self.capacity);
        }
    }

    /// Makes room for the names, outside of the lock.
    fn make_room_for_names(&self) {
        let mut room = VecDeque::with_capacity(MOST_NAMES);
        let mut names = self.names.lock();
        if names.capacity() == 0 {
            std::mem::swap(&mut *names, &mut room);
        }
        drop(names);
    }

    /// States that are older were left by an earlier recording.
    pub(super) fn since(&self) -> u64 {
        self.since.load(Relaxed)
    }

    pub(super) fn note_name(&self, task: u64, name: &str) {
        let name = Arc::from(name);
        let mut names = self.names.lock();
        let oldest = if names.len() >= MOST_NAMES { names.pop_front() } else { None };
        if names.len() < names.capacity() {
            names.push_back((task, name));
        }
        drop(names);
        drop(oldest);
    }

    pub(super) fn names(&self) -> Vec<(u64, Arc<str>)> {
        let mut copy = Vec::with_capacity(MOST_NAMES);
        copy.extend(self.names.lock().iter().take(MOST_NAMES).cloned());
        copy
    }

    /// A track of its own for the machine whose thread calls this.
    pub(crate) fn lane(&self) -> Lane {
        self.lane_on(Arc::default())
    }

    /// The track that the threads have in turn that are in `block_on` of a current-thread runtime.
    pub(crate) fn only_lane(&self) -> Lane {
        let first = self.tracks.lock().first().cloned();
        self.lane_on(first.unwrap_or_default())
    }

    fn lane_on(&self, track: Arc<Track>) -> Lane {
        track.thread.store(thread_number(), Relaxed);
        let added = track.clone();
        let mut tracks = self.tracks.lock();
        if !tracks.iter().any(|known| Arc::ptr_eq(known, &added)) {
            tracks.push(added);
        }
        drop(tracks);
        if self.observed.load(SeqCst) & TRACE != 0 {
            track.make_ring(self.capacity);
        }
        Lane::new(track)
    }

    pub(super) fn tracks(&self) -> Vec<Arc<Track>> {
        // The memory is taken when the lock is not.
        let count = self.tracks.lock().len();
        let mut copy = Vec::with_capacity(count);
        copy.extend(self.tracks.lock().iter().take(count).cloned());
        copy
    }

    pub(super) fn outside(&self) -> &Track {
        &self.outside
    }

    /// For threads without a seat. The lock is held for moments, and by no poll that is suspended.
    pub(super) fn push_outside(&self, event: Event) {
        let Some(ring) = self.outside.ring() else { return };
        let thread = this_thread_number();
        let _writer = self.outside_writer.lock();
        ring.push(Event { time: ticks(), small: thread.into(), ..event }.to_words());
    }
}

/// What a machine knows of what it records. Only code that runs on the machine touches it; a signal
/// handler only its track.
pub(crate) struct Lane {
    track: Arc<Track>,
    /// When everything below was noted, see [`Recorder::period`].
    period: Cell<u32>,
    /// When the poll began that is observed; zero: none is.
    began: Cell<u64>,
    /// The last reading of the clock, if nothing but a poll's end has happened since; else zero.
    last: Cell<u64>,
    subject: Cell<Subject>,
    outcome: Cell<Outcome>,
}

impl Lane {
    fn new(track: Arc<Track>) -> Self {
        Lane {
            track,
            period: Cell::new(0),
            began: Cell::new(0),
            last: Cell::new(0),
            subject: Cell::default(),
            outcome: Cell::default(),
        }
    }

    /// Whatever was done since the last poll, the next one begins later.
    #[inline]
    pub(crate) fn forget_time(&self) {
        self.last.set(0);
    }

    /// A poll begins now. Returns when that is.
    pub(super) fn begin(&self, period: u32, subject: Subject) -> u64 {
        let last = if self.period.replace(period) == period { self.last.take() } else { 0 };
        let now = if last == 0 { ticks() } else { last };
        self.began.set(now);
        self.subject.set(subject);
        self.outcome.set(Outcome::default());
        now
    }

    /// A poll is over: when it began and when it ended, if it was observed.
    pub(super) fn end(&self, period: u32) -> Option<(u64, u64)> {
        let began = self.began.take();
        if began == 0 || self.period.get() != period {
            return None;
        }
        let now = ticks();
        self.last.set(now);
        Some((began, now))
    }

    /// How the poll will end, if it is that of the task, or whoever's.
    pub(super) fn set_outcome(&self, task: Option<crate::task::Id>, outcome: Outcome) {
        if task.is_none() || task == self.subject.get().task {
            self.outcome.set(outcome);
        }
    }

    /// Whose poll it is that goes on, or has just ended.
    pub(super) fn subject(&self, period: u32) -> Option<Subject> {
        (self.period.get() == period).then(|| self.subject.get())
    }

    /// The event of the poll that is going on or has just ended.
    pub(super) fn poll_event(&self, has_lost_processor: bool) -> Event {
        let subject = self.subject.get();
        let note = PollNote {
            spawned_at: subject.spawned_at,
            outcome: self.outcome.get(),
            is_resumed: subject.is_resumed,
            has_lost_processor,
        };
        let task = subject.task.map_or(0, crate::task::Id::as_u64);
        Event::new(Kind::Poll).a(task).b(note.to_word())
    }

    pub(super) fn push(&self, time: u64, processor: Option<usize>, event: Event) {
        if let Some(ring) = self.track.ring() {
            ring.push(Event { time, processor: number(processor), ..event }.to_words());
        }
    }

    /// For the handler of a signal, which no other handler of these interrupts. Signal-safe.
    #[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
    pub(super) fn push_in_handler(&self, time: u64, processor: Option<usize>, event: Event) {
        if let Some(ring) = self.track.handler_ring() {
            ring.push(Event { time, processor: number(processor), ..event }.to_words());
        }
    }

    pub(super) fn set_state(&self, time: u64, processor: Option<usize>, event: Event) {
        if let Some(ring) = self.track.ring() {
            ring.set_state(Event { time, processor: number(processor), ..event }.to_words());
        }
    }
}

fn number(processor: Option<usize>) -> u16 {
    processor.and_then(|index| u16::try_from(index).ok()).unwrap_or(NO_PROCESSOR)
}

thread_local! {
    static THREAD: Cell<u32> = const { Cell::new(0) };
}

/// The number of a thread that runs no tasks, and so stays what it is.
fn this_thread_number() -> u32 {
    let known = THREAD.try_with(Cell::get).unwrap_or(0);
    if known != 0 {
        return known;
    }
    let number = thread_number();
    // The variable may be gone already.
    THREAD.try_with(|thread| thread.set(number)).unwrap_or(());
    number
}

/// The system's number of the calling thread; where that is not to be had, one that was given to no
/// other.
fn thread_number() -> u32 {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: the call has no preconditions.
        unsafe { libc::gettid() }.cast_unsigned()
    }
    #[cfg(not(target_os = "linux"))]
    {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        NEXT.fetch_add(1, Relaxed)
    }
}
