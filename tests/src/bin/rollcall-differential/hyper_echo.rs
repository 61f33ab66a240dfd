//! hyper, which answers any request with what it was asked.

use std::{convert::Infallible, time::Duration};

use anyhow::Result;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, Response, body::Incoming, header::HeaderValue, server::conn::http1, service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

/// Room for heads of 64 KiB.
const BUFFER: usize = 256 * 1024;
const FIELDS: usize = 1_000;
const KEPT: Duration = Duration::from_secs(20);

/// Serves on loopback until it is killed.
pub(crate) fn serve(port: u16) -> Result<()> {
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio.block_on(accept(port))
}

async fn accept(port: u16) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(KEPT).max_buf_size(BUFFER).max_headers(FIELDS);
            // What a client does wrong ends its connection and concerns nobody else.
            let _ = http.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let target = request.uri().to_string();
    let mut response = Response::new(Full::from(format!("echo:{target}:end\n")));
    if let Ok(value) = HeaderValue::from_str(&target) {
        response.headers_mut().insert("x-echo-target", value);
    }
    Ok(response)
}
