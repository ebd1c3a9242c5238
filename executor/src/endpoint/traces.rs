//! `/debug/trace`: what the scheduler does from now on.

use super::answer::Answer;
use super::routes::{Answered, LONGEST, Visit};
use crate::trace::Session;
use std::time::Duration;

const DEFAULT: Duration = Duration::from_secs(1);

pub(super) fn answer(visit: &Visit<'_>) -> Answered {
    let query = visit.query.only(&["seconds", "format"])?;
    let format = query.one_of("format", &["perfetto", "json"])?;
    let time = query.seconds(LONGEST)?.unwrap_or(DEFAULT);
    let trace = record(visit, time)?.trace();
    Ok(match format {
        "json" => Answer::json(trace.to_chrome_json())
            .header("Content-Disposition", "attachment; filename=\"trace.json\""),
        _ => Answer::new("application/octet-stream", trace.to_perfetto())
            .header("Content-Disposition", "attachment; filename=\"trace.pftrace\""),
    })
}

/// Records for so long.
pub(super) fn record(visit: &Visit<'_>, time: Duration) -> Result<Session, Answer> {
    let session = Session::begin(visit.handle.scheduler());
    if visit.shared.wait(time) { Ok(session) } else { Err(visit.ended_meanwhile()) }
}
