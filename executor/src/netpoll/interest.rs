//! What somebody wants to wait for.

use std::fmt;
use std::ops;

const READABLE: u8 = 1 << 0;
const WRITABLE: u8 = 1 << 1;
const PRIORITY: u8 = 1 << 2;
const ERROR: u8 = 1 << 3;

/// What to wait for: at least one thing, combined with `|`.
///
/// Matched against [`Ready`](super::ready::Ready): an interest in reading includes the end of
/// reading, one in writing the end of writing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Interest(u8);

impl Interest {
    /// Something to read, or the end of it.
    pub const READABLE: Interest = Interest(READABLE);

    /// Room to write, or that writing is over.
    pub const WRITABLE: Interest = Interest(WRITABLE);

    /// Urgent data. Only resources that were registered with this interest report it: an
    /// `AsyncFd`, and a `TcpStream` always.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub const PRIORITY: Interest = Interest(PRIORITY);

    /// An error state.
    pub const ERROR: Interest = Interest(ERROR);

    /// Whether it includes [`READABLE`](Self::READABLE).
    #[must_use]
    pub const fn is_readable(self) -> bool {
        self.0 & READABLE != 0
    }

    /// Whether it includes [`WRITABLE`](Self::WRITABLE).
    #[must_use]
    pub const fn is_writable(self) -> bool {
        self.0 & WRITABLE != 0
    }

    /// Whether it includes [`PRIORITY`](Self::PRIORITY).
    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[must_use]
    pub const fn is_priority(self) -> bool {
        self.0 & PRIORITY != 0
    }

    /// Whether it includes [`ERROR`](Self::ERROR).
    #[must_use]
    pub const fn is_error(self) -> bool {
        self.0 & ERROR != 0
    }

    /// Both. The same as `|`, also in constants.
    #[must_use]
    pub const fn add(self, other: Interest) -> Interest {
        Interest(self.0 | other.0)
    }

    /// Without `other`; `None` if nothing is left.
    #[must_use]
    pub fn remove(self, other: Interest) -> Option<Interest> {
        let left = self.0 & !other.0;
        (left != 0).then_some(Interest(left))
    }

    /// What the kernel is asked for. It reports errors in any case, so that an interest in nothing
    /// else is put down as one in reading; `Ready::wanted_by` tells them apart.
    pub(crate) fn to_mio(self) -> mio::Interest {
        let parts = [
            self.is_readable().then_some(mio::Interest::READABLE),
            self.is_writable().then_some(mio::Interest::WRITABLE),
            #[cfg(any(target_os = "linux", target_os = "android"))]
            self.is_priority().then_some(mio::Interest::PRIORITY),
        ];
        let asked = parts.into_iter().flatten().reduce(mio::Interest::add);
        asked.unwrap_or(mio::Interest::READABLE)
    }
}

impl ops::BitOr for Interest {
    type Output = Interest;

    fn bitor(self, other: Interest) -> Interest {
        self.add(other)
    }
}

impl ops::BitOrAssign for Interest {
    fn bitor_assign(&mut self, other: Interest) {
        *self = self.add(other);
    }
}

impl fmt::Debug for Interest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (READABLE, "READABLE"),
            (WRITABLE, "WRITABLE"),
            (PRIORITY, "PRIORITY"),
            (ERROR, "ERROR"),
        ];
        let names = names.into_iter().filter(|(bit, _)| self.0 & bit != 0).map(|(_, name)| name);
        f.write_str(&names.collect::<Vec<_>>().join(" | "))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_after_remove() {
        let both = Interest::READABLE | Interest::WRITABLE;
        assert_eq!(both.remove(Interest::WRITABLE), Some(Interest::READABLE));
        assert_eq!(both.remove(both), None);
        assert_eq!(Interest::ERROR.remove(Interest::READABLE), Some(Interest::ERROR));
    }

    #[test]
    fn the_kernel_is_asked_for_something() {
        assert_eq!(Interest::ERROR.to_mio(), mio::Interest::READABLE);
        assert_eq!(Interest::WRITABLE.to_mio(), mio::Interest::WRITABLE);
        let both = Interest::READABLE | Interest::WRITABLE | Interest::ERROR;
        assert_eq!(both.to_mio(), mio::Interest::READABLE | mio::Interest::WRITABLE);
        assert_eq!(format!("{both:?}"), "READABLE | WRITABLE | ERROR");
    }
}
