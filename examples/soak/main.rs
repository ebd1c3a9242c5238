//! Soak: does a runtime that does everything at once, for long, keep its memory, its descriptors and its
//! threads, and is each result right?
//!
//! A few tasks of each kind (`operations.rs`) repeat their operation until the time is over: they spawn,
//! abort, time out, echo over TCP and Unix sockets, hog a processor with and without checkpoints, panic,
//! block, start child processes, and build whole runtimes and shut them down.
//!
//! ```text
//! cargo run --release --example soak -- --seconds 1800
//! ```
//!
//! Options: `--seconds N` (60; half an hour is a full run), `--workers N` (2), `--every N` (seconds between
//! lines, a twelfth of the time), `--backend user|kernel` (the platform's), `--only NAME` (all kinds).
//!
//! The exit status is 1 if a result was wrong, if some kind never came to an end, or if a gauge was not flat:
//! the median of the last quarter of the time is compared with that of the second one, see
//! `gauges.rs`. In the end the runtime is dropped, and its threads and descriptors have to be gone.

#[cfg(target_os = "linux")]
mod gauges;
#[cfg(target_os = "linux")]
mod operations;
#[cfg(target_os = "linux")]
mod run;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    run::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("soak reads its gauges from /proc: Linux only");
}
