//! Where the machines stand while the world is stopped.
//!
//! ```text
//!   stopper:  stop ─ STOPPING set ─ each processor acknowledges ─ the closure ─ go_on ─ STOPPING gone
//!                                      ▲
//!   machine:  step ─ STOPPING? ─ wait ─┘ .. stands with its processor .. ─ over ─ next ─ poll
//!   sleeper:  among the sleepers ───▲     woken: unpark ─ step ─ STOPPING? ─ wait
//! ```
//!
//! # Protocol
//! One thread at a time is the *stopper*. It sets the bit and then needs a positive answer for each
//! processor; none of these is "the word of its `Watch` is even", as a poll may begin at that moment:
//! * its machine stands here, or whoever holds it in the middle of a poll and does nothing but wait: the
//!   stopper itself, and one that waits for its turn to be the stopper;
//! * it is among the sleepers of [`Idle`](super::idle::Idle).
//!
//! A processor that has retired has no machine; one that comes back is seen to be back before its new
//! machine looks at the bit.
//! A poll that sleeps in the kernel is not asked for an answer: see `world.rs`.
//!
//! # No poll runs while the world is stopped (proof sketch)
//! * A machine looks at the bit before each poll. If it does not see the bit, the poll begins, and the
//!   stopper has no answer for the processor until that poll is over and the machine has looked again.
//! * Places, bit and stopper change together, under the lock. Whoever finds a stopper there stands until
//!   that stop is over. The end of a stop empties all places, so that the next stopper counts nobody who
//!   is about to go; and whoever stood may go on to one poll, also if the next stop has begun: stops in
//!   quick succession do not keep the tasks from running. For the same reason whoever stands here without a
//!   processor has a *ticket*, which is good for one stop.
//! * A sleeper was seen under the sleepers' lock, after the bit was set. It leaves the sleepers under the
//!   same lock, and looks at the bit afterwards, so it sees it.
//! * A processor that is taken from whoever stands with it in the middle of a poll is no longer in that
//!   poll, which the stopper checks; its new machine stands here before it polls.
//!
//! What the tasks have written is seen by the closure, and the other way round: each answer and each
//! departure is an acquire of what the other side has released.
//!
//! # No wake-up is lost
//! A machine that stands here is a machine between two polls that takes its time: awake for `Idle`,
//! and searching if it was woken for a task. Whoever queues a task meanwhile wakes a sleeper (that comes
//! here), or leaves it to a machine that searches or is awake, and that looks at the queues before it
//! sleeps, as it would have without the stop.
//! A machine that goes to sleep looks at the bit after it has joined the sleepers. So either it comes
//! here, and the stopper is told; or the stopper's look, which is later than the bit, finds it asleep.
//!
//! Models: `loom_*` at the end of this file.

use super::attention::{Attention, STOPPING};
use crate::sync::{AtomicU64, Condvar, Guard, Mutex};
use std::sync::atomic::Ordering::SeqCst;
use std::time::Instant;

/// Nobody stands with the processor.
const NOBODY: u64 = 0;
/// Its machine does, between two polls.
const BETWEEN_POLLS: u64 = u64::MAX;

pub(crate) struct Barrier {
    /// Who stands with each processor: nobody, its machine, or the poll of that name.
    places: Box<[AtomicU64]>,
    state: Mutex<State>,
    /// Somebody has come to stand here; for the stopper.
    arrived: Condvar,
    /// A stop is over.
    over: Condvar,
}

#[derive(Default)]
struct State {
    /// The thread that stops the world, by the address of something of its own.
    stopper: Option<usize>,
    /// Stops that are over. The next number is that of the stop that is made.
    stops: u64,
    /// How many have come to stand here.
    arrivals: u64,
    /// The stopper waits for the next one.
    listens: bool,
}

/// What a machine shows while it stands here: the number of the stop.
#[derive(Debug)]
pub(crate) struct Ticket(AtomicU64);

impl Ticket {
    pub(crate) fn new() -> Self {
        Ticket(AtomicU64::new(0))
    }

    /// Whether the machine stands here until that stop is over.
    pub(crate) fn is_for(&self, stop: u64) -> bool {
        // Pairs with `stand`.
        self.0.load(SeqCst) == stop
    }
}

/// Who stands here: with a processor, with a ticket.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stand<'a> {
    place: Option<(usize, u64)>,
    ticket: Option<&'a Ticket>,
}

impl<'a> Stand<'a> {
    pub(crate) fn between_polls(processor: usize) -> Self {
        Stand { place: Some((processor, BETWEEN_POLLS)), ticket: None }
    }

    /// In the middle of the poll of that name, see `Slice::into_bits`.
    pub(crate) fn in_poll(processor: usize, poll: u64) -> Self {
        Stand { place: Some((processor, poll)), ticket: None }
    }

    pub(crate) fn with(self, ticket: &'a Ticket) -> Self {
        Stand { ticket: Some(ticket), ..self }
    }
}

/// The calling thread has stopped the world already.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Nested;

impl Barrier {
    pub(crate) fn new(processors: usize) -> Self {
        Barrier {
            places: (0..processors).map(|_| AtomicU64::new(NOBODY)).collect(),
            state: Mutex::default(),
            arrived: Condvar::new(),
            over: Condvar::new(),
        }
    }

    /// Makes the calling thread the stopper when it is its turn; it stands where it says from the
    /// beginning. Returns the number of its stop, and how many have come here so far.
    ///
    /// # Errors
    /// When it is the stopper already.
    pub(crate) fn stop(
        &self,
        attention: &Attention,
        this_thread: usize,
        stand: Stand<'_>,
    ) -> Result<(u64, u64), Nested> {
        let mut state = self.state.lock();
        while let Some(stopper) = state.stopper {
            if stopper == this_thread {
                return Err(Nested);
            }
            self.wait_for_the_end(&mut state, stand);
        }
        state.stopper = Some(this_thread);
        self.stand(&mut state, stand);
        // Under the lock: whoever is about to go has emptied its place.
        attention.call_for(STOPPING);
        Ok((state.stops + 1, state.arrivals))
    }

    /// The number of the stop that is made, or will be next.
    pub(crate) fn current(&self) -> u64 {
        self.state.lock().stops + 1
    }

    /// The stop is over.
    pub(crate) fn go_on(&self, attention: &Attention) {
        let mut state = self.state.lock();
        state.stopper = None;
        state.stops += 1;
        self.places.iter().for_each(|place| place.store(NOBODY, SeqCst));
        attention.dismiss(STOPPING);
        drop(state);
        self.over.notify_all();
    }

    /// Stands here until the stop is over, if there is one that the calling thread does not make.
    pub(crate) fn wait(&self, this_thread: usize, stand: Stand<'_>) {
        let mut state = self.state.lock();
        if state.stopper.is_some_and(|stopper| stopper != this_thread) {
            self.wait_for_the_end(&mut state, stand);
        }
    }

    fn wait_for_the_end(&self, state: &mut Guard<'_, State>, stand: Stand<'_>) {
        let stop = state.stops;
        self.stand(state, stand);
        while state.stops == stop {
            let _no_limit = self.over.wait_until(state, None);
        }
    }

    fn stand(&self, state: &mut Guard<'_, State>, stand: Stand<'_>) {
        if let Some(ticket) = stand.ticket {
            // Pairs with `Ticket::is_for`.
            ticket.0.store(state.stops + 1, SeqCst);
        }
        if let Some((processor, who)) = stand.place {
            let place = &self.places[processor];
            // One that was in a poll may have lost the processor to a machine that stands here.
            if place.load(SeqCst) != BETWEEN_POLLS {
                // Pairs with `has_arrived`: the stopper sees what the tasks have written.
                place.store(who, SeqCst);
            }
        }
        state.arrivals += 1;
        if state.listens {
            self.arrived.notify_one();
        }
    }

    /// Whether somebody stands here with the processor. `is_in`: whether it is in the poll of that name.
    pub(crate) fn has_arrived(&self, processor: usize, is_in: impl FnOnce(u64) -> bool) -> bool {
        match self.places[processor].load(SeqCst) {
            NOBODY => false,
            BETWEEN_POLLS => true,
            poll => is_in(poll),
        }
    }

    /// For the stopper: sleeps until more have come than it has seen, and at most until then. Returns how
    /// many have.
    pub(crate) fn listen(&self, seen: u64, until: Option<Instant>) -> u64 {
        let mut state = self.state.lock();
        if state.arrivals == seen {
            state.listens = true;
            let _may_be_too_late = self.arrived.wait_until(&mut state, until);
            state.listens = false;
        }
        state.arrivals
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

    #[test]
    fn a_stop_inside_a_stop_is_refused() {
        let (barrier, attention) = (Barrier::new(1), Attention::default());
        let ticket = Ticket::new();
        let stand = Stand::default().with(&ticket);
        assert_eq!(barrier.stop(&attention, 1, stand), Ok((1, 1)));
        assert_eq!(barrier.stop(&attention, 1, stand), Err(Nested));
        barrier.wait(1, stand);
        assert!(ticket.is_for(1));
        barrier.go_on(&attention);
        assert!(!attention.is_wanted());
        assert_eq!(barrier.stop(&attention, 1, Stand::default()), Ok((2, 2)));
        assert!(!ticket.is_for(2));
    }

    #[test]
    fn who_stands_in_a_poll_counts_while_the_processor_is_in_it() {
        let (barrier, attention) = (Barrier::new(2), Attention::default());
        barrier.stop(&attention, 1, Stand::in_poll(1, 7)).unwrap();
        assert!(!barrier.has_arrived(0, |_| true));
        assert!(barrier.has_arrived(1, |poll| poll == 7));
        assert!(!barrier.has_arrived(1, |_| false), "it was taken away");
        barrier.go_on(&attention);
        assert!(!barrier.has_arrived(1, |_| true), "nobody stands there any more");
    }

    #[test]
    fn a_second_stopper_waits_for_the_first() {
        let (barrier, attention) = (Barrier::new(1), Attention::default());
        let is_over = AtomicBool::new(false);
        let (_, seen) = barrier.stop(&attention, 1, Stand::default()).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                barrier.stop(&attention, 2, Stand::between_polls(0)).unwrap();
                assert!(is_over.load(SeqCst));
                barrier.go_on(&attention);
            });
            assert!(barrier.listen(seen, None) > seen);
            assert!(barrier.has_arrived(0, |_| false), "it stands meanwhile");
            is_over.store(true, SeqCst);
            barrier.go_on(&attention);
        });
        assert!(!attention.is_wanted());
    }
}

#[cfg(all(test, loom))]
#[allow(unsafe_code, reason = "loom's cells check what the model does with them")]
#[allow(clippy::undocumented_unsafe_blocks, reason = "what the model is to prove")]
mod models {
    use super::*;
    use crate::scheduler::idle::Idle;
    use crate::sync::AtomicUsize;
    use loom::cell::UnsafeCell;
    use loom::sync::Arc;
    use loom::thread;

    /// One processor, and what only polls and closures may touch: loom fails if two do so at a time, or
    /// without one having seen the other's end.
    struct World {
        attention: Attention,
        barrier: Barrier,
        idle: Idle,
        touched: UnsafeCell<usize>,
    }

    const PROCESSOR: usize = 0;

    impl World {
        fn new() -> Arc<Self> {
            Arc::new(World {
                attention: Attention::default(),
                barrier: Barrier::new(1),
                idle: Idle::new(1, 1),
                touched: UnsafeCell::new(0),
            })
        }

        fn touch(&self) {
            self.touched.with_mut(|touched| unsafe { *touched += 1 });
        }

        /// `step` of the loop, with a task to poll.
        fn step(&self) {
            if self.attention.is_wanted() {
                self.barrier.wait(1, Stand::between_polls(PROCESSOR));
            }
            self.touch();
        }

        /// `Seat::park`; never woken unless it does not go to sleep at all.
        fn park(&self) {
            loop {
                let _last = self.idle.park(PROCESSOR, false);
                if !self.attention.is_wanted() {
                    return;
                }
                let _picked = self.idle.unpark(PROCESSOR);
                if self.attention.is_wanted() {
                    self.barrier.wait(1, Stand::between_polls(PROCESSOR));
                }
            }
        }

        fn stop(&self, this_thread: usize) {
            let stand = Stand::default();
            let (_, mut seen) = self.barrier.stop(&self.attention, this_thread, stand).unwrap();
            while !self.barrier.has_arrived(PROCESSOR, |_| false) && !self.idle.is_asleep(PROCESSOR)
            {
                seen = self.barrier.listen(seen, None);
            }
            self.touch();
            self.barrier.go_on(&self.attention);
        }
    }

    /// A machine that is at work, and then sleeps. A lost arrival shows as a deadlock of the model.
    #[test]
    fn loom_no_poll_runs_while_the_world_is_stopped() {
        loom::model(|| {
            let world = World::new();
            let stopper = thread::spawn({
                let world = world.clone();
                move || world.stop(2)
            });
            world.step();
            world.step();
            world.park();
            stopper.join().unwrap();
        });
    }

    /// A machine that sleeps, and wakes up for a task.
    #[test]
    fn loom_a_sleeper_that_wakes_up_comes_to_the_barrier() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let world = World::new();
            world.park();
            let stopper = thread::spawn({
                let world = world.clone();
                move || world.stop(2)
            });
            let pusher = thread::spawn({
                let world = world.clone();
                move || world.idle.pick_sleeper().is_some()
            });
            let _picked = world.idle.unpark(PROCESSOR);
            world.step();
            // Before it sleeps for good: nobody would wake it.
            pusher.join().unwrap();
            world.park();
            stopper.join().unwrap();
        });
    }

    /// Two stops, and a poll without a processor that goes on when it has stood here for the first: the
    /// second is not to count it.
    #[test]
    fn loom_a_ticket_is_good_for_one_stop() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let world = World::new();
            let orphan = Arc::new((Ticket::new(), AtomicUsize::new(1)));
            let stopper = thread::spawn({
                let (world, orphan) = (world.clone(), orphan.clone());
                move || {
                    for _ in 0..2 {
                        let stand = Stand::default();
                        let (stop, _) = world.barrier.stop(&world.attention, 2, stand).unwrap();
                        let runs = || orphan.1.load(SeqCst) == 1 && !orphan.0.is_for(stop);
                        while runs() {
                            thread::yield_now();
                        }
                        world.touch();
                        world.barrier.go_on(&world.attention);
                    }
                }
            });
            // As in `Seat::come_back`.
            if world.attention.is_wanted() {
                world.barrier.wait(1, Stand::default().with(&orphan.0));
            }
            world.touch();
            orphan.1.store(0, SeqCst);
            stopper.join().unwrap();
        });
    }

    /// Two that want to stop the world, beside a machine at work.
    #[test]
    fn loom_stops_take_turns() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let world = World::new();
            let stoppers = [2, 3].map(|this_thread| {
                let world = world.clone();
                thread::spawn(move || world.stop(this_thread))
            });
            world.step();
            world.park();
            stoppers.map(|stopper| stopper.join().unwrap());
            assert!(!world.attention.is_wanted());
        });
    }
}
