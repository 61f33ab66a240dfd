//! What TCP accepted, and what was lost.

use std::time::Duration;

use super::*;

#[test]
fn a_request_that_tcp_never_accepted_is_not_reported() {
    let mut wire = Wire::new();
    wire.raw(wire.client, get("/dropped").as_bytes());
    wire.wait(Duration::from_secs(1)).finish();
    wire.expect(&[]);
    assert_eq!(wire.connections.counters().unconfirmed, 1);
}

/// Answers are collected a CPU at a time, and a packet that is captured whole, or on another CPU, may overtake them.
#[test]
fn an_end_may_overtake_the_answers_before_it() {
    for by_server in [false, true] {
        let mut wire = Wire::new();
        for part in get("/a").as_bytes().chunks(7) {
            wire.send(part);
        }
        let (seq, answer) = (wire.server, ok("1"));
        wire.unseen_reply(answer.len() as u32);
        if by_server {
            wire.server_fin();
        } else {
            wire.reset(wire.client);
        }
        wire.settle();
        wire.respond_at(seq, answer.as_bytes());
        wire.settle().settle().finish();
        wire.expect(&["GET /a 200"]);
        let counters = wire.connections.counters();
        assert_eq!((counters.unconfirmed, counters.unpaired_responses), (0, 0));
    }
}

#[test]
fn a_lost_head_is_said_and_the_next_request_is_found_again() {
    let mut wire = Wire::new();
    wire.send(get("/a")).reply(ok(""));
    wire.miss(100).unseen_reply(100);
    wire.send(get("/b")).reply(ok("")).settle().settle();
    wire.send(get("/c")).reply(ok("")).finish();
    wire.expect(&["GET /a 200", "GET /b 200", "GET /c 200"]);
    let counters = wire.connections.counters();
    assert_eq!((counters.gaps, counters.lost_bytes, counters.resyncs), (1, 100, 1));
}

#[test]
fn a_head_of_which_the_line_was_lost_is_counted_as_a_lost_request() {
    let mut wire = Wire::new();
    wire.send(get("/a")).reply(ok("")).send("GET /b").miss(30).unseen_reply(40).settle().settle();
    wire.send(get("/c")).reply(ok("")).finish();
    wire.expect(&["GET /a 200", "GET /c 200"]);
    assert_eq!(wire.connections.counters().lost_requests, 1);
}

#[test]
fn after_a_loss_no_request_is_guessed_amid_a_message() {
    let mut wire = Wire::new();
    wire.send(get("/a")).reply(ok(""));
    wire.miss(100).send(get("/in-a-body")).send(get("/in-a-body"));
    wire.reply(ok("")).finish();
    wire.expect(&["GET /a 200"]);
}

#[test]
fn a_loss_inside_a_body_is_harmless() {
    let mut wire = Wire::new();
    wire.send("POST /a HTTP/1.1\r\nContent-Length: 300\r\n\r\n").miss(200).send([b'x'; 100]).reply(ok(""));
    wire.send(get("/b")).reply(ok("")).finish();
    wire.expect(&["POST /a 200", "GET /b 200"]);
}

#[test]
fn a_head_of_which_the_rest_was_lost_is_reported_with_its_line() {
    let mut wire = Wire::new();
    wire.send("GET /a HTTP/1.1\r\nHost: x").miss(30).reply(ok("")).settle().settle();
    wire.send(get("/b")).reply(ok("")).finish();
    wire.expect(&["GET /a 200", "GET /b 200"]);
}

#[test]
fn a_connection_joined_amid_a_body_starts_with_the_next_request() {
    let mut wire = Wire::new();
    wire.joined = true;
    wire.send("of a body").send(get("/in-the-body")).reply(ok(""));
    wire.send(get("/a")).reply(ok("")).send(get("/b")).reply(ok("")).finish();
    wire.expect(&["GET /a 200", "GET /b 200"]);
}

#[test]
fn a_joined_connection_whose_first_segment_is_a_request_reports_it_once_answered() {
    let mut wire = Wire::new();
    wire.joined = true;
    wire.send(get("/a"));
    wire.wait(Duration::from_secs(1)).expect_calls(&[]);
    wire.reply(ok("")).expect(&["GET /a 200"]);
}

#[test]
fn a_joined_request_that_other_bytes_follow_was_none() {
    let mut wire = Wire::new();
    wire.joined = true;
    wire.send(get("/in-a-body"))
        .send("more of the body")
        .reply(ok(""))
        .send(get("/a"))
        .reply(ok(""))
        .finish();
    wire.expect(&["GET /a 200"]);
}

#[test]
fn data_on_the_handshake_is_read_once_its_connection_shows_up() {
    for answered_first in [false, true] {
        let mut wire = Wire::new();
        let head = get("/fast");
        wire.send_early(&head).miss(head.len() as u32);
        if answered_first {
            let answer = ok("");
            let segment = Segment {
                seq: wire.server,
                ack: Some(wire.received),
                data: answer.as_bytes(),
                length: answer.len() as u32,
                received: None,
                sent: None,
                ..wire.base(Direction::Response)
            };
            wire.connections.segment(&segment, &mut wire.record);
            wire.unseen_reply(answer.len() as u32);
            wire.send(get("/b")).reply(ok("")).finish();
            wire.expect(&["GET /fast 200", "GET /b 200"]);
        } else {
            wire.send(get("/b"));
            wire.reply(ok("")).reply(status(404, "")).finish();
            wire.expect(&["GET /fast 200", "GET /b 404"]);
        }
    }
}

#[test]
fn who_is_silent_behind_the_data_on_the_handshake_hides_nothing() {
    let mut wire = Wire::new();
    let (first, rest) = ("GET /customers", "/17 HTTP/1.1\r\nHost: x\r\n\r\n");
    wire.send_early(first).miss(first.len() as u32);
    for _ in 0..40 {
        wire.wait(Duration::from_secs(1));
    }
    wire.send(rest).reply(ok("")).finish();
    wire.expect(&["GET /customers/17 200"]);
}

#[test]
fn data_on_a_handshake_that_never_completes_is_forgotten() {
    let mut wire = Wire::new();
    wire.send_early("GET / HTTP/1.1\r\n\r\n").wait(Duration::from_secs(121)).finish();
    wire.expect(&[]);
    assert_eq!(wire.connections.counters().stream.listener_expired, 1);
}

#[test]
fn a_silent_connection_is_forgotten_and_read_again_when_it_speaks() {
    let mut wire = Wire::new();
    wire.send(get("/a")).reply(ok(""));
    for _ in 0..700 {
        wire.wait(Duration::from_secs(1));
    }
    assert_eq!(wire.connections.counters().stream.connections, 0);
    wire.send(get("/b")).reply(ok("")).finish();
    wire.expect(&["GET /a 200", "GET /b 200"]);
}

#[test]
fn a_connection_forgotten_amid_a_head_is_not_taken_for_another_protocol() {
    let mut wire = Wire::with(Limits {
        stream: rollcall_stream::Limits { connections: 1, ..rollcall_stream::Limits::default() },
        ..Limits::default()
    });
    wire.send("GET /a HTTP/1.1\r\n");
    wire.id = 8;
    wire.send(get("/other"));
    wire.id = 7;
    wire.send("SSH-2.0: x\r\n\r\n").reply(ok(""));
    wire.send(get("/b")).reply(ok("")).finish();
    assert_eq!(wire.record.directives, []);
    assert_eq!(wire.record.exchanges.last().map(String::as_str), Some("GET /b 200"));
    assert_eq!(wire.connections.counters().stream.evicted_connections, 2);
}

#[test]
fn a_file_with_one_direction_only_is_believed() {
    let mut wire = Wire::new();
    for target in ["/a", "/b"] {
        let data = get(target);
        let segment = Segment {
            data: data.as_bytes(),
            length: data.len() as u32,
            received: None,
            sent: None,
            ..wire.base(Direction::Request)
        };
        wire.connections.segment(&segment, &mut wire.record);
        wire.client = wire.client.wrapping_add(data.len() as u32);
    }
    wire.wait(Duration::from_secs(1)).finish();
    wire.expect(&["GET /a -", "GET /b -"]);
}

#[test]
fn bytes_behind_a_fin_do_not_hold_up_a_capture_of_one_direction() {
    let mut wire = Wire::new();
    let head = get("/a");
    let base = Segment { received: None, sent: None, ..wire.base(Direction::Request) };
    let length = head.len() as u32;
    let asked = Segment { data: head.as_bytes(), length, fin: true, ..base };
    wire.connections.segment(&asked, &mut wire.record);
    let behind = Segment { seq: base.seq.wrapping_add(length + 1), fin: false, ..asked };
    wire.connections.segment(&behind, &mut wire.record);
    wire.finish();
    wire.expect(&["GET /a -"]);
}
