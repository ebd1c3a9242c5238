//! What the behaviour tests share: deadlines, tasks that burn time, counters of drops.
//!
//! Rules that these helpers make easy to keep:
//! * every wait has a deadline, so that a lost wake-up is a failure and not a hang: [`within`],
//!   [`eventually`];
//! * every endless task ends with its test, also if the test fails: [`Stop`];
//! * no test asserts how long something took. [`LIMIT`] is only there to tell slow from never.

#![allow(dead_code, reason = "each test file uses a part of it")]

use preempt::runtime::{Builder, Runtime};
use preempt::task::yield_now;
use std::future::Future;
use std::hint::{black_box, spin_loop};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything here takes on a busy machine: what is not done by then never will be.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// Runs `body` on a thread of its own and fails if it is not done after `limit`. A panic of the
/// body is the caller's.
#[track_caller]
pub(crate) fn within<R: Send + 'static>(
    limit: Duration,
    body: impl FnOnce() -> R + Send + 'static,
) -> R {
    let (sender, receiver) = channel();
    let name = thread::current().name().unwrap_or("test").to_owned();
    let thread = thread::Builder::new()
        .name(name)
        .spawn(move || {
            let result = body();
            // Fails only if the caller gave up.
            let _gave_up = sender.send(());
            result
        })
        .expect("the test needs a thread");
    if receiver.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
        panic!("it hangs: not done after {limit:?}");
    }
    thread.join().unwrap_or_else(|payload| resume_unwind(payload))
}

/// Waits until `is_so`, which is polled.
#[track_caller]
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < deadline, "it never happened: {what}");
        thread::sleep(Duration::from_micros(200));
    }
}

/// One test of a file at a time, where one test's load would be another's noise.
pub(crate) fn serial() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A multi-threaded runtime with so many processors.
pub(crate) fn multi_thread(workers: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(workers).build().expect("a runtime")
}

/// A current-thread runtime.
pub(crate) fn current_thread() -> Runtime {
    Builder::new_current_thread().build().expect("a runtime")
}

/// A runtime whose monitor asks nobody to give way: for what depends on the order of the queues,
/// which a pause of the whole machine must not change.
pub(crate) fn undisturbed(mut builder: Builder) -> Runtime {
    builder.preempt_on_wake(false).time_slice(Duration::from_secs(60)).build().expect("a runtime")
}

/// One processor, see [`undisturbed`].
pub(crate) fn one_undisturbed_worker() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1);
    undisturbed(builder)
}

/// A switch that ends the endless tasks of a test. It is switched when the test's own end of it is
/// dropped, so declare it after the runtime.
pub(crate) struct Stop(Signal);

impl Stop {
    pub(crate) fn new() -> Self {
        Stop(Signal::default())
    }

    pub(crate) fn signal(&self) -> Signal {
        self.0.clone()
    }

    pub(crate) fn stop(&self) {
        self.0.set();
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Something that happens once.
#[derive(Clone, Default)]
pub(crate) struct Signal(Arc<AtomicBool>);

impl Signal {
    pub(crate) fn set(&self) {
        self.0.store(true, SeqCst);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(SeqCst)
    }

    /// Waits for it on a thread that may block.
    #[track_caller]
    pub(crate) fn wait(&self, what: &str) {
        eventually(what, || self.is_set());
    }

    /// Burns time until it is set, without a checkpoint or an await.
    pub(crate) fn spin(&self) {
        while !self.is_set() {
            spin_loop();
        }
    }
}

/// A count that many tasks share.
#[derive(Clone, Default)]
pub(crate) struct Count(Arc<AtomicUsize>);

impl Count {
    pub(crate) fn add_one(&self) -> usize {
        self.add(1)
    }

    pub(crate) fn add(&self, more: usize) -> usize {
        self.0.fetch_add(more, SeqCst) + more
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(SeqCst)
    }
}

/// Counts its drop.
pub(crate) struct CountsDrop(pub(crate) Count);

impl Drop for CountsDrop {
    fn drop(&mut self) {
        self.0.add_one();
    }
}

/// What `#[preemptible]` puts into async code: yields if the monitor has asked for it.
pub(crate) async fn async_checkpoint() {
    if preempt_checkpoint::preempt_requested() {
        yield_now().await;
    }
}

/// Burns so many units of work without a checkpoint, a system call or the vdso.
#[inline(never)]
pub(crate) fn work(units: u64) {
    for unit in 0..units {
        black_box(unit);
    }
}

/// Burns processor time without a checkpoint.
pub(crate) fn burn(time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        spin_loop();
    }
}

/// How a task that burns time lets others run, if it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manners {
    /// Yields when it is asked to.
    AsyncCheckpoint,
    /// Has checkpoints in its synchronous code.
    SyncCheckpoint,
    /// Has none.
    Unannotated,
}

impl Manners {
    pub(crate) const ALL: [Manners; 3] =
        [Manners::AsyncCheckpoint, Manners::SyncCheckpoint, Manners::Unannotated];

    /// Burns time until `stop` is set.
    pub(crate) async fn hog(self, stop: Signal) {
        while !stop.is_set() {
            match self {
                Manners::AsyncCheckpoint => async_checkpoint().await,
                Manners::SyncCheckpoint => preempt::checkpoint(),
                Manners::Unannotated => spin_loop(),
            }
        }
    }
}

/// A small generator of numbers (Knuth's MMIX constants), so that a stress test can be repeated.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(seed ^ 0x9E37_79B9_7F4A_7C15)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// The text of a panic.
#[track_caller]
pub(crate) fn panic_message(body: impl FnOnce()) -> String {
    let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body))
        .expect_err("this should have panicked");
    text_of(&*payload)
}

/// The text of a panic's payload.
pub(crate) fn text_of(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no text").to_owned()
}

/// Polls a boxed future once with a waker that does nothing.
pub(crate) fn poll_once<F: Future + ?Sized>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop()))
}
