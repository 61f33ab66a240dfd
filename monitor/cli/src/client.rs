//! The client of a daemon that runs somewhere, for `rollcall routes` and `rollcall top`: they ask its web server.

use std::{
    fmt, fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, anyhow, bail};
use bytes::Bytes;
use clap::Args;
use http_body_util::Full;
use hyper::{Request, StatusCode};
use rollcall_deliver::{Client as HttpClient, ClientError, Endpoint, OwnCalls, Trust, client::Answer};
use tokio::time;

use super::{
    exit::{Exit, Failure},
    values,
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
    url: Option<String>,

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

/// Asks one daemon.
#[derive(Clone)]
pub(crate) struct Client(HttpClient);

impl ClientArgs {
    /// The client of the daemon that the flags name.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        let mut endpoint = self.endpoint().map_err(|error| {
            Failure::new(Exit::Usage, error).advise("give http://HOST:PORT or https://HOST:PORT")
        })?;
        let file = |error| Failure::new(Exit::Config, error).advise("check the file and its permissions");
        if let Some((user, path)) = self.user.as_ref().zip(self.password_file.as_deref()) {
            let password = read(path).map_err(file)?;
            endpoint = endpoint.with_password(user, password.trim_end_matches(['\r', '\n']));
        }
        let trust = self.trust(&endpoint).map_err(file)?;
        match HttpClient::new(endpoint, &trust, Arc::<OwnCalls>::default()) {
            Ok(client) => Ok(Client(client)),
            Err(error @ ClientError::Certificates { .. }) => Err(file(error.into())),
            Err(error) => Err(error.into()),
        }
    }

    fn endpoint(&self) -> anyhow::Result<Endpoint> {
        let Some(url) = &self.url else {
            return Ok(Endpoint::parse(&format!("http://{}", reachable(self.address)))?);
        };
        let endpoint = Endpoint::parse(url).context("use --url")?;
        if endpoint.has_password() {
            bail!("use --url: a password does not belong there; use --user and --password-file");
        }
        Ok(endpoint)
    }

    /// The system's authorities are not asked: a daemon's certificate is rarely theirs, and whoever has one of them has all.
    fn trust(&self, endpoint: &Endpoint) -> anyhow::Result<Trust> {
        let own = self.cert_file.clone().zip(self.key_file.clone());
        match &self.ca_file {
            Some(authority) => Ok(Trust::File { authority: authority.clone(), own }),
            None if endpoint.is_encrypted() => {
                bail!("https needs --ca-file, which says whose certificates to trust")
            }
            None => Ok(Trust::System),
        }
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
        let Client(client) = self;
        let endpoint = client.endpoint().join(path)?;
        let request = Request::get(endpoint.target()).body(Full::default())?;
        let Answer { status, body, .. } =
            client.send(request, LONGEST_ANSWER).await.map_err(anyhow::Error::from_boxed)?;
        match status {
            StatusCode::OK => body.context("read its answer: it broke off, or is too long"),
            StatusCode::NOT_FOUND => bail!("it has no {path}: it is no Rollcall, or another version"),
            StatusCode::UNAUTHORIZED => bail!("it asks for --user and --password-file, or others than these"),
            StatusCode::BAD_REQUEST if !endpoint.is_encrypted() => {
                bail!("it answered 400: it may want --url https://…")
            }
            status => bail!("it answered {status}"),
        }
    }
}

/// Host and port.
impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.endpoint().authority())
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
    use clap::FromArgMatches as _;

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
        let client = |url: &str| {
            let args = ["top", "--url", url].into_iter().chain(["--ca-file", "/etc/hostname"]);
            let command = ClientArgs::augment_args(clap::Command::new("top"));
            ClientArgs::from_arg_matches(&command.get_matches_from(args)).unwrap().endpoint()
        };
        for (url, expected) in [
            ("https://api.example:9847", ("api.example", 9847, "/", true)),
            ("https://api.example/rollcall/", ("api.example", 443, "/rollcall/", true)),
            ("http://127.0.0.1:1/", ("127.0.0.1", 1, "/", false)),
        ] {
            let endpoint = client(url).unwrap();
            let found = (endpoint.host(), endpoint.port(), endpoint.target(), endpoint.is_encrypted());
            assert_eq!(found, expected);
        }
        for url in ["api.example:9847", "ftp://x", "https://a:b@x", "/"] {
            assert!(client(url).is_err(), "{url}");
        }
    }
}
