//! Unit tests of `scheduled_io.rs`; what depends on interleavings is in its models.

use super::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize as Counter, Ordering::SeqCst};
use std::task::Wake;

/// Counts how often it is woken.
#[derive(Default)]
struct Wakes(Counter);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl Wakes {
    fn get(&self) -> usize {
        self.0.load(SeqCst)
    }
}

fn counted() -> (Arc<Wakes>, Waker) {
    let wakes = Arc::new(Wakes::default());
    (wakes.clone(), Waker::from(wakes))
}

fn deliver(io: &ScheduledIo, ready: Ready) -> usize {
    let mut wakers = Vec::new();
    io.dispatch(ready, &mut wakers);
    let count = wakers.len();
    wakers.into_iter().for_each(Waker::wake);
    count
}

fn poll(readiness: &mut Readiness<'_>, waker: &Waker) -> Poll<Ready> {
    Pin::new(readiness).poll(&mut Context::from_waker(waker)).map(|event| event.ready)
}

fn poll_direction(io: &ScheduledIo, waker: &Waker, direction: Direction) -> Poll<Ready> {
    let mut cx = Context::from_waker(waker);
    io.poll_ready(&mut cx, direction, direction.ready()).map(|event| event.ready)
}

fn waiting(io: &ScheduledIo) -> usize {
    io.waiters.lock().others.len()
}

#[test]
fn a_stale_clear_does_nothing_even_after_many_events() {
    let io = ScheduledIo::new(7);
    assert_eq!(io.token(), 7);
    deliver(&io, Ready::READABLE);
    let event = io.event(Ready::ALL);
    for _ in 0..1_000 {
        deliver(&io, Ready::READABLE);
        io.clear(event);
        assert!(io.event(Ready::ALL).ready.is_readable());
    }
}

#[test]
fn a_clear_takes_back_what_was_seen_and_no_more() {
    let io = ScheduledIo::new(0);
    deliver(&io, Ready::READABLE | Ready::WRITABLE | Ready::READ_CLOSED);
    io.clear(io.event(Ready::wanted_by(Interest::READABLE)));
    assert_eq!(io.event(Ready::ALL).ready, Ready::WRITABLE | Ready::READ_CLOSED);
}

#[test]
fn what_is_closed_stays_so_until_an_attempt_shows_otherwise() {
    let io = ScheduledIo::new(0);
    deliver(&io, Ready::READABLE | Ready::READ_CLOSED | Ready::ERROR);
    let event = io.event(Direction::Read.attemptable());
    io.clear(event);
    assert_eq!(io.event(Ready::ALL).ready, Ready::READ_CLOSED);
    io.clear_blocked(event);
    assert!(io.event(Ready::ALL).ready.is_empty());
    // Which of the two directions would have blocked is not known.
    deliver(&io, Ready::READABLE | Ready::WRITE_CLOSED);
    io.clear_blocked(io.event(Ready::ALL));
    assert_eq!(io.event(Ready::ALL).ready, Ready::WRITE_CLOSED);
}

#[test]
fn an_error_wakes_both_directions() {
    let io = ScheduledIo::new(0);
    let (wakes, waker) = counted();
    for direction in [Direction::Read, Direction::Write] {
        let mut cx = Context::from_waker(&waker);
        assert!(io.poll_ready(&mut cx, direction, direction.attemptable()).is_pending());
    }
    assert_eq!(deliver(&io, Ready::ERROR), 2);
    assert_eq!(wakes.get(), 2);
    assert!(poll_direction(&io, &waker, Direction::Read).is_pending());
}

#[test]
fn the_tick_wraps_around_without_touching_the_rest() {
    let io = ScheduledIo::new(0);
    io.word.store(usize::MAX & !(ONE_TICK - 1), SeqCst);
    deliver(&io, Ready::WRITABLE);
    let event = io.event(Ready::ALL);
    assert_eq!((event.tick, event.ready, event.is_shutdown), (0, Ready::WRITABLE, false));
}

#[test]
fn an_event_wakes_those_who_want_it() {
    let io = ScheduledIo::new(0);
    let (reads, reader) = counted();
    let (writes, writer) = counted();
    assert!(poll_direction(&io, &reader, Direction::Read).is_pending());
    assert!(poll_direction(&io, &writer, Direction::Write).is_pending());
    let mut readable = io.readiness(Interest::READABLE);
    let mut either = io.readiness(Interest::READABLE | Interest::WRITABLE);
    assert!(poll(&mut readable, &reader).is_pending());
    assert!(poll(&mut either, &writer).is_pending());
    assert_eq!(deliver(&io, Ready::WRITABLE), 2);
    assert_eq!((reads.get(), writes.get()), (0, 2));
    assert_eq!(deliver(&io, Ready::READABLE), 2, "who was woken already is not woken again");
    assert_eq!((reads.get(), writes.get()), (2, 2));
}

#[test]
fn the_last_who_polls_a_direction_is_woken() {
    let io = ScheduledIo::new(0);
    let (first, first_waker) = counted();
    let (second, second_waker) = counted();
    for waker in [&first_waker, &second_waker] {
        assert!(poll_direction(&io, waker, Direction::Read).is_pending());
    }
    deliver(&io, Ready::READABLE);
    assert_eq!((first.get(), second.get()), (0, 1));
}

#[test]
fn a_future_wakes_whoever_polled_it_last() {
    let io = ScheduledIo::new(0);
    let (first, first_waker) = counted();
    let (second, second_waker) = counted();
    let mut readable = io.readiness(Interest::READABLE);
    assert!(poll(&mut readable, &first_waker).is_pending());
    assert!(poll(&mut readable, &second_waker).is_pending());
    assert_eq!(waiting(&io), 1);
    deliver(&io, Ready::READABLE);
    assert_eq!((first.get(), second.get()), (0, 1));
}

#[test]
fn who_was_woken_too_late_waits_on() {
    let io = ScheduledIo::new(0);
    let (wakes, waker) = counted();
    let mut readable = io.readiness(Interest::READABLE);
    assert!(poll(&mut readable, &waker).is_pending());
    deliver(&io, Ready::READABLE);
    // Somebody else was faster.
    io.clear(io.event(Ready::ALL));
    assert!(poll(&mut readable, &waker).is_pending());
    deliver(&io, Ready::READABLE);
    assert_eq!(wakes.get(), 2);
    assert_eq!(poll(&mut readable, &waker), Poll::Ready(Ready::READABLE));
}

#[test]
fn nothing_is_left_of_a_future_that_is_dropped_or_done() {
    let io = ScheduledIo::new(0);
    let (wakes, waker) = counted();
    let mut done = io.readiness(Interest::READABLE);
    let mut dropped = io.readiness(Interest::READABLE);
    assert!(poll(&mut done, &waker).is_pending());
    assert!(poll(&mut dropped, &waker).is_pending());
    drop(dropped);
    deliver(&io, Ready::READABLE);
    assert!(poll(&mut done, &waker).is_ready());
    assert_eq!((waiting(&io), wakes.get()), (0, 1));
    drop(waker);
    drop(done);
    assert_eq!(Arc::strong_count(&wakes), 1, "a waker was kept");
}

#[test]
fn shutdown_wakes_everybody_and_stays() {
    let io = ScheduledIo::new(0);
    let (wakes, waker) = counted();
    let mut readable = io.readiness(Interest::READABLE);
    assert!(poll(&mut readable, &waker).is_pending());
    assert!(poll_direction(&io, &waker, Direction::Write).is_pending());
    let mut wakers = Vec::new();
    io.shut_down(&mut wakers);
    wakers.into_iter().for_each(Waker::wake);
    assert_eq!(wakes.get(), 2);
    io.clear(io.event(Ready::ALL));
    deliver(&io, Ready::READABLE);
    assert!(io.event(Ready::ALL).is_shutdown);
    assert!(poll(&mut readable, &waker).is_ready());
}

#[test]
fn assumed_readiness_can_be_taken_back() {
    let io = ScheduledIo::new(0);
    io.assume_ready(Ready::WRITABLE);
    let event = io.event(Ready::ALL);
    assert_eq!(event.ready, Ready::WRITABLE);
    io.clear(event);
    assert!(io.event(Ready::ALL).ready.is_empty());
}
