//! One connection of the raw client.

use std::{io::Write, net::SocketAddr, os::fd::AsFd, time::Instant};

use anyhow::{Context, Result, ensure};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{RawNetwork, Shape};
use crate::{
    deadline,
    packet::{self, ACK, FIN, RST, Received, SYN, Segment},
};

/// Not a multiple of anything, and close to the wrap: sequence numbers cross zero early in a stream.
const FIRST_SEQUENCE: u32 = u32::MAX - 20;

/// The client's maximum segment size option: 1460 bytes.
const MAXIMUM_SEGMENT_SIZE: [u8; 4] = [2, 4, 0x05, 0xb4];

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

impl<'n> RawConnection<'n> {
    /// Sends a SYN with `data` and waits for its answer.
    pub(super) fn open(
        network: &'n RawNetwork,
        local: SocketAddr,
        remote: SocketAddr,
        data: &[u8],
    ) -> Result<RawConnection<'n>> {
        let mut connection = RawConnection {
            network,
            local,
            remote,
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
        let answer = deadline::until("a SYN-ACK", || network.receive(local.port()))?;
        ensure!(answer.flags & (SYN | ACK | RST) == SYN | ACK, "instead of a SYN-ACK: {answer:?}");
        connection.expected = answer.seq.wrapping_add(1);
        connection.acknowledged = connection.offset_of(answer.ack);
        Ok(connection)
    }

    /// Takes what was acknowledged for sent: data on the SYN.
    pub(super) fn skip_acknowledged(&mut self) -> usize {
        self.next = self.acknowledged;
        self.acknowledged as usize
    }

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

    /// Reads until `count` responses have begun. Bodies of [`MiniServer`](crate::MiniServer)'s answers never hold a status line.
    pub fn read_responses(&mut self, count: usize) -> Result<()> {
        self.read_until(&format!("{count} responses"), |received| {
            received.windows(9).filter(|window| *window == b"HTTP/1.1 ").count() >= count
        })
    }

    /// Reads and acknowledges until `enough` says so of all that was received.
    pub fn read_until(&mut self, what: &str, enough: impl Fn(&[u8]) -> bool) -> Result<()> {
        let end = Instant::now() + deadline::patience();
        loop {
            self.take_arrived()?;
            if enough(&self.received) {
                return Ok(());
            }
            ensure!(
                !self.ended && !self.reset && Instant::now() < end,
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
        let end = Instant::now() + deadline::patience();
        loop {
            self.take_arrived()?;
            if self.acknowledged as usize >= offset {
                return Ok(());
            }
            ensure!(
                !self.reset && Instant::now() < end,
                "the server acknowledged {} of {offset} bytes",
                self.acknowledged
            );
            self.wait()?;
        }
    }

    /// Waits until the server has ended or reset the connection.
    pub fn wait_ended(&mut self) -> Result<()> {
        let end = Instant::now() + deadline::patience();
        loop {
            self.take_arrived()?;
            if self.ended || self.reset {
                return Ok(());
            }
            ensure!(Instant::now() < end, "the server did not end the connection");
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
