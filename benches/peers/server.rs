//! A server on the runtime that is measured: a task that accepts, and one for each connection.

use crate::load::{Exchange, Latencies, Load};
use crate::peers::Peer;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

pub(crate) struct Server<P: Peer> {
    pub(crate) addr: SocketAddr,
    accepting: P::Join<()>,
    /// Closed when all tasks are gone.
    gone: mpsc::Receiver<Infallible>,
}

impl<P: Peer> Server<P> {
    /// `serve` ends when the client has closed the connection.
    pub(crate) fn start<F>(peer: &P, serve: fn(P::Stream) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (listener, addr) = peer.run(P::listen()).expect("a port to listen on");
        let (alive, gone) = mpsc::channel(1);
        let accepting = peer.spawn_from_outside(accept::<P, F>(listener, serve, alive));
        Server { addr, accepting, gone }
    }

    /// Nothing of it is left afterwards. The clients have to be gone before.
    pub(crate) fn stop(self, peer: &P) {
        const LIMIT: Duration = Duration::from_secs(10);
        let Server { accepting, mut gone, .. } = self;
        P::abort(accepting);
        let ended = peer.run(P::timeout(LIMIT, async move { gone.recv().await }));
        assert!(ended.is_some(), "{}: tasks of the server do not end", P::NAME);
    }
}

async fn accept<P: Peer, F>(
    mut listener: P::Listener,
    serve: fn(P::Stream) -> F,
    alive: mpsc::Sender<Infallible>,
) where
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        let stream = P::accept(&mut listener).await.expect("a connection is accepted");
        let (serving, alive) = (serve(stream), alive.clone());
        P::detach(P::spawn(async move {
            serving.await;
            drop(alive);
        }));
    }
}

/// Sends back what it gets.
pub(crate) async fn echo<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    let mut buffer = [0; 1024];
    loop {
        let count = stream.read(&mut buffer).await.expect("the client sends, or closes");
        if count == 0 {
            return;
        }
        stream.write_all(&buffer[..count]).await.expect("the client receives");
    }
}

/// Loads a server that exists only for this. Returns microseconds for each round trip, and the latencies.
pub(crate) fn load<P: Peer, F>(
    peer: &P,
    serve: fn(P::Stream) -> F,
    connections: usize,
    exchange: Exchange,
) -> (f64, Latencies)
where
    F: Future<Output = ()> + Send + 'static,
{
    const TIME: Duration = Duration::from_millis(300);
    let server = Server::start(peer, serve);
    let mut load = Load::connect(server.addr, connections, exchange);
    let round_trips = load.run(TIME);
    let latencies = load.finish();
    server.stop(peer);
    assert_ne!(round_trips, 0, "{}: no round trip within {TIME:?}", P::NAME);
    (TIME.as_secs_f64() * 1e6 / round_trips as f64, latencies)
}
