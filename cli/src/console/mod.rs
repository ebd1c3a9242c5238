//! `preempt console`: a server for the unmodified tokio-console.
//!
//! ```text
//!   the program           preempt console                       tokio-console
//!   debug endpoint ◀───── observer.rs: a thread that asks
//!     JSON                   │ translate.rs: tasks ▶ messages
//!                            ▼
//!                         service.rs: gRPC of console-api ◀──── 127.0.0.1:6669
//! ```
//!
//! Outside of the program that is observed, for two reasons. What console-subscriber does, taking events
//! of the `tracing` crate, would call a subscriber with its locks in the middle of the scheduler, and a
//! poll that was suspended in such a lock would stop it. And the program needs neither tonic nor a thread
//! for it.
//!
//! What is shown is what the endpoint tells: all tasks with their names, places and states; polls, times
//! and wake-ups since this server began to look. Not known, and so empty, are histograms, resources,
//! asynchronous operations, and how often wakers were cloned.

mod observer;
mod service;
mod translate;

use crate::arguments::Console;
use crate::client::{Client, Failure};
use observer::Observer;
use service::Service;
use std::io::{self, Write};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;

/// Serves until the program ends.
pub(crate) fn run(client: Client, console: &Console) -> Result<(), Failure> {
    let listen_failed = |error| Failure::Listen(console.listen, error);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(listen_failed)?;
    runtime.block_on(async {
        let listener = TcpListener::bind(console.listen).await.map_err(listen_failed)?;
        let addr = listener.local_addr().map_err(listen_failed)?;
        let (observer, ended) = Observer::start(client, console.interval)?;
        let mut out = io::stdout().lock();
        writeln!(out, "listening on {addr}").and_then(|()| out.flush()).map_err(Failure::Output)?;
        drop(out);
        let service = Service::new(observer);
        let server = Server::builder().add_service(service.into_server());
        tokio::select! {
            served = server.serve_with_incoming(TcpListenerStream::new(listener)) => {
                served.map_err(|error| listen_failed(io::Error::other(error)))
            }
            failure = ended => Err(failure),
        }
    })
}
