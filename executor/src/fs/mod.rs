//! Files and directories: `std::fs`, with the waiting done on other threads.
//!
//! Operating systems block in calls for files, so each operation runs on a thread of the runtime's
//! pool for blocking work ([`spawn_blocking`](crate::spawn_blocking)). That is a trip to another
//! thread and back each time: prefer [`read()`] and [`write()`] of whole files, or wrap a [`File`] in
//! a `BufReader` or `BufWriter`, or do many small steps with `std::fs` in one `spawn_blocking`.
//!
//! What is meant is regular files. A read from a pipe or a terminal that is opened as a [`File`]
//! occupies a thread for as long as nothing comes, and the drop of the runtime waits for it.
//!
//! # Cancellation
//! Dropping a future of this module stops the waiting, not the operation: once begun it is carried
//! out.
//!
//! # Errors
//! Those of the system, unchanged. Besides these each operation fails with an error of the kind
//! [`Other`](std::io::ErrorKind::Other) outside a runtime and while its runtime shuts down, and
//! when there is no thread for it and the system makes none.

mod dir_builder;
mod file;
mod open_options;
mod paths;
mod read_dir;

pub use dir_builder::DirBuilder;
pub use file::File;
pub use open_options::OpenOptions;
#[cfg(unix)]
pub use paths::symlink;
pub use paths::{
    canonicalize, copy, create_dir, create_dir_all, hard_link, metadata, read, read_link,
    read_to_string, remove_dir, remove_dir_all, remove_file, rename, set_permissions,
    symlink_metadata, try_exists, write,
};
#[cfg(windows)]
pub use paths::{symlink_dir, symlink_file};
pub use read_dir::{DirEntry, ReadDir, read_dir};
pub use std::fs::FileTimes;

use crate::blocking::{AtClose, Operation};
use std::io;

/// Runs `work` on the blocking pool. If the runtime shuts down before it has begun it is not done.
async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    Operation::start(AtClose::Cancel, work)?.await?
}
