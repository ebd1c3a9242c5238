//! Standard output and standard error: written through std's handles on the blocking pool, by each
//! handle of ours one operation after the other.

use super::{Buffer, MOST_BYTES};
use crate::blocking::{AtClose, Operation};
use std::future::Future;
use std::io::{self, IoSlice, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;

/// What a handle does in the background.
#[derive(Debug)]
struct Writer {
    state: State,
    /// Something was written since the last flush.
    unflushed: bool,
    write: fn(&mut Buffer) -> io::Result<()>,
    flush: fn() -> io::Result<()>,
}

#[derive(Debug)]
enum State {
    Idle(Buffer),
    Busy(Operation<(io::Result<()>, Buffer)>),
}

impl Writer {
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ready!(self.poll_idle(cx))?;
        let bytes = portion(bytes);
        if bytes.is_empty() {
            self.state = State::Idle(buffer);
            return Poll::Ready(Ok(0));
        }
        buffer.fill_from(&[IoSlice::new(bytes)], bytes.len());
        self.start(buffer, self.write)?;
        self.unflushed = true;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let buffer = ready!(self.poll_idle(cx))?;
            if !self.unflushed {
                self.state = State::Idle(buffer);
                return Poll::Ready(Ok(()));
            }
            self.unflushed = false;
            let flush = self.flush;
            self.start(buffer, move |_buffer| flush())?;
        }
    }

    /// Waits for the running operation, if there is one, and takes the buffer.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Buffer>> {
        match &mut self.state {
            State::Idle(buffer) => Poll::Ready(Ok(std::mem::take(buffer))),
            State::Busy(operation) => {
                let done = ready!(Pin::new(operation).poll(cx));
                self.state = State::Idle(Buffer::new());
                let (result, buffer) = done?;
                Poll::Ready(result.map(|()| buffer))
            }
        }
    }

    fn start(
        &mut self,
        mut buffer: Buffer,
        work: impl FnOnce(&mut Buffer) -> io::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        // Also when the runtime shuts down: the caller was told that it is on its way.
        self.state = State::Busy(Operation::start(AtClose::Run, move || {
            let result = work(&mut buffer);
            (result, buffer)
        })?);
        Ok(())
    }
}

/// As much as one operation takes. If that is not all, it ends between two characters: a console on
/// Windows refuses parts of them. In what is no text the cut is just a few bytes earlier.
fn portion(bytes: &[u8]) -> &[u8] {
    const LONGEST_CHARACTER: usize = 4;
    let mut end = MOST_BYTES;
    let Some(next) = bytes.get(end) else { return bytes };
    let mut next = *next;
    let continues = |byte| byte & 0b1100_0000 == 0b1000_0000;
    while continues(next) && MOST_BYTES - end < LONGEST_CHARACTER - 1 {
        end -= 1;
        next = bytes[end];
    }
    &bytes[..end]
}

/// The process's standard output, to be written with `AsyncWrite`.
///
/// What one handle writes comes in that order; between handles there is no order, so share one, or
/// flush. Goes through std's buffer: `print!` and this do not overtake each other once flushed.
///
/// A write takes the bytes and returns. They are written in the background, also if the handle is
/// dropped and if the runtime shuts down meanwhile; an error comes out of the next write or flush.
/// End with a flush (`AsyncWriteExt::flush`): it waits until they are out.
///
/// # Errors
/// Outside a runtime, and while it shuts down.
#[derive(Debug)]
pub struct Stdout {
    /// For its descriptor.
    std: io::Stdout,
    writer: Writer,
}

/// A handle to standard output.
#[must_use]
pub fn stdout() -> Stdout {
    let writer = Writer {
        state: State::Idle(Buffer::new()),
        unflushed: false,
        write: |buffer| buffer.write_to(&mut io::stdout()),
        flush: || io::stdout().flush(),
    };
    Stdout { std: io::stdout(), writer }
}

/// The process's standard error, to be written with `AsyncWrite`. As [`Stdout`], but nothing is kept
/// in a buffer of std's.
#[derive(Debug)]
pub struct Stderr {
    /// For its descriptor.
    std: io::Stderr,
    writer: Writer,
}

/// A handle to standard error.
#[must_use]
pub fn stderr() -> Stderr {
    let writer = Writer {
        state: State::Idle(Buffer::new()),
        unflushed: false,
        write: |buffer| buffer.write_to(&mut io::stderr()),
        flush: || io::stderr().flush(),
    };
    Stderr { std: io::stderr(), writer }
}

/// The traits of both.
macro_rules! is_output {
    ($handle:ty) => {
        impl AsyncWrite for $handle {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.get_mut().writer.poll_write(cx, bytes)
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.get_mut().writer.poll_flush(cx)
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.poll_flush(cx)
            }
        }

        #[cfg(unix)]
        impl std::os::fd::AsFd for $handle {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                self.std.as_fd()
            }
        }

        #[cfg(unix)]
        impl std::os::fd::AsRawFd for $handle {
            fn as_raw_fd(&self) -> std::os::fd::RawFd {
                self.std.as_raw_fd()
            }
        }

        #[cfg(windows)]
        impl std::os::windows::io::AsHandle for $handle {
            fn as_handle(&self) -> std::os::windows::io::BorrowedHandle<'_> {
                self.std.as_handle()
            }
        }

        #[cfg(windows)]
        impl std::os::windows::io::AsRawHandle for $handle {
            fn as_raw_handle(&self) -> std::os::windows::io::RawHandle {
                self.std.as_raw_handle()
            }
        }
    };
}

is_output!(Stdout);
is_output!(Stderr);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_portion_ends_between_characters() {
        for (character, bytes) in [("x", 1), ("ä", 2), ("€", 3), ("🦀", 4)] {
            for offset in 0..bytes {
                let text = "-".repeat(offset) + &character.repeat(MOST_BYTES / bytes + 2);
                let portion = portion(text.as_bytes());
                assert!(str::from_utf8(portion).is_ok(), "{character} from {offset}");
                assert!(MOST_BYTES - portion.len() < bytes);
            }
        }
    }

    #[test]
    fn what_fits_is_not_cut() {
        let text = "🦀".repeat(MOST_BYTES / 4);
        assert_eq!(portion(text.as_bytes()).len(), MOST_BYTES);
        assert_eq!(portion(&text.as_bytes()[1..]).len(), MOST_BYTES - 1);
        assert_eq!(portion(b"").len(), 0);
    }

    #[test]
    fn what_is_no_text_is_cut_all_the_same() {
        let bytes = vec![0b1000_0000; MOST_BYTES + 9];
        assert!(MOST_BYTES - portion(&bytes).len() < 4);
    }
}
