//! An open file.
//!
//! * `lender.rs`: the file itself, shared with the operations that have it.
//! * `background.rs`: the operation that is running, its buffer, and the results of earlier ones.

mod background;
mod lender;
mod traits;

use super::{FileTimes, OpenOptions, in_background};
use crate::io::MOST_BYTES;
use background::Background;
use lender::Lender;
use std::fmt;
use std::fs::{self, Metadata, Permissions};
use std::future::poll_fn;
use std::io;
use std::path::Path;
use std::time::SystemTime;
use tokio::sync::Mutex;

/// An open file, to be read, written and sought in with `AsyncRead`, `AsyncWrite` and `AsyncSeek`.
///
/// # Writing
/// A write takes the bytes and returns; they are written in the background. An error comes out of
/// the next write, flush or [`sync_all`](Self::sync_all). So end with a flush
/// (`AsyncWriteExt::flush`): it waits until the system has all bytes.
///
/// # Dropping
/// A write that was taken is carried out also if the file is dropped and if its runtime shuts down,
/// but nobody hears of an error. The file is closed when its last operation has ended.
///
/// # Cancellation
/// When the future of a read is dropped, the read goes on, and what it brings is what the next read
/// returns. No byte is lost, and what writes or seeks next does so from where the last byte was
/// that the program has seen.
///
/// # Errors
/// Besides those of the system all methods have those of the [module](crate::fs).
pub struct File {
    lender: Lender,
    background: Mutex<Background>,
    max_buf_size: usize,
}

impl File {
    /// Opens a file to read.
    ///
    /// # Errors
    /// If it does not exist.
    pub async fn open(path: impl AsRef<Path>) -> io::Result<File> {
        Self::options().read(true).open(path).await
    }

    /// Opens a file to write: makes it if it does not exist, and drops its content if it does.
    ///
    /// # Errors
    /// If it is a directory, or its own directory does not exist.
    pub async fn create(path: impl AsRef<Path>) -> io::Result<File> {
        Self::options().write(true).create(true).truncate(true).open(path).await
    }

    /// Makes a file and opens it to read and write.
    ///
    /// # Errors
    /// If it exists.
    pub async fn create_new<P: AsRef<Path>>(path: P) -> io::Result<File> {
        Self::options().read(true).write(true).create_new(true).open(path).await
    }

    /// Options, as `OpenOptions::new` gives them.
    #[must_use]
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    /// Takes over a file of std's.
    #[must_use]
    pub fn from_std(file: fs::File) -> File {
        File { lender: Lender::new(file), background: Mutex::default(), max_buf_size: MOST_BYTES }
    }

    /// Waits for the operations in the background and returns the file. An error of a write is
    /// lost: flush first. The file's cursor may be ahead by what was read and not taken, which only
    /// happens when a read was cancelled, or given less room than a cancelled one before it.
    pub async fn into_std(mut self) -> fs::File {
        let background = self.background.get_mut();
        poll_fn(|cx| background.poll_settled(cx)).await;
        self.lender.into_file().await
    }

    /// Returns the file, if no operation is running.
    ///
    /// # Errors
    /// `self`, if one is.
    pub fn try_into_std(self) -> Result<fs::File, File> {
        let File { lender, background, max_buf_size } = self;
        lender.try_into_file().map_err(|lender| File { lender, background, max_buf_size })
    }

    /// Waits until the content and what the system knows about the file are on the disk.
    ///
    /// # Errors
    /// When a write has failed that nobody has asked about yet, or the disk.
    pub async fn sync_all(&self) -> io::Result<()> {
        let mut background = self.background.lock().await;
        poll_fn(|cx| background.poll_flush(cx)).await?;
        let file = self.lender.lend();
        in_background(move || file.sync_all()).await
    }

    /// As [`sync_all`](Self::sync_all), but only what is needed to read the content again.
    ///
    /// # Errors
    /// As `sync_all`.
    pub async fn sync_data(&self) -> io::Result<()> {
        let mut background = self.background.lock().await;
        poll_fn(|cx| background.poll_flush(cx)).await?;
        let file = self.lender.lend();
        in_background(move || file.sync_data()).await
    }

    /// Cuts the file off at `bytes`, or fills it with zeros up to there. The cursor stays.
    ///
    /// # Errors
    /// If the file is not open to write.
    pub async fn set_len(&self, bytes: u64) -> io::Result<()> {
        let mut background = self.background.lock().await;
        poll_fn(|cx| background.poll_settled(cx)).await;
        background.start_set_len(&self.lender, bytes)?;
        poll_fn(|cx| background.poll_set_len(cx)).await
    }

    /// What the system knows about the file. It may not know yet of a write that was not flushed.
    ///
    /// # Errors
    /// When the system gives none.
    pub async fn metadata(&self) -> io::Result<Metadata> {
        let file = self.lender.lend();
        in_background(move || file.metadata()).await
    }

    /// A second handle to the same open file. They share the cursor.
    ///
    /// # Errors
    /// When the process has too many open files.
    pub async fn try_clone(&self) -> io::Result<File> {
        self.settle().await;
        let file = self.lender.lend();
        let mut clone = File::from_std(in_background(move || file.try_clone()).await?);
        clone.max_buf_size = self.max_buf_size;
        Ok(clone)
    }

    /// Changes the file's permissions.
    ///
    /// # Errors
    /// If the file is another user's.
    pub async fn set_permissions(&self, permissions: Permissions) -> io::Result<()> {
        let file = self.lender.lend();
        in_background(move || file.set_permissions(permissions)).await
    }

    /// Changes the times of the last access and the last change.
    ///
    /// # Errors
    /// If the file is another user's, or the file system has no such times.
    pub async fn set_times(&self, times: FileTimes) -> io::Result<()> {
        // A write that ends later would change them again.
        self.settle().await;
        let file = self.lender.lend();
        in_background(move || file.set_times(times)).await
    }

    /// Changes the time of the last change.
    ///
    /// # Errors
    /// As [`set_times`](Self::set_times).
    pub async fn set_modified(&self, time: SystemTime) -> io::Result<()> {
        self.set_times(FileTimes::new().set_modified(time)).await
    }

    /// How many bytes one operation in the background reads or writes at most. The default is
    /// 2 MiB.
    ///
    /// # Panics
    /// If it is zero.
    #[track_caller]
    pub fn set_max_buf_size(&mut self, bytes: usize) {
        assert!(bytes > 0, "`set_max_buf_size` needs 1 or more: no read or write would get on");
        self.max_buf_size = bytes;
    }

    /// See [`set_max_buf_size`](Self::set_max_buf_size).
    #[must_use]
    pub fn max_buf_size(&self) -> usize {
        self.max_buf_size
    }

    /// Waits for the operation in the background. An error of a write is kept.
    async fn settle(&self) {
        let mut background = self.background.lock().await;
        poll_fn(|cx| background.poll_settled(cx)).await;
    }
}

impl From<fs::File> for File {
    fn from(file: fs::File) -> Self {
        Self::from_std(file)
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("std", self.lender.file()).finish_non_exhaustive()
    }
}
