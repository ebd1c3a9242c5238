//! The debug endpoint: what a runtime shows of itself, over HTTP on the loopback interface.
//!
//! ```text
//!   server.rs    a thread that accepts; a thread for each connection
//!      │ request.rs: reads and checks the request
//!      ▼
//!   routes.rs    the table of the paths
//!      │ tasks.rs, traces.rs, pprof.rs: what is behind them
//!      ▼
//!   answer.rs    status, headers, body
//! ```
//!
//! Its threads are no machines: it answers also when every worker is in a poll that does not end. They
//! may wait for any lock, as nobody waits for them.
//!
//! It is read only, but tells where the code is and what it is called, and a trace makes the program
//! slower. So it is off by default, listens on loopback addresses only unless it is told otherwise, and
//! on those refuses requests whose `Host` is another one: a web page could else read it through the
//! user's browser (DNS rebinding).
//!
//! HTTP is the little that `GET` takes, one request for each connection. A server from a library would
//! need a runtime of its own here, which is what is looked at.

mod answer;
mod pprof;
mod request;
mod routes;
mod server;
mod tasks;
mod traces;

#[cfg(any(fuzzing, test))]
pub(crate) use request::fuzz;
pub use server::DebugServer;

use crate::runtime::Handle;
use std::fmt;
use std::io;
use std::net::SocketAddr;

/// Where a runtime shows what it does, see
/// [`Builder::debug_endpoint`](crate::runtime::Builder::debug_endpoint).
///
/// | `GET` | is |
/// |---|---|
/// | `/` | a list of these |
/// | `/metrics` | [`RuntimeMetrics::to_prometheus`](crate::runtime::RuntimeMetrics::to_prometheus) |
/// | `/debug/tasks` | [`Handle::dump`]; with `?format=json` as JSON; with `?seconds=N` also what each task did in that time |
/// | `/debug/trace?seconds=N` | a trace of the next `N` seconds, 1 by default: for Perfetto, or with `&format=json` as JSON, see [`trace`](crate::trace) |
/// | `/debug/pprof/profile?seconds=N` | [`Handle::profile`] of the next `N` seconds, 30 by default, at 100 Hz: for pprof, with the feature `pprof`; with `&format=folded` as text for flame graphs |
/// | `/debug/pprof/delay?seconds=N` | [`Handle::profile_delays`], likewise |
///
/// It answers also when every worker is in a poll that does not end. Requests are limited: 8 KiB, five
/// seconds to send one, 60 seconds of recording, 16 connections at a time.
///
/// Only loopback addresses are taken, as whoever can connect sees what the program does; see
/// [`allow_remote`](Self::allow_remote).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DebugEndpoint {
    addr: SocketAddr,
    allow_remote: bool,
}

impl DebugEndpoint {
    /// At that address. With port 0 the system chooses one, see [`DebugServer::local_addr`].
    #[must_use]
    pub fn new(addr: SocketAddr) -> Self {
        DebugEndpoint { addr, allow_remote: false }
    }

    /// Whether other machines may connect. There is no encryption and no password: protect the
    /// address by other means. The default is `false`.
    #[must_use]
    pub fn allow_remote(self, yes: bool) -> Self {
        DebugEndpoint { allow_remote: yes, ..self }
    }

    /// Whether only this machine may use it.
    fn is_local(&self) -> bool {
        !self.allow_remote
    }
}

impl From<SocketAddr> for DebugEndpoint {
    fn from(addr: SocketAddr) -> Self {
        Self::new(addr)
    }
}

/// A setting of the builder: the endpoint, and what starts it. A pointer, so that the code is part of
/// those programs only that use it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EndpointSetting {
    endpoint: DebugEndpoint,
    start: fn(&Handle, DebugEndpoint) -> io::Result<DebugServer>,
}

impl EndpointSetting {
    pub(crate) fn new(endpoint: DebugEndpoint) -> Self {
        EndpointSetting { endpoint, start: DebugServer::start }
    }

    pub(crate) fn start(&self, handle: &Handle) -> io::Result<DebugServer> {
        (self.start)(handle, self.endpoint)
    }
}

/// Why there is no endpoint.
#[derive(Debug)]
enum StartError {
    NotLoopback(SocketAddr),
    Listen(SocketAddr, io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::NotLoopback(addr) => write!(
                f,
                "the debug endpoint listens on loopback addresses only (127.0.0.1, [::1]), not on \
                 {addr}: whoever can connect sees what the program does; \
                 `DebugEndpoint::allow_remote` lifts this"
            ),
            StartError::Listen(addr, error) => {
                write!(f, "the debug endpoint cannot listen on {addr}: {error}")
            }
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StartError::NotLoopback(_) => None,
            StartError::Listen(_, error) => Some(error),
        }
    }
}

impl From<StartError> for io::Error {
    fn from(error: StartError) -> Self {
        let kind = match &error {
            StartError::NotLoopback(_) => io::ErrorKind::InvalidInput,
            StartError::Listen(_, error) => error.kind(),
        };
        io::Error::new(kind, error)
    }
}
