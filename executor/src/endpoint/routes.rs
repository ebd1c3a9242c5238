//! The paths, and what is behind each.

use super::answer::{Answer, Status};
use super::request::Query;
use super::server::Shared;
use super::{pprof, tasks, traces};
use crate::runtime::Handle;
use std::fmt::Write;
use std::time::Duration;

/// The longest time that may be recorded.
pub(super) const LONGEST: Duration = Duration::from_secs(60);

/// A request on its way to its answer.
pub(super) struct Visit<'a> {
    pub(super) handle: Handle,
    pub(super) query: &'a Query,
    pub(super) shared: &'a Shared,
}

impl Visit<'_> {
    /// The answer if the endpoint or the runtime has ended while something was recorded.
    pub(super) fn ended_meanwhile(&self) -> Answer {
        Answer::text(Status::Unavailable, "the runtime has ended meanwhile")
    }
}

/// The answer, or that to a request that cannot be answered.
pub(super) type Answered = Result<Answer, Answer>;

struct Route {
    path: &'static str,
    parameters: &'static str,
    about: &'static str,
    answer: fn(&Visit<'_>) -> Answered,
}

const ROUTES: &[Route] = &[
    Route { path: "/", parameters: "", about: "this list", answer: index },
    Route {
        path: "/metrics",
        parameters: "",
        about: "what the runtime counts, for Prometheus",
        answer: metrics,
    },
    Route {
        path: "/debug/tasks",
        parameters: "?format=text|json&seconds=N",
        about: "where all tasks are, and what they do in the next N seconds",
        answer: tasks::answer,
    },
    Route {
        path: "/debug/trace",
        parameters: "?seconds=N&format=perfetto|json",
        about: "a trace of the next N seconds, for https://ui.perfetto.dev",
        answer: traces::answer,
    },
    Route {
        path: "/debug/pprof/profile",
        parameters: pprof::PARAMETERS,
        about: "where CPU time goes in the next N seconds, for pprof",
        answer: pprof::profile,
    },
    Route {
        path: "/debug/pprof/delay",
        parameters: pprof::PARAMETERS,
        about: "behind whom others wait in the next N seconds, for pprof",
        answer: pprof::delay,
    },
];

pub(super) fn answer(path: &str, visit: &Visit<'_>) -> Answer {
    let route = ROUTES.iter().find(|route| route.path == path);
    let found = route.map_or_else(|| not_found(path), |route| (route.answer)(visit));
    found.unwrap_or_else(|answer| answer)
}

fn not_found(path: &str) -> Answered {
    Ok(Answer::text(Status::NotFound, format!("there is no {path:?} here; this is:\n{}", list())))
}

fn list() -> String {
    let mut list = String::new();
    for Route { path, parameters, about, .. } in ROUTES {
        // Writing to a string does not fail.
        let _always = writeln!(list, "{:<48}  {about}", format!("{path}{parameters}"));
    }
    list
}

fn index(visit: &Visit<'_>) -> Answered {
    visit.query.only(&[])?;
    let (process, id) = (std::process::id(), visit.handle.id());
    let title = format!("preempt: runtime {id} of process {process}\n\n{}", list());
    Ok(Answer::text(Status::Ok, title))
}

fn metrics(visit: &Visit<'_>) -> Answered {
    visit.query.only(&[])?;
    let text = visit.handle.metrics().to_prometheus();
    Ok(Answer::new("text/plain; version=0.0.4; charset=utf-8", text))
}
