//! `/debug/tasks`: where all tasks are, and for how long each runs.
//!
//! Who ran for how long is taken from a trace of that time, so that tasks pay for it only then. A poll
//! that began before the trace and has not been interrupted since is in none; but a task that is being
//! polled at the end, and whose poll has not begun since the start, has run all the time.

use super::answer::{Answer, Status};
use super::routes::{Answered, LONGEST, Visit};
use super::traces::record;
use crate::runtime::{DumpedTask, TaskDump, TaskState};
use crate::trace::{Activity, TaskActivity};
use serde_json::{Value, json};
use std::fmt::Write;
use std::time::Duration;

pub(super) fn answer(visit: &Visit<'_>) -> Answered {
    let query = visit.query.only(&["seconds", "format"])?;
    let is_json = query.one_of("format", &["text", "json"])? == "json";
    let time = query.seconds(LONGEST)?;
    let session = time.map(|time| record(visit, time)).transpose()?;
    let dump = visit.handle.dump().map_err(|error| {
        Answer::text(Status::Failed, format!("the tasks cannot be looked at: {error}"))
    })?;
    // After the dump: whoever ran there, and began to since the start, is in it.
    let activity = session.map(|session| session.activity());
    Ok(match (is_json, activity) {
        (true, None) => Answer::json(dump.to_json()),
        (true, Some(activity)) => Answer::json(json_with(&dump, &activity).to_string()),
        (false, None) => Answer::text(Status::Ok, dump.to_string()),
        (false, Some(activity)) => Answer::text(Status::Ok, text_with(&dump, &activity)),
    })
}

fn of_task(task: &DumpedTask, activity: &Activity) -> TaskActivity {
    match activity.of_task(task.id) {
        Some(known) => known,
        None if matches!(task.state, TaskState::Running | TaskState::HandedOff) => {
            TaskActivity { ran: activity.window(), ..TaskActivity::default() }
        }
        None => TaskActivity::default(),
    }
}

fn json_with(dump: &TaskDump, activity: &Activity) -> Value {
    let mut all = dump.to_value();
    all["window_us"] = micros(activity.window()).into();
    // In the order of the dump.
    if let Some(tasks) = all["tasks"].as_array_mut() {
        for (value, task) in tasks.iter_mut().zip(&dump.tasks) {
            let TaskActivity { polls, ran, wakes } = of_task(task, activity);
            value["activity"] = json!({ "polls": polls, "run_us": micros(ran), "wakes": wakes });
        }
    }
    all
}

fn text_with(dump: &TaskDump, activity: &Activity) -> String {
    let mut text = format!("{dump}\nwithin {:.3} s:\n", activity.window().as_secs_f64());
    for task in &dump.tasks {
        let TaskActivity { polls, ran, wakes } = of_task(task, activity);
        let (id, ran) = (task.id, ran.as_secs_f64() * 1e3);
        // Writing to a string does not fail.
        let _always =
            writeln!(text, "task {id}: ran for {ran:.1} ms, {polls} polls, {wakes} wake-ups");
    }
    text
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
