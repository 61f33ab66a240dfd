//! Files, which show what was on the wire and nothing of the server's state, and miss some of it.

use super::*;

/// What is missing of a call.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Lost {
    Nothing,
    Request,
    Head,
    Answer,
    Both,
}

fn recorded() -> Wire {
    Wire { recorded: true, captured: usize::MAX, checksum: Checksum::Unknown, ..Wire::new() }
}

/// Six calls of a client that waits for each answer. `acks`: empty segments are in the file, too.
/// What was reported, answers to requests that were not seen, and requests that may have been none.
fn walk(lost: [Lost; 6], acks: bool, settle: bool) -> (Vec<String>, u64, u64) {
    let mut wire = recorded();
    for (i, lost) in lost.into_iter().enumerate() {
        let (request, answer) = (get(&format!("/{i}")), status(200 + i as u16, "xyz"));
        let (head, body) = answer.split_at(answer.len() - 3);
        if matches!(lost, Lost::Request | Lost::Both) {
            wire.miss(request.len() as u32);
        } else {
            wire.send(request);
        }
        if acks {
            wire.respond_at(wire.server, b"");
        }
        match lost {
            Lost::Nothing | Lost::Request => wire.reply(head).reply(body),
            Lost::Head => wire.unseen_reply(head.len() as u32).reply(body),
            Lost::Answer | Lost::Both => wire.unseen_reply(answer.len() as u32),
        };
        if acks {
            wire.raw(wire.client, b"");
        }
        if settle {
            wire.settle().settle();
        }
    }
    wire.fin().server_fin().settle().settle().finish();
    let counters = wire.connections.counters();
    (wire.record.exchanges.clone(), counters.unexplained.iter().sum(), counters.lost_requests)
}

#[test]
fn what_a_file_misses_costs_its_own_status_and_no_other() {
    const KINDS: [Lost; 4] = [Lost::Request, Lost::Head, Lost::Answer, Lost::Both];
    for (first, second) in (0..6).flat_map(|first| (first..6).map(move |second| (first, second))) {
        for (kind, other) in KINDS.into_iter().flat_map(|kind| KINDS.map(|other| (kind, other))) {
            let mut lost = [Lost::Nothing; 6];
            (lost[first], lost[second]) = (kind, other);
            let is_sent = |i: &usize| !matches!(lost[*i], Lost::Request | Lost::Both);
            // Behind a gap, only an answer shows that what looks like a request is one.
            let is_shown = |i: &usize| {
                let gap = (0..*i).rfind(|i| !is_sent(i));
                gap.is_none_or(|gap| lost[gap..].contains(&Lost::Nothing))
            };
            let unshown = (0..6).filter(is_sent).filter(|i| !is_shown(i)).count() as u64;
            let expected: Vec<String> = (0..6)
                .filter(|i| is_sent(i) && is_shown(i))
                .map(|i| match lost[i] {
                    Lost::Nothing => format!("GET /{i} {}", 200 + i),
                    _ => format!("GET /{i} -"),
                })
                .collect();
            let unseen = lost.iter().filter(|lost| **lost == Lost::Request).count() as u64;
            for (acks, settle) in [(true, false), (true, true), (false, false), (false, true)] {
                let expected = (expected.clone(), unseen, unshown);
                assert_eq!(walk(lost, acks, settle), expected, "{lost:?} {acks} {settle}");
            }
        }
    }
}

#[test]
fn of_a_file_with_the_servers_side_alone_each_answer_is_unseen() {
    let mut wire = recorded();
    for i in 0..4 {
        wire.miss(40).reply(status(200 + i, "x"));
    }
    wire.server_fin().settle().settle().finish();
    wire.expect(&[]);
    assert_eq!(wire.connections.counters().unexplained.iter().sum::<u64>(), 4);
}

#[test]
fn both_ends_may_close_at_once() {
    let mut wire = recorded();
    wire.send(get("/a")).reply(ok("x"));
    let segment = Segment { fin: true, ..wire.base(Direction::Request) };
    wire.connections.segment(&segment, &mut wire.record);
    wire.server_fin();
    wire.client = wire.client.wrapping_add(1);
    wire.received = wire.client;
    wire.respond_at(wire.server, b"");
    wire.settle().settle();
    wire.expect(&["GET /a 200"]);
    assert_eq!(wire.connections.counters().stream.connections, 0);
}

#[test]
fn a_refused_expectation_hides_nothing() {
    let body = r#"{"customer":17}"#;
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    for (framing, body) in [
        (format!("Content-Length: {}", body.len()), body),
        ("Content-Length: 5000".to_owned(), ""),
        ("Transfer-Encoding: chunked".to_owned(), &chunked),
    ] {
        for (refusal, from_file, is_sent) in [417, 401, 413]
            .into_iter()
            .flat_map(|refusal| [true, false].map(|from_file| (refusal, from_file)))
            .flat_map(|(refusal, from_file)| [true, false].map(|is_sent| (refusal, from_file, is_sent)))
        {
            if is_sent && body.is_empty() {
                continue;
            }
            let mut wire = if from_file { recorded() } else { Wire::new() };
            wire.send(format!("POST /a HTTP/1.1\r\nExpect: 100-continue\r\n{framing}\r\n\r\n"));
            wire.reply(status(refusal, ""));
            if is_sent {
                wire.send(body);
            }
            for i in 0..4 {
                wire.send(get(&format!("/{i}"))).reply(status(200 + i, "x"));
            }
            wire.fin().settle().settle().finish();
            let post = format!("POST /a {refusal}");
            let expected = [&post[..], "GET /0 200", "GET /1 201", "GET /2 202", "GET /3 203"];
            assert_eq!(wire.record.exchanges, expected, "{framing} {from_file} {is_sent}");
            assert_eq!(wire.connections.counters().unexplained, [0; 6]);
        }
    }
}
