//! From names to addresses. Names are resolved by the system's resolver, which blocks, on the
//! pool for blocking code; what is an address already never goes there.

use crate::runtime::Handle;
use crate::task::JoinHandle;
use sealed::{Internal, Resolve};
use std::future::{self, Future};
use std::io;
use std::net::{self, IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::{option, vec};

/// What names one or more socket addresses: an address, a pair of host and port, a string
/// `host:port`, a slice of addresses.
///
/// For the functions of this module to take; [`lookup_host`] resolves it by itself. A string that
/// is an address is never looked up, and needs no runtime. Sealed.
pub trait ToSocketAddrs: Resolve {}

/// Resolves a host.
///
/// # Errors
/// Those of the system's resolver, and if the runtime shuts down.
///
/// # Panics
/// For a name outside a runtime.
///
/// # Cancellation
/// A look-up that has begun goes on on its thread; its result is dropped.
pub async fn lookup_host<T>(host: T) -> io::Result<impl Iterator<Item = SocketAddr>>
where
    T: ToSocketAddrs,
{
    resolve(host).await
}

/// What `addr` names.
pub(super) fn resolve<T: ToSocketAddrs>(addr: T) -> T::Resolving {
    addr.resolve(Internal)
}

/// The first success among what `addr` names, or the last error.
pub(super) async fn first_of<T: ToSocketAddrs, R>(
    addr: T,
    mut attempt: impl FnMut(SocketAddr) -> io::Result<R>,
) -> io::Result<R> {
    let mut result = Err(no_address());
    for addr in resolve(addr).await? {
        result = attempt(addr);
        if result.is_ok() {
            break;
        }
    }
    result
}

/// For a name that names nothing.
pub(super) fn no_address() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "the name resolves to no address")
}

mod sealed {
    use super::{Future, SocketAddr, io};

    /// Nobody else can name it, so nobody else can call `resolve`.
    #[expect(missing_debug_implementations, reason = "not reachable")]
    pub struct Internal;

    pub trait Resolve {
        type Addresses: Iterator<Item = SocketAddr> + Send + 'static;
        type Resolving: Future<Output = io::Result<Self::Addresses>> + Send + 'static;

        fn resolve(&self, internal: Internal) -> Self::Resolving;
    }
}

type One = option::IntoIter<SocketAddr>;
type Many = vec::IntoIter<SocketAddr>;

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {}

impl<T: Resolve + ?Sized> Resolve for &T {
    type Addresses = T::Addresses;
    type Resolving = T::Resolving;

    fn resolve(&self, internal: Internal) -> Self::Resolving {
        (**self).resolve(internal)
    }
}

/// What is one address.
macro_rules! one_address {
    ($($type:ty),+ $(,)?) => {$(
        impl ToSocketAddrs for $type {}

        impl Resolve for $type {
            type Addresses = One;
            type Resolving = future::Ready<io::Result<One>>;

            fn resolve(&self, _internal: Internal) -> Self::Resolving {
                future::ready(Ok(Some(SocketAddr::from(*self)).into_iter()))
            }
        }
    )+};
}

one_address!(
    SocketAddr,
    SocketAddrV4,
    SocketAddrV6,
    (IpAddr, u16),
    (Ipv4Addr, u16),
    (Ipv6Addr, u16),
);

impl ToSocketAddrs for &[SocketAddr] {}

impl Resolve for &[SocketAddr] {
    type Addresses = Many;
    type Resolving = future::Ready<io::Result<Many>>;

    fn resolve(&self, _internal: Internal) -> Self::Resolving {
        future::ready(Ok(Vec::from(*self).into_iter()))
    }
}

impl ToSocketAddrs for str {}

impl Resolve for str {
    type Addresses = Addresses;
    type Resolving = Resolving;

    fn resolve(&self, _internal: Internal) -> Resolving {
        match self.parse::<SocketAddr>() {
            Ok(addr) => Resolving::Known(addr),
            Err(_) => Resolving::look_up(self.to_owned()),
        }
    }
}

impl ToSocketAddrs for (&str, u16) {}

impl Resolve for (&str, u16) {
    type Addresses = Addresses;
    type Resolving = Resolving;

    fn resolve(&self, _internal: Internal) -> Resolving {
        let (host, port) = *self;
        match host.parse::<IpAddr>() {
            Ok(ip) => Resolving::Known(SocketAddr::new(ip, port)),
            Err(_) => Resolving::look_up((host.to_owned(), port)),
        }
    }
}

impl ToSocketAddrs for String {}

impl Resolve for String {
    type Addresses = Addresses;
    type Resolving = Resolving;

    fn resolve(&self, internal: Internal) -> Resolving {
        self.as_str().resolve(internal)
    }
}

impl ToSocketAddrs for (String, u16) {}

impl Resolve for (String, u16) {
    type Addresses = Addresses;
    type Resolving = Resolving;

    fn resolve(&self, internal: Internal) -> Resolving {
        (self.0.as_str(), self.1).resolve(internal)
    }
}

/// A string on its way to addresses.
#[derive(Debug)]
pub enum Resolving {
    /// It was an address.
    Known(SocketAddr),
    /// The resolver has it.
    LookedUp(JoinHandle<io::Result<Many>>),
}

impl Resolving {
    fn look_up(name: impl net::ToSocketAddrs<Iter = Many> + Send + 'static) -> Self {
        Resolving::LookedUp(Handle::current().spawn_blocking(move || name.to_socket_addrs()))
    }
}

impl Future for Resolving {
    type Output = io::Result<Addresses>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match &mut *self {
            Resolving::Known(addr) => Ok(Addresses::One(Some(*addr).into_iter())),
            Resolving::LookedUp(lookup) => match ready!(Pin::new(lookup).poll(cx)) {
                Ok(found) => found.map(Addresses::Many),
                Err(error) if error.is_cancelled() => Err(io::Error::other(
                    "the preempt runtime has shut down before the name was resolved; keep the \
                     `Runtime` until whatever uses it is done",
                )),
                Err(error) => Err(error.into()),
            },
        })
    }
}

/// What a string named.
#[derive(Debug)]
pub enum Addresses {
    /// It was an address.
    One(One),
    /// What the resolver found.
    Many(Many),
}

impl Iterator for Addresses {
    type Item = SocketAddr;

    fn next(&mut self) -> Option<SocketAddr> {
        match self {
            Addresses::One(addr) => addr.next(),
            Addresses::Many(addrs) => addrs.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Addresses::One(addr) => addr.size_hint(),
            Addresses::Many(addrs) => addrs.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;

    /// What resolves without a runtime.
    fn known<T: ToSocketAddrs>(addr: T) -> Vec<SocketAddr> {
        let mut resolving = pin!(resolve(addr));
        match resolving.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop())) {
            Poll::Ready(Ok(found)) => found.collect(),
            _ => panic!("an address was looked up"),
        }
    }

    #[test]
    fn addresses_need_no_look_up() {
        let v4: SocketAddr = "127.0.0.1:80".parse().unwrap();
        let v6: SocketAddr = "[::1]:80".parse().unwrap();
        assert_eq!(known("127.0.0.1:80"), [v4]);
        assert_eq!(known("[::1]:80".to_owned()), [v6]);
        assert_eq!(known(("127.0.0.1", 80)), [v4]);
        assert_eq!(known(&("::1".to_owned(), 80)), [v6]);
        assert_eq!(known((Ipv4Addr::LOCALHOST, 80)), [v4]);
        assert_eq!(known((IpAddr::from(Ipv6Addr::LOCALHOST), 80)), [v6]);
        assert_eq!(known(v4), [v4]);
        assert_eq!(known(&[v4, v6][..]), [v4, v6]);
        assert_eq!(known(&[][..]), []);
    }
}
