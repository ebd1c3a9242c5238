//! Methods that several sockets have. Each macro is used inside an `impl` block of a struct whose
//! field `io` is a `PollEvented` of a `Socket` (`attempt.rs`).

/// Waiting for readiness, and attempts of the user's own.
macro_rules! readiness_methods {
    () => {
        /// Waits until the socket is ready for a part of `interest`, and says for which. Any
        /// number of tasks may wait at the same time.
        ///
        /// The attempt that follows may still return `WouldBlock`, as readiness is what was last
        /// known.
        ///
        /// # Errors
        /// If the runtime has shut down.
        pub async fn ready(
            &self,
            interest: $crate::io::Interest,
        ) -> std::io::Result<$crate::io::Ready> {
            Ok(self.io.registration().readiness(interest).await?.ready)
        }

        /// Waits until there is something to read, or the end of it. Any number of tasks may wait
        /// at the same time.
        ///
        /// # Errors
        /// If the runtime has shut down.
        pub async fn readable(&self) -> std::io::Result<()> {
            self.ready($crate::io::Interest::READABLE).await.map(drop)
        }

        /// Waits until there is room to write, or writing is over. Any number of tasks may wait at
        /// the same time.
        ///
        /// # Errors
        /// If the runtime has shut down.
        pub async fn writable(&self) -> std::io::Result<()> {
            self.ready($crate::io::Interest::WRITABLE).await.map(drop)
        }

        /// Calls `f` once if the socket is known to be ready for a part of `interest`. If `f`
        /// returns `WouldBlock` the readiness is taken back, so `f` must return that only if an
        /// operation on this socket did, and only one that `interest` is about.
        ///
        /// # Errors
        /// Those of `f`; `WouldBlock` if the socket is not ready; and if the runtime has shut down.
        pub fn try_io<R>(
            &self,
            interest: $crate::io::Interest,
            f: impl FnOnce() -> std::io::Result<R>,
        ) -> std::io::Result<R> {
            self.io.registration().try_io(interest, || self.io.try_io(f))
        }

        /// Calls `f` whenever the socket is ready for a part of `interest`, until it does not
        /// return `WouldBlock`; see [`try_io`](Self::try_io) for what that has to mean.
        ///
        /// # Errors
        /// Those of `f`, and if the runtime has shut down.
        ///
        /// # Cancellation
        /// It waits only before it calls `f`.
        pub async fn async_io<R>(
            &self,
            interest: $crate::io::Interest,
            mut f: impl FnMut() -> std::io::Result<R>,
        ) -> std::io::Result<R> {
            self.io.registration().async_io(interest, || self.io.try_io(&mut f)).await
        }
    };
}
pub(super) use readiness_methods;

/// Reading and writing a stream without waiting.
macro_rules! stream_methods {
    () => {
        /// Waits until there is something to read, or the end of it.
        ///
        /// Only the task that called this, or `poll_read`, last is woken.
        ///
        /// # Errors
        /// If the runtime has shut down.
        pub fn poll_read_ready(
            &self,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            self.io.registration().poll_read_ready(cx).map_ok(drop)
        }

        /// Waits until there is room to write, or writing is over.
        ///
        /// Only the task that called this, or `poll_write`, last is woken.
        ///
        /// # Errors
        /// If the runtime has shut down.
        pub fn poll_write_ready(
            &self,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            self.io.registration().poll_write_ready(cx).map_ok(drop)
        }

        /// Reads what is there. `Ok(0)`: the end, or `buf` is empty.
        ///
        /// # Errors
        /// `WouldBlock` if there is nothing; others of the system; and if the runtime has shut
        /// down.
        pub fn try_read(&self, buf: &mut [u8]) -> std::io::Result<usize> {
            let read = || std::io::Read::read(&mut &*self.io, buf);
            self.io.registration().try_io($crate::net::attempt::READ, read)
        }

        /// As [`try_read`](Self::try_read), into several buffers, one after the other.
        ///
        /// # Errors
        /// As for [`try_read`](Self::try_read).
        pub fn try_read_vectored(
            &self,
            bufs: &mut [std::io::IoSliceMut<'_>],
        ) -> std::io::Result<usize> {
            let read = || std::io::Read::read_vectored(&mut &*self.io, bufs);
            self.io.registration().try_io($crate::net::attempt::READ, read)
        }

        /// As [`try_read`](Self::try_read), into the free space of `buf`, which need not be
        /// initialised.
        ///
        /// # Errors
        /// As for [`try_read`](Self::try_read).
        pub fn try_read_buf<B: bytes::BufMut>(&self, buf: &mut B) -> std::io::Result<usize> {
            use $crate::net::attempt;
            let read = || attempt::into_buf_mut(buf, |buf| attempt::recv(&*self.io, buf));
            self.io.registration().try_io(attempt::READ, read).map(|(n, ())| n)
        }

        /// Writes as much as there is room for; returns how much that was.
        ///
        /// # Errors
        /// `WouldBlock` if there is no room; others of the system; and if the runtime has shut
        /// down.
        pub fn try_write(&self, buf: &[u8]) -> std::io::Result<usize> {
            let write = || std::io::Write::write(&mut &*self.io, buf);
            self.io.registration().try_io($crate::net::attempt::WRITE, write)
        }

        /// As [`try_write`](Self::try_write), from several buffers, one after the other.
        ///
        /// # Errors
        /// As for [`try_write`](Self::try_write).
        pub fn try_write_vectored(&self, bufs: &[std::io::IoSlice<'_>]) -> std::io::Result<usize> {
            let write = || std::io::Write::write_vectored(&mut &*self.io, bufs);
            self.io.registration().try_io($crate::net::attempt::WRITE, write)
        }
    };
}
pub(super) use stream_methods;

/// Sending to and receiving from a connected peer, a datagram at a time.
macro_rules! datagram_methods {
    () => {
        /// Waits until there is room to send.
        ///
        /// Only the task that called this, or another `poll_send*` method, last is woken.
        ///
        /// # Errors
        /// If the runtime has shut down.
        pub fn poll_send_ready(
            &self,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            self.io.registration().poll_write_ready(cx).map_ok(drop)
        }

        /// Waits until there is something to receive.
        ///
        /// Only the task that called this, or another `poll_recv*` or `poll_peek*` method, last is
        /// woken.
        ///
        /// # Errors
        /// If the runtime has shut down.
        pub fn poll_recv_ready(
            &self,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            self.io.registration().poll_read_ready(cx).map_ok(drop)
        }

        /// Sends a datagram to the peer that the socket is connected to.
        ///
        /// # Errors
        /// Those of the system, for example if it is not connected; also those of an earlier
        /// datagram. If the runtime has shut down.
        pub async fn send(&self, buf: &[u8]) -> std::io::Result<usize> {
            let send = || self.io.send(buf);
            self.io.registration().async_io($crate::net::attempt::WRITE, send).await
        }

        /// As [`send`](Self::send), as a poll. Only the task that called last is woken.
        ///
        /// # Errors
        /// As for [`send`](Self::send).
        pub fn poll_send(
            &self,
            cx: &mut std::task::Context<'_>,
            buf: &[u8],
        ) -> std::task::Poll<std::io::Result<usize>> {
            let direction = $crate::netpoll::scheduled_io::Direction::Write;
            self.io.registration().poll_io(cx, direction, |_| self.io.send(buf))
        }

        /// As [`send`](Self::send), without waiting.
        ///
        /// # Errors
        /// `WouldBlock` if there is no room, and those of [`send`](Self::send).
        pub fn try_send(&self, buf: &[u8]) -> std::io::Result<usize> {
            let send = || self.io.send(buf);
            self.io.registration().try_io($crate::net::attempt::WRITE, send)
        }

        /// Receives a datagram from the peer that the socket is connected to. What does not fit
        /// into `buf` is lost.
        ///
        /// # Errors
        /// Those of the system, also what became of a datagram that was sent. If the runtime has
        /// shut down.
        pub async fn recv(&self, buf: &mut [u8]) -> std::io::Result<usize> {
            let recv = || self.io.recv(buf);
            self.io.registration().async_io($crate::net::attempt::READ, recv).await
        }

        /// As [`recv`](Self::recv), as a poll. Only the task that called last is woken.
        ///
        /// # Errors
        /// As for [`recv`](Self::recv).
        pub fn poll_recv(
            &self,
            cx: &mut std::task::Context<'_>,
            buf: &mut $crate::io::ReadBuf<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            let direction = $crate::netpoll::scheduled_io::Direction::Read;
            let recv = |_| $crate::net::attempt::recv(&*self.io, buf);
            self.io.registration().poll_io(cx, direction, recv)
        }

        /// As [`recv`](Self::recv), without waiting.
        ///
        /// # Errors
        /// `WouldBlock` if there is nothing, and those of [`recv`](Self::recv).
        pub fn try_recv(&self, buf: &mut [u8]) -> std::io::Result<usize> {
            let recv = || self.io.recv(buf);
            self.io.registration().try_io($crate::net::attempt::READ, recv)
        }

        /// As [`try_recv`](Self::try_recv), into the free space of `buf`, which need not be
        /// initialised.
        ///
        /// # Errors
        /// As for [`try_recv`](Self::try_recv).
        pub fn try_recv_buf<B: bytes::BufMut>(&self, buf: &mut B) -> std::io::Result<usize> {
            use $crate::net::attempt;
            let recv = || attempt::into_buf_mut(buf, |buf| attempt::recv(&*self.io, buf));
            self.io.registration().try_io(attempt::READ, recv).map(|(n, ())| n)
        }

        /// As [`recv`](Self::recv), into the free space of `buf`, which need not be initialised.
        ///
        /// # Errors
        /// As for [`recv`](Self::recv).
        pub async fn recv_buf<B: bytes::BufMut>(&self, buf: &mut B) -> std::io::Result<usize> {
            use $crate::net::attempt;
            let recv = || attempt::into_buf_mut(buf, |buf| attempt::recv(&*self.io, buf));
            self.io.registration().async_io(attempt::READ, recv).await.map(|(n, ())| n)
        }

        /// What became of what was sent, if it is an error that nobody has been told of yet.
        ///
        /// # Errors
        /// Those of the system.
        pub fn take_error(&self) -> std::io::Result<Option<std::io::Error>> {
            self.io.take_error()
        }
    };
}
pub(super) use datagram_methods;
