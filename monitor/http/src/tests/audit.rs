//! The server's answers are the audit: what it answers is reported, or said to be unseen.

use super::*;

/// Requests that were reported, and answers that nobody could explain.
fn accounted(wire: &Wire) -> (Vec<&str>, u64) {
    let reported = wire.record.exchanges.iter().map(String::as_str).collect();
    (reported, wire.connections.counters().unexplained.iter().sum())
}

#[test]
fn a_chunked_body_may_end_in_another_segment_together_with_the_next_request() {
    let request =
        format!("POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n{}", get("/b"));
    for cut in 1..request.len() {
        let mut wire = Wire::new();
        wire.send(&request[..cut]).send(&request[cut..]);
        wire.reply(ok("1")).reply(status(201, "2"));
        wire.send(get("/c")).reply(status(202, "")).finish();
        assert_eq!(accounted(&wire), (vec!["POST /a 200", "GET /b 201", "GET /c 202"], 0), "cut at {cut}");
    }
}

#[test]
fn a_body_that_the_server_did_not_take_for_one_hides_no_request() {
    let hidden = get("/b");
    for head in [
        format!("GET /a HTTP/1.1\r\nContent-Length: {}\r\n\r\n", hidden.len()),
        "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n".to_owned(),
        "POST /a HTTP/1.1\r\nTransfer-Encoding: gzip\r\nContent-Length: 4\r\n\r\n0\r\n\r\n".to_owned(),
        "GET /a HTTP/1.1\r\nConnection: close, x\r\n\r\n".to_owned(),
        "GET /a HTTP/1.1\r\n \r\n".to_owned(),
    ] {
        let mut wire = Wire::new();
        wire.captured = usize::MAX;
        wire.send([&head[..], &hidden].concat()).reply([ok("1"), status(201, "2")].concat());
        wire.send(get("/c")).reply(status(202, "")).finish();
        let (reported, unseen) = accounted(&wire);
        assert_eq!((reported.len(), unseen), (3, 0), "{head}: {reported:?}");
        assert!(reported[1].ends_with("GET /b 201") && reported[2] == "GET /c 202", "{head}: {reported:?}");
    }
}

/// Heads behind which servers differ in what follows, or of which an answer does not wait for the body.
const OPEN_ENDED: [&str; 5] = [
    "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n",
    "POST /a HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
    "POST /a HTTP/1.1\r\nContent-Length: 1000\r\n\r\n",
    "POST /a HTTP/1.1\r\nConnection: close\r\n\r\n",
    "CONNECT /a HTTP/1.1\r\n\r\n",
];

#[test]
fn an_answer_that_may_be_to_the_rest_of_what_came_before_is_told() {
    for head in OPEN_ENDED {
        for hidden in [
            "0\r\n\r\nGET /b HTTP/1.1\r\nX: ",
            "GET /b HTTP/1.1\r\n",
            "GET /b?",
            "0\r\n\r\nPOST /b HTTP/1.1\r\nContent-Length: 30\r\n\r\n",
        ] {
            for cut in [0, head.len(), head.len() + 3] {
                let request = [head, hidden].concat();
                let mut wire = Wire::new();
                if cut > 0 {
                    wire.send(&request[..cut]);
                }
                wire.send(&request[cut..]).reply(ok(""));
                wire.send(get("/decoy")).reply(status(201, ""));
                wire.send(get("/c")).reply(status(202, "")).finish();
                let (reported, unseen) = accounted(&wire);
                let is_right = reported.len() == 2 && reported[0].ends_with("/a 200");
                assert!(is_right && unseen == 1, "{request} cut at {cut}: {reported:?} {unseen}");
                assert_eq!(reported[1], "GET /c 202");
            }
        }
    }
}

#[test]
fn what_a_server_can_only_have_used_up_leaves_no_doubt() {
    for head in OPEN_ENDED {
        for body in ["", "\r\n", "0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n", "hello"] {
            let mut wire = Wire::new();
            wire.send([head, body].concat()).reply(ok(""));
            wire.send(get("/b")).reply(status(201, "")).send(get("/c")).reply(status(202, "")).finish();
            let (reported, unseen) = accounted(&wire);
            assert_eq!((&reported[1..], unseen), (&["GET /b 201", "GET /c 202"][..], 0), "{head}{body}");
        }
    }
}

#[test]
fn what_follows_chunks_that_servers_end_differently_is_what_the_answers_show() {
    let (no, b) = (get("/no"), get("/b"));
    for end in ["0\r\n\n", "0\r\nT: x\n\n", "0\r\nno colon\n\n", "0;a\n\n", "0\n\r\n", "0 \r\n\n"] {
        for (answers, expected, told) in [
            (2, &["POST /a 200", "GET /c 299"][..], 1),
            (3, &["POST /a 200", "GET /no 201", "GET /b 202", "GET /c 299"][..], 0),
        ] {
            let mut wire = Wire::new();
            wire.send(["POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", end, &no, &b].concat());
            for answer in 0..answers {
                wire.reply(status(200 + answer, ""));
            }
            wire.send(get("/c")).reply(status(299, "")).finish();
            let (reported, unseen) = accounted(&wire);
            assert_eq!((&reported[..], unseen), (expected, told), "{end:?}");
        }
    }
}

#[test]
fn a_hidden_request_whose_beginning_is_not_certain_is_told() {
    for body in ["a b GET /b HTTP/1.1\r\n\r\n", "GET /b HTTP/1.1\r\nGET /c HTTP/1.1\r\n\r\n"] {
        let mut wire = Wire::new();
        wire.send(format!("GET /a HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
        wire.reply(ok("")).reply(status(201, "")).send(get("/d")).reply(status(202, "")).finish();
        assert_eq!(accounted(&wire), (vec!["GET /a 200", "GET /d 202"], 1), "{body}");
    }
}

#[test]
fn the_rest_of_a_body_that_looks_like_a_request_is_none() {
    let inside = get("/no");
    let mut wire = Wire::new();
    wire.send(format!("POST /a HTTP/1.1\r\nContent-Length: {}\r\n\r\n", inside.len())).reply(ok("early"));
    wire.send(&inside).send(get("/b")).reply(status(201, "")).finish();
    assert_eq!(accounted(&wire), (vec!["POST /a 200", "GET /b 201"], 0));
}

#[test]
fn a_single_byte_is_a_request_if_it_is_answered() {
    for bytes in [&b"\0"[..], b"\x16", b"G", b"{"] {
        let mut wire = Wire::new();
        wire.send(bytes).reply(status(400, ""));
        wire.send(get("/a")).reply(ok("")).finish();
        let (reported, unseen) = accounted(&wire);
        assert_eq!(reported.len() as u64 + unseen, 2, "{bytes:?}: {reported:?}");
        assert_eq!(reported.last(), Some(&"GET /a 200"));
    }
}

#[test]
fn an_upgrade_to_http2_is_told_and_what_follows_is_no_request() {
    let mut wire = Wire::new();
    wire.send("GET /a HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAM\r\n\r\n");
    wire.reply("HTTP/1.1 101 S\r\n\r\n").send(get("/b")).reply("\0\0\x06\x04\0\0\0\0\0").finish();
    assert_eq!(accounted(&wire), (vec!["GET /a -"], 1));
}

#[test]
fn a_good_answer_is_to_what_looks_like_a_request() {
    let body = "1\r\nA\r\n0\r\n\r\n";
    let mut wire = Wire::new();
    wire.captured = usize::MAX;
    wire.send(["POST /a HTTP/1.1\r\nX: y\rTransfer-Encoding: chunked\r\n\r\n", body, &get("/b")].concat());
    wire.reply([ok("1"), status(201, "2")].concat()).send(get("/c")).reply(ok("")).finish();
    assert_eq!(accounted(&wire), (vec!["POST /a 200", "GET /b 201", "GET /c 200"], 0));
    let mut wire = Wire::new();
    wire.send(["POST /a HTTP/1.1\r\n\r\n", "hello\r\n\r\n"].concat()).reply(ok("")).reply(ok("")).finish();
    assert_eq!(accounted(&wire), (vec!["POST /a 200", "hello  200"], 0));
}

#[test]
fn joined_connections_are_read_from_their_next_request_on() {
    let pipeline = [get("/a"), get("/b"), get("/c")].concat();
    for cut in 1..pipeline.len() {
        let mut wire = Wire::new();
        wire.joined = true;
        wire.captured = usize::MAX;
        wire.send(&pipeline[..cut]).send(&pipeline[cut..]);
        wire.reply([ok("1"), status(201, "2"), status(202, "3")].concat()).finish();
        assert_eq!(accounted(&wire), (vec!["GET /a 200", "GET /b 201", "GET /c 202"], 0), "cut at {cut}");
    }
}

#[test]
fn every_place_of_a_pipeline_may_lose_its_request_or_its_answer_and_no_status_is_wrong() {
    for lost in 0..6 {
        for answer in [false, true] {
            let mut wire = Wire::new();
            for i in 0..6u16 {
                let (request, response) = (get(&format!("/{i}")), status(200 + i, "x"));
                if i == lost && !answer {
                    wire.miss(request.len() as u32).reply(response);
                } else if i == lost {
                    wire.send(request).unseen_reply(response.len() as u32);
                } else {
                    wire.send(request).reply(response);
                }
            }
            wire.fin().settle().settle().finish();
            let (reported, unseen) = accounted(&wire);
            for line in &reported {
                let (target, status) = (line.as_bytes()[5] - b'0', line.rsplit(' ').next().unwrap());
                assert!(status == "-" || status == (200 + u16::from(target)).to_string(), "{line}");
            }
            assert_eq!(reported.len() as u64 + unseen, 6, "{lost} {answer}: {reported:?}");
        }
    }
}

#[test]
fn where_an_answer_of_a_pipeline_is_lost_no_status_is_wrong_and_none_unknown_for_long() {
    let answer = |index: u16| status(200 + index, "x");
    for cut in [usize::MAX, 30] {
        for lost in 0..5 {
            let mut wire = Wire::new();
            wire.captured = cut;
            wire.send((0..5).map(|index| get(&format!("/{index}"))).collect::<String>());
            for index in 0..5 {
                let answer = answer(index);
                if index == lost {
                    wire.unseen_reply(answer.len() as u32);
                } else {
                    wire.reply(answer);
                }
            }
            // One in the place that the server was at, and one behind it.
            wire.settle()
                .settle()
                .send([get("/5"), get("/6")].concat())
                .reply(answer(5))
                .reply(answer(6))
                .finish();
            let (reported, unseen) = accounted(&wire);
            assert_eq!((reported.len(), unseen), (7, 0), "{lost} of {cut} bytes: {reported:?}");
            for (index, line) in reported.iter().enumerate() {
                let known = index == 5 || cut == usize::MAX && (index > 5 || index < usize::from(lost));
                let (right, none) = (format!("GET /{index} {}", 200 + index), format!("GET /{index} -"));
                assert!(*line == right || !known && *line == none, "{lost} of {cut} bytes: {reported:?}");
            }
        }
    }
}

#[test]
fn a_body_that_never_comes_behind_a_refusal_hides_nothing() {
    let head = "POST /a HTTP/1.1\r\nExpect: 200-ok\r\nContent-Length: 5\r\n\r\n";
    for answer in
        ["HTTP/1.1 417 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(), status(401, "no")]
    {
        for split in [0, 3, 20] {
            let mut wire = Wire::new();
            wire.send(head).reply(&answer);
            let next = get("/b");
            if split > 0 {
                wire.send(&next[..split]);
            }
            wire.send(&next[split..]).reply(status(201, ""));
            wire.send(get("/c")).reply(status(202, "")).finish();
            let (reported, unseen) = accounted(&wire);
            assert_eq!((&reported[1..], unseen), (&["GET /b 201", "GET /c 202"][..], 0), "{answer} {split}");
        }
    }
}

#[test]
fn a_body_that_comes_late_and_looks_like_a_request_is_none() {
    let mut wire = Wire::new();
    wire.send("POST /a HTTP/1.1\r\nContent-Length: 5\r\n\r\n").reply(status(417, ""));
    wire.send("GET /").send(get("/b")).reply(ok("")).send(get("/c")).reply(ok("")).finish();
    assert_eq!(accounted(&wire), (vec!["POST /a 417", "GET /b 200", "GET /c 200"], 0));
}

#[test]
fn an_answer_behind_a_request_that_was_told_to_go_on_without_a_body_may_be_to_it_or_to_the_next() {
    let first = "GET /a HTTP/1.1\r\nExpect: 100-continue\r\n\r\n";
    let mut wire = Wire::new();
    wire.send(first).reply("HTTP/1.1 100 Continue\r\n\r\n");
    wire.send(get("/b")).reply(status(201, "")).send(get("/c")).reply(status(202, "")).finish();
    assert_eq!(accounted(&wire), (vec!["GET /a -", "GET /b -", "GET /c 202"], 1));
    // It goes on twice, and one of them is where the next request came.
    let mut wire = Wire::new();
    wire.send(first).reply("HTTP/1.1 100 Continue\r\n\r\n").send(get("/b"));
    wire.reply("HTTP/1.1 100 Continue\r\n\r\n").reply(status(201, "")).reply(status(404, ""));
    wire.send(get("/c")).reply(status(202, "")).finish();
    assert_eq!(accounted(&wire), (vec!["GET /a 201", "GET /b 404", "GET /c 202"], 0));
    // Two answers.
    let mut wire = Wire::new();
    wire.send(first).reply("HTTP/1.1 100 Continue\r\n\r\n");
    wire.send(get("/b")).reply(status(200, "")).reply(status(404, ""));
    wire.send(get("/c")).reply(status(202, "")).finish();
    assert_eq!(accounted(&wire), (vec!["GET /a -", "GET /b -", "GET /c 202"], 2));
}

#[test]
fn an_answer_behind_one_whose_end_was_not_captured_has_its_own_request() {
    let long = "x".repeat(600);
    let chunked = format!(
        "HTTP/1.1 201 Because\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{long}\r\n0\r\n\r\n",
        long.len()
    );
    let mut wire = Wire::new();
    wire.send(get("/a")).reply(ok(""));
    wire.send(format!("{}G", get("/b"))).reply(chunked);
    wire.send(&get("/c")[1..]).reply(status(404, "")).finish();
    assert_eq!(accounted(&wire), (vec!["GET /a 200", "GET /b 201", "GET /c 404"], 0));
}

#[test]
fn a_request_whose_answer_was_lost_is_none_that_the_server_announced_not_to_answer() {
    let mut wire = Wire::new();
    wire.send(get("/a")).unseen_reply(40);
    wire.send(get("/b")).reply("HTTP/1.1 201 Because\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    wire.finish();
    assert_eq!(accounted(&wire), (vec!["GET /a -", "GET /b 201"], 0));
}

#[test]
fn a_guess_whose_answer_was_lost_is_a_request_if_one_behind_it_is() {
    let mut wire = Wire::new();
    wire.send(get("/a")).reply(ok("")).miss(20).reply(status(201, ""));
    wire.send(get("/c")).unseen_reply(40);
    wire.send(get("/d")).reply(status(203, "")).finish();
    assert_eq!(accounted(&wire), (vec!["GET /a 200", "GET /c -", "GET /d 203"], 1));
}

#[test]
fn a_body_that_was_asked_for_is_no_request() {
    let body = get("/no").repeat(100);
    let mut wire = Wire::new();
    wire.send(format!("POST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n", body.len()));
    wire.reply("HTTP/1.1 100 Continue\r\n\r\n").send(&body).reply(ok(""));
    wire.send(get("/b")).reply(status(201, "")).finish();
    assert_eq!(accounted(&wire), (vec!["POST /a 200", "GET /b 201"], 0));
}

#[test]
fn what_follows_a_second_message_that_servers_read_differently_is_looked_at_too() {
    let odd = |target: &str| format!("POST {target} HTTP/1.1\r\nTransfer-Encoding: x\r\n\r\n");
    for rest in ["", "GET "] {
        let mut wire = Wire::new();
        wire.captured = 100;
        wire.send(odd("/a")).reply(ok("1"));
        wire.send(odd("/b") + rest).reply(status(201, &"x".repeat(200)));
        wire.send(format!("/c HTTP/1.1\r\n\r\n{}", get("/d"))).reply(status(404, "")).reply(status(202, ""));
        wire.send(get("/e")).reply(status(203, "")).finish();
        let (reported, unseen) = accounted(&wire);
        assert_eq!(&reported[..2], ["POST /a 200", "POST /b 201"]);
        assert_eq!((reported.len() as u64 + unseen, reported.last()), (5, Some(&"GET /e 203")), "{rest:?}");
    }
}

#[test]
fn an_answer_to_a_request_for_the_head_alone_that_nobody_saw_hides_no_other() {
    let mut wire = Wire::new();
    wire.captured = usize::MAX;
    wire.joined = true;
    wire.send("head /a HTTP/1.1\r\n\r\nget /b HTTP/1.1\r\n\r\n");
    wire.reply(["HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n", &status(201, "x")].concat());
    wire.send(get("/c")).reply(status(202, "")).finish();
    assert_eq!(accounted(&wire), (vec!["GET /c 202"], 2));
}

#[test]
fn a_refusal_of_what_stands_behind_guesses_proves_none() {
    let mut wire = Wire::new();
    wire.captured = usize::MAX;
    let hidden = [&get("/b"), &get("/c"), "junk\r\n\r\n"].concat();
    wire.send(format!("GET /a HTTP/1.1\r\nContent-Length: {}\r\n\r\n{hidden}", hidden.len()));
    wire.reply([ok("1"), status(201, ""), status(400, "")].concat()).server_fin().settle().settle().finish();
    assert_eq!(accounted(&wire), (vec!["GET /a 200"], 2));
}

#[test]
fn what_stands_behind_the_body_of_a_guess_does_not_have_its_answer() {
    let mut wire = Wire::new();
    wire.send("POST /a HTTP/1.1\r\nTransfer-Encoding: x\r\n\r\n").reply(ok(""));
    wire.send([&get("/b"), "POST /c HTTP/1.1\r\nContent-Length: 3\r\n\r\n"].concat()).reply(status(201, ""));
    wire.send("abcjunk\r\n\r\n").reply([status(202, ""), status(400, "")].concat()).finish();
    assert_eq!(accounted(&wire), (vec!["POST /a 200"], 3));
}

/// A server that answers before it has read the body takes what follows for more of it, and says in the end that it does not end.
#[test]
fn an_answer_that_proves_no_guess_is_told() {
    for length in [1_000, 300_000, 1_u64 << 33] {
        for guesses in 0..4 {
            let mut wire = Wire::new();
            wire.send(format!("POST /a HTTP/1.1\r\nContent-Length: {length}\r\n\r\nhello{}", get("/in-it")));
            wire.reply(ok("x"));
            for target in ["/b", "/c", "/d"].into_iter().take(guesses) {
                wire.send(get(target)).settle();
            }
            wire.fin().settle();
            wire.reply(status(400, "")).server_fin().settle().settle();
            let told: u64 = wire.connections.counters().unexplained.iter().sum();
            let seen = wire.record.exchanges.len() as u64;
            assert_eq!(
                (seen + told, wire.connections.counters().stream.connections),
                (2, 0),
                "{length} {guesses}"
            );
            wire.finish();
        }
    }
}

/// A server need not wait for the end of a line that can't become a request's.
#[test]
fn an_answer_to_a_blank_is_told() {
    for first in ["\t", " ", "\u{b}", "\0", "G"] {
        for late in [false, true] {
            let mut wire = Wire::new();
            wire.send(first);
            if late {
                // What the client sends next comes first, and the server does not take it.
                let received = wire.received;
                let next = wire.client;
                wire.raw(next, get("/17").as_bytes());
                wire.received = received;
            }
            wire.reply(status(400, "no")).server_fin().finish();
            let (reported, unseen) = accounted(&wire);
            assert_eq!(reported.len() as u64 + unseen, 1, "{first:?} {late}: {reported:?}");
        }
    }
}
