//! Capture files: every packet is accounted for, however the file arrives.

#![no_main]

use std::io::{self, Read};

use libfuzzer_sys::fuzz_target;
use rollcall_fuzz::{requests::Record, seeds};
use rollcall_http::{Connections, Limits};
use rollcall_model::time::Timestamp;
use rollcall_replay::{Captured, Reader};

const WORDS: [&str; 8] = [
    "\n\r\r\n",
    "GET / HTTP/1.1\r\n\r\n",
    "HTTP/1.1 200 OK\r\n\r\n",
    "\u{0}\u{0}\u{0}\u{6}",
    "\u{1}\u{0}\u{0}\u{0}",
    "\u{8}\u{0}",
    "\u{6}\u{0}\u{0}\u{0}",
    "E\u{0}",
];

/// Gives as many octets at a time as the input says.
struct Trickle<'a>(&'a [u8], usize);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(self.1);
        self.0.read(&mut buffer[..length])
    }
}

fuzz_target!(init: seeds::offer(&seeds(), &WORDS), |data: &[u8]| {
    let mut reader = Reader::new();
    let mut connections = Connections::new(Limits::default());
    let mut record = Record::default();
    let mut segments = 0;
    let whole = reader.read_from("x", data, |captured| match captured {
        Captured::Segment(segment) => {
            segments += 1;
            assert!(segment.data.len() <= segment.length as usize);
            connections.segment(segment, &mut record);
        }
        Captured::Secret(secret) => connections.secret(secret),
    });
    let summary = reader.summary();
    assert_eq!(summary.segments, segments);
    assert_eq!(summary.packets, summary.segments + summary.skipped.total());
    assert!(summary.connections <= summary.segments);
    connections.finish(Timestamp(u64::MAX), &mut record);
    assert_eq!(record.calls, record.all.len());
    let step = data.last().map_or(1, |&last| usize::from(last) % 64 + 1);
    let mut again = Reader::new();
    let trickled = again.read_from("x", Trickle(data, step), |_| {});
    assert_eq!(again.summary(), summary);
    // In other words, maybe: how much of a block is there says what is wrong with it.
    assert_eq!(trickled.is_ok(), whole.is_ok());
});

/// Captures of one request and its answer: pcap in both byte orders, and pcapng.
fn seeds() -> Vec<Vec<u8>> {
    let packets = [
        packet(true, 1, 2, 0, b""),
        packet(true, 0x10, 3, 0, b"GET /v1/customers/17 HTTP/1.1\r\nHost: x\r\n\r\n"),
        packet(false, 0x10, 100, 44, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        packet(true, 0x11, 44, 140, b""),
    ];
    let mut all = Vec::new();
    for big in [false, true] {
        let word = |n: u32| if big { n.to_be_bytes() } else { n.to_le_bytes() };
        let half = |n: u16| if big { n.to_be_bytes() } else { n.to_le_bytes() };
        for magic in [0xa1b2_c3d4, 0xa1b2_3c4d] {
            let mut pcap = [&word(magic)[..], &half(2), &half(4), &[0; 8], &word(65_535), &word(1)].concat();
            for (at, packet) in packets.iter().enumerate() {
                let length = word(packet.len() as u32);
                pcap.extend([&word(1_700_000_000)[..], &word(at as u32), &length, &length, packet].concat());
            }
            all.push(pcap);
        }
        let block = |kind: u32, body: &[u8]| {
            let length = word(body.len() as u32 + 12);
            [&word(kind)[..], &length, body, &length].concat()
        };
        let section = [&word(0x1a2b_3c4d)[..], &half(1), &half(0), &[0xff; 8]].concat();
        let options = [&half(9)[..], &half(1), &[9, 0, 0, 0], &half(14), &half(8), &[0; 8], &[0; 4]].concat();
        let interface = [&half(1)[..], &half(0), &word(0), &options].concat();
        let mut ng = [block(0x0a0d_0d0a, &section), block(1, &interface)].concat();
        for packet in &packets {
            let length = word(packet.len() as u32);
            let padding = vec![0; packet.len().wrapping_neg() % 4];
            let body = [&word(0)[..], &word(1), &word(2), &length, &length, packet, &padding].concat();
            ng.extend(block(6, &body));
            ng.extend(block(3, &[&length[..], packet, &padding].concat()));
        }
        all.push(ng);
    }
    all
}

/// An Ethernet frame with IPv4 and TCP.
fn packet(request: bool, flags: u8, seq: u32, ack: u32, payload: &[u8]) -> Vec<u8> {
    let (client, server) = ([192, 0, 2, 1], [192, 0, 2, 2]);
    let (from, to) = if request { (client, server) } else { (server, client) };
    let ports: [u8; 4] = if request { [0x9c, 0x40, 0, 80] } else { [0, 80, 0x9c, 0x40] };
    let total = (40 + payload.len()) as u16;
    let mut frame = vec![0; 12];
    frame.extend([8, 0, 0x45, 0]);
    frame.extend(total.to_be_bytes());
    frame.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
    frame.extend(from);
    frame.extend(to);
    frame.extend(ports);
    frame.extend(seq.to_be_bytes());
    frame.extend(ack.to_be_bytes());
    frame.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    frame.extend(payload);
    frame
}
