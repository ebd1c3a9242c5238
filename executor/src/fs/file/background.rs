//! What a file does in the background: one operation at a time, which has the buffer meanwhile.
//!
//! ```text
//!            start                      poll_result
//!   Idle ────────────▶ Busy(operation) ────────────▶ Idle, and the result
//!   (buffer)                            (buffer)
//! ```
//!
//! The caller of an operation may go away; then the next one finds its result and `settle`s it. So
//! a cancelled read is not lost, as its bytes are in the buffer. The buffer holds bytes only while
//! the cursor of the file is just that far ahead of where the user thinks it is; whatever depends on
//! the cursor steps back first.

use super::lender::{Lender, Lent};
use crate::blocking::{AtClose, Operation};
use crate::io::Buffer;
use std::fs;
use std::future::Future;
use std::io::{self, IoSlice, Seek, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::ReadBuf;

#[derive(Debug, Default)]
pub(super) struct Background {
    state: State,
    /// Of a write that somebody else came to know of first. For the next one who asks about writes.
    write_error: Option<io::Error>,
    /// Where the last seek arrived.
    position: u64,
}

#[derive(Debug)]
enum State {
    Idle(Buffer),
    Busy(Kind, Operation<(io::Result<u64>, Buffer)>),
}

impl Default for State {
    fn default() -> Self {
        State::Idle(Buffer::default())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Read,
    Write,
    Seek,
    SetLen,
}

/// How an operation has ended. The number is a seek's position.
struct Done {
    kind: Kind,
    result: io::Result<u64>,
}

impl Background {
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        file: &Lender,
        target: &mut ReadBuf<'_>,
        most_bytes: usize,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut just_read = false;
            match ready!(self.poll_result(cx)) {
                Some(Done { kind: Kind::Read, result }) => {
                    result?;
                    just_read = true;
                }
                Some(done) => self.settle(done),
                None => {}
            }
            let buffer = self.idle_buffer();
            if just_read || !buffer.is_empty() || target.remaining() == 0 {
                buffer.take_into(target);
                return Poll::Ready(Ok(()));
            }
            let most_bytes = most_bytes.min(target.remaining());
            self.start(Kind::Read, file.lend(), move |file, buffer| {
                buffer.read_from(&mut { file }, most_bytes).map(|_| 0)
            })?;
        }
    }

    /// Takes bytes and writes them in the background.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        file: &Lender,
        slices: &[IoSlice<'_>],
        most_bytes: usize,
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_flush(cx))?;
        if slices.iter().all(|slice| slice.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        let buffer = self.idle_buffer();
        let unread = buffer.discard();
        let taken = buffer.fill_from(slices, most_bytes);
        self.start(Kind::Write, file.lend(), move |file, buffer| {
            let written =
                step_back(file, unread).and_then(|()| buffer.write_to(&mut { file }).map(|()| 0));
            buffer.discard();
            written
        })?;
        Poll::Ready(Ok(taken))
    }

    /// Waits for the operation. An error is that of a write.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.write_error.is_none() {
            ready!(self.poll_settled(cx));
        }
        Poll::Ready(self.write_error.take().map_or(Ok(()), Err))
    }

    /// Waits for the operation, and leaves a write's error to the next who asks for it.
    pub(super) fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(done) = ready!(self.poll_result(cx)) {
            self.settle(done);
        }
        Poll::Ready(())
    }

    /// # Errors
    /// If an operation is running: there is no way to wait for it here.
    pub(super) fn start_seek(&mut self, file: &Lender, to: SeekFrom) -> io::Result<()> {
        if let State::Busy(..) = self.state {
            return Err(io::Error::other(
                "an operation on the file is still running; call `poll_complete` before \
                 `start_seek`, as `AsyncSeekExt::seek` does",
            ));
        }
        let unread = self.idle_buffer().discard();
        self.start(Kind::Seek, file.lend(), move |file, _buffer| {
            step_back(file, unread)?;
            (&mut { file }).seek(to)
        })
    }

    /// Waits for the seek, if one was started.
    pub(super) fn poll_seek(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        match ready!(self.poll_result(cx)) {
            Some(Done { kind: Kind::Seek, result: Err(error) }) => return Poll::Ready(Err(error)),
            Some(done) => self.settle(done),
            None => {}
        }
        Poll::Ready(Ok(self.position))
    }

    /// Starts to change the file's length. No operation is running.
    pub(super) fn start_set_len(&mut self, file: &Lender, bytes: u64) -> io::Result<()> {
        let unread = self.idle_buffer().discard();
        self.start(Kind::SetLen, file.lend(), move |file, _buffer| {
            step_back(file, unread)?;
            file.set_len(bytes).map(|()| 0)
        })
    }

    /// Waits for what [`start_set_len`](Self::start_set_len) has started.
    pub(super) fn poll_set_len(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match ready!(self.poll_result(cx)) {
            Some(Done { kind: Kind::SetLen, result }) => Poll::Ready(result.map(drop)),
            _ => unreachable!("nobody else has the file while its length is changed"),
        }
    }

    /// Starts an operation. None is running. On an error the buffer is gone.
    fn start(
        &mut self,
        kind: Kind,
        file: Lent,
        work: impl FnOnce(&fs::File, &mut Buffer) -> io::Result<u64> + Send + 'static,
    ) -> io::Result<()> {
        let mut buffer = std::mem::take(self.idle_buffer());
        let at_close = if kind == Kind::Write { AtClose::Run } else { AtClose::Cancel };
        let operation = Operation::start(at_close, move || {
            let result = work(&file, &mut buffer);
            (result, buffer)
        })?;
        self.state = State::Busy(kind, operation);
        Ok(())
    }

    fn idle_buffer(&mut self) -> &mut Buffer {
        match &mut self.state {
            State::Idle(buffer) => buffer,
            State::Busy(..) => unreachable!("a file does one operation at a time"),
        }
    }

    /// Waits until no operation is running; the result of the last one, if nobody has had it.
    fn poll_result(&mut self, cx: &mut Context<'_>) -> Poll<Option<Done>> {
        let State::Busy(kind, operation) = &mut self.state else { return Poll::Ready(None) };
        let kind = *kind;
        let (result, buffer) = match ready!(Pin::new(operation).poll(cx)) {
            Ok(done) => done,
            Err(lost) => (Err(lost), Buffer::default()),
        };
        self.state = State::Idle(buffer);
        Poll::Ready(Some(Done { kind, result }))
    }

    /// Keeps of a result what the next operations need.
    fn settle(&mut self, done: Done) {
        match (done.kind, done.result) {
            (Kind::Write, Err(error)) => self.write_error = Some(error),
            (Kind::Seek, Ok(position)) => self.position = position,
            // What was read is in the buffer. Whoever asked for the rest is gone.
            _ => {}
        }
    }
}

/// Moves the file's cursor back over what was read ahead and not taken.
fn step_back(mut file: &fs::File, unread: usize) -> io::Result<()> {
    if unread > 0 {
        let bytes = i64::try_from(unread).expect("memory is smaller than that");
        file.seek(SeekFrom::Current(-bytes))?;
    }
    Ok(())
}
