//! The same server on both runtimes: what differs is what is imported.

use crate::handlers::answer;
use crate::measured::announce;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use preempt::hyper::PreemptIo;
use std::io;
use std::net::Ipv4Addr;

pub(crate) fn on_preempt(workers: usize, port: u16) -> io::Result<()> {
    use preempt::net::TcpListener;
    use preempt::{runtime, spawn};

    let runtime = runtime::Builder::new_multi_thread().worker_threads(workers).build()?;
    let serving = runtime.spawn(async move {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        announce(listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let io = PreemptIo::new(stream);
            spawn(http1::Builder::new().serve_connection(io, service_fn(answer)));
        }
    });
    runtime.block_on(serving)?
}

pub(crate) fn on_tokio(workers: usize, port: u16) -> io::Result<()> {
    use tokio::net::TcpListener;
    use tokio::{runtime, spawn};

    let runtime =
        runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build()?;
    let serving = runtime.spawn(async move {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        announce(listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            // The wrapper takes whatever has tokio's traits, tokio's sockets included.
            let io = PreemptIo::new(stream);
            spawn(http1::Builder::new().serve_connection(io, service_fn(answer)));
        }
    });
    runtime.block_on(serving)?
}
