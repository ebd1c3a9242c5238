//! `/debug/pprof/`: profiles for `go tool pprof` and the like, under the paths that Go has.

use super::answer::{Answer, Status};
use super::routes::{Answered, Visit};

pub(super) fn profile(_visit: &Visit<'_>) -> Answered {
    Err(missing("CPU profiles are"))
}

pub(super) fn delay(_visit: &Visit<'_>) -> Answered {
    Err(missing("A profile of what tasks wait behind is"))
}

fn missing(what: &str) -> Answer {
    let text = format!("{what} not part of this version of preempt; /debug/trace is");
    Answer::text(Status::NotFound, text)
}
