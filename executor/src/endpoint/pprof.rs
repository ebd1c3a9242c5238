//! `/debug/pprof/`: profiles, under the paths and for the tools that Go has them for.

use super::answer::{Answer, Status};
use super::routes::{Answered, LONGEST, Visit};
use crate::runtime::Profile;
use std::io::{self, ErrorKind};
use std::time::Duration;

/// As Go's.
const DEFAULT: Duration = Duration::from_secs(30);

/// As Go's: samples a second of CPU time.
const HZ: u32 = 100;

pub(super) const PARAMETERS: &str = "?seconds=N&format=pprof|folded";

pub(super) fn profile(visit: &Visit<'_>) -> Answered {
    answer(visit, "profile", |time, goes_on| {
        Profile::cpu(visit.handle.scheduler(), HZ, time, goes_on)
    })
}

pub(super) fn delay(visit: &Visit<'_>) -> Answered {
    answer(visit, "delay", |time, goes_on| Profile::delays(visit.handle.scheduler(), time, goes_on))
}

fn answer(
    visit: &Visit<'_>,
    name: &str,
    make: impl FnOnce(Duration, &dyn Fn() -> bool) -> io::Result<Profile>,
) -> Answered {
    let query = visit.query.only(&["seconds", "format"])?;
    let encode = match query.one_of("format", &["pprof", "folded"])? {
        "folded" => folded,
        _ => pprof()?,
    };
    let time = query.seconds(LONGEST)?.unwrap_or(DEFAULT);
    let goes_on = || !visit.shared.is_stopped();
    let made = make(time, &goes_on).map_err(|error| failed(&error))?;
    if goes_on() { Ok(encode(&made, name)) } else { Err(visit.ended_meanwhile()) }
}

fn failed(error: &io::Error) -> Answer {
    let status = match error.kind() {
        ErrorKind::ResourceBusy => Status::Unavailable,
        _ => Status::Failed,
    };
    Answer::text(status, format!("there is no profile: {error}"))
}

type Encode = fn(&Profile, &str) -> Answer;

fn folded(profile: &Profile, _name: &str) -> Answer {
    Answer::text(Status::Ok, profile.folded())
}

#[cfg(feature = "pprof")]
fn pprof() -> Result<Encode, Answer> {
    Ok(|profile, name| {
        Answer::new("application/octet-stream", profile.pprof())
            .header("Content-Disposition", format!("attachment; filename=\"{name}.pb.gz\""))
    })
}

#[cfg(not(feature = "pprof"))]
fn pprof() -> Result<Encode, Answer> {
    let text = "the program was built without the feature `pprof` of preempt; \
                `format=folded` is there all the same, for flame graphs";
    Err(Answer::text(Status::NotFound, text))
}
