//! Waiting for the end of one process, and the duty to reap it.
//!
//! Two ways to learn of the end, behind one poll:
//! 1. a pidfd in the runtime's event queue: nobody else is woken, no handler is needed;
//! 2. `SIGCHLD`, which tells neither which child nor how many: everybody who waits looks. For where
//!    there are no pidfds (before Linux 5.10, other systems), no descriptors left, or no runtime.
//!
//! Neither is set up before somebody waits, and after either it is `waitpid` that decides.

use super::orphans;
use crate::signal::unix::{Signal, SignalKind, signal};
use std::io;
use std::process::{Child, ExitStatus};
use std::task::{Context, Poll, ready};

#[cfg(target_os = "linux")]
use pidfd::Pidfd;

/// A process that is not reaped yet. What is dropped is left to the [orphans].
#[derive(Debug)]
pub(super) struct Reaper {
    /// `None` only in `drop`.
    child: Option<Child>,
    notice: Notice,
}

/// How the end of the process is noticed.
#[derive(Debug)]
enum Notice {
    /// Not yet: nobody has waited.
    None,
    #[cfg(target_os = "linux")]
    Pidfd(Pidfd),
    Signal(Signal),
}

const OWNED: &str = "the process is only given away by `drop`";

impl Reaper {
    pub(super) fn new(child: Child) -> Self {
        Reaper { child: Some(child), notice: Notice::None }
    }

    pub(super) fn id(&self) -> u32 {
        self.child.as_ref().expect(OWNED).id()
    }

    pub(super) fn kill(&mut self) -> io::Result<()> {
        self.child_mut().kill()
    }

    pub(super) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child_mut().try_wait()
    }

    fn child_mut(&mut self) -> &mut Child {
        self.child.as_mut().expect(OWNED)
    }

    pub(super) fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<ExitStatus>> {
        if let Notice::None = self.notice {
            if let Some(status) = self.try_wait()? {
                return Poll::Ready(Ok(status));
            }
            self.notice = self.first_notice()?;
        }
        #[cfg(target_os = "linux")]
        if let Notice::Pidfd(pidfd) = &self.notice {
            let child = self.child.as_mut().expect(OWNED);
            match ready!(pidfd.poll(cx, || child.try_wait())) {
                Ok(status) => return Poll::Ready(status),
                Err(_runtime_is_gone) => self.notice = Notice::by_signal()?,
            }
        }
        self.poll_by_signal(cx)
    }

    fn poll_by_signal(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<ExitStatus>> {
        loop {
            let Notice::Signal(child_ended) = &mut self.notice else {
                unreachable!("this is the last way")
            };
            // Before the look, so that no end falls in between.
            let poll = child_ended.poll_recv(cx);
            if let Some(status) = self.try_wait()? {
                return Poll::Ready(Ok(status));
            }
            ready!(poll);
        }
    }

    fn first_notice(&self) -> io::Result<Notice> {
        #[cfg(target_os = "linux")]
        if let Some(pidfd) = Pidfd::of(self.id()) {
            return Ok(Notice::Pidfd(pidfd));
        }
        Notice::by_signal()
    }
}

impl Notice {
    fn by_signal() -> io::Result<Notice> {
        Ok(Notice::Signal(signal(SignalKind::child())?))
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            orphans::adopt(child);
        }
    }
}

#[cfg(target_os = "linux")]
mod pidfd {
    //! A process as a descriptor, which is readable from its end on.

    use crate::io::Interest;
    use crate::io::unix::AsyncFd;
    use crate::runtime::Handle;
    use std::io;
    use std::os::fd::{FromRawFd, OwnedFd, RawFd};
    use std::process::ExitStatus;
    use std::task::{Context, Poll, ready};

    #[derive(Debug)]
    pub(super) struct Pidfd(AsyncFd<OwnedFd>);

    impl Pidfd {
        /// `None`: the system has no pidfds or none left, or there is no runtime.
        pub(super) fn of(process: u32) -> Option<Pidfd> {
            Handle::try_current().ok()?;
            let fd = open(process)?;
            AsyncFd::with_interest(fd, Interest::READABLE).ok().map(Pidfd)
        }

        /// Waits until `try_wait` has a result.
        ///
        /// # Errors
        /// The outer one: the runtime that it was registered with is gone.
        pub(super) fn poll(
            &self,
            cx: &mut Context<'_>,
            mut try_wait: impl FnMut() -> io::Result<Option<ExitStatus>>,
        ) -> Poll<io::Result<io::Result<ExitStatus>>> {
            loop {
                let mut guard = ready!(self.0.poll_read_ready(cx))?;
                if let Some(result) = try_wait().transpose() {
                    return Poll::Ready(Ok(result));
                }
                guard.clear_ready();
            }
        }
    }

    fn open(process: u32) -> Option<OwnedFd> {
        // SAFETY: two numbers. The process is not reaped, so the number is its own. The descriptor
        // is closed by `exec` without asking for it.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, process, libc::PIDFD_NONBLOCK) };
        let fd = RawFd::try_from(fd).ok().filter(|fd| *fd >= 0)?;
        // SAFETY: a new descriptor of our own.
        Some(unsafe { OwnedFd::from_raw_fd(fd) })
    }
}
