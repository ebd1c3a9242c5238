//! A runtime without threads of its own: whoever calls `block_on` runs the tasks.
//!
//! There is one processor and one seat. The first thread in `block_on` takes the seat and runs the
//! tasks besides its own future; others only run their own future, and the next of them takes the
//! seat when it becomes free.

use super::block_on::{self, Sleeper};
use crate::context;
use crate::coop;
use crate::scheduler::{Machine, Scheduler, Seat, worker};
use crate::sync::Mutex;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

pub(super) struct CurrentThread {
    scheduler: Arc<Scheduler>,
    seat_taken: AtomicBool,
    /// Threads in `block_on` that have no seat.
    waiting: Mutex<Vec<Arc<Sleeper>>>,
}

/// The only processor.
const PROCESSOR: usize = 0;

impl CurrentThread {
    pub(super) fn new(scheduler: &Arc<Scheduler>) -> Self {
        // Nobody works on the processor until the first `block_on`.
        let _searchers = scheduler.idle.park(PROCESSOR, false);
        scheduler.processors[PROCESSOR].counters.parks(0);
        CurrentThread {
            scheduler: scheduler.clone(),
            seat_taken: AtomicBool::new(false),
            waiting: Mutex::default(),
        }
    }

    pub(super) fn block_on<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        let sleeper = Arc::new(Sleeper::new());
        let waker = block_on::waker(&sleeper);
        loop {
            if let Some(seat) = self.take_seat() {
                // Woken by whatever woke this thread until now.
                return seat.run_until(future);
            }
            let poll = || future.as_mut().poll(&mut Context::from_waker(&waker));
            if sleeper.take_wake()
                && let Poll::Ready(output) = coop::with_budget(poll)
            {
                return output;
            }
            self.wait(&sleeper);
        }
    }

    fn take_seat(&self) -> Option<TakenSeat<'_>> {
        (!self.seat_taken.swap(true, SeqCst)).then(|| {
            if self.scheduler.idle.unpark(PROCESSOR) {
                // A task was pushed while nobody was here, so the processor counts as searching.
                // The seat looks at everything before it sleeps anyway.
                let _was_last = self.scheduler.idle.stop_search();
            }
            self.scheduler.monitor.work_started();
            self.scheduler.processors[PROCESSOR].counters.unparks();
            let lane = self.scheduler.recorder.only_lane();
            let seat = Seat::new(self.scheduler.clone(), Machine::new(), lane);
            TakenSeat { driver: self, seat }
        })
    }

    /// Sleeps until the future is woken or the seat may be free.
    fn wait(&self, sleeper: &Arc<Sleeper>) {
        self.waiting.lock().push(sleeper.clone());
        // Whoever leaves the seat frees it before it looks for waiting threads.
        if self.seat_taken.load(SeqCst) {
            sleeper.parker.park();
        }
        self.waiting.lock().retain(|waiting| !Arc::ptr_eq(waiting, sleeper));
    }
}

/// The seat, and the duty to leave it to the next thread.
struct TakenSeat<'a> {
    driver: &'a CurrentThread,
    seat: Seat,
}

impl TakenSeat<'_> {
    fn run_until<F: Future>(&self, mut future: Pin<&mut F>) -> F::Output {
        let _seated = context::sit(&self.seat);
        self.seat.take(PROCESSOR);
        let main = Arc::new(Main { woken: AtomicBool::new(true), scheduler: self.scheduler() });
        let waker = Waker::from(main.clone());
        let mut cx = Context::from_waker(&waker);
        loop {
            if main.woken.swap(false, SeqCst)
                && let Poll::Ready(output) = worker::poll_main(&self.seat, future.as_mut(), &mut cx)
            {
                return output;
            }
            worker::step_in_block_on(&self.seat);
        }
    }

    fn scheduler(&self) -> Arc<Scheduler> {
        self.driver.scheduler.clone()
    }
}

impl Drop for TakenSeat<'_> {
    fn drop(&mut self) {
        self.seat.leave();
        let processor = &self.driver.scheduler.processors[PROCESSOR];
        processor.counters.parks(processor.watch.polls());
        let _searchers = self.driver.scheduler.idle.park(PROCESSOR, self.seat.was_searching());
        self.driver.seat_taken.store(false, SeqCst);
        if let Some(next) = self.driver.waiting.lock().first() {
            let _done = next.parker.unpark();
        }
    }
}

/// The future of the thread that has the seat, as something to be woken.
struct Main {
    woken: AtomicBool,
    scheduler: Arc<Scheduler>,
}

impl Wake for Main {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, SeqCst);
        self.scheduler.unpark(PROCESSOR);
    }
}
