//! Which response belongs to which request.

use std::time::Duration;

use super::*;

#[test]
fn a_request_and_its_response_are_reported_at_once() {
    let mut wire = Wire::new();
    wire.send(get("/a")).reply(ok("hello"));
    wire.expect_calls(&["GET /a 200"]);
    wire.expect(&["GET /a 200"]);
    let (request, response) = (get("/a").len() as u64, ok("hello").len() as u64);
    assert_eq!(wire.record.sizes, [(request, response)]);
    wire.send(get("/b")).reply(status(404, "")).finish();
    wire.expect(&["GET /a 200", "GET /b 404"]);
}

#[test]
fn a_call_is_made_on_the_head_and_the_exchange_at_the_end() {
    let mut wire = Wire::new();
    wire.send(get("/a")).reply("HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n");
    wire.expect_calls(&["GET /a 200"]);
    wire.expect(&[]);
    wire.reply([b'x'; 1000]).reply([b'x'; 3000]);
    wire.expect(&["GET /a 200"]);
}

#[test]
fn responses_that_come_late_are_matched_to_their_requests() {
    let mut wire = Wire::new();
    let mut late = Vec::new();
    for i in 0..20 {
        wire.send(get(&format!("/{i}")));
        late.push((wire.server, wire.received, status(200 + i, "x")));
        wire.unseen_reply(status(200 + i, "x").len() as u32);
    }
    assert_eq!(wire.record.directives, [], "a client that waits does not pipeline");
    // Two CPUs' batches, each in order.
    for (seq, received, data) in late.iter().step_by(2).chain(late.iter().skip(1).step_by(2)) {
        wire.received = *received;
        wire.respond_at(*seq, data.as_bytes());
    }
    wire.settle().settle().finish();
    let expected: Vec<String> = (0..20).map(|i| format!("GET /{i} {}", 200 + i)).collect();
    assert_eq!(wire.record.exchanges, expected);
}

#[test]
fn a_response_that_arrives_out_of_order_ends_when_its_last_byte_was_seen() {
    let mut wire = Wire::new();
    wire.send(get("/a"));
    let start = wire.server;
    wire.respond_at(start.wrapping_add(4), b"/1.1 200");
    wire.respond_at(start, b"HTTP");
    wire.settle().settle().finish();
    let seen = wire.record.seen[0];
    assert!(seen.0.is_some() && seen.0 <= seen.1, "{seen:?}");
}

#[test]
fn pipelined_requests_get_their_responses_in_order_and_whole_responses_are_asked_for() {
    let mut wire = Wire::new();
    wire.captured = usize::MAX;
    wire.send([get("/a"), post("/b", "GET /no HTTP/1.1\r\n\r\n"), get("/c")].concat());
    wire.reply([ok("1"), status(201, "2"), status(404, "3")].concat()).finish();
    wire.expect(&["GET /a 200", "POST /b 201", "GET /c 404"]);
    assert_eq!(wire.record.directives, [Directive::WholeResponses]);
}

#[test]
fn a_pipelined_response_whose_head_was_not_captured_has_no_status_and_the_next_one_has() {
    let mut wire = Wire::new();
    wire.send([get("/a"), get("/b")].concat());
    wire.reply([ok(&"x".repeat(500)), status(201, "2")].concat());
    wire.send(get("/c")).reply(status(404, "3")).finish();
    wire.expect(&["GET /a 200", "GET /b -", "GET /c 404"]);
}

#[test]
fn a_head_that_is_cut_tells_its_status_and_the_next_response_starts_where_its_request_says() {
    let mut wire = Wire::new();
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 9\r\n\r\n123456789", "x".repeat(400));
    wire.send(get("/a")).reply(&long).reply("HTTP/1.1 body text");
    wire.send(get("/b"));
    wire.expect_calls(&["GET /a 200"]);
    wire.reply(&long).send(get("/c")).reply(status(500, "")).finish();
    wire.expect(&["GET /a 200", "GET /b 200", "GET /c 500"]);
}

#[test]
fn who_asks_amid_an_answer_is_answered_behind_it() {
    let mut wire = Wire::new();
    wire.send(get("/0"));
    for asked in 1..8 {
        // The answer comes in two pieces, and the client asks on after each of them.
        let answer = status(399 + asked, "body");
        let (head, body) = answer.split_at(answer.len() - 4);
        wire.reply(head);
        if asked % 2 == 1 {
            wire.send(get(&format!("/{asked}"))).reply(body).send(get(&format!("/{}", asked + 1)));
        } else {
            wire.reply(body);
        }
    }
    wire.reply(status(407, "")).reply(status(408, "")).finish();
    let expected: Vec<String> = (0..9).map(|asked| format!("GET /{asked} {}", 400 + asked)).collect();
    assert_eq!(wire.record.exchanges, expected);
}

#[test]
fn a_lost_response_leaves_its_request_without_status_and_the_others_right() {
    let mut wire = Wire::new();
    wire.send(get("/a")).unseen_reply(300);
    wire.send(get("/b")).reply(status(404, "x")).settle().settle();
    wire.send(get("/c")).reply(ok("x")).finish();
    wire.expect(&["GET /a -", "GET /b 404", "GET /c 200"]);
}

#[test]
fn lost_response_body_bytes_are_harmless() {
    let mut wire = Wire::new();
    wire.send(get("/a")).reply("HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n");
    wire.unseen_reply(1000).reply([b'x'; 3000]).settle().settle();
    wire.expect(&["GET /a 200"]);
    wire.send(get("/b")).reply(ok("x")).finish();
    wire.expect(&["GET /a 200", "GET /b 200"]);
}

#[test]
fn a_retransmitted_response_counts_once() {
    let mut wire = Wire::new();
    let server = wire.server;
    wire.send(get("/a")).reply(ok("x"));
    wire.respond_at(server, ok("x").as_bytes());
    wire.send(get("/b")).reply(status(404, "")).finish();
    wire.expect(&["GET /a 200", "GET /b 404"]);
}

#[test]
fn a_request_without_response_is_called_at_the_deadline_once_it_is_confirmed() {
    let mut wire = Wire::new();
    wire.send(get("/a"));
    wire.wait(Duration::from_secs(1));
    wire.expect_calls(&[]);
    wire.respond_at(wire.server, b"");
    wire.settle().expect_calls(&["GET /a -"]);
    wire.reply(ok("x"));
    wire.expect_calls(&["GET /a -"]);
    wire.expect(&["GET /a 200"]);
    let mut wire = Wire::new();
    wire.send(get("/a"));
    wire.respond_at(wire.server, b"");
    assert!(wire.connections.next_deadline().is_some());
    wire.wait(Duration::from_millis(400)).expect_calls(&[]);
    wire.wait(Duration::from_millis(101)).expect_calls(&["GET /a -"]);
}

#[test]
fn interim_responses_are_passed_over() {
    let mut wire = Wire::new();
    wire.send("POST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    wire.reply("HTTP/1.1 100 Continue\r\n\r\n").send("abc");
    wire.reply(
        "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n",
    );
    wire.expect(&["POST /a 201"]);
    assert_eq!(wire.record.bodies, [b"abc"]);
}

#[test]
fn a_lost_interim_answer_is_not_taken_for_the_answer() {
    let expects = "POST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
    let interim = "HTTP/1.1 100 Continue\r\n\r\n".len() as u32;
    let mut wire = Wire::new();
    wire.send(expects).unseen_reply(interim).send("abc").settle().settle();
    wire.reply(status(201, "x")).send(get("/b")).reply(ok("")).finish();
    wire.expect(&["POST /a 201", "GET /b 200"]);
    assert_eq!(wire.connections.counters().unexplained, [0; 6]);
    // The answer itself was lost, with what came before it or without.
    let mut wire = Wire::new();
    wire.send(expects).unseen_reply(interim).send("abc").settle();
    wire.unseen_reply(40).send(get("/b")).settle().reply(ok("")).finish();
    wire.expect(&["POST /a -", "GET /b 200"]);
}

#[test]
fn a_body_that_was_sent_before_the_answer_is_a_body_though_tcp_takes_it_later() {
    let fakes = get("/fake").repeat(40);
    let mut wire = Wire::new();
    wire.send(format!("POST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n", fakes.len()));
    wire.reply("HTTP/1.1 100 Continue\r\n\r\n");
    let (first, rest) = fakes.split_at(get("/fake").len() * 20);
    let start = wire.client;
    wire.raw(start, first.as_bytes());
    wire.reply(ok("x"));
    wire.client = start.wrapping_add(first.len() as u32);
    wire.send(rest).send(get("/b")).reply(ok("")).finish();
    wire.expect(&["POST /a 200", "GET /b 200"]);
    // Both answers are there before the body.
    let mut wire = Wire::new();
    wire.send(format!("POST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n", fakes.len()));
    wire.reply("HTTP/1.1 100 Continue\r\n\r\n").reply(ok("x"));
    wire.send(first).send(rest).send(get("/b")).reply(ok("")).finish();
    wire.expect(&["POST /a 200", "GET /b 200"]);
}

#[test]
fn an_early_response_does_not_end_the_request_body() {
    let mut wire = Wire::new();
    let inner = get("/inside-the-body");
    let length = inner.len() + 16;
    wire.send(format!("POST /a HTTP/1.1\r\nContent-Length: {length}\r\n\r\n0123456789"))
        .reply(status(413, ""));
    wire.expect_calls(&["POST /a 413"]);
    wire.send(inner).send([b'x'; 6]);
    wire.send(get("/b")).reply(ok("")).finish();
    wire.expect(&["POST /a 413", "GET /b 200"]);
}

#[test]
fn a_response_to_nothing_is_not_given_to_the_next_request() {
    let mut wire = Wire::new();
    wire.send(get("/a")).reply(ok("")).reply(status(408, ""));
    wire.send(get("/b")).reply(ok("")).finish();
    wire.expect(&["GET /a 200", "GET /b 200"]);
    assert_eq!(wire.connections.counters().unexplained, [0; 6], "servers say so to clients that are silent");
    let mut wire = Wire::new();
    wire.send(get("/a")).reply(ok("")).reply(status(200, ""));
    wire.send(get("/b")).reply(ok("")).finish();
    wire.expect(&["GET /a 200", "GET /b 200"]);
    assert_eq!(wire.connections.counters().unexplained.iter().sum::<u64>(), 1);
}

#[test]
fn an_answer_to_half_a_head_is_reported_with_its_request_line() {
    let mut wire = Wire::new();
    wire.send("GET /slow HTTP/1.1\r\nHost:").reply(status(408, "")).fin().settle().settle();
    wire.expect(&["GET /slow 408"]);
}

#[test]
fn requests_behind_an_announced_close_are_not_served() {
    let mut wire = Wire::new();
    wire.send([get("/a"), get("/b")].concat());
    wire.reply("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").server_fin().finish();
    wire.expect(&["GET /a 200"]);
    assert_eq!(wire.connections.counters().unserved, 1);
}

#[test]
fn a_close_waits_for_late_responses() {
    let mut wire = Wire::new();
    wire.send(get("/a")).fin().settle();
    wire.expect(&[]);
    wire.reply(ok("x"));
    wire.expect(&["GET /a 200"]);
    wire.settle().settle();
    assert_eq!(wire.connections.counters().stream.connections, 0);
}

#[test]
fn a_half_closed_connection_waits_for_its_answer() {
    let mut wire = Wire::new();
    wire.send(get("/a")).fin().settle().settle().settle().wait(Duration::from_secs(2));
    wire.reply(ok("x")).settle().settle();
    wire.expect(&["GET /a 200"]);
    assert_eq!(wire.connections.counters().stream.connections, 0);
}

#[test]
fn a_half_closed_connection_is_not_kept_for_ever() {
    let mut wire = Wire::new();
    wire.send(get("/a")).fin().settle().settle();
    wire.wait(Duration::from_secs(11)).settle().settle();
    wire.expect(&["GET /a -"]);
    assert_eq!(wire.connections.counters().stream.connections, 0);
}

#[test]
fn a_response_that_ends_with_the_connection_is_complete_at_its_close() {
    let mut wire = Wire::new();
    wire.send("GET /a HTTP/1.0\r\n\r\n").reply("HTTP/1.0 200 OK\r\n\r\nabc").reply("def");
    wire.expect_calls(&["GET /a 200"]);
    wire.expect(&[]);
    wire.server_fin().settle().settle();
    wire.expect(&["GET /a 200"]);
}

#[test]
fn a_reset_reports_what_is_known() {
    let mut wire = Wire::new();
    wire.send(get("/a"));
    wire.reset(wire.client).settle().settle();
    wire.expect(&["GET /a -"]);
    assert_eq!(wire.connections.counters().stream.connections, 0);
}

#[test]
fn an_answer_seen_before_its_request_waits_for_it() {
    let mut wire = Wire::new();
    wire.send(get("/a")).reply(ok(""));
    let (server, client) = (wire.server, wire.client);
    wire.received = client.wrapping_add(get("/b").len() as u32);
    wire.respond_at(server, status(404, "").as_bytes());
    wire.received = client;
    wire.answered = true;
    wire.send(get("/b"));
    wire.settle().settle().finish();
    wire.expect(&["GET /a 200", "GET /b 404"]);
}

/// Half a second is enough to answer a request, and not for its body to come: who waits with the rest, which says whose
/// account it is, would not have touched any.
#[test]
fn a_request_is_called_once_its_body_is_there() {
    let mut wire = Wire::new();
    wire.send("POST /a HTTP/1.1\r\nContent-Length: 8\r\n\r\n{\"id");
    wire.respond_at(wire.server, b"");
    wire.wait(Duration::from_secs(2)).settle().expect_calls(&[]);
    wire.send("\":7}");
    wire.respond_at(wire.server, b"");
    wire.settle().settle().expect_calls(&["POST /a -"]);
    assert_eq!(wire.reply(ok("")).record.bodies, [b"{\"id\":7}"]);
}
