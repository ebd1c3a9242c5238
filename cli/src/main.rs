//! `preempt`: looks at a running program that uses preempt, through its debug endpoint.
//!
//! | file | owns |
//! |---|---|
//! | `arguments.rs` | the command line |
//! | `client.rs` | one request to the endpoint, and what can go wrong with it |
//! | `dump.rs` | the tasks as the endpoint tells them |
//! | `table.rs` | columns of text |
//! | `console/` | a server for tokio-console (feature `console`) |
//! | `top.rs` | the tasks by what they do, again and again |

#![forbid(unsafe_code)]

mod arguments;
mod client;
#[cfg(feature = "console")]
mod console;
mod dump;
mod table;
mod top;

use arguments::{Arguments, Command, Output};
use client::{Client, Failure};
use dump::Dump;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    let arguments = match Arguments::from_env() {
        Ok(Some(arguments)) => arguments,
        Ok(None) => return print(arguments::HELP),
        Err(error) => {
            eprintln!("preempt: {error}; see `preempt --help`");
            return ExitCode::from(2);
        }
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads our output has read enough: `preempt ps | head`.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("preempt: {error}");
            ExitCode::FAILURE
        }
    }
}

fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let client = Client::new(arguments.addr.clone());
    match &arguments.command {
        Command::Ps { stacks: true } => show(&client, "/debug/tasks"),
        Command::Ps { stacks: false } => {
            let dump = Dump::get(&client, None)?;
            let mut out = io::stdout().lock();
            dump.list(&mut out).map_err(Failure::Output)
        }
        Command::Top(top) => top::run(&client, top),
        Command::Trace(output) => {
            let is_json = output.path.extension().is_some_and(|extension| extension == "json");
            let format = if is_json { "json" } else { "perfetto" };
            let target = format!("/debug/trace?seconds={}&format={format}", seconds(output.time));
            save(&client, &target, output)?;
            eprintln!("preempt: open {} with https://ui.perfetto.dev", output.path.display());
            Ok(())
        }
        Command::Profile { output, delay } => {
            let what = if *delay { "delay" } else { "profile" };
            let is_folded = output.path.extension().is_some_and(|extension| extension == "folded");
            let format = if is_folded { "folded" } else { "pprof" };
            let time = seconds(output.time);
            let target = format!("/debug/pprof/{what}?seconds={time}&format={format}");
            save(&client, &target, output)
        }
        #[cfg(feature = "console")]
        Command::Console(console) => console::run(client, console),
        Command::Metrics => show(&client, "/metrics"),
    }
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

fn show(client: &Client, target: &str) -> Result<(), Failure> {
    let body = client.get(target, Duration::ZERO)?;
    io::stdout().write_all(&body).map_err(Failure::Output)
}

/// To a file, which is only made when there is something to be written.
fn save(client: &Client, target: &str, output: &Output) -> Result<(), Failure> {
    let body = client.get(target, output.time)?;
    if output.path == Path::new("-") {
        if io::stdout().is_terminal() {
            return Err(Failure::Terminal);
        }
        return io::stdout().write_all(&body).map_err(Failure::Output);
    }
    let write = || File::create(&output.path)?.write_all(&body);
    write().map_err(|error| Failure::File(output.path.clone(), error))
}
