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
//! * `keeper.rs`: who sleeps in its poll, and how whoever does is fetched in time.
//! * `alarm.rs`: makes a poll end when the next timer is due, to the nanosecond where the system can.
//! * `scheduled_io.rs`: the readiness of one source, and the tasks that wait for it; `ready.rs`,
//!   `interest.rs`: what it can be ready for.
//! * `registration.rs`, `poll_evented.rs`: a source's registration, as I/O types use it.

#[cfg(target_os = "linux")]
mod alarm;
#[cfg(not(target_os = "linux"))]
#[path = "alarm_missing.rs"]
mod alarm;
mod driver;
pub(crate) mod interest;
mod keeper;
pub(crate) mod poll_evented;
pub(crate) mod ready;
pub(crate) mod registration;
#[cfg(target_os = "linux")]
mod rings_at;
pub(crate) mod scheduled_io;

pub(crate) use driver::Netpoll;
