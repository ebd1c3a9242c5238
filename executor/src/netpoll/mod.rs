//! Waiting for the kernel: registered I/O resources, and who polls for their events.

mod driver;
pub(crate) mod interest;
pub(crate) mod poll_evented;
pub(crate) mod ready;
pub(crate) mod registration;
pub(crate) mod scheduled_io;

pub(crate) use driver::Netpoll;
