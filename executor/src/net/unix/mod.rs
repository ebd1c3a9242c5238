//! Unix sockets and pipes.

mod datagram;
mod listener;
pub mod pipe;
mod socket;
mod socketaddr;
mod split;
mod split_owned;
mod stream;
mod ucred;

pub use datagram::UnixDatagram;
pub use listener::UnixListener;
pub use socket::UnixSocket;
pub use socketaddr::SocketAddr;
pub use split::{ReadHalf, WriteHalf};
pub use split_owned::{OwnedReadHalf, OwnedWriteHalf, ReuniteError};
pub use stream::UnixStream;
pub use ucred::UCred;

/// The number of a user.
#[expect(non_camel_case_types, reason = "the name that the system gives it")]
pub type uid_t = u32;

/// The number of a group.
#[expect(non_camel_case_types, reason = "the name that the system gives it")]
pub type gid_t = u32;

/// The number of a process.
#[expect(non_camel_case_types, reason = "the name that the system gives it")]
pub type pid_t = i32;
