//! The runtime's clock.

use super::clock;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::time::Duration;

/// A point in time of the runtime's clock, which never goes backwards.
///
/// A wrapper of `std::time::Instant`, from and into which it converts.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Instant {
    std: std::time::Instant,
}

impl Instant {
    /// Now, by the clock of this thread's runtime, which a test may have stopped
    /// ([`pause`](super::pause)); outside a runtime by the system's.
    #[must_use]
    pub fn now() -> Self {
        Instant { std: clock::now() }
    }

    /// The instant of the standard library.
    #[must_use]
    pub fn from_std(std: std::time::Instant) -> Self {
        Instant { std }
    }

    /// As an instant of the standard library.
    #[must_use]
    pub fn into_std(self) -> std::time::Instant {
        self.std
    }

    /// A time so far away that it does not come: 30 years from now.
    pub(crate) fn far_future() -> Self {
        Self::now() + Duration::from_secs(86_400 * 365 * 30)
    }

    /// How long `earlier` was before this; zero if it was not.
    #[must_use]
    pub fn duration_since(&self, earlier: Instant) -> Duration {
        self.std.saturating_duration_since(earlier.std)
    }

    /// How long `earlier` was before this; `None` if it was not.
    #[must_use]
    pub fn checked_duration_since(&self, earlier: Instant) -> Option<Duration> {
        self.std.checked_duration_since(earlier.std)
    }

    /// How long `earlier` was before this; zero if it was not.
    #[must_use]
    pub fn saturating_duration_since(&self, earlier: Instant) -> Duration {
        self.std.saturating_duration_since(earlier.std)
    }

    /// How long ago this was; zero if it is still to come.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        Self::now().duration_since(*self)
    }

    /// The instant `duration` later, if the clock can tell it.
    #[must_use]
    pub fn checked_add(&self, duration: Duration) -> Option<Instant> {
        self.std.checked_add(duration).map(Instant::from_std)
    }

    /// The instant `duration` earlier, if the clock can tell it.
    #[must_use]
    pub fn checked_sub(&self, duration: Duration) -> Option<Instant> {
        self.std.checked_sub(duration).map(Instant::from_std)
    }
}

impl From<std::time::Instant> for Instant {
    fn from(std: std::time::Instant) -> Self {
        Instant { std }
    }
}

impl From<Instant> for std::time::Instant {
    fn from(instant: Instant) -> Self {
        instant.std
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, duration: Duration) -> Instant {
        Instant { std: self.std + duration }
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        self.std += duration;
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Instant) -> Duration {
        self.duration_since(earlier)
    }
}

impl Sub<Duration> for Instant {
    type Output = Instant;

    fn sub(self, duration: Duration) -> Instant {
        Instant { std: self.std - duration }
    }
}

impl SubAssign<Duration> for Instant {
    fn sub_assign(&mut self, duration: Duration) {
        self.std -= duration;
    }
}
