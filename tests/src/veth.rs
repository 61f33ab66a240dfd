//! A veth pair between two namespaces, made over netlink: a machine without `ip` can make one too.

use std::{
    net::Ipv4Addr,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

use anyhow::{Context, Result, bail, ensure};
use nix::errno::Errno;

use crate::namespace::{Namespace, add_address_v4, bring_up};

/// Of linux/veth.h.
const VETH_INFO_PEER: u16 = 1;
/// Of linux/if_link.h; both also stand for the nested attributes of `IFLA_LINKINFO`.
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
/// The size of `struct nlmsghdr`.
const HEADER: usize = 16;

/// Joins two namespaces: `left` gets 10.98.0.1, `right` 10.98.0.2.
pub fn join(left: &Namespace, right: &Namespace) -> Result<(Ipv4Addr, Ipv4Addr)> {
    let addresses = (Ipv4Addr::new(10, 98, 0, 1), Ipv4Addr::new(10, 98, 0, 2));
    let peer = right.handle().as_raw_fd();
    left.enter(|| {
        create("veth0", "veth0", peer).context("make a veth pair (is the module `veth` there?)")?;
        add_address_v4("veth0", addresses.0)?;
        bring_up("veth0")
    })?;
    right.enter(|| {
        add_address_v4("veth0", addresses.1)?;
        bring_up("veth0")
    })?;
    Ok(addresses)
}

fn create(name: &str, peer: &str, peer_namespace: i32) -> Result<()> {
    // An all-zero `struct ifinfomsg` stands for a new interface.
    let interface = [0; 16];
    let mut peer_info = interface.to_vec();
    peer_info.extend(attribute(libc::IFLA_IFNAME, &text(peer)));
    peer_info.extend(attribute(libc::IFLA_NET_NS_FD, &peer_namespace.to_ne_bytes()));
    let data = attribute(VETH_INFO_PEER, &peer_info);
    let mut info = attribute(IFLA_INFO_KIND, &text("veth"));
    info.extend(attribute(IFLA_INFO_DATA, &data));
    let mut body = interface.to_vec();
    body.extend(attribute(libc::IFLA_IFNAME, &text(name)));
    body.extend(attribute(libc::IFLA_LINKINFO, &info));
    let flags = libc::NLM_F_REQUEST | libc::NLM_F_CREATE | libc::NLM_F_EXCL | libc::NLM_F_ACK;
    ask(libc::RTM_NEWLINK, flags as u16, &body)
}

/// Sends one netlink request and reads its acknowledgement.
fn ask(kind: u16, flags: u16, body: &[u8]) -> Result<()> {
    // SAFETY: socket(2) has no memory preconditions.
    let fd =
        unsafe { libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::NETLINK_ROUTE) };
    Errno::result(fd).context("open a netlink socket")?;
    // SAFETY: the descriptor was just opened and belongs to nobody else.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    let mut message = ((HEADER + body.len()) as u32).to_ne_bytes().to_vec();
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(body);
    // SAFETY: the buffer is live and its length is told.
    let sent = unsafe { libc::send(socket.as_raw_fd(), message.as_ptr().cast(), message.len(), 0) };
    Errno::result(sent).context("send to netlink")?;
    let mut answer = [0; 8192];
    // SAFETY: the buffer is live and its length is told.
    let count = unsafe { libc::recv(socket.as_raw_fd(), answer.as_mut_ptr().cast(), answer.len(), 0) };
    let count = usize::try_from(Errno::result(count).context("read from netlink")?)?;
    ensure!(count >= HEADER + 4, "a netlink answer of {count} bytes");
    let error =
        i32::from_ne_bytes([answer[HEADER], answer[HEADER + 1], answer[HEADER + 2], answer[HEADER + 3]]);
    if error != 0 {
        bail!("netlink: {}", Errno::from_raw(-error));
    }
    Ok(())
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = ((4 + value.len()) as u16).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn text(value: &str) -> Vec<u8> {
    let mut bytes = value.as_bytes().to_vec();
    bytes.push(0);
    bytes
}
