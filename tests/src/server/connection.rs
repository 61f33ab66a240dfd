//! One connection: requests in, answers out.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    sync::Arc,
    thread,
    time::Duration,
};

use nix::sys::socket::{setsockopt, sockopt};

use super::{
    Shared,
    head::{Head, Parsed, Version, find, path},
    lock,
};
use crate::calls::Call;

/// Longest request head that the server takes.
const HEAD_LIMIT: usize = 256 * 1024;

/// A connection that is being served.
pub(super) struct Connection {
    shared: Arc<Shared>,
    stream: TcpStream,
    peer: u16,
    buffer: Vec<u8>,
    pending: Vec<u8>,
}

/// What follows an answer.
#[derive(PartialEq, Eq)]
enum Next {
    Request,
    Tunnel,
    End,
}

impl Connection {
    pub(super) fn new(shared: Arc<Shared>, stream: TcpStream, peer: u16) -> Connection {
        Connection { shared, stream, peer, buffer: Vec::new(), pending: Vec::new() }
    }

    /// Serves a client until either end has enough, then closes.
    pub(super) fn run(mut self) {
        // An error is a client that went away: what was served is logged already.
        let _ = self.serve();
        let _ = self.flush();
        self.leave();
    }

    fn serve(&mut self) -> io::Result<()> {
        if self.shared.behaviour.proxy_header {
            self.skip_proxy_header()?;
        }
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
            match Head::take(&mut self.buffer) {
                Parsed::Head(head) => return Ok(Some(head)),
                Parsed::Foreign => return Ok(None),
                Parsed::Partial => {}
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

    fn skip_proxy_header(&mut self) -> io::Result<()> {
        while self.buffer.len() < 16 {
            match find(&self.buffer, b"\r\n") {
                Some(end) if end > 0 => break,
                _ if self.fill()? == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                _ => {}
            }
        }
        if self.buffer.starts_with(b"PROXY ") {
            return self.read_line().map(drop);
        }
        match self.buffer.get(..16) {
            Some([b'\r', b'\n', b'\r', b'\n', 0, .., high, low]) => {
                self.skip(16 + usize::from(u16::from_be_bytes([*high, *low])))
            }
            _ => Err(io::ErrorKind::InvalidData.into()),
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
