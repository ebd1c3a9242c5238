//! Making directories with options.

use super::in_background;
use std::io;
use std::path::Path;

/// Makes directories with options, as `std::fs::DirBuilder` does.
#[derive(Debug, Default)]
pub struct DirBuilder {
    recursive: bool,
    #[cfg(unix)]
    mode: Option<u32>,
}

impl DirBuilder {
    /// Without options: one directory, with the permissions that the system gives it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether missing parents are made as well, and a directory that exists is no error.
    pub fn recursive(&mut self, recursive: bool) -> &mut Self {
        self.recursive = recursive;
        self
    }

    /// The permissions of the new directories, before the process's mask. The default is `0o777`.
    #[cfg(unix)]
    pub fn mode(&mut self, mode: u32) -> &mut Self {
        self.mode = Some(mode);
        self
    }

    /// Makes the directory.
    ///
    /// # Errors
    /// If it exists, unless [`recursive`](Self::recursive); if its parent does not exist, or a part
    /// of the path is no directory.
    pub async fn create(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref().to_owned();
        let builder = self.to_std();
        in_background(move || builder.create(path)).await
    }

    fn to_std(&self) -> std::fs::DirBuilder {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(self.recursive);
        #[cfg(unix)]
        if let Some(mode) = self.mode {
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, mode);
        }
        builder
    }
}
