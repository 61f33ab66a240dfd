//! A connection to a web server: its name looked up, TCP, and TLS over it where the URL says so.

use std::{io, sync::Arc, time::Duration};

use hyper::Uri;
use rollcall_stream::Endpoints;
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time,
};
use tokio_rustls::TlsConnector;

use super::{Endpoint, OwnCalls};

/// One address answers by then, or the next one is tried.
const CONNECT: Duration = Duration::from_secs(3);

/// What is read from and written to.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Connects to one server.
pub(super) struct Dialer {
    /// A name or an address, without brackets.
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    own: Arc<OwnCalls>,
}

impl Dialer {
    /// Connects to the server of `endpoint`, and trusts whom this system trusts. Notes in `own` what it has connected.
    pub(super) fn new(endpoint: &Endpoint, own: Arc<OwnCalls>) -> io::Result<Dialer> {
        let Endpoint { uri, .. } = endpoint;
        let host = uri.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let tls = if endpoint.is_encrypted() {
            let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
            Some((TlsConnector::from(Arc::new(trust()?)), name))
        } else {
            None
        };
        let port = uri.port_u16().unwrap_or(if tls.is_some() { 443 } else { 80 });
        Ok(Dialer { host, port, tls, own })
    }

    /// A connection, ready to be spoken over.
    pub(super) async fn dial(&self) -> io::Result<Box<dyn Stream>> {
        let stream = self.connect().await?;
        // What was captured of a connection is looked up by its ends; those must be known before there is anything to see.
        if let (Ok(client), Ok(server)) = (stream.local_addr(), stream.peer_addr()) {
            self.own.note(Endpoints { client, server });
        }
        match &self.tls {
            None => Ok(Box::new(stream)),
            Some((connector, name)) => Ok(Box::new(connector.connect(name.clone(), stream).await?)),
        }
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let mut failed = io::Error::other("the name has no address");
        for address in lookup_host((self.host.as_str(), self.port)).await? {
            match time::timeout(CONNECT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Ok(Err(error)) => failed = error,
                Err(_) => failed = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(failed)
    }
}

/// The certificates that this system trusts, or those in `SSL_CERT_FILE` and `SSL_CERT_DIR`.
fn trust() -> io::Result<ClientConfig> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let none = || io::Error::new(io::ErrorKind::NotFound, "there is none");
        return Err(found.errors.into_iter().next().map_or_else(none, io::Error::other));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(builder.map_err(io::Error::other)?.with_root_certificates(roots).with_no_client_auth())
}

/// The path and query of a URL, as a request to its own server names it.
pub(super) fn target(uri: &Uri) -> &str {
    uri.path_and_query().map_or("/", |target| target.as_str())
}
