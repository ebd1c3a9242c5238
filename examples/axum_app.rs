//! An axum application, served by hyper on preempt.
//!
//! ```text
//! cargo run --release --features hyper --example axum_app -- 127.0.0.1:3000
//! curl http://127.0.0.1:3000/primes/2000000
//! curl http://127.0.0.1:3000/blocking/2000000
//! curl -H 'content-type: application/json' -d '{"numbers":[1,2,3]}' http://127.0.0.1:3000/sum
//! ```
//!
//! axum itself needs no runtime; `axum::serve` needs tokio's, so `serve` here takes its place. The
//! handler of `/primes` computes where it is, without an await and without an attribute, and the
//! others go on. `/blocking` does the same on a thread for blocking work, as one would write it for
//! tokio; it is not needed here, and works. Ctrl-c ends: requests that are under way are answered.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use hyper::server::conn::http1;
use hyper_util::service::TowerToHyperService;
use preempt::hyper::{PreemptIo, PreemptTimer};
use preempt::net::{TcpListener, TcpStream};
use preempt::select;
use preempt::signal::ctrl_c;
use preempt::sync::watch;
use preempt::task::{JoinSet, spawn_blocking};
use serde::{Deserialize, Serialize};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

#[preempt::main]
async fn main() -> io::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let listener = TcpListener::bind(addr).await?;
    println!("listening on {}", listener.local_addr()?);
    serve(listener, app()).await
}

// ---- the application ----

#[derive(Default)]
struct Counters {
    requests: AtomicU64,
}

fn app() -> Router {
    Router::new()
        .route("/", get(|| async { "hello\n" }))
        .route("/primes/{below}", get(primes))
        .route("/blocking/{below}", get(blocking))
        .route("/sum", post(sum))
        .with_state(Arc::<Counters>::default())
}

#[derive(Serialize)]
struct Primes {
    below: u64,
    count: u64,
    /// Which of the requests that compute this is, from one.
    request: u64,
}

async fn primes(State(counters): State<Arc<Counters>>, Path(below): Path<u64>) -> Json<Primes> {
    let request = counters.requests.fetch_add(1, Relaxed) + 1;
    Json(Primes { below, count: count_primes(below), request })
}

async fn blocking(
    State(counters): State<Arc<Counters>>,
    Path(below): Path<u64>,
) -> Result<Json<Primes>, StatusCode> {
    let request = counters.requests.fetch_add(1, Relaxed) + 1;
    let count = spawn_blocking(move || count_primes(below)).await;
    let count = count.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(Json(Primes { below, count, request }))
}

#[derive(Deserialize)]
struct Summands {
    numbers: Vec<i64>,
}

#[derive(Serialize)]
struct Sum {
    sum: i64,
}

async fn sum(Json(Summands { numbers }): Json<Summands>) -> Result<Json<Sum>, StatusCode> {
    let sum = numbers.into_iter().try_fold(0_i64, i64::checked_add);
    Ok(Json(Sum { sum: sum.ok_or(StatusCode::UNPROCESSABLE_ENTITY)? }))
}

/// By trial division: this is to take its time.
fn count_primes(below: u64) -> u64 {
    let is_prime = |n: &u64| (2..).take_while(|d| d * d <= *n).all(|d| !n.is_multiple_of(d));
    (2..below).filter(is_prime).count() as u64
}

// ---- in place of `axum::serve` ----

/// Serves until ctrl-c, and then what has begun.
async fn serve(listener: TcpListener, app: Router) -> io::Result<()> {
    let (closing, _) = watch::channel(false);
    let mut connections = JoinSet::new();
    // One listener for all turns of the loop, or a signal between two of them would be missed.
    let mut interrupted = pin!(ctrl_c());
    loop {
        select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                connections.spawn(connection(stream, app.clone(), closing.subscribe()));
            }
            // So that the set does not fill with those who have gone.
            Some(_) = connections.join_next() => {}
            interrupted = &mut interrupted => break interrupted?,
        }
    }
    drop(listener);
    closing.send_replace(true);
    connections.join_all().await;
    println!("all requests are answered");
    Ok(())
}

async fn connection(stream: TcpStream, app: Router, mut closing: watch::Receiver<bool>) {
    let mut http = http1::Builder::new();
    http.timer(PreemptTimer::new());
    let serving = http.serve_connection(PreemptIo::new(stream), TowerToHyperService::new(app));
    let mut serving = pin!(serving);
    let served = select! {
        served = &mut serving => served,
        () = closed(&mut closing) => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = served {
        eprintln!("a connection was lost: {error}");
    }
}

/// Waits until the server closes. The value stays in here: it is locked while it is looked at.
async fn closed(closing: &mut watch::Receiver<bool>) {
    // An error says that the server is gone altogether.
    let _ = closing.wait_for(|closing| *closing).await;
}
