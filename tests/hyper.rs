//! Goal: hyper's servers and clients run on this runtime, time limits, HTTP/2 and upgrades included, and
//! a handler that computes holds up nobody else.
//! Method: both ends in this process, over the loopback interface. What no runtime without preemption
//! could do has one worker and a handler that spins until another request is answered.

mod net_support;

use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::header::{CONNECTION, UPGRADE};
use hyper::rt::Timer as _;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, client, server};
use hyper_util::service::TowerToHyperService;
use net_support::*;
use preempt::hyper::{PreemptExecutor, PreemptIo, PreemptTimer};
use preempt::io::{self, AsyncReadExt, AsyncWriteExt, duplex};
use preempt::net::TcpStream;
use preempt::time::{Duration, Instant, timeout};
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll};
use tower::ServiceExt;
use tracing::Instrument;
use tracing_subscriber::prelude::*;

/// More than any buffer on the way holds.
const LARGE: usize = 8 << 20;

#[derive(Clone, Copy, Debug)]
enum Version {
    Http1,
    Http2,
}

type Handled = Result<Response<Full<Bytes>>, Infallible>;

fn text(text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    Response::new(Full::new(text.into()))
}

/// Serves connections until the runtime ends. Returns where, and how many there have been.
async fn serve<H, F, B>(version: Version, handler: H) -> (SocketAddr, Arc<AtomicUsize>)
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    B: Body<Data = Bytes, Error: std::error::Error + Send + Sync> + Send + 'static,
{
    let listener = listener().await;
    let addr = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    preempt::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            count.fetch_add(1, SeqCst);
            let (io, service) = (PreemptIo::new(stream), service_fn(handler.clone()));
            preempt::spawn(async move {
                match version {
                    Version::Http1 => {
                        let mut http = server::conn::http1::Builder::new();
                        http.timer(PreemptTimer::new());
                        http.serve_connection(io, service).with_upgrades().await
                    }
                    Version::Http2 => {
                        let mut http = server::conn::http2::Builder::new(PreemptExecutor::new());
                        http.timer(PreemptTimer::new());
                        http.serve_connection(io, service).await
                    }
                }
            });
        }
    });
    (addr, connections)
}

/// One client, with a connection of its own.
enum Client<B> {
    Http1(client::conn::http1::SendRequest<B>),
    Http2(client::conn::http2::SendRequest<B>),
}

impl<B> Client<B>
where
    B: Body<Data = Bytes, Error: std::error::Error + Send + Sync> + Send + Unpin + 'static,
{
    async fn connect(version: Version, addr: SocketAddr) -> Self {
        let io = PreemptIo::new(TcpStream::connect(addr).await.unwrap());
        match version {
            Version::Http1 => {
                let (sender, connection) = client::conn::http1::handshake(io).await.unwrap();
                preempt::spawn(connection.with_upgrades());
                Client::Http1(sender)
            }
            Version::Http2 => {
                let http = client::conn::http2::Builder::new(PreemptExecutor::new());
                let (sender, connection) = http.handshake(io).await.unwrap();
                preempt::spawn(connection);
                Client::Http2(sender)
            }
        }
    }

    async fn send(&mut self, request: Request<B>) -> Response<Incoming> {
        match self {
            Client::Http1(sender) => {
                sender.ready().await.unwrap();
                sender.send_request(request).await.unwrap()
            }
            Client::Http2(sender) => sender.send_request(request).await.unwrap(),
        }
    }
}

impl Client<Full<Bytes>> {
    /// The body of the answer, as text.
    async fn get(&mut self, path: &str) -> String {
        let answer = self.send(get(path)).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(body.to_vec()).unwrap()
    }
}

fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(format!("http://localhost{path}")).body(Full::default()).unwrap()
}

async fn path(request: Request<Incoming>) -> Handled {
    Ok(text(request.uri().path().to_owned()))
}

// ---- requests and answers ----

#[test]
fn one_connection_serves_many_requests() {
    for version in [Version::Http1, Version::Http2] {
        on_each(move || async move {
            let (addr, connections) = serve(version, path).await;
            let mut client = Client::connect(version, addr).await;
            for number in 0..100 {
                let path = format!("/{number}");
                assert_eq!(client.get(&path).await, path);
            }
            assert_eq!(connections.load(SeqCst), 1, "the connection was kept");
        });
    }
}

#[test]
fn http2_answers_many_requests_at_once() {
    const REQUESTS: usize = 50;
    on_each(|| async {
        // Each answer waits for all requests: none is answered unless all are under way.
        let everybody = Arc::new(preempt::sync::Barrier::new(REQUESTS));
        let handler = move |request| {
            let everybody = everybody.clone();
            async move {
                everybody.wait().await;
                path(request).await
            }
        };
        let (addr, _) = serve(Version::Http2, handler).await;
        let Client::Http2(sender) = Client::connect(Version::Http2, addr).await else {
            unreachable!()
        };
        let mut answers = preempt::task::JoinSet::new();
        for number in 0..REQUESTS {
            let mut client = Client::Http2(sender.clone());
            answers.spawn(async move {
                let path = format!("/{number}");
                assert_eq!(client.get(&path).await, path);
            });
        }
        assert_eq!(answers.join_all().await.len(), REQUESTS);
    });
}

#[test]
fn large_bodies_in_both_directions() {
    for version in [Version::Http1, Version::Http2] {
        on_each(move || async move {
            // The body of the request is the body of the answer, frame by frame.
            let echo =
                |request: Request<Incoming>| async move { Ok(Response::new(request.into_body())) };
            let (addr, _) = serve(version, echo).await;
            let sent: Vec<u8> = (0..LARGE).map(|at| (at % 251) as u8).collect();
            let frames: Vec<_> = sent
                .chunks(100_000)
                .map(|chunk| Ok::<_, Infallible>(Frame::data(Bytes::copy_from_slice(chunk))))
                .collect();
            let body = StreamBody::new(futures::stream::iter(frames));
            let mut client = Client::connect(version, addr).await;
            let request = Request::post("http://localhost/").body(body).unwrap();
            let answer = client.send(request).await.into_body().collect().await.unwrap();
            assert!(answer.to_bytes() == sent, "{version:?}: the body has changed");
        });
    }
}

#[test]
fn a_connection_that_was_upgraded_comes_back_as_a_stream() {
    on_each(|| async {
        let handler = |request: Request<Incoming>| async move {
            preempt::spawn(async move {
                let mut stream = PreemptIo::new(hyper::upgrade::on(request).await.unwrap());
                stream.write_all(b"who?").await.unwrap();
                let mut name = String::new();
                stream.read_to_string(&mut name).await.unwrap();
                stream.write_all(format!("hello {name}").as_bytes()).await.unwrap();
                stream.shutdown().await.unwrap();
            });
            let answer = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
            let answer = answer.header(UPGRADE, "talk").header(CONNECTION, "upgrade");
            Ok(answer.body(Full::<Bytes>::default()).unwrap())
        };
        let (addr, _) = serve(Version::Http1, handler).await;
        let mut client = Client::connect(Version::Http1, addr).await;
        let mut request = get("/");
        request.headers_mut().insert(UPGRADE, "talk".parse().unwrap());
        request.headers_mut().insert(CONNECTION, "upgrade".parse().unwrap());
        let answer = client.send(request).await;
        assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
        let mut stream = PreemptIo::new(hyper::upgrade::on(answer).await.unwrap());
        let mut question = [0; 4];
        stream.read_exact(&mut question).await.unwrap();
        assert_eq!(&question, b"who?");
        stream.write_all(b"me").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut greeting = String::new();
        stream.read_to_string(&mut greeting).await.unwrap();
        assert_eq!(greeting, "hello me");
    });
}

// ---- time ----

#[test]
fn a_request_that_does_not_come_is_given_up() {
    on_each(|| async {
        let listener = listener().await;
        let addr = listener.local_addr().unwrap();
        let mut slow = TcpStream::connect(addr).await.unwrap();
        slow.write_all(b"GET / HTTP/1.1\r\nhost: lo").await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let mut http = server::conn::http1::Builder::new();
        http.timer(PreemptTimer::new()).header_read_timeout(Duration::from_millis(30));
        let served = http.serve_connection(PreemptIo::new(stream), service_fn(path)).await;
        let error = served.expect_err("the client still owes the rest of its request");
        assert!(error.is_timeout(), "{error:?}");
    });
}

#[test]
fn a_client_that_answers_no_ping_is_given_up() {
    on_each(|| async {
        let (ours, theirs) = duplex(1 << 16);
        let mut http = server::conn::http2::Builder::new(PreemptExecutor::new());
        http.timer(PreemptTimer::new())
            .keep_alive_interval(Duration::from_millis(10))
            .keep_alive_timeout(Duration::from_millis(30));
        let server = http.serve_connection(PreemptIo::new(ours), service_fn(path));
        // A client that says hello, and then nothing any more.
        let (mut read, mut write) = io::split(theirs);
        write.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
        let mute = preempt::spawn(async move { io::copy(&mut read, &mut io::sink()).await });
        let error = server.await.expect_err("the client does not answer");
        assert!(error.is_timeout(), "{error:?}");
        mute.await.unwrap().unwrap();
        drop(write);
    });
}

#[test]
fn the_timer_goes_by_the_clock_of_the_runtime() {
    const HOUR: Duration = Duration::from_secs(3600);
    let runtime =
        preempt::runtime::Builder::new_current_thread().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let (timer, begin) = (PreemptTimer::new(), Instant::now());
        assert_eq!(timer.now(), begin.into_std());
        timer.sleep(HOUR).await;
        assert!(begin.elapsed() >= HOUR);
        timer.sleep_until(timer.now() + HOUR).await;
        assert!(begin.elapsed() >= 2 * HOUR);
        assert!(begin.elapsed() < 3 * HOUR);
    });
}

#[test]
fn a_reset_moves_the_deadline_in_place() {
    on_each(|| async {
        let timer = PreemptTimer::new();
        let mut sleep = timer.sleep(Duration::from_secs(3600));
        assert!(is_pending(&mut sleep).await);
        let place = std::ptr::from_ref(&*sleep).addr();
        timer.reset(&mut sleep, timer.now() + Duration::from_millis(10));
        assert_eq!(std::ptr::from_ref(&*sleep).addr(), place);
        sleep.as_mut().await;
        // Again, after it was over.
        timer.reset(&mut sleep, timer.now() + Duration::from_secs(3600));
        assert!(is_pending(&mut sleep).await);
    });
}

#[test]
fn a_reset_of_the_sleep_of_another_timer_replaces_it() {
    struct Never;
    impl Future for Never {
        type Output = ();
        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            Poll::Pending
        }
    }
    impl hyper::rt::Sleep for Never {}

    on_each(|| async {
        let timer = PreemptTimer::new();
        let mut sleep: Pin<Box<dyn hyper::rt::Sleep>> = Box::pin(Never);
        timer.reset(&mut sleep, timer.now());
        assert!(!sleep.is::<Never>());
        sleep.await;
    });
}

// ---- bytes ----

#[test]
fn a_wrapped_wrapper_is_a_stream_again() {
    on_each(|| async {
        let (left, right) = duplex(64);
        let mut left = PreemptIo::new(PreemptIo::new(left));
        let mut right = PreemptIo::new(PreemptIo::new(right));
        let sent: Vec<u8> = (0..=255).cycle().take(10_000).collect();
        let expected = sent.clone();
        let writer = preempt::spawn(async move {
            left.write_all(&sent).await.unwrap();
            left.shutdown().await.unwrap();
        });
        // Into a buffer that is partly filled, which stays.
        let mut received = b"before".to_vec();
        right.read_to_end(&mut received).await.unwrap();
        writer.await.unwrap();
        assert_eq!(received[..6], *b"before");
        assert!(received[6..] == expected);
    });
}

/// Safe code that would make bytes count as filled that nobody has filled.
#[test]
fn a_stream_that_replaces_the_buffer_is_refused() {
    struct Forger;
    impl io::AsyncRead for Forger {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut io::ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            *buf = io::ReadBuf::new(vec![0; 64].leak());
            buf.set_filled(64);
            Poll::Ready(Ok(()))
        }
    }
    on_each(|| async {
        let mut forger = PreemptIo::new(PreemptIo::new(Forger));
        let read = preempt::spawn(async move { forger.read(&mut [0; 64]).await });
        let panic = read.await.expect_err("it is noticed").into_panic();
        assert!(panic.downcast_ref::<&str>().unwrap().contains("replaced the buffer"));
    });
}

// ---- handlers that compute ----

/// With one worker this needs preemption: the second request ends the first.
#[test]
fn a_handler_that_never_awaits_holds_up_no_other_connection() {
    for version in [Version::Http1, Version::Http2] {
        within(LIMIT, move || {
            let runtime = multi_thread(1);
            let stop = Stop::new();
            let signal = stop.signal();
            run(&runtime, async move {
                let handler = move |request: Request<Incoming>| {
                    let signal = signal.clone();
                    async move {
                        match request.uri().path() {
                            "/spin" => signal.spin(),
                            "/stop" => signal.set(),
                            _ => {}
                        }
                        path(request).await
                    }
                };
                let (addr, _) = serve(version, handler).await;
                let mut hogging = Client::connect(version, addr).await;
                let hog = preempt::spawn(async move { hogging.get("/spin").await });
                let mut client = Client::connect(version, addr).await;
                for _ in 0..20 {
                    assert_eq!(client.get("/").await, "/");
                }
                assert!(!hog.is_finished());
                client.get("/stop").await;
                assert_eq!(hog.await.unwrap(), "/spin");
            });
        });
    }
}

/// A span is entered in a thread-local: a poll that is set aside in the middle of a span keeps its
/// own, and those that run meanwhile have theirs.
#[test]
fn tower_services_and_spans_stay_with_their_request() {
    within(LIMIT, || {
        // For the process: the workers are to see it as well.
        tracing_subscriber::registry().init();
        let runtime = multi_thread(1);
        let metrics = run(&runtime, async {
            let answer = |request: Request<Incoming>| async move {
                let inside = tracing::info_span!("inside", path = request.uri().path());
                let _inside = inside.clone().entered();
                for _ in 0..20 {
                    burn(Duration::from_millis(1));
                    assert_eq!(tracing::Span::current().id(), inside.id(), "another's span");
                }
                let path = request.uri().path().to_owned();
                Ok::<_, Infallible>(text(path))
            };
            let service = tower::service_fn(move |request| {
                answer(request).instrument(tracing::info_span!("request"))
            })
            .map_response(|mut response: Response<Full<Bytes>>| {
                response.headers_mut().insert("x-by", "tower".parse().unwrap());
                response
            });
            let service = TowerToHyperService::new(service);
            let handler = move |request| hyper::service::Service::call(&service, request);
            let (addr, _) = serve(Version::Http1, handler).await;
            let mut clients = preempt::task::JoinSet::new();
            for number in 0..8 {
                clients.spawn(async move {
                    let mut client = Client::connect(Version::Http1, addr).await;
                    for _ in 0..3 {
                        let answer = client.send(get(&format!("/{number}"))).await;
                        assert_eq!(answer.headers()["x-by"], "tower");
                    }
                });
            }
            clients.join_all().await;
            preempt::runtime::Handle::current().metrics()
        });
        let (detached, handed_off) = (metrics.detaches, metrics.hand_offs);
        println!("{detached} polls were detached, {handed_off} handed off");
        assert!(detached + handed_off > 0, "no span was left in the middle");
    });
}

#[test]
fn a_panic_in_a_handler_ends_its_connection_only() {
    on_each(|| async {
        let handler = |request: Request<Incoming>| async move {
            assert_ne!(request.uri().path(), "/panic", "as the test wants it");
            path(request).await
        };
        let (addr, _) = serve(Version::Http1, handler).await;
        let mut client = Client::connect(Version::Http1, addr).await;
        let Client::Http1(unlucky) = &mut Client::connect(Version::Http1, addr).await else {
            unreachable!()
        };
        unlucky.send_request(get("/panic")).await.expect_err("the connection was dropped");
        assert_eq!(timeout(LIMIT, client.get("/")).await.unwrap(), "/");
    });
}
