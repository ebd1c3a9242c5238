//! What may concern a machine before each poll and seldom does, in one word: the loop pays one load for
//! all of it.

use std::sync::atomic::{AtomicU8, Ordering::SeqCst};

/// Things that concern machines, each a bit.
#[derive(Debug, Default)]
pub(super) struct Attention(AtomicU8);

/// The runtime shuts down. Stays for good.
pub(super) const CLOSED: u8 = 1;
/// There are to be fewer processors than there are.
pub(super) const RESIZING: u8 = 4;

impl Attention {
    /// Whether anything does.
    #[inline]
    pub(super) fn is_wanted(&self) -> bool {
        self.0.load(SeqCst) != 0
    }

    pub(super) fn is_wanted_for(&self, concern: u8) -> bool {
        self.0.load(SeqCst) & concern != 0
    }

    pub(super) fn call_for(&self, concern: u8) {
        self.0.fetch_or(concern, SeqCst);
    }

    pub(super) fn done_with(&self, concern: u8) {
        self.0.fetch_and(!concern, SeqCst);
    }
}
