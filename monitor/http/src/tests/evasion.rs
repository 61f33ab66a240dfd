//! What an attacker sends to show the monitor something else than the server sees.

use super::*;

#[test]
fn a_wrong_checksum_counts_for_nothing() {
    let mut wire = Wire::new();
    wire.checksum = Checksum::Invalid;
    wire.raw(wire.client, get("/decoy").as_bytes());
    wire.checksum = Checksum::Valid;
    wire.send(get("/real!")).reply(ok("")).finish();
    wire.expect(&["GET /real! 200"]);
    assert_eq!(wire.connections.counters().stream.checksum_invalid, 1);
}

#[test]
fn an_unverified_segment_that_tcp_dropped_gives_way_to_the_one_that_it_took() {
    for cut in [0, 3, 10] {
        let mut wire = Wire::new();
        wire.send(get("/first")).reply(ok(""));
        wire.send(&get("/real!")[..cut.max(1)]);
        wire.checksum = Checksum::Unknown;
        let decoy = get("/decoy");
        wire.raw(wire.client, &decoy.as_bytes()[cut.max(1)..]);
        wire.checksum = Checksum::Valid;
        wire.send(&get("/real!")[cut.max(1)..]).reply(ok("")).finish();
        wire.expect(&["GET /first 200", "GET /real! 200"]);
    }
}

#[test]
fn whole_decoys_are_withdrawn() {
    let mut wire = Wire::new();
    wire.checksum = Checksum::Unknown;
    wire.raw(wire.client, [get("/decoy"), get("/decoy")].concat().as_bytes());
    wire.send([get("/real!"), get("/more!")].concat());
    wire.captured = usize::MAX;
    wire.reply([ok(""), ok("")].concat()).finish();
    wire.expect(&["GET /real! 200", "GET /more! 200"]);
    assert_eq!(wire.connections.counters().stream.conflicts, 1);
}

#[test]
fn decoys_without_end_are_no_reason_to_believe_one() {
    let mut wire = Wire::new();
    wire.send(get("/first")).reply(ok(""));
    wire.checksum = Checksum::Unknown;
    let decoy = get("/decoy");
    wire.raw(wire.client, decoy.as_bytes());
    for n in 0..100_u8 {
        wire.raw(wire.client.wrapping_add(9), &[b'a' + n % 2]);
    }
    wire.send(get("/real!")).reply(ok(""));
    wire.send(get("/more!")).reply(ok("")).finish();
    wire.expect(&["GET /first 200", "GET /real! 200", "GET /more! 200"]);
}

#[test]
fn junk_that_tcp_drops_does_not_make_the_monitor_look_away() {
    let mut wire = Wire::new();
    wire.checksum = Checksum::Unknown;
    wire.raw(wire.client, b"SSH-2.0-junk\r\n");
    wire.send(get("/real")).reply(ok("")).finish();
    wire.expect(&["GET /real 200"]);
    assert_eq!(wire.record.directives, []);
}

#[test]
fn bytes_out_of_window_never_win() {
    let mut wire = Wire::new();
    let real = get("/real!");
    let start = wire.client;
    wire.raw(start.wrapping_add(4), &get("/decoy").as_bytes()[4..]);
    wire.send(&real[..4]).send(&real[4..]).reply(ok("")).finish();
    wire.expect(&["GET /real! 200"]);
}

#[test]
fn a_reset_makes_nothing_of_what_came_before_its_turn() {
    let mut wire = Wire::new();
    wire.send(get("/real")).reply(ok(""));
    let (start, next) = (wire.client, get("/next"));
    let behind = start.wrapping_add(next.len() as u32);
    wire.raw(behind, [get("/decoy"), get("/decoy")].concat().as_bytes());
    wire.raw(start, next.as_bytes());
    wire.reset(behind);
    wire.settle().settle().finish();
    wire.expect(&["GET /real 200", "GET /next -"]);
}

/// Uploads that stand still, as many as there is room for: what TCP is not known to have taken must not push out what others send.
#[test]
fn what_waits_on_some_connections_takes_no_others_requests() {
    let stream = rollcall_stream::Limits { buffered: 4096, ..rollcall_stream::Limits::default() };
    let mut wire = Wire::with(Limits { stream, ..Limits::default() });
    let (client, received) = (wire.client, wire.received);
    for id in 100..120 {
        wire.id = id;
        (wire.client, wire.received) = (client, received);
        wire.raw(
            client,
            format!("POST /slow HTTP/1.1\r\nContent-Length: 9999\r\n\r\n{}", "x".repeat(600)).as_bytes(),
        );
    }
    wire.id = 7;
    (wire.client, wire.received) = (client, received);
    for id in 0..3 {
        wire.send(get(&format!("/{id}"))).reply(ok(""));
    }
    wire.expect(&["GET /0 200", "GET /1 200", "GET /2 200"]);
    assert_eq!(wire.connections.counters().stream.buffer_overflows, 0);
}

#[test]
fn segments_out_of_order_are_put_in_order_on_evidence() {
    let mut wire = Wire::new();
    let (a, b) = (get("/a"), get("/b"));
    let all = [a, b].concat();
    let start = wire.client;
    wire.raw(start.wrapping_add(20), &all.as_bytes()[20..]);
    wire.raw(start, &all.as_bytes()[..20]);
    wire.miss(all.len() as u32);
    wire.captured = usize::MAX;
    wire.reply([ok(""), ok("")].concat()).finish();
    wire.expect(&["GET /a 200", "GET /b 200"]);
}

#[test]
fn retransmissions_count_once() {
    let mut wire = Wire::new();
    let start = wire.client;
    wire.send(get("/a"));
    wire.raw(start, get("/a").as_bytes());
    wire.raw(start, [get("/a"), get("/b")].concat().as_bytes());
    wire.miss(get("/b").len() as u32);
    wire.captured = usize::MAX;
    wire.reply([ok(""), ok("")].concat()).finish();
    wire.expect(&["GET /a 200", "GET /b 200"]);
    assert_eq!(wire.connections.counters().stream.conflicts, 0);
}

#[test]
fn a_reset_out_of_place_ends_nothing() {
    let mut wire = Wire::new();
    wire.send("GET /a HTTP/1.1\r\n");
    wire.reset(wire.client.wrapping_add(5)).settle().settle();
    wire.send("\r\n").reply(ok("")).finish();
    wire.expect(&["GET /a 200"]);
}

#[test]
fn a_fin_that_tcp_did_not_take_ends_nothing() {
    let mut wire = Wire::new();
    wire.send("GET /a HTTP/1.1\r\n");
    let segment = Segment { fin: true, ..wire.base(Direction::Request) };
    wire.connections.segment(&segment, &mut wire.record);
    wire.send("\r\n").reply(ok("")).finish();
    wire.expect(&["GET /a 200"]);
}

#[test]
fn a_segment_that_acknowledges_what_was_never_sent_is_dropped() {
    let mut wire = Wire::new();
    let decoy = get("/decoy");
    for ack in [None, Some(wire.server.wrapping_add(1 << 20))] {
        let base = wire.base(Direction::Request);
        let segment = Segment { ack, data: decoy.as_bytes(), length: decoy.len() as u32, ..base };
        wire.connections.segment(&segment, &mut wire.record);
    }
    wire.send(get("/real!")).reply(ok("")).finish();
    wire.expect(&["GET /real! 200"]);
    assert_eq!(wire.connections.counters().stream.implausible, 2);
}

#[test]
fn a_client_may_be_ahead_of_the_servers_own_count_but_no_checksum_makes_it_true() {
    let mut wire = Wire::new();
    let ahead = Some(wire.server.wrapping_add(9));
    let decoy = get("/decoy");
    let base = wire.base(Direction::Request);
    let segment = Segment { ack: ahead, data: decoy.as_bytes(), length: decoy.len() as u32, ..base };
    wire.connections.segment(&segment, &mut wire.record);
    wire.send(get("/real!")).reply(ok("")).finish();
    wire.expect(&["GET /real! 200"]);
}

#[test]
fn memory_stays_within_its_limits() {
    let limits = Limits {
        stream: rollcall_stream::Limits {
            connections: 50,
            buffered_per_connection: 4096,
            buffered: 20_000,
            ..rollcall_stream::Limits::default()
        },
        pending: 100_000,
        pipelined: 8,
        ..Limits::default()
    };
    let mut wire = Wire::with(limits.clone());
    for id in 0..500 {
        wire.id = id;
        let start = wire.client;
        wire.send(&get("/a")[..10]);
        for i in 0..200 {
            wire.raw(start.wrapping_add(1000 + 3 * i), b"xx");
        }
        wire.client = start;
        wire.received = start;
        wire.id = 1000 + id;
        wire.send(get("/pipelined").repeat(100));
        wire.client = start;
        wire.received = start;
        let counters = wire.connections.counters().clone();
        assert!(counters.stream.connections as usize <= limits.stream.connections);
        assert!(counters.stream.buffered_bytes as usize <= limits.stream.buffered);
        assert!(counters.pending_bytes as usize <= limits.pending + 200_000);
    }
    assert!(wire.connections.counters().stream.buffer_overflows > 0);
    wire.finish();
}

#[test]
fn a_head_sent_byte_by_byte_costs_its_bytes_only() {
    let mut wire = Wire::with(Limits { head: 16384, ..Limits::default() });
    let head = format!("GET /slow HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(16_000));
    for byte in head.as_bytes() {
        wire.send([*byte]);
    }
    wire.reply(ok("")).finish();
    wire.expect(&["GET /slow 200"]);
}
