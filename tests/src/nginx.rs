//! A real nginx with a configuration of its own, which logs every request as it was on the wire.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::{
    calls::Call,
    deadline, port,
    program::{self, Running},
};

/// A running nginx, stopped when dropped.
#[derive(Debug)]
pub struct Nginx {
    process: Running,
    folder: TempDir,
    addresses: Vec<SocketAddr>,
    status: SocketAddr,
}

/// What an nginx serves, and with how much.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Where it listens.
    pub address: Ipv4Addr,
    /// Worker processes.
    pub workers: usize,
    /// Connections that each worker can hold.
    pub connections: usize,
    /// Each on a port of its own.
    pub servers: Vec<Server>,
}

/// One of an nginx's servers.
#[derive(Clone, Debug)]
pub struct Server {
    /// `location` blocks.
    pub locations: String,
    /// What becomes of its access log.
    pub log: Log,
}

/// A server's access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    /// None.
    Off,
    /// A line for each call, at once, for [`Nginx::logged`].
    Calls,
    /// nginx's own `combined` format through a buffer of 64 KiB, as busy sites have it.
    Buffered,
}

/// Answers `/v1/customers/…` with 200 and JSON, anything else with 404.
pub const API: &str = r#"location /v1/customers/ { default_type application/json; return 200 '{"id":"$uri","name":"Ada"}\n'; }
    location / { return 404; }"#;

/// A line of the access log.
#[derive(Clone, Debug)]
pub struct Logged {
    /// Address of the client.
    pub client: IpAddr,
    /// The call.
    pub call: Call,
    /// Bytes sent.
    pub bytes: u64,
}

impl Nginx {
    /// The [`API`] on a free port of 127.0.0.1.
    pub fn start() -> Result<Nginx> {
        Nginx::with_locations(API)
    }

    /// A reverse proxy in front of `backend`, which tells it the client's address in `X-Forwarded-For`.
    pub fn in_front_of(backend: SocketAddr) -> Result<Nginx> {
        Nginx::with_locations(&format!(
            "location / {{ proxy_pass http://{backend}; proxy_http_version 1.1; proxy_set_header Connection ''; \
             proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }}"
        ))
    }

    /// A server with these `location` blocks.
    pub fn with_locations(locations: &str) -> Result<Nginx> {
        Nginx::with_setup(&Setup {
            address: Ipv4Addr::LOCALHOST,
            workers: 2,
            connections: 2048,
            servers: vec![Server { locations: locations.to_owned(), log: Log::Calls }],
        })
    }

    /// Starts it and waits until it listens.
    pub fn with_setup(setup: &Setup) -> Result<Nginx> {
        let nginx = program::find("nginx")?;
        let folder = tempfile::Builder::new().prefix("rollcall-nginx-").tempdir()?;
        let mut addresses = Vec::new();
        for _ in &setup.servers {
            addresses.push(SocketAddr::from((setup.address, port::free()?)));
        }
        let status = SocketAddr::from((setup.address, port::free()?));
        let root = folder.path().display().to_string();
        fs::write(folder.path().join("nginx.conf"), configuration(setup, &root, &addresses, status))?;
        let mut command = Command::new(nginx);
        command.arg("-p").arg(folder.path()).arg("-c").arg(folder.path().join("nginx.conf"));
        command.arg("-e").arg(folder.path().join("error.log"));
        let mut process = Running::start(command, &folder.path().join("output"))?;
        deadline::until("nginx to listen", || {
            if let Some(status) = process.ended()? {
                bail!("nginx ended with {status}: {}", process.output());
            }
            Ok(TcpStream::connect(status).is_ok().then_some(()))
        })?;
        Ok(Nginx { process, folder, addresses, status })
    }

    /// Where its first server listens.
    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// The port that its first server listens on.
    pub fn port(&self) -> u16 {
        self.address().port()
    }

    /// Where its servers listen, in the order of the setup.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where it tells how many requests it has served: a port that no test watches.
    pub fn status(&self) -> SocketAddr {
        self.status
    }

    /// What it has logged so far: a request is logged after its response has left.
    pub fn logged(&self) -> Result<Vec<Logged>> {
        let text = fs::read_to_string(self.folder.path().join("access.log")).unwrap_or_default();
        let complete = text.rfind('\n').map_or("", |end| &text[..end]);
        complete
            .lines()
            .map(|line| parse(line).with_context(|| format!("access log line {line:?}")))
            .collect()
    }

    /// Waits until it has logged `count` requests, and returns their calls.
    pub fn wait_for(&self, count: usize) -> Result<Vec<Call>> {
        let logged = deadline::until(&format!("nginx to log {count} requests"), || {
            Ok(Some(self.logged()?).filter(|logged| logged.len() >= count))
        })?;
        Ok(logged.into_iter().map(|logged| logged.call).collect())
    }

    /// Stops it gracefully, after which its log is complete, and returns the calls.
    pub fn finish(mut self) -> Result<Vec<Call>> {
        let status = self.process.stop(Signal::SIGQUIT)?;
        ensure!(status.success(), "nginx ended with {status}: {}", self.process.output());
        Ok(self.logged()?.into_iter().map(|logged| logged.call).collect())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The master ends its workers on SIGTERM; killed outright it would leave them behind.
        let _ = self.process.stop(Signal::SIGTERM);
    }
}

fn configuration(setup: &Setup, root: &str, addresses: &[SocketAddr], status: SocketAddr) -> String {
    let user = if nix::unistd::geteuid().is_root() { "user root;" } else { "" };
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {root}/{kind};"))
        .join(" ");
    let server = |(server, address): (&Server, &SocketAddr)| {
        let log = match server.log {
            Log::Off => "off".to_owned(),
            Log::Calls => format!("{root}/access.log calls"),
            Log::Buffered => format!("{root}/buffered.log combined buffer=64k"),
        };
        // A socket for each worker: connections are spread by hash, and not to whoever wakes first.
        format!(
            "server {{ listen {address} backlog=4096 reuseport; access_log {log}; {} }}\n",
            server.locations
        )
    };
    let servers: String = setup.servers.iter().zip(addresses).map(server).collect();
    format!(
        "daemon off; {user} worker_processes {}; pid {root}/pid; error_log {root}/error.log;\n\
         events {{ worker_connections {}; }}\n\
         http {{\n\
         {temporary}\n\
         log_format calls '$remote_addr\\t$remote_port\\t$request\\t$status\\t$bytes_sent';\n\
         client_max_body_size 8m; keepalive_requests 100000000; keepalive_timeout 1h; tcp_nodelay on;\n\
         {servers}\
         server {{ listen {status}; access_log off; location / {{ stub_status; }} }}\n\
         }}\n",
        setup.workers, setup.connections,
    )
}

fn parse(line: &str) -> Result<Logged> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [client, port, line, status, bytes] = fields[..] else {
        bail!("{} fields", fields.len());
    };
    let (method, rest) = line.split_once(' ').with_context(|| format!("no target in {line:?}"))?;
    // HTTP/0.9 has no version.
    let target = rest.rsplit_once(" HTTP/").map_or(rest, |(target, _)| target);
    let status = Some(status.parse()?);
    let call = Call { port: port.parse()?, method: method.to_owned(), target: target.to_owned(), status };
    Ok(Logged { client: client.parse()?, call, bytes: bytes.parse()? })
}
