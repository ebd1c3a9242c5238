//! What the server answers, on either runtime. Nothing here knows of one.

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, StatusCode};
use std::convert::Infallible;
use std::hint::black_box;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How long `/burn` computes on an idle machine.
pub(crate) const BURN: Duration = Duration::from_millis(100);

/// The turns of the loop of `/burn`.
static TURNS: OnceLock<u64> = OnceLock::new();

/// Before the first request. Zero: as many as take [`BURN`].
pub(crate) fn set_turns(turns: u64) {
    let turns = if turns == 0 { calibrate() } else { turns };
    TURNS.set(turns).expect("it is set once");
}

/// How many turns take [`BURN`] when nothing disturbs them: the best of a few tries.
pub(crate) fn calibrate() -> u64 {
    const TRY: u64 = 20_000_000;
    let tries = (0..5).map(|_| {
        let begin = Instant::now();
        black_box(burn(TRY));
        begin.elapsed()
    });
    let best = tries.min().expect("there are five").max(Duration::from_micros(1));
    TRY * BURN.as_micros() as u64 / best.as_micros() as u64
}

/// No call and no await.
fn burn(turns: u64) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for turn in 0..turns {
        hash = (hash ^ turn).wrapping_mul(0x0100_0000_01b3);
    }
    hash
}

/// Each body ends in a newline, which is how the load finds its end.
pub(crate) async fn answer(
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, body) = match request.uri().path() {
        "/" => (StatusCode::OK, "hello\n".to_owned()),
        "/burn" => {
            let turns = *TURNS.get().expect("it is set before the server starts");
            (StatusCode::OK, format!("{:016x}\n", burn(turns)))
        }
        _ => (StatusCode::NOT_FOUND, "there are / and /burn\n".to_owned()),
    };
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    Ok(response)
}
