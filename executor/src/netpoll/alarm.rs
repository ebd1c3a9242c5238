//! Ends a poll when a timer is due: a `timerfd` among the sources.
//!
//! `epoll_wait` counts in milliseconds, and rounding would make each timer up to one late. Rejected:
//! `epoll_pwait2`, which mio does not use; `ppoll` before each `epoll_wait`, a system call more for
//! every park. A `timerfd` costs one when the next timer is earlier than the last that was set, and
//! can be set by whoever sets a timer, without waking the thread that polls.

use super::rings_at::RingsAt;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;
use std::time::{Duration, Instant};

pub(super) struct Alarm {
    file: OwnedFd,
    rings_at: RingsAt<Instant>,
}

impl Alarm {
    pub(super) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        // SAFETY: takes numbers, gives a new file.
        let file = unsafe {
            libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK | libc::TFD_CLOEXEC)
        };
        if file < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the file was just opened and belongs to nobody else.
        let file = unsafe { OwnedFd::from_raw_fd(file) };
        registry.register(&mut SourceFd(&file.as_raw_fd()), token, Interest::READABLE)?;
        Ok(Alarm { file, rings_at: RingsAt::default() })
    }

    /// Makes the alarm ring at `due` at the latest.
    pub(super) fn set(&self, due: Instant) {
        self.rings_at.bring_forward(due, || {
            let left = due.saturating_duration_since(Instant::now());
            // Zero would switch it off.
            set_timer(&self.file, left.max(Duration::from_nanos(1)));
        });
    }

    /// How long the next poll may last, so that it ends at `due`: as long as it likes, the alarm
    /// ends it.
    pub(super) fn limit(&self, due: Option<Instant>) -> Option<Duration> {
        if let Some(due) = due {
            self.set(due);
        }
        None
    }

    /// A poll has seen it ring.
    pub(super) fn rang(&self) {
        self.rings_at.rang();
    }
}

fn set_timer(file: &OwnedFd, left: Duration) {
    let zero = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let value = libc::timespec {
        // What is later than that rings early, and is set again.
        tv_sec: i32::try_from(left.as_secs()).unwrap_or(i32::MAX).into(),
        tv_nsec: left.subsec_nanos().into(),
    };
    let timer = libc::itimerspec { it_interval: zero, it_value: value };
    // SAFETY: the structure is valid; it fails for invalid arguments only, and these are valid.
    unsafe { libc::timerfd_settime(file.as_raw_fd(), 0, &raw const timer, ptr::null_mut()) };
}
