//! A client with a TCP of its own, over a TUN device: it sends what no kernel would, in any order, and reads
//! what the server's kernel makes of it.
//!
//! The namespace holds the server's end (10.99.0.1, fd99::1); the client's (10.99.0.2, fd99::2) is nobody's but
//! this module's. A packet written to the device has gone all the way through the server's TCP when the write
//! returns, so what a test sends in order also arrives in order.

mod connection;

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, VecDeque},
    fs::{File, OpenOptions},
    io::{ErrorKind, Read},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::unix::fs::OpenOptionsExt,
};

use anyhow::{Context, Result, ensure};

use crate::{
    namespace::{Namespace, add_address_v4, add_address_v6, bring_up, ioctl, named, set_mtu},
    packet::{self, ACK, Checksum, Extension, PSH, Received},
    server::{Behaviour, MiniServer},
};

pub use connection::RawConnection;

/// `TUNSETIFF` of linux/if_tun.h.
const TUNSETIFF: libc::c_ulong = 0x4004_54ca;
const INTERFACE: &str = "tun0";

/// A namespace with a TUN device whose far end is the test.
#[derive(Debug)]
pub struct RawNetwork {
    namespace: Namespace,
    tun: File,
    arrived: RefCell<HashMap<u16, VecDeque<Received>>>,
    next_port: Cell<u16>,
}

/// How a segment differs from the ordinary.
#[derive(Clone, Debug)]
pub struct Shape {
    pub checksum: Checksum,
    pub flags: u8,
    pub urgent: u16,
    /// Added to the acknowledgement number.
    pub ack_shift: u32,
    pub extensions: Vec<Extension>,
    /// Cut the IPv4 packet into fragments of this many bytes.
    pub fragments: Option<usize>,
}

impl Default for Shape {
    fn default() -> Shape {
        Shape {
            checksum: Checksum::Valid,
            flags: ACK | PSH,
            urgent: 0,
            ack_shift: 0,
            extensions: Vec::new(),
            fragments: None,
        }
    }
}

impl Shape {
    /// An ordinary segment but for its checksum.
    pub fn with_checksum(checksum: Checksum) -> Shape {
        Shape { checksum, ..Shape::default() }
    }

    /// An ordinary segment but for its flags.
    pub fn with_flags(flags: u8) -> Shape {
        Shape { flags, ..Shape::default() }
    }

    /// An ordinary segment but for its extension headers.
    pub fn with_extensions(extensions: &[Extension]) -> Shape {
        Shape { extensions: extensions.to_vec(), ..Shape::default() }
    }
}

impl RawNetwork {
    /// A fresh namespace with both families up.
    pub fn new() -> Result<RawNetwork> {
        let namespace = Namespace::new()?;
        let tun = namespace.enter(|| {
            let tun = OpenOptions::new()
                .read(true)
                .write(true)
                .custom_flags(libc::O_NONBLOCK)
                .open("/dev/net/tun")
                .context("open /dev/net/tun (is the module `tun` there?)")?;
            let mut request = named(INTERFACE);
            request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as i16;
            ioctl(&tun, TUNSETIFF, &mut request).context("make a TUN device")?;
            add_address_v4(INTERFACE, Ipv4Addr::new(10, 99, 0, 1))?;
            bring_up(INTERFACE)?;
            add_address_v6(INTERFACE, Ipv6Addr::new(0xfd99, 0, 0, 0, 0, 0, 0, 1))?;
            Ok(tun)
        })?;
        Ok(RawNetwork { namespace, tun, arrived: RefCell::default(), next_port: Cell::new(40_000) })
    }

    /// The namespace of the server's end.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Has packets of this size pass in both directions.
    pub fn set_mtu(&self, mtu: u16) -> Result<()> {
        self.namespace.enter(|| set_mtu(INTERFACE, mtu))
    }

    /// A server on `port` of the IPv4 address.
    pub fn serve_v4(&self, port: u16, behaviour: Behaviour) -> Result<MiniServer> {
        self.namespace.enter(|| MiniServer::listen(SocketAddr::from(([10, 99, 0, 1], port)), behaviour))
    }

    /// A server on `port` of the IPv6 address.
    pub fn serve_v6(&self, port: u16, behaviour: Behaviour) -> Result<MiniServer> {
        self.namespace
            .enter(|| MiniServer::listen(SocketAddr::from(([0xfd99, 0, 0, 0, 0, 0, 0, 1], port)), behaviour))
    }

    /// Opens a connection with an ordinary handshake.
    pub fn connect(&self, server: SocketAddr) -> Result<RawConnection<'_>> {
        let connection = self.half_open(server)?;
        connection.acknowledge()?;
        Ok(connection)
    }

    /// Opens a connection up to the server's SYN-ACK: the first segment sent completes the handshake.
    pub fn half_open(&self, server: SocketAddr) -> Result<RawConnection<'_>> {
        self.open(server, &[])
    }

    /// Opens a connection with data on the SYN (TCP Fast Open, RFC 7413, with a server that asks for no cookie).
    pub fn fast_open(&self, server: SocketAddr, data: &[u8]) -> Result<RawConnection<'_>> {
        let mut connection = self.open(server, data)?;
        let taken = connection.skip_acknowledged();
        ensure!(taken == data.len(), "the server took {taken} of {} bytes on the SYN", data.len());
        connection.acknowledge()?;
        Ok(connection)
    }

    fn open(&self, server: SocketAddr, data: &[u8]) -> Result<RawConnection<'_>> {
        let port = self.next_port.get();
        self.next_port.set(port + 1);
        let address: IpAddr = match server.ip() {
            IpAddr::V4(_) => Ipv4Addr::new(10, 99, 0, 2).into(),
            IpAddr::V6(_) => Ipv6Addr::new(0xfd99, 0, 0, 0, 0, 0, 0, 2).into(),
        };
        RawConnection::open(self, SocketAddr::new(address, port), server, data)
    }

    /// The next segment for a client port, if one has come.
    fn receive(&self, port: u16) -> Result<Option<Received>> {
        let mut arrived = self.arrived.borrow_mut();
        let mut bytes = vec![0; 65_536];
        loop {
            match (&self.tun).read(&mut bytes) {
                Ok(count) => {
                    if let Some(segment) = packet::decode(&bytes[..count]) {
                        arrived.entry(segment.destination.port()).or_default().push_back(segment);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("read from the TUN device"),
            }
        }
        Ok(arrived.get_mut(&port).and_then(VecDeque::pop_front))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{client::request, port};

    #[test]
    fn speaks_to_a_server_over_both_families() {
        let network = RawNetwork::new().unwrap();
        let port = port::free().unwrap();
        let servers = [
            network.serve_v4(port, Behaviour::default()).unwrap(),
            network.serve_v6(port, Behaviour::default()).unwrap(),
        ];
        for server in servers {
            let mut connection = network.connect(server.address()).unwrap();
            let bytes = request("GET", "/v1/customers/7");
            let (left, right) = bytes.split_at(30);
            connection.send_segment(30, right, &Shape::default()).unwrap();
            connection.send_segment(0, left, &Shape::default()).unwrap();
            connection.continue_at(bytes.len());
            connection.read_responses(1).unwrap();
            connection.finish().unwrap();
            connection.wait_ended().unwrap();
            let served = server.wait_for(1).unwrap();
            assert_eq!((served[0].target.as_str(), served[0].port), ("/v1/customers/7", connection.port()));
        }
    }

    #[test]
    fn the_kernel_drops_what_is_wrong() {
        let network = RawNetwork::new().unwrap();
        let server = network.serve_v4(port::free().unwrap(), Behaviour::default()).unwrap();
        let mut connection = network.connect(server.address()).unwrap();
        let (decoy, real) = (request("GET", "/v1/customers/666"), request("GET", "/v1/customers/777"));
        for checksum in [Checksum::Wrong, Checksum::PseudoHeaderOnly] {
            connection.send_segment(0, &decoy, &Shape::with_checksum(checksum)).unwrap();
        }
        connection.send(&real).unwrap();
        connection.read_responses(1).unwrap();
        assert_eq!(server.served()[0].target, "/v1/customers/777");
    }

    #[test]
    fn the_server_takes_data_on_the_syn() {
        let network = RawNetwork::new().unwrap();
        network.namespace().set("net.ipv4.tcp_fastopen", "1538").unwrap();
        let behaviour = Behaviour { fast_open: true, ..Behaviour::default() };
        let server = network.serve_v4(port::free().unwrap(), behaviour).unwrap();
        let mut connection = network.fast_open(server.address(), &request("GET", "/v1/a")).unwrap();
        connection.read_responses(1).unwrap();
        assert_eq!(server.served()[0].target, "/v1/a");
    }
}
