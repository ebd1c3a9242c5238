//! The bytes of a blocking operation: it owns them while it runs, as its caller may go away
//! meanwhile. Whoever starts an operation moves the buffer into it and gets it back with the result.
//!
//! All of `bytes` is initialised, and stays so: a large buffer is filled with zeros once and then
//! used again, which spares both the unsafe code and most of the cost.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::ops::Range;
use tokio::io::ReadBuf;

/// How much one operation moves at most, unless the user says otherwise. tokio's number.
pub(crate) const MOST_BYTES: usize = 2 * 1024 * 1024;

/// Bytes that were read and not yet taken, or that are to be written.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    /// The part of `bytes` that counts.
    content: Range<usize>,
}

impl Buffer {
    /// An empty one.
    pub(crate) const fn new() -> Self {
        Buffer { bytes: Vec::new(), content: 0..0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.content.is_empty()
    }

    /// Reads up to `most_bytes`, at least one of them unless the source is at its end. The buffer
    /// must be empty.
    pub(crate) fn read_from(
        &mut self,
        source: &mut impl Read,
        most_bytes: usize,
    ) -> io::Result<usize> {
        debug_assert!(self.is_empty());
        if self.bytes.len() < most_bytes {
            // A new one: the system may give it zeroed, and there is nothing to be copied.
            self.bytes = vec![0; most_bytes];
        }
        let count = uninterrupted(|| source.read(&mut self.bytes[..most_bytes]))?;
        self.content = 0..count;
        Ok(count)
    }

    /// Moves as much as fits to `target`.
    pub(crate) fn take_into(&mut self, target: &mut ReadBuf<'_>) {
        let count = self.content.len().min(target.remaining());
        let end = self.content.start + count;
        target.put_slice(&self.bytes[self.content.start..end]);
        self.content.start = end;
    }

    /// Copies up to `most_bytes` from the slices, and returns how many. The buffer must be empty.
    pub(crate) fn fill_from(&mut self, slices: &[IoSlice<'_>], most_bytes: usize) -> usize {
        debug_assert!(self.is_empty());
        let mut end = 0;
        for slice in slices {
            let slice = &slice[..slice.len().min(most_bytes - end)];
            let room = (self.bytes.len() - end).min(slice.len());
            self.bytes[end..end + room].copy_from_slice(&slice[..room]);
            self.bytes.extend_from_slice(&slice[room..]);
            end += slice.len();
        }
        self.content = 0..end;
        end
    }

    /// Writes all of it. Empty afterwards, also if that fails.
    pub(crate) fn write_to(&mut self, target: &mut impl Write) -> io::Result<()> {
        let content = std::mem::take(&mut self.content);
        target.write_all(&self.bytes[content])
    }

    /// Drops what is in it, and returns how many bytes that was.
    pub(crate) fn discard(&mut self) -> usize {
        std::mem::take(&mut self.content).len()
    }
}

/// Repeats a system call that a signal has interrupted.
fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(buffer: &mut Buffer, most: usize) -> Vec<u8> {
        let mut bytes = vec![0; most];
        let mut target = ReadBuf::new(&mut bytes);
        buffer.take_into(&mut target);
        target.filled().to_vec()
    }

    #[test]
    fn what_is_read_is_taken_in_parts() {
        let mut buffer = Buffer::default();
        assert_eq!(buffer.read_from(&mut &b"abcdef"[..], 4).unwrap(), 4);
        assert_eq!(taken(&mut buffer, 3), b"abc");
        assert!(!buffer.is_empty());
        assert_eq!(taken(&mut buffer, 3), b"d");
        assert!(buffer.is_empty());
        assert_eq!(buffer.discard(), 0);
        assert_eq!(buffer.read_from(&mut &b"abcdef"[..], 4).unwrap(), 4);
        assert_eq!(taken(&mut buffer, 1), b"a");
        assert_eq!(buffer.discard(), 3);
        assert!(buffer.is_empty());
    }

    #[test]
    fn slices_are_joined_and_cut_at_the_limit() {
        let slices = [IoSlice::new(b"abc"), IoSlice::new(b""), IoSlice::new(b"defg")];
        for used_before in [0, 2, 100] {
            let mut buffer = Buffer::default();
            buffer.read_from(&mut &[7; 100][..], used_before).unwrap();
            taken(&mut buffer, 100);
            assert_eq!(buffer.fill_from(&slices, 5), 5);
            let mut written = Vec::new();
            buffer.write_to(&mut written).unwrap();
            assert_eq!(written, b"abcde");
            assert!(buffer.is_empty());
        }
    }

    /// Fails once before each read.
    struct Interrupted<R>(R, bool);

    impl<R: Read> Read for Interrupted<R> {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 { Err(ErrorKind::Interrupted.into()) } else { self.0.read(bytes) }
        }
    }

    #[test]
    fn an_interrupted_read_is_repeated() {
        let mut buffer = Buffer::default();
        let mut source = Interrupted(&b"abc"[..], false);
        assert_eq!(buffer.read_from(&mut source, 10).unwrap(), 3);
        assert_eq!(taken(&mut buffer, 10), b"abc");
    }

    #[test]
    fn a_failed_read_leaves_nothing_behind() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(ErrorKind::Other.into())
            }
        }
        let mut buffer = Buffer::default();
        assert_eq!(buffer.read_from(&mut Broken, 10).unwrap_err().kind(), ErrorKind::Other);
        assert!(buffer.is_empty());
    }
}
