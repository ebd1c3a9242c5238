//! What may concern a machine before each poll and seldom does, in one word: the loop pays one load for
//! all of it.

use crate::sync::AtomicU8;
use std::sync::atomic::Ordering::SeqCst;

/// Things that concern machines, each a bit.
#[derive(Debug, Default)]
pub(crate) struct Attention(AtomicU8);

/// The runtime shuts down. Stays for good.
pub(crate) const CLOSED: u8 = 1;
/// The world is stopped, or about to be: see `barrier.rs`.
pub(crate) const STOPPING: u8 = 2;
/// There are to be fewer processors than there are.
pub(crate) const RESIZING: u8 = 4;
/// A seed decides what runs next: from the start, for good.
pub(crate) const SEEDED: u8 = 8;

impl Attention {
    /// Whether anything does.
    #[inline]
    pub(crate) fn is_wanted(&self) -> bool {
        self.0.load(SeqCst) != 0
    }

    pub(crate) fn is_wanted_for(&self, concern: u8) -> bool {
        self.0.load(SeqCst) & concern != 0
    }

    /// Whether anything does that a machine is not to sleep over.
    pub(crate) fn keeps_awake(&self) -> bool {
        self.0.load(SeqCst) & !SEEDED != 0
    }

    pub(crate) fn call_for(&self, concern: u8) {
        self.0.fetch_or(concern, SeqCst);
    }

    /// It concerns nobody any more.
    pub(crate) fn dismiss(&self, concern: u8) {
        self.0.fetch_and(!concern, SeqCst);
    }
}
