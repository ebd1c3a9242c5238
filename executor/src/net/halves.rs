//! The halves of a stream, borrowed and owned, and how a stream or a half is an `AsyncRead` or an
//! `AsyncWrite`. TCP and Unix streams have the same ones, so they are written once.
//!
//! A stream type has the methods `poll_read_shared`, `poll_write_shared`,
//! `poll_write_vectored_shared` and `shut_down_writing`, which take `&self`: the two directions
//! have nothing in common, and each is used by one owner at a time.

/// Implements `AsyncRead` for a type; `$stream` finds the stream in it.
macro_rules! impl_async_read {
    ($type:ty, $stream:expr) => {
        impl $crate::io::AsyncRead for $type {
            fn poll_read(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buf: &mut $crate::io::ReadBuf<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                $stream(&self).poll_read_shared(cx, buf)
            }
        }
    };
}
pub(super) use impl_async_read;

/// Implements `AsyncWrite` for a type; `$stream` finds the stream in it, and `$after_shutdown` is
/// called with it when the writing direction was ended.
macro_rules! impl_async_write {
    ($type:ty, $stream:expr, $after_shutdown:expr) => {
        impl $crate::io::AsyncWrite for $type {
            fn poll_write(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buf: &[u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                $stream(&self).poll_write_shared(cx, buf)
            }

            fn poll_write_vectored(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                bufs: &[std::io::IoSlice<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                $stream(&self).poll_write_vectored_shared(cx, bufs)
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            /// There is nothing to flush: what was written is the kernel's.
            fn poll_flush(
                self: std::pin::Pin<&mut Self>,
                _cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::task::Poll::Ready(Ok(()))
            }

            fn poll_shutdown(
                mut self: std::pin::Pin<&mut Self>,
                _cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                let result = $stream(&self).shut_down_writing();
                if result.is_ok() {
                    $after_shutdown(&mut *self);
                }
                std::task::Poll::Ready(result)
            }
        }
    };
}
pub(super) use impl_async_write;

/// The methods of a reading half; `self.stream()` finds the stream.
macro_rules! read_half_methods {
    ($addr:ty) => {
        /// Waits until the stream is ready for a part of `interest`, and says for which.
        ///
        /// # Errors
        /// If the runtime has shut down.
        pub async fn ready(
            &self,
            interest: $crate::io::Interest,
        ) -> std::io::Result<$crate::io::Ready> {
            self.stream().ready(interest).await
        }

        /// Waits until there is something to read, or the end of it.
        ///
        /// # Errors
        /// If the runtime has shut down.
        pub async fn readable(&self) -> std::io::Result<()> {
            self.stream().readable().await
        }

        /// Reads what is there. `Ok(0)`: the end, or `buf` is empty.
        ///
        /// # Errors
        /// `WouldBlock` if there is nothing; others of the system; and if the runtime has shut
        /// down.
        pub fn try_read(&self, buf: &mut [u8]) -> std::io::Result<usize> {
            self.stream().try_read(buf)
        }

        /// As [`try_read`](Self::try_read), into several buffers, one after the other.
        ///
        /// # Errors
        /// As for [`try_read`](Self::try_read).
        pub fn try_read_vectored(
            &self,
            bufs: &mut [std::io::IoSliceMut<'_>],
        ) -> std::io::Result<usize> {
            self.stream().try_read_vectored(bufs)
        }

        /// As [`try_read`](Self::try_read), into the free space of `buf`, which need not be
        /// initialised.
        ///
        /// # Errors
        /// As for [`try_read`](Self::try_read).
        pub fn try_read_buf<B: bytes::BufMut>(&self, buf: &mut B) -> std::io::Result<usize> {
            self.stream().try_read_buf(buf)
        }

        $crate::net::halves::half_methods!($addr);
    };
}
pub(super) use read_half_methods;

/// The methods of a writing half; `self.stream()` finds the stream.
macro_rules! write_half_methods {
    ($addr:ty) => {
        /// Waits until the stream is ready for a part of `interest`, and says for which.
        ///
        /// # Errors
        /// If the runtime has shut down.
        pub async fn ready(
            &self,
            interest: $crate::io::Interest,
        ) -> std::io::Result<$crate::io::Ready> {
            self.stream().ready(interest).await
        }

        /// Waits until there is room to write, or writing is over.
        ///
        /// # Errors
        /// If the runtime has shut down.
        pub async fn writable(&self) -> std::io::Result<()> {
            self.stream().writable().await
        }

        /// Writes as much as there is room for; returns how much that was.
        ///
        /// # Errors
        /// `WouldBlock` if there is no room; others of the system; and if the runtime has shut
        /// down.
        pub fn try_write(&self, buf: &[u8]) -> std::io::Result<usize> {
            self.stream().try_write(buf)
        }

        /// As [`try_write`](Self::try_write), from several buffers, one after the other.
        ///
        /// # Errors
        /// As for [`try_write`](Self::try_write).
        pub fn try_write_vectored(&self, bufs: &[std::io::IoSlice<'_>]) -> std::io::Result<usize> {
            self.stream().try_write_vectored(bufs)
        }

        $crate::net::halves::half_methods!($addr);
    };
}
pub(super) use write_half_methods;

/// The methods of both halves.
macro_rules! half_methods {
    ($addr:ty) => {
        /// The address of the other end.
        ///
        /// # Errors
        /// Those of the system.
        pub fn peer_addr(&self) -> std::io::Result<$addr> {
            self.stream().peer_addr()
        }

        /// The address of this end.
        ///
        /// # Errors
        /// Those of the system.
        pub fn local_addr(&self) -> std::io::Result<$addr> {
            self.stream().local_addr()
        }
    };
}
pub(super) use half_methods;

/// Defines `ReadHalf` and `WriteHalf`, which borrow the stream.
macro_rules! borrowed_halves {
    ($stream:ident, $addr:ty) => {
        /// The reading half of a stream that was taken apart by
        #[doc = concat!("[`", stringify!($stream), "::split`].")]
        #[derive(Debug)]
        pub struct ReadHalf<'a>(pub(super) &'a $stream);

        /// The writing half of a stream that was taken apart by
        #[doc = concat!("[`", stringify!($stream), "::split`].")]
        ///
        /// `AsyncWriteExt::shutdown` ends the writing direction; dropping the half does not.
        #[derive(Debug)]
        pub struct WriteHalf<'a>(pub(super) &'a $stream);

        impl ReadHalf<'_> {
            fn stream(&self) -> &$stream {
                self.0
            }

            $crate::net::halves::read_half_methods!($addr);
        }

        impl WriteHalf<'_> {
            fn stream(&self) -> &$stream {
                self.0
            }

            $crate::net::halves::write_half_methods!($addr);
        }

        impl AsRef<$stream> for ReadHalf<'_> {
            fn as_ref(&self) -> &$stream {
                self.0
            }
        }

        impl AsRef<$stream> for WriteHalf<'_> {
            fn as_ref(&self) -> &$stream {
                self.0
            }
        }

        $crate::net::halves::impl_async_read!(ReadHalf<'_>, ReadHalf::stream);
        $crate::net::halves::impl_async_write!(
            WriteHalf<'_>,
            WriteHalf::stream,
            |_: &mut WriteHalf<'_>| {}
        );
    };
}
pub(super) use borrowed_halves;

/// Defines `OwnedReadHalf`, `OwnedWriteHalf` and `ReuniteError`.
macro_rules! owned_halves {
    ($stream:ident, $addr:ty) => {
        /// The reading half of a stream that was taken apart by
        #[doc = concat!("[`", stringify!($stream), "::into_split`].")]
        #[derive(Debug)]
        pub struct OwnedReadHalf {
            stream: std::sync::Arc<$stream>,
        }

        /// The writing half of a stream that was taken apart by
        #[doc = concat!("[`", stringify!($stream), "::into_split`].")]
        ///
        /// Dropping it ends the writing direction; see [`forget`](Self::forget).
        #[derive(Debug)]
        pub struct OwnedWriteHalf {
            stream: std::sync::Arc<$stream>,
            ends_on_drop: bool,
        }

        /// The halves are not those of one stream. They are in it.
        #[derive(Debug)]
        pub struct ReuniteError(pub OwnedReadHalf, pub OwnedWriteHalf);

        impl std::fmt::Display for ReuniteError {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the halves do not belong to the same socket")
            }
        }

        impl std::error::Error for ReuniteError {}

        pub(super) fn split_owned(stream: $stream) -> (OwnedReadHalf, OwnedWriteHalf) {
            let stream = std::sync::Arc::new(stream);
            let read = OwnedReadHalf { stream: stream.clone() };
            (read, OwnedWriteHalf { stream, ends_on_drop: true })
        }

        fn reunite(read: OwnedReadHalf, write: OwnedWriteHalf) -> Result<$stream, ReuniteError> {
            if !std::sync::Arc::ptr_eq(&read.stream, &write.stream) {
                return Err(ReuniteError(read, write));
            }
            write.forget();
            let stream = std::sync::Arc::into_inner(read.stream);
            Ok(stream.expect("a stream has two halves, and both are here"))
        }

        impl OwnedReadHalf {
            fn stream(&self) -> &$stream {
                &self.stream
            }

            /// Puts the stream together again.
            ///
            /// # Errors
            /// If `other` is not the other half of the same stream.
            pub fn reunite(self, other: OwnedWriteHalf) -> Result<$stream, ReuniteError> {
                reunite(self, other)
            }

            $crate::net::halves::read_half_methods!($addr);
        }

        impl OwnedWriteHalf {
            fn stream(&self) -> &$stream {
                &self.stream
            }

            /// Puts the stream together again.
            ///
            /// # Errors
            /// If `other` is not the other half of the same stream.
            pub fn reunite(self, other: OwnedReadHalf) -> Result<$stream, ReuniteError> {
                reunite(other, self)
            }

            /// Drops the half without ending the writing direction: that ends with the stream,
            /// when the other half is dropped.
            pub fn forget(mut self) {
                self.ends_on_drop = false;
            }

            $crate::net::halves::write_half_methods!($addr);
        }

        impl Drop for OwnedWriteHalf {
            fn drop(&mut self) {
                if self.ends_on_drop {
                    // There is nobody to tell; the connection has ended already then.
                    drop(self.stream.shut_down_writing());
                }
            }
        }

        impl AsRef<$stream> for OwnedReadHalf {
            fn as_ref(&self) -> &$stream {
                &self.stream
            }
        }

        impl AsRef<$stream> for OwnedWriteHalf {
            fn as_ref(&self) -> &$stream {
                &self.stream
            }
        }

        $crate::net::halves::impl_async_read!(OwnedReadHalf, OwnedReadHalf::stream);
        $crate::net::halves::impl_async_write!(
            OwnedWriteHalf,
            OwnedWriteHalf::stream,
            |half: &mut OwnedWriteHalf| half.ends_on_drop = false
        );
    };
}
pub(super) use owned_halves;
