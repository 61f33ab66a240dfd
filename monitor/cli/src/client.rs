//! The daemon that runs somewhere, as `rollcall routes` and `rollcall top` ask it: over its web server, with TLS and a
//! password where that wants them.

use std::{
    fmt, fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, anyhow, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use clap::Args;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{
    Request, StatusCode, Uri,
    client::conn::http1,
    header::{AUTHORIZATION, HOST, HeaderValue},
};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time,
};
use tokio_rustls::TlsConnector;

use super::{
    exit::{Exit, Failure},
    tls, values,
};

/// The daemon answers within a second or two, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(10);

/// Of an answer: 10,000 routes are a few MiB.
const LONGEST_ANSWER: usize = 64 << 20;

#[derive(Clone, Debug, Args)]
pub(crate) struct ClientArgs {
    /// Address that the daemon serves on.
    #[arg(
        long = "web.listen-address",
        env = "ROLLCALL_WEB_LISTEN_ADDRESS",
        value_name = "ADDRESS",
        value_parser = values::listen_address,
        default_value = "127.0.0.1:9847"
    )]
    address: SocketAddr,

    /// URL of the daemon, in place of its address: https://HOST:PORT where it speaks TLS.
    #[arg(long, env = "ROLLCALL_URL", value_name = "URL")]
    url: Option<Uri>,

    /// Certificates to trust with https: of the authority, or the daemon's own.
    #[arg(long, env = "ROLLCALL_CA_FILE", value_name = "FILE")]
    ca_file: Option<PathBuf>,

    /// Certificate to show to a daemon that asks for one.
    #[arg(long, env = "ROLLCALL_CERT_FILE", value_name = "FILE", requires = "key_file")]
    cert_file: Option<PathBuf>,

    /// The key of that certificate.
    #[arg(long, env = "ROLLCALL_KEY_FILE", value_name = "FILE", requires = "cert_file")]
    key_file: Option<PathBuf>,

    /// User to name to a daemon that asks for a password.
    #[arg(long, env = "ROLLCALL_USER", value_name = "NAME", requires = "password_file")]
    user: Option<String>,

    /// File that holds the user's password.
    #[arg(long, env = "ROLLCALL_PASSWORD_FILE", value_name = "FILE", requires = "user")]
    password_file: Option<PathBuf>,
}

/// Where the daemon is, and how to speak to it.
#[derive(Clone)]
pub(crate) struct Client {
    host: String,
    port: u16,
    /// What stands before each path.
    prefix: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    authorization: Option<HeaderValue>,
}

impl ClientArgs {
    /// The daemon that the flags name.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        let (host, port, prefix, encrypted) = match &self.url {
            Some(url) => parts(url).with_context(|| format!("--url {url}")).map_err(|error| {
                Failure::new(Exit::Usage, error).advise("give http://HOST:PORT or https://HOST:PORT")
            })?,
            None => {
                let address = reachable(self.address);
                (address.ip().to_string(), address.port(), String::new(), false)
            }
        };
        let file = |error| Failure::new(Exit::Config, error).advise("check the file and its permissions");
        let tls = if encrypted { Some(self.connector(&host).map_err(file)?) } else { None };
        let authorization = self.authorization().map_err(file)?;
        Ok(Client { host, port, prefix, tls, authorization })
    }

    fn connector(&self, host: &str) -> anyhow::Result<(TlsConnector, ServerName<'static>)> {
        let Some(authority) = &self.ca_file else {
            bail!("https needs --ca-file, which says whose certificates to trust");
        };
        let own = self.cert_file.as_deref().zip(self.key_file.as_deref());
        let config: Arc<ClientConfig> = tls::client(authority, own)?;
        let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(name)
            .with_context(|| format!("{host} is no name that a certificate has"))?;
        Ok((TlsConnector::from(config), name))
    }

    fn authorization(&self) -> anyhow::Result<Option<HeaderValue>> {
        let Some((user, file)) = self.user.as_ref().zip(self.password_file.as_deref()) else {
            return Ok(None);
        };
        let password = read(file)?;
        let pair = format!("{user}:{}", password.trim_end_matches(['\r', '\n']));
        let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair)))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

impl Client {
    /// What the daemon answers on `path`.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Bytes> {
        let answer = time::timeout(PATIENCE, self.ask(path)).await;
        answer
            .unwrap_or_else(|_| Err(anyhow!("no answer within {} s", PATIENCE.as_secs())))
            .with_context(|| format!("ask the daemon on {self}"))
    }

    async fn ask(&self, path: &str) -> anyhow::Result<Bytes> {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((host, self.port)).await?;
        match &self.tls {
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await.context("shake hands")?;
                self.ask_over(stream, path).await
            }
            None => self.ask_over(stream, path).await,
        }
    }

    async fn ask_over(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        path: &str,
    ) -> anyhow::Result<Bytes> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let mut request = Request::get(format!("{}{path}", self.prefix)).header(HOST, self.authority());
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let response = sender.send_request(request.body(Empty::<Bytes>::new())?).await?;
        match response.status() {
            StatusCode::OK => {
                let body = Limited::new(response.into_body(), LONGEST_ANSWER).collect().await;
                Ok(body.map_err(|error| anyhow!("read its answer: {error}"))?.to_bytes())
            }
            StatusCode::NOT_FOUND => bail!("it has no {path}: it is no Rollcall, or another version"),
            StatusCode::UNAUTHORIZED => bail!("it asks for --user and --password-file, or others than these"),
            StatusCode::BAD_REQUEST if self.tls.is_none() => {
                bail!("it answered 400: it may want --url https://…")
            }
            status => bail!("it answered {status}"),
        }
    }

    fn authority(&self) -> String {
        match self.host.parse::<Ipv6Addr>() {
            Ok(address) => format!("[{address}]:{}", self.port),
            Err(_) => format!("{}:{}", self.host, self.port),
        }
    }
}

/// Host and port.
impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.authority())
    }
}

/// The failure to reach the daemon.
pub(crate) fn unreachable(error: anyhow::Error) -> Failure {
    Failure::new(Exit::Failed, error)
        .advise("see whether it runs, and give its address with --web.listen-address or --url")
}

/// Reads a file of the operator's.
pub(super) fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
}

/// Host, port, what stands before each path, and whether it is encrypted.
fn parts(url: &Uri) -> anyhow::Result<(String, u16, String, bool)> {
    let encrypted = match url.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => bail!("neither http nor https"),
    };
    let authority = url.authority().context("no host")?;
    if authority.as_str().contains('@') {
        bail!("a password does not belong here; use --user and --password-file");
    }
    let port = authority.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
    let prefix = url.path().trim_end_matches('/').to_owned();
    Ok((authority.host().to_owned(), port, prefix, encrypted))
}

/// Where a daemon can be reached that listens on `address`.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_that_listens_everywhere_is_asked_here() {
        for (listens, asked) in
            [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:1", "[::1]:1"), ("192.0.2.1:1", "192.0.2.1:1")]
        {
            assert_eq!(reachable(listens.parse().unwrap()).to_string(), asked);
        }
    }

    #[test]
    fn urls() {
        for (url, expected) in [
            ("https://api.example:9847", ("api.example", 9847, "", true)),
            ("https://api.example/rollcall/", ("api.example", 443, "/rollcall", true)),
            ("http://127.0.0.1:1/", ("127.0.0.1", 1, "", false)),
        ] {
            let (host, port, prefix, encrypted) = parts(&url.parse().unwrap()).unwrap();
            assert_eq!((host.as_str(), port, prefix.as_str(), encrypted), expected);
        }
        for url in ["api.example:9847", "ftp://x", "https://a:b@x", "/"] {
            assert!(url.parse().is_ok_and(|url| parts(&url).is_err()), "{url}");
        }
    }
}
