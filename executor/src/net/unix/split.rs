//! The halves of a `UnixStream` that borrow it.

use super::{SocketAddr, UnixStream};

crate::net::halves::borrowed_halves!(UnixStream, SocketAddr);
