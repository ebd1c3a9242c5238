//! A TCP echo server, alone and beside endless loops on the same runtime.
//!
//! ```text
//! cargo run --release --example echo
//! ```
//!
//! Starts the server, in a process of its own, with and without hogs in turn, and counts round
//! trips: each connection sends its message again as soon as it has come back whole. The load is on
//! one thread of this process; nothing of it runs on the runtime that is measured.
//!
//! Options: `--runtime preempt|tokio` (preempt), `--workers N` (1), `--hogs N` (1), `--connections N`
//! (16), `--bytes N` of a message (64), `--seconds N` (2) for each case and round, `--rounds N` (2).
//!
//! Expect two rows and their ratio within ten seconds. On tokio, with as many hogs as workers,
//! there are no round trips beside them. Beside hogs every message has to preempt somebody first,
//! unless a worker is free. The exit status is 1 if preempt did none.
//!
//! The server alone: the same with `serve` in front, `--runtime`, `--workers`, `--hogs` and `--port N`
//! (any).

#[path = "../measured/mod.rs"]
mod measured;

use measured::{Arguments, Kind, Server, announce};
use std::hint::black_box;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(message) => {
            eprintln!("echo: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode, String> {
    let mut arguments = Arguments::of_the_program()?;
    let serve = arguments.has("serve");
    let kind = arguments.take("runtime", Kind::Preempt)?;
    let (workers, hogs) = (arguments.take("workers", 1)?, arguments.take("hogs", 1)?);
    if serve {
        let port = arguments.take("port", 0)?;
        arguments.finish()?;
        let served = match kind {
            Kind::Preempt => serve_on_preempt(workers, hogs, port),
            Kind::Tokio => serve_on_tokio(workers, hogs, port),
        };
        return served.map(|()| ExitCode::SUCCESS).map_err(|error| error.to_string());
    }
    let plan = Plan {
        kind,
        workers,
        connections: arguments.take("connections", 16)?,
        bytes: arguments.take("bytes", 64)?,
        time: Duration::from_secs(arguments.take("seconds", 2)?),
        rounds: arguments.take("rounds", 2)?,
    };
    arguments.finish()?;
    plan.compare(hogs).map_err(|error| error.to_string())
}

// ---- the server ----

/// No call, no await and no end.
async fn hog() {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

fn serve_on_preempt(workers: usize, hogs: usize, port: u16) -> io::Result<()> {
    use preempt::io::copy;
    use preempt::net::TcpListener;
    use preempt::{runtime, spawn};

    let runtime = runtime::Builder::new_multi_thread().worker_threads(workers).build()?;
    let serving = runtime.spawn(async move {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        announce(listener.local_addr()?);
        (0..hogs).for_each(|_| drop(spawn(hog())));
        loop {
            let (mut stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            spawn(async move {
                let (mut read, mut write) = stream.split();
                copy(&mut read, &mut write).await
            });
        }
    });
    runtime.block_on(serving)?
}

/// The same, from `tokio`.
fn serve_on_tokio(workers: usize, hogs: usize, port: u16) -> io::Result<()> {
    use tokio::io::copy;
    use tokio::net::TcpListener;
    use tokio::{runtime, spawn};

    let runtime =
        runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build()?;
    let serving = runtime.spawn(async move {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        announce(listener.local_addr()?);
        (0..hogs).for_each(|_| drop(spawn(hog())));
        loop {
            let (mut stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            spawn(async move {
                let (mut read, mut write) = stream.split();
                copy(&mut read, &mut write).await
            });
        }
    });
    runtime.block_on(serving)?
}

// ---- the load ----

struct Plan {
    kind: Kind,
    workers: usize,
    connections: usize,
    bytes: usize,
    time: Duration,
    rounds: u32,
}

impl Plan {
    fn compare(&self, hogs: usize) -> io::Result<ExitCode> {
        println!(
            "{}, workers: {}, connections: {}, bytes: {}. {} rounds of {:?} for each row, in turn.",
            self.kind.name(),
            self.workers,
            self.connections,
            self.bytes,
            self.rounds,
            self.time,
        );
        let (mut alone, mut beside) = (0, 0);
        for _ in 0..self.rounds {
            alone += self.round_trips(0)?;
            beside += self.round_trips(hogs)?;
        }
        let per_second = |count: u64| count as f64 / (self.time * self.rounds).as_secs_f64();
        println!();
        println!(" hogs | round trips per second");
        println!("------|-----------------------");
        println!(" {:>4} | {:>10.0}", 0, per_second(alone));
        println!(" {hogs:>4} | {:>10.0}", per_second(beside));
        println!();
        println!("beside hogs / alone: {:.3}", beside as f64 / alone as f64);
        match self.kind == Kind::Preempt && beside == 0 {
            true => Ok(ExitCode::FAILURE),
            false => Ok(ExitCode::SUCCESS),
        }
    }

    /// How many there are beside so many hogs.
    fn round_trips(&self, hogs: usize) -> io::Result<u64> {
        let (runtime, workers) = (self.kind.name(), self.workers);
        let arguments = format!("serve --runtime {runtime} --workers {workers} --hogs {hogs}");
        let server = Server::start(&arguments.split(' ').map(str::to_owned).collect::<Vec<_>>())?;
        self.load(server.addr)
    }

    fn load(&self, addr: SocketAddr) -> io::Result<u64> {
        use tokio::runtime::Builder;
        use tokio::task::JoinSet;
        use tokio::time::Instant;

        /// Before this has passed nothing counts.
        const WARM_UP: Duration = Duration::from_millis(300);

        Builder::new_current_thread().enable_all().build()?.block_on(async {
            let from = Instant::now() + WARM_UP;
            let mut clients = JoinSet::new();
            for _ in 0..self.connections {
                clients.spawn(bounce(addr, self.bytes, from, from + self.time));
            }
            let mut all = 0;
            while let Some(count) = clients.join_next().await {
                all += count??;
            }
            Ok(all)
        })
    }
}

/// Sends and receives until the time is over; returns how often both were done, after `from`.
async fn bounce(
    addr: SocketAddr,
    bytes: usize,
    from: tokio::time::Instant,
    until: tokio::time::Instant,
) -> io::Result<u64> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::{Instant, timeout_at};

    let mut stream = tokio::net::TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    let message: Vec<u8> = (0..=255).cycle().take(bytes).collect();
    let (mut echo, mut count) = (vec![0; bytes], 0);
    let (mut read, mut write) = stream.split();
    loop {
        // At the same time: a message may be larger than all buffers on its way.
        let both =
            async { tokio::try_join!(write.write_all(&message), read.read_exact(&mut echo)) };
        match timeout_at(until, both).await {
            Ok(done) => done?,
            Err(_) => return Ok(count),
        };
        if echo != message {
            return Err(io::Error::other("the echo is not what was sent"));
        }
        count += u64::from(Instant::now() >= from);
    }
}
