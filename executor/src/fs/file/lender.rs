//! The open file, and who has it: the [`File`](super::File), and each operation in the background,
//! also those that nobody waits for any more.

use std::fs;
use std::ops::Deref;
use std::sync::Arc;
use tokio::sync::Notify;

/// The file as its owner has it.
#[derive(Debug)]
pub(super) struct Lender {
    file: Arc<fs::File>,
    returned: Arc<Notify>,
}

/// The file as an operation has it.
pub(super) struct Lent {
    // Dropped in this order: whoever is told that it is back finds it there.
    file: Arc<fs::File>,
    _returns: Returns,
}

/// Says that the file was given back.
struct Returns(Arc<Notify>);

impl Drop for Returns {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Lender {
    pub(super) fn new(file: fs::File) -> Self {
        Lender { file: Arc::new(file), returned: Arc::default() }
    }

    pub(super) fn file(&self) -> &fs::File {
        &self.file
    }

    pub(super) fn lend(&self) -> Lent {
        Lent { file: self.file.clone(), _returns: Returns(self.returned.clone()) }
    }

    /// The file, if no operation has it.
    pub(super) fn try_into_file(self) -> Result<fs::File, Self> {
        let Lender { file, returned } = self;
        Arc::try_unwrap(file).map_err(|file| Lender { file, returned })
    }

    /// The file, when no operation has it any more.
    pub(super) async fn into_file(mut self) -> fs::File {
        loop {
            match self.try_into_file() {
                Ok(file) => return file,
                Err(lender) => self = lender,
            }
            // If it is given back before this line, the notification is kept.
            self.returned.notified().await;
        }
    }
}

impl Deref for Lent {
    type Target = fs::File;

    fn deref(&self) -> &fs::File {
        &self.file
    }
}
