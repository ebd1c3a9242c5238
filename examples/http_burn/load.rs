//! A closed loop: each connection asks again as soon as it is answered.
//!
//! All connections are on one thread of this process, which is not the server's. A request that is not
//! answered when the time is over counts with the time that it has waited until then: a server
//! that answers nobody cannot look good.

use crate::measured::Latencies;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

/// How many connections ask for what.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) hellos: usize,
    pub(crate) burners: usize,
}

/// What the connections have seen.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) hellos: Latencies,
    pub(crate) burns: Latencies,
}

/// Before this has passed nothing counts.
const WARM_UP: Duration = Duration::from_millis(300);

/// Loads the server at `addr` for so long.
pub(crate) fn run(addr: SocketAddr, load: Load, time: Duration) -> io::Result<Seen> {
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let from = Instant::now() + WARM_UP;
        let until = from + time;
        let (mut hellos, mut burners) = (JoinSet::new(), JoinSet::new());
        for _ in 0..load.burners {
            burners.spawn(ask_again(addr, "/burn", from, until));
        }
        for _ in 0..load.hellos {
            hellos.spawn(ask_again(addr, "/", from, until));
        }
        Ok(Seen { hellos: gather(hellos).await?, burns: gather(burners).await? })
    })
}

async fn gather(mut clients: JoinSet<io::Result<Latencies>>) -> io::Result<Latencies> {
    let mut all = Latencies::default();
    while let Some(seen) = clients.join_next().await {
        all.append(seen??);
    }
    Ok(all)
}

async fn ask_again(
    addr: SocketAddr,
    path: &'static str,
    from: Instant,
    until: Instant,
) -> io::Result<Latencies> {
    let mut stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let mut latencies = Latencies::default();
    loop {
        let begin = Instant::now();
        let answered = timeout_at(until, ask(&mut stream, request.as_bytes())).await;
        let end = Instant::now();
        if end >= from {
            latencies.add(end - begin);
        }
        match answered {
            Ok(answered) => answered?,
            Err(_) => return Ok(latencies),
        }
    }
}

async fn ask(stream: &mut TcpStream, request: &[u8]) -> io::Result<()> {
    stream.write_all(request).await?;
    let mut answer = Vec::with_capacity(256);
    // The lines of the head end in CR LF, the body in a lone LF.
    while !answer.ends_with(b"\n") || answer.ends_with(b"\r\n") {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    match answer.starts_with(b"HTTP/1.1 200 ") {
        true => Ok(()),
        false => Err(io::Error::other("the server does not answer with 200")),
    }
}
