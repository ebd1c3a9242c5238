//! The runtimes that are compared, behind one trait: what a row is measured on is its only difference.

use std::cell::RefCell;
use std::fmt::Debug;
use std::future::{Future, pending};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt};

/// Any free port.
const LOCALHOST: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

/// A runtime with so many workers. Associated functions are for its own tasks.
pub(crate) trait Peer: Send + Sync + 'static {
    const NAME: &'static str;
    type Join<T: Send + 'static>: Future<Output = T> + Send + Unpin + 'static;
    type Listener: Send + 'static;
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    fn new(workers: usize) -> Self;
    fn block_on<F: Future>(&self, future: F) -> F::Output;
    fn spawn_from_outside<F>(&self, future: F) -> Self::Join<F::Output>
    where
        F: Future<Output: Send> + Send + 'static;

    fn spawn<F>(future: F) -> Self::Join<F::Output>
    where
        F: Future<Output: Send> + Send + 'static;
    fn spawn_blocking<F, T>(work: F) -> Self::Join<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static;
    /// The task goes on without its handle.
    fn detach<T: Send + 'static>(task: Self::Join<T>);
    /// The task is cancelled.
    fn abort<T: Send + 'static>(task: Self::Join<T>);
    fn yield_now() -> impl Future<Output = ()> + Send;
    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send + 'static;
    fn sleep_until(due: Instant) -> impl Future<Output = ()> + Send + 'static;
    /// `None`: the time was over first.
    fn timeout<F>(limit: Duration, future: F) -> impl Future<Output = Option<F::Output>> + Send
    where
        F: Future<Output: Send> + Send;

    /// On a free port of this machine.
    fn listen() -> impl Future<Output = io::Result<(Self::Listener, SocketAddr)>> + Send;
    /// Small packets are not held back.
    fn accept(
        listener: &mut Self::Listener,
    ) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// In a task of its own, whose value is returned.
    fn run<F>(&self, future: F) -> F::Output
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let task = self.spawn_from_outside(future);
        self.block_on(task)
    }
}

/// A handle whose task does not panic.
pub(crate) struct Joined<H>(H);

impl<T, E: Debug, H: Future<Output = Result<T, E>> + Unpin> Future for Joined<H> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        Pin::new(&mut self.0).poll(cx).map(|result| result.expect("no panic"))
    }
}

/// Both have the same names.
macro_rules! peer_of_tokios_shape {
    ($peer:ident, $name:literal, $root:ident, $builder:expr) => {
        pub(crate) struct $peer($root::runtime::Runtime);

        impl Peer for $peer {
            const NAME: &'static str = $name;
            type Join<T: Send + 'static> = Joined<$root::task::JoinHandle<T>>;
            type Listener = $root::net::TcpListener;
            type Stream = $root::net::TcpStream;

            fn new(workers: usize) -> Self {
                $peer($builder.worker_threads(workers).build().expect("a runtime"))
            }

            fn block_on<F: Future>(&self, future: F) -> F::Output {
                self.0.block_on(future)
            }

            fn spawn_from_outside<F>(&self, future: F) -> Self::Join<F::Output>
            where
                F: Future<Output: Send> + Send + 'static,
            {
                Joined(self.0.spawn(future))
            }

            fn spawn<F>(future: F) -> Self::Join<F::Output>
            where
                F: Future<Output: Send> + Send + 'static,
            {
                Joined($root::spawn(future))
            }

            fn spawn_blocking<F, T>(work: F) -> Self::Join<T>
            where
                F: FnOnce() -> T + Send + 'static,
                T: Send + 'static,
            {
                Joined($root::task::spawn_blocking(work))
            }

            fn detach<T: Send + 'static>(task: Self::Join<T>) {
                drop(task);
            }

            fn abort<T: Send + 'static>(task: Self::Join<T>) {
                task.0.abort();
            }

            fn yield_now() -> impl Future<Output = ()> + Send {
                $root::task::yield_now()
            }

            fn sleep(duration: Duration) -> impl Future<Output = ()> + Send + 'static {
                $root::time::sleep(duration)
            }

            fn sleep_until(due: Instant) -> impl Future<Output = ()> + Send + 'static {
                $root::time::sleep_until($root::time::Instant::from_std(due))
            }

            async fn timeout<F>(limit: Duration, future: F) -> Option<F::Output>
            where
                F: Future<Output: Send> + Send,
            {
                $root::time::timeout(limit, future).await.ok()
            }

            async fn listen() -> io::Result<(Self::Listener, SocketAddr)> {
                let listener = $root::net::TcpListener::bind(LOCALHOST).await?;
                let addr = listener.local_addr()?;
                Ok((listener, addr))
            }

            async fn accept(listener: &mut Self::Listener) -> io::Result<Self::Stream> {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(stream)
            }
        }
    };
}

peer_of_tokios_shape!(Preempt, "preempt", preempt, preempt::runtime::Builder::new_multi_thread());
peer_of_tokios_shape!(
    Tokio,
    "tokio",
    tokio,
    tokio::runtime::Builder::new_multi_thread().enable_all()
);

type Executor = Arc<smol::Executor<'static>>;

thread_local! {
    /// The executor of this worker.
    static EXECUTOR: RefCell<Option<Executor>> = const { RefCell::new(None) };
}

/// An executor of smol's with threads of its own.
pub(crate) struct Smol {
    executor: Executor,
    workers: Vec<thread::JoinHandle<()>>,
    stop: smol::channel::Sender<()>,
}

impl Peer for Smol {
    const NAME: &'static str = "smol";
    type Join<T: Send + 'static> = smol::Task<T>;
    type Listener = smol::net::TcpListener;
    type Stream = Compat<smol::net::TcpStream>;

    fn new(workers: usize) -> Self {
        let executor = Executor::default();
        let (stop, stopped) = smol::channel::unbounded::<()>();
        let worker = || {
            let (executor, stopped) = (executor.clone(), stopped.clone());
            thread::spawn(move || {
                EXECUTOR.set(Some(executor.clone()));
                // An error: the sender is gone, so it is time to stop.
                let _ = smol::block_on(executor.run(stopped.recv()));
            })
        };
        let workers = (0..workers).map(|_| worker()).collect();
        Smol { executor, workers, stop }
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        smol::block_on(future)
    }

    fn spawn_from_outside<F>(&self, future: F) -> Self::Join<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.executor.spawn(future)
    }

    fn spawn<F>(future: F) -> Self::Join<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        EXECUTOR.with_borrow(|executor| executor.as_ref().expect("a worker").spawn(future))
    }

    fn spawn_blocking<F, T>(work: F) -> Self::Join<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        smol::unblock(work)
    }

    fn detach<T: Send + 'static>(task: Self::Join<T>) {
        task.detach();
    }

    fn abort<T: Send + 'static>(task: Self::Join<T>) {
        drop(task);
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        smol::future::yield_now()
    }

    async fn sleep(duration: Duration) {
        smol::Timer::after(duration).await;
    }

    async fn sleep_until(due: Instant) {
        smol::Timer::at(due).await;
    }

    async fn timeout<F>(limit: Duration, future: F) -> Option<F::Output>
    where
        F: Future<Output: Send> + Send,
    {
        let over = async {
            smol::Timer::after(limit).await;
            None
        };
        smol::future::or(async { Some(future.await) }, over).await
    }

    async fn listen() -> io::Result<(Self::Listener, SocketAddr)> {
        let listener = smol::net::TcpListener::bind(LOCALHOST).await?;
        let addr = listener.local_addr()?;
        Ok((listener, addr))
    }

    async fn accept(listener: &mut Self::Listener) -> io::Result<Self::Stream> {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok(stream.compat())
    }
}

impl Drop for Smol {
    fn drop(&mut self) {
        self.stop.close();
        self.workers.drain(..).for_each(|worker| worker.join().expect("no panic"));
    }
}

/// A task that never ends of itself.
pub(crate) async fn idle() {
    pending().await
}
