//! From the endpoint's tasks to the messages of console-api.
//!
//! A console adds up itself how long a task has been running or ready at the moment: from when its last
//! poll began, or when it was woken. The endpoint tells the state at the end of an interval and the sums
//! of the interval, so both are said to be at that end.

use crate::dump::{Activity, Dump, Task};
use console_api::instrument::Update;
use console_api::tasks::{self, Stats, TaskUpdate};
use console_api::{
    Field, Id, Location, MetaId, Metadata, PollStats, RegisterMetadata, field, metadata,
    register_metadata::NewMetadata,
};
use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime};

/// There is only one kind of span.
const SPAWN: MetaId = MetaId { id: 1 };

/// The tasks that live, as they were told last.
#[derive(Default)]
pub(super) struct Known(HashMap<u64, KnownTask>);

struct KnownTask {
    description: tasks::Task,
    stats: Stats,
}

impl Known {
    /// What is new.
    pub(super) fn update(&mut self, dump: &Dump, now: SystemTime) -> Update {
        let mut update = TaskUpdate::default();
        for task in &dump.tasks {
            let known = self.0.entry(task.id).or_insert_with(|| {
                let description = describe(task);
                update.new_tasks.push(description.clone());
                KnownTask { description, stats: first_stats(now) }
            });
            add(&mut known.stats, task, dump.window_us, now);
            update.stats_update.insert(task.id, known.stats);
        }
        let live: HashSet<_> = dump.tasks.iter().map(|task| task.id).collect();
        self.0.retain(|id, known| {
            let lives = live.contains(id);
            if !lives {
                let ended = Stats { dropped_at: Some(now.into()), ..known.stats };
                update.stats_update.insert(*id, ended);
            }
            lives
        });
        message(update, None, now)
    }

    /// Everything, for somebody who knows nothing yet.
    pub(super) fn all(&self, now: SystemTime) -> Update {
        let tasks = self.0.values();
        let stats = self.0.iter().map(|(id, known)| (*id, known.stats));
        let update = TaskUpdate {
            new_tasks: tasks.map(|known| known.description.clone()).collect(),
            stats_update: stats.collect(),
            dropped_events: 0,
        };
        message(update, Some(register()), now)
    }
}

fn message(tasks: TaskUpdate, new: Option<RegisterMetadata>, now: SystemTime) -> Update {
    Update {
        now: Some(now.into()),
        task_update: Some(tasks),
        resource_update: Some(console_api::resources::ResourceUpdate::default()),
        async_op_update: Some(console_api::async_ops::AsyncOpUpdate::default()),
        new_metadata: new,
    }
}

fn register() -> RegisterMetadata {
    let metadata = Metadata {
        name: "runtime.spawn".to_owned(),
        target: "preempt::task".to_owned(),
        kind: metadata::Kind::Span.into(),
        level: metadata::Level::Trace.into(),
        field_names: ["kind", "task.name", "task.id"].map(str::to_owned).to_vec(),
        ..Metadata::default()
    };
    RegisterMetadata { metadata: vec![NewMetadata { id: Some(SPAWN), metadata: Some(metadata) }] }
}

fn describe(task: &Task) -> tasks::Task {
    let field = |name: &str, value| Field {
        metadata_id: Some(SPAWN),
        name: Some(field::Name::StrName(name.to_owned())),
        value: Some(value),
    };
    let mut fields = vec![
        field("kind", field::Value::StrVal("task".to_owned())),
        field("task.id", field::Value::U64Val(task.id)),
    ];
    if let Some(name) = &task.name {
        fields.push(field("task.name", field::Value::StrVal(name.clone())));
    }
    tasks::Task {
        id: Some(Id { id: task.id }),
        metadata: Some(SPAWN),
        kind: tasks::task::Kind::Spawn.into(),
        fields,
        parents: Vec::new(),
        location: Some(location(&task.spawned_at)),
    }
}

/// `file:line:column`; a file's name may have colons.
fn location(place: &str) -> Location {
    let mut parts = place.rsplitn(3, ':');
    let mut number = || parts.next().and_then(|number| number.parse().ok());
    let (column, line) = (number(), number());
    Location { file: parts.next().map(str::to_owned), module_path: None, line, column }
}

/// Since it was first seen; when it was spawned is not known.
fn first_stats(now: SystemTime) -> Stats {
    Stats {
        created_at: Some(now.into()),
        // Wakers are not counted. One, or each task that waits would be said to have lost its own.
        waker_clones: 1,
        poll_stats: Some(PollStats::default()),
        ..Stats::default()
    }
}

fn add(stats: &mut Stats, task: &Task, window_us: u64, now: SystemTime) {
    let Activity { run_us, polls, wakes } = task.activity;
    stats.wakes += wakes;
    let polled = stats.poll_stats.get_or_insert_default();
    polled.polls += polls;
    add_time(&mut polled.busy_time, run_us);
    // In one and the same poll all the time: when it did not run it was detached, and so ready. Of others
    // it is not known how much of the time they were ready.
    let is_in_poll = matches!(task.state.as_str(), "running" | "handed off" | "detached");
    if is_in_poll && polls == 0 && wakes == 0 {
        add_time(&mut stats.scheduled_time, window_us.saturating_sub(run_us));
    }
    let now = Some(now.into());
    match task.state.as_str() {
        "running" | "handed off" => {
            (polled.last_poll_started, polled.last_poll_ended) = (now, None)
        }
        "waiting" => (polled.last_poll_started, polled.last_poll_ended) = (now, now),
        // Queued, or detached: ready.
        _ => {
            (polled.last_poll_started, polled.last_poll_ended) = (None, None);
            stats.last_wake = now;
        }
    }
}

fn add_time(sum: &mut Option<prost_types::Duration>, us: u64) {
    let before = sum.and_then(|time| Duration::try_from(time).ok()).unwrap_or_default();
    *sum = prost_types::Duration::try_from(before + Duration::from_micros(us)).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dump(tasks: &str) -> Dump {
        serde_json::from_str(&format!("{{\"tasks\": [{tasks}]}}")).unwrap()
    }

    fn task(id: u64, state: &str, run_us: u64) -> String {
        format!(
            "{{\"id\": {id}, \"name\": null, \"state\": \"{state}\", \"since_us\": null, \
             \"blocked_in\": null, \"spawned_at\": \"C:/a.rs:7:9\", \"frames\": [], \
             \"activity\": {{\"run_us\": {run_us}, \"polls\": 2, \"wakes\": 1}}}}"
        )
    }

    #[test]
    fn tasks_come_run_and_go() {
        let (mut known, now) = (Known::default(), SystemTime::now());
        let first = known.update(&dump(&task(3, "running", 10)), now).task_update.unwrap();
        assert_eq!(first.new_tasks.len(), 1);
        let place = first.new_tasks[0].location.clone().unwrap();
        assert_eq!(
            (place.file.as_deref(), place.line, place.column),
            (Some("C:/a.rs"), Some(7), Some(9))
        );
        let second = known.update(&dump(&task(3, "waiting", 5)), now).task_update.unwrap();
        assert!(second.new_tasks.is_empty());
        let stats = second.stats_update[&3];
        let polled = stats.poll_stats.unwrap();
        assert_eq!((polled.polls, stats.wakes), (4, 2));
        assert_eq!(polled.busy_time, Some(prost_types::Duration { seconds: 0, nanos: 15_000 }));
        assert_eq!(known.all(now).task_update.unwrap().new_tasks.len(), 1);
        let third = known.update(&dump(""), now).task_update.unwrap();
        assert!(third.stats_update[&3].dropped_at.is_some());
        assert!(known.all(now).task_update.unwrap().new_tasks.is_empty());
    }
}
