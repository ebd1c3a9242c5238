//! The tasks as the endpoint tells them.

use crate::client::{Client, Failure};
use crate::table::Table;
use serde::Deserialize;
use std::io::{self, Write};
use std::time::Duration;

#[derive(Debug, Deserialize)]
pub(crate) struct Dump {
    /// How long the tasks were watched, if they were.
    #[serde(default)]
    pub(crate) window_us: u64,
    pub(crate) tasks: Vec<Task>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Task {
    pub(crate) id: u64,
    pub(crate) name: Option<String>,
    pub(crate) state: String,
    pub(crate) since_us: Option<u64>,
    pub(crate) blocked_in: Option<String>,
    pub(crate) spawned_at: String,
    pub(crate) frames: Vec<Frame>,
    #[serde(default)]
    pub(crate) activity: Activity,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Frame {
    function: Option<String>,
    file: Option<String>,
    line: Option<u32>,
}

/// What a task did while it was watched.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct Activity {
    pub(crate) run_us: u64,
    pub(crate) polls: u64,
    pub(crate) wakes: u64,
}

impl Dump {
    /// As it is, or after so long, with what the tasks did meanwhile.
    pub(crate) fn get(client: &Client, watch: Option<Duration>) -> Result<Dump, Failure> {
        let target = match watch {
            None => "/debug/tasks?format=json".to_owned(),
            Some(time) => format!("/debug/tasks?format=json&seconds={}", time.as_secs_f64()),
        };
        let body = client.get(&target, watch.unwrap_or_default())?;
        serde_json::from_slice(&body)
            .map_err(|error| Failure::Strange(client.addr().to_owned(), error.to_string()))
    }

    /// A line for each task.
    pub(crate) fn list(&self, out: &mut impl Write) -> io::Result<()> {
        let mut table = Table::new(&[">ID", "NAME", "STATE", ">FOR", "SPAWNED AT", "AT"]);
        for task in &self.tasks {
            let since = task.since_us.map_or_else(String::new, duration);
            table.row([
                task.id.to_string(),
                task.name(),
                task.state.clone(),
                since,
                task.place(),
                task.at(),
            ]);
        }
        table.write(out)
    }
}

impl Task {
    pub(crate) fn name(&self) -> String {
        let name = self.name.as_deref().unwrap_or("-");
        // A name may be anything; a terminal is not to do what it says.
        name.escape_debug().collect()
    }

    pub(crate) fn place(&self) -> String {
        self.spawned_at.clone()
    }

    /// The lock or system call that it is blocked in, or the innermost function of its stack that is not
    /// of the standard library.
    pub(crate) fn at(&self) -> String {
        if let Some(what) = &self.blocked_in {
            return what.clone();
        }
        let known = self.frames.iter().find(|frame| frame.line.is_some() && !frame.is_of_std());
        let Some(Frame { function, file, line }) = known.or(self.frames.first()) else {
            return String::new();
        };
        let function = function.as_deref().unwrap_or("?");
        match (file, line) {
            (Some(file), Some(line)) => {
                let file = file.rsplit('/').next().unwrap_or(file);
                format!("{function} ({file}:{line})")
            }
            _ => function.to_owned(),
        }
    }
}

impl Frame {
    /// Whether the file is one of the standard library, as rustc writes them.
    fn is_of_std(&self) -> bool {
        let file = self.file.as_deref().unwrap_or_default();
        file.starts_with("/rustc/") || file.contains("/lib/rustlib/src/rust/")
    }
}

/// For a person: two or three digits that matter.
pub(crate) fn duration(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} us"),
        1_000..1_000_000 => format!("{:.1} ms", us as f64 / 1e3),
        _ => format!("{:.2} s", us as f64 / 1e6),
    }
}
