//! Names of addresses, and addresses of names, as the host's C library looks them up.

use std::{
    ffi::CStr,
    mem,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
};

use libc::{c_char, sockaddr, sockaddr_in, sockaddr_in6, socklen_t};

use super::Resolver;

/// What the host itself would be told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dns;

impl Resolver for Dns {
    fn name(&self, address: IpAddr) -> Option<String> {
        /// The longest name with its end: `NI_MAXHOST` of <netdb.h>.
        const LONGEST: usize = 1_025;
        let mut name = [0 as c_char; LONGEST];
        let look = |place: *const sockaddr, length: usize, name: &mut [c_char; LONGEST]| {
            // SAFETY: `place` is an address of the family that it names, `length` bytes long; `name` is as long as is said, and
            // no service is asked for.
            unsafe {
                libc::getnameinfo(
                    place,
                    length as socklen_t,
                    name.as_mut_ptr(),
                    LONGEST as socklen_t,
                    std::ptr::null_mut(),
                    0,
                    libc::NI_NAMEREQD,
                )
            }
        };
        let result = match address {
            IpAddr::V4(address) => {
                // SAFETY: all bytes being zero is one.
                let mut place: sockaddr_in = unsafe { mem::zeroed() };
                place.sin_family = libc::AF_INET as _;
                place.sin_addr.s_addr = u32::from_ne_bytes(address.octets());
                look((&raw const place).cast(), size_of::<sockaddr_in>(), &mut name)
            }
            IpAddr::V6(address) => {
                // SAFETY: all bytes being zero is one.
                let mut place: sockaddr_in6 = unsafe { mem::zeroed() };
                place.sin6_family = libc::AF_INET6 as _;
                place.sin6_addr.s6_addr = address.octets();
                look((&raw const place).cast(), size_of::<sockaddr_in6>(), &mut name)
            }
        };
        if result != 0 {
            return None;
        }
        let bytes: Vec<u8> = name.iter().map(|&byte| byte as u8).collect();
        CStr::from_bytes_until_nul(&bytes).ok()?.to_str().ok().map(str::to_owned)
    }

    fn addresses(&self, name: &str) -> Vec<IpAddr> {
        (name, 0)
            .to_socket_addrs()
            .map(|found| found.map(|place: SocketAddr| place.ip()).collect())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What every host knows without asking anybody.
    #[test]
    fn this_host_is_called_something() {
        let name = Dns.name(IpAddr::from([127, 0, 0, 1])).unwrap();
        assert!(Dns.addresses(&name).iter().any(IpAddr::is_loopback), "{name}");
    }
}
