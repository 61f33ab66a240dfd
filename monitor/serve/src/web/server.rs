//! Connections: few at a time, each for one request, each with a deadline, with TLS or without.
//!
//! Who comes is let in, always: where there are too many, or no descriptor is left, the oldest that has not asked anything
//! makes room, or the oldest at all.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::Future,
    io,
    net::{IpAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hyper::{Request, StatusCode, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use nix::sys::resource::{Resource, getrlimit};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinHandle,
    time,
};
use tokio_rustls::TlsAcceptor;

use super::{access::Access, config::Config, response::Answer, site::Site};

/// Connections at a time, if there are descriptors for them.
pub const CONNECTIONS: usize = 64;

/// Connections at a time, however few descriptors there are: a browser, a scraper and a probe, and one to spare.
const FEWEST: usize = 4;

/// Descriptors that are left to the rest of the daemon, beside those that it has already: databases, logs, checkpoints and
/// sinks open some now and then.
const RESERVED: usize = 16;

/// Where a process finds its own descriptors.
const DESCRIPTORS: &str = "/proc/self/fd";

/// A TLS handshake must be done by then, and then a request's head must come by then.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The response must have been taken by then.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The first byte of every TLS handshake (RFC 8446, 5.1).
const HANDSHAKE: u8 = 22;

/// For whoever speaks HTTP to a port that speaks TLS.
const SPEAK_TLS: &[u8] =
    b"HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nthis port speaks https\n";

/// Answers whom `access` lets in, until `stop` resolves. Must run within a tokio runtime.
pub async fn serve(
    listener: TcpListener,
    site: Arc<Site>,
    access: Arc<Access>,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut open = Open::default();
    let most = most();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => return Ok(()),
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    if open.count() >= most {
                        open.make_room().await;
                    }
                    let asked = Arc::<AtomicBool>::default();
                    let talk = converse(stream, peer.ip(), Arc::clone(&site), Arc::clone(&access), Arc::clone(&asked));
                    open.0.push_back(Connection { task: tokio::spawn(talk), asked });
                }
                Err(error) => {
                    tracing::debug!(%error, "accept a connection");
                    // Whoever was gone already has taken nothing from anybody. What others hold is not for long.
                    if is_exhausted(&error) && !open.make_room().await {
                        time::sleep(Duration::from_millis(100)).await;
                    }
                }
            },
        }
    }
}

/// The connections that are open, the oldest first.
#[derive(Default)]
struct Open(VecDeque<Connection>);

struct Connection {
    task: JoinHandle<()>,
    /// There is a request.
    asked: Arc<AtomicBool>,
}

impl Open {
    fn count(&mut self) -> usize {
        self.0.retain(|connection| !connection.task.is_finished());
        self.0.len()
    }

    /// Closes one, so that its descriptor is free; `false` if there is none.
    async fn make_room(&mut self) -> bool {
        let idle = self.0.iter().position(|connection| !connection.asked.load(Ordering::Relaxed));
        let Some(Connection { task, .. }) = self.0.remove(idle.unwrap_or(0)) else { return false };
        task.abort();
        // It was aborted, or has come to its end: either way it is closed.
        drop(task.await);
        true
    }
}

/// How many connections there may be at a time.
fn most() -> usize {
    let limit = getrlimit(Resource::RLIMIT_NOFILE)
        .map_or(usize::MAX, |(soft, _)| soft.try_into().unwrap_or(usize::MAX));
    let used = std::fs::read_dir(DESCRIPTORS).map_or(0, Iterator::count);
    limit.saturating_sub(used + RESERVED).clamp(FEWEST, CONNECTIONS)
}

/// Whether a connection could not be taken as the process or the host has no room for it.
fn is_exhausted(error: &io::Error) -> bool {
    use nix::libc::{EMFILE, ENFILE, ENOBUFS, ENOMEM};

    matches!(error.raw_os_error(), Some(EMFILE | ENFILE | ENOBUFS | ENOMEM))
}

async fn converse(
    stream: TcpStream,
    from: IpAddr,
    site: Arc<Site>,
    access: Arc<Access>,
    asked: Arc<AtomicBool>,
) {
    let talk = async {
        let config = access.config().await;
        match &config.tls {
            None => answer(stream, from, &config, &site, &access, &asked).await,
            Some(tls) => {
                let shake = handshake(stream, TlsAcceptor::from(Arc::clone(&tls.server)));
                match time::timeout(HEAD_TIMEOUT, shake).await {
                    Ok(Ok(Some(stream))) => answer(stream, from, &config, &site, &access, &asked).await,
                    Ok(Ok(None)) => {}
                    Ok(Err(error)) => tracing::debug!(%error, "shake hands"),
                    Err(_) => tracing::debug!("a client did not shake hands"),
                }
            }
        }
    };
    if time::timeout(TIMEOUT, talk).await.is_err() {
        tracing::debug!("a client took too long");
    }
}

/// A connection that is encrypted from here on; `None` if the client has no idea of that and was told.
async fn handshake(
    mut stream: TcpStream,
    acceptor: TlsAcceptor,
) -> io::Result<Option<impl AsyncRead + AsyncWrite + Unpin>> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 1 && first[0] != HANDSHAKE {
        stream.write_all(SPEAK_TLS).await?;
        // What is left unread would make the kernel reset the connection, answer and all.
        let _ = stream.read(&mut [0; 4_096]).await?;
        return Ok(None);
    }
    acceptor.accept(stream).await.map(Some)
}

async fn answer(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    from: IpAddr,
    config: &Config,
    site: &Site,
    access: &Access,
    asked: &AtomicBool,
) {
    let service = service_fn(|request: Request<Incoming>| async move {
        asked.store(true, Ordering::Relaxed);
        let mut response = match access.admit(config, &request, from).await {
            Ok(()) => site.answer(request.method(), request.uri()).await,
            Err(refusal) => refusal,
        };
        add_headers(&mut response, config);
        Ok::<_, Infallible>(response)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "serve a connection");
    }
}

/// Adds what the operator wants in every response; what a response says of itself stays.
fn add_headers(response: &mut Answer, config: &Config) {
    // Whoever asks too often gets as little as possible.
    if response.status() == StatusCode::TOO_MANY_REQUESTS {
        return;
    }
    for (name, value) in &config.headers {
        response.headers_mut().entry(name).or_insert_with(|| value.clone());
    }
}
