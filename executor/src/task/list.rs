//! A first-in-first-out list of runnables, linked through the tasks themselves: it allocates
//! nothing, and whole lists are joined in constant time.

use super::Runnable;
use super::cell::Header;
use std::ptr::NonNull;

/// A list of runnables that one thread holds.
#[derive(Default)]
pub(crate) struct List {
    ends: Option<(NonNull<Header>, NonNull<Header>)>,
    len: usize,
}

// SAFETY: the list owns its runnables, which are `Send`.
unsafe impl Send for List {}

impl List {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn push_back(&mut self, runnable: Runnable) {
        let added = runnable.into_raw();
        set_link(added, None);
        self.ends = match self.ends {
            None => Some((added, added)),
            Some((first, last)) => {
                set_link(last, Some(added));
                Some((first, added))
            }
        };
        self.len += 1;
    }

    pub(crate) fn pop_front(&mut self) -> Option<Runnable> {
        let (first, last) = self.ends?;
        self.ends = link(first).map(|next| (next, last));
        self.len -= 1;
        // SAFETY: the list owned the runnable and gives it away here.
        Some(unsafe { Runnable::from_raw(first) })
    }

    /// Moves all of `other` to the end of this list.
    pub(crate) fn append(&mut self, other: &mut List) {
        let Some((other_first, other_last)) = other.ends.take() else { return };
        self.ends = match self.ends {
            None => Some((other_first, other_last)),
            Some((first, last)) => {
                set_link(last, Some(other_first));
                Some((first, other_last))
            }
        };
        self.len += std::mem::take(&mut other.len);
    }

    /// Takes the first `count`, or all if there are fewer.
    pub(crate) fn take_front(&mut self, count: usize) -> List {
        let mut taken = List::default();
        while taken.len < count
            && let Some(runnable) = self.pop_front()
        {
            taken.push_back(runnable);
        }
        taken
    }

    pub(crate) fn drain(&mut self) -> Drain<'_> {
        Drain(self)
    }
}

impl Drop for List {
    fn drop(&mut self) {
        self.drain().for_each(drop);
    }
}

/// Takes one runnable after the other.
pub(crate) struct Drain<'a>(&'a mut List);

impl Iterator for Drain<'_> {
    type Item = Runnable;

    fn next(&mut self) -> Option<Runnable> {
        self.0.pop_front()
    }
}

fn link(header: NonNull<Header>) -> Option<NonNull<Header>> {
    // SAFETY: the header is in a list, which owns its runnable: alive, and the link is the list's.
    unsafe { *header.as_ref().queue_link.get() }
}

fn set_link(header: NonNull<Header>, next: Option<NonNull<Header>>) {
    // SAFETY: as in `link`, and the list is borrowed mutably.
    unsafe { *header.as_ref().queue_link.get() = next };
}
