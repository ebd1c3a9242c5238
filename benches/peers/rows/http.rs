//! An HTTP server under load.

use crate::load::Exchange;
use crate::peers::Peer;
use crate::server::load;
use crate::turns::Work;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use tokio::io::{AsyncRead, AsyncWrite};

/// The least that hyper can do for a request; connections are kept.
pub(crate) struct HelloWorld;

impl Work for HelloWorld {
    const NAME: &'static str = "hyper, hello world, 32 connections";
    const UNITS: &'static [&'static str] = &["us per request", "us, p50", "us, p99"];
    const TURNS: usize = 9;

    fn turn<P: Peer>(peer: &P) -> Vec<f64> {
        let (each, latencies) = load(peer, serve::<P::Stream>, 32, Exchange::Http);
        let [p50, p99] = [50.0, 99.0].map(|percent| latencies.percentile(percent));
        vec![each, p50, p99]
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S) {
    let connection =
        http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
    connection.await.expect("the client asks, or closes");
}

async fn answer(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from("hello, world")))
}
