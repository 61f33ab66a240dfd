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
    address: SocketAddr,
}

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
    /// An API on a free port of 127.0.0.1: `/v1/customers/…` answers 200 with JSON, anything else 404.
    pub fn start() -> Result<Nginx> {
        Nginx::with_locations(
            r#"location /v1/customers/ { default_type application/json; return 200 '{"id":"$uri","name":"Ada"}\n'; }
               location / { return 404; }"#,
        )
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
        let nginx = program::find("nginx")?;
        let folder = tempfile::Builder::new().prefix("rollcall-nginx-").tempdir()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port::free()?));
        let root = folder.path().display();
        let user = if nix::unistd::geteuid().is_root() { "user root;" } else { "" };
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {root}/{kind};"))
            .join(" ");
        let configuration = format!(
            "daemon off; {user} worker_processes 2; pid {root}/pid; error_log {root}/error.log;\n\
             events {{ worker_connections 2048; }}\n\
             http {{\n\
             {temporary}\n\
             log_format calls '$remote_addr\\t$remote_port\\t$request_method\\t$request_uri\\t$status\\t$bytes_sent';\n\
             access_log {root}/access.log calls;\n\
             client_max_body_size 8m; keepalive_requests 100000000; tcp_nodelay on;\n\
             server {{ listen {address} backlog=4096; {locations} }}\n\
             }}\n"
        );
        fs::write(folder.path().join("nginx.conf"), configuration)?;
        let mut command = Command::new(nginx);
        command.arg("-p").arg(folder.path()).arg("-c").arg(folder.path().join("nginx.conf"));
        command.arg("-e").arg(folder.path().join("error.log"));
        let mut process = Running::start(command, &folder.path().join("output"))?;
        deadline::until("nginx to listen", || {
            if let Some(status) = process.ended()? {
                bail!("nginx ended with {status}: {}", process.output());
            }
            Ok(TcpStream::connect(address).is_ok().then_some(()))
        })?;
        Ok(Nginx { process, folder, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.address.port()
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

fn parse(line: &str) -> Result<Logged> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [client, port, method, target, status, bytes] = fields[..] else {
        bail!("{} fields", fields.len());
    };
    let status = Some(status.parse()?);
    let call = Call { port: port.parse()?, method: method.to_owned(), target: target.to_owned(), status };
    Ok(Logged { client: client.parse()?, call, bytes: bytes.parse()? })
}
