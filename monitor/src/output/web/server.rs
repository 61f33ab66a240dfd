//! Connections: few at a time, each for one request, each with a deadline, with TLS or without.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::Future,
    io,
    net::{IpAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use hyper::{Request, StatusCode, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    task::AbortHandle,
    time,
};
use tokio_rustls::TlsAcceptor;

use super::{access::Access, config::Config, response::Answer, site::Site};

/// Connections at a time.
pub const CONNECTIONS: usize = 64;

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
    let mut open = VecDeque::<AbortHandle>::new();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => return Ok(()),
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    open.retain(|connection| !connection.is_finished());
                    if open.len() >= CONNECTIONS && let Some(oldest) = open.pop_front() {
                        oldest.abort();
                    }
                    let talk = converse(stream, peer.ip(), Arc::clone(&site), Arc::clone(&access));
                    open.push_back(tokio::spawn(talk).abort_handle());
                }
                Err(error) => {
                    // Out of descriptors, or the peer was gone already: neither is a reason to stop, nor to spin.
                    tracing::debug!(%error, "accept a connection");
                    time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
}

async fn converse(stream: TcpStream, from: IpAddr, site: Arc<Site>, access: Arc<Access>) {
    let talk = async {
        let config = access.config().await;
        match &config.tls {
            None => answer(stream, from, &config, &site, &access).await,
            Some(tls) => {
                let shake = handshake(stream, TlsAcceptor::from(Arc::clone(tls)));
                match time::timeout(HEAD_TIMEOUT, shake).await {
                    Ok(Ok(Some(stream))) => answer(stream, from, &config, &site, &access).await,
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
) {
    let service = service_fn(|request: Request<Incoming>| async move {
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
