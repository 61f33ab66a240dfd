//! What a request costs. `cargo test --release --lib -- --ignored --nocapture speed`

use nix::time::{ClockId, clock_gettime};

use super::*;

#[derive(Default)]
struct Count(u64);

impl ExchangeSink for Count {
    fn call(&mut self, _: &Exchange<'_>) {
        self.0 += 1;
    }

    fn exchange(&mut self, _: &Exchange<'_>) {}

    fn directive(&mut self, _: ConnectionId, _: Directive) {}
}

/// Keep-alive requests of 525 bytes and their responses, settled every thousand, over so many connections.
fn keep_alive(ids: u64, rounds: u32) -> f64 {
    let padding = "x".repeat(525 - 180);
    let request = format!(
        "GET /v1/customers/12345 HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: wrk/4\r\nAccept: */*\r\n\
         Accept-Encoding: gzip\r\nAuthorization: Bearer abcdefgh\r\nX-Forwarded-For: 192.0.2.7\r\nCookie: {padding}\r\n\r\n"
    );
    let response = b"HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Sun, 22 Nov 2026 04:00:00 GMT\r\n\
        Content-Type: application/json\r\nContent-Length: 900\r\nConnection: keep-alive\r\n\r\n{";
    let length = response.len() as u32 + 899;
    let mut wire = Wire::new();
    let mut connections = Connections::new(Limits::default());
    let mut count = Count::default();
    let base = wire.base(Direction::Request);
    // The thread's own time: other work on the machine does not count.
    let clock = || Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap());
    let begun = clock();
    let mut done = 0u64;
    for round in 0..rounds {
        let client = round.wrapping_mul(request.len() as u32);
        let server = round.wrapping_mul(length);
        for id in 0..ids {
            done += 1;
            let at = base.at + Duration::from_micros(done * 5);
            let asked = Segment {
                connection: ConnectionId(id * 4096),
                seq: client,
                ack: Some(server),
                length: request.len() as u32,
                data: request.as_bytes(),
                received: Some(client),
                sent: Some(server),
                after_response: true,
                at,
                ..base
            };
            connections.segment(&asked, &mut count);
            let answered = Segment {
                direction: Direction::Response,
                seq: server,
                ack: Some(client.wrapping_add(request.len() as u32)),
                length,
                data: response,
                received: None,
                sent: None,
                endpoints: None,
                ..asked
            };
            connections.segment(&answered, &mut count);
            if done.is_multiple_of(1000) {
                connections.settle(at, &mut count);
            }
        }
    }
    assert_eq!(count.0, done);
    (clock() - begun).as_nanos() as f64 / done as f64
}

#[test]
#[ignore = "a measurement"]
fn requests_and_responses() {
    for (ids, rounds) in [(1, 1_000_000), (64, 15_000), (10_000, 100), (100_000, 10)] {
        println!("{ids} connections: {:.0} ns a request with its response", keep_alive(ids, rounds));
    }
    println!("{} bytes a connection", size_of::<super::super::connection::Connection>());
}
