//! Secrets of TLS connections, taken where real servers pass them: those of each connection, as the client has logged them.

use std::{
    collections::HashMap,
    fs,
    net::{SocketAddr, TcpStream},
    ops::Range,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use monitor_ebpf::secret::Hit;
use nix::sys::{signal::Signal, wait::WaitPidFlag};
use rcgen::{CertificateParams, KeyPair};
use rollcall_capture::{self as capture, Consumer, How, Loaded, Options, Sight, Watch};
use rollcall_engine::{Label, Secret};
use rollcall_model::time::Timestamp;
use rollcall_stream::{ConnectionId, Directive, Segment};
use rollcall_tests::{Daemon, bpf, deadline, port, program, program::Running};
use tempfile::TempDir;

/// A label, the secret, and the client random if it is known.
type Taken = (Label, Vec<u8>, Option<[u8; 32]>);

/// What handshakes are made with: 32 bytes of secret, and 48; TLS 1.3, and 1.2.
const HANDSHAKES: [&[&str]; 5] = [
    &["--tls13-ciphers", "TLS_AES_128_GCM_SHA256"],
    &["--tls13-ciphers", "TLS_AES_256_GCM_SHA384"],
    &["--tls13-ciphers", "TLS_CHACHA20_POLY1305_SHA256"],
    &["--tls-max", "1.2"],
    &["--tls-max", "1.2", "--ciphers", "ECDHE-ECDSA-AES128-GCM-SHA256"],
];

/// A server that speaks TLS.
struct Server {
    /// Stopped when dropped.
    process: Running,
    folder: TempDir,
    address: SocketAddr,
}

impl Server {
    /// Runs what `command` makes of the port, the certificate and its key, and waits until it listens.
    fn start(command: impl FnOnce(&Path, u16, &Path, &Path) -> Result<Command>) -> Result<Server> {
        program::require_root()?;
        let folder = tempfile::Builder::new().prefix("rollcall-tls-").tempdir()?;
        let (certificate, key) = (folder.path().join("certificate"), folder.path().join("key"));
        let pair = KeyPair::generate()?;
        let signed = CertificateParams::new(vec!["localhost".to_owned()])?.self_signed(&pair)?;
        fs::write(&certificate, signed.pem())?;
        fs::write(&key, pair.serialize_pem())?;
        let address = SocketAddr::from(([127, 0, 0, 1], port::free()?));
        let command = command(folder.path(), address.port(), &certificate, &key)?;
        let process = Running::start(command, &folder.path().join("output"))?;
        let mut server = Server { process, folder, address };
        deadline::until("the server to listen", || {
            if let Some(status) = server.process.ended()? {
                anyhow::bail!("it ended with {status}: {}", server.process.output());
            }
            Ok(TcpStream::connect(address).is_ok().then_some(()))
        })?;
        Ok(server)
    }

    /// nginx, on the system's OpenSSL.
    fn nginx() -> Result<Server> {
        Server::start(|folder, port, certificate, key| {
            let root = folder.display();
            let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
                .map(|kind| format!("{kind}_temp_path {root}/{kind};"))
                .join(" ");
            let (certificate, key) = (certificate.display(), key.display());
            let text = format!(
                "daemon off; user root; worker_processes 2; pid {root}/pid; error_log {root}/error.log;\n\
                 events {{ worker_connections 64; }}\n\
                 http {{ {temporary} access_log off;\n\
                 server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {certificate}; ssl_certificate_key {key};\n\
                 ssl_protocols TLSv1.2 TLSv1.3;\n\
                 location / {{ default_type application/json; return 200 '{{\"id\":\"$uri\"}}\\n'; }} }} }}\n"
            );
            let configuration = folder.join("nginx.conf");
            fs::write(&configuration, text)?;
            let mut nginx = Command::new(program::find("nginx")?);
            nginx.arg("-p").arg(folder).arg("-c").arg(configuration).arg("-e").arg(folder.join("error.log"));
            Ok(nginx)
        })
    }

    /// Python's own, on the same.
    fn python() -> Result<Server> {
        Server::start(|_, port, certificate, key| {
            let mut python = Command::new(program::find("python3")?);
            python.arg(app("tls.py")).arg(port.to_string()).arg(certificate).arg(key);
            Ok(python)
        })
    }

    /// node's, which has OpenSSL in its own program.
    fn node() -> Result<Server> {
        Server::start(|_, port, certificate, key| {
            let mut node = Command::new(program::find("node")?);
            node.arg(app("tls.js")).arg(port.to_string()).arg(certificate).arg(key);
            Ok(node)
        })
    }

    /// Go's, in a program without symbols.
    fn go() -> Result<Server> {
        Server::start(|folder, port, certificate, key| {
            let built = folder.join("server");
            let mut go = Command::new(program::find("go")?);
            go.args(["build", "-ldflags", "-s -w", "-o"]).arg(&built).arg(app("tls.go"));
            go.current_dir(folder).env("GOCACHE", folder.join("cache")).env("GO111MODULE", "off");
            program::run(&mut go)?;
            let mut server = Command::new(built);
            server.arg(format!("127.0.0.1:{port}")).arg(certificate).arg(key);
            Ok(server)
        })
    }

    /// A program that calls such a function all the time, and has no secret.
    fn noisy() -> Result<Server> {
        Server::start(|folder, port, _, _| {
            let built = folder.join("noisy");
            program::run(
                Command::new(program::find("cc")?).arg("-O2").arg("-o").arg(&built).arg(app("noisy.c")),
            )?;
            let mut server = Command::new(built);
            server.arg(port.to_string());
            Ok(server)
        })
    }

    /// Reads accounts one after the other, on one connection.
    fn read(&self, accounts: Range<u32>, arguments: &[&str]) -> Result<()> {
        let urls: Vec<String> =
            accounts.map(|account| format!("https://{}/v1/customers/{account}", self.address)).collect();
        let mut curl = Command::new(program::find("curl")?);
        curl.args(["--silent", "--show-error", "--fail", "--insecure", "--http1.1", "--max-time", "20"]);
        program::run(curl.args(arguments).args(&urls)).map(drop)
    }

    /// Asks it once in a new connection, and returns the secrets that the client has logged.
    fn ask(&self, arguments: &[&str]) -> Result<Vec<Taken>> {
        let log = self.folder.path().join("secrets");
        fs::write(&log, "")?;
        let mut curl = Command::new(program::find("curl")?);
        curl.args(["--silent", "--show-error", "--fail", "--insecure", "--http1.1", "--max-time", "20"]);
        curl.args(arguments).arg(format!("https://{}/v1/customers/1", self.address));
        let answer = program::run(curl.env("SSLKEYLOGFILE", &log))?;
        ensure!(answer.contains("/v1/customers/1"), "{answer}");
        let text = fs::read_to_string(&log)?;
        let mut secrets = Vec::new();
        for line in text.lines() {
            let [label, random, secret] = line.split(' ').collect::<Vec<_>>()[..] else { continue };
            if let Some(label) = Label::from_name(str::as_bytes(label)) {
                let random =
                    hex(random)?.try_into().map_err(|_| anyhow::anyhow!("client random {random}"))?;
                secrets.push((label, hex(secret)?, Some(random)));
            }
        }
        ensure!(!secrets.is_empty(), "curl has logged no secret");
        Ok(secrets)
    }
}

fn app(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("apps").join(name)
}

fn hex(text: &str) -> Result<Vec<u8>> {
    let mut bytes = vec![0; text.len() / 2];
    rollcall_model::hex::fill(&mut bytes, text.as_bytes()).with_context(|| format!("{text} is no bytes"))?;
    Ok(bytes)
}

#[derive(Default)]
struct Secrets(Vec<Taken>);

impl Consumer for Secrets {
    fn segment(&mut self, _: &Segment<'_>) {}

    fn secret(&mut self, secret: Secret) {
        self.0.push((secret.label, secret.bytes().to_vec(), secret.client_random));
    }

    fn settle(&mut self, _: Timestamp) {}

    fn next_deadline(&self) -> Option<Timestamp> {
        None
    }

    fn directives(&mut self) -> impl Iterator<Item = (ConnectionId, Directive)> {
        std::iter::empty()
    }

    fn captured(&mut self, _: u64, _: u64) {}
}

/// Fails unless the secrets of each handshake with `server` are taken once for each end whose library has a probe, with their
/// client random; returns what was seen of the program of this name. curl has the system's OpenSSL, as other servers may.
fn expect_secrets(server: &Server, name: &str) -> Result<Sight> {
    capture::probe()?;
    let Loaded { programs, mut capture, watch } =
        capture::load(&Options { tls: true, ..Options::default() })?;
    let mut watch = watch.context("no probes were asked for")??;
    watch.look()?;
    let sight = watch.sights().into_iter().find(|sight| sight.program == name);
    let sight = sight.with_context(|| format!("{name} is not among {:?}", watch.sights()))?;
    let client = watch.sights().iter().any(|sight| sight.path.contains("/libssl.so"));
    let times = 1 + usize::from(client);
    let mut logged = Vec::new();
    for arguments in HANDSHAKES {
        logged.extend(server.ask(arguments)?);
    }
    let mut secrets = Secrets::default();
    capture.drain(&mut secrets);
    let mut taken: HashMap<_, usize> = HashMap::new();
    for (label, secret, random) in secrets.0 {
        *taken.entry((label, secret, random)).or_default() += 1;
    }
    for (label, secret, random) in logged {
        let found = taken.get(&(label, secret, random)).copied().unwrap_or(0);
        ensure!(found == times, "a secret of {label:?} was taken {found} times, not {times}");
    }
    ensure!(capture.secret_hits().lost() == 0, "hits by outcome: {:?}", capture.secret_hits().read());
    drop(programs);
    Ok(sight)
}

#[test]
fn secrets_of_nginx_are_taken() -> Result<()> {
    let sight = expect_secrets(&Server::nginx()?, "nginx")?;
    ensure!(sight.how.name() == "openssl" && sight.path.contains("libssl"), "{sight}");
    Ok(())
}

#[test]
fn secrets_of_python_are_taken() -> Result<()> {
    let sight = expect_secrets(&Server::python()?, "python3")?;
    ensure!(sight.how.name() == "openssl", "{sight}");
    Ok(())
}

#[test]
fn secrets_of_go_are_taken_without_its_symbols() -> Result<()> {
    let sight = expect_secrets(&Server::go()?, "server")?;
    ensure!(sight.how.name() == "go" && sight.path.ends_with("/server"), "{sight}");
    Ok(())
}

/// Looks until the program of this name is seen so.
fn wait_for(watch: &mut Watch, name: &str, how: &str) -> Result<()> {
    deadline::until(&format!("{name} to be {how}"), || {
        watch.look()?;
        let mut sights = watch.sights().into_iter();
        Ok(sights.any(|sight| sight.program == name && sight.how.name() == how).then_some(()))
    })
}

fn watch() -> Result<(Loaded, Watch)> {
    capture::probe()?;
    let mut loaded = capture::load(&Options { tls: true, ..Options::default() })?;
    let watch = loaded.watch.take().context("no probes were asked for")??;
    Ok((loaded, watch))
}

/// For as long as it takes, a look isn't a second after the one before: it hits as often in less.
#[test]
fn a_probe_that_costs_too_much_is_taken_off() -> Result<()> {
    let _server = Server::noisy()?;
    let (loaded, mut watch) = watch()?;
    wait_for(&mut watch, "noisy", "too_often")?;
    let refused = || loaded.capture.secret_hits().read()[Hit::Refused as usize];
    let before = refused();
    ensure!(before > 1_000, "{before}");
    // It calls the function all the time, and nobody counts.
    wait_for(&mut watch, "noisy", "too_often")?;
    ensure!(refused() == before, "{} hits, and {before} before", refused());
    Ok(())
}

#[test]
fn a_program_that_is_debugged_is_left_alone_until_it_no_longer_is() -> Result<()> {
    let server = Server::python()?;
    let process = server.process.pid();
    trace(libc::PTRACE_SEIZE, process)?;
    let (_loaded, mut watch) = watch()?;
    wait_for(&mut watch, "python3", "debugged")?;
    // It has to stop before whoever debugs it can let go.
    server.process.signal(Signal::SIGSTOP)?;
    let stopped = Some(WaitPidFlag::WUNTRACED);
    nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(i32::try_from(process)?), stopped)?;
    trace(libc::PTRACE_DETACH, process)?;
    server.process.signal(Signal::SIGCONT)?;
    deadline::until("it to be seen", || {
        watch.look()?;
        let sights = watch.sights().into_iter().filter(|sight| sight.program == "python3");
        let how: Vec<_> = sights.map(|sight| sight.how.name()).collect();
        Ok((how == ["openssl"]).then_some(()))
    })
}

fn trace(request: libc::c_uint, process: u32) -> Result<()> {
    // SAFETY: neither request reads or writes this process's memory.
    let done =
        unsafe { libc::ptrace(request, process, std::ptr::null_mut::<()>(), std::ptr::null_mut::<()>()) };
    ensure!(done == 0, "ptrace: {}", std::io::Error::last_os_error());
    Ok(())
}

/// A walk in TLS is told as it would be in clear, and each of its calls has its answer: on one connection and on one each, with every
/// version, and with suites that a client may choose so as not to be seen.
fn expect_walk(server: &Server, daemon: Daemon) -> Result<()> {
    let port = server.address.port();
    let ways: [&[&str]; 4] =
        [&[], &["--tls-max", "1.2"], &["--tls13-ciphers", "TLS_CHACHA20_POLY1305_SHA256"], &["-4"]];
    let mut accounts = 1_000..1_000;
    for way in ways {
        accounts = accounts.end..accounts.end + 12;
        server.read(accounts.clone(), way)?;
        accounts = accounts.end..accounts.end + 1;
        server.read(accounts.clone(), way)?;
    }
    let alert = daemon.wait_for_alert("distinct-objects")?;
    ensure!(alert["route"] == "GET /v1/customers/{id}" && alert["distinct"] == 21, "{alert}");
    deadline::until("all connections to be read", || {
        let read = daemon.metrics()?.sum("rollcall_tls_connections_total", &[("outcome", "read")]);
        Ok((read >= 2.0 * ways.len() as f64).then_some(()))
    })?;
    let report = daemon.stop()?;
    // Of different connections, which exchange is complete first does not matter.
    let mut reported: Vec<_> =
        report.calls(port)?.into_iter().map(|call| (call.target, call.status)).collect();
    reported.sort_unstable();
    let served: Vec<_> =
        (1_000..accounts.end).map(|account| (format!("/v1/customers/{account}"), Some(200))).collect();
    ensure!(reported == served, "{reported:?}");
    Ok(())
}

#[test]
fn a_walk_inside_the_tls_of_nginx_is_told() -> Result<()> {
    let server = Server::nginx()?;
    expect_walk(&server, Daemon::watching(server.address.port())?)
}

#[test]
fn a_walk_inside_the_tls_of_go_is_told() -> Result<()> {
    let server = Server::go()?;
    expect_walk(&server, Daemon::watching(server.address.port())?)
}

/// The daemon has given its privileges up by then.
#[test]
fn a_walk_is_told_inside_the_tls_of_programs_that_start_later() -> Result<()> {
    for (start, name) in [(Server::python as fn() -> Result<Server>, "python3"), (Server::node, "node")] {
        let daemon = Daemon::start(&[], &[])?;
        let server = start()?;
        let line = format!("inside TLS: {name}: by ssl_log_secret of OpenSSL in ");
        deadline::until("the server to be seen", || Ok(daemon.log().contains(&line).then_some(())))?;
        expect_walk(&server, daemon)?;
    }
    Ok(())
}

/// However the daemon ends, and the server goes on.
#[test]
fn no_probe_outlives_the_daemon() -> Result<()> {
    let server = Server::nginx()?;
    let daemon = Daemon::watching(server.address.port())?;
    let held = bpf::held_by(child_of(daemon.pid())?)?;
    let probes = |programs: Vec<bpf::Program>| -> Vec<_> {
        programs
            .into_iter()
            .filter(|program| held.contains(&program.id) && program.name.starts_with("rollcall_tls"))
            .collect()
    };
    ensure!(probes(bpf::programs()?).len() == 3, "{:?}", bpf::programs()?);
    let before = daemon.metrics()?;
    ensure!(before.sum("rollcall_tls_programs", &[("how", "openssl")]) >= 1.0, "{}", daemon.log());
    ensure!(daemon.log().contains("nginx: by ssl_log_secret of OpenSSL in "), "{}", daemon.log());
    server.ask(&[])?;
    let submitted = [("outcome", "submitted")];
    let now = daemon.metrics()?;
    let hits = |metrics: &rollcall_tests::Metrics| metrics.sum("rollcall_tls_probe_hits_total", &submitted);
    // Four secrets of TLS 1.3, in the server and in the client.
    ensure!(hits(&now) >= hits(&before) + 8.0, "{} secrets, and {} before", hits(&now), hits(&before));
    daemon.kill()?;
    deadline::until("the probes to go", || Ok(probes(bpf::programs()?).is_empty().then_some(())))?;
    server.ask(&[])?;
    Ok(())
}

/// The process that puts probes into programs.
fn child_of(parent: u32) -> Result<u32> {
    for entry in fs::read_dir("/proc")? {
        let Some(process) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        if status.lines().any(|line| line == format!("PPid:\t{parent}")) {
            return Ok(process);
        }
    }
    anyhow::bail!("process {parent} has no child")
}

#[test]
fn probes_can_be_left_out() -> Result<()> {
    let server = Server::nginx()?;
    let daemon = Daemon::start(&[server.address.port()], &["--tls", "off"])?;
    let held = bpf::held_by(daemon.pid())?;
    let programs = bpf::programs()?;
    let probes = programs.iter().filter(|program| held.contains(&program.id)).map(|program| &program.name);
    let probes: Vec<_> = probes.filter(|name| name.starts_with("rollcall_tls")).collect();
    ensure!(probes.is_empty(), "{probes:?}");
    let metrics = daemon.metrics()?;
    ensure!(How::ALL.iter().all(|(_, name)| metrics.sum("rollcall_tls_programs", &[("how", *name)]) == 0.0));
    daemon.stop()?;
    Ok(())
}
