use super::*;

const CLIENT: &str = "10.0.0.9:40000";
const SERVER: &str = "10.0.0.1:80";

fn packet<'a>(source: &str, destination: &str, seq: u32, data: &'a [u8]) -> Packet<'a> {
    Packet {
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
        seq,
        ack: Some(1),
        syn: false,
        fin: false,
        urgent: None,
        rst: false,
        length: data.len() as u32,
        data,
    }
}

fn syn(source: &str, destination: &str, seq: u32) -> Packet<'static> {
    Packet { syn: true, ack: None, ..packet(source, destination, seq, b"") }
}

fn syn_ack(source: &str, destination: &str, seq: u32, ack: u32) -> Packet<'static> {
    Packet { syn: true, ack: Some(ack), ..packet(source, destination, seq, b"") }
}

/// Connection number, direction, joined.
fn placed(connections: &mut Connections, packet: &Packet<'_>) -> Option<(u64, Direction, bool)> {
    connections.place(packet).map(|place| (place.connection.0, place.direction, place.joined))
}

#[test]
fn the_first_syn_tells_the_client() {
    let mut connections = Connections::default();
    // Ports would say otherwise.
    let place = connections.place(&syn(SERVER, CLIENT, 7)).unwrap();
    assert_eq!(place.endpoints.client, SERVER.parse().unwrap());
    assert_eq!(place.endpoints.server, CLIENT.parse().unwrap());
    assert!(!place.joined);
    let answer = syn_ack(CLIENT, SERVER, 100, 8);
    assert_eq!(placed(&mut connections, &answer), Some((1, Direction::Response, false)));
    let request = packet(SERVER, CLIENT, 8, b"GET / HTTP/1.1\r\n");
    assert_eq!(placed(&mut connections, &request), Some((1, Direction::Request, false)));
}

#[test]
fn a_syn_ack_tells_too_and_its_syn_may_follow() {
    let mut connections = Connections::default();
    let answer = syn_ack(CLIENT, SERVER, 100, 8);
    assert_eq!(placed(&mut connections, &answer), Some((1, Direction::Response, false)));
    assert_eq!(placed(&mut connections, &syn(SERVER, CLIENT, 7)), Some((1, Direction::Request, false)));
}

#[test]
fn a_retransmitted_syn_is_the_same_connection_and_another_one_is_not() {
    let mut connections = Connections::default();
    for (seq, connection) in [(7, 1), (7, 1), (8, 2), (8, 2)] {
        let expected = Some((connection, Direction::Request, false));
        assert_eq!(placed(&mut connections, &syn(CLIENT, SERVER, seq)), expected);
    }
    let answer = syn_ack(SERVER, CLIENT, 100, 9);
    assert_eq!(placed(&mut connections, &answer), Some((2, Direction::Response, false)));
    assert_eq!(connections.numbered(), 2);
}

#[test]
fn a_syn_ends_a_connection_that_was_joined() {
    let mut connections = Connections::default();
    let request = packet(CLIENT, SERVER, 8, b"GET / HTTP/1.1\r\n");
    assert_eq!(placed(&mut connections, &request), Some((1, Direction::Request, true)));
    assert_eq!(placed(&mut connections, &syn(CLIENT, SERVER, 7)), Some((2, Direction::Request, false)));
}

#[test]
fn without_handshake_the_first_payload_tells() {
    for (data, direction) in [
        (b"get /x HTTP/1.1\r\n".as_slice(), Direction::Request),
        (b"M-SEARCH * HTTP/1.1\r\n", Direction::Request),
        (b"GET /", Direction::Request),
        (b"HTTP/1.1 200 OK\r\n", Direction::Response),
        // By the ports.
        (b"\x16\x03\x01", Direction::Response),
        (b" GET / HTTP/1.1", Direction::Response),
        (b"GET  HTTP/1.1", Direction::Response),
    ] {
        let mut connections = Connections::default();
        let empty = packet(SERVER, CLIENT, 1, b"");
        assert_eq!(placed(&mut connections, &empty), None);
        let first = packet(SERVER, CLIENT, 1, data);
        assert_eq!(placed(&mut connections, &first), Some((1, direction, true)), "{}", data.escape_ascii());
        assert_eq!(placed(&mut connections, &empty), Some((1, direction, true)));
    }
}

#[test]
fn a_wrong_guess_is_left_behind() {
    let mut connections = Connections::default();
    let (client, server) = ("10.0.0.9:5000", "10.0.0.1:8080");
    let middle_of_a_body = packet(server, client, 1, b"xyz");
    assert_eq!(placed(&mut connections, &middle_of_a_body), Some((1, Direction::Request, true)));
    let request = packet(client, server, 1, b"GET /2 HTTP/1.1\r\nHost: x\r\n");
    assert_eq!(placed(&mut connections, &request), Some((2, Direction::Request, true)));
    // What was told by a request is no guess: text that looks like one does not turn it round.
    let text = packet(server, client, 4, b"GET /3 HTTP/1.1\r\nHost: x\r\n");
    assert_eq!(placed(&mut connections, &text), Some((2, Direction::Response, true)));
}

#[test]
fn a_status_line_from_the_guessed_client_turns_it_round() {
    let mut connections = Connections::default();
    let (client, server) = ("10.0.0.9:5000", "10.0.0.1:8080");
    placed(&mut connections, &packet(server, client, 1, b"xyz"));
    let response = packet(server, client, 4, b"HTTP/1.1 200 OK\r\n");
    assert_eq!(placed(&mut connections, &response), Some((2, Direction::Response, true)));
}

#[test]
fn memory_is_bounded_and_the_recently_seen_stay() {
    let mut connections = Connections::bounded(10);
    let kept = syn(CLIENT, SERVER, 7);
    placed(&mut connections, &kept);
    for port in 1..1000 {
        placed(&mut connections, &syn(&format!("10.0.0.8:{port}"), SERVER, 1));
        placed(&mut connections, &kept);
        assert!(connections.young.len() + connections.old.len() <= 20);
    }
    assert_eq!(connections.numbered(), 1000, "the one that is seen all the time is not forgotten");
}

/// A reset, which has no acknowledgement.
fn rst(source: &str, destination: &str, seq: u32) -> Packet<'static> {
    Packet { rst: true, ack: None, ..packet(source, destination, seq, b"") }
}

fn ack(source: &str, destination: &str, seq: u32, ack: u32) -> Packet<'static> {
    Packet { ack: Some(ack), ..packet(source, destination, seq, b"") }
}

#[test]
fn a_challenge_and_its_reset_are_of_the_connection_before() {
    for (former, with_reset) in [(false, true), (false, false), (true, true), (true, false)] {
        let mut connections = Connections::default();
        let before = if former {
            placed(&mut connections, &syn(CLIENT, SERVER, 2000));
            placed(&mut connections, &syn_ack(SERVER, CLIENT, 5000, 2001));
            placed(&mut connections, &packet(CLIENT, SERVER, 2001, b"GET / HTTP/1.1\r\n"));
            Some(1)
        } else {
            None
        };
        let new = before.map_or(1, |before| before + 1);
        let request = Some((new, Direction::Request, false));
        let of_former = |direction| before.map(|before| (before, direction, false));
        assert_eq!(placed(&mut connections, &syn(CLIENT, SERVER, 1000)), request);
        let challenge = ack(SERVER, CLIENT, 6000, 3000);
        assert_eq!(placed(&mut connections, &challenge), of_former(Direction::Response));
        if with_reset {
            assert_eq!(placed(&mut connections, &rst(CLIENT, SERVER, 3000)), of_former(Direction::Request));
        }
        assert_eq!(placed(&mut connections, &syn(CLIENT, SERVER, 1000)), request);
        let answer = Some((new, Direction::Response, false));
        assert_eq!(placed(&mut connections, &syn_ack(SERVER, CLIENT, 5000, 1001)), answer);
        assert_eq!(placed(&mut connections, &packet(CLIENT, SERVER, 1001, b"GET / HTTP/1.1\r\n")), request);
        assert_eq!(placed(&mut connections, &ack(SERVER, CLIENT, 5001, 1017)), answer);
    }
}

#[test]
fn a_made_up_syn_amid_a_connection_changes_nothing() {
    let mut connections = Connections::default();
    placed(&mut connections, &syn(CLIENT, SERVER, 2000));
    placed(&mut connections, &syn_ack(SERVER, CLIENT, 5000, 2001));
    placed(&mut connections, &packet(CLIENT, SERVER, 2001, b"GET /1 HTTP/1.1\r\n"));
    placed(&mut connections, &syn(CLIENT, SERVER, 900_000));
    let challenge = ack(SERVER, CLIENT, 5001, 2018);
    assert_eq!(placed(&mut connections, &challenge), Some((1, Direction::Response, false)));
    placed(&mut connections, &syn(CLIENT, SERVER, 70_000));
    let next = packet(CLIENT, SERVER, 2018, b"GET /2 HTTP/1.1\r\n");
    assert_eq!(placed(&mut connections, &next), Some((1, Direction::Request, false)));
}

#[test]
fn a_new_connection_goes_on_although_its_handshake_is_not_in_the_file() {
    let mut connections = Connections::default();
    placed(&mut connections, &syn(CLIENT, SERVER, 2000));
    placed(&mut connections, &packet(CLIENT, SERVER, 2001, b"GET /1 HTTP/1.1\r\n"));
    placed(&mut connections, &syn(CLIENT, SERVER, 1000));
    let request = packet(CLIENT, SERVER, 1001, b"GET /2 HTTP/1.1\r\n");
    assert_eq!(placed(&mut connections, &request), Some((2, Direction::Request, false)));
    assert_eq!(
        placed(&mut connections, &ack(SERVER, CLIENT, 5001, 1018)),
        Some((2, Direction::Response, false))
    );
}

#[test]
fn ports_may_be_used_again_with_the_same_sequence_numbers() {
    let ends = [
        vec![rst(CLIENT, SERVER, 8)],
        vec![Packet { fin: true, ..packet(CLIENT, SERVER, 8, b"") }],
        vec![Packet { rst: true, ack: Some(8), ..packet(SERVER, CLIENT, 0, b"") }],
    ];
    for end in ends {
        let mut connections = Connections::default();
        placed(&mut connections, &syn(CLIENT, SERVER, 7));
        end.iter()
            .for_each(|packet| assert_eq!(placed(&mut connections, packet).map(|place| place.0), Some(1)));
        for (from, to, packet) in [
            (2, Direction::Request, syn(CLIENT, SERVER, 7)),
            (2, Direction::Request, syn(CLIENT, SERVER, 7)),
            (2, Direction::Response, syn_ack(SERVER, CLIENT, 100, 8)),
            (2, Direction::Request, packet(CLIENT, SERVER, 8, b"GET / HTTP/1.1\r\n")),
        ] {
            assert_eq!(placed(&mut connections, &packet), Some((from, to, false)));
        }
    }
}
