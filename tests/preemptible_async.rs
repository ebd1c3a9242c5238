//! Where async code gives way, counted by a small executor: with the request up, each poll that
//! ends without the future being ready is a yield, as nothing in these futures waits.

use futures::FutureExt;
use preempt::preemptible;
use preempt_checkpoint::runtime;
use std::cell::Cell;
use std::future::{Future, ready};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

#[derive(Default)]
struct Wakes(AtomicU64);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// What a future did while the request was up.
#[derive(Debug, PartialEq)]
struct Run<T> {
    output: T,
    yields: u64,
    /// Calls of the hook: sync checks.
    detaches: u64,
}

thread_local! {
    static DETACHES: Cell<u64> = const { Cell::new(0) };
}

fn run<F: Future>(future: F) -> Run<F::Output> {
    fn count() {
        DETACHES.set(DETACHES.get() + 1);
    }
    DETACHES.set(0);
    runtime::install(count);
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(wakes.clone());
    let mut future = pin!(future);
    let mut yields = 0;
    let output = loop {
        // SAFETY: the flag is this thread's own.
        unsafe { runtime::this_thread().request_remote() };
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => break output,
            Poll::Pending => yields += 1,
        }
    };
    runtime::uninstall();
    assert_eq!(wakes.0.load(Relaxed), yields, "each yield wakes once, or the task is lost");
    Run { output, yields, detaches: DETACHES.get() }
}

fn is_send<T: Send>(value: T) -> T {
    value
}

const N: u64 = 100;

#[test]
fn a_loop_that_awaits_yields_per_iteration() {
    #[preemptible]
    async fn sum(n: u64) -> u64 {
        let mut sum = 0;
        for i in 0..n {
            sum += ready(i).await;
        }
        sum
    }
    assert_eq!(run(is_send(sum(N))), Run { output: 4950, yields: 1 + N, detaches: 0 });
}

#[test]
fn a_while_let_with_an_await_in_its_condition_yields() {
    #[preemptible]
    async fn drain(mut n: u64) -> u64 {
        let mut sum = 0;
        while let Some(rest) = ready(n.checked_sub(1)).await {
            n = rest;
            sum += n;
        }
        sum
    }
    assert_eq!(run(is_send(drain(N))), Run { output: 4950, yields: 2 + N, detaches: 0 });
}

#[test]
fn a_loop_without_an_await_is_sync_code() {
    #[preemptible]
    async fn spin() -> u64 {
        let mut sum = 0;
        for i in 0..1u64 << 20 {
            sum ^= std::hint::black_box(i);
        }
        ready(sum).await
    }
    let run = run(is_send(spin()));
    assert_eq!((run.output, run.yields), (0, 1));
    assert!(run.detaches >= 16, "{run:?}");
}

#[test]
fn an_iteration_that_does_not_await_detaches() {
    #[preemptible]
    async fn sometimes(n: u64) -> u64 {
        let mut awaited = 0;
        for i in 0..n {
            if i % 10 == 0 {
                awaited += ready(1).await;
            }
        }
        awaited
    }
    assert_eq!(run(sometimes(N)), Run { output: 10, yields: 11, detaches: N });
}

#[test]
fn an_async_fn_without_awaits_detaches_ahead_of_its_calls() {
    fn twice(n: u64) -> u64 {
        2 * n
    }
    #[preemptible]
    async fn double(n: u64) -> u64 {
        twice(n)
    }
    assert_eq!(run(double(4)), Run { output: 8, yields: 0, detaches: 1 });
}

#[test]
fn an_async_fn_that_neither_awaits_nor_calls_has_no_check() {
    #[preemptible]
    async fn double(n: u64) -> u64 {
        2 * n
    }
    assert_eq!(run(double(4)), Run { output: 8, yields: 0, detaches: 0 });
}

#[test]
fn async_blocks_and_closures_follow_the_async_rule() {
    #[preemptible]
    #[allow(clippy::manual_async_fn, reason = "an async block in a function is the case")]
    fn block(n: u64) -> impl Future<Output = u64> {
        async move {
            let mut left = n;
            loop {
                left -= ready(1).await;
                if left == 0 {
                    break n;
                }
            }
        }
    }
    #[preemptible]
    fn closure() -> impl AsyncFn(u64) -> u64 {
        async |n| {
            let mut sum = 0;
            for _ in 0..n {
                sum += ready(1).await;
            }
            sum
        }
    }
    assert_eq!(run(block(N)), Run { output: N, yields: N, detaches: 0 });
    let count = closure();
    assert_eq!(run(count(N)), Run { output: N, yields: N, detaches: 0 });
}

#[test]
fn recursion_yields() {
    #[preemptible]
    async fn depth(n: u64) -> u64 {
        if n == 0 { 0 } else { 1 + Box::pin(depth(n - 1)).await }
    }
    assert_eq!(run(depth(N)), Run { output: N, yields: N + 1, detaches: 0 });
}

#[test]
fn without_a_request_nothing_yields() {
    #[preemptible]
    async fn sum(n: u64) -> u64 {
        let mut sum = 0;
        for i in 0..n {
            sum += ready(i).await;
        }
        sum
    }
    thread::spawn(|| assert_eq!(sum(N).now_or_never(), Some(4950))).join().unwrap();
}

/// The inner executor polls on without taking the request back.
#[test]
fn block_on_inside_a_poll_that_was_asked_makes_progress() {
    #[preemptible]
    async fn inner(n: u64) -> u64 {
        let mut sum = 0;
        for i in 0..n {
            sum += ready(i).await;
        }
        sum
    }
    let outer = async { futures::executor::block_on(inner(N)) };
    assert_eq!(run(outer).output, 4950);
}

#[test]
fn a_loop_breaks_with_the_value_of_an_await() {
    #[preemptible]
    async fn divisor(n: u64) -> Result<u64, String> {
        let mut limit = 2;
        let found = 'search: loop {
            for divisor in 2..limit {
                if ready(n % divisor).await == 0 {
                    break 'search divisor;
                }
            }
            if limit == n {
                return Err(format!("{n} is prime"));
            }
            limit += 1;
        };
        let found = ready(Ok::<_, String>(found)).await?;
        Ok(found)
    }
    assert_eq!(run(divisor(35)).output, Ok(5));
    assert_eq!(run(divisor(7)).output, Err("7 is prime".to_owned()));
}

/// Values that are not `Send`, alive at the top of the loop but not at the user's await.
#[test]
fn what_was_send_stays_send() {
    struct Shared(Cell<u64>);
    // SAFETY: only this test's thread uses it.
    unsafe impl Sync for Shared {}
    static SHARED: Shared = Shared(Cell::new(7));

    #[preemptible]
    async fn reference_to_not_sync(n: u64) -> u64 {
        let mut sum = 0;
        for cell in (0..n).map(|_| &SHARED.0) {
            let value = cell.get();
            sum += ready(value).await;
        }
        sum
    }

    #[preemptible]
    async fn raw_pointer_in_the_condition(mut n: u64) -> u64 {
        let mut sum = 0;
        while let Some(pointer) = (n > 0).then_some(&raw const n) {
            // SAFETY: points to `n`.
            sum += ready(unsafe { *pointer }).await;
            n -= 1;
        }
        sum
    }

    assert_eq!(run(is_send(reference_to_not_sync(3))).output, 21);
    assert_eq!(run(is_send(raw_pointer_in_the_condition(3))).output, 6);
}

/// Temporaries of the scrutinee and of the awaited expression live as long as in plain code.
#[test]
fn temporaries_keep_their_scope() {
    #[preemptible]
    async fn borrow_temporaries(n: u64) -> usize {
        let mut total = 0;
        for i in 0..n {
            total += length_of(&i.to_string()).await;
        }
        total
    }
    async fn length_of(text: &str) -> usize {
        ready(()).await;
        text.len()
    }
    assert_eq!(run(is_send(borrow_temporaries(12))).output, 14);
}

#[test]
fn what_is_awaited_need_not_be_a_future() {
    struct Request(u64);
    impl IntoFuture for Request {
        type Output = u64;
        type IntoFuture = std::future::Ready<u64>;
        fn into_future(self) -> Self::IntoFuture {
            ready(self.0)
        }
    }
    #[preemptible]
    async fn send(n: u64) -> u64 {
        let mut sum = 0;
        for i in 0..n {
            sum += Request(i).await;
        }
        sum
    }
    assert_eq!(run(send(N)).output, 4950);
}

/// A check in an await costs the future one flag, and a loop without await nothing.
#[test]
fn futures_stay_small() {
    async fn plain(data: [u8; 1024]) -> u64 {
        let mut sum = 0;
        for byte in data {
            sum += u64::from(byte);
        }
        sum
    }
    #[preemptible]
    async fn annotated(data: [u8; 1024]) -> u64 {
        let mut sum = 0;
        for byte in data {
            sum += u64::from(byte);
        }
        sum
    }
    assert_eq!(size_of_val(&annotated([0; 1024])), size_of_val(&plain([0; 1024])));
}
