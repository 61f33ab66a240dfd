//! The web server: `/metrics`, `/healthz`, `/readyz` and `/api/v1/routes`.
//!
//! It serves from the daemon's own process, so it is bounded in every way: few connections at a time, the oldest of which
//! makes room for a new one; one request a connection; a deadline for its head and for the whole of it. A scrape
//! takes milliseconds, so the oldest of many connections is a slow client and not the scraper.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::Future,
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpStream, task::AbortHandle, time};

use super::{
    health::{Health, STALL},
    inventory::Inventory,
    metrics::{Metrics, TEXT_FORMAT},
};

/// Connections at a time.
pub const CONNECTIONS: usize = 64;

/// A request's head must have come by then.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The response must have been taken by then.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The engine comes round once a second at least, and answers once a second at most.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// The path of the API inventory.
const ROUTES: &str = "/api/v1/routes";

/// What the answers come from.
pub struct Site {
    /// The path of the metrics, usually `/metrics`.
    pub telemetry_path: String,
    pub metrics: Metrics,
    pub health: Arc<Health>,
    pub inventory: Arc<Inventory>,
}

/// The address can't be listened on.
#[derive(Debug, thiserror::Error)]
#[error("listen on {address}")]
pub struct ListenError {
    pub address: SocketAddr,
    #[source]
    pub source: io::Error,
}

/// Takes the address, so that a conflict is known before anything else is set up.
pub fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    let bind = || {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    bind().map_err(|source| ListenError { address, source })
}

/// Answers until `stop` resolves. Must run within a tokio runtime.
pub async fn serve(listener: TcpListener, site: Arc<Site>, stop: impl Future<Output = ()>) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut open = VecDeque::<AbortHandle>::new();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => return Ok(()),
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    open.retain(|connection| !connection.is_finished());
                    if open.len() >= CONNECTIONS && let Some(oldest) = open.pop_front() {
                        oldest.abort();
                    }
                    open.push_back(tokio::spawn(converse(stream, Arc::clone(&site))).abort_handle());
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

async fn converse(stream: TcpStream, site: Arc<Site>) {
    let service = service_fn(|request: Request<Incoming>| {
        let site = Arc::clone(&site);
        async move { Ok::<_, Infallible>(site.answer(request.method(), request.uri().path()).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    match time::timeout(TIMEOUT, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "serve a connection"),
        Err(_) => tracing::debug!("a client took too long"),
    }
}

impl Site {
    async fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        let is_metrics = path == self.telemetry_path;
        if !is_metrics && !["/", "/healthz", "/readyz", ROUTES].contains(&path) {
            return plain(StatusCode::NOT_FOUND, "not found\n");
        }
        if method != Method::GET && method != Method::HEAD {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n");
            response.headers_mut().insert(ALLOW, ALLOWED);
            return response;
        }
        match path {
            _ if is_metrics => self.metrics(),
            "/healthz" => self.healthz(),
            "/readyz" => self.readyz(),
            ROUTES => self.routes().await,
            _ => {
                let text = format!("rollcall: see {}, /healthz, /readyz, {ROUTES}\n", self.telemetry_path);
                plain(StatusCode::OK, text)
            }
        }
    }

    fn metrics(&self) -> Response<Full<Bytes>> {
        match self.metrics.text() {
            Ok(text) => {
                let mut response = plain(StatusCode::OK, text);
                response.headers_mut().insert(CONTENT_TYPE, METRICS_TYPE);
                response
            }
            Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, format!("metrics: {error}\n")),
        }
    }

    fn healthz(&self) -> Response<Full<Bytes>> {
        let silence = self.health.silence();
        if silence < STALL {
            plain(StatusCode::OK, "ok\n")
        } else {
            let text = format!("the capture loop has not come round for {} s\n", silence.as_secs());
            plain(StatusCode::SERVICE_UNAVAILABLE, text)
        }
    }

    async fn routes(&self) -> Response<Full<Bytes>> {
        let answer = time::timeout(ANSWER_TIMEOUT, self.inventory.ask()).await;
        let Ok(Ok(routes)) = answer else {
            return plain(StatusCode::SERVICE_UNAVAILABLE, "the engine does not answer\n");
        };
        match serde_json::to_vec(&*routes) {
            Ok(mut json) => {
                json.push(b'\n');
                let mut response = plain(StatusCode::OK, json);
                response.headers_mut().insert(CONTENT_TYPE, JSON_TYPE);
                response
            }
            Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, format!("routes: {error}\n")),
        }
    }

    fn readyz(&self) -> Response<Full<Bytes>> {
        if self.health.is_attached() {
            plain(StatusCode::OK, "ok\n")
        } else {
            plain(StatusCode::SERVICE_UNAVAILABLE, "not attached to the kernel\n")
        }
    }
}

const ALLOWED: hyper::header::HeaderValue = hyper::header::HeaderValue::from_static("GET, HEAD");
const METRICS_TYPE: hyper::header::HeaderValue = hyper::header::HeaderValue::from_static(TEXT_FORMAT);
const PLAIN_TYPE: hyper::header::HeaderValue =
    hyper::header::HeaderValue::from_static("text/plain; charset=utf-8");
const JSON_TYPE: hyper::header::HeaderValue = hyper::header::HeaderValue::from_static("application/json");
const NO_STORE: hyper::header::HeaderValue = hyper::header::HeaderValue::from_static("no-store");

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, PLAIN_TYPE);
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    response
}

#[cfg(test)]
mod tests;
