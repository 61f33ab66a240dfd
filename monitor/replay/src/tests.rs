use std::{env, fs, path::PathBuf};

use proptest::prelude::*;
use rollcall_stream::Direction;

use super::*;

mod captures;
use captures::{Order, Unit, frame, ng, pcap};

/// What a test compares of a segment.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    connection: u64,
    direction: Direction,
    at: u64,
    seq: u32,
    length: u32,
    data: Vec<u8>,
}

fn read(capture: &[u8]) -> (Vec<Seen>, Result<(), Error>, Summary) {
    let mut seen = Vec::new();
    let mut reader = Reader::new();
    let outcome = reader.read_from("test", capture, |captured| {
        let Captured::Segment(segment) = captured else { return };
        assert!(segment.data.len() <= segment.length as usize);
        seen.push(Seen {
            connection: segment.connection.0,
            direction: segment.direction,
            at: segment.at.0,
            seq: segment.seq,
            length: segment.length,
            data: segment.data.to_vec(),
        });
    });
    let summary = reader.summary();
    assert_eq!(summary.packets, summary.segments + summary.skipped.total(), "every packet is accounted for");
    assert_eq!(summary.segments, seen.len() as u64);
    (seen, outcome, summary)
}

fn whole(capture: &[u8]) -> Vec<Seen> {
    let (seen, outcome, _) = read(capture);
    outcome.unwrap();
    seen
}

const GET: &[u8] = b"GET /v1/customers/17 HTTP/1.1\r\nHost: x\r\n\r\n";
/// 2026-07-14T03:33:20.123456789Z
const AT: u64 = 1_784_000_000_123_456_789;

fn seen(at: u64) -> Seen {
    Seen {
        connection: 1,
        direction: Direction::Request,
        at,
        seq: 1000,
        length: GET.len() as u32,
        data: GET.to_vec(),
    }
}

#[test]
fn byte_orders_and_time_units() {
    let packet = frame::ethernet(&frame::ipv4(GET));
    for order in [Order::Little, Order::Big] {
        let capture = pcap(order, Unit::Micro, 1, &[(AT, &packet)]);
        assert_eq!(whole(&capture), [seen(AT / 1000 * 1000)]);
        let capture = pcap(order, Unit::Nano, 1, &[(AT, &packet)]);
        assert_eq!(whole(&capture), [seen(AT)]);
        let capture =
            [ng::section(order), ng::interface(order, 1, &[]), ng::packet(order, 0, AT / 1000, &packet)];
        assert_eq!(whole(&capture.concat()), [seen(AT / 1000 * 1000)]);
    }
}

#[test]
fn time_resolutions_of_pcapng() {
    let packet = frame::ethernet(&frame::ipv4(GET));
    let order = Order::Big;
    let offset = 1_000_000_000i64;
    for (options, units) in [
        (ng::option(order, 9, &[9]), AT),
        (ng::option(order, 9, &[0x80 | 10]), (u128::from(AT) * 1024 / 1_000_000_000) as u64),
        (
            [ng::option(order, 9, &[9]), ng::option(order, 14, &offset.to_be_bytes())].concat(),
            AT - 1_000_000_000_000_000_000,
        ),
    ] {
        let capture =
            [ng::section(order), ng::interface(order, 1, &options), ng::packet(order, 0, units, &packet)];
        let at = whole(&capture.concat())[0].at;
        assert!(AT.abs_diff(at) < 1_000_000, "{at} is not within 1/1024 s of {AT}");
    }
}

#[test]
fn sections_interfaces_and_simple_packets_of_pcapng() {
    let ethernet = frame::ethernet(&frame::ipv4(GET));
    let raw = frame::ipv4(GET);
    let capture = [
        ng::section(Order::Little),
        ng::interface(Order::Little, 1, &[]),
        ng::interface(Order::Little, 101, &[]),
        ng::packet(Order::Little, 1, AT / 1000, &raw),
        ng::packet(Order::Little, 0, AT / 1000, &ethernet),
        ng::packet(Order::Little, 7, AT / 1000, &ethernet),
        ng::section(Order::Big),
        ng::interface(Order::Big, 101, &[]),
        ng::simple(Order::Big, &raw),
    ];
    let (seen, outcome, summary) = read(&capture.concat());
    outcome.unwrap();
    assert_eq!(seen.len(), 3);
    assert!(seen.iter().all(|seen| seen.at == AT / 1000 * 1000));
    assert_eq!(summary.skipped.link_type, 1, "of an interface that is not described");
}

#[test]
fn secrets_in_pcapng_come_in_their_place() {
    const KEY_LOG: u32 = 0x544c_534b;
    let line = |byte: &str| format!("CLIENT_RANDOM {} {}\n", byte.repeat(32), byte.repeat(48));
    let text = [line("1a"), "# of a browser\nno line of a key log\n".to_owned(), line("2b")].concat();
    let packet = frame::ethernet(&frame::ipv4(GET));
    for order in [Order::Little, Order::Big] {
        let capture = [
            ng::section(order),
            ng::interface(order, 1, &[]),
            ng::secrets(order, KEY_LOG, text.as_bytes()),
            ng::packet(order, 0, AT / 1000, &packet),
            ng::secrets(order, 0x5747_4b4c, text.as_bytes()),
            ng::secrets(order, KEY_LOG, line("3c").trim_end().as_bytes()),
        ];
        let mut seen = Vec::new();
        let mut reader = Reader::new();
        reader
            .read_from("test", &capture.concat()[..], |captured| {
                seen.push(match captured {
                    Captured::Segment(_) => None,
                    Captured::Secret(secret) => Some(secret.bytes()[0]),
                });
            })
            .unwrap();
        assert_eq!(seen, [Some(0x1a), Some(0x2b), None, Some(0x3c)]);
        assert_eq!(reader.summary().packets, 1);
    }
}

#[test]
fn link_layers() {
    let v4 = frame::ipv4(GET);
    let v6 = frame::ipv6(&[], GET);
    let sll = |kind: [u8; 2]| [&[0; 14][..], &kind].concat();
    let sll2 = |kind: [u8; 2]| [&kind[..], &[0; 18]].concat();
    let tags = |kind: [u8; 2]| [&[0; 12][..], &[0x88, 0xa8, 0, 1, 0x81, 0, 0, 2], &kind].concat();
    for (link_type, header, packet) in [
        (0, vec![2, 0, 0, 0], &v4),
        (0, vec![0, 0, 0, 30], &v6),
        (108, vec![0, 0, 0, 2], &v4),
        (1, [&[0; 12][..], &[8, 0]].concat(), &v4),
        (1, tags([8, 0]), &v4),
        (1, tags([0x86, 0xdd]), &v6),
        (12, vec![], &v4),
        (101, vec![], &v6),
        (228, vec![], &v4),
        (229, vec![], &v6),
        (113, sll([8, 0]), &v4),
        (113, sll([0x86, 0xdd]), &v6),
        (276, sll2([8, 0]), &v4),
        (276, sll2([0x86, 0xdd]), &v6),
    ] {
        let capture = pcap(Order::Little, Unit::Nano, link_type, &[(AT, &[&header[..], packet].concat())]);
        assert_eq!(whole(&capture), [seen(AT)], "link type {link_type}");
    }
}

#[test]
fn ipv6_extension_headers() {
    // Hop-by-hop options, then destination options, eight bytes each.
    let extensions = [(0, [0, 0, 1, 4, 0, 0, 0, 0].to_vec()), (60, [0, 0, 1, 4, 0, 0, 0, 0].to_vec())];
    let packet = frame::ipv6(&extensions, GET);
    assert_eq!(whole(&pcap(Order::Little, Unit::Nano, 101, &[(AT, &packet)])), [seen(AT)]);
}

#[test]
fn a_snapshot_shorter_than_the_packet() {
    let packet = frame::ethernet(&frame::ipv4(GET));
    let headers = packet.len() - GET.len();
    for kept in 0..packet.len() {
        let capture = captures::pcap_cut(&packet, kept);
        let (seen, outcome, summary) = read(&capture);
        outcome.unwrap();
        if kept < headers {
            assert_eq!(summary.skipped.cut_short, 1, "{kept} bytes");
        } else {
            assert_eq!(seen[0].length, GET.len() as u32);
            assert_eq!(seen[0].data, GET[..kept - headers]);
        }
    }
}

#[test]
fn padding_is_not_payload() {
    let mut packet = frame::ethernet(&frame::ipv4(b"G"));
    packet.extend_from_slice(&[0; 9]);
    let seen = whole(&pcap(Order::Little, Unit::Nano, 1, &[(AT, &packet)]));
    assert_eq!((seen[0].length, seen[0].data.as_slice()), (1, b"G".as_slice()));
}

#[test]
fn a_packet_captured_before_it_was_segmented_has_no_length() {
    let mut packet = frame::ipv4(GET);
    packet[2..4].fill(0);
    assert_eq!(whole(&pcap(Order::Little, Unit::Nano, 101, &[(AT, &packet)])), [seen(AT)]);
}

#[test]
fn what_is_no_segment_is_counted_by_reason() {
    let arp = [&[0; 12][..], &[8, 6], &[0; 28]].concat();
    let mut udp = frame::ethernet(&frame::ipv4(GET));
    udp[14 + 9] = 17;
    let mut fragment = frame::ethernet(&frame::ipv4(GET));
    fragment[14 + 6] = 0x20;
    let mut malformed = frame::ethernet(&frame::ipv4(GET));
    malformed[14 + 20 + 12] = 0x10;
    let empty = frame::ethernet(&frame::ipv4(b""));
    let packets = [(AT, &arp[..]), (AT, &udp), (AT, &fragment), (AT, &malformed), (AT, &empty)];
    let (_, outcome, summary) = read(&pcap(Order::Little, Unit::Nano, 1, &packets));
    outcome.unwrap();
    let skipped =
        Skipped { not_ip: 1, not_tcp: 1, fragment: 1, malformed: 1, no_direction: 1, ..Skipped::default() };
    assert_eq!(summary, Summary { packets: 5, segments: 0, connections: 0, skipped });
}

#[test]
fn a_file_that_breaks_off_gives_everything_before() {
    let packet = frame::ethernet(&frame::ipv4(GET));
    let capture = pcap(Order::Big, Unit::Nano, 1, &[(AT, &packet), (AT, &packet), (AT, &packet)]);
    let record = 16 + packet.len();
    for cut in 1..capture.len() {
        let (seen, outcome, _) = read(&capture[..cut]);
        let complete = cut.saturating_sub(24) / record;
        assert_eq!(seen.len(), complete);
        match outcome {
            Ok(()) => assert_eq!(24 + complete * record, cut),
            Err(Error::Truncated { packet, offset, .. }) => {
                assert_eq!(packet, complete as u64 + 1);
                assert_eq!(offset, if cut < 24 { 0 } else { 24 + complete * record } as u64);
            }
            // Two bytes of magic number are not enough to tell.
            Err(Error::Foreign { .. }) => assert!(cut < 4),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_pcapng_file_that_breaks_off_gives_everything_before() {
    let packet = frame::ethernet(&frame::ipv4(GET));
    let block = ng::packet(Order::Little, 0, AT, &packet);
    let head = [ng::section(Order::Little), ng::interface(Order::Little, 1, &[])].concat();
    let capture = [&head[..], &block, &block].concat();
    for cut in 12..capture.len() {
        let (seen, outcome, _) = read(&capture[..cut]);
        assert_eq!(seen.len(), cut.saturating_sub(head.len()) / block.len());
        let at_block = cut == 28 || cut == head.len() || cut == head.len() + block.len();
        match outcome {
            Ok(()) => assert!(at_block, "cut at {cut}"),
            Err(error) => assert!(matches!(error, Error::Truncated { .. }) && !at_block, "{error} at {cut}"),
        }
    }
}

#[test]
fn files_that_are_no_captures() {
    let start = |capture: &[u8]| match read(capture).1 {
        Err(Error::Foreign { start, .. }) => start,
        other => panic!("{other:?}"),
    };
    assert!(matches!(read(b"").1, Err(Error::Empty { .. })));
    assert_eq!(start(b"127.0.0.1 - - [01/Jan/2026]"), "text");
    assert_eq!(start(b"\x1f\x8b\x08\x00"), "gzip's mark; unpack it first");
    assert_eq!(start(b"\x7fELF\x02\x01"), "the bytes 7f 45 4c 46");
    let usb = pcap(Order::Little, Unit::Micro, 189, &[]);
    assert!(matches!(read(&usb).1, Err(Error::LinkType { link_type: 189, .. })));
}

#[test]
fn damage_is_told_from_truncation() {
    let packet = frame::ethernet(&frame::ipv4(GET));
    let mut capture = pcap(Order::Little, Unit::Micro, 1, &[(AT, &packet), (AT, &packet)]);
    let second = 24 + 16 + packet.len();
    capture[second + 8..second + 12].copy_from_slice(&u32::MAX.to_le_bytes());
    let (seen, outcome, _) = read(&capture);
    assert_eq!(seen.len(), 1);
    assert_eq!(
        outcome.unwrap_err().to_string(),
        format!(
            "capture test is damaged at byte {second}, after packet 1: a packet says that it is larger than 16 MiB"
        )
    );

    let head = [ng::section(Order::Little), ng::interface(Order::Little, 1, &[])].concat();
    let mut block = ng::packet(Order::Little, 0, AT, &packet);
    block[20..24].copy_from_slice(&1000u32.to_le_bytes());
    let (_, outcome, _) = read(&[&head[..], &block, &block].concat());
    assert!(matches!(outcome, Err(Error::Damaged { .. })), "{outcome:?}");

    for length in 0..12_u32 {
        for kind in [0_u32, 1, 3, 6, 0xbad] {
            let block = [kind.to_le_bytes(), length.to_le_bytes(), [0; 4]].concat();
            let (_, outcome, _) = read(&[&head[..], &block].concat());
            assert!(matches!(outcome, Err(Error::Damaged { .. })), "{kind} {length} {outcome:?}");
        }
    }
}

#[test]
fn a_packet_larger_than_the_buffer() {
    let large = vec![0; 1 << 20];
    let packet = frame::ethernet(&frame::ipv4(GET));
    let capture = pcap(Order::Little, Unit::Nano, 1, &[(AT, &large), (AT, &packet)]);
    assert_eq!(whole(&capture), [seen(AT)]);
}

/// Gives one byte at a time, as a slow pipe might.
struct Trickle<'a>(&'a [u8]);

impl std::io::Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = buffer.len().min(1);
        self.0.read(&mut buffer[..count])
    }
}

#[test]
fn a_pipe_may_give_it_in_pieces() {
    let packet = frame::ethernet(&frame::ipv4(GET));
    let long = ng::option(Order::Little, 4, &[b'x'; 1000]);
    let ng = [
        ng::section_with(Order::Little, &long),
        ng::interface(Order::Little, 1, &[]),
        ng::packet(Order::Little, 0, AT, &packet),
    ];
    for capture in [pcap(Order::Little, Unit::Nano, 1, &[(AT, &packet)]), ng.concat()] {
        let mut reader = Reader::new();
        reader.read_from("pipe", Trickle(&capture), |_| {}).unwrap();
        assert_eq!(reader.summary().segments, 1);
    }
}

#[test]
fn connections_go_on_from_file_to_file() {
    let packet = frame::ethernet(&frame::ipv4(GET));
    let capture = pcap(Order::Little, Unit::Nano, 1, &[(AT, &packet)]);
    let mut reader = Reader::new();
    let mut numbers = Vec::new();
    for _ in 0..2 {
        reader
            .read_from("part", &capture[..], |captured| {
                let Captured::Segment(segment) = captured else { return };
                numbers.push(segment.connection.0);
            })
            .unwrap();
    }
    assert_eq!(numbers, [1, 1]);
}

#[test]
fn the_shared_captures_are_read_to_the_last_packet() {
    let shared = env::var_os("ROLLCALL_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let Ok(files) = fs::read_dir(shared.join("data/pcap")) else {
        eprintln!("NOT TESTED: no captures in {}; set ROLLCALL_SHARED", shared.display());
        return;
    };
    let captures = files
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "pcap"));
    for path in captures {
        let mut reader = Reader::new();
        let mut requests = 0;
        reader
            .read(&path, |captured| {
                let Captured::Segment(segment) = captured else { return };
                requests += u64::from(segment.direction == Direction::Request && !segment.data.is_empty());
            })
            .unwrap();
        let Summary { packets, segments, connections, skipped } = reader.summary();
        assert!(packets > 0 && connections > 0 && requests > 0, "{}", path.display());
        assert_eq!((segments, skipped), (packets, Skipped::default()), "{}", path.display());
    }
}

proptest! {
    #[test]
    fn no_damage_panics(ng in any::<bool>(), flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12)) {
        let packet = frame::ethernet(&frame::ipv6(&[(0, vec![0, 0, 1, 4, 0, 0, 0, 0])], GET));
        let mut capture = if ng {
            let head = [ng::section(Order::Little), ng::interface(Order::Little, 1, &ng::option(Order::Little, 9, &[9]))];
            [head.concat(), ng::packet(Order::Little, 0, AT, &packet), ng::simple(Order::Little, &packet)].concat()
        } else {
            pcap(Order::Big, Unit::Nano, 1, &[(AT, &packet), (AT, &packet)])
        };
        for (index, byte) in flips {
            let at = index.index(capture.len());
            capture[at] = byte;
        }
        let _ = read(&capture);
    }

    #[test]
    fn no_packet_panics(link_type in prop::sample::select(vec![0u16, 1, 101, 113, 276]), mut packet: Vec<u8>, version in 0u8..16) {
        if let Some(first) = packet.first_mut() {
            *first = *first & 15 | version << 4;
        }
        let (_, outcome, summary) = read(&pcap(Order::Little, Unit::Nano, link_type.into(), &[(AT, &packet)]));
        outcome.unwrap();
        prop_assert_eq!(summary.packets, 1);
    }
}
