//! One registered I/O resource: what it is ready for, and who waits for it.
//!
//! Shared by the `Registration` that stands for the resource and by whoever polls the kernel: a
//! sleeping machine, or the monitor. The tasks read and clear readiness, the poller adds to it and
//! takes the wakers out. Nothing here calls wakers or drops them under the lock, so it is never
//! held while user code runs.
//!
//! # The readiness word
//! ```text
//!   | tick: counts events, wraps around | shutdown | Ready |
//!                                         1 bit      6 bits
//! ```
//! Registration is edge-triggered: an event that is erased is gone. A task that was told
//! `WouldBlock` clears only what it saw when it began, and only if no event came since: the tick
//! says so. A tick that wraps around exactly in the middle of one attempt would need 2^25 events
//! in that time, and still a 32-bit machine.
//!
//! # No wake-up is lost (proof sketch)
//! The poller adds to the word, then takes the lock and the wakers; who waits takes the lock, looks
//! at the word again, and leaves its waker. If the waiter has the lock first, the poller finds the
//! waker. If the poller has it first, the waiter sees what it added: releasing the lock pairs with
//! taking it. A `clear` may come between the poller's two steps, but only one that knows of the
//! event, that is, one by a task that has looked and been told `WouldBlock`: then the kernel owes a
//! further event. Waiters for the same direction are all woken, so that one which is dropped after
//! it was woken takes nothing from another.
//!
//! Rejected: tokio's list of waiters that lives in the futures. It saves the allocation at a
//! resource's first waiter and costs unsafe code and pinning.

use super::interest::Interest;
use super::ready::Ready;
use crate::sync::{AtomicUsize, Mutex};
use slab::Slab;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering::{AcqRel, Acquire};
use std::task::{Context, Poll, Waker};

const SHUTDOWN: usize = 1 << Ready::BITS;
const ONE_TICK: usize = SHUTDOWN << 1;

/// Which of the two wakers of the `poll_*` methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
}

impl Direction {
    /// What makes an attempt in this direction worth it. An error is reported to whoever tries
    /// something next.
    pub(super) fn attemptable(self) -> Ready {
        Ready::ERROR | self.ready()
    }

    /// The same without errors, for the public `poll_*_ready` methods: an error that `try_io`
    /// does not look for would make them return at once again and again.
    pub(super) fn ready(self) -> Ready {
        match self {
            Direction::Read => Ready::READABLE | Ready::READ_CLOSED,
            Direction::Write => Ready::WRITABLE | Ready::WRITE_CLOSED,
        }
    }
}

/// What somebody saw: the part of the readiness that it had asked for, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadyEvent {
    tick: usize,
    pub(crate) ready: Ready,
    pub(crate) is_shutdown: bool,
}

impl ReadyEvent {
    /// The same moment, other readiness.
    #[cfg_attr(not(unix), expect(dead_code, reason = "only `AsyncFd` clears parts of an event"))]
    pub(crate) fn with_ready(self, ready: Ready) -> Self {
        ReadyEvent { ready, ..self }
    }

    fn of(word: usize, wanted: Ready) -> Self {
        ReadyEvent {
            tick: tick_of(word),
            ready: Ready::from_bits(word) & wanted,
            is_shutdown: word & SHUTDOWN != 0,
        }
    }

    /// Whether it is worth returning to somebody who waits.
    fn is_something(&self) -> bool {
        !self.ready.is_empty() || self.is_shutdown
    }
}

fn tick_of(word: usize) -> usize {
    word & !(ONE_TICK - 1)
}

pub(crate) struct ScheduledIo {
    token: usize,
    /// See the head of the file. Changed by anybody, without the lock.
    word: AtomicUsize,
    waiters: Mutex<Waiters>,
}

#[derive(Default)]
struct Waiters {
    /// Who called a `poll_*` method for reading last.
    reader: Option<Waker>,
    /// The same for writing.
    writer: Option<Waker>,
    /// The [`Readiness`] futures that wait.
    others: Slab<Waiter>,
}

struct Waiter {
    wanted: Ready,
    /// `None`: it was woken.
    waker: Option<Waker>,
}

impl Waiters {
    fn slot(&mut self, direction: Direction) -> &mut Option<Waker> {
        match direction {
            Direction::Read => &mut self.reader,
            Direction::Write => &mut self.writer,
        }
    }

    /// Moves out whoever waits for a part of `ready`.
    fn take(&mut self, ready: Ready, wakers: &mut Vec<Waker>) {
        for direction in [Direction::Read, Direction::Write] {
            if !(direction.attemptable() & ready).is_empty() {
                wakers.extend(self.slot(direction).take());
            }
        }
        for (_, waiter) in &mut self.others {
            if !(waiter.wanted & ready).is_empty() {
                wakers.extend(waiter.waker.take());
            }
        }
    }
}

impl ScheduledIo {
    pub(crate) fn new(token: usize) -> Self {
        ScheduledIo { token, word: AtomicUsize::new(0), waiters: Mutex::default() }
    }

    /// What the kernel calls it.
    pub(crate) fn token(&self) -> usize {
        self.token
    }

    /// Adds what an event says, and moves those who wait for it into `wakers`. The caller wakes
    /// them after it has released all its locks.
    pub(crate) fn dispatch(&self, ready: Ready, wakers: &mut Vec<Waker>) {
        self.update(|word| (word | ready.bits()).wrapping_add(ONE_TICK));
        self.waiters.lock().take(ready, wakers);
    }

    /// The runtime is gone: whoever waits now or later is told so. The wakers as with `dispatch`.
    pub(crate) fn shut_down(&self, wakers: &mut Vec<Waker>) {
        self.word.fetch_or(SHUTDOWN, AcqRel);
        self.waiters.lock().take(Ready::ALL, wakers);
    }

    /// Adds what need not be asked of the kernel. If it is wrong that costs one attempt. For a
    /// resource on which nobody waits yet.
    pub(crate) fn assume_ready(&self, ready: Ready) {
        self.update(|word| word | ready.bits());
    }

    /// Takes back what `event` says, unless a newer one came. What is closed stays closed: that
    /// somebody has read all there was does not mean that nothing follows, the end for example.
    pub(crate) fn clear(&self, event: ReadyEvent) {
        let closed = Ready::READ_CLOSED | Ready::WRITE_CLOSED;
        self.clear_if_current(event.tick, event.ready - closed);
    }

    /// Takes back what `event` says after an attempt that would have blocked. That shows also
    /// that the direction is not closed, whatever the kernel's event looked like: the last writer
    /// of a FIFO has left and another has come, or the error of a datagram was taken for the end.
    /// An attempt in which both directions were ready shows nothing about either's end.
    pub(crate) fn clear_blocked(&self, event: ReadyEvent) {
        let is_about = |direction: Direction| !(direction.ready() & event.ready).is_empty();
        if is_about(Direction::Read) && is_about(Direction::Write) {
            self.clear(event);
        } else {
            self.clear_if_current(event.tick, event.ready);
        }
    }

    fn clear_if_current(&self, tick: usize, ready: Ready) {
        self.update(|word| match tick_of(word) == tick {
            true => word & !ready.bits(),
            false => word,
        });
    }

    /// Acquire, release: who sees a change also sees what was done before it. The protocol needs
    /// only that each change is one step, as the lock orders the rest.
    fn update(&self, change: impl Fn(usize) -> usize) {
        let mut word = self.word.load(Acquire);
        loop {
            let next = change(word);
            if next == word {
                return;
            }
            match self.word.compare_exchange_weak(word, next, AcqRel, Acquire) {
                Ok(_) => return,
                Err(now) => word = now,
            }
        }
    }

    /// What it is ready for right now, of what `wanted` names.
    pub(crate) fn event(&self, wanted: Ready) -> ReadyEvent {
        ReadyEvent::of(self.word.load(Acquire), wanted)
    }

    fn event_to_return(&self, wanted: Ready) -> Option<ReadyEvent> {
        Some(self.event(wanted)).filter(ReadyEvent::is_something)
    }

    /// Waits for a part of `wanted`, which belongs to `direction`. Only who called last for that
    /// direction is woken.
    pub(crate) fn poll_ready(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        wanted: Ready,
    ) -> Poll<ReadyEvent> {
        if let Some(event) = self.event_to_return(wanted) {
            return Poll::Ready(event);
        }
        // Cloning and dropping a waker may be user code.
        let waker = cx.waker().clone();
        let (event, _replaced) = {
            let mut waiters = self.waiters.lock();
            match self.event_to_return(wanted) {
                Some(event) => (Some(event), Some(waker)),
                None => (None, waiters.slot(direction).replace(waker)),
            }
        };
        event.map_or(Poll::Pending, Poll::Ready)
    }

    /// Waits until it is ready for a part of `interest`. Any number may wait at the same time.
    ///
    /// What it returns is what holds when it is polled, so it is never empty: if another task was
    /// faster, it waits on.
    pub(crate) fn readiness(&self, interest: Interest) -> Readiness<'_> {
        Readiness { io: self, wanted: Ready::wanted_by(interest), key: None }
    }

    /// Forgets who called the `poll_*` methods last. Whatever wakers hold may hold this in turn.
    pub(crate) fn forget_wakers(&self) {
        let (_reader, _writer) = {
            let mut waiters = self.waiters.lock();
            (waiters.reader.take(), waiters.writer.take())
        };
    }
}

impl fmt::Debug for ScheduledIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ReadyEvent { ready, is_shutdown, .. } = self.event(Ready::ALL);
        f.debug_struct("ScheduledIo")
            .field("token", &self.token)
            .field("ready", &ready)
            .field("is_shutdown", &is_shutdown)
            .finish_non_exhaustive()
    }
}

/// The future of [`ScheduledIo::readiness`]. Dropping it takes its waker back.
pub(crate) struct Readiness<'a> {
    io: &'a ScheduledIo,
    wanted: Ready,
    /// Its place among the waiters, while it waits.
    key: Option<usize>,
}

impl Readiness<'_> {
    /// Under the lock: leaves `waker`, or returns it with the event that makes it unnecessary.
    fn wait(&mut self, waker: Waker) -> (Option<ReadyEvent>, Option<Waker>) {
        let mut waiters = self.io.waiters.lock();
        if let Some(event) = self.io.event_to_return(self.wanted) {
            return (Some(event), Some(waker));
        }
        match self.key {
            Some(key) => (None, waiters.others[key].waker.replace(waker)),
            None => {
                let waiter = Waiter { wanted: self.wanted, waker: Some(waker) };
                self.key = Some(waiters.others.insert(waiter));
                (None, None)
            }
        }
    }

    fn leave(&mut self) {
        if let Some(key) = self.key.take() {
            let waiter = self.io.waiters.lock().others.remove(key);
            drop(waiter);
        }
    }
}

impl Future for Readiness<'_> {
    type Output = ReadyEvent;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<ReadyEvent> {
        let mut event = self.io.event_to_return(self.wanted);
        if event.is_none() {
            let replaced;
            (event, replaced) = self.wait(cx.waker().clone());
            drop(replaced);
        }
        match event {
            Some(event) => {
                self.leave();
                Poll::Ready(event)
            }
            None => Poll::Pending,
        }
    }
}

impl Drop for Readiness<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(all(test, not(loom)))]
#[path = "scheduled_io_tests.rs"]
mod tests;

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use loom::sync::{Arc, Notify};
    use loom::thread;
    use std::pin::pin;
    use std::task::Wake;

    /// A thread that waits for a future.
    struct Sleeper(Notify);

    impl Wake for Sleeper {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.notify();
        }
    }

    /// Loom fails a model in which this is never woken.
    fn block_on<F: Future>(future: F) -> F::Output {
        let sleeper = std::sync::Arc::new(Sleeper(Notify::new()));
        let waker = Waker::from(sleeper.clone());
        let mut future = pin!(future);
        loop {
            match future.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(output) => return output,
                Poll::Pending => sleeper.0.wait(),
            }
        }
    }

    /// What the poller does.
    fn deliver(io: &ScheduledIo, ready: Ready) {
        let mut wakers = Vec::new();
        io.dispatch(ready, &mut wakers);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn shut_down(io: &ScheduledIo) {
        let mut wakers = Vec::new();
        io.shut_down(&mut wakers);
        wakers.into_iter().for_each(Waker::wake);
    }

    async fn poll_ready(io: &ScheduledIo, direction: Direction) -> ReadyEvent {
        std::future::poll_fn(|cx| io.poll_ready(cx, direction, direction.ready())).await
    }

    #[test]
    fn loom_an_event_against_a_future() {
        loom::model(|| {
            let io = Arc::new(ScheduledIo::new(0));
            let poller = thread::spawn({
                let io = io.clone();
                move || deliver(&io, Ready::READABLE)
            });
            assert_eq!(block_on(io.readiness(Interest::READABLE)).ready, Ready::READABLE);
            poller.join().unwrap();
        });
    }

    #[test]
    fn loom_an_event_against_a_poll() {
        loom::model(|| {
            let io = Arc::new(ScheduledIo::new(0));
            let poller = thread::spawn({
                let io = io.clone();
                move || deliver(&io, Ready::READABLE)
            });
            assert_eq!(block_on(poll_ready(&io, Direction::Read)).ready, Ready::READABLE);
            poller.join().unwrap();
        });
    }

    #[test]
    fn loom_shutdown_against_a_future() {
        loom::model(|| {
            let io = Arc::new(ScheduledIo::new(0));
            let poller = thread::spawn({
                let io = io.clone();
                move || shut_down(&io)
            });
            assert!(block_on(io.readiness(Interest::READABLE)).is_shutdown);
            poller.join().unwrap();
        });
    }

    #[test]
    fn loom_shutdown_against_a_poll() {
        loom::model(|| {
            let io = Arc::new(ScheduledIo::new(0));
            let poller = thread::spawn({
                let io = io.clone();
                move || shut_down(&io)
            });
            assert!(block_on(poll_ready(&io, Direction::Write)).is_shutdown);
            poller.join().unwrap();
        });
    }

    #[test]
    fn loom_a_clear_does_not_erase_a_newer_event() {
        loom::model(|| {
            let io = Arc::new(ScheduledIo::new(0));
            deliver(&io, Ready::READABLE);
            // The bytes that the kernel has. Each delivery is after more have come.
            let bytes = Arc::new(loom::sync::atomic::AtomicUsize::new(0));
            let poller = thread::spawn({
                let (io, bytes) = (io.clone(), bytes.clone());
                move || {
                    bytes.store(1, std::sync::atomic::Ordering::SeqCst);
                    deliver(&io, Ready::READABLE);
                }
            });
            block_on(async {
                loop {
                    let event = io.readiness(Interest::READABLE).await;
                    if bytes.load(std::sync::atomic::Ordering::SeqCst) == 1 {
                        return;
                    }
                    io.clear(event);
                }
            });
            poller.join().unwrap();
        });
    }

    #[test]
    fn loom_a_waiter_that_is_dropped_takes_nothing_from_another() {
        loom::model(|| {
            let io = Arc::new(ScheduledIo::new(0));
            let other = thread::spawn({
                let io = io.clone();
                move || {
                    let mut dropped = io.readiness(Interest::READABLE);
                    let mut cx = Context::from_waker(Waker::noop());
                    assert!(Pin::new(&mut dropped).poll(&mut cx).is_pending());
                    // Woken, and gone before it looks.
                    deliver(&io, Ready::READABLE);
                    drop(dropped);
                }
            });
            assert!(block_on(io.readiness(Interest::READABLE)).ready.is_readable());
            other.join().unwrap();
        });
    }
}
