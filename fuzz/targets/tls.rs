//! TLS on a connection whose secrets are known, and key logs: whatever the two sides send, nothing that was held for want of a
//! secret is kept beyond the connection, and what is reported is reported whole.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rollcall_fuzz::{requests::Record, seeds, wire::Wire};
use rollcall_http::{Connections, Limits};
use rollcall_model::time::Timestamp;
use rollcall_stream::Direction;
use rollcall_tls::{Label, Secret, key_log};

/// The random bytes of the client, and its traffic secret, in RFC 8448, section 3.
const RANDOM: &str = "cb34ecb1e78163ba1c38c6dacb196a6dffa21a8d9912ec18a2ef6283024dece7";
const SECRET: &str = "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5";

/// The record that carries its application data there.
const RECORD: &str = "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e2b6297\
                      4e1f5a6292a2977014bd1e3deae63aeebb21694915e4";

const WORDS: [&str; 7] = [
    "\u{16}\u{3}\u{1}",
    "\u{16}\u{3}\u{3}",
    "\u{17}\u{3}\u{3}\u{0}",
    "\u{14}\u{3}\u{3}\u{0}\u{1}\u{1}",
    "\u{0}\u{2b}\u{0}\u{2}\u{3}\u{4}",
    "CLIENT_RANDOM ",
    "CLIENT_TRAFFIC_SECRET_0 ",
];

fuzz_target!(init: seeds::offer(&seeds(), &WORDS), |data: &[u8]| {
    for line in data.split(|&byte| byte == b'\n') {
        if let Ok(Some(secret)) = key_log::parse(line) {
            assert!(matches!(secret.bytes().len(), 32 | 48) && secret.client_random.is_some());
        }
    }
    let Some((&kind, mut rest)) = data.split_first() else { return };
    let mut connections = Connections::new(Limits::default());
    let mut record = Record::default();
    let is_named = kind & 1 == 0;
    for (label, bytes) in [(Label::Client, unhex(SECRET)), (Label::Server, unhex(SECRET)), (Label::Master, vec![7; 48])] {
        let random = unhex(RANDOM).try_into().ok().filter(|_| is_named);
        let label = if kind & 2 == 0 { label } else { Label::Unknown };
        connections.secret(Secret::new(label, &bytes, random, Timestamp::default()).expect("a length that secrets have"));
    }
    let mut wire = Wire { live: kind & 4 == 0, ..Wire::new(7, Timestamp(1_000_000_000)) };
    let captured = if kind & 8 == 0 { usize::MAX } else { 272 };
    // Each piece has its direction and its length before it.
    while let Some((&[high, low], behind)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes([high & 0x3f, low])).min(behind.len());
        let (piece, behind) = behind.split_at(length);
        rest = behind;
        wire.now.0 += 1_000_000;
        let direction = if high & 0x80 == 0 { Direction::Request } else { Direction::Response };
        if high & 0x40 == 0 {
            let mut segment = wire.segment(direction, piece);
            if direction == Direction::Response {
                segment.data = &piece[..piece.len().min(captured)];
            }
            connections.segment(&segment, &mut record);
        }
        wire.pass(direction, piece.len() as u32);
        wire.answered = direction == Direction::Response;
        connections.settle(wire.now, &mut record);
    }
    wire.now.0 += 3_000_000_000;
    connections.settle(wire.now, &mut record);
    connections.finish(wire.now, &mut record);
    let counters = connections.counters();
    assert_eq!((counters.decrypted.held_bytes, counters.pending_bytes, counters.stream.buffered_bytes), (0, 0, 0));
    assert_eq!(record.calls, record.all.len());
    assert!(counters.decrypted.read + counters.decrypted.unread.iter().sum::<u64>() <= counters.decrypted.connections);
});

fn unhex(digits: &str) -> Vec<u8> {
    let digits: Vec<_> = digits.bytes().filter_map(|digit| char::from(digit).to_digit(16)).collect();
    digits.chunks_exact(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

/// A handshake of TLS 1.3 and of 1.2, as far as it says anything, and the record.
fn seeds() -> Vec<Vec<u8>> {
    let piece = |direction: u8, bytes: &[u8]| {
        let [high, low] = (bytes.len() as u16).to_be_bytes();
        [&[high | direction, low][..], bytes].concat()
    };
    let handshake = |kind: u8, body: &[u8]| {
        let length = body.len() as u8;
        [&[0x16, 3, 1, 0, length + 4, kind, 0, 0, length][..], body].concat()
    };
    let client = handshake(1, &[&[3, 3][..], &unhex(RANDOM), &[0, 0, 2, 0x13, 1, 1, 0, 0, 0]].concat());
    let server = |suite: [u8; 2], extensions: &[u8]| {
        let length = [0, extensions.len() as u8];
        handshake(2, &[&[3, 3][..], &[9; 32], &[0], &suite, &[0], &length, extensions].concat())
    };
    let modern = server([0x13, 1], &[0, 0x2b, 0, 2, 3, 4]);
    let legacy = server([0xc0, 0x2f], &[0, 22, 0, 0]);
    let change = [0x14, 3, 3, 0, 1, 1];
    let record = unhex(RECORD);
    let log = format!("CLIENT_RANDOM {RANDOM} {}\n", "07".repeat(48));
    vec![
        [&[0][..], &piece(0, &client), &piece(0x80, &modern), &piece(0, &record), &piece(0x80, &record)]
            .concat(),
        [&[3][..], &piece(0, &client), &piece(0x80, &modern), &piece(0x80, &change), &piece(0, &record)]
            .concat(),
        [&[8][..], &piece(0, &client), &piece(0x80, &legacy), &piece(0, &change), &piece(0, &record)]
            .concat(),
        log.into_bytes(),
    ]
}
