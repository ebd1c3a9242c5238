//! The halves of a `UnixStream` that own it together.

use super::{SocketAddr, UnixStream};

crate::net::halves::owned_halves!(UnixStream, SocketAddr);
