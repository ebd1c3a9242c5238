//! The monitor's sleep, and what others say to end it early.
//!
//! | it sleeps | until | who ends it |
//! |---|---|---|
//! | in its parker | the next look | a kick |
//! | in the system's event queue | the next look | a kick, by way of the event queue |
//! | in its parker, for good | something runs | whoever starts to work |
//!
//! # A machine that starts to work wakes the monitor (proof sketch)
//! The monitor stores `asleep`, then asks whether nothing runs; a machine that starts to work leaves the
//! idle set, then loads `asleep`. All four are sequentially consistent, so either the monitor sees the
//! machine or the machine sees `asleep`.
//!
//! # No kick is lost (proof sketch)
//! A kick has a reason, a timer say, which is written before it. It then reads `looks_at`. The monitor
//! writes a late `looks_at`, then looks for reasons; and writes when it looks again before it reads, for
//! the last time, when the next timer is due. So either the look sees the reason, or the kick sees that
//! the monitor would be late: then it unparks it. If the monitor is in the event queue, or about to be,
//! the kick writes `kicked` and then reads `in_netpoll`; the monitor writes `in_netpoll`, and asks for
//! `kicked` when the kick could end the poll. So either it does not go in, or the kick ends the poll. And
//! if it could not go in, because another thread polls, it asks again when nobody ends that poll for its
//! sake any more.
//!
//! Models: `loom_*` at the end of this file.

#[cfg(loom)]
use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst, fence};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

#[derive(Debug)]
pub(crate) struct Rest {
    /// Sleeping without a limit.
    asleep: AtomicBool,
    stopped: AtomicBool,
    /// It sleeps until there is an event.
    in_netpoll: AtomicBool,
    /// It is to look at once.
    kicked: AtomicBool,
    /// When it looks again at the latest.
    looks_at: AtomicU64,
}

/// What is left to do for somebody who would end the sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Wake {
    /// Nothing: the monitor looks in time.
    Done,
    /// To unpark it.
    Unpark,
    /// To end the poll of the event queue.
    BreakPoll,
}

impl Rest {
    pub(crate) fn new() -> Self {
        Rest {
            asleep: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            in_netpoll: AtomicBool::new(false),
            kicked: AtomicBool::new(false),
            looks_at: AtomicU64::new(0),
        }
    }

    /// Something starts to work. `true`: the monitor is to be unparked.
    #[inline]
    pub(crate) fn work_started(&self) -> bool {
        fence_for_loom();
        self.asleep.load(SeqCst) && self.asleep.swap(false, SeqCst)
    }

    /// There is a reason to look at `then` or before.
    pub(crate) fn kick(&self, then: u64) -> Wake {
        fence_for_loom();
        if then >= self.looks_at.load(SeqCst) {
            return Wake::Done;
        }
        self.kicked.store(true, SeqCst);
        fence_for_loom();
        if self.in_netpoll.load(SeqCst) { Wake::BreakPoll } else { Wake::Unpark }
    }

    /// The monitor is to end, and to be unparked for it.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, SeqCst);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(SeqCst)
    }

    #[cfg(all(test, not(loom)))]
    pub(crate) fn is_asleep(&self) -> bool {
        self.asleep.load(SeqCst)
    }

    /// From here to the end of the pause every kick counts: its reason was either there before, and
    /// shows in this look, or the kick finds a late `looks_at` and cuts the pause short.
    pub(crate) fn begin_look(&self) {
        self.kicked.store(false, SeqCst);
        self.looks_at.store(u64::MAX, SeqCst);
        fence_for_loom();
    }

    /// The pause begins. To be called before the timers are read: a timer set meanwhile either shows there
    /// or finds `looks_at` later than itself and kicks.
    pub(crate) fn look_again_at(&self, then: u64) {
        self.looks_at.store(then, SeqCst);
        fence_for_loom();
    }

    /// Sleeps in `sleep`, which asks whether there was a kick when one could end it, and answers `false`
    /// if it did not sleep. `true`: it slept, or there was a kick meanwhile.
    pub(crate) fn in_netpoll(&self, sleep: impl FnOnce(&dyn Fn() -> bool) -> bool) -> bool {
        self.in_netpoll.store(true, SeqCst);
        fence_for_loom();
        let is_kicked = || self.kicked.load(SeqCst) || self.is_stopped();
        let slept = sleep(&is_kicked);
        self.in_netpoll.store(false, SeqCst);
        fence_for_loom();
        slept || is_kicked()
    }

    /// Sleeps in `park`, until something runs.
    pub(crate) fn while_idle(&self, is_idle: impl Fn() -> bool, mut park: impl FnMut()) {
        self.asleep.store(true, SeqCst);
        // While nothing runs an idle machine keeps the timers, so no kick is needed.
        self.looks_at.store(0, SeqCst);
        fence_for_loom();
        while is_idle() && self.asleep.load(SeqCst) && !self.is_stopped() {
            park();
        }
        self.asleep.store(false, SeqCst);
    }
}

/// Between what is written and what is then read: loom has one order of sequentially consistent steps for
/// fences only. Pairs with itself. Elsewhere it is nothing.
#[inline]
fn fence_for_loom() {
    #[cfg(loom)]
    fence(SeqCst);
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use loom::sync::{Arc, Condvar, Mutex};
    use loom::thread;

    /// A token, as crossbeam's parker has it, or the event that ends a poll.
    #[derive(Default)]
    struct Token(Mutex<bool>, Condvar);

    impl Token {
        fn give(&self) {
            *self.0.lock().unwrap() = true;
            self.1.notify_all();
        }

        fn wait(&self) {
            let mut given = self.0.lock().unwrap();
            while !*given {
                given = self.1.wait(given).unwrap();
            }
            *given = false;
        }
    }

    struct World {
        rest: Rest,
        parker: Token,
        breaker: Token,
        /// The lock of the event queue: loom does not try what fails a `try_lock` of its own.
        polled: AtomicBool,
        /// Something runs, or a timer is set, or a task waits.
        reason: AtomicBool,
    }

    impl World {
        fn new() -> Arc<Self> {
            Arc::new(World {
                rest: Rest::new(),
                parker: Token::default(),
                breaker: Token::default(),
                polled: AtomicBool::new(false),
                reason: AtomicBool::new(false),
            })
        }

        fn kick(&self) {
            self.reason.store(true, SeqCst);
            match self.rest.kick(5) {
                Wake::Done => {}
                Wake::Unpark => self.parker.give(),
                Wake::BreakPoll => self.breaker.give(),
            }
        }

        fn has_reason(&self) -> bool {
            self.reason.load(SeqCst)
        }
    }

    fn spawn(world: &Arc<World>, body: impl FnOnce(&World) + 'static) -> thread::JoinHandle<()> {
        let world = world.clone();
        thread::spawn(move || body(&world))
    }

    /// Work that starts while the monitor goes to sleep. That it sleeps on shows as a deadlock of the model,
    /// here and below.
    #[test]
    fn loom_work_starts_against_the_monitors_sleep() {
        loom::model(|| {
            let world = World::new();
            let works = spawn(&world, |world| {
                world.reason.store(true, SeqCst);
                if world.rest.work_started() {
                    world.parker.give();
                }
            });
            world.rest.while_idle(|| !world.has_reason(), || world.parker.wait());
            works.join().unwrap();
        });
    }

    /// A timer is set while the monitor looks and pauses until much later.
    #[test]
    fn loom_a_kick_against_a_pause() {
        loom::model(|| {
            let world = World::new();
            let kicks = spawn(&world, World::kick);
            loop {
                world.rest.begin_look();
                if world.has_reason() {
                    break;
                }
                world.rest.look_again_at(1000);
                if !world.has_reason() {
                    world.parker.wait();
                }
            }
            kicks.join().unwrap();
        });
    }

    /// A task comes while the monitor looks and then pauses in the event queue, or in its parker because a
    /// machine polls in passing. Nobody asks for the reason again before it sleeps.
    #[test]
    fn loom_a_kick_against_a_pause_in_the_event_queue() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let world = World::new();
            let kicks = spawn(&world, World::kick);
            let passes = spawn(&world, |world| {
                // The kick's event may be consumed here.
                if !world.polled.swap(true, SeqCst) {
                    *world.breaker.0.lock().unwrap() = false;
                    world.polled.store(false, SeqCst);
                }
            });
            loop {
                world.rest.begin_look();
                if world.has_reason() {
                    break;
                }
                world.rest.look_again_at(1000);
                let slept = world.rest.in_netpoll(|is_kicked| {
                    if world.polled.swap(true, SeqCst) {
                        return false;
                    }
                    if !is_kicked() {
                        world.breaker.wait();
                    }
                    world.polled.store(false, SeqCst);
                    true
                });
                if !slept {
                    world.parker.wait();
                }
            }
            kicks.join().unwrap();
            passes.join().unwrap();
        });
    }
}
