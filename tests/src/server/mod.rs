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

mod connection;
mod head;

use std::{
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::fd::AsRawFd,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

use anyhow::{Context, Result};
use nix::sys::socket;

use crate::{calls::Call, deadline};
use connection::Connection;

/// What a server does otherwise than usual.
#[derive(Clone, Copy, Debug, Default)]
pub struct Behaviour {
    /// `TCP_DEFER_ACCEPT`: connections are accepted when their first data has come.
    pub defer_accept: bool,
    /// `TCP_FASTOPEN`: data on a SYN is taken.
    pub fast_open: bool,
    /// Responses to requests that came together leave together.
    pub coalesce: bool,
    /// Connections begin with a header of the PROXY protocol, of either version, which is skipped.
    pub proxy_header: bool,
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
        let _ = stream.set_nodelay(true);
        let connection = Connection::new(Arc::clone(shared), stream, peer.port());
        thread::spawn(move || connection.run());
    }
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
}
