//! The kinds of operations. Each knows what has to come out of it.

use preempt::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use preempt::net::{TcpListener, TcpStream, UnixStream};
use preempt::process::Command;
use preempt::runtime::{Builder, Runtime};
use preempt::task::{JoinSet, block_in_place, spawn_blocking, yield_now};
use preempt::time::{sleep, timeout};
use preempt::{preemptible, spawn};
use std::future::{Future, pending};
use std::hint::black_box;
use std::pin::Pin;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Why a result is wrong.
type Wrong = String;
type Outcome = Result<(), Wrong>;
type Running = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// A kind of operation.
pub(crate) struct Kind {
    /// What `--only` takes.
    pub(crate) name: &'static str,
    pub(crate) run: fn(u64) -> Running,
    /// How many tasks do it at the same time.
    pub(crate) tasks: u64,
    /// How long each rests between two of them.
    pub(crate) rest: Duration,
}

const fn kind(name: &'static str, run: fn(u64) -> Running, tasks: u64, rest_ms: u64) -> Kind {
    Kind { name, run, tasks, rest: Duration::from_millis(rest_ms) }
}

/// All kinds. What is dear rests for longer, so that the others have most of the time.
pub(crate) static KINDS: [Kind; 13] = [
    kind("spawn", |seed| Box::pin(spawns(seed)), 2, 0),
    kind("abort", |seed| Box::pin(aborts(seed)), 2, 0),
    kind("timeout", |seed| Box::pin(timeouts(seed)), 4, 0),
    kind("tcp", |seed| Box::pin(echo_over_tcp(seed)), 2, 1),
    kind("unix", |seed| Box::pin(echo_over_unix(seed)), 2, 1),
    kind("plain_hog", |seed| Box::pin(async move { hog(seed, plain_sum) }), 2, 5),
    kind("annotated_hog", |seed| Box::pin(async move { hog(seed, annotated_sum) }), 2, 5),
    kind("panic", |seed| Box::pin(panics(seed)), 1, 2),
    kind("spawn_blocking", |seed| Box::pin(blocks_elsewhere(seed)), 4, 0),
    kind("block_in_place", |seed| Box::pin(blocks_here(seed)), 2, 5),
    kind("child", |seed| Box::pin(starts_a_child(seed)), 1, 50),
    kind("runtime", |seed| Box::pin(runs_a_runtime(seed)), 1, 20),
    kind("current_thread", |seed| Box::pin(runs_a_current_thread(seed)), 1, 20),
];

/// What the panics of [`panics`] begin with.
pub(crate) const PURPOSE: &str = "soak: on purpose";

fn expect<T: PartialEq + std::fmt::Debug>(found: T, expected: T) -> Outcome {
    if found == expected { Ok(()) } else { Err(format!("{found:?} in place of {expected:?}")) }
}

fn wrong(error: impl std::fmt::Display) -> Wrong {
    error.to_string()
}

async fn spawns(seed: u64) -> Outcome {
    let mut tasks = JoinSet::new();
    for number in 0..20 {
        tasks.spawn(async move {
            if number % 3 == 0 {
                yield_now().await;
            }
            spawn(async move { seed + number }).await
        });
    }
    let mut sum = 0;
    while let Some(joined) = tasks.join_next().await {
        sum += joined.map_err(wrong)?.map_err(wrong)?;
    }
    expect(sum, 20 * seed + 190)
}

async fn aborts(seed: u64) -> Outcome {
    let held = Arc::new(());
    let tasks: Vec<_> = (0..10)
        .map(|_| {
            let held = held.clone();
            spawn(async move {
                let _held = held;
                pending::<()>().await;
            })
        })
        .collect();
    if seed.is_multiple_of(2) {
        yield_now().await;
    }
    tasks.iter().for_each(|task| task.abort());
    for task in tasks {
        expect(task.await.is_err_and(|error| error.is_cancelled()), true)?;
    }
    expect(Arc::strong_count(&held), 1)
}

async fn timeouts(seed: u64) -> Outcome {
    let short = Duration::from_micros(seed % 3000);
    expect(timeout(short, pending::<()>()).await.is_err(), true)?;
    // Taken back long before it is due.
    expect(timeout(Duration::from_secs(3600), sleep(short)).await.is_ok(), true)
}

/// Bytes that depend on the seed.
fn message(seed: u64) -> Vec<u8> {
    let length = 1 + seed * 7919 % 50_000;
    (0..length).map(|at| (seed.wrapping_mul(31) + at * at) as u8).collect()
}

async fn echo<S>(mut stream: S) -> std::io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    stream.write_all(&bytes).await?;
    stream.shutdown().await
}

async fn converse<S>(mut stream: S, seed: u64) -> Outcome
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let sent = message(seed);
    stream.write_all(&sent).await.map_err(wrong)?;
    stream.shutdown().await.map_err(wrong)?;
    let mut received = Vec::new();
    stream.read_to_end(&mut received).await.map_err(wrong)?;
    expect(received.len(), sent.len())?;
    expect(received == sent, true)
}

async fn echo_over_tcp(seed: u64) -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(wrong)?;
    let addr = listener.local_addr().map_err(wrong)?;
    let server = spawn(async move { echo(listener.accept().await?.0).await });
    let stream = TcpStream::connect(addr).await.map_err(wrong)?;
    // Otherwise the ports run out: the side that closes first waits for a minute.
    #[allow(deprecated, reason = "there is nothing that is lost")]
    stream.set_linger(Some(Duration::ZERO)).map_err(wrong)?;
    converse(stream, seed).await?;
    server.await.map_err(wrong)?.map_err(wrong)
}

async fn echo_over_unix(seed: u64) -> Outcome {
    let (here, there) = UnixStream::pair().map_err(wrong)?;
    let server = spawn(echo(there));
    converse(here, seed).await?;
    server.await.map_err(wrong)?.map_err(wrong)
}

/// A few milliseconds.
const ROUNDS: u64 = 3_000_000;

fn plain_sum(from: u64) -> u64 {
    let mut sum = 0;
    for number in from..from + ROUNDS {
        sum += black_box(number);
    }
    sum
}

#[preemptible]
fn annotated_sum(from: u64) -> u64 {
    let mut sum = 0;
    for number in from..from + ROUNDS {
        sum += black_box(number);
    }
    sum
}

fn hog(seed: u64, sum: fn(u64) -> u64) -> Outcome {
    expect(sum(seed), ROUNDS * seed + ROUNDS * (ROUNDS - 1) / 2)
}

async fn panics(seed: u64) -> Outcome {
    let text = format!("{PURPOSE} {seed}");
    let thrown = text.clone();
    let task = spawn(async move {
        yield_now().await;
        let held = vec![seed; 100];
        if black_box(held.len()) == 100 {
            panic!("{thrown}");
        }
    });
    let error = task.await.err().ok_or("it did not panic")?;
    let payload = error.try_into_panic().map_err(wrong)?;
    expect(payload.downcast_ref::<String>(), Some(&text))
}

async fn blocks_elsewhere(seed: u64) -> Outcome {
    let job = spawn_blocking(move || {
        thread::sleep(Duration::from_micros(seed % 2000));
        seed
    });
    expect(job.await.map_err(wrong)?, seed)
}

async fn blocks_here(seed: u64) -> Outcome {
    let found = block_in_place(|| {
        thread::sleep(Duration::from_millis(1));
        seed
    });
    expect(found, seed)
}

async fn starts_a_child(seed: u64) -> Outcome {
    let output = Command::new("/bin/echo").arg(seed.to_string()).output().await.map_err(wrong)?;
    expect(output.status.success(), true)?;
    expect(String::from_utf8_lossy(&output.stdout).trim(), &seed.to_string())
}

async fn runs_a_runtime(seed: u64) -> Outcome {
    let job = spawn_blocking(move || {
        let runtime = Builder::new_multi_thread().worker_threads(2).stall_report(false).build();
        let runtime = runtime.map_err(wrong)?;
        let found = use_up(&runtime, seed);
        match seed % 3 {
            0 => drop(runtime),
            1 => runtime.shutdown_timeout(Duration::from_secs(10)),
            // Whatever goes on has an end.
            _ => runtime.shutdown_background(),
        }
        found
    });
    job.await.map_err(wrong)?
}

async fn runs_a_current_thread(seed: u64) -> Outcome {
    let job = spawn_blocking(move || {
        let runtime = Builder::new_current_thread().stall_report(false).build().map_err(wrong)?;
        use_up(&runtime, seed)
    });
    job.await.map_err(wrong)?
}

fn use_up(runtime: &Runtime, seed: u64) -> Outcome {
    // Dropped with the runtime, in whatever state it is then.
    runtime.spawn(async { sleep(Duration::from_secs(3600)).await });
    runtime.spawn(async move {
        loop {
            yield_now().await;
        }
    });
    let last = runtime.spawn_blocking(move || thread::sleep(Duration::from_micros(seed % 1000)));
    let found = runtime.block_on(async {
        let hog = spawn(async move { hog(seed, plain_sum) });
        expect(spawn(async move { seed }).await.map_err(wrong)?, seed)?;
        hog.await.map_err(wrong)?
    });
    drop(last);
    found
}
