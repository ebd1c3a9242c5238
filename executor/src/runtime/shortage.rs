//! What is said when the system has no more of what a runtime is made of.

use std::io;

/// The event queue could not be made.
pub(super) fn of_files(error: io::Error) -> io::Error {
    explain(
        error,
        "the system gives no descriptors for the runtime's event queue",
        "raise the limit on open files (`ulimit -n`, RLIMIT_NOFILE), or close some",
    )
}

/// A thread that the runtime cannot be without could not be made.
pub(super) fn of_threads(error: io::Error) -> io::Error {
    explain(
        error,
        "the system makes no thread for the runtime",
        "raise the limit on threads (`ulimit -u`, RLIMIT_NPROC; the cgroup's `pids.max`) or on memory \
         (`ulimit -v`), or ask for fewer (`Builder::worker_threads`, `Builder::max_detached`, \
         `Builder::thread_stack_size`)",
    )
}

fn explain(error: io::Error, what: &str, remedy: &str) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}; {remedy}"))
}
