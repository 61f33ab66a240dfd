//! A small HTTP/1.1 server that logs exactly the requests that it served, for machines without any other.
//!
//! One thread a connection, blocking, keep-alive. It takes any method, absolute and empty targets, bodies with
//! `Content-Length` or chunked, pipelined requests, HTTP/1.0 and 0.9. What it answers depends on the target's
//! path:
//!
//! | path | answer |
//! |---|---|
//! | `/v1/customers/…` | 200, a small JSON object |
//! | `/slow/N` | 200 after N milliseconds |
//! | `/big/N` | 200 with N bytes |
//! | `/chunked` | 200 in chunks, with a trailer |
//! | `/close` | 200 without length: ends with the connection |
//! | `/hints` | 103, then 200 |
//! | `/status/N` | N, without a body for 204 and 304 |
//! | `/silence` | none: the connection is closed |
//! | `/reset` | none: the connection is reset |
//! | `/upgrade` with `Upgrade:` | 101; whatever follows is echoed |
//! | any, by `CONNECT` | 200; whatever follows is echoed |
//! | other | 200 for other methods than GET, else 404 |

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::fd::AsRawFd,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, Result};
use nix::sys::socket::{self, setsockopt, sockopt};

use crate::{calls::Call, deadline};

/// Longest request head that the server takes.
const HEAD_LIMIT: usize = 256 * 1024;

/// What a server does otherwise than usual.
#[derive(Clone, Copy, Debug, Default)]
pub struct Behaviour {
    /// `TCP_DEFER_ACCEPT`: connections are accepted when their first data has come.
    pub defer_accept: bool,
    /// `TCP_FASTOPEN`: data on a SYN is taken.
    pub fast_open: bool,
    /// Responses to requests that came together leave together.
    pub coalesce: bool,
}

/// A running server, stopped when dropped.
#[derive(Debug)]
pub struct MiniServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    listener: TcpListener,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    behaviour: Behaviour,
    served: Mutex<Vec<Call>>,
    connections: Mutex<Vec<TcpStream>>,
}

struct Connection {
    shared: Arc<Shared>,
    stream: TcpStream,
    peer: u16,
    buffer: Vec<u8>,
    pending: Vec<u8>,
}

struct Head {
    method: String,
    target: String,
    version: Version,
    fields: Vec<(String, String)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    Http09,
    Http10,
    Http11,
}

/// What follows an answer.
#[derive(PartialEq, Eq)]
enum Next {
    Request,
    Tunnel,
    End,
}

impl MiniServer {
    /// Listens on a free port of 127.0.0.1.
    pub fn start() -> Result<MiniServer> {
        MiniServer::listen(SocketAddr::from(([127, 0, 0, 1], 0)), Behaviour::default())
    }

    /// Listens on `address` in the network namespace of the calling thread.
    pub fn listen(address: SocketAddr, behaviour: Behaviour) -> Result<MiniServer> {
        let listener = TcpListener::bind(address).with_context(|| format!("listen on {address}"))?;
        if behaviour.defer_accept {
            set_tcp_option(&listener, libc::TCP_DEFER_ACCEPT, 30)?;
        }
        if behaviour.fast_open {
            set_tcp_option(&listener, libc::TCP_FASTOPEN, 16)?;
        }
        let shared = Arc::new(Shared { behaviour, ..Shared::default() });
        let address = listener.local_addr()?;
        let acceptor = thread::spawn({
            let (listener, shared) = (listener.try_clone()?, Arc::clone(&shared));
            move || accept(&listener, &shared)
        });
        Ok(MiniServer { address, shared, listener, acceptor: Some(acceptor) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// What it served so far. A call is logged before its answer leaves.
    pub fn served(&self) -> Vec<Call> {
        lock(&self.shared.served).clone()
    }

    /// Waits until it has served `count` calls, and returns them.
    pub fn wait_for(&self, count: usize) -> Result<Vec<Call>> {
        let what = format!("the server to serve {count} calls");
        deadline::until(&what, || Ok(Some(self.served()).filter(|served| served.len() >= count)))
            .with_context(|| format!("served: {:?}", self.served()))
    }

    /// Waits until every connection that it accepted has ended.
    pub fn wait_until_idle(&self) -> Result<()> {
        deadline::until("the server's connections to end", || {
            Ok(lock(&self.shared.connections).is_empty().then_some(()))
        })
    }
}

impl Drop for MiniServer {
    fn drop(&mut self) {
        // Wakes the acceptor; on a listener this fails only if it is shut down already.
        let _ = socket::shutdown(self.listener.as_raw_fd(), socket::Shutdown::Both);
        for stream in lock(&self.shared.connections).iter() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    while let Ok((stream, peer)) = listener.accept() {
        let Ok(known) = stream.try_clone() else { continue };
        lock(&shared.connections).push(known);
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            let _ = stream.set_nodelay(true);
            let mut connection =
                Connection { shared, stream, peer: peer.port(), buffer: Vec::new(), pending: Vec::new() };
            // An error is a client that went away: what was served is logged already.
            let _ = connection.serve();
            let _ = connection.flush();
            connection.leave();
        });
    }
}

impl Connection {
    fn serve(&mut self) -> io::Result<()> {
        while let Some(head) = self.read_head()? {
            match self.answer(&head)? {
                Next::Request => {}
                Next::Tunnel => return self.echo(),
                Next::End => return Ok(()),
            }
        }
        Ok(())
    }

    /// The next request's head; `None` at the end of the connection, or when what comes is not HTTP.
    fn read_head(&mut self) -> io::Result<Option<Head>> {
        loop {
            let blank = self.buffer.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            self.buffer.drain(..blank);
            if let Some(end) = find(&self.buffer, b"\r\n") {
                let line = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
                let Some((method, target, version)) = request_line(&line) else { return Ok(None) };
                let length = match version {
                    Version::Http09 => Some(end + 2),
                    _ => find(&self.buffer, b"\r\n\r\n").map(|at| at + 4),
                };
                if let Some(length) = length {
                    let text = String::from_utf8_lossy(&self.buffer[end..length]).into_owned();
                    self.buffer.drain(..length);
                    let fields = text.lines().filter_map(|line| line.split_once(':'));
                    let fields =
                        fields.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
                    return Ok(Some(Head { method, target, version, fields: fields.collect() }));
                }
            }
            if self.buffer.len() > HEAD_LIMIT || self.fill()? == 0 {
                return Ok(None);
            }
        }
    }

    fn answer(&mut self, head: &Head) -> io::Result<Next> {
        let path = path(&head.target).to_owned();
        if head.field("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        self.skip_body(head)?;
        let (kind, argument) =
            path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
        let number = argument.parse::<usize>().unwrap_or(0);
        match kind {
            _ if head.version == Version::Http09 => {
                // The answer has no status line, so there is no status to be seen.
                self.log(head, None);
                self.send(b"a page as of 1991\n")?;
                return Ok(Next::End);
            }
            _ if head.method == "CONNECT" => {
                self.log(head, Some(200));
                self.send(b"HTTP/1.1 200 Connected\r\n\r\n")?;
                return Ok(Next::Tunnel);
            }
            "upgrade" if head.field("upgrade").is_some() => {
                self.log(head, Some(101));
                self.send(
                    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n",
                )?;
                return Ok(Next::Tunnel);
            }
            "silence" => {
                self.log(head, None);
                return Ok(Next::End);
            }
            "reset" => {
                self.log(head, None);
                // Closing a socket with this option resets the connection instead.
                let linger = libc::linger { l_onoff: 1, l_linger: 0 };
                setsockopt(&self.stream, sockopt::Linger, &linger)?;
                return Ok(Next::End);
            }
            "close" => {
                self.log(head, Some(200));
                self.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end\n")?;
                return Ok(Next::End);
            }
            "chunked" => {
                self.log(head, Some(200));
                self.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
                if head.method != "HEAD" {
                    self.send(b"5\r\nhello\r\n")?;
                    self.send(b"9;note=x\r\nHTTP/1.1 \r\n0\r\nDigest: none\r\n\r\n")?;
                }
            }
            "slow" => {
                thread::sleep(Duration::from_millis(number as u64));
                self.reply(head, 200, b"at last\n")?;
            }
            "big" => self.reply(head, 200, &vec![b'x'; number])?,
            "hints" => {
                self.send(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n")?;
                self.reply(head, 200, b"hinted\n")?;
            }
            "status" => self.reply(head, u16::try_from(number).unwrap_or(500), b"as you wish\n")?,
            "v1" => {
                let id = path.rsplit('/').next().unwrap_or_default();
                self.reply(head, 200, format!("{{\"id\":\"{id}\",\"name\":\"Ada\"}}\n").as_bytes())?;
            }
            _ if head.method == "GET" => self.reply(head, 404, b"not found\n")?,
            _ => self.reply(head, 200, b"done\n")?,
        }
        Ok(if head.keeps_alive() { Next::Request } else { Next::End })
    }

    /// Sends an answer of known length.
    fn reply(&mut self, head: &Head, status: u16, body: &[u8]) -> io::Result<()> {
        self.log(head, Some(status));
        let bodiless = matches!(status, 204 | 304);
        let mut bytes = format!("HTTP/1.1 {status} Because\r\nServer: mini\r\n").into_bytes();
        if !bodiless {
            bytes.extend(format!("Content-Length: {}\r\n", body.len()).bytes());
        }
        if !head.keeps_alive() {
            bytes.extend(b"Connection: close\r\n");
        } else if head.version == Version::Http10 {
            bytes.extend(b"Connection: keep-alive\r\n");
        }
        bytes.extend(b"\r\n");
        if !bodiless && head.method != "HEAD" {
            bytes.extend(body);
        }
        self.send(&bytes)
    }

    fn skip_body(&mut self, head: &Head) -> io::Result<()> {
        if head.field("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            loop {
                let line = self.read_line()?;
                let digits = line.split(';').next().unwrap_or_default().trim();
                let size = usize::from_str_radix(digits, 16).map_err(|_| io::ErrorKind::InvalidData)?;
                if size == 0 {
                    while !self.read_line()?.is_empty() {}
                    return Ok(());
                }
                self.skip(size + 2)?;
            }
        }
        match head.field("content-length").and_then(|length| length.parse().ok()) {
            Some(length) => self.skip(length),
            None => Ok(()),
        }
    }

    fn read_line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                let line = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
                self.buffer.drain(..end + 2);
                return Ok(line);
            }
            if self.fill()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn skip(&mut self, mut count: usize) -> io::Result<()> {
        loop {
            let here = count.min(self.buffer.len());
            self.buffer.drain(..here);
            count -= here;
            if count == 0 {
                return Ok(());
            }
            if self.fill()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn echo(&mut self) -> io::Result<()> {
        loop {
            let bytes = std::mem::take(&mut self.buffer);
            self.stream.write_all(&bytes)?;
            if self.fill()? == 0 {
                return Ok(());
            }
        }
    }

    fn fill(&mut self) -> io::Result<usize> {
        self.flush()?;
        let mut bytes = [0; 65_536];
        let count = self.stream.read(&mut bytes)?;
        self.buffer.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.pending.extend_from_slice(bytes);
        if self.shared.behaviour.coalesce && !self.buffer.is_empty() { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> io::Result<()> {
        let pending = std::mem::take(&mut self.pending);
        self.stream.write_all(&pending)
    }

    fn log(&self, head: &Head, status: Option<u16>) {
        let (method, target) = (head.method.clone(), head.target.clone());
        lock(&self.shared.served).push(Call { port: self.peer, method, target, status });
    }

    /// Closes the connection; the list holds its last descriptor.
    fn leave(self) {
        let Connection { shared, stream, .. } = self;
        let peer = stream.peer_addr().ok();
        drop(stream);
        lock(&shared.connections).retain(|other| other.peer_addr().ok() != peer);
    }
}

impl Head {
    fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    fn keeps_alive(&self) -> bool {
        let says =
            |what: &str| self.field("connection").is_some_and(|value| value.eq_ignore_ascii_case(what));
        match self.version {
            Version::Http09 => false,
            Version::Http10 => says("keep-alive"),
            Version::Http11 => !says("close"),
        }
    }
}

/// Method, target and version. The target is what stands between the first and the last space: it may be empty.
fn request_line(line: &str) -> Option<(String, String, Version)> {
    let (method, rest) = line.split_once(' ')?;
    let (target, version) = match rest.rsplit_once(' ') {
        Some((target, "HTTP/1.1")) => (target, Version::Http11),
        Some((target, "HTTP/1.0")) => (target, Version::Http10),
        _ if method == "GET" && rest.starts_with('/') => (rest, Version::Http09),
        _ => return None,
    };
    let token = !method.is_empty()
        && method.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_!#$%&'*+.^`|~".contains(&byte));
    token.then(|| (method.to_owned(), target.to_owned(), version))
}

/// The path of an origin-form or absolute-form target, without its query.
fn path(target: &str) -> &str {
    let path = match target.split_once("://") {
        Some((_, rest)) if !target.starts_with('/') => rest.find('/').map_or("/", |at| &rest[at..]),
        _ => target,
    };
    path.split('?').next().unwrap_or_default()
}

fn find(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    bytes.windows(mark.len()).position(|window| window == mark)
}

fn set_tcp_option(listener: &TcpListener, option: i32, value: i32) -> Result<()> {
    // SAFETY: the value is a live i32, and its size is told.
    let result = unsafe {
        libc::setsockopt(
            listener.as_raw_fd(),
            libc::IPPROTO_TCP,
            option,
            (&raw const value).cast(),
            size_of::<i32>() as libc::socklen_t,
        )
    };
    nix::errno::Errno::result(result).with_context(|| format!("setsockopt TCP {option}"))?;
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Client, request, request_with_body};

    fn targets(server: &MiniServer) -> Vec<(String, Option<u16>)> {
        server.served().into_iter().map(|call| (call.target, call.status)).collect()
    }

    #[test]
    fn serves_and_logs_pipelined_requests_and_bodies() {
        let server = MiniServer::start().unwrap();
        let mut client = Client::connect(server.address()).unwrap();
        let mut bytes = request("GET", "/v1/customers/1");
        bytes.extend(request_with_body("POST", "/x", b"GET /fake HTTP/1.1\r\n\r\n"));
        bytes.extend(b"POST /y HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
        bytes.extend(request("GET", "/chunked"));
        bytes.extend(request("HEAD", "/v1/a"));
        client.send(&bytes).unwrap();
        for _ in 0..4 {
            assert_eq!(client.response().unwrap().status, 200);
        }
        client.response_to_head().unwrap();
        assert_eq!(client.get("/status/204").unwrap().status, 204);
        let expected =
            ["/v1/customers/1", "/x", "/y", "/chunked", "/v1/a"].map(|target| (target.to_owned(), Some(200)));
        assert_eq!(targets(&server)[..5], expected);
        drop(client);
        server.wait_until_idle().unwrap();
    }

    #[test]
    fn what_is_not_http_is_not_logged() {
        let server = MiniServer::start().unwrap();
        let mut client = Client::connect(server.address()).unwrap();
        client.send("SSH-2.0-OpenSSH_9.9\r\n").unwrap();
        client.read_to_end().unwrap();
        assert!(server.served().is_empty());
    }

    #[test]
    fn takes_odd_request_lines() {
        let parse = |line| request_line(line).map(|(method, target, _)| (method, target));
        assert_eq!(parse("GET  HTTP/1.1"), Some(("GET".into(), String::new())));
        assert_eq!(parse("get /a b HTTP/1.0"), Some(("get".into(), "/a b".into())));
        assert_eq!(parse("GET /old"), Some(("GET".into(), "/old".into())));
        assert_eq!(parse("GET /x HTTP/2.0").map(|(_, target)| target), Some("/x HTTP/2.0".into()));
        assert_eq!(path("http://api.example/v1/a?b=c"), "/v1/a");
    }
}
