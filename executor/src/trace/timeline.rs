//! From events to what is drawn: tracks with slices and instants on them, and flows between these.
//! Knows no format.
//!
//! | track | what is on it |
//! |---|---|
//! | a processor | its polls and sleeps; what happened meanwhile on its machine, or to it |
//! | a machine's thread | the same polls; the times without a processor |
//! | another thread | its stays in `block_on`, its blocking closures; whom it wakes |
//!
//! A poll whose processor was taken away ends there on the processor's track, and goes on on that of
//! the thread. A flow leads from a wake-up to the poll that it caused.

use super::event::{Event, Kind, NO_PROCESSOR, Outcome};
use super::snapshot::Trace;
use crate::preempt::REFUSALS;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::panic::Location;

pub(super) struct Timeline {
    pub(super) tracks: Vec<Track>,
    /// Of each track in the order of their beginnings, a slice before what is inside it.
    pub(super) entries: Vec<Entry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Owner {
    Processor(usize),
    Thread(u32),
}

pub(super) struct Track {
    pub(super) owner: Owner,
    pub(super) name: String,
}

pub(super) struct Entry {
    /// An index into the tracks.
    pub(super) track: usize,
    pub(super) start_ns: u64,
    /// `None`: an instant.
    pub(super) end_ns: Option<u64>,
    pub(super) name: String,
    pub(super) details: Vec<(&'static str, Detail)>,
    /// A flow that begins here.
    pub(super) flow_from: Option<u64>,
    /// A flow that ends here.
    pub(super) flow_to: Option<u64>,
}

pub(super) enum Detail {
    Number(u64),
    Text(String),
}

/// An event, and the thread that it happened on.
#[derive(Clone, Copy)]
struct Happened {
    thread: u32,
    event: Event,
    /// It goes on.
    is_open: bool,
}

impl Happened {
    fn start(&self) -> u64 {
        if self.is_open { self.event.time } else { self.event.start_of_any() }
    }
}

impl Event {
    /// When whatever the event is the end of began; for instants, when they were.
    fn start_of_any(&self) -> u64 {
        match self.kind {
            Kind::Poll | Kind::Park | Kind::Spare => self.start(),
            Kind::BlockedOn => self.time.saturating_sub(self.a),
            Kind::Blocking => self.time.saturating_sub(self.b),
            _ => self.time,
        }
    }
}

impl Timeline {
    pub(super) fn of(trace: &Trace) -> Self {
        let happened = in_order(trace);
        let mut builder = Builder::new(trace, &happened);
        for one in &happened {
            builder.add(one);
        }
        builder.finish()
    }
}

fn in_order(trace: &Trace) -> Vec<Happened> {
    let mut all = Vec::with_capacity(trace.len());
    for lane in &trace.lanes {
        let thread = lane.thread;
        all.extend(lane.events.iter().map(|&event| Happened { thread, event, is_open: false }));
        all.extend(lane.state.map(|event| Happened { thread, event, is_open: true }));
    }
    all.extend(trace.outside.iter().map(|&event| {
        let thread = u32::try_from(event.small).unwrap_or(0);
        Happened { thread, event, is_open: false }
    }));
    all.sort_by_key(|one| (one.start(), Reverse(one.event.time)));
    all
}

struct Builder<'a> {
    trace: &'a Trace,
    tracks: Vec<Track>,
    places: HashMap<Owner, usize>,
    entries: Vec<Entry>,
    /// When processors were handed off.
    hand_offs: Vec<(u64, u64)>,
    /// The flow to the next poll of a task.
    flows: HashMap<u64, u64>,
    next_flow: u64,
    /// Stays in `block_on` that have not ended, by thread: an entry each.
    stays: HashMap<u32, Vec<usize>>,
}

impl<'a> Builder<'a> {
    fn new(trace: &'a Trace, happened: &[Happened]) -> Self {
        let hand_offs = happened.iter().map(|one| one.event);
        let hand_offs = hand_offs.filter(|event| event.kind == Kind::HandOff);
        let mut builder = Builder {
            trace,
            tracks: Vec::new(),
            places: HashMap::new(),
            entries: Vec::with_capacity(happened.len() * 2),
            hand_offs: hand_offs.map(|event| (event.a, event.time)).collect(),
            flows: HashMap::new(),
            next_flow: 1,
            stays: HashMap::new(),
        };
        (0..trace.processors).for_each(|index| {
            builder.track(Owner::Processor(index));
        });
        trace.lanes.iter().for_each(|lane| {
            builder.track(Owner::Thread(lane.thread));
        });
        builder
    }

    fn track(&mut self, owner: Owner) -> usize {
        if let Some(&place) = self.places.get(&owner) {
            return place;
        }
        let name = match owner {
            Owner::Processor(index) => format!("processor {index}"),
            Owner::Thread(thread) => {
                self.trace.thread_names.get(&thread).cloned().unwrap_or_default()
            }
        };
        self.tracks.push(Track { owner, name });
        self.places.insert(owner, self.tracks.len() - 1);
        self.tracks.len() - 1
    }

    /// The processor's track if there is one, else the thread's.
    fn track_of(&mut self, processor: u64, thread: u32) -> usize {
        match usize::try_from(processor) {
            Ok(index) if index < self.trace.processors => self.track(Owner::Processor(index)),
            _ => self.track(Owner::Thread(thread)),
        }
    }

    fn add(&mut self, one: &Happened) {
        let event = &one.event;
        match event.kind {
            Kind::Poll => self.add_poll(one),
            Kind::Park => {
                self.add_slice(one, event.processor.into(), "asleep".to_owned());
                self.add_slice(one, NO_PROCESSOR.into(), "asleep".to_owned());
            }
            Kind::Spare => self.add_slice(one, NO_PROCESSOR.into(), "no processor".to_owned()),
            Kind::Spawn => self.add_spawn(one),
            Kind::Wake => self.add_wake(one),
            Kind::BlockOn => self.add_stay(one),
            Kind::BlockedOn => self.end_stay(one),
            Kind::Blocking => {
                let name = format!("blocking, {}", self.task_name(event.a, None));
                let end = self.trace.nanos(event.time);
                self.entry(one, NO_PROCESSOR.into(), name).end_ns = Some(end);
            }
            _ => self.add_instant(one),
        }
    }

    /// An entry at the beginning of what happened.
    fn entry(&mut self, one: &Happened, processor: u64, name: String) -> &mut Entry {
        let track = self.track_of(processor, one.thread);
        let place = self.entries.len();
        self.entries.push(Entry {
            track,
            start_ns: self.trace.nanos(one.start()),
            end_ns: None,
            name,
            details: Vec::new(),
            flow_from: None,
            flow_to: None,
        });
        &mut self.entries[place]
    }

    fn end_ns(&self, one: &Happened) -> u64 {
        self.trace.nanos(if one.is_open { self.trace.now.max(one.start()) } else { one.event.time })
    }

    fn add_slice(&mut self, one: &Happened, processor: u64, name: String) {
        let end = self.end_ns(one);
        self.entry(one, processor, name).end_ns = Some(end);
    }

    fn add_poll(&mut self, one: &Happened) {
        let event = &one.event;
        let note = event.poll_note();
        let name = match event.a {
            0 => "block_on".to_owned(),
            task => self.task_name(task, note.spawned_at),
        };
        let flow = self.flows.remove(&event.a);
        let mut details = vec![("thread", Detail::Number(one.thread.into()))];
        if event.a != 0 {
            details.push(("task", Detail::Number(event.a)));
        }
        if let Some(place) = note.spawned_at {
            details.push(("spawned at", Detail::Text(place.to_string())));
        }
        let ends = if one.is_open { "it goes on" } else { outcome_text(note.outcome) };
        details.push(("ends", Detail::Text(ends.to_owned())));
        if note.is_resumed {
            details.push(("begins", Detail::Text("in the middle".to_owned())));
        }
        let end = self.end_ns(one);
        let processor = u64::from(event.processor);
        let lost_at = self.lost_at(one).filter(|_| note.has_lost_processor || one.is_open);
        let end_on_processor = lost_at.map_or(end, |lost_at| self.trace.nanos(lost_at));
        let on_thread = self.entry(one, NO_PROCESSOR.into(), name.clone());
        on_thread.end_ns = Some(end);
        on_thread.details.push(("processor", Detail::Number(processor)));
        let entry = self.entry(one, processor, name);
        entry.end_ns = Some(end_on_processor);
        entry.details = details;
        entry.flow_to = flow;
    }

    /// When the processor of the poll was handed off.
    fn lost_at(&self, one: &Happened) -> Option<u64> {
        let (from, processor) = (one.start(), u64::from(one.event.processor));
        let until = if one.is_open { u64::MAX } else { one.event.time };
        let mut times = self.hand_offs.iter();
        times
            .find(|(which, time)| *which == processor && (from..=until).contains(time))
            .map(|&(_, time)| time)
    }

    fn new_flow(&mut self, task: u64) -> u64 {
        let flow = self.next_flow;
        self.next_flow += 1;
        self.flows.insert(task, flow);
        flow
    }

    fn add_spawn(&mut self, one: &Happened) {
        let event = &one.event;
        let name = format!("spawn {}", self.task_name(event.a, None));
        let flow = self.new_flow(event.a);
        let entry = self.entry(one, event.processor.into(), name);
        entry.flow_from = Some(flow);
        entry.details.push(("task", Detail::Number(event.a)));
        if let Some(place) = event.spawned_at() {
            entry.details.push(("spawned at", Detail::Text(place.to_string())));
        }
    }

    fn add_wake(&mut self, one: &Happened) {
        let event = &one.event;
        // Nothing is woken twice before it is polled: this is the first wake-up, that of the spawn.
        if self.flows.contains_key(&event.a) {
            return;
        }
        let name = format!("wake {}", self.task_name(event.a, None));
        let flow = self.new_flow(event.a);
        let entry = self.entry(one, event.processor.into(), name);
        entry.flow_from = Some(flow);
        entry.details.push(("task", Detail::Number(event.a)));
    }

    fn add_stay(&mut self, one: &Happened) {
        let now = self.trace.nanos(self.trace.now);
        self.entry(one, NO_PROCESSOR.into(), "block_on".to_owned()).end_ns = Some(now);
        let place = self.entries.len() - 1;
        self.stays.entry(one.thread).or_default().push(place);
    }

    /// In the order of beginnings, the end of a stay comes with the beginning: it is of the one that was
    /// added last, if its beginning is still there.
    fn end_stay(&mut self, one: &Happened) {
        let end = self.trace.nanos(one.event.time);
        let start = self.trace.nanos(one.start());
        let stays = self.stays.entry(one.thread).or_default();
        match stays.last().copied() {
            Some(place) if self.entries[place].start_ns.abs_diff(start) < 10_000 => {
                stays.pop();
                self.entries[place].end_ns = Some(end);
            }
            _ => self.entry(one, NO_PROCESSOR.into(), "block_on".to_owned()).end_ns = Some(end),
        }
    }

    fn add_instant(&mut self, one: &Happened) {
        let event = &one.event;
        let own = u64::from(event.processor);
        let (processor, name, details) = match event.kind {
            Kind::Request => (event.a, "asked to give way", None),
            Kind::Signal => (NO_PROCESSOR.into(), "signal", None),
            Kind::Refuse => (own, "signal refused", Some(("why", refusal_text(event.a)))),
            Kind::HandOff => {
                let is_machine = self.trace.lanes.iter().any(|lane| lane.thread == one.thread);
                let by = if is_machine { "the poll itself" } else { "the monitor" };
                (event.a, "hand-off", Some(("by", Detail::Text(by.to_owned()))))
            }
            Kind::Unpark => (own, "unpark", Some(("processor", Detail::Number(event.a)))),
            Kind::Steal => (own, "steal", Some(("tasks", Detail::Number(event.a)))),
            Kind::Netpoll => (own, "events", Some(("woken", Detail::Number(event.a)))),
            Kind::Timers => (own, "timers", Some(("fired", Detail::Number(event.a)))),
            Kind::Take => {
                (NO_PROCESSOR.into(), "takes a processor", Some(("which", Detail::Number(own))))
            }
            // Those that take time.
            _ => return,
        };
        // A signal is shown where it goes to.
        let target = u32::try_from(event.a).ok().filter(|_| event.kind == Kind::Signal);
        let one = &Happened { thread: target.unwrap_or(one.thread), ..*one };
        let entry = self.entry(one, processor, name.to_owned());
        entry.details.extend(details);
        if event.kind == Kind::Steal {
            entry.details.push(("from processor", Detail::Number(event.b)));
        }
    }

    fn task_name(&self, task: u64, spawned_at: Option<&Location<'_>>) -> String {
        match (self.trace.task_names.get(&task), spawned_at) {
            (Some(name), _) => format!("{name} (task {task})"),
            (None, Some(place)) => {
                let file = place.file().rsplit(['/', '\\']).next().unwrap_or_default();
                format!("task {task} ({file}:{})", place.line())
            }
            (None, None) => format!("task {task}"),
        }
    }

    fn finish(mut self) -> Timeline {
        self.entries.sort_by_key(|entry| {
            (entry.track, entry.start_ns, Reverse(entry.end_ns.unwrap_or(entry.start_ns)))
        });
        nest(&mut self.entries);
        Timeline { tracks: self.tracks, entries: self.entries }
    }
}

/// Sees to it that two slices of a track are either one inside the other or apart. They are by nature,
/// but a clock may be a little off between two processors, and events may be missing.
fn nest(entries: &mut [Entry]) {
    let mut open: Vec<usize> = Vec::new();
    for index in 0..entries.len() {
        let (track, start) = (entries[index].track, entries[index].start_ns);
        let Some(end) = entries[index].end_ns else { continue };
        while open.last().is_some_and(|&last| {
            entries[last].track != track || entries[last].end_ns.is_none_or(|end| end <= start)
        }) {
            open.pop();
        }
        if let Some(&last) = open.last()
            && entries[last].end_ns.is_some_and(|last| last < end)
        {
            // What began later is nearer to the truth.
            entries[last].end_ns = Some(start);
            open.pop();
        }
        open.push(index);
    }
}

fn outcome_text(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pending => "it waits",
        Outcome::Complete => "complete",
        Outcome::Yielded => "yields",
        Outcome::GaveWay => "yields when asked",
        Outcome::DetachedAtCheckpoint => "detached at a checkpoint",
        Outcome::DetachedBySignal => "detached by a signal",
    }
}

fn refusal_text(index: u64) -> Detail {
    let refusal = usize::try_from(index).ok().and_then(|index| REFUSALS.get(index));
    Detail::Text(refusal.map_or("", |refusal| refusal.as_str()).to_owned())
}
