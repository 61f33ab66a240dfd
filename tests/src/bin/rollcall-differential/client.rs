//! A client: a sequence on a connection, then three ordinary requests, on the same connection or on others.

use std::{
    cell::RefCell,
    collections::HashSet,
    io,
    net::SocketAddr,
    os::fd::AsRawFd as _,
    time::{Duration, Instant},
};

use nix::sys::socket::{MsgFlags, send};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    answers::{self, Answer},
    sequence::Sequence,
};

/// How long a server that answers nothing is waited for. It may be waiting for the rest of a body, so that nothing but time can tell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Before the next write of a sequence.
    write: Duration,
    /// Before the next ordinary request.
    request: Duration,
    /// For the connection's end, once we have ended our half.
    end: Duration,
}

/// Servers answer within a few milliseconds; the rest is for a busy machine.
pub(crate) const PATIENCE: Patience = Patience {
    write: Duration::from_millis(60),
    request: Duration::from_millis(250),
    end: Duration::from_millis(1_500),
};

/// The fields of the second of the three requests.
const FIELDS: usize = 70;

/// Room for what is read at once.
const READ: usize = 16 * 1024;

/// What happened on a connection.
#[derive(Clone, Debug)]
pub(crate) struct Observed {
    /// The client's port, where there was one connection.
    pub(crate) port: Option<u16>,
    pub(crate) served: Vec<Answer>,
    /// Targets of the ordinary requests.
    pub(crate) ordinary: [String; 3],
    /// What happened when, if it is traced.
    pub(crate) events: Vec<(Duration, Event)>,
}

#[derive(Clone, Debug)]
pub(crate) enum Event {
    Connected(u16),
    Sent(Vec<u8>),
    Urgent(Vec<u8>),
    Received(Vec<u8>),
    Ended,
    Failed(String),
}

/// How a connection is made.
pub(crate) struct Terms<'a> {
    pub(crate) server: SocketAddr,
    /// The ordinary requests have the numbers from here on.
    pub(crate) number: u64,
    /// The ports of clients that there have been: it is to have another.
    pub(crate) used: &'a RefCell<HashSet<u16>>,
    pub(crate) began: Instant,
    pub(crate) traced: bool,
}

/// Sends all on one connection.
pub(crate) async fn converse(terms: &Terms<'_>, sequence: &Sequence) -> io::Result<Observed> {
    let mut connection = Connection::open(terms).await?;
    connection.send_sequence(sequence).await;
    let ordinary = ordinary(terms.number);
    for (index, target) in ordinary.iter().enumerate() {
        connection.ask(&ordinary_request(target, index), PATIENCE.request).await;
    }
    let port = Some(connection.port);
    connection.drain().await;
    let Connection { received, events, .. } = connection;
    Ok(Observed { port, served: answers::read(&received), ordinary, events })
}

/// Sends the sequence through a proxy, and the ordinary requests as others would, who share no more than the proxy with
/// whoever sends it. What is observed is what the others were answered.
///
/// The sequence is sent twice: over a connection to the server behind that is new, as the last of the requests has the
/// server close it, and over one that others have used before.
pub(crate) async fn poison(terms: &Terms<'_>, sequence: &Sequence) -> io::Result<Observed> {
    let ordinary = ordinary(terms.number);
    let mut others = Others { terms, served: Vec::new(), events: Vec::new() };
    let mut first = Connection::open(terms).await?;
    first.send_sequence(sequence).await;
    others.ask(&ordinary[0], &ordinary_request(&ordinary[0], 0)).await?;
    others.events.extend(first.finish().await);
    others.ask(&ordinary[1], &ordinary_request(&ordinary[1], 1)).await?;
    let mut second = Connection::open(terms).await?;
    second.send_sequence(sequence).await;
    others.events.extend(second.finish().await);
    let closing = format!("GET {} HTTP/1.1\r\nHost: api.example\r\nX-Close: yes\r\n\r\n", ordinary[2]);
    others.ask(&ordinary[2], closing.as_bytes()).await?;
    others.events.sort_by_key(|(at, _)| *at);
    Ok(Observed { port: None, served: others.served, ordinary, events: others.events })
}

/// Clients that each ask for one thing.
struct Others<'a> {
    terms: &'a Terms<'a>,
    served: Vec<Answer>,
    events: Vec<(Duration, Event)>,
}

impl Others<'_> {
    async fn ask(&mut self, target: &String, request: &[u8]) -> io::Result<()> {
        let mut connection = Connection::open(self.terms).await?;
        connection.ask(request, PATIENCE.end).await;
        // An answer without its target is the proxy's own.
        let answers = answers::read(&connection.received).into_iter();
        self.served.extend(answers.filter(|answer| answer.echo.as_ref() == Some(target)));
        self.events.extend(connection.events);
        Ok(())
    }
}

fn ordinary(number: u64) -> [String; 3] {
    std::array::from_fn(|index| format!("/v1/customers/{}", number + index as u64))
}

fn ordinary_request(target: &str, index: usize) -> Vec<u8> {
    let mut head = format!("GET {target} HTTP/1.1\r\nHost: api.example\r\n");
    let fields = if index == 1 { FIELDS - 1 } else { 1 };
    for field in 0..fields {
        head.push_str(&format!("X-Field-{field}: {field}\r\n"));
    }
    head.push_str("\r\n");
    head.into_bytes()
}

struct Connection {
    stream: TcpStream,
    port: u16,
    received: Vec<u8>,
    ended: bool,
    began: Instant,
    traced: bool,
    events: Vec<(Duration, Event)>,
}

impl Connection {
    async fn open(terms: &Terms<'_>) -> io::Result<Connection> {
        let (stream, port) = loop {
            // The kernel gives out the port of a connection that has ended again.
            let stream = TcpStream::connect(terms.server).await?;
            let port = stream.local_addr()?.port();
            if terms.used.borrow_mut().insert(port) {
                break (stream, port);
            }
        };
        stream.set_nodelay(true)?;
        let (received, events) = (Vec::new(), Vec::new());
        let (began, traced) = (terms.began, terms.traced);
        let mut connection = Connection { stream, port, received, ended: false, began, traced, events };
        connection.note(&[], |_| Event::Connected(port));
        Ok(connection)
    }

    /// Sends a request, and waits for its answer.
    async fn ask(&mut self, request: &[u8], patience: Duration) {
        let answered = self.answered();
        self.send(request, false).await;
        self.read_until(patience, |connection| connection.answered() > answered).await;
    }

    async fn send_sequence(&mut self, sequence: &Sequence) {
        let Some((last, first)) = sequence.writes.split_last() else { return };
        for write in first {
            let before = self.received.len();
            self.send(&write.bytes, write.urgent).await;
            self.read_until(PATIENCE.write, |connection| connection.received.len() > before).await;
        }
        self.send(&last.bytes, last.urgent).await;
        let before = self.received.len();
        self.read_until(PATIENCE.request, |connection| connection.received.len() > before).await;
        // Further answers to what came together.
        self.read_until(PATIENCE.write, |_| false).await;
    }

    async fn send(&mut self, bytes: &[u8], urgent: bool) {
        if self.ended {
            return;
        }
        let sent = if urgent { self.send_urgent(bytes).await } else { self.stream.write_all(bytes).await };
        let event = match sent {
            Ok(()) if urgent => Event::Urgent,
            Ok(()) => Event::Sent,
            Err(error) => return self.note(bytes, |_| Event::Failed(error.to_string())),
        };
        self.note(bytes, event);
    }

    async fn send_urgent(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.writable().await?;
        send(self.stream.as_raw_fd(), bytes, MsgFlags::MSG_OOB | MsgFlags::MSG_NOSIGNAL)?;
        Ok(())
    }

    /// Reads until `enough`, or until nothing has come for a time of `quiet`.
    async fn read_until(&mut self, quiet: Duration, enough: impl Fn(&Connection) -> bool) {
        while !self.ended && !enough(self) {
            match timeout(quiet, self.read()).await {
                Ok(()) => {}
                Err(_) => return,
            }
        }
    }

    async fn read(&mut self) {
        let before = self.received.len();
        self.received.reserve(READ);
        match self.stream.read_buf(&mut self.received).await {
            Ok(0) => {
                self.ended = true;
                self.note(&[], |_| Event::Ended);
            }
            Ok(_) if self.traced => {
                let bytes = self.received[before..].to_vec();
                self.note(&bytes, Event::Received);
            }
            Ok(_) => {}
            Err(error) => {
                self.ended = true;
                self.note(&[], |_| Event::Failed(error.to_string()));
            }
        }
    }

    fn note(&mut self, bytes: &[u8], event: impl FnOnce(Vec<u8>) -> Event) {
        if self.traced {
            self.events.push((self.began.elapsed(), event(bytes.to_vec())));
        }
    }

    fn answered(&self) -> usize {
        answers::read(&self.received).len()
    }

    /// Ends the connection.
    async fn finish(mut self) -> Vec<(Duration, Event)> {
        self.drain().await;
        self.events
    }

    /// Ends our half, and reads what the server still has to say.
    async fn drain(&mut self) {
        // The server may have ended it already.
        let _ = self.stream.shutdown().await;
        self.read_until(PATIENCE.end, |_| false).await;
    }
}
