//! Listing a directory: the entries come from the system in batches, as a trip to another thread
//! costs more than an entry.

use super::in_background;
use crate::blocking::{AtClose, Operation};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, FileType, Metadata};
use std::future::{Future, poll_fn};
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// How many entries are fetched at a time. tokio's number.
const BATCH: usize = 32;

/// Lists a directory.
///
/// # Errors
/// If the path does not exist or is no directory.
pub async fn read_dir(path: impl AsRef<Path>) -> io::Result<ReadDir> {
    let path = path.as_ref().to_owned();
    let batch = in_background(move || Ok(Batch::fetch(fs::read_dir(path)?))).await?;
    Ok(ReadDir { batch, fetching: None })
}

/// The entries of a directory, in the order in which the system has them.
#[derive(Debug)]
pub struct ReadDir {
    batch: Batch,
    fetching: Option<Operation<Batch>>,
}

#[derive(Debug)]
struct Batch {
    entries: VecDeque<io::Result<DirEntry>>,
    /// Where to get more; `None`: there are no more.
    rest: Option<fs::ReadDir>,
}

impl Batch {
    fn fetch(mut from: fs::ReadDir) -> Batch {
        let mut entries = VecDeque::with_capacity(BATCH);
        while entries.len() < BATCH {
            match from.next() {
                Some(Ok(entry)) => entries.push_back(Ok(DirEntry::new(entry))),
                Some(Err(error)) => {
                    // Whoever calls decides whether to go on after it.
                    entries.push_back(Err(error));
                    break;
                }
                None => return Batch { entries, rest: None },
            }
        }
        Batch { entries, rest: Some(from) }
    }
}

impl ReadDir {
    /// The next entry; `None`: there are no more.
    ///
    /// # Errors
    /// When the system cannot read the directory. After an error of the runtime (see the
    /// [module](crate::fs)) there are no more entries.
    ///
    /// # Cancellation
    /// No entry is lost when the future is dropped.
    pub async fn next_entry(&mut self) -> io::Result<Option<DirEntry>> {
        poll_fn(|cx| self.poll_next_entry(cx)).await
    }

    /// Polls for the next entry, see [`next_entry`](Self::next_entry).
    ///
    /// # Errors
    /// As `next_entry`.
    pub fn poll_next_entry(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<DirEntry>>> {
        loop {
            if let Some(fetching) = &mut self.fetching {
                let fetched = ready!(Pin::new(fetching).poll(cx));
                self.fetching = None;
                self.batch = fetched?;
            }
            if let Some(entry) = self.batch.entries.pop_front() {
                return Poll::Ready(entry.map(Some));
            }
            let Some(rest) = self.batch.rest.take() else { return Poll::Ready(Ok(None)) };
            self.fetching = Some(Operation::start(AtClose::Cancel, || Batch::fetch(rest))?);
        }
    }
}

/// An entry of a directory.
#[derive(Debug)]
pub struct DirEntry {
    entry: Arc<fs::DirEntry>,
    /// What came with the entry; asking for it again would be a trip to another thread.
    file_type: Option<FileType>,
}

impl DirEntry {
    /// On a thread that may block: some file systems have to be asked for the type.
    fn new(entry: fs::DirEntry) -> Self {
        DirEntry { file_type: entry.file_type().ok(), entry: Arc::new(entry) }
    }

    /// The directory's path joined with the entry's name.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.entry.path()
    }

    /// The name in the directory.
    #[must_use]
    pub fn file_name(&self) -> OsString {
        self.entry.file_name()
    }

    /// What the system knows about the entry. Does not follow links.
    ///
    /// # Errors
    /// If the entry has been removed.
    pub async fn metadata(&self) -> io::Result<Metadata> {
        let entry = self.entry.clone();
        in_background(move || entry.metadata()).await
    }

    /// Whether it is a file, a directory or a link.
    ///
    /// # Errors
    /// If the directory does not say, and the entry has been removed.
    pub async fn file_type(&self) -> io::Result<FileType> {
        if let Some(file_type) = self.file_type {
            return Ok(file_type);
        }
        let entry = self.entry.clone();
        in_background(move || entry.file_type()).await
    }

    /// The number of the entry in its file system.
    #[cfg(unix)]
    #[must_use]
    pub fn ino(&self) -> u64 {
        std::os::unix::fs::DirEntryExt::ino(&*self.entry)
    }
}
