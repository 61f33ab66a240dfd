//! An HTTP client for the servers that an operator names: receivers of alerts, and the daemon's own web server.
//!
//! Each request has a connection of its own: they are rare, and one that is kept open is one that may have been closed.
//! Redirects are not followed, since what is sent is for whom the operator named. A proxy that the environment names
//! (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, but for what `NO_PROXY` has) is gone through, never to an address of this host.

use std::{error::Error, io, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Collected, Empty, Full, Limited};
use hyper::{
    Request, StatusCode, Uri,
    client::conn::http1,
    header::{AUTHORIZATION, HOST, HeaderMap, HeaderValue, PROXY_AUTHORIZATION, USER_AGENT},
    http::uri::Authority,
};
use hyper_util::{client::proxy::matcher::Matcher, rt::TokioIo};
use rollcall_stream::Endpoints;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time,
};
use tokio_rustls::TlsConnector;

use super::{Endpoint, OwnCalls, Trust, endpoint::unbracketed};

/// One address answers by then, or the next one is tried.
const CONNECT: Duration = Duration::from_secs(3);

/// What went wrong on the way, with its causes; none tells the URL.
pub type Failed = Box<dyn Error + Send + Sync>;

/// The client can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("start the runtime of {endpoint}")]
    Runtime {
        endpoint: String,
        #[source]
        source: io::Error,
    },
    #[error("read the certificates to trust, to speak to {endpoint}")]
    Certificates {
        endpoint: String,
        #[source]
        source: io::Error,
    },
    #[error(
        "go through the proxy that the environment names, to {endpoint}: it is {scheme}:, and only http: is known"
    )]
    Proxy { endpoint: String, scheme: String },
}

/// What a server said.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// `None` if it is longer than it may be, or broke off.
    pub body: Option<Bytes>,
}

/// Speaks to one server.
#[derive(Clone)]
pub struct Client {
    endpoint: Endpoint,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    proxy: Option<Proxy>,
    own: Arc<OwnCalls>,
}

/// On the way to the server.
#[derive(Clone)]
struct Proxy {
    uri: Uri,
    authorization: Option<HeaderValue>,
}

/// What is read from and written to.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Client {
    /// A client of `endpoint`, which trusts whom `trust` says if that is https. Notes in `own` what it has connected.
    pub fn new(endpoint: Endpoint, trust: &Trust, own: Arc<OwnCalls>) -> Result<Client, ClientError> {
        let certificates = |source| ClientError::Certificates { endpoint: endpoint.to_string(), source };
        let tls = if endpoint.is_encrypted() {
            let name = ServerName::try_from(endpoint.host().to_owned()).map_err(io::Error::other);
            Some((TlsConnector::from(trust.config().map_err(certificates)?), name.map_err(certificates)?))
        } else {
            None
        };
        let proxy = Proxy::to(&endpoint, &Matcher::from_env())?;
        Ok(Client { endpoint, tls, proxy, own })
    }

    /// Whom it speaks to.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Sends a request, and reads the answer, of whose body `most` bytes. The target of the request is a path with its query. Must
    /// run within a tokio runtime.
    pub async fn send(&self, mut request: Request<Full<Bytes>>, most: usize) -> Result<Answer, Failed> {
        let Endpoint { uri, authorization } = &self.endpoint;
        let headers = request.headers_mut();
        headers.insert(HOST, uri.authority().map_or("", Authority::as_str).parse()?);
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("rollcall/", env!("CARGO_PKG_VERSION"))));
        if let Some(authorization) = authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        let stream = self.reach(&mut request).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let mut exchange = pin!(async {
            let (head, body) = sender.send_request(request).await?.into_parts();
            let body = Limited::new(body, most).collect().await.ok().map(Collected::to_bytes);
            Ok(Answer { status: head.status, headers: head.headers, body })
        });
        tokio::select! {
            answer = &mut exchange => answer,
            // Whatever it ended with, the exchange tells.
            _ = connection => exchange.await,
        }
    }

    /// A connection to speak over: to the server, or to the proxy before it.
    async fn reach(&self, request: &mut Request<Full<Bytes>>) -> Result<Box<dyn Stream>, Failed> {
        let stream: Box<dyn Stream> = match &self.proxy {
            None => Box::new(self.connect(self.endpoint.host(), self.endpoint.port()).await?),
            Some(proxy) => {
                let stream = self.connect(proxy.uri.host().unwrap_or_default(), proxy.port()).await?;
                if self.tls.is_some() {
                    Box::new(tunnel(stream, &self.endpoint, proxy).await?)
                } else {
                    // It is told the whole URL.
                    let mut parts = self.endpoint.uri.clone().into_parts();
                    parts.path_and_query = request.uri().path_and_query().cloned();
                    *request.uri_mut() = Uri::from_parts(parts)?;
                    proxy.authorize(request.headers_mut());
                    Box::new(stream)
                }
            }
        };
        match &self.tls {
            Some((connector, name)) => Ok(Box::new(connector.connect(name.clone(), stream).await?)),
            None => Ok(stream),
        }
    }

    async fn connect(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let mut failed = io::Error::other("the name has no address");
        for address in lookup_host((unbracketed(host), port)).await? {
            match time::timeout(CONNECT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    stream.set_nodelay(true)?;
                    // What was captured of a connection is looked up by its ends; those must be known before there is
                    // anything to see.
                    if let (Ok(client), Ok(server)) = (stream.local_addr(), stream.peer_addr()) {
                        self.own.note(Endpoints { client, server });
                    }
                    return Ok(stream);
                }
                Ok(Err(error)) => failed = error,
                Err(_) => failed = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(failed)
    }
}

impl Proxy {
    /// The one that `environment` has for an endpoint.
    fn to(endpoint: &Endpoint, environment: &Matcher) -> Result<Option<Proxy>, ClientError> {
        if endpoint.is_here() {
            return Ok(None);
        }
        let Some(proxy) = environment.intercept(&endpoint.uri) else { return Ok(None) };
        match proxy.uri().scheme_str().unwrap_or_default() {
            "http" => {
                Ok(Some(Proxy { uri: proxy.uri().clone(), authorization: proxy.basic_auth().cloned() }))
            }
            scheme => Err(ClientError::Proxy { endpoint: endpoint.to_string(), scheme: scheme.to_owned() }),
        }
    }

    fn port(&self) -> u16 {
        self.uri.port_u16().unwrap_or(80)
    }

    fn authorize(&self, headers: &mut HeaderMap) {
        if let Some(authorization) = &self.authorization {
            headers.insert(PROXY_AUTHORIZATION, authorization.clone());
        }
    }
}

/// Has a proxy connect to the server (RFC 9110, section 9.3.6).
async fn tunnel(
    stream: TcpStream,
    endpoint: &Endpoint,
    proxy: &Proxy,
) -> Result<impl Stream + use<>, Failed> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends once the tunnel stands, or does not.
    tokio::spawn(connection.with_upgrades());
    let server = endpoint.authority();
    let mut request = Request::connect(&server).header(HOST, &server).body(Empty::<Bytes>::new())?;
    proxy.authorize(request.headers_mut());
    let response = sender.send_request(request).await?;
    match response.status() {
        StatusCode::OK => Ok(TokioIo::new(hyper::upgrade::on(response).await?)),
        status => Err(format!("the proxy answers {status}").into()),
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };
    use tokio_rustls::TlsAcceptor;

    use super::*;

    /// The proxy on the way to `url`, where the environment is like that.
    fn proxy(url: &str, https: &str, no: &str) -> Result<Option<String>, String> {
        let environment = Matcher::builder().http("http://plain:3128").https(https).no(no).build();
        let endpoint = Endpoint::parse(url).unwrap();
        let proxy = Proxy::to(&endpoint, &environment).map_err(|error| error.to_string())?;
        Ok(proxy.map(|proxy| format!("{}:{}", proxy.uri.host().unwrap(), proxy.port())))
    }

    #[test]
    fn the_environment_names_the_proxy_and_what_is_on_this_host_needs_none() {
        for (url, no, expected) in [
            ("https://hooks.example/x", "", Some("encrypted:80")),
            ("http://hooks.example/x", "", Some("plain:3128")),
            ("https://hooks.example/x", "other.example,.example", None),
            ("http://localhost:9093", "", None),
            ("http://127.0.0.1:9093", "", None),
            ("https://[::1]:9093", "", None),
        ] {
            let found = proxy(url, "http://me:secret@encrypted", no);
            assert_eq!(found.as_ref().map(|found| found.as_deref()), Ok(expected), "{url} {no}");
        }
        assert_eq!(
            proxy("https://hooks.example/geheim", "socks5://me:secret@encrypted", "").unwrap_err(),
            "go through the proxy that the environment names, to https://hooks.example: it is socks5:, and only http: is known"
        );
    }

    /// A proxy that hands one connection on to nobody: it answers itself, as the server would.
    async fn serve_one(listener: TcpListener, tls: Option<TlsAcceptor>) -> Vec<String> {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heads = Vec::new();
        if let Some(tls) = tls {
            heads.push(head(&mut stream).await);
            stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
            let mut stream = tls.accept(stream).await.unwrap();
            heads.push(head(&mut stream).await);
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
        } else {
            heads.push(head(&mut stream).await);
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
        }
        heads
    }

    async fn head(stream: &mut (impl AsyncRead + Unpin)) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        String::from_utf8(head).unwrap()
    }

    #[tokio::test]
    async fn a_proxy_is_told_the_url_or_asked_for_a_tunnel() {
        let made = rcgen::generate_simple_self_signed(["hooks.example".to_owned()]).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), made.cert.pem()).unwrap();
        let trust = Trust::File { authority: file.path().to_owned(), own: None };
        let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let tls = TlsAcceptor::from(Arc::new(config));
        for (url, tls, expected) in [
            ("http://hooks.example/a?b", None, vec!["GET http://hooks.example/a?b HTTP/1.1"]),
            (
                "https://hooks.example:8443/a?b",
                Some(tls),
                vec!["CONNECT hooks.example:8443 HTTP/1.1", "GET /a?b HTTP/1.1"],
            ),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let proxy = format!("http://me:secret@{}", listener.local_addr().unwrap());
            let mut client = Client::new(Endpoint::parse(url).unwrap(), &trust, Arc::default()).unwrap();
            let environment = Matcher::builder().all(proxy).build();
            client.proxy = Proxy::to(&client.endpoint, &environment).unwrap();
            let request = Request::get(client.endpoint.target()).body(Full::default()).unwrap();
            let (heads, answer) = tokio::join!(serve_one(listener, tls), client.send(request, 2));
            assert_eq!(answer.unwrap().body.as_deref(), Some(&b"ok"[..]));
            let lines: Vec<_> = heads.iter().map(|head| head.lines().next().unwrap()).collect();
            assert_eq!(lines, expected);
            let secret = "proxy-authorization: basic bwu6c2vjcmv0";
            assert!(heads[0].to_lowercase().contains(secret), "{heads:?}");
            assert!(heads[1..].iter().all(|head| !head.to_lowercase().contains(secret)), "{heads:?}");
        }
    }
}
