//! Network namespaces, made and entered by threads: sockets, threads and children that start inside
//! [`Namespace::enter`] live in the namespace for good.

use std::{
    fs::{self, File},
    marker::PhantomData,
    net::{Ipv4Addr, Ipv6Addr, UdpSocket},
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
    thread,
};

use anyhow::{Context, Result, anyhow};
use nix::{
    errno::Errno,
    sched::{CloneFlags, setns, unshare},
};

use crate::{deadline, program::require_root};

/// The calling thread's stay in a [`Namespace`], ended when dropped.
#[derive(Debug)]
pub struct Inside {
    before: File,
    /// Namespaces are a thread's own.
    thread: PhantomData<*const ()>,
}

impl Drop for Inside {
    fn drop(&mut self) {
        setns(&self.before, CloneFlags::CLONE_NEWNET).expect("a thread can go back where it came from");
    }
}

/// A network namespace; gone when this and everything inside it is.
#[derive(Debug)]
pub struct Namespace {
    handle: File,
}

impl Namespace {
    /// A fresh namespace, its loopback interface up.
    pub fn new() -> Result<Namespace> {
        require_root()?;
        on_a_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET).context("unshare the network namespace")?;
            bring_up("lo")?;
            let handle = File::open("/proc/thread-self/ns/net").context("open the network namespace")?;
            Ok(Namespace { handle })
        })
    }

    /// Runs `work` on a thread of its own inside the namespace.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        on_a_thread(|| {
            setns(&self.handle, CloneFlags::CLONE_NEWNET).context("enter the network namespace")?;
            work()
        })
    }

    /// Brings the calling thread inside until the guard is dropped. Unlike with [`Namespace::enter`], children
    /// that start meanwhile live as long as the caller.
    pub fn inside(&self) -> Result<Inside> {
        let before = File::open("/proc/thread-self/ns/net").context("open the network namespace")?;
        setns(&self.handle, CloneFlags::CLONE_NEWNET).context("enter the network namespace")?;
        Ok(Inside { before, thread: PhantomData })
    }

    /// Sets a file under `/proc/sys` as seen from inside.
    pub fn set(&self, setting: &str, value: &str) -> Result<()> {
        let file = format!("/proc/sys/{}", setting.replace('.', "/"));
        self.enter(|| fs::write(&file, value).with_context(|| format!("write {value} to {file}")))
    }

    /// Gives its loopback interface one more address, and with it the address's /64.
    pub fn add_loopback(&self, address: Ipv6Addr) -> Result<()> {
        self.enter(|| add_address_v6("lo", address))
    }

    /// The namespace's descriptor.
    pub(crate) fn handle(&self) -> &File {
        &self.handle
    }
}

fn on_a_thread<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| scope.spawn(work).join())
        .map_err(|_| anyhow!("a thread in a network namespace panicked"))?
}

/// Sets an interface of the calling thread's namespace up.
pub(crate) fn bring_up(interface: &str) -> Result<()> {
    let socket = control_socket(libc::AF_INET)?;
    let mut request = named(interface);
    ioctl(&socket, libc::SIOCGIFFLAGS, &mut request).with_context(|| format!("flags of {interface}"))?;
    // SAFETY: the kernel has filled in the flags.
    let flags = unsafe { request.ifr_ifru.ifru_flags };
    request.ifr_ifru.ifru_flags = flags | (libc::IFF_UP | libc::IFF_RUNNING) as i16;
    ioctl(&socket, libc::SIOCSIFFLAGS, &mut request).with_context(|| format!("bring {interface} up"))
}

/// Sets the largest packet of an interface of the calling thread's namespace.
pub(crate) fn set_mtu(interface: &str, mtu: u16) -> Result<()> {
    let mut request = named(interface);
    request.ifr_ifru.ifru_mtu = mtu.into();
    ioctl(&control_socket(libc::AF_INET)?, libc::SIOCSIFMTU, &mut request)
        .with_context(|| format!("packets of {mtu} bytes on {interface}"))
}

/// Gives an interface of the calling thread's namespace an address in a /24.
pub(crate) fn add_address_v4(interface: &str, address: Ipv4Addr) -> Result<()> {
    let socket = control_socket(libc::AF_INET)?;
    for (operation, address) in
        [(libc::SIOCSIFADDR, address), (libc::SIOCSIFNETMASK, Ipv4Addr::new(255, 255, 255, 0))]
    {
        let mut request = named(interface);
        let mut bytes = [0; 14];
        bytes[2..6].copy_from_slice(&address.octets());
        request.ifr_ifru.ifru_addr = libc::sockaddr {
            sa_family: libc::AF_INET as u16,
            sa_data: bytes.map(|byte| byte as libc::c_char),
        };
        ioctl(&socket, operation, &mut request)
            .with_context(|| format!("address {address} on {interface}"))?;
    }
    Ok(())
}

/// Gives an interface of the calling thread's namespace, which is up, an address in a /64, and waits until it can be
/// used.
pub(crate) fn add_address_v6(interface: &str, address: Ipv6Addr) -> Result<()> {
    /// `struct in6_ifreq` of linux/ipv6.h.
    #[repr(C)]
    struct In6Ifreq {
        address: [u8; 16],
        prefix_length: u32,
        index: i32,
    }
    let socket = control_socket(libc::AF_INET6)?;
    let index = nix::net::if_::if_nametoindex(interface).with_context(|| format!("index of {interface}"))?;
    let mut request = In6Ifreq { address: address.octets(), prefix_length: 64, index: i32::try_from(index)? };
    ioctl(&socket, libc::SIOCSIFADDR, &mut request)
        .with_context(|| format!("address {address} on {interface}"))?;
    // Even where no other host is asked whether it has the address, a worker of the kernel's has to say so first; until
    // then the address is tentative, and nothing can listen on it.
    deadline::until(&format!("{address} to be usable"), || {
        Ok(UdpSocket::bind((address, 0)).is_ok().then_some(()))
    })
}

fn control_socket(family: i32) -> Result<OwnedFd> {
    // SAFETY: socket(2) has no memory preconditions.
    let fd = unsafe { libc::socket(family, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    Errno::result(fd).context("open a control socket")?;
    // SAFETY: the descriptor was just opened and belongs to nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

pub(crate) fn named(interface: &str) -> libc::ifreq {
    // SAFETY: all zeroes is a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(interface.bytes().take(libc::IFNAMSIZ - 1)) {
        *to = from as libc::c_char;
    }
    request
}

pub(crate) fn ioctl<T>(
    file: &impl AsFd,
    operation: impl TryInto<libc::Ioctl>,
    argument: &mut T,
) -> Result<()> {
    let operation = operation.try_into().map_err(|_| anyhow!("ioctl number out of range"))?;
    // SAFETY: callers pass the structure that the operation reads and writes.
    let result = unsafe { libc::ioctl(file.as_fd().as_raw_fd(), operation, argument) };
    Errno::result(result)?;
    Ok(())
}
