//! Recordings as a source of what the engine evaluates, at the recorded times.
//!
//! [`Replay`] takes what is read to an engine.
//! [`Input`] opens a file, unpacks it and tells what it is. Access logs give exchanges ([`access_log`]). Captures, pcap and
//! pcapng, give segments, in the file's order: `file` reads packets out of a capture, `packet` finds the TCP segment in each, and `connection` says whose it
//! is: which connection, and which of its ends is the server. [`Reader`] drives the three, with bounded memory,
//! however large the file. What it can't use it counts ([`Skipped`]); what it could read before a file breaks off is
//! delivered before the error. Secrets of TLS, which may be in a capture or in a file of their own ([`read_key_log`]), let the engine
//! read what is in it.

pub mod access_log;
mod connection;
mod drive;
mod error;
mod file;
mod file_format;
mod format;
mod input;
mod key_log;
mod link;
mod packet;

use std::path::Path;

use connection::Connections;
pub use drive::Replay;
pub use error::Error;
pub use file_format::FileFormat;
use format::{Content, Frame};
pub use input::Input;
pub use key_log::read_key_log;
use link::{Link, Skip};
use rollcall_stream::Segment;
use rollcall_tls::Secret;

/// Reads captures one after the other, as if they were one: connections go on from file to file.
#[derive(Debug, Default)]
pub struct Reader {
    connections: Connections,
    summary: Summary,
}

/// What a capture holds.
#[derive(Debug)]
pub enum Captured<'a> {
    Segment(&'a Segment<'a>),
    /// Of a connection of TLS, which whoever made the capture has put in.
    Secret(Secret),
}

/// What was in the captures read so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Packets of any kind: the segments and the skipped.
    pub packets: u64,
    /// Segments delivered.
    pub segments: u64,
    /// Connections among them.
    pub connections: u64,
    /// Packets that are no segment, or none that can be used.
    pub skipped: Skipped,
}

/// Packets not delivered, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Of an interface whose link type is not read.
    pub link_type: u64,
    /// ARP and other packets that are not IP.
    pub not_ip: u64,
    /// UDP and other IP packets that are not TCP.
    pub not_tcp: u64,
    /// Fragments of IP packets, which are not put together.
    pub fragment: u64,
    /// Captured too short for the headers up to TCP's.
    pub cut_short: u64,
    /// Headers that contradict themselves.
    pub malformed: u64,
    /// Without payload, before the first payload of a connection whose beginning is not in the capture: which end is
    /// the server can't be told yet, and does not matter yet.
    pub no_direction: u64,
}

impl Skipped {
    /// The counts with their reasons in words.
    pub fn reasons(&self) -> [(&'static str, u64); 7] {
        let Skipped { link_type, not_ip, not_tcp, fragment, cut_short, malformed, no_direction } = *self;
        [
            ("unknown link type", link_type),
            ("not IP", not_ip),
            ("not TCP", not_tcp),
            ("IP fragment", fragment),
            ("headers cut short", cut_short),
            ("malformed", malformed),
            ("empty, server unknown", no_direction),
        ]
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.reasons().iter().map(|(_, count)| count).sum()
    }
}

impl Reader {
    /// A reader that knows no connection yet.
    pub fn new() -> Reader {
        Reader::default()
    }

    /// Delivers each segment and secret of the capture at `path`; `-` is stdin.
    pub fn read(&mut self, path: &Path, mut deliver: impl FnMut(Captured<'_>)) -> Result<(), Error> {
        file::read(path, |content| self.content(content, &mut deliver))
    }

    /// Delivers each segment and secret of a capture that `input` holds. `name` is for errors.
    pub fn read_from(
        &mut self,
        name: &str,
        input: impl std::io::Read,
        mut deliver: impl FnMut(Captured<'_>),
    ) -> Result<(), Error> {
        file::read_from(name, input, |content| self.content(content, &mut deliver))
    }

    /// What was in the captures read so far, those that broke off included.
    pub fn summary(&self) -> Summary {
        Summary { connections: self.connections.numbered(), ..self.summary }
    }

    fn content(&mut self, content: Content<'_>, deliver: &mut impl FnMut(Captured<'_>)) {
        match content {
            Content::Frame(frame) => self.frame(frame, deliver),
            Content::KeyLog(text) => key_log::of_capture(text, |secret| deliver(Captured::Secret(secret))),
        }
    }

    fn frame(&mut self, frame: Frame<'_>, deliver: &mut impl FnMut(Captured<'_>)) {
        let Frame { link_type, at, length, data } = frame;
        let Summary { packets, segments, connections: _, skipped } = &mut self.summary;
        *packets += 1;
        let Some(link) = Link::from_number(link_type) else {
            skipped.link_type += 1;
            return;
        };
        let packet = match packet::decode(link, data, length) {
            Ok(packet) => packet,
            Err(skip) => {
                *match skip {
                    Skip::NotIp => &mut skipped.not_ip,
                    Skip::NotTcp => &mut skipped.not_tcp,
                    Skip::Fragment => &mut skipped.fragment,
                    Skip::CutShort => &mut skipped.cut_short,
                    Skip::Malformed => &mut skipped.malformed,
                } += 1;
                return;
            }
        };
        let Some(place) = self.connections.place(&packet) else {
            skipped.no_direction += 1;
            return;
        };
        *segments += 1;
        deliver(Captured::Segment(&Segment {
            endpoints: Some(place.endpoints),
            ack: packet.ack,
            length: packet.length,
            data: packet.data,
            syn: packet.syn,
            fin: packet.fin,
            urgent: packet.urgent,
            rst: packet.rst,
            joined: place.joined,
            ..Segment::bare(place.connection, place.direction, at, packet.seq)
        }));
    }
}

#[cfg(test)]
mod tests;
