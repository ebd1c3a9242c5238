//! The halves of a `TcpStream` that own it together.

use super::TcpStream;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use tokio::io::ReadBuf;

crate::net::halves::owned_halves!(TcpStream, SocketAddr);

impl OwnedReadHalf {
    /// See [`TcpStream::peek`].
    ///
    /// # Errors
    /// As for [`TcpStream::peek`].
    pub async fn peek(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.stream.peek(buf).await
    }

    /// See [`TcpStream::poll_peek`].
    ///
    /// # Errors
    /// As for [`TcpStream::peek`].
    pub fn poll_peek(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        self.stream.poll_peek(cx, buf)
    }
}
