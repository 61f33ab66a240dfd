//! However a stream is cut, doubled and shuffled, the exchanges are the same; and no bytes do harm.

use proptest::{collection::vec, prelude::*, sample::Index};

use super::*;

/// A request as the client writes it, its response, and what is to be reported.
fn message(kind: u8, i: usize) -> (String, String, String) {
    let status_code = 210 + i as u16;
    let target = format!("/{i}");
    let response = status(status_code, &"r".repeat(i % 7 * 100));
    let (method, request, response) = match kind % 9 {
        0 => ("GET", get(&target), response),
        1 => ("POST", post(&target, "GET /no HTTP/1.1\r\n\r\n"), response),
        2 => (
            "PUT",
            format!(
                "PUT {target} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nGET\r\n5;x\r\n / HT\r\n0\r\n\r\n"
            ),
            response,
        ),
        3 => (
            "HEAD",
            format!("HEAD {target} HTTP/1.1\r\n\r\n"),
            format!("HTTP/1.1 {status_code} OK\r\nContent-Length: 50\r\n\r\n"),
        ),
        4 => ("POST", post(&target, "abc"), format!("HTTP/1.1 100 Continue\r\n\r\n{response}")),
        5 => (
            "GET",
            format!("\r\nGET {target} HTTP/1.1\nA: b\n\n"),
            format!("HTTP/1.1 {status_code} OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nHTTP\r\n0\r\n\r\n"),
        ),
        6 => ("GET", format!("GET {target} HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(5000)), response),
        7 => ("get", format!("get {target} HTTP/1.1\r\nA: 1\r\n 2\r\n\r\n"), response),
        _ => ("POST", post(&target, &"z".repeat(3000)), response),
    };
    (request, response, format!("{method} {target} {status_code}"))
}

/// What a load balancer may send before the first request, and whom it names.
fn opening(kind: u8) -> (Vec<u8>, Option<IpAddr>) {
    match kind {
        0 => (b"PROXY TCP4 198.51.100.7 192.0.2.2 40000 80\r\n".to_vec(), "198.51.100.7".parse().ok()),
        1 => (proxy::binary(0), "198.51.100.7".parse().ok()),
        2 => (proxy::binary(900), "198.51.100.7".parse().ok()),
        3 => (b"PROXY UNKNOWN ::1 ::1 1 2\r\n".to_vec(), None),
        _ => (Vec::new(), None),
    }
}

/// A receiver's TCP: what has arrived, and up to where there is no hole.
struct Receiver {
    start: u32,
    arrived: Vec<bool>,
}

impl Receiver {
    fn next(&self) -> usize {
        self.arrived.iter().position(|arrived| !arrived).unwrap_or(self.arrived.len())
    }
}

#[test]
fn a_long_method_hides_nothing_however_it_arrives() {
    let head = format!("{} /a HTTP/1.1\r\n\r\n", "X".repeat(200));
    for cut in [1, 64, 65, 80, 81, 150, 200, 201] {
        let mut wire = Wire::new();
        wire.send(&head[..cut]).send(&head[cut..]).reply(status(405, ""));
        wire.send(get("/b")).reply(ok("")).finish();
        wire.expect(&[&format!("{} /a 405", "X".repeat(200)), "GET /b 200"]);
    }
}

#[test]
fn a_first_line_past_the_cap_hides_nothing_behind_it() {
    let long = "X".repeat(5000);
    for line in [
        format!("{long} /a"),
        format!("POST https://x/{long}"),
        format!("{long} HTTPS://x/"),
        format!("POST x{long}"),
    ] {
        let mut wire = Wire::new();
        wire.send(format!("{line} HTTP/1.1\r\n\r\n")).reply(status(405, ""));
        wire.send(get("/b")).reply(ok("")).finish();
        assert_eq!((wire.record.exchanges.len(), &*wire.record.exchanges[1]), (2, "GET /b 200"), "{line}");
    }
}

proptest! {
    /// A pipelined stream, cut anywhere, its segments doubled, merged and shuffled, the responses cut and in
    /// any order within a cycle: the exchanges are those of the requests in order.
    #[test]
    fn any_segmentation_gives_the_same_exchanges(
        header in 0u8..8,
        kinds in vec(any::<u8>(), 1..8),
        cuts in vec(any::<Index>(), 0..30),
        swaps in vec((any::<Index>(), any::<Index>()), 0..10),
        doubles in vec((any::<Index>(), any::<Index>(), any::<Index>()), 0..6),
        response_cuts in vec(any::<Index>(), 0..10),
        response_swaps in vec((any::<Index>(), any::<Index>()), 0..6),
        settles in vec(any::<bool>(), 64),
        stale in vec(0usize..4, 64),
        trusted in any::<bool>(),
    ) {
        let messages: Vec<_> = kinds.iter().enumerate().map(|(i, &kind)| message(kind, i)).collect();
        let requests: String = messages.iter().map(|message| message.0.as_str()).collect();
        let responses: String = messages.iter().map(|message| message.1.as_str()).collect();
        let expected: Vec<_> = messages.iter().map(|message| message.2.clone()).collect();
        let (header, proxied_for) = opening(header);
        let requests = [&header[..], requests.as_bytes()].concat();
        let mut segments = cut(requests.len(), &cuts);
        for (at, from, to) in &doubles {
            let (from, to) = (from.index(requests.len()), to.index(requests.len()));
            if from != to {
                segments.insert(at.index(segments.len()), from.min(to)..from.max(to));
            }
        }
        for (a, b) in &swaps {
            let (a, b) = (a.index(segments.len()), b.index(segments.len()));
            segments.swap(a, b);
        }
        let mut wire = Wire::new();
        wire.captured = usize::MAX;
        wire.checksum = if trusted { Checksum::Valid } else { Checksum::Unknown };
        let mut receiver = Receiver { start: wire.client, arrived: vec![false; requests.len()] };
        let mut history = vec![0usize];
        for (i, segment) in segments.into_iter().enumerate() {
            // The receiver's state may be read late, but not before the connection is known.
            let known = history[history.len() - 1 - stale[i % 64].min(history.len() - 1)];
            wire.received = receiver.start.wrapping_add(if i == 0 { 0 } else { known as u32 });
            wire.raw(receiver.start.wrapping_add(segment.start as u32), &requests[segment.clone()]);
            receiver.arrived[segment].fill(true);
            history.push(receiver.next());
            if settles[i % 64] {
                wire.settle();
            }
        }
        wire.received = receiver.start.wrapping_add(requests.len() as u32);
        let mut pieces = cut(responses.len(), &response_cuts);
        for (a, b) in &response_swaps {
            let (a, b) = (a.index(pieces.len()), b.index(pieces.len()));
            pieces.swap(a, b);
        }
        let start = wire.server;
        for piece in pieces {
            wire.respond_at(start.wrapping_add(piece.start as u32), responses[piece].as_bytes());
        }
        wire.settle().settle();
        wire.finish();
        prop_assert_eq!(&wire.record.exchanges, &expected);
        let counters = wire.connections.counters();
        prop_assert_eq!((counters.stream.conflicts, counters.gaps, counters.desyncs), (0, 0, 0));
        prop_assert_eq!(counters.proxied, u64::from(!header.is_empty()));
        prop_assert!(wire.record.proxied_for.iter().all(|&address| address == proxied_for));
    }

    /// Segments that TCP drops, of any content, before and among the true ones, anywhere in the window.
    #[test]
    fn segments_that_tcp_drops_change_nothing(
        header in 0u8..8,
        kinds in vec(any::<u8>(), 1..6),
        cuts in vec(any::<Index>(), 0..20),
        decoys in vec(vec((0u32..400, soup()), 0..3), 20),
        trusted in any::<bool>(),
    ) {
        let messages: Vec<_> = kinds.iter().enumerate().map(|(i, &kind)| message(kind, i)).collect();
        let requests: String = messages.iter().map(|message| message.0.as_str()).collect();
        let expected: Vec<_> = messages.iter().map(|message| message.2.clone()).collect();
        let (header, proxied_for) = opening(header);
        let requests = [&header[..], requests.as_bytes()].concat();
        let mut wire = Wire::new();
        wire.captured = usize::MAX;
        for (i, segment) in cut(requests.len(), &cuts).into_iter().enumerate() {
            wire.checksum = Checksum::Unknown;
            for (ahead, decoy) in &decoys[i % 20] {
                if !decoy.is_empty() {
                    wire.raw(wire.client.wrapping_add(ahead.saturating_sub(200)), decoy);
                }
            }
            wire.checksum = if trusted { Checksum::Valid } else { Checksum::Unknown };
            wire.send(&requests[segment]);
        }
        for (_, response, _) in &messages {
            wire.reply(response);
        }
        wire.finish();
        prop_assert_eq!(&wire.record.exchanges, &expected);
        prop_assert_eq!(wire.connections.counters().proxied, u64::from(!header.is_empty()));
        prop_assert!(wire.record.proxied_for.iter().all(|&address| address == proxied_for));
    }

    /// A client that waits, with responses of which little is captured and which come a cycle late.
    #[test]
    fn late_and_cut_responses_still_find_their_requests(
        kinds in vec(prop::sample::select(vec![0u8, 1, 2, 5, 7, 8]), 1..20),
        captured in 12usize..300,
        lates in vec(any::<bool>(), 20),
    ) {
        let mut wire = Wire::new();
        wire.captured = captured;
        let mut late: Vec<(u32, u32, String)> = Vec::new();
        let mut expected = Vec::new();
        for (i, &kind) in kinds.iter().enumerate() {
            let (request, response, line) = message(kind, i);
            wire.send(request);
            late.push((wire.server, wire.received, response.clone()));
            wire.unseen_reply(response.len() as u32);
            expected.push(line);
            if lates[i] {
                let received = wire.received;
                for (seq, received, response) in late.drain(..) {
                    wire.received = received;
                    wire.respond_at(seq, response.as_bytes());
                }
                wire.received = received;
                wire.answered = true;
                wire.settle();
            }
        }
        for (seq, received, response) in late.drain(..) {
            wire.received = received;
            wire.respond_at(seq, response.as_bytes());
        }
        wire.settle().finish();
        prop_assert_eq!(&wire.record.exchanges, &expected);
    }

    /// Bytes without meaning, in segments without sense, in both directions.
    #[test]
    fn no_bytes_do_harm(
        segments in vec((any::<u8>(), 0u32..3000, soup(), any::<[bool; 8]>(), any::<[u16; 3]>()), 1..80),
    ) {
        let limits = Limits {
            head: 256, pending: 20_000, pipelined: 4,
            stream: rollcall_stream::Limits {
                connections: 4, buffered_per_connection: 2000, buffered: 5000, ..rollcall_stream::Limits::default()
            },
            ..Limits::default()
        };
        let mut wire = Wire::with(limits);
        for (kind, seq, data, flags, numbers) in segments {
            wire.id = u64::from(kind % 6);
            let direction = if flags[0] { Direction::Request } else { Direction::Response };
            let base = wire.base(direction);
            let segment = Segment {
                seq: seq.wrapping_sub(1000),
                data: &data,
                length: data.len() as u32 + if flags[1] { u32::from(numbers[0] % 100) } else { 0 },
                ack: flags[2].then(|| u32::from(numbers[1]).wrapping_sub(1000)),
                received: flags[3].then(|| u32::from(numbers[2] % 4000).wrapping_sub(1000)),
                sent: flags[3].then(|| u32::from(numbers[1] % 4000)),
                endpoints: flags[4].then(endpoints),
                fin: kind & 0x40 != 0,
                rst: kind > 0xf0,
                syn: kind & 0x3c == 0x3c,
                listener: kind & 0x38 == 0x38,
                joined: flags[5],
                after_response: flags[6],
                checksum: if flags[7] { Checksum::Unknown } else { Checksum::Valid },
                ..base
            };
            wire.connections.segment(&segment, &mut wire.record);
            if kind % 16 == 0 {
                wire.settle();
            }
            let counters = wire.connections.counters();
            prop_assert!(counters.stream.connections <= 4 && counters.stream.buffered_bytes <= 5000);
        }
        wire.finish();
    }
}

/// Pieces of HTTP, put together without care.
fn soup() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(vec![
        "GET /x HTTP/1.1\r\n",
        "POST ",
        "\r\n",
        "\r\n\r\n",
        "\n",
        "Content-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\n",
        "0\r\n\r\n",
        "5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 101 X\r\n\r\n",
        "CONNECT a:1 HTTP/1.1\r\n\r\n",
        "\0\u{1}",
        "Connection: close\r\n",
        " folded\r\n",
        "GET /old\r\n",
        "Content-Length: 99999\r\n",
        "\u{16}\u{3}",
        "PROXY TCP4 203.0.113.9 192.0.2.2 1 80\r\n",
        "PROXY UNKNOWN",
        "\r\n\r\n\0\r\nQUIT\n",
        "!\u{11}\0\u{c}0123456789ab",
        "!\0\u{7f}\0",
        "x",
    ]);
    vec(words, 0..8).prop_map(|words| words.concat().into_bytes())
}

/// The ranges between cuts.
fn cut(length: usize, cuts: &[Index]) -> Vec<std::ops::Range<usize>> {
    let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(length)).chain([0, length]).collect();
    ends.sort_unstable();
    ends.dedup();
    ends.windows(2).map(|ends| ends[0]..ends[1]).collect()
}
