//! Sequences of packets at the ends of connections: what becomes of each, and of what is remembered.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
};

use super::*;
use crate::{
    packet::{Bytes, Packet},
    record::{
        ENTRY_DATA, FLAG_ACK, FLAG_AFTER_RESPONSE, FLAG_FIN, FLAG_JOINED, FLAG_LISTENER, FLAG_RESPONSE,
        FLAG_RST, FLAG_SYN,
    },
    sample::{self, Sampled},
};

const PORT: u16 = 8080;
const COOKIE: u64 = 17;
const CGROUP: u64 = 4_242;
const GET: &[u8] = b"GET /v1/customers/1 HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const TLS: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
const REDIS: &[u8] = b"*2\r\n$3\r\nGET\r\n";
const BINARY: &[u8] = b"\x00\x00\x00\x01\xff\xfe\xfd\xfc";

/// A socket and its surroundings, to which packets come and which they leave.
#[derive(Clone)]
struct End {
    /// What is remembered of the socket.
    connection: Option<Connection>,
    is_listening: bool,
    has_socket: bool,
    has_memory: bool,
    watched: bool,
    reads_tls: bool,
    servers: RefCell<BTreeSet<u16>>,
    advice: Cell<Option<Advice>>,
    is_ring_filling: bool,
    sampling: u32,
    received: u32,
    /// How often its cgroup was asked for.
    asked_cgroup: Cell<u32>,
    /// Next sequence number of the peer, and of this end.
    theirs: u32,
    ours: u32,
}

impl End {
    fn listening() -> End {
        End {
            connection: None,
            is_listening: true,
            has_socket: true,
            has_memory: true,
            watched: true,
            reads_tls: false,
            servers: RefCell::default(),
            advice: Cell::default(),
            is_ring_filling: false,
            sampling: sample::ALL,
            received: 0,
            asked_cgroup: Cell::default(),
            theirs: 1_000,
            ours: 5_000,
        }
    }

    /// A connection that the programs have seen from its first packet on.
    fn accepted() -> End {
        let mut listener = End::listening();
        assert_eq!(listener.arrives(FLAG_SYN, b""), Err(Outcome::NoPayload));
        let mut accepted = listener.accept();
        assert_eq!(accepted.leaves(FLAG_SYN | FLAG_ACK, b""), Err(Outcome::NoPayload));
        assert_eq!(accepted.arrives(FLAG_ACK, b""), Err(Outcome::NoPayload));
        accepted
    }

    /// One that was there before the programs.
    fn older() -> End {
        End { is_listening: false, ..End::listening() }
    }

    /// The kernel copies what is remembered of a listener.
    fn accept(&self) -> End {
        End { is_listening: false, ..self.clone() }
    }

    fn arrives(&mut self, flags: u16, payload: &[u8]) -> Verdict {
        let packet = packet((40_000, PORT), self.theirs, self.ours, flags, payload);
        self.theirs = self.theirs.wrapping_add(packet.length);
        self.asked(payload, |host| request::arrives(&packet, host))
    }

    fn leaves(&mut self, flags: u16, payload: &[u8]) -> Verdict {
        let packet = packet((PORT, 40_000), self.ours, self.theirs, flags, payload);
        self.ours = self.ours.wrapping_add(packet.length);
        self.asked(payload, |host| response::leaves(&packet, host))
    }

    fn asked(&mut self, payload: &[u8], judge: impl FnOnce(&&At<'_, '_>) -> Verdict) -> Verdict {
        let mut connection = self.connection.take();
        let verdict = judge(&&At { end: self, payload, connection: Cell::new(Some(&mut connection)) });
        self.connection = connection;
        verdict
    }

    /// A request of its own that is answered.
    fn exchange(&mut self, request: &[u8], response: &[u8]) -> (Capture, Capture) {
        let request = self.arrives(FLAG_ACK, request).expect("a request is captured");
        (request, self.leaves(FLAG_ACK, response).expect("an answer is captured"))
    }

    fn state(&self) -> &Connection {
        self.connection.as_ref().expect("the socket is remembered")
    }

    fn advise(&self, kind: u32, seq: u32) {
        self.advice.set(Some(Advice { kind, seq }));
    }
}

fn packet(ports: (u16, u16), seq: u32, ack: u32, flags: u16, payload: &[u8]) -> Packet {
    let (source_port, destination_port) = ports;
    let length = payload.len() as u32;
    Packet { tcp: 20, header: 32, length, seq, ack, source_port, destination_port, flags }
}

/// One packet at an end.
struct At<'a, 'e> {
    end: &'e End,
    payload: &'e [u8],
    /// Taken by who is told of it: no judgement asks twice.
    connection: Cell<Option<&'a mut Option<Connection>>>,
}

impl<'a> Host<'a> for &At<'a, '_> {
    type Socket = Self;

    fn first_word(&self, _: &Packet) -> Option<u64> {
        self.payload.long(0)
    }

    fn reads_tls(&self) -> bool {
        self.end.reads_tls
    }

    fn is_watched(&self, port: u16) -> bool {
        assert_eq!(port, PORT, "the server's port decides");
        self.end.watched
    }

    fn serves(&self, port: u16) -> bool {
        self.end.servers.borrow().contains(&port)
    }

    fn note_server(&self, port: u16) {
        self.end.servers.borrow_mut().insert(port);
    }

    fn socket(&self) -> Option<Self> {
        self.end.has_socket.then_some(self)
    }

    fn advice(&self, connection: u64) -> Option<Advice> {
        assert_eq!(connection, COOKIE);
        self.end.advice.take()
    }

    fn is_ring_filling(&self) -> bool {
        self.end.is_ring_filling
    }

    fn sampling(&self) -> u32 {
        self.end.sampling
    }

    fn sampled(&self, packet: &Packet, rate: u32) -> Sampled {
        sample::sampled(&self.payload, 0, packet.length, rate, 7)
    }
}

impl<'a> Socket<'a> for &At<'a, '_> {
    fn cookie(&self) -> u64 {
        COOKIE
    }

    fn cgroup(&self) -> u64 {
        self.end.asked_cgroup.set(self.end.asked_cgroup.get() + 1);
        CGROUP
    }

    fn is_listening(&self) -> bool {
        self.end.is_listening
    }

    fn connection(&self) -> Option<&'a mut Connection> {
        let connection = self.connection.take().expect("asked once");
        if connection.is_some() {
            return connection.as_mut();
        }
        self.connection.set(Some(connection));
        None
    }

    fn remember(&self, connection: Connection) -> Option<&'a mut Connection> {
        let place = self.connection.take().expect("asked once");
        if self.end.has_memory { Some(place.get_or_insert(connection)) } else { None }
    }

    fn positions(&self) -> (u32, u32) {
        (self.end.theirs, self.end.ours)
    }

    fn received(&self) -> u32 {
        self.end.received
    }
}

#[test]
fn a_connection_is_known_from_its_first_byte() {
    let mut end = End::accepted();
    assert_eq!((end.state().role, end.state().joined), (Role::Listener, 0));
    let request = end.arrives(FLAG_ACK, GET).unwrap();
    let expected = Capture {
        connection: COOKIE,
        cgroup: CGROUP,
        flags: FLAG_AFTER_RESPONSE,
        received: end.theirs,
        sent: end.ours,
        sampling: sample::ALL,
        limit: WHOLE,
        batch: false,
    };
    assert_eq!(request, expected);
    assert_eq!((end.state().role, end.state().announced, end.state().unconfirmed), (Role::Server, 1, 1));
    let answer = end.leaves(FLAG_ACK, OK).unwrap();
    assert_eq!((answer.flags, answer.batch), (FLAG_RESPONSE, true));
    assert_eq!((end.state().responded, end.state().unanswered, end.state().unconfirmed), (1, 0, 0));
    // The next one is a request again, and more without an answer is not.
    assert!(end.arrives(FLAG_ACK, GET).unwrap().begins_request());
    assert!(!end.arrives(FLAG_ACK, GET).unwrap().begins_request());
}

#[test]
fn each_capture_names_the_cgroup_of_the_socket_which_is_asked_for_once() {
    let mut listener = End::listening();
    listener.arrives(FLAG_SYN, b"").unwrap_err();
    assert_eq!(listener.arrives(FLAG_ACK, GET).unwrap().cgroup, CGROUP);
    let mut end = listener.accept();
    for _ in 0..3 {
        let (request, response) = end.exchange(GET, OK);
        assert_eq!((request.cgroup, response.cgroup), (CGROUP, CGROUP));
    }
    assert_eq!(end.asked_cgroup.get(), 1, "by the listener");
    let (mut asked, mut answered) = (End::older(), End::older());
    assert_eq!(asked.exchange(GET, OK).0.cgroup, CGROUP);
    assert_eq!(answered.leaves(FLAG_ACK, OK).unwrap().cgroup, CGROUP);
    assert_eq!((asked.asked_cgroup.get(), answered.asked_cgroup.get()), (1, 1));
}

#[test]
fn the_end_that_opens_a_connection_is_a_client_and_stays_one() {
    let mut end = End { is_listening: false, ..End::listening() };
    // From its own port, with the server's as destination: the ports of the other direction.
    let syn = packet((40_000, PORT), 1, 0, FLAG_SYN, b"");
    assert_eq!(end.asked(b"", |host| response::leaves(&syn, host)), Err(Outcome::NoPayload));
    assert_eq!(end.state().role, Role::Client);
    end.note_server();
    for payload in [OK, GET, TLS] {
        assert_eq!(end.arrives(FLAG_ACK, payload), Err(Outcome::ClientSide));
        assert_eq!(end.leaves(FLAG_ACK, payload), Err(Outcome::ClientSide));
    }
    assert_eq!(end.arrives(FLAG_SYN | FLAG_ACK, b""), Err(Outcome::ClientSide));
    // Who answers a SYN is none, whether or not anything is remembered of it.
    let mut end = End::older();
    assert_eq!(end.leaves(FLAG_SYN | FLAG_ACK, b""), Err(Outcome::NoPayload));
    assert!(end.connection.is_none());
    // Fast Open: its SYN carries the request.
    let mut open = End::older();
    let syn = packet((40_000, PORT), 1, 0, FLAG_SYN, GET);
    assert_eq!(open.asked(GET, |host| response::leaves(&syn, host)), Err(Outcome::ClientSide));
}

impl End {
    fn note_server(&self) {
        self.servers.borrow_mut().insert(PORT);
    }
}

#[test]
fn data_that_comes_with_the_handshake_is_shown_by_the_listener() {
    let mut listener = End::listening();
    assert_eq!(listener.arrives(FLAG_SYN, b""), Err(Outcome::NoPayload));
    let early = listener.arrives(FLAG_ACK, GET).unwrap();
    assert_eq!((early.flags, early.received, early.sent), (FLAG_LISTENER | FLAG_AFTER_RESPONSE, 0, 0));
    assert_eq!(listener.arrives(FLAG_ACK, TLS), Err(Outcome::NotHttp));
    assert_eq!(listener.state().packets, 0, "what a listener is shown counts for none that it accepts");
    // The answer names both ends, and is whole to what was asked.
    let mut end = listener.accept();
    end.received = 4_096;
    let answer = end.leaves(FLAG_ACK, &[OK, &[b'x'; 400]].concat()).unwrap();
    assert!(!answer.batch);
    assert_eq!(end.state().budget, SUSPECT + 32 * 4_096);
    end.received = 8_192;
    assert!(end.leaves(FLAG_ACK, OK).unwrap().batch);
    assert_eq!(end.state().budget, SUSPECT + 32 * 4_096, "what has come since is counted with its packet");
    // The listener itself says nothing to anybody.
    assert_eq!(listener.leaves(FLAG_ACK, OK), Err(Outcome::NoPayload));
}

#[test]
fn an_older_connection_is_a_server_s_once_it_speaks_text_or_answers() {
    for (payload, outcome) in [
        (BINARY, Outcome::NotHttp),
        (TLS, Outcome::NotHttp),
        (OK, Outcome::ClientSide),
        (b"", Outcome::NoPayload),
    ] {
        for is_known_port in [false, true] {
            let mut end = End::older();
            if is_known_port {
                end.note_server();
            }
            assert_eq!(end.arrives(FLAG_ACK | FLAG_FIN, payload), Err(outcome));
            assert!(end.connection.is_none(), "nothing is settled by it");
        }
    }
    let mut end = End::older();
    let request = end.arrives(FLAG_ACK, GET).unwrap();
    assert_eq!(request.flags, FLAG_JOINED, "it may be amid a message");
    assert_eq!((end.state().role, end.state().joined), (Role::Server, 1));
    assert!(end.servers.borrow().contains(&PORT));

    let mut end = End { received: 4_096, ..End::older() };
    for payload in [GET, BINARY] {
        assert_eq!(end.leaves(FLAG_ACK, payload), Err(Outcome::ClientSide));
    }
    assert_eq!(end.leaves(FLAG_ACK, b""), Err(Outcome::NoPayload));
    let answer = end.leaves(FLAG_ACK, OK).unwrap();
    assert_eq!((answer.flags, answer.batch), (FLAG_RESPONSE | FLAG_JOINED, false));
    assert_eq!(end.state().budget, SUSPECT_UNSEEN, "nobody knows how much of what came was answered before");
    assert!(end.arrives(FLAG_ACK, GET).unwrap().begins_request());
}

#[test]
fn tls_is_shown_once_and_left_alone_until_something_speaks_against_it() {
    let mut end = End::accepted();
    assert!(end.arrives(FLAG_ACK, TLS).is_ok(), "the daemon is shown the bytes that say so");
    assert_eq!(end.state().role, Role::NotHttp);
    assert_eq!(end.arrives(FLAG_ACK, TLS), Err(Outcome::NotHttp));
    // The first answer proves to the daemon what TCP took.
    assert!(end.leaves(FLAG_ACK, TLS).is_ok());
    assert_eq!(end.leaves(FLAG_ACK, TLS), Err(Outcome::NotHttp));
    let mut answered = end.clone();
    assert!(end.arrives(FLAG_ACK, GET).unwrap().begins_request());
    assert!(answered.leaves(FLAG_ACK, OK).is_ok());
    assert_eq!(answered.state().role, Role::Server);
    assert!(answered.arrives(FLAG_ACK, b"FOO /odd").is_ok());
}

#[test]
fn tls_is_captured_where_the_daemon_reads_it_until_it_says_that_it_can_not() {
    let mut listener = End { reads_tls: true, ..End::listening() };
    assert_eq!(listener.arrives(FLAG_SYN, b""), Err(Outcome::NoPayload));
    assert!(listener.arrives(FLAG_ACK, TLS).is_ok(), "data that comes with the handshake");
    let mut end = End { reads_tls: true, ..End::accepted() };
    assert!(end.exchange(TLS, TLS).0.begins_request());
    end.exchange(TLS, TLS);
    assert_eq!((end.state().role, end.state().tls), (Role::Server, 1));
    end.advise(ADVICE_IGNORE, 0);
    end.exchange(TLS, TLS);
    assert_eq!(end.arrives(FLAG_ACK, TLS), Err(Outcome::NotHttp), "asked for at the fourth packet");
    assert_eq!(end.state().role, Role::NotHttp);
    assert!(end.leaves(FLAG_ACK, OK).is_ok(), "it speaks HTTP after all");
    assert_eq!(end.state().role, Role::Server);
}

#[test]
fn what_the_daemon_ignores_is_looked_at_again_when_it_speaks_http() {
    let mut end = End::accepted();
    end.advise(ADVICE_IGNORE, 0);
    assert_eq!(end.arrives(FLAG_ACK, REDIS), Err(Outcome::Ignored));
    assert_eq!(end.arrives(FLAG_ACK, REDIS), Err(Outcome::Ignored));
    assert_eq!(end.leaves(FLAG_ACK, b"+OK\r\n+OK\r\n"), Err(Outcome::Ignored));
    let mut answered = end.clone();
    assert!(end.arrives(FLAG_ACK, GET).unwrap().begins_request());
    assert_eq!(end.state().role, Role::Ignored, "a request amid it may be a part of it");
    assert!(end.leaves(FLAG_ACK, b"not what it was").is_ok(), "it proves what TCP took");
    assert_eq!(end.leaves(FLAG_ACK, b"not what it was"), Err(Outcome::Ignored));
    assert!(answered.leaves(FLAG_ACK, OK).is_ok());
    assert_eq!(answered.state().role, Role::Server);
    // Advice that comes with the very packet that speaks against it.
    let mut end = End::accepted();
    end.advise(ADVICE_IGNORE, 0);
    assert!(end.arrives(FLAG_ACK, GET).is_ok());
    assert_eq!(end.state().role, Role::Ignored);
}

#[test]
fn a_body_is_skipped_up_to_its_end_wherever_sequence_numbers_wrap() {
    for first in [1_000, u32::MAX - 3_000, u32::MAX - 1_000, 1 << 31] {
        let mut end = End::accepted();
        end.theirs = first;
        let body = [b'x'; 1_000];
        assert!(end.arrives(FLAG_ACK, &body).is_ok());
        end.advise(ADVICE_SKIP, end.theirs.wrapping_add(3_500));
        for _ in 0..3 {
            assert_eq!(end.arrives(FLAG_ACK, &body), Err(Outcome::SkippedBody));
        }
        let mut other = end.clone();
        assert_eq!(other.arrives(FLAG_ACK, &body[..500]), Err(Outcome::SkippedBody), "to its last byte");
        assert!(other.arrives(FLAG_ACK, b"x").is_ok());
        assert_eq!(end.state().unanswered, 0, "what is skipped was not captured");
        assert!(end.arrives(FLAG_ACK, &body).is_ok(), "its end, and what follows");
        assert_eq!(end.state().skipping, 0);
        // A server need not read a body before it answers.
        end.advise(ADVICE_SKIP, end.theirs.wrapping_add(1 << 20));
        while end.advice.get().is_some() {
            let _ = end.arrives(FLAG_ACK, &body);
        }
        assert_eq!(end.arrives(FLAG_ACK, &body), Err(Outcome::SkippedBody));
        assert!(end.leaves(FLAG_ACK, OK).is_ok());
        assert!(end.arrives(FLAG_ACK, GET).unwrap().begins_request());
    }
}

#[test]
fn advice_is_asked_for_often_at_first_then_now_and_then_and_always_amid_much() {
    let asked = |end: &mut End, payload: &[u8]| {
        end.advise(0, 0);
        let _ = end.arrives(FLAG_ACK, payload);
        end.advice.take().is_none()
    };
    let mut end = End::accepted();
    let mut times = Vec::new();
    for number in 1..=100 {
        if asked(&mut end, GET) {
            times.push(number);
        }
        end.leaves(FLAG_ACK, OK).unwrap();
    }
    assert_eq!(times, [1, 2, 4, 8, 16, 32, 64, 96]);
    let mut end = End { ours: 1, ..end };
    for _ in 0..16 {
        let _ = end.arrives(FLAG_ACK, &[b'x'; 1_024]);
    }
    assert!((0..20).all(|_| asked(&mut end, b"more of it")), "16 KiB without an answer");
}

#[test]
fn advice_of_a_kind_that_is_not_known_changes_nothing() {
    let mut end = End::accepted();
    let before = format!("{:?}", end.state());
    let mut connection = *end.state();
    connection.follow(Advice { kind: 99, seq: 1 });
    assert_eq!(format!("{connection:?}"), before);
    end.advise(ADVICE_WHOLE, 0);
    assert!(end.arrives(FLAG_ACK, GET).is_ok());
    assert_eq!(end.state().whole, 1);
}

#[test]
fn much_without_an_answer_is_captured_by_its_starts() {
    let body = [b'x'; 16 * 1024];
    let limits = |is_ring_filling: bool| {
        let mut end = End { is_ring_filling, ..End::accepted() };
        let limits: Vec<_> = (0..300).map(|_| end.arrives(FLAG_ACK, &body).unwrap().limit).collect();
        assert!(end.leaves(FLAG_ACK, OK).is_ok());
        assert_eq!(end.arrives(FLAG_ACK, GET).unwrap().limit, WHOLE, "an answer renews the budget");
        limits.iter().position(|&limit| limit == START).unwrap() * body.len()
    };
    assert_eq!(limits(false), (4 << 20) + body.len());
    assert_eq!(limits(true), (64 << 10) + body.len());
}

#[test]
fn the_outcome_says_what_the_daemon_got() {
    let capture = |limit| Capture { limit, ..End::accepted().arrives(FLAG_ACK, GET).unwrap() };
    let long = packet((40_000, PORT), 1, 1, FLAG_ACK, &[b'x'; 641]);
    let short = packet((40_000, PORT), 1, 1, FLAG_ACK, &[b'x'; 640]);
    assert_eq!(capture(WHOLE).outcome(&long, true), Outcome::Submitted);
    assert_eq!(capture(START).outcome(&long, true), Outcome::OverBudget);
    assert_eq!(capture(START).outcome(&short, true), Outcome::Submitted);
    assert_eq!(capture(START).outcome(&long, false), Outcome::RingFull);
}

#[test]
fn a_request_that_is_sampled_out_takes_its_answer_with_it() {
    let mut end = End { sampling: u32::MAX / 2, ..End::accepted() };
    let (mut kept, mut left_out) = (0, 0);
    for number in 0..1_000 {
        let request = format!(
            "GET /v1/customers/{number} HTTP/1.1\r\nHost: a.example\r\n{}\r\n",
            "A: b\r\n".repeat(30)
        );
        let verdict = end.arrives(FLAG_ACK, request.as_bytes());
        match verdict {
            Ok(capture) => {
                assert_eq!(capture.sampling, u32::MAX / 2);
                assert!(end.leaves(FLAG_ACK, OK).is_ok());
                kept += 1;
            }
            Err(outcome) => {
                assert_eq!(outcome, Outcome::SampledOut);
                assert_eq!(end.leaves(FLAG_ACK, OK), Err(Outcome::SampledOut));
                left_out += 1;
            }
        }
    }
    assert!(kept > 400 && left_out > 400, "{kept} {left_out}");
    // What is no whole request by itself is captured whatever the rate: half a head, a body.
    for payload in [&GET[..20], b"POST /v1/customers HTTP/1.1\r\n\r\n"] {
        let (request, _) = end.exchange(payload, OK);
        assert_eq!(request.sampling, sample::ALL);
    }
    assert!(end.arrives(FLAG_ACK, &GET[..20]).is_ok());
    assert_eq!(end.arrives(FLAG_ACK, &GET[20..]).unwrap().sampling, sample::ALL, "not asked amid a message");
}

#[test]
fn answers_are_whole_while_a_client_may_pipeline() {
    let long = [OK, &[b'x'; ENTRY_DATA]].concat();
    let mut end = End::accepted();
    assert!(!end.exchange(GET, &long).1.batch, "the first answer");
    assert!(end.exchange(GET, &long).1.batch);
    // More without waiting, and a packet that may hold many.
    assert!(end.arrives(FLAG_ACK, GET).is_ok() && end.arrives(FLAG_ACK, GET).is_ok());
    assert!(!end.leaves(FLAG_ACK, &long).unwrap().batch);
    let whole = (0..100).take_while(|_| !end.exchange(GET, &long).1.batch).count();
    assert_eq!(whole, 63);
    assert!(!end.exchange(&GET.repeat(40), &long).1.batch);
    // Short ones are whole in a batch, too.
    assert!(end.exchange(GET, OK).1.batch);
    // Up to what such requests are answered with; for the first one more, as some may have come with the handshake.
    let mut end = End::accepted();
    for budget in [SUSPECT_UNSEEN, SUSPECT + 32 * GET.len() as u32] {
        end.arrives(FLAG_ACK, GET).unwrap();
        let whole = (0..200).take_while(|_| !end.leaves(FLAG_ACK, &[b'x'; 1_000]).unwrap().batch).count();
        assert_eq!(whole as u32, budget / 1_000);
        end.connection.as_mut().unwrap().suspicion = 2;
    }
    // Where the daemon advises so, all of them.
    end.advise(ADVICE_WHOLE, 0);
    assert!((0..100).all(|_| !end.exchange(GET, &long).1.batch));
}

#[test]
fn what_is_left_of_an_answer_s_share_goes_on_when_more_is_asked() {
    let mut end = End::accepted();
    end.arrives(FLAG_ACK, &[b'x'; 16_000]).unwrap();
    let first = end.state().budget;
    assert_eq!(first, SUSPECT_MAX);
    end.leaves(FLAG_ACK, &[b'x'; 1_000]).unwrap();
    end.arrives(FLAG_ACK, GET).unwrap();
    assert_eq!(end.state().budget, first - 1_000);
}

#[test]
fn advice_is_looked_up_amid_answers_once_their_share_is_used_up() {
    let answer = [b'x'; 1_000];
    for (asked, is_asked) in [(GET.repeat(40), true), (GET.to_vec(), false)] {
        let mut end = End::accepted();
        // Past what the first one may have been asked for with the handshake.
        end.exchange(GET, OK);
        end.connection.as_mut().unwrap().suspicion = 2;
        end.connection.as_mut().unwrap().budget = 0;
        end.arrives(FLAG_ACK, &asked).unwrap();
        let budget = end.state().budget;
        end.advise(ADVICE_WHOLE, 0);
        for _ in 0..budget / 1_000 {
            assert!(!end.leaves(FLAG_ACK, &answer).unwrap().batch);
            assert_eq!(end.state().whole, 0, "not yet");
        }
        let rest = budget - end.state().answered;
        assert_eq!(end.leaves(FLAG_ACK, &answer[..rest as usize]).unwrap().batch, !is_asked);
        assert_eq!(end.state().whole, u8::from(is_asked));
    }
    // What fits a batch's entry is whole anyway.
    let mut end = End::accepted();
    end.arrives(FLAG_ACK, &GET.repeat(40)).unwrap();
    while !end.leaves(FLAG_ACK, &answer).unwrap().batch {}
    end.advise(ADVICE_WHOLE, 0);
    assert!(end.leaves(FLAG_ACK, OK).unwrap().batch);
    assert_eq!(end.state().whole, 0);
}

#[test]
fn ends_and_acknowledgements_are_shown_where_they_tell_something() {
    let mut end = End::accepted();
    for flags in [FLAG_ACK, FLAG_ACK | FLAG_FIN, FLAG_RST] {
        assert_eq!(end.arrives(flags, b""), Err(Outcome::NoPayload), "nobody has heard of it");
        assert_eq!(end.leaves(flags, b""), Err(Outcome::NoPayload));
    }
    end.arrives(FLAG_ACK, GET).unwrap();
    assert!(end.leaves(FLAG_ACK, b"").is_ok(), "proves that the request was accepted");
    assert_eq!(end.leaves(FLAG_ACK, b""), Err(Outcome::NoPayload));
    assert_eq!(end.arrives(FLAG_ACK, b""), Err(Outcome::NoPayload));
    assert_eq!(end.arrives(FLAG_SYN, GET), Err(Outcome::NoPayload), "TCP takes no data from it");
    for flags in [FLAG_FIN | FLAG_ACK, FLAG_RST] {
        assert!(end.arrives(flags, b"").is_ok());
        assert!(end.leaves(flags, b"").is_ok());
    }
}

#[test]
fn what_is_not_watched_or_cannot_be_says_why() {
    let mut end = End { watched: false, ..End::accepted() };
    assert_eq!(end.arrives(FLAG_ACK, GET), Err(Outcome::PortFiltered));
    assert_eq!(end.leaves(FLAG_ACK, OK), Err(Outcome::PortFiltered));
    let mut end = End { has_socket: false, ..End::accepted() };
    assert_eq!(end.arrives(FLAG_ACK, GET), Err(Outcome::NoSocket));
    assert_eq!(end.leaves(FLAG_ACK, OK), Err(Outcome::NoSocket));
    for mut end in [End::listening(), End::older()] {
        end.has_memory = false;
        assert_eq!(end.arrives(FLAG_SYN * u16::from(end.is_listening), GET), Err(Outcome::NoMemory));
        let mut end = End { is_listening: false, ..end };
        assert_eq!(end.leaves(FLAG_ACK, OK), Err(Outcome::NoMemory));
        assert_eq!(
            end.leaves(FLAG_SYN, GET),
            Err(Outcome::NoPayload),
            "its role is told by the first payload"
        );
    }
}

/// Whatever came before, and whatever the daemon advised.
#[test]
fn nothing_settles_a_server_s_connection_for_good() {
    let payloads = [GET, OK, TLS, REDIS, BINARY, b"", b"x", &[b'x'; 20_000]];
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as usize % below
    };
    for round in 0..2_000 {
        let mut end = if round % 2 == 0 { End::accepted() } else { End::older() };
        for _ in 0..random(40) {
            if random(4) == 0 {
                let seq = end.theirs.wrapping_add(random(1 << 20) as u32).wrapping_sub(1 << 19);
                end.advise(random(5) as u32, seq);
            }
            end.is_ring_filling = random(2) == 0;
            let flags = [FLAG_ACK, FLAG_ACK, FLAG_ACK | FLAG_FIN, FLAG_RST, FLAG_SYN][random(5)];
            let payload = payloads[random(payloads.len())];
            let announced = end.connection.is_some_and(|connection| connection.announced != 0);
            if random(2) == 0 {
                assert!(end.arrives(flags, payload).is_err() || end.state().announced == 1);
            } else if let Ok(capture) = end.leaves(flags & !FLAG_SYN, payload) {
                assert!(!capture.batch || announced, "a batch names no ends");
            }
        }
        assert!(end.leaves(FLAG_ACK, OK).is_ok(), "{:?}", end.connection);
        let request = end.arrives(FLAG_ACK, GET).unwrap();
        assert!(request.begins_request() && request.limit == WHOLE);
    }
}
