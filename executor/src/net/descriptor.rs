//! What a socket is to the operating system.

use std::io;

/// Implements the traits that lend the descriptor, or on Windows the socket, of a field.
macro_rules! lends_descriptor {
    ($type:ty, $field:ident) => {
        #[cfg(unix)]
        impl std::os::fd::AsRawFd for $type {
            fn as_raw_fd(&self) -> std::os::fd::RawFd {
                self.$field.as_raw_fd()
            }
        }

        #[cfg(unix)]
        impl std::os::fd::AsFd for $type {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                self.$field.as_fd()
            }
        }

        #[cfg(windows)]
        impl std::os::windows::io::AsRawSocket for $type {
            fn as_raw_socket(&self) -> std::os::windows::io::RawSocket {
                self.$field.as_raw_socket()
            }
        }

        #[cfg(windows)]
        impl std::os::windows::io::AsSocket for $type {
            fn as_socket(&self) -> std::os::windows::io::BorrowedSocket<'_> {
                self.$field.as_socket()
            }
        }
    };
}
pub(super) use lends_descriptor;

/// Implements the way from and to a type of std's, for a struct with a `PollEvented` called `io`.
macro_rules! converts_to_std {
    ($type:ident, $mio:ty, $std:ty) => {
        impl $type {
            /// Takes over a socket of std's, which has to be in non-blocking mode.
            ///
            /// # Errors
            /// Those of the system, and if the runtime has shut down.
            ///
            /// # Panics
            /// Outside a runtime; and, in a build with debug assertions, for a socket in blocking
            /// mode.
            #[track_caller]
            pub fn from_std(socket: $std) -> std::io::Result<Self> {
                $crate::net::descriptor::assert_non_blocking(&socket)?;
                Self::from_mio(<$mio>::from_std(socket))
            }

            /// Leaves the runtime. The socket stays in non-blocking mode.
            ///
            /// # Errors
            /// Those of the system.
            pub fn into_std(self) -> std::io::Result<$std> {
                self.io.into_inner().map(<$std>::from)
            }
        }

        /// See [`from_std`](
        #[doc = concat!(stringify!($type), "::from_std).")]
        impl TryFrom<$std> for $type {
            type Error = std::io::Error;

            fn try_from(socket: $std) -> std::io::Result<Self> {
                Self::from_std(socket)
            }
        }

        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Debug::fmt(&self.io, f)
            }
        }
    };
}
pub(super) use converts_to_std;

/// A socket in blocking mode would stop the worker thread at its first attempt.
#[cfg(unix)]
#[track_caller]
pub(super) fn assert_non_blocking(socket: &impl std::os::fd::AsFd) -> io::Result<()> {
    if cfg!(debug_assertions) {
        assert!(
            socket2::SockRef::from(socket).nonblocking()?,
            "a socket in blocking mode was given to a preempt runtime, whose worker threads it \
             would block; call `set_nonblocking(true)` on it first"
        );
    }
    Ok(())
}

/// Windows does not tell the mode of a socket.
#[cfg(not(unix))]
pub(super) fn assert_non_blocking<S>(_socket: &S) -> io::Result<()> {
    Ok(())
}
