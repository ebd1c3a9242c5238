//! The tasks by what they do, again and again.
//!
//! The endpoint watches them for the interval and tells what each did, so nothing is lost between two
//! looks but the time that a look takes.

use crate::arguments::{By, Top};
use crate::client::{Client, Failure};
use crate::dump::{Dump, Task, duration};
use crate::table::Table;
use std::cmp::Reverse;
use std::io::{self, IsTerminal, Write};

/// Clears the screen and goes to its first line.
const CLEAR: &str = "\x1b[H\x1b[2J";

pub(crate) fn run(client: &Client, top: &Top) -> Result<(), Failure> {
    let is_terminal = io::stdout().is_terminal() && !top.once;
    loop {
        let mut dump = Dump::get(client, Some(top.interval))?;
        let mut out = io::stdout().lock();
        let mut show = || {
            if is_terminal {
                out.write_all(CLEAR.as_bytes())?;
            }
            show(&mut dump, top, &mut out)
        };
        show().map_err(Failure::Output)?;
        if top.once {
            return Ok(());
        }
    }
}

fn show(dump: &mut Dump, top: &Top, out: &mut impl Write) -> io::Result<()> {
    let window = dump.window_us.max(1);
    writeln!(out, "{} tasks; within {}:", dump.tasks.len(), duration(window))?;
    dump.tasks.sort_by_key(|task| {
        let did = task.activity;
        let (first, second) = match top.by {
            By::Time => (did.run_us, did.polls),
            By::Polls => (did.polls, did.run_us),
        };
        (Reverse(first), Reverse(second), task.id)
    });
    let headings =
        [">ID", "NAME", "STATE", ">TIME%", ">TIME", ">POLLS", ">WAKES", "SPAWNED AT", "AT"];
    let mut table = Table::new(&headings);
    for task in dump.tasks.iter().take(top.lines) {
        table.row(row(task, window));
    }
    table.write(out)?;
    // Between two looks, where nothing clears the screen.
    writeln!(out)
}

fn row(task: &Task, window: u64) -> [String; 9] {
    let did = task.activity;
    let share = did.run_us as f64 * 100.0 / window as f64;
    [
        task.id.to_string(),
        task.name(),
        task.state.clone(),
        format!("{share:.1}"),
        duration(did.run_us),
        did.polls.to_string(),
        did.wakes.to_string(),
        task.place(),
        task.at(),
    ]
}
