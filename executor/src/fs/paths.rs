//! The functions of `std::fs` that take paths. Each is one operation in the background.

use super::in_background;
use std::fs::{self, Metadata, Permissions};
use std::io;
use std::path::{Path, PathBuf};

/// The absolute form of a path, without links and `..`.
///
/// # Errors
/// If the path does not exist, or a part of it that is not the last is no directory.
pub async fn canonicalize(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    let path = path.as_ref().to_owned();
    in_background(move || fs::canonicalize(path)).await
}

/// Copies a file's content and permissions, and returns how many bytes it has. An existing file at
/// `to` is overwritten.
///
/// # Errors
/// If `from` is no file, or cannot be read, or `to` cannot be written.
pub async fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<u64> {
    let (from, to) = (from.as_ref().to_owned(), to.as_ref().to_owned());
    in_background(move || fs::copy(from, to)).await
}

/// Makes an empty directory.
///
/// # Errors
/// If it exists, or its parent does not.
pub async fn create_dir(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    in_background(move || fs::create_dir(path)).await
}

/// Makes a directory and those of its parents that are missing. One that exists is no error.
///
/// # Errors
/// If a part of the path exists and is no directory.
pub async fn create_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    in_background(move || fs::create_dir_all(path)).await
}

/// Gives a file a second name.
///
/// # Errors
/// If `original` does not exist or is on another file system, or `link` exists.
pub async fn hard_link(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    let (original, link) = (original.as_ref().to_owned(), link.as_ref().to_owned());
    in_background(move || fs::hard_link(original, link)).await
}

/// What the system knows about a file or directory. Follows links.
///
/// # Errors
/// If the path does not exist.
pub async fn metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    let path = path.as_ref().to_owned();
    in_background(move || fs::metadata(path)).await
}

/// The whole content of a file.
///
/// # Errors
/// If the path does not exist or is no file.
pub async fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let path = path.as_ref().to_owned();
    in_background(move || fs::read(path)).await
}

/// Where a symbolic link leads.
///
/// # Errors
/// If the path does not exist or is no symbolic link.
pub async fn read_link(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    let path = path.as_ref().to_owned();
    in_background(move || fs::read_link(path)).await
}

/// The whole content of a file that is text.
///
/// # Errors
/// If the path does not exist or is no file; if its content is not UTF-8
/// ([`InvalidData`](io::ErrorKind::InvalidData)).
pub async fn read_to_string(path: impl AsRef<Path>) -> io::Result<String> {
    let path = path.as_ref().to_owned();
    in_background(move || fs::read_to_string(path)).await
}

/// Removes an empty directory.
///
/// # Errors
/// If it does not exist, is no directory, or is not empty.
pub async fn remove_dir(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    in_background(move || fs::remove_dir(path)).await
}

/// Removes a directory with all that is in it. Of symbolic links it removes the link.
///
/// # Errors
/// If it does not exist, or something in it cannot be removed. Some of it may be gone then.
pub async fn remove_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    in_background(move || fs::remove_dir_all(path)).await
}

/// Removes a file. Its content goes when nobody has it open any more.
///
/// # Errors
/// If it does not exist or is a directory.
pub async fn remove_file(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    in_background(move || fs::remove_file(path)).await
}

/// Renames a file or directory. A file at `to` is replaced.
///
/// # Errors
/// If `from` does not exist, or `to` is on another file system.
pub async fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    let (from, to) = (from.as_ref().to_owned(), to.as_ref().to_owned());
    in_background(move || fs::rename(from, to)).await
}

/// Changes the permissions of a file or directory.
///
/// # Errors
/// If the path does not exist, or is another user's.
pub async fn set_permissions(path: impl AsRef<Path>, permissions: Permissions) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    in_background(move || fs::set_permissions(path, permissions)).await
}

/// Makes a symbolic link. What it leads to need not exist.
///
/// # Errors
/// If `link` exists.
#[cfg(unix)]
pub async fn symlink(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    let (original, link) = (original.as_ref().to_owned(), link.as_ref().to_owned());
    in_background(move || std::os::unix::fs::symlink(original, link)).await
}

/// Makes a symbolic link to a directory.
///
/// # Errors
/// If `link` exists, or the user may not make links.
#[cfg(windows)]
pub async fn symlink_dir(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    let (original, link) = (original.as_ref().to_owned(), link.as_ref().to_owned());
    in_background(move || std::os::windows::fs::symlink_dir(original, link)).await
}

/// Makes a symbolic link to a file.
///
/// # Errors
/// If `link` exists, or the user may not make links.
#[cfg(windows)]
pub async fn symlink_file(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    let (original, link) = (original.as_ref().to_owned(), link.as_ref().to_owned());
    in_background(move || std::os::windows::fs::symlink_file(original, link)).await
}

/// As [`metadata`], but of a symbolic link itself.
///
/// # Errors
/// If the path does not exist.
pub async fn symlink_metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    let path = path.as_ref().to_owned();
    in_background(move || fs::symlink_metadata(path)).await
}

/// Whether something exists at the path. Follows links.
///
/// # Errors
/// If that cannot be told, for example because a directory on the way may not be searched.
pub async fn try_exists(path: impl AsRef<Path>) -> io::Result<bool> {
    let path = path.as_ref().to_owned();
    in_background(move || fs::exists(path)).await
}

/// Makes `content` the whole content of a file, which is made if it does not exist.
///
/// # Errors
/// If the directory of the path does not exist, or the path is a directory, or there is no space
/// left.
pub async fn write(path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> io::Result<()> {
    let (path, content) = (path.as_ref().to_owned(), content.as_ref().to_owned());
    in_background(move || fs::write(path, content)).await
}
