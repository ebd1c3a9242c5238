//! What a run does, made from a seed: how long the iterator is, what it says of its length, when it
//! panics, and what the body does in which iteration. And the trace that a run leaves.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::panic::resume_unwind;

/// Everything that a program can notice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Event {
    Next(u32),
    NextBack(u32),
    End,
    Closure(u32),
    Condition(u32),
    Body(u32),
    After(u32),
    DropItem(u32),
    DropIterator,
    DropTemporary(u32),
}

thread_local! {
    static TRACE: RefCell<Vec<Event>> = const { RefCell::new(Vec::new()) };
    static HINTS: Cell<u32> = const { Cell::new(0) };
}

pub(crate) fn trace(event: Event) {
    TRACE.with_borrow_mut(|trace| {
        assert!(trace.len() < 1 << 20, "the run does not end");
        trace.push(event);
    });
}

pub(crate) fn take_trace() -> Vec<Event> {
    TRACE.take()
}

/// How often iterators were asked for their `size_hint`.
pub(crate) fn take_hints() -> u32 {
    HINTS.take()
}

/// What the body does in an iteration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Action {
    Nothing,
    Continue,
    ContinueOuter,
    Break,
    BreakOuter,
    Return,
    Fail,
    Panic,
    Keep,
    /// The item panics when it is dropped.
    Poison,
}

/// What an iterator says of its length.
#[derive(Clone, Copy, Debug)]
enum Hint {
    Honest,
    Unknown,
    TooLow,
    TooHigh,
    Contradictory,
    Panics,
}

#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) len: u32,
    hint: Hint,
    /// After the end, iterators begin again.
    unfused: bool,
    /// The call of `next` that panics, counted over all iterators.
    panic_at: Option<u32>,
    /// By iteration, counted over all loops.
    actions: BTreeMap<u32, Action>,
    nexts: Cell<u32>,
    iterations: Cell<u32>,
}

impl Script {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let len = length(&mut random);
        let actions = (0..random.below(4)).map(|_| {
            let at = moment(&mut random, len);
            (at, action(&mut random))
        });
        Script {
            len,
            actions: actions.collect(),
            hint: [
                Hint::Honest,
                Hint::Honest,
                Hint::Unknown,
                Hint::TooLow,
                Hint::TooHigh,
                Hint::Contradictory,
                Hint::Panics,
            ][random.below(7) as usize],
            unfused: random.below(2) == 0,
            panic_at: (random.below(5) == 0).then(|| moment(&mut random, len)),
            nexts: Cell::new(0),
            iterations: Cell::new(0),
        }
    }

    /// Back to the beginning.
    pub(crate) fn rewind(&self) {
        self.nexts.set(0);
        self.iterations.set(0);
    }

    pub(crate) fn iter(&self) -> Traced<'_> {
        self.iter_of(self.len)
    }

    pub(crate) fn iter_of(&self, len: u32) -> Traced<'_> {
        Traced { script: self, len, front: 0, back: 0 }
    }

    /// As the others, for a temporary in the expression that makes it.
    pub(crate) fn iter_with(&self, _: &Temporary) -> Traced<'_> {
        self.iter()
    }

    pub(crate) fn items(&self) -> Vec<Item> {
        (0..self.len).map(Item::new).collect()
    }

    /// Begins an iteration: what is it to do?
    pub(crate) fn act(&self) -> Action {
        let iteration = self.iterations.get();
        self.iterations.set(iteration + 1);
        trace(Event::Body(iteration));
        self.actions.get(&iteration).copied().unwrap_or(Action::Nothing)
    }
}

/// Seldom long, and mostly at the lengths of strips.
fn length(random: &mut Random) -> u32 {
    match random.below(4) {
        0 => random.below(12),
        1 => random.below(300),
        2 => ((1 << (3 + random.below(9))) + random.below(3)).saturating_sub(1),
        _ => random.below(3000),
    }
}

/// A point in a run of `len` iterations, often one where a strip may end.
fn moment(random: &mut Random, len: u32) -> u32 {
    match random.below(3) {
        0 => ((1 << random.below(12)) + random.below(3)).saturating_sub(1).min(len),
        1 => random.below(10).min(len),
        _ => random.below(len + 1),
    }
}

fn action(random: &mut Random) -> Action {
    [
        Action::Continue,
        Action::ContinueOuter,
        Action::Break,
        Action::BreakOuter,
        Action::Return,
        Action::Fail,
        Action::Panic,
        Action::Keep,
        Action::Poison,
    ][random.below(9) as usize]
}

/// splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % u64::from(limit)) as u32
    }
}

/// Says what is asked of it, counts how often it is asked for a hint, and lies.
pub(crate) struct Traced<'a> {
    script: &'a Script,
    len: u32,
    front: u32,
    back: u32,
}

impl Traced<'_> {
    fn note_call(&self) {
        let next = self.script.nexts.get();
        self.script.nexts.set(next + 1);
        if self.script.panic_at == Some(next) {
            unwind(next);
        }
    }
}

impl Iterator for Traced<'_> {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        trace(Event::Next(self.front));
        self.note_call();
        if self.front + self.back == self.len {
            trace(Event::End);
            if self.script.unfused {
                (self.front, self.back) = (0, 0);
            }
            return None;
        }
        self.front += 1;
        Some(Item::new(self.front - 1))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        HINTS.set(HINTS.get() + 1);
        let left = (self.len - self.front - self.back) as usize;
        match self.script.hint {
            Hint::Honest => (left, Some(left)),
            Hint::Unknown => (0, None),
            Hint::TooLow => (left / 2, Some(left / 2)),
            Hint::TooHigh => (left * 2 + 5, Some(left * 2 + 5)),
            Hint::Contradictory => (left + 1, Some(0)),
            Hint::Panics => unwind(u32::MAX),
        }
    }
}

impl DoubleEndedIterator for Traced<'_> {
    fn next_back(&mut self) -> Option<Item> {
        trace(Event::NextBack(self.back));
        self.note_call();
        if self.front + self.back == self.len {
            trace(Event::End);
            return None;
        }
        self.back += 1;
        Some(Item::new(self.len - self.back))
    }
}

impl ExactSizeIterator for Traced<'_> {}

impl Drop for Traced<'_> {
    fn drop(&mut self) {
        trace(Event::DropIterator);
    }
}

#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) id: u32,
    pub(crate) poisoned: bool,
}

impl Item {
    pub(crate) fn new(id: u32) -> Self {
        Item { id, poisoned: false }
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        trace(Event::DropItem(self.id));
        if self.poisoned && !std::thread::panicking() {
            unwind(self.id);
        }
    }
}

pub(crate) struct Temporary(pub(crate) u32);

impl Drop for Temporary {
    fn drop(&mut self) {
        trace(Event::DropTemporary(self.0));
    }
}

/// A panic without a message.
pub(crate) fn unwind(payload: u32) -> ! {
    resume_unwind(Box::new(payload))
}
