//! What [hyper](https://docs.rs/hyper) asks of a runtime (feature `hyper`).
//!
//! hyper speaks HTTP and leaves tasks, time and bytes to the runtime. These are the three, with the
//! names of hyper-util's `Tokio..`:
//!
//! | hyper wants | here |
//! |---|---|
//! | [`Executor`], to spawn | [`PreemptExecutor`] |
//! | [`Timer`](::hyper::rt::Timer), for time limits | [`PreemptTimer`] |
//! | [`Read`](::hyper::rt::Read) and [`Write`](::hyper::rt::Write) | [`PreemptIo`] around a socket of [`net`](crate::net), or around anything else that has the traits of [`io`](crate::io) |
//!
//! ```
//! use http_body_util::Full;
//! use hyper::body::{Bytes, Incoming};
//! use hyper::server::conn::http1;
//! use hyper::service::service_fn;
//! use hyper::{Request, Response};
//! use preempt::hyper::{PreemptIo, PreemptTimer};
//! use preempt::net::TcpListener;
//! use std::convert::Infallible;
//!
//! async fn hello(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
//!     Ok(Response::new(Full::from("hello")))
//! }
//!
//! async fn serve(listener: TcpListener) -> std::io::Result<()> {
//!     loop {
//!         let (stream, _) = listener.accept().await?;
//!         preempt::spawn(async move {
//!             // The timer is what ends a client that never sends its request.
//!             let server = http1::Builder::new()
//!                 .timer(PreemptTimer::new())
//!                 .serve_connection(PreemptIo::new(stream), service_fn(hello));
//!             if let Err(error) = server.await {
//!                 eprintln!("connection: {error}");
//!             }
//!         });
//!     }
//! }
//! ```
//!
//! A handler may compute for as long as it likes: the poll of its connection is set aside, and
//! the other connections go on. With HTTP/1 that is all requests of one connection; with HTTP/2
//! each request has a task of its own.
//!
//! axum, and all that is a tower `Service`, goes through hyper-util's `TowerToHyperService`, which
//! needs no runtime: see the example `axum_app`.

mod io;
mod timer;

pub use io::PreemptIo;
pub use timer::PreemptTimer;

use ::hyper::rt::Executor;
use std::future::Future;

/// Spawns hyper's tasks on the current runtime; HTTP/2 needs it, for each connection and for each
/// request.
///
/// # Panics
/// When hyper spawns outside a runtime.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct PreemptExecutor;

impl PreemptExecutor {
    /// The only one that there is.
    #[must_use]
    pub fn new() -> Self {
        PreemptExecutor
    }
}

impl<F> Executor<F> for PreemptExecutor
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        crate::spawn(future);
    }
}
