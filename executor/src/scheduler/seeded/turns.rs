//! Who runs: the machine of a seeded runtime, or one of its *guests*.
//!
//! A guest is a thread that is not the machine's and takes turns with it: one that is in `block_on`, or one
//! that runs a blocking closure. The machine draws a guest as it draws a task, gives it the turn and stands
//! still until it has the turn back; a guest without the turn stands still as well.
//!
//! ```text
//!   machine:  step ── give ┐                         ┌── step ..
//!   guest:     (waits)     └─ poll ─ pending: pass on ┘   (waits until it is woken and drawn)
//! ```
//!
//! # One of them runs at a time (proof sketch)
//! `holder` says who, and only its holder changes it, under the lock: the machine by `give`, a guest by
//! `pass_on` and `leave`. Whoever is not the holder waits for the condition that it is. Two exceptions:
//! a thread that arrives does nothing but put itself on the list; and after `free`, at shutdown, all of
//! them run at the same time, as on any other runtime.
//!
//! # A guest that is woken is drawn
//! Its waker sets `woken` and then unparks the processor; the machine looks at `woken` before it sleeps on
//! the processor's parker, which keeps an unpark.
//!
//! Models: `loom_*` at the end of this file.

use crate::sync::{Condvar, Mutex};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// After so long without a step somebody is told that the runtime may have stopped for good.
const STANDSTILL: Duration = Duration::from_secs(10);

/// The name of a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GuestId(u64);

/// What a guest does on a runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It is in `block_on`. Tasks run only while there is such a guest.
    BlockOn,
    /// It runs a blocking closure.
    Job,
}

/// Whoever is woken for a guest.
pub(super) trait Woken {
    /// Whether it was, since the guest last looked.
    fn is_woken(&self) -> bool;
}

pub(super) struct Turns<W> {
    state: Mutex<State<W>>,
    changed: Condvar,
}

struct State<W> {
    holder: Holder,
    /// In the order in which they came.
    guests: Vec<Guest<W>>,
    next_id: u64,
    /// The guest that a thread of the blocking pool is to be.
    beginning: Option<GuestId>,
    /// Turns that were given, and steps of the machine.
    steps: u64,
    /// The machine waits for an event, so that it is no wonder if nothing moves.
    machine_sleeps: bool,
    is_free: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holder {
    Machine,
    Guest(GuestId),
}

struct Guest<W> {
    id: GuestId,
    role: Role,
    sleeper: Arc<W>,
    /// It need not be woken: it has just come, or it was preempted at a checkpoint.
    is_ready: bool,
    /// Nobody will ever wake it: what to say about that.
    deadlock: Option<Arc<str>>,
}

/// What a wait for the turn has come to.
#[derive(Debug)]
pub(super) enum Turn {
    Given,
    /// The runtime shuts down, and there are no turns any more.
    Free,
    /// There will never be one.
    Deadlock(Arc<str>),
}

impl<W: Woken> Turns<W> {
    pub(super) fn new() -> Self {
        Turns {
            state: Mutex::new(State {
                holder: Holder::Machine,
                guests: Vec::new(),
                next_id: 0,
                beginning: None,
                steps: 0,
                machine_sleeps: false,
                is_free: false,
            }),
            changed: Condvar::new(),
        }
    }

    /// The machine begins a step: waits until some thread is in `block_on`. `false`: the runtime shuts
    /// down.
    pub(super) fn wait_for_block_on(&self) -> bool {
        let mut state = self.state.lock();
        state.steps += 1;
        while !state.is_free && !state.guests.iter().any(|guest| guest.role == Role::BlockOn) {
            let _no_limit = self.changed.wait_until(&mut state, None);
        }
        !state.is_free
    }

    /// Calls `sleep`, in which the machine waits for an event.
    pub(super) fn while_machine_sleeps(&self, sleep: impl FnOnce()) {
        self.state.lock().machine_sleeps = true;
        sleep();
        self.state.lock().machine_sleeps = false;
    }

    pub(super) fn is_free(&self) -> bool {
        self.state.lock().is_free
    }

    /// The guests that can go on.
    pub(super) fn ready(&self) -> Vec<GuestId> {
        let state = self.state.lock();
        state.guests.iter().filter(|guest| guest.can_go_on()).map(|guest| guest.id).collect()
    }

    /// How many guests wait to be woken, in both roles.
    pub(super) fn waiting(&self) -> [usize; 2] {
        let state = self.state.lock();
        [Role::BlockOn, Role::Job]
            .map(|role| state.guests.iter().filter(|guest| guest.role == role).count())
    }

    /// The machine gives a guest the turn, and has it back when this returns.
    pub(super) fn give(&self, guest: GuestId) {
        let mut state = self.state.lock();
        // It may have left meanwhile, if the runtime shuts down.
        if state.is_free || !state.guests.iter().any(|other| other.id == guest) {
            return;
        }
        state.holder = Holder::Guest(guest);
        self.changed.notify_all();
        while state.holder != Holder::Machine && !state.is_free {
            let _no_limit = self.changed.wait_until(&mut state, None);
        }
    }

    /// As [`give`](Self::give), to a guest that `begin` has a thread become. Its error: there is none.
    pub(super) fn give_to_new<E>(
        &self,
        sleeper: Arc<W>,
        begin: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        let guest = self.arrive(Role::Job, sleeper);
        self.state.lock().beginning = Some(guest);
        if let Err(error) = begin() {
            self.state.lock().beginning = None;
            self.leave(guest);
            return Err(error);
        }
        self.give(guest);
        Ok(())
    }

    /// The guest that this thread is to be.
    pub(super) fn take_beginning(&self) -> Option<GuestId> {
        self.state.lock().beginning.take()
    }

    /// A thread comes, and can go on when it gets the turn.
    pub(super) fn arrive(&self, role: Role, sleeper: Arc<W>) -> GuestId {
        let mut state = self.state.lock();
        let id = GuestId(state.next_id);
        state.next_id += 1;
        state.guests.push(Guest { id, role, sleeper, is_ready: true, deadlock: None });
        self.changed.notify_all();
        id
    }

    /// Who is woken for the guest from now on. Returns who was until now.
    pub(super) fn exchange_sleeper(&self, id: GuestId, sleeper: Arc<W>) -> Arc<W> {
        let mut state = self.state.lock();
        match state.guests.iter_mut().find(|guest| guest.id == id) {
            Some(guest) => std::mem::replace(&mut guest.sleeper, sleeper),
            None => unreachable!("a guest is on the list until it leaves"),
        }
    }

    /// The guest, which has the turn, gives it back; `is_ready`: it need not be woken for the next.
    pub(super) fn pass_on(&self, id: GuestId, is_ready: bool) {
        {
            let mut state = self.state.lock();
            if let Some(guest) = state.guests.iter_mut().find(|guest| guest.id == id) {
                guest.is_ready = is_ready;
            }
            state.give_back(id);
        }
        self.changed.notify_all();
    }

    /// Waits for the turn. `at_standstill` is called, once, when for long nothing else has had it.
    pub(super) fn wait(&self, id: GuestId, at_standstill: impl FnOnce(Duration)) -> Turn {
        let mut state = self.state.lock();
        let mut at_standstill = Some(at_standstill);
        let mut seen = (state.steps, Instant::now() + STANDSTILL);
        loop {
            if state.is_free {
                return Turn::Free;
            }
            if state.holder == Holder::Guest(id) {
                return match state.begin_turn(id) {
                    Some(message) => Turn::Deadlock(message),
                    None => Turn::Given,
                };
            }
            let in_time = self.changed.wait_until(&mut state, Some(seen.1));
            if in_time {
                continue;
            }
            if state.steps == seen.0
                && !state.machine_sleeps
                && let Some(tell) = at_standstill.take()
            {
                drop(state);
                tell(STANDSTILL);
                state = self.state.lock();
            }
            seen = (state.steps, Instant::now() + STANDSTILL);
        }
    }

    /// The thread goes on on its own.
    pub(super) fn leave(&self, id: GuestId) {
        {
            let mut state = self.state.lock();
            state.guests.retain(|guest| guest.id != id);
            state.give_back(id);
        }
        self.changed.notify_all();
    }

    /// Nobody will ever wake any guest: each is told at its next turn.
    pub(super) fn declare_deadlock(&self, message: &Arc<str>) {
        let mut state = self.state.lock();
        for guest in &mut state.guests {
            guest.deadlock = Some(message.clone());
        }
    }

    /// The runtime shuts down: nobody waits for a turn any more.
    pub(super) fn free(&self) {
        self.state.lock().is_free = true;
        self.changed.notify_all();
    }
}

impl<W> State<W> {
    fn give_back(&mut self, id: GuestId) {
        if self.holder == Holder::Guest(id) {
            self.holder = Holder::Machine;
        }
    }

    fn begin_turn(&mut self, id: GuestId) -> Option<Arc<str>> {
        self.guests.iter_mut().find(|guest| guest.id == id)?.deadlock.take()
    }
}

impl<W: Woken> Guest<W> {
    fn can_go_on(&self) -> bool {
        self.is_ready || self.deadlock.is_some() || self.sleeper.is_woken()
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use loom::sync::atomic::{AtomicBool, Ordering::Relaxed};
    use loom::thread;

    /// Never woken: its guest is ready, or it is not.
    struct Nobody;

    impl Woken for Nobody {
        fn is_woken(&self) -> bool {
            false
        }
    }

    struct World {
        turns: Turns<Nobody>,
        /// Somebody runs.
        is_taken: AtomicBool,
    }

    impl World {
        fn run(&self) {
            // Relaxed: whoever comes next must see it because of the turn alone.
            assert!(!self.is_taken.load(Relaxed), "two run at a time");
            self.is_taken.store(true, Relaxed);
            thread::yield_now();
            self.is_taken.store(false, Relaxed);
        }

        fn machine(&self) {
            while self.turns.wait_for_block_on() {
                self.run();
                self.turns.ready().into_iter().for_each(|guest| self.turns.give(guest));
            }
        }

        fn guest(&self, turns: usize) {
            let id = self.turns.arrive(Role::BlockOn, Arc::new(Nobody));
            for left in (0..turns).rev() {
                assert!(matches!(self.turns.wait(id, |_| {}), Turn::Given));
                self.run();
                if left > 0 {
                    self.turns.pass_on(id, true);
                }
            }
            self.turns.leave(id);
        }
    }

    fn world() -> loom::sync::Arc<World> {
        loom::sync::Arc::new(World { turns: Turns::new(), is_taken: AtomicBool::new(false) })
    }

    /// For three threads: without a bound they take many minutes.
    fn bounded() -> loom::model::Builder {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(2);
        model
    }

    #[test]
    fn loom_one_runs_at_a_time() {
        loom::model(|| {
            let world = world();
            let machine = thread::spawn({
                let world = world.clone();
                move || world.machine()
            });
            world.guest(2);
            world.turns.free();
            machine.join().unwrap();
        });
    }

    #[test]
    fn loom_two_guests_have_their_turns() {
        bounded().check(|| {
            let world = world();
            let others = [0, 1].map(|other| {
                let world = world.clone();
                thread::spawn(move || if other == 0 { world.machine() } else { world.guest(1) })
            });
            world.guest(1);
            let [machine, guest] = others;
            guest.join().unwrap();
            world.turns.free();
            machine.join().unwrap();
        });
    }

    #[test]
    fn loom_a_shutdown_ends_every_wait() {
        bounded().check(|| {
            let world = world();
            let machine = thread::spawn({
                let world = world.clone();
                move || {
                    if world.turns.wait_for_block_on() {
                        world.turns.ready().into_iter().for_each(|guest| world.turns.give(guest));
                    }
                }
            });
            let closes = thread::spawn({
                let world = world.clone();
                move || world.turns.free()
            });
            let id = world.turns.arrive(Role::BlockOn, Arc::new(Nobody));
            let first = world.turns.wait(id, |_| {});
            assert!(matches!(first, Turn::Given | Turn::Free));
            world.turns.pass_on(id, false);
            assert!(matches!(world.turns.wait(id, |_| {}), Turn::Free));
            world.turns.leave(id);
            closes.join().unwrap();
            machine.join().unwrap();
        });
    }
}
