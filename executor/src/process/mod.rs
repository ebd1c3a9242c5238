//! Child processes: `std::process`, with the waiting done by tasks.
//!
//! Only on Unix so far. On other platforms the module is missing, so that code that needs it says so
//! when it is compiled.
//!
//! ```
//! use preempt_executor::process::Command;
//!
//! # let runtime = preempt_executor::runtime::Builder::new_current_thread().build()?;
//! # runtime.block_on(async {
//! let output = Command::new("echo").arg("hello").output().await?;
//! assert!(output.status.success());
//! assert_eq!(output.stdout, b"hello\n");
//! # std::io::Result::Ok(())
//! # })?;
//! # std::io::Result::Ok(())
//! ```
//!
//! # Dropping
//! As in std, a process goes on when its [`Child`] is dropped, unless
//! [`kill_on_drop`](Command::kill_on_drop) says otherwise. Unlike in std, it leaves no zombie: what
//! has ended is reaped, also after its runtime is gone. From then on the process has a handler for
//! `SIGCHLD`.
//!
//! # How the end of a process is noticed
//! On Linux by a pidfd in the runtime's event queue. Where there is none, and where there is no
//! runtime any more, by `SIGCHLD`; then code of the program that reaps all children
//! (`waitpid(-1, ..)`) makes [`Child::wait`] fail with `ECHILD`.

mod child;
mod command;
mod orphans;
mod pipes;
mod reaper;

pub use child::Child;
pub use command::Command;
pub use pipes::{ChildStderr, ChildStdin, ChildStdout};
