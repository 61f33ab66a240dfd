//! An ordinary client: HTTP/1.1 over the kernel's own TCP.

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::{IpAddr, Shutdown, SocketAddr, TcpStream},
    os::fd::AsRawFd,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, SockaddrStorage};

use crate::{
    deadline::{self, patience},
    namespace::ioctl,
};

/// Whether no connection from an address of choice has had this port yet: comparisons know a connection by its port, and two
/// addresses may have the same.
fn is_new(port: u16) -> bool {
    static PORTS: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    PORTS.lock().unwrap_or_else(PoisonError::into_inner).insert(port)
}

/// A response as it was read.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The head, with its last empty line.
    pub head: String,
    /// The body, without its chunked framing.
    pub body: Vec<u8>,
}

/// One connection.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    /// Connects, without Nagle's delay: what is sent in one call leaves at once.
    pub fn connect(server: SocketAddr) -> Result<Client> {
        let stream = TcpStream::connect_timeout(&server, patience())
            .with_context(|| format!("connect to {server}"))?;
        Client::over(stream)
    }

    /// Connects from an address of this host's choice: all of 127.0.0.0/8 is there to choose from.
    pub fn connect_from(source: impl Into<IpAddr>, server: impl Into<SocketAddr>) -> Result<Client> {
        let (source, server) = (SocketAddr::new(source.into(), 0), server.into());
        let family = if server.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        loop {
            let socket = socket::socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
            socket::bind(socket.as_raw_fd(), &SockaddrStorage::from(source))
                .with_context(|| format!("bind to {source}"))?;
            let stream = TcpStream::from(socket);
            if !is_new(stream.local_addr()?.port()) {
                continue;
            }
            socket::connect(stream.as_raw_fd(), &SockaddrStorage::from(server))
                .with_context(|| format!("connect to {server}"))?;
            return Client::over(stream);
        }
    }

    /// Speaks over a stream that is already connected.
    pub fn over(stream: TcpStream) -> Result<Client> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience()))?;
        stream.set_write_timeout(Some(patience()))?;
        Ok(Client { stream, buffer: Vec::new() })
    }

    /// The connection.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        self.stream.write_all(bytes.as_ref()).context("send")
    }

    /// `GET target`, and the final response.
    pub fn get(&mut self, target: &str) -> Result<Response> {
        self.send(request("GET", target))?;
        loop {
            let response = self.response()?;
            if response.status >= 200 {
                return Ok(response);
            }
        }
    }

    /// Reads one response, interim or final, to a request other than HEAD.
    pub fn response(&mut self) -> Result<Response> {
        self.read_response(false)
    }

    /// Reads the response to a HEAD request.
    pub fn response_to_head(&mut self) -> Result<Response> {
        self.read_response(true)
    }

    /// Waits until the server's TCP has acknowledged all that was sent.
    pub fn wait_acknowledged(&self) -> Result<()> {
        deadline::until("the server's acknowledgement", || {
            let mut outstanding: libc::c_int = 0;
            // SIOCOUTQ (tcp(7)): bytes not sent, or not acknowledged.
            ioctl(&self.stream, libc::TIOCOUTQ, &mut outstanding)?;
            Ok((outstanding == 0).then_some(()))
        })
    }

    /// Ends the sending half.
    pub fn finish(&mut self) -> Result<()> {
        self.stream.shutdown(Shutdown::Write).context("shutdown")
    }

    /// Reads until the server ends the connection; a reset counts as its end.
    pub fn read_to_end(&mut self) -> Result<Vec<u8>> {
        while self.fill().unwrap_or(0) > 0 {}
        Ok(std::mem::take(&mut self.buffer))
    }

    /// Reads exactly `length` bytes.
    pub fn read_exactly(&mut self, length: usize) -> Result<Vec<u8>> {
        while self.buffer.len() < length {
            ensure!(self.fill()? > 0, "the connection ended after {} of {length} bytes", self.buffer.len());
        }
        Ok(self.buffer.drain(..length).collect())
    }

    fn read_response(&mut self, to_head: bool) -> Result<Response> {
        let head = self.read_through(b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&head).into_owned();
        let status = head.split(' ').nth(1).and_then(|code| code.get(..3)).and_then(|code| code.parse().ok());
        let status: u16 = status.with_context(|| format!("no status in {head:?}"))?;
        let field = |name: &str| {
            head.lines().find_map(|line| {
                let (field, value) = line.split_once(':')?;
                field.eq_ignore_ascii_case(name).then(|| value.trim().to_ascii_lowercase())
            })
        };
        let body = if to_head || status < 200 || status == 204 || status == 304 {
            Vec::new()
        } else if field("transfer-encoding").as_deref() == Some("chunked") {
            self.read_chunks()?
        } else if let Some(length) = field("content-length") {
            self.read_exactly(length.parse()?)?
        } else {
            self.read_to_end()?
        };
        Ok(Response { status, head, body })
    }

    fn read_chunks(&mut self) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.read_through(b"\r\n")?;
            let size = String::from_utf8_lossy(&line);
            let size = usize::from_str_radix(size.split([';', '\r']).next().unwrap_or_default(), 16)?;
            if size == 0 {
                while self.read_through(b"\r\n")? != b"\r\n" {}
                return Ok(body);
            }
            body.extend(self.read_exactly(size)?);
            self.read_exactly(2)?;
        }
    }

    fn read_through(&mut self, mark: &[u8]) -> Result<Vec<u8>> {
        loop {
            if let Some(at) = self.buffer.windows(mark.len()).position(|window| window == mark) {
                return Ok(self.buffer.drain(..at + mark.len()).collect());
            }
            if self.fill()? == 0 {
                bail!("the connection ended within {:?}", String::from_utf8_lossy(&self.buffer));
            }
        }
    }

    fn fill(&mut self) -> Result<usize> {
        let mut bytes = [0; 65_536];
        let count = self.stream.read(&mut bytes).context("read a response")?;
        self.buffer.extend_from_slice(&bytes[..count]);
        Ok(count)
    }
}

/// A request without a body.
pub fn request(method: &str, target: &str) -> Vec<u8> {
    format!("{method} {target} HTTP/1.1\r\nHost: api.example\r\nUser-Agent: rollcall-tests\r\n\r\n")
        .into_bytes()
}

/// A request with a body of known length.
pub fn request_with_body(method: &str, target: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut bytes =
        format!("{method} {target} HTTP/1.1\r\nHost: api.example\r\nContent-Length: {length}\r\n\r\n")
            .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}
