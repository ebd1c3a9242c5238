//! Options of IP sockets that TCP and UDP have in common. For types that lend their descriptor.

/// Used inside an `impl` block.
macro_rules! ip_options {
    () => {
        /// The type-of-service field of the IPv4 packets that are sent (`IP_TOS`).
        ///
        /// # Errors
        /// Those of the system.
        #[cfg(not(any(
            target_os = "fuchsia",
            target_os = "redox",
            target_os = "solaris",
            target_os = "illumos",
            target_os = "haiku",
        )))]
        pub fn tos_v4(&self) -> std::io::Result<u32> {
            socket2::SockRef::from(self).tos_v4()
        }

        /// Sets the type-of-service field of IPv4 packets (`IP_TOS`). Windows may ignore it.
        ///
        /// # Errors
        /// Those of the system.
        #[cfg(not(any(
            target_os = "fuchsia",
            target_os = "redox",
            target_os = "solaris",
            target_os = "illumos",
            target_os = "haiku",
        )))]
        pub fn set_tos_v4(&self, tos: u32) -> std::io::Result<()> {
            socket2::SockRef::from(self).set_tos_v4(tos)
        }

        /// The traffic class of the IPv6 packets that are sent (`IPV6_TCLASS`).
        ///
        /// # Errors
        /// Those of the system.
        #[cfg(any(
            target_os = "android",
            target_os = "dragonfly",
            target_os = "freebsd",
            target_os = "fuchsia",
            target_os = "linux",
            target_os = "macos",
            target_os = "netbsd",
            target_os = "openbsd",
        ))]
        pub fn tclass_v6(&self) -> std::io::Result<u32> {
            socket2::SockRef::from(self).tclass_v6()
        }

        /// Sets the traffic class of IPv6 packets (`IPV6_TCLASS`).
        ///
        /// # Errors
        /// Those of the system.
        #[cfg(any(
            target_os = "android",
            target_os = "dragonfly",
            target_os = "freebsd",
            target_os = "fuchsia",
            target_os = "linux",
            target_os = "macos",
            target_os = "netbsd",
            target_os = "openbsd",
        ))]
        pub fn set_tclass_v6(&self, tclass: u32) -> std::io::Result<()> {
            socket2::SockRef::from(self).set_tclass_v6(tclass)
        }

        /// The network interface that the socket is bound to (`SO_BINDTODEVICE`).
        ///
        /// # Errors
        /// Those of the system.
        #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
        pub fn device(&self) -> std::io::Result<Option<Vec<u8>>> {
            socket2::SockRef::from(self).device()
        }

        /// Binds the socket to a network interface, or to none (`SO_BINDTODEVICE`).
        ///
        /// # Errors
        /// Those of the system; it may need a privilege.
        #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
        pub fn bind_device(&self, interface: Option<&[u8]>) -> std::io::Result<()> {
            socket2::SockRef::from(self).bind_device(interface)
        }
    };
}
pub(super) use ip_options;
