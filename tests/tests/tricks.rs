//! Tricks that are to hide a walk: the alert comes at the limit all the same, or `blind` names the client.
//!
//! Each trick is played on a server on which it works: nginx, or one that takes whatever comes ([`LenientServer`]).

use std::{collections::BTreeMap, io::Write as _, net::SocketAddr, os::fd::AsRawFd};

use anyhow::{Context, Result, bail, ensure};
use flate2::{Compression, write::GzEncoder};
use nix::sys::socket::{MsgFlags, send};
use rollcall_tests::{
    Client, Daemon, Lenience, LenientServer, Nginx, Report, client::request, daemon::DISTINCT_OBJECTS,
    deadline, nginx::API,
};

/// Accounts of a walk: enough to be told many times over.
const ACCOUNTS: usize = 400;

/// Where the walk comes from.
const CLIENT: &str = "127.0.0.1";

/// The limit is 20 accounts in 10 seconds.
const LIMIT: u64 = 20;

/// What is done to hide the calls of a walk.
struct Trick {
    name: &'static str,
    play: Play,
    /// What each call asks for, given the number of an account.
    call: fn(usize) -> Vec<u8>,
    /// Calls that leave together.
    together: usize,
}

/// When something else than the calls is sent.
enum Play {
    Never,
    /// At the beginning of the connection, on which the walk then goes on.
    Once(Vec<u8>),
    /// In front of each call, and answered before.
    Each(Vec<u8>),
    /// At the beginning of the connection, in two packets: the last byte of the first is TCP's urgent one.
    Urgent(&'static [u8], &'static [u8]),
}

fn account(id: usize) -> Vec<u8> {
    request("GET", &format!("/v1/customers/{id}"))
}

fn trick(name: &'static str, play: Play) -> Trick {
    Trick { name, play, call: account, together: 1 }
}

fn once(name: &'static str, poison: impl AsRef<[u8]>) -> Trick {
    trick(name, Play::Once(poison.as_ref().to_vec()))
}

fn each(name: &'static str, poison: impl AsRef<[u8]>) -> Trick {
    trick(name, Play::Each(poison.as_ref().to_vec()))
}

fn calls(name: &'static str, call: fn(usize) -> Vec<u8>) -> Trick {
    Trick { call, ..trick(name, Play::Never) }
}

/// A request whose target and fields are given.
fn odd(target: &str, fields: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: api.example\r\n{fields}\r\n").into_bytes()
}

/// A search for customers with these fields and this body.
fn upload(fields: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("POST /v1/customers/search HTTP/1.1\r\nHost: a\r\n{fields}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// What is odd in a request's first bytes, line and target, and nginx answers.
#[test]
fn on_nginx_no_odd_bytes_hide_a_walk() -> Result<()> {
    let high = b"GET /\xff HTTP/1.1\r\nHost: api.example\r\n\r\n";
    on_nginx(&[
        once("a high byte, once", high),
        each("a high byte, before each call", high),
        once(
            "a high byte on the way to an account",
            b"GET /\xff/../v1/customers/0 HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
        once("UTF-8", "GET /é HTTP/1.1\r\nHost: api.example\r\n\r\n"),
        calls("a high byte in each call", |id| {
            let mut bytes = b"GET /\xff/../v1/customers/".to_vec();
            bytes.extend(format!("{id} HTTP/1.1\r\nHost: api.example\r\n\r\n").bytes());
            bytes
        }),
    ])
}

/// What is long.
#[test]
fn on_nginx_no_padding_hides_a_walk() -> Result<()> {
    on_nginx(&[
        calls("a long query", |id| odd(&format!("/v1/customers/{id}?x={}", "a".repeat(7_000)), "")),
        calls("dots in front of the path", |id| {
            odd(&format!("{}/v1/customers/{id}", "/.".repeat(2_200)), "")
        }),
        calls("slashes in front of the path", |id| {
            odd(&format!("{}/v1/customers/{id}", "/".repeat(4_200)), "")
        }),
        calls("fields of 9 KB", |id| {
            let fields: String = (0..3).map(|at| format!("X-{at}: {}\r\n", "a".repeat(3_000))).collect();
            odd(&format!("/v1/customers/{id}"), &fields)
        }),
        Trick {
            together: 20,
            ..once(
                "twenty in a packet, behind zeros as the last chunk",
                format!(
                    "POST /no HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{}\r\n\r\n",
                    "0".repeat(16)
                ),
            )
        },
    ])
}

/// What makes the place of the next request doubtful.
#[test]
fn on_a_lenient_server_no_doubtful_framing_hides_a_walk() -> Result<()> {
    let zeros = "POST /no HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0000000000000000\r\n\r\n";
    on_lenient(
        Lenience::Length,
        &[
            once("zeros as the last chunk", zeros),
            once("an odd version", "GET /no HTTP/1.01\r\nHost: a\r\n\r\n"),
            once("a folded length", "POST /no HTTP/1.1\r\nContent-Length:\r\n 3\r\n\r\nabc"),
            once("two Connection fields", "GET /no HTTP/1.1\r\nConnection: close\r\nConnection: x\r\n\r\n"),
            once("close, and more", "GET /no HTTP/1.1\r\nConnection: close, x\r\n\r\n"),
            Trick {
                call: |id| {
                    let fields: String = (0..66).map(|at| format!("X-{at}: {at}\r\n")).collect();
                    odd(&format!("/v1/customers/{id}"), &fields)
                },
                ..once("heads of many fields behind a doubtful one", zeros)
            },
            Trick {
                call: |id| [b"\r\n".to_vec(), account(id)].concat(),
                ..once("empty lines behind a doubtful request", zeros)
            },
            once(
                "chunked and a length in HTTP/1.0",
                "POST /no HTTP/1.0\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc",
            ),
            once(
                "a coding before chunked, and a length",
                "POST /no HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\nContent-Length: 3\r\n\r\nabc",
            ),
        ],
    )?;
    on_lenient(
        Lenience::Chunks,
        &[
            once(
                "a length and chunks in HTTP/1.0",
                "POST /no HTTP/1.0\r\nTransfer-Encoding: chunked\r\nContent-Length: 300000\r\n\r\n0\r\n\r\n",
            ),
            once(
                "chunks under another coding",
                "POST /no HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\nContent-Length: 300000\r\n\r\n0\r\n\r\n",
            ),
            once(
                "a folded coding",
                "POST /no HTTP/1.1\r\nTransfer-Encoding:\r\n chunked\r\nContent-Length: 300000\r\n\r\n0\r\n\r\n",
            ),
        ],
    )?;
    on_lenient(
        Lenience::Bodiless,
        &[
            once("a body that is none", "GET /no HTTP/1.1\r\nContent-Length: 300000\r\n\r\n"),
            each(
                "a body that is none, before each call",
                "GET /no HTTP/1.1\r\nContent-Length: 300000\r\n\r\n",
            ),
            once("chunks that are none", "GET /no HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ],
    )
}

/// What is to be taken for another protocol, or for no request.
#[test]
fn on_a_lenient_server_no_other_protocol_hides_a_walk() -> Result<()> {
    on_lenient(
        Lenience::Length,
        &[
            trick("an urgent byte", Play::Urgent(b"GET /no\xff", b" HTTP/1.1\r\n\r\n")),
            once("CONNECT", "CONNECT /v1/customers/0 HTTP/1.1\r\nHost: a\r\n\r\n"),
            each("CONNECT, before each call", "CONNECT /v1/customers/0 HTTP/1.1\r\nHost: a\r\n\r\n"),
            once("HTTP/2 as it begins", "PRI /v1/customers/0 HTTP/2.0\r\n\r\n"),
            once("the beginning of HTTP/2", "PRI * HTTP/2.0\r\n\r\n"),
            each("the beginning of HTTP/2, before each call", "PRI * HTTP/2.0\r\n\r\n"),
            once("a record of TLS", b"\x16\x03\x01 /no\r\n\r\n"),
            once("NUL bytes", b"\0\0\0\0\0\0\0\0\0\0 /no\r\n\r\n"),
            each("NUL bytes, before each call", b"\0\0\0\0\0\0\0\0\0\0 /no\r\n\r\n"),
            calls("tabs", |id| format!("GET\t/v1/customers/{id}\tHTTP/1.1\r\n\r\n").into_bytes()),
            calls("a blank in front", |id| format!(" GET /v1/customers/{id} HTTP/1.1\r\n\r\n").into_bytes()),
            calls("a tab in front", |id| format!("\tGET /v1/customers/{id} HTTP/1.1\r\n\r\n").into_bytes()),
            calls("an odd method", |id| format!("G@T\x01 /v1/customers/{id} HTTP/1.1\r\n\r\n").into_bytes()),
            calls("a method of high bytes", |id| {
                let mut bytes = b"\xc3\x28\xff ".to_vec();
                bytes.extend(format!("/v1/customers/{id} HTTP/1.1\r\n\r\n").bytes());
                bytes
            }),
            calls("bare line feeds", |id| format!("GET /v1/customers/{id} HTTP/1.1\n\n").into_bytes()),
            calls("no version", |id| format!("GET /v1/customers/{id} x\r\n\r\n").into_bytes()),
        ],
    )
}

/// Requests that the server never answers, between those that it does.
#[test]
fn on_a_lenient_server_no_phantom_hides_a_walk() -> Result<()> {
    let phantom = "GET /no HTTP/1.1\r\nUpgrade: x\r\n\r\nGET /gone HTTP/1.1\r\n\r\n";
    on_lenient(
        Lenience::Drops,
        &[
            once("bytes behind an upgrade that are dropped", phantom),
            each("bytes behind an upgrade that are dropped, before each call", phantom),
            calls("a dropped request behind each call", |id| {
                format!(
                    "GET /v1/customers/{id} HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n\
                 GET /gone HTTP/1.1\r\n\r\n"
                )
                .into_bytes()
            }),
            once(
                "an expectation",
                "POST /no HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
            ),
            each(
                "an expectation, before each call",
                "POST /no HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
            ),
        ],
    )
}

/// Accounts in other places than careful clients write them in, and read there by common parsers.
#[test]
fn on_a_lenient_server_no_other_place_hides_a_walk() -> Result<()> {
    on_lenient(
        Lenience::Length,
        &[
            calls("a list with bars", |id| odd(&format!("/v1/customers/?ids=0|{id}"), "")),
            calls("a list with semicolons", |id| odd(&format!("/v1/customers/?ids=0;{id}"), "")),
            calls("a list in the path", |id| odd(&format!("/v1/customers/0|{id}"), "")),
            calls("a parameter of a segment", |id| odd(&format!("/v1/customers/all;id={id}"), "")),
            calls("a parameter behind a number", |id| odd(&format!("/v1/customers/0;id={id}"), "")),
            calls("a parameter behind a hash", |id| odd(&format!("/v1/customers/?#&id={id}"), "")),
            calls("a query without a name", |id| odd(&format!("/v1/customers/?{id}"), "")),
            calls("a path to CONNECT to", |id| {
                format!("CONNECT /v1/customers/{id} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes()
            }),
            calls("ever new paths", |id| {
                let (depth, word) = (id % 20, char::from(b'a' + (id % 26) as u8));
                odd(&format!("{}/{word}{word}/v1/customers/{id}", "/x".repeat(depth)), "")
            }),
        ],
    )
}

/// Accounts in bodies that are not read at first sight.
#[test]
fn on_a_lenient_server_no_body_hides_a_walk() -> Result<()> {
    on_lenient(
        Lenience::Length,
        &[
            calls("padding in JSON", |id| {
                upload("", format!(r#"{{"x":"{}","id":{id}}}"#, "x".repeat(20_000)).as_bytes())
            }),
            calls("padding in a form", |id| {
                upload("", format!("x={}&id={id}", "x".repeat(20_000)).as_bytes())
            }),
            calls("a compressed body", |id| {
                let mut body = GzEncoder::new(Vec::new(), Compression::fast());
                body.write_all(format!(r#"{{"id":{id}}}"#).as_bytes()).expect("memory takes all");
                upload("Content-Encoding: gzip\r\n", &body.finish().expect("memory takes all"))
            }),
            calls("nothing but the number", |id| upload("", id.to_string().as_bytes())),
            calls("arguments without names", |id| {
                upload("", format!(r#"{{"method":"x","params":[{id}],"id":1}}"#).as_bytes())
            }),
            calls("other characters than those of ASCII", |id| {
                let digits = id.to_string().into_bytes().into_iter().map(|digit| digit - b'0' + 0xf0);
                let body: Vec<u8> = b"\x89\x84\x7e".iter().copied().chain(digits).collect();
                upload("Content-Type: application/x-www-form-urlencoded; charset=ibm037\r\n", &body)
            }),
            calls("another boundary", |id| {
                let decoy = "--x\r\nContent-Disposition: form-data; name=q\r\n\r\n1\r\n";
                let part = format!("--b\r\nContent-Disposition: form-data; name=id\r\n\r\n{id}\r\n--b--\r\n");
                upload(
                    "Content-Type: multipart/form-data; boundary=a; boundary=b\r\n",
                    (decoy.to_owned() + &part).as_bytes(),
                )
            }),
        ],
    )
}

/// What the server answers in HTTP/2 is not read: that is told.
#[test]
fn a_walk_by_upgrades_to_http2_is_told() -> Result<()> {
    on_lenient(
        Lenience::Upgrades,
        &[calls("an upgrade to HTTP/2", |id| {
            odd(
                &format!("/v1/customers/{id}"),
                "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAM\r\n",
            )
        })],
    )
}

fn on_nginx(tricks: &[Trick]) -> Result<()> {
    for trick in tricks {
        let nginx = Nginx::with_locations(API)?;
        check(trick, nginx.address(), || Ok(nginx.logged()?.len()))
            .with_context(|| format!("{} on nginx", trick.name))?;
    }
    Ok(())
}

fn on_lenient(lenience: Lenience, tricks: &[Trick]) -> Result<()> {
    for trick in tricks {
        let server = LenientServer::start(lenience)?;
        check(trick, server.address(), || Ok(server.served().len()))
            .with_context(|| format!("{} on a server of {lenience:?}", trick.name))?;
    }
    Ok(())
}

/// Plays the trick, and looks whether it was told.
fn check(trick: &Trick, server: SocketAddr, served: impl Fn() -> Result<usize>) -> Result<()> {
    let daemon = Daemon::watching(server.port())?;
    let mut walk = Walk { server, client: None, trick, answers: 0 };
    let ids: Vec<usize> = (1_000..1_000 + ACCOUNTS).collect();
    for ids in ids.chunks(trick.together) {
        walk.ask(ids)?;
    }
    let answers = walk.answers;
    drop(walk);
    ensure!(answers >= ACCOUNTS, "the trick does not work: {answers} answers");
    deadline::until("the server's own log", || Ok((served()? >= ACCOUNTS).then_some(())))?;
    let told = deadline::until("an alert", || {
        Ok(daemon.alerts()?.into_iter().find(|alert| {
            let is_walk = alert["rule"] == DISTINCT_OBJECTS && alert["client"]["id"] == CLIENT;
            let addresses = alert["addresses"].as_array();
            let names_client = addresses.is_some_and(|all| all.iter().any(|one| one == CLIENT));
            is_walk || alert["rule"] == "blind" && names_client
        }))
    });
    let ended = deadline::until("the daemon to see the end", || {
        Ok((daemon.metrics()?.sum("rollcall_http_connections", &[]) == 0.0).then_some(()))
    });
    let report = daemon.stop()?;
    let told = told.and_then(|told| ended.map(|()| told)).with_context(|| report.metrics.summary())?;
    if told["rule"] == DISTINCT_OBJECTS {
        let distinct = told["distinct"].as_u64().unwrap_or(u64::MAX);
        ensure!(distinct <= LIMIT + trick.together as u64, "it came late: {told}");
    }
    account_for(&report, answers)
}

/// Each answer is that of a reported call, or counted as unexplained.
fn account_for(report: &Report, answers: usize) -> Result<()> {
    let mut statuses: BTreeMap<String, usize> = BTreeMap::new();
    for exchange in &report.exchanges {
        *statuses.entry(exchange["status"].to_string()).or_default() += 1;
        let target = exchange["target"].as_str().unwrap_or_default();
        let right = if target.contains("/v1/customers/") { 200 } else { 404 };
        let status = &exchange["status"];
        ensure!(status.is_null() || *status == right || *status == 400, "a wrong status: {exchange}");
    }
    let answered = report.exchanges.iter().filter(|exchange| !exchange["status"].is_null()).count();
    let unexplained = report.metrics.sum("rollcall_answers_unexplained_total", &[]);
    ensure!(
        answered as f64 + unexplained >= answers as f64,
        "{answers} answers; reported {statuses:?}, unexplained {unexplained}: {}",
        report.metrics.summary()
    );
    Ok(())
}

/// A walk in progress.
struct Walk<'a> {
    server: SocketAddr,
    client: Option<Client>,
    trick: &'a Trick,
    answers: usize,
}

impl Walk<'_> {
    /// Asks for the accounts `ids` in one packet. Where the server has ended the connection, it is asked again on another.
    fn ask(&mut self, ids: &[usize]) -> Result<()> {
        for _ in 0..3 {
            if self.try_ask(ids).is_ok() {
                return Ok(());
            }
            self.client = None;
        }
        bail!("no answer to {ids:?}")
    }

    fn try_ask(&mut self, ids: &[usize]) -> Result<()> {
        if self.client.is_none() {
            let mut client = Client::connect(self.server)?;
            match &self.trick.play {
                Play::Once(bytes) => {
                    client.send(bytes)?;
                    self.read(&mut client)?;
                }
                Play::Urgent(urgent, rest) => {
                    send(client.stream().as_raw_fd(), urgent, MsgFlags::MSG_OOB)?;
                    client.send(rest)?;
                    self.read(&mut client)?;
                }
                Play::Never | Play::Each(_) => {}
            }
            self.client = Some(client);
        }
        let Some(mut client) = self.client.take() else { return Ok(()) };
        if let Play::Each(bytes) = &self.trick.play {
            client.send(bytes)?;
            self.read(&mut client)?;
        }
        client.send(ids.iter().flat_map(|id| (self.trick.call)(*id)).collect::<Vec<_>>())?;
        let mut upgraded = false;
        for _ in ids {
            upgraded |= self.read(&mut client)? == 101;
        }
        // An upgraded connection takes no more requests.
        self.client = (!upgraded).then_some(client);
        Ok(())
    }

    /// Reads an answer, interim ones aside.
    fn read(&mut self, client: &mut Client) -> Result<u16> {
        loop {
            let status = client.response()?.status;
            if status >= 200 || status == 101 {
                self.answers += 1;
                return Ok(status);
            }
        }
    }
}
