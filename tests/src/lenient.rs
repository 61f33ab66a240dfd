//! A server that takes what no careful one would, and goes on: the one on which the tricks work that hide calls.
//!
//! Whatever stands before an empty line is a head. Its first line is split at blanks and tabs: a method, a target, and
//! perhaps more. `/v1/customers/…` is answered by 200 and JSON, other targets by 404, and the connection stays open,
//! whatever version or `Connection` field was sent. How bodies are read differs between servers: see [`Lenience`].

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::fd::AsRawFd,
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use anyhow::{Context, Result};
use nix::sys::socket;

/// What the server makes of what careful ones refuse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lenience {
    /// Bodies are as long as `Content-Length` says, whatever else is there.
    #[default]
    Length,
    /// Bodies are chunked if any `Transfer-Encoding` says so, in HTTP/1.0 too.
    Chunks,
    /// Requests have no bodies.
    Bodiless,
    /// `Upgrade: h2c` is granted: what follows is HTTP/2.
    Upgrades,
    /// What came together with a request that asks for an upgrade is dropped.
    Drops,
}

/// A running server, stopped when dropped.
#[derive(Debug)]
pub struct LenientServer {
    address: SocketAddr,
    listener: TcpListener,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    served: Mutex<Vec<(String, u16)>>,
    connections: Mutex<Vec<TcpStream>>,
}

/// What an upgraded connection carries: the server's settings, and the head of an answer (`:status: 200`).
const HTTP2: &[u8] = b"\0\0\0\x04\0\0\0\0\0\0\0\x01\x01\x05\0\0\0\x01\x88";

impl LenientServer {
    /// Listens on a free port of 127.0.0.1.
    pub fn start(lenience: Lenience) -> Result<LenientServer> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("listen")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let acceptor = thread::spawn({
            let (listener, shared) = (listener.try_clone()?, Arc::clone(&shared));
            move || {
                while let Ok((stream, _)) = listener.accept() {
                    let (Ok(known), Ok(served)) = (stream.try_clone(), stream.try_clone()) else { continue };
                    shared.connections.lock().unwrap_or_else(PoisonError::into_inner).push(known);
                    let shared = Arc::clone(&shared);
                    thread::spawn(move || {
                        // An error is a client that went away.
                        let _ = Connection { shared, stream: served, buffer: Vec::new() }.serve(lenience);
                        let _ = stream.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        Ok(LenientServer { address, listener, shared, acceptor: Some(acceptor) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Targets and statuses of what it has served. A call is logged before its answer leaves.
    pub fn served(&self) -> Vec<(String, u16)> {
        self.shared.served.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for LenientServer {
    fn drop(&mut self) {
        // Wakes the acceptor; on a listener this fails only if it is shut down already.
        let _ = socket::shutdown(self.listener.as_raw_fd(), socket::Shutdown::Both);
        for stream in self.shared.connections.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

struct Connection {
    shared: Arc<Shared>,
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    fn serve(mut self, lenience: Lenience) -> io::Result<()> {
        self.stream.set_nodelay(true)?;
        while let Some(head) = self.head()? {
            let text = String::from_utf8_lossy(&head).into_owned();
            let (line, fields) = text.split_once('\n').unwrap_or((&text, ""));
            // A folded line goes on with a blank.
            let fields = fields.to_ascii_lowercase().replace("\r\n ", " ").replace("\n ", " ");
            let field = |name: &str| {
                fields.lines().find_map(|field| {
                    let (found, value) = field.split_once(':')?;
                    (found.trim() == name).then(|| value.trim().to_owned())
                })
            };
            let length = field("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
            let chunked = field("transfer-encoding").is_some_and(|coding| coding.contains("chunked"));
            match lenience {
                Lenience::Chunks if chunked => self.skip_chunks()?,
                Lenience::Bodiless => {}
                _ if length == 0 && chunked => self.skip_chunks()?,
                _ => self.skip(length)?,
            }
            let upgrade = field("upgrade");
            if lenience == Lenience::Drops && upgrade.is_some() {
                self.buffer.clear();
            }
            let target = line.split_ascii_whitespace().nth(1).unwrap_or_default().to_owned();
            if lenience == Lenience::Upgrades && upgrade.is_some_and(|upgrade| upgrade == "h2c") {
                self.log(target, 200);
                self.stream.write_all(
                    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
                )?;
                self.stream.write_all(HTTP2)?;
                io::copy(&mut self.stream, &mut io::sink())?;
                return Ok(());
            }
            self.answer(target)?;
        }
        Ok(())
    }

    fn answer(&mut self, target: String) -> io::Result<()> {
        let known = target.contains("/v1/customers/");
        let (status, body) = if known { (200, r#"{"name":"Ada"}"#) } else { (404, "{}") };
        self.log(target, status);
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status} Because\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        self.stream.write_all(answer.as_bytes())
    }

    fn log(&self, target: String, status: u16) {
        self.shared.served.lock().unwrap_or_else(PoisonError::into_inner).push((target, status));
    }

    /// The next head, without empty lines in front; `None` at the end.
    fn head(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let front = self.buffer.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            self.buffer.drain(..front);
            let ends = [&b"\r\n\r\n"[..], b"\n\n"].map(|mark| {
                let at = self.buffer.windows(mark.len()).position(|window| window == mark);
                at.map(|at| at + mark.len())
            });
            if let Some(end) = ends.into_iter().flatten().min() {
                return Ok(Some(self.buffer.drain(..end).collect()));
            }
            if self.fill()? == 0 {
                return Ok(None);
            }
        }
    }

    fn skip_chunks(&mut self) -> io::Result<()> {
        loop {
            let line = self.line()?;
            let size = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16);
            let size = size.map_err(|_| io::ErrorKind::InvalidData)?;
            if size == 0 {
                while !self.line()?.trim().is_empty() {}
                return Ok(());
            }
            self.skip(size)?;
            self.line()?;
        }
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            if self.fill()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn skip(&mut self, length: usize) -> io::Result<()> {
        while self.buffer.len() < length {
            if self.fill()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        self.buffer.drain(..length);
        Ok(())
    }

    fn fill(&mut self) -> io::Result<usize> {
        let mut bytes = [0; 65_536];
        let count = self.stream.read(&mut bytes)?;
        self.buffer.extend_from_slice(&bytes[..count]);
        Ok(count)
    }
}
