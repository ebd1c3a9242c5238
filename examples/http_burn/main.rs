//! An HTTP server in which one handler computes for a tenth of a second, on preempt and on tokio.
//!
//! `/` answers at once; `/burn` computes for about 100 ms, in ordinary code without an await. The
//! handlers are the same on both runtimes (`handlers.rs`), and so is hyper. On a cooperative runtime as
//! many requests of `/burn` as there are workers stop everybody else for as long as they take.
//!
//! A server to try:
//!
//! ```text
//! cargo run --release --features hyper --example http_burn -- --port 8080 --workers 2 --runtime preempt
//! curl http://127.0.0.1:8080/burn
//! ```
//!
//! Options: `--runtime preempt|tokio` (preempt), `--workers N` (2), `--port N` (any), `--turns N` (of
//! the loop of `/burn`; as many as take 100 ms).
//!
//! The comparison:
//!
//! ```text
//! cargo run --release --features hyper --example http_burn -- compare
//! ```
//!
//! It starts both servers in turn, each in a process of its own, and loads them from this one
//! (`load.rs`): 32 connections ask for `/` and 2 for `/burn`, each again as soon as it is answered.
//! Options: `--seconds N` (2) for each case, `--rounds N` (3).
//!
//! Expect eight rows within about a minute. Without burners both runtimes are about equal. With
//! them, on tokio most requests of `/` wait for a burn to end; on preempt they do not. The exit status
//! is 1 if they do at the median. With two workers the burners want both cores of a small machine,
//! and the load has to wait for one as well.

mod compare;
mod handlers;
mod load;
#[path = "../measured/mod.rs"]
mod measured;
mod server;

use measured::{Arguments, Kind};
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(message) => {
            eprintln!("http_burn: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode, String> {
    let mut arguments = Arguments::of_the_program()?;
    if arguments.has("compare") {
        let (seconds, rounds) = (arguments.take("seconds", 2)?, arguments.take("rounds", 3)?);
        arguments.finish()?;
        return compare::compare(seconds, rounds).map_err(|error| error.to_string());
    }
    let kind = arguments.take("runtime", Kind::Preempt)?;
    let (workers, port) = (arguments.take("workers", 2)?, arguments.take("port", 0)?);
    handlers::set_turns(arguments.take("turns", 0)?);
    arguments.finish()?;
    let served = match kind {
        Kind::Preempt => server::on_preempt(workers, port),
        Kind::Tokio => server::on_tokio(workers, port),
    };
    served.map(|()| ExitCode::SUCCESS).map_err(|error| error.to_string())
}
