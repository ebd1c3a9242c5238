//! Waiting for sockets and pipes: what is registered, and who asks the system for events.
//!
//! ```text
//!   net, io::unix ── Registration ──▶ ScheduledIo ◀── dispatch ── Netpoll ◀── epoll, kqueue (mio)
//!                     readiness, waiting tasks                      │ polled by one thread at a time
//!                                                                   ▼
//!                                              machines, the keeper, the monitor
//! ```
//!
//! * `driver.rs`: the [`Netpoll`], and who polls it when.
//! * `alarm.rs`: makes a poll end when the next timer is due, to the nanosecond where the system can.
//! * `scheduled_io.rs`: the readiness of one source, and the tasks that wait for it.

#[cfg(target_os = "linux")]
mod alarm;
#[cfg(not(target_os = "linux"))]
#[path = "alarm_missing.rs"]
mod alarm;
mod driver;
mod scheduled_io;

pub(crate) use driver::Netpoll;
pub(crate) use scheduled_io::{Ready, ScheduledIo};

use std::io;

/// What an operation on a source gets whose runtime has shut down.
pub(crate) fn runtime_is_gone() -> io::Error {
    io::Error::other(
        "the runtime of this socket or pipe has shut down, so nobody would tell when it is ready; keep \
         the `Runtime` until whatever uses its sockets is done",
    )
}
