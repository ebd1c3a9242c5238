//! What the kernel last said about a socket: the bits of the readiness word
//! (`scheduled_io.rs`), and how an event of mio's becomes them.

use super::interest::Interest;
use std::fmt;
use std::ops;

const READABLE: usize = 1 << 0;
const WRITABLE: usize = 1 << 1;
const READ_CLOSED: usize = 1 << 2;
const WRITE_CLOSED: usize = 1 << 3;
const PRIORITY: usize = 1 << 4;
const ERROR: usize = 1 << 5;

/// A set of things that an I/O resource is ready for.
///
/// Ready means that an attempt is worth it, not that it will succeed: another task may be faster.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ready(usize);

/// The names of the bits, for `Debug`.
const NAMES: [(Ready, &str); 6] = [
    (Ready::READABLE, "READABLE"),
    (Ready::WRITABLE, "WRITABLE"),
    (Ready::READ_CLOSED, "READ_CLOSED"),
    (Ready::WRITE_CLOSED, "WRITE_CLOSED"),
    (Ready(PRIORITY), "PRIORITY"),
    (Ready::ERROR, "ERROR"),
];

impl Ready {
    /// How many bits there are.
    pub(super) const BITS: u32 = 6;

    /// Nothing.
    pub const EMPTY: Ready = Ready(0);

    /// There is something to read, or to accept.
    pub const READABLE: Ready = Ready(READABLE);

    /// There is room to write.
    pub const WRITABLE: Ready = Ready(WRITABLE);

    /// No more will come: the peer, or this side, has closed the reading direction.
    pub const READ_CLOSED: Ready = Ready(READ_CLOSED);

    /// Nothing more can be written.
    pub const WRITE_CLOSED: Ready = Ready(WRITE_CLOSED);

    /// There is urgent data to read.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub const PRIORITY: Ready = Ready(PRIORITY);

    /// The resource is in an error state; the next read or write tells which.
    pub const ERROR: Ready = Ready(ERROR);

    /// Everything that there is on this platform.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub const ALL: Ready =
        Ready(READABLE | WRITABLE | READ_CLOSED | WRITE_CLOSED | PRIORITY | ERROR);

    /// Everything that there is on this platform.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub const ALL: Ready = Ready(READABLE | WRITABLE | READ_CLOSED | WRITE_CLOSED | ERROR);

    /// What an event says.
    pub(crate) fn from_mio(event: &mio::event::Event) -> Ready {
        let is = |set: bool, bit: usize| if set { bit } else { 0 };
        Ready(
            is(event.is_readable(), READABLE)
                | is(event.is_writable(), WRITABLE)
                | is(event.is_read_closed(), READ_CLOSED)
                | is(event.is_write_closed(), WRITE_CLOSED)
                | is(event.is_priority(), PRIORITY)
                | is(event.is_error(), ERROR),
        ) & Ready::ALL
    }

    /// What somebody with this interest wants to know of.
    pub(crate) fn wanted_by(interest: Interest) -> Ready {
        let mut ready = Ready::EMPTY;
        if interest.is_readable() {
            ready |= Ready::READABLE | Ready::READ_CLOSED;
        }
        if interest.is_writable() {
            ready |= Ready::WRITABLE | Ready::WRITE_CLOSED;
        }
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if interest.is_priority() {
            ready |= Ready::PRIORITY | Ready::READ_CLOSED;
        }
        if interest.is_error() {
            ready |= Ready::ERROR;
        }
        ready
    }

    pub(super) fn from_bits(bits: usize) -> Ready {
        Ready(bits) & Ready::ALL
    }

    pub(super) fn bits(self) -> usize {
        self.0
    }

    /// Whether it is [`EMPTY`](Self::EMPTY).
    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Ready::EMPTY
    }

    /// Whether reading is worth it: there is data, or the end of it.
    #[must_use]
    pub fn is_readable(self) -> bool {
        self.has_any(Ready::READABLE | Ready::READ_CLOSED)
    }

    /// Whether writing is worth it: there is room, or it will fail at once.
    #[must_use]
    pub fn is_writable(self) -> bool {
        self.has_any(Ready::WRITABLE | Ready::WRITE_CLOSED)
    }

    /// Whether it contains [`READ_CLOSED`](Self::READ_CLOSED).
    #[must_use]
    pub fn is_read_closed(self) -> bool {
        self.has_any(Ready::READ_CLOSED)
    }

    /// Whether it contains [`WRITE_CLOSED`](Self::WRITE_CLOSED).
    #[must_use]
    pub fn is_write_closed(self) -> bool {
        self.has_any(Ready::WRITE_CLOSED)
    }

    /// Whether it contains [`PRIORITY`](Self::PRIORITY).
    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[must_use]
    pub fn is_priority(self) -> bool {
        self.has_any(Ready::PRIORITY)
    }

    /// Whether it contains [`ERROR`](Self::ERROR).
    #[must_use]
    pub fn is_error(self) -> bool {
        self.has_any(Ready::ERROR)
    }

    fn has_any(self, of: Ready) -> bool {
        !(self & of).is_empty()
    }
}

impl ops::BitOr for Ready {
    type Output = Ready;

    fn bitor(self, other: Ready) -> Ready {
        Ready(self.0 | other.0)
    }
}

impl ops::BitOrAssign for Ready {
    fn bitor_assign(&mut self, other: Ready) {
        *self = *self | other;
    }
}

impl ops::BitAnd for Ready {
    type Output = Ready;

    fn bitand(self, other: Ready) -> Ready {
        Ready(self.0 & other.0)
    }
}

impl ops::Sub for Ready {
    type Output = Ready;

    fn sub(self, other: Ready) -> Ready {
        Ready(self.0 & !other.0)
    }
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = NAMES.iter().filter(|(bit, _)| self.has_any(*bit)).map(|(_, name)| *name);
        let names: Vec<_> = names.collect();
        f.write_str(if names.is_empty() { "EMPTY" } else { "" })?;
        f.write_str(&names.join(" | "))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_direction_is_ready_as_well() {
        assert!(Ready::READ_CLOSED.is_readable() && !Ready::READ_CLOSED.is_writable());
        assert!(Ready::WRITE_CLOSED.is_writable() && !Ready::WRITE_CLOSED.is_readable());
        assert!(!Ready::ERROR.is_readable() && !Ready::ERROR.is_writable());
        assert_eq!(
            Ready::wanted_by(Interest::READABLE | Interest::ERROR),
            Ready::READABLE | Ready::READ_CLOSED | Ready::ERROR
        );
    }

    #[test]
    fn debug_names_the_bits() {
        assert_eq!(format!("{:?}", Ready::EMPTY), "EMPTY");
        assert_eq!(format!("{:?}", Ready::READABLE), "READABLE");
        assert_eq!(format!("{:?}", Ready::READABLE | Ready::READ_CLOSED), "READABLE | READ_CLOSED");
    }

    #[test]
    fn the_sets_are_sets() {
        let both = Ready::READABLE | Ready::WRITABLE;
        assert_eq!(both - Ready::READABLE, Ready::WRITABLE);
        assert_eq!(both & Ready::READABLE, Ready::READABLE);
        assert!(Ready::ALL.bits() < 1 << Ready::BITS);
    }
}
