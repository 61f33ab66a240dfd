//! A client with a TCP of its own, over a TUN device: it sends what no kernel would, in any order, and reads
//! what the server's kernel makes of it.
//!
//! The namespace holds the server's end (10.99.0.1, fd99::1); the client's (10.99.0.2, fd99::2) is nobody's but
//! this module's. A packet written to the device has gone all the way through the server's TCP when the write
//! returns, so what a test sends in order also arrives in order.

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, VecDeque},
    fs::{File, OpenOptions},
    io::{ErrorKind, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::{fd::AsFd, unix::fs::OpenOptionsExt},
};

use anyhow::{Context, Result, ensure};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::{
    deadline,
    namespace::{Namespace, add_address_v4, add_address_v6, bring_up, ioctl, named},
    packet::{self, ACK, Checksum, Extension, FIN, PSH, RST, Received, SYN, Segment},
    server::{Behaviour, MiniServer},
};

/// `TUNSETIFF` of linux/if_tun.h.
const TUNSETIFF: libc::c_ulong = 0x4004_54ca;
const INTERFACE: &str = "tun0";

/// Not a multiple of anything, and close to the wrap: sequence numbers cross zero early in a stream.
const FIRST_SEQUENCE: u32 = u32::MAX - 20;

/// The client's maximum segment size option: 1460 bytes.
const MAXIMUM_SEGMENT_SIZE: [u8; 4] = [2, 4, 0x05, 0xb4];

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

/// One TCP connection of the raw client.
#[derive(Debug)]
pub struct RawConnection<'n> {
    network: &'n RawNetwork,
    local: SocketAddr,
    remote: SocketAddr,
    first: u32,
    /// Stream offset of the next byte that [`RawConnection::send`] sends.
    next: u32,
    /// The sequence number that the client expects next.
    expected: u32,
    /// The server's latest acknowledgement, as a stream offset.
    acknowledged: u32,
    received: Vec<u8>,
    ahead: Vec<Received>,
    ended: bool,
    reset: bool,
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
        ensure!(
            connection.acknowledged as usize == data.len(),
            "the server did not take the data on the SYN: it acknowledged {}",
            connection.acknowledged
        );
        connection.next = connection.acknowledged;
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
        let mut connection = RawConnection {
            network: self,
            local: SocketAddr::new(address, port),
            remote: server,
            first: FIRST_SEQUENCE,
            next: 0,
            expected: 0,
            acknowledged: 0,
            received: Vec::new(),
            ahead: Vec::new(),
            ended: false,
            reset: false,
        };
        let syn = Shape::with_flags(SYN);
        connection.transmit(connection.first, &MAXIMUM_SEGMENT_SIZE, data, &syn)?;
        let answer = deadline::until("a SYN-ACK", || self.receive(port))?;
        ensure!(answer.flags & (SYN | ACK | RST) == SYN | ACK, "instead of a SYN-ACK: {answer:?}");
        connection.expected = answer.seq.wrapping_add(1);
        connection.acknowledged = connection.offset_of(answer.ack);
        Ok(connection)
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

impl RawConnection<'_> {
    /// The client's port: names the connection in logs.
    pub fn port(&self) -> u16 {
        self.local.port()
    }

    /// Sends the next bytes of the stream in an ordinary segment.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        self.send_shaped(bytes, &Shape::default())
    }

    /// Sends the next bytes of the stream in a segment of the given shape.
    pub fn send_shaped(&mut self, bytes: impl AsRef<[u8]>, shape: &Shape) -> Result<()> {
        let bytes = bytes.as_ref();
        self.send_segment(i64::from(self.next), bytes, shape)?;
        self.next += bytes.len() as u32;
        Ok(())
    }

    /// Sends any bytes as if they stood at `offset` of the stream, which may be anywhere, even before its start.
    pub fn send_segment(&self, offset: i64, bytes: impl AsRef<[u8]>, shape: &Shape) -> Result<()> {
        let sequence = self.first.wrapping_add(1).wrapping_add(offset as u32);
        self.transmit(sequence, &[], bytes.as_ref(), shape)
    }

    /// Makes [`RawConnection::send`] continue at `offset`, after segments that were sent by hand.
    pub fn continue_at(&mut self, offset: usize) {
        self.next = offset as u32;
    }

    /// Acknowledges what was read so far.
    pub fn acknowledge(&self) -> Result<()> {
        self.send_segment(i64::from(self.next), [], &Shape::with_flags(ACK))
    }

    /// Ends the client's half.
    pub fn finish(&mut self) -> Result<()> {
        self.send_segment(i64::from(self.next), [], &Shape::with_flags(ACK | FIN))?;
        self.next += 1;
        Ok(())
    }

    /// Resets the connection.
    pub fn reset(&self) -> Result<()> {
        self.send_segment(i64::from(self.next), [], &Shape::with_flags(ACK | RST))
    }

    /// Reads until `count` responses have begun. Bodies of [`MiniServer`]'s answers never hold a status line.
    pub fn read_responses(&mut self, count: usize) -> Result<()> {
        self.read_until(&format!("{count} responses"), |received| {
            received.windows(9).filter(|window| *window == b"HTTP/1.1 ").count() >= count
        })
    }

    /// Reads and acknowledges until `enough` says so of all that was received.
    pub fn read_until(&mut self, what: &str, enough: impl Fn(&[u8]) -> bool) -> Result<()> {
        let end = std::time::Instant::now() + deadline::patience();
        loop {
            self.take_arrived()?;
            if enough(&self.received) {
                return Ok(());
            }
            ensure!(
                !self.ended && !self.reset && std::time::Instant::now() < end,
                "no {what} on port {} (ended: {}, reset: {}): {:?}",
                self.port(),
                self.ended,
                self.reset,
                String::from_utf8_lossy(&self.received)
            );
            self.wait()?;
        }
    }

    /// Waits until the server has acknowledged `offset` bytes of the stream.
    pub fn wait_acknowledged(&mut self, offset: usize) -> Result<()> {
        let end = std::time::Instant::now() + deadline::patience();
        loop {
            self.take_arrived()?;
            if self.acknowledged as usize >= offset {
                return Ok(());
            }
            ensure!(
                !self.reset && std::time::Instant::now() < end,
                "the server acknowledged {} of {offset} bytes",
                self.acknowledged
            );
            self.wait()?;
        }
    }

    /// Waits until the server has ended or reset the connection.
    pub fn wait_ended(&mut self) -> Result<()> {
        let end = std::time::Instant::now() + deadline::patience();
        loop {
            self.take_arrived()?;
            if self.ended || self.reset {
                return Ok(());
            }
            ensure!(std::time::Instant::now() < end, "the server did not end the connection");
            self.wait()?;
        }
    }

    /// What was received so far.
    pub fn received(&self) -> &[u8] {
        &self.received
    }

    fn wait(&self) -> Result<()> {
        let mut files = [PollFd::new(self.network.tun.as_fd(), PollFlags::POLLIN)];
        poll(&mut files, PollTimeout::from(100_u8)).context("poll the TUN device")?;
        Ok(())
    }

    fn take_arrived(&mut self) -> Result<()> {
        let mut news = false;
        while let Some(segment) = self.network.receive(self.port())? {
            if segment.flags & RST != 0 {
                self.reset = true;
            }
            if segment.flags & ACK != 0 {
                self.acknowledged = self.acknowledged.max(self.offset_of(segment.ack));
            }
            if !segment.payload.is_empty() || segment.flags & FIN != 0 {
                news = true;
                self.ahead.push(segment);
            }
        }
        while let Some(at) = self.ahead.iter().position(|segment| segment.seq == self.expected) {
            let segment = self.ahead.swap_remove(at);
            self.expected = self.expected.wrapping_add(segment.payload.len() as u32);
            self.received.extend(&segment.payload);
            if segment.flags & FIN != 0 {
                self.expected = self.expected.wrapping_add(1);
                self.ended = true;
            }
        }
        self.ahead.retain(|segment| segment.seq.wrapping_sub(self.expected) < 1 << 31);
        if news { self.acknowledge() } else { Ok(()) }
    }

    fn transmit(&self, seq: u32, options: &[u8], payload: &[u8], shape: &Shape) -> Result<()> {
        let bytes = packet::encode(&Segment {
            source: self.local,
            destination: self.remote,
            seq,
            ack: if shape.flags & ACK == 0 { 0 } else { self.expected.wrapping_add(shape.ack_shift) },
            flags: shape.flags,
            window: u16::MAX,
            urgent: shape.urgent,
            options,
            payload,
            checksum: shape.checksum,
            extensions: &shape.extensions,
        });
        let packets = match shape.fragments {
            Some(size) => packet::fragment_v4(&bytes, size),
            None => vec![bytes],
        };
        for packet in packets {
            (&self.network.tun).write_all(&packet).context("write to the TUN device")?;
        }
        Ok(())
    }

    /// The stream offset that a sequence number of the client's stands for; 0 for the SYN's.
    fn offset_of(&self, sequence: u32) -> u32 {
        let offset = sequence.wrapping_sub(self.first.wrapping_add(1));
        if offset > u32::MAX / 2 { 0 } else { offset }
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
