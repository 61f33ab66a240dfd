//! One connection: a sequence, then three ordinary requests.

use std::{
    cell::RefCell,
    collections::HashSet,
    io,
    net::SocketAddr,
    os::fd::AsRawFd as _,
    time::{Duration, Instant},
};

use nix::sys::socket::{MsgFlags, send};
use tokio::{io::AsyncWriteExt as _, net::TcpStream, time::timeout};

use crate::{answers, sequence::Sequence};

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

/// What happened on a connection.
#[derive(Clone, Debug)]
pub(crate) struct Observed {
    pub(crate) port: u16,
    pub(crate) received: Vec<u8>,
    /// Targets of the ordinary requests.
    pub(crate) ordinary: [String; 3],
    pub(crate) events: Vec<(Duration, Event)>,
}

#[derive(Clone, Debug)]
pub(crate) enum Event {
    Sent(Vec<u8>),
    Urgent(Vec<u8>),
    Received(Vec<u8>),
    Ended,
    Failed(String),
}

struct Connection {
    stream: TcpStream,
    began: Instant,
    observed: Observed,
    ended: bool,
}

/// The ordinary requests have the numbers from `number` on. The connection is from a port that is not among those `used`.
pub(crate) async fn converse(
    server: SocketAddr,
    sequence: &Sequence,
    number: u64,
    used: &RefCell<HashSet<u16>>,
) -> io::Result<Observed> {
    let stream = loop {
        // The kernel gives out the port of a connection that has ended again.
        let stream = TcpStream::connect(server).await?;
        if used.borrow_mut().insert(stream.local_addr()?.port()) {
            break stream;
        }
    };
    stream.set_nodelay(true)?;
    let ordinary = std::array::from_fn(|index| format!("/v1/customers/{}", number + index as u64));
    let observed =
        Observed { port: stream.local_addr()?.port(), received: Vec::new(), ordinary, events: Vec::new() };
    let mut connection = Connection { stream, began: Instant::now(), observed, ended: false };
    connection.send_sequence(sequence).await;
    for index in 0..3 {
        let answered = connection.answered();
        connection.send(&ordinary_request(&connection.observed.ordinary[index], index), false).await;
        connection.read_until(PATIENCE.request, |connection| connection.answered() > answered).await;
    }
    connection.finish().await;
    Ok(connection.observed)
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

impl Connection {
    async fn send_sequence(&mut self, sequence: &Sequence) {
        let Some((last, first)) = sequence.writes.split_last() else { return };
        for write in first {
            let before = self.observed.received.len();
            self.send(&write.bytes, write.urgent).await;
            self.read_until(PATIENCE.write, |connection| connection.observed.received.len() > before).await;
        }
        self.send(&last.bytes, last.urgent).await;
        let before = self.observed.received.len();
        self.read_until(PATIENCE.request, |connection| connection.observed.received.len() > before).await;
        // Further answers to what came together.
        self.read_until(PATIENCE.write, |_| false).await;
    }

    async fn send(&mut self, bytes: &[u8], urgent: bool) {
        if self.ended {
            return;
        }
        let sent = if urgent { self.send_urgent(bytes).await } else { self.stream.write_all(bytes).await };
        let event = match sent {
            Ok(()) if urgent => Event::Urgent(bytes.to_owned()),
            Ok(()) => Event::Sent(bytes.to_owned()),
            Err(error) => Event::Failed(error.to_string()),
        };
        self.note(event);
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
        let mut bytes = vec![0; 65_536];
        loop {
            if let Err(error) = self.stream.readable().await {
                return self.fail(&error);
            }
            match self.stream.try_read(&mut bytes) {
                Ok(0) => {
                    self.ended = true;
                    return self.note(Event::Ended);
                }
                Ok(count) => {
                    self.observed.received.extend_from_slice(&bytes[..count]);
                    return self.note(Event::Received(bytes[..count].to_vec()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return self.fail(&error),
            }
        }
    }

    fn fail(&mut self, error: &io::Error) {
        self.ended = true;
        self.note(Event::Failed(error.to_string()));
    }

    fn note(&mut self, event: Event) {
        self.observed.events.push((self.began.elapsed(), event));
    }

    fn answered(&self) -> usize {
        answers::read(&self.observed.received).len()
    }

    /// Ends our half, and reads what the server still has to say.
    async fn finish(&mut self) {
        let _ = self.stream.shutdown().await;
        let deadline = tokio::time::Instant::now() + PATIENCE.end;
        while !self.ended && tokio::time::timeout_at(deadline, self.read()).await.is_ok() {}
    }
}
