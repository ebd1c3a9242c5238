//! TCP, UDP and Unix sockets.
//!
//! Names, signatures and semantics are tokio's. The sockets are registered with the runtime in
//! whose context they are made, and are woken by it wherever they are used; once it has shut down,
//! their operations fail with an [`io::Error`](std::io::Error) that says so. Making one outside a
//! runtime panics.
//!
//! | for | see |
//! |---|---|
//! | TCP | [`TcpListener`], [`TcpStream`]; options before connecting or listening: [`TcpSocket`] |
//! | UDP | [`UdpSocket`] |
//! | Unix sockets and pipes | `UnixListener`, `UnixStream`, `UnixDatagram`, `unix` |
//! | names | [`lookup_host`], [`ToSocketAddrs`] |
//!
//! ```
//! # extern crate preempt_executor as preempt;
//! use preempt::io::{AsyncReadExt, AsyncWriteExt, copy};
//! use preempt::net::{TcpListener, TcpStream};
//!
//! # let runtime = preempt::runtime::Runtime::new()?;
//! # runtime.block_on(async {
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! let addr = listener.local_addr()?;
//! preempt::spawn(async move {
//!     while let Ok((mut stream, _peer)) = listener.accept().await {
//!         preempt::spawn(async move {
//!             let (mut read, mut write) = stream.split();
//!             copy(&mut read, &mut write).await
//!         });
//!     }
//! });
//!
//! let mut stream = TcpStream::connect(addr).await?;
//! stream.write_all(b"hello").await?;
//! stream.shutdown().await?;
//! let mut answer = String::new();
//! stream.read_to_string(&mut answer).await?;
//! assert_eq!(answer, "hello");
//! # std::io::Result::Ok(())
//! # })?;
//! # std::io::Result::Ok(())
//! ```
//!
//! # Cancellation
//! A future of this module that is dropped before it is ready has sent, received and accepted
//! nothing, unless its documentation says otherwise.

// What the types share, from the inside out.
mod attempt;
mod descriptor;
mod halves;
mod ip_options;
mod methods;

mod addr;
pub mod tcp;
mod udp;
#[cfg(unix)]
pub mod unix;

pub use addr::{ToSocketAddrs, lookup_host};
pub use tcp::{TcpListener, TcpSocket, TcpStream};
pub use udp::UdpSocket;
#[cfg(unix)]
pub use unix::{UnixDatagram, UnixListener, UnixSocket, UnixStream};
