//! Standard input: one thread of the process reads it, when somebody waits for input.
//!
//! A read of a terminal or a pipe ends when it likes and cannot be called off. So it does not run on
//! a runtime's threads, which the drop of the runtime would wait for, and it belongs to no handle:
//! what it brings goes to whichever handle asks first, also if that did not exist yet when the read
//! began. Nothing is lost when a read is cancelled or a handle dropped.
//!
//! ```text
//!   handles ── wanted ──▶ thread: read ── content, outcome ──▶ handles
//! ```

use super::{Buffer, MOST_BYTES};
use crate::report;
use crate::sync::{Condvar, Mutex};
use atomic_waker::AtomicWaker;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;
use tokio::io::{AsyncRead, ReadBuf};

/// What the handles and the thread share.
static SHARED: Shared = Shared {
    state: Mutex::const_new(State {
        has_thread: false,
        wanted_bytes: 0,
        content: Buffer::new(),
        outcome: None,
        waiting: Vec::new(),
    }),
    wanted: Condvar::const_new(),
};

struct Shared {
    state: Mutex<State>,
    /// Somebody wants input.
    wanted: Condvar,
}

struct State {
    has_thread: bool,
    /// The most that somebody has asked for since the last read; zero: nobody waits.
    wanted_bytes: usize,
    /// What was read and not yet taken.
    content: Buffer,
    /// That a read came to the end of the input, or failed. Told to one handle; the others ask
    /// again.
    outcome: Option<io::Result<()>>,
    /// Whom to wake after the read.
    waiting: Vec<Arc<AtomicWaker>>,
}

impl State {
    /// Gives out what is there.
    fn take(&mut self, target: &mut ReadBuf<'_>) -> Option<io::Result<()>> {
        if self.content.is_empty() && target.remaining() > 0 {
            return self.outcome.take();
        }
        self.content.take_into(target);
        Some(Ok(()))
    }

    /// Asks for a read.
    ///
    /// # Errors
    /// When the system gives no thread for it.
    fn want(&mut self, bytes: usize, waker: &Arc<AtomicWaker>) -> io::Result<()> {
        if !self.has_thread {
            thread::Builder::new().name("preempt-stdin".to_owned()).spawn(serve)?;
            self.has_thread = true;
        }
        self.wanted_bytes = self.wanted_bytes.max(bytes.min(MOST_BYTES));
        if !self.waiting.iter().any(|waiting| Arc::ptr_eq(waiting, waker)) {
            self.waiting.push(waker.clone());
        }
        Ok(())
    }
}

/// Whether anybody in the process waits for input.
pub(crate) fn is_stdin_awaited() -> bool {
    !SHARED.state.lock().waiting.is_empty()
}

/// The life of the thread. It has none of the runtime's thread-locals, and ends with the process.
fn serve() {
    loop {
        let (mut buffer, most_bytes) = wait_until_wanted();
        let result = buffer.read_from(&mut io::stdin().lock(), most_bytes);
        let waiting = {
            let mut state = SHARED.state.lock();
            state.content = buffer;
            state.wanted_bytes = 0;
            state.outcome = match result {
                Ok(0) => Some(Ok(())),
                Ok(_) => None,
                Err(error) => Some(Err(error)),
            };
            std::mem::take(&mut state.waiting)
        };
        for waker in waiting {
            report::contain("a waker", || waker.wake());
        }
    }
}

/// The empty buffer, and how much to read.
fn wait_until_wanted() -> (Buffer, usize) {
    let mut state = SHARED.state.lock();
    // Also what nobody has taken yet comes first.
    while state.wanted_bytes == 0 || !state.content.is_empty() || state.outcome.is_some() {
        let _no_deadline = SHARED.wanted.wait_until(&mut state, None);
    }
    (std::mem::take(&mut state.content), state.wanted_bytes)
}

/// The process's standard input, to be read with `AsyncRead`.
///
/// All handles read the same stream, and each byte goes to one of them. Input that was read for one
/// of them and not taken goes to the next; input that std has buffered comes first.
///
/// A thread of the process, not of a runtime, reads when somebody waits for input, and only then.
/// Its read cannot be called off, but neither the drop of a runtime nor the end of the process waits
/// for it. (tokio's does: a program that waits for a line only ends after somebody has entered it.)
///
/// # Cancellation
/// Dropping the future of a read loses no input. What wraps the handle and has a buffer of its own,
/// such as `BufReader`, has to be kept.
#[derive(Debug)]
pub struct Stdin {
    /// For its descriptor.
    std: io::Stdin,
    waker: Arc<AtomicWaker>,
}

/// A handle to standard input.
#[must_use]
pub fn stdin() -> Stdin {
    Stdin { std: io::stdin(), waker: Arc::default() }
}

impl AsyncRead for Stdin {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        target: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Outside the lock, as it may drop another waker. Whoever brings input wakes afterwards.
        self.waker.register(cx.waker());
        let mut state = SHARED.state.lock();
        if let Some(result) = state.take(target) {
            return Poll::Ready(result);
        }
        state.want(target.remaining(), &self.waker)?;
        drop(state);
        SHARED.wanted.notify_one();
        Poll::Pending
    }
}

impl Drop for Stdin {
    fn drop(&mut self) {
        SHARED.state.lock().waiting.retain(|waiting| !Arc::ptr_eq(waiting, &self.waker));
        // Outside the lock, and here and not on the thread, which may have it in its hands: what
        // goes with the waker may be user code.
        drop(self.waker.take());
    }
}

#[cfg(unix)]
mod system {
    use super::*;
    use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

    impl AsFd for Stdin {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.std.as_fd()
        }
    }

    impl AsRawFd for Stdin {
        fn as_raw_fd(&self) -> RawFd {
            self.std.as_raw_fd()
        }
    }
}

#[cfg(windows)]
mod system {
    use super::*;
    use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, RawHandle};

    impl AsHandle for Stdin {
        fn as_handle(&self) -> BorrowedHandle<'_> {
            self.std.as_handle()
        }
    }

    impl AsRawHandle for Stdin {
        fn as_raw_handle(&self) -> RawHandle {
            self.std.as_raw_handle()
        }
    }
}
