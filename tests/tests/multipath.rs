//! Multipath TCP: a client that sends over several paths at once is told, one that uses a single path is seen whole.

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    process::Command,
    thread::{self, JoinHandle},
};

use anyhow::{Context, Result, ensure};
use nix::{
    errno::Errno,
    sys::socket::{Backlog, SockaddrStorage, bind, connect, listen},
};
use rollcall_tests::{Client, Daemon, Namespace, client::request, deadline, port, program, veth};

/// The client's second address, beside the first on the same wire.
const SECOND: Ipv4Addr = Ipv4Addr::new(10, 98, 0, 3);

/// A server and a client in a namespace each.
struct Scene {
    client: Namespace,
    server: Namespace,
    address: SocketAddr,
    first: Ipv4Addr,
    serving: JoinHandle<Result<usize>>,
}

impl Scene {
    /// The server takes one connection.
    fn new() -> Result<Scene> {
        let (server, client) = (Namespace::new()?, Namespace::new()?);
        let (server_address, first) = veth::join(&server, &client)?;
        let address = SocketAddr::from((server_address, port::free()?));
        ip(&server, &["mptcp", "limits", "set", "subflow", "2"])?;
        ip(&client, &["mptcp", "limits", "set", "subflow", "2"])?;
        let listener = server.enter(|| {
            let socket = socket()?;
            bind(socket.as_raw_fd(), &SockaddrStorage::from(address))?;
            listen(&socket, Backlog::new(1)?)?;
            Ok(TcpListener::from(socket))
        })?;
        let serving = thread::spawn(move || serve(&listener));
        Ok(Scene { client, server, address, first, serving })
    }

    fn connect(&self) -> Result<Client> {
        self.client.enter(|| {
            let socket = socket()?;
            connect(socket.as_raw_fd(), &SockaddrStorage::from(self.address))?;
            Client::over(TcpStream::from(socket))
        })
    }

    /// Paths that clients have joined to their connections.
    fn joined(&self) -> Result<u64> {
        let text = self.server.enter(|| {
            // Of the reading thread's namespace.
            fs::read_to_string("/proc/thread-self/net/netstat").context("read the counters of MPTCP")
        })?;
        let mut lines = text.lines().filter_map(|line| line.strip_prefix("MPTcpExt:"));
        let (names, values) = lines.next().zip(lines.next()).context("no counters of MPTCP")?;
        let at = names.split_whitespace().position(|name| name == "MPJoinAckRx").context("no MPJoinAckRx")?;
        Ok(values.split_whitespace().nth(at).context("no value")?.parse()?)
    }
}

/// Answers requests without bodies on one connection. Returns how many.
fn serve(listener: &TcpListener) -> Result<usize> {
    let (mut stream, _) = listener.accept()?;
    let (mut received, mut buffer, mut served) = (Vec::new(), [0; 4096], 0);
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok(served);
        }
        received.extend_from_slice(&buffer[..count]);
        while let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") {
            received.drain(..end + 4);
            served += 1;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
        }
    }
}

fn socket() -> Result<OwnedFd> {
    // SAFETY: socket(2) has no memory preconditions.
    let fd =
        unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, libc::IPPROTO_MPTCP) };
    Errno::result(fd).context("open an MPTCP socket (is net.mptcp.enabled set?)")?;
    // SAFETY: the descriptor was just opened and belongs to nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Runs `ip` inside a namespace.
fn ip(namespace: &Namespace, arguments: &[&str]) -> Result<()> {
    namespace.enter(|| program::run(Command::new(program::find("ip")?).args(arguments)))?;
    Ok(())
}

#[test]
fn on_one_path_mptcp_is_read_as_tcp_is() -> Result<()> {
    let scene = Scene::new()?;
    let daemon = Daemon::watching(scene.address.port())?;
    let mut client = scene.connect()?;
    for id in 1..=20 {
        let bytes = request("GET", &format!("/v1/customers/{id}"));
        client.send(&bytes[..20])?;
        client.send(&bytes[20..])?;
        client.response()?;
    }
    drop(client);
    let served = scene.serving.join().expect("no panic")?;
    let report = daemon.stop()?;
    ensure!((served, report.exchanges.len()) == (20, 20), "{served} served: {:#?}", report.exchanges);
    ensure!(
        report.metrics.sum("rollcall_mptcp_connections_total", &[]) == 0.0,
        "{}",
        report.metrics.summary()
    );
    ensure!(report.alerts_of("blind", "open").is_empty(), "{:?}", report.alerts);
    Ok(())
}

#[test]
fn half_a_head_on_each_path_is_told() -> Result<()> {
    let scene = Scene::new()?;
    let second = SECOND.to_string();
    ip(&scene.client, &["address", "add", &format!("{second}/24"), "dev", "veth0"])?;
    ip(&scene.client, &["mptcp", "endpoint", "add", &second, "dev", "veth0", "subflow"])?;
    let daemon = Daemon::watching(scene.address.port())?;
    let mut client = scene.connect()?;
    client.get("/v1/customers/1")?;
    deadline::until("a second path", || Ok((scene.joined()? > 0).then_some(())))?;
    let bytes = request("GET", "/v1/customers/2");
    client.send(&bytes[..20])?;
    // The first path is given up: what follows has to take the second.
    ip(&scene.client, &["mptcp", "endpoint", "delete", "id", "0", &scene.first.to_string()])?;
    client.send(&bytes[20..])?;
    client.response()?;
    let alert = daemon.wait_for_alert("blind")?;
    ensure!(alert["route"] == "~multipath", "{alert}");
    let addresses = alert["addresses"].as_array().context("no addresses")?;
    ensure!(addresses.iter().any(|address| *address == *second), "{alert}");
    drop(client);
    let served = scene.serving.join().expect("no panic")?;
    ensure!(served == 2, "{served} served");
    let report = daemon.stop()?;
    ensure!(
        report.metrics.sum("rollcall_mptcp_connections_total", &[]) >= 1.0,
        "{}",
        report.metrics.summary()
    );
    Ok(())
}
