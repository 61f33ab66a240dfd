//! Captures of TLS, replayed with the secrets that the client told: every suite that an nginx with its defaults takes is read.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use anyhow::{Context, Result, bail, ensure};
use rcgen::{CertificateParams, KeyPair};
use rollcall_tests::{
    daemon, deadline,
    packet::{ACK, Checksum, FIN, PSH, SYN, Segment},
    pcap::Capture,
    port,
    program::{self, Running},
};
use serde_json::Value;

/// The largest segment.
const SIZE: usize = 1448;

/// An nginx that speaks TLS as it does by default, with a certificate of each kind.
struct Server {
    _process: Running,
    folder: tempfile::TempDir,
    address: SocketAddr,
}

impl Server {
    fn start() -> Result<Server> {
        let folder = tempfile::Builder::new().prefix("rollcall-tls-").tempdir()?;
        let file = |name: &str| folder.path().join(name);
        let ecdsa = KeyPair::generate()?;
        let certificate = CertificateParams::new(["api.example".to_owned()])?.self_signed(&ecdsa)?;
        fs::write(file("ecdsa.key"), ecdsa.serialize_pem())?;
        fs::write(file("ecdsa.crt"), certificate.pem())?;
        let openssl = program::find("openssl")?;
        program::run(
            Command::new(&openssl)
                .args([
                    "req",
                    "-x509",
                    "-newkey",
                    "rsa:2048",
                    "-nodes",
                    "-subj",
                    "/CN=api.example",
                    "-keyout",
                ])
                .arg(file("rsa.key"))
                .arg("-out")
                .arg(file("rsa.crt")),
        )?;
        fs::write(
            file("dh.pem"),
            program::run(Command::new(&openssl).args(["dhparam", "-dsaparam", "2048"]))?,
        )?;
        fs::write(file("long"), "0123456789abcdef".repeat(4000))?;
        let address = SocketAddr::from(([127, 0, 0, 1], port::free()?));
        let root = folder.path().display();
        fs::write(
            file("nginx.conf"),
            format!(
                "daemon off; worker_processes 1; pid {root}/pid; error_log stderr;\n\
                 events {{ worker_connections 256; }}\n\
                 http {{ log_format line '$uri $status'; access_log {root}/access.log line;\n\
                 client_body_temp_path {root}/b; proxy_temp_path {root}/p; fastcgi_temp_path {root}/f;\n\
                 uwsgi_temp_path {root}/u; scgi_temp_path {root}/s;\n\
                 server {{ listen {address} ssl; ssl_dhparam {root}/dh.pem; root {root};\n\
                 ssl_certificate {root}/ecdsa.crt; ssl_certificate_key {root}/ecdsa.key;\n\
                 ssl_certificate {root}/rsa.crt; ssl_certificate_key {root}/rsa.key;\n\
                 location /v1/ {{ return 200 '{{\"id\":\"$uri\"}}\\n'; }} location /long {{ }} }} }}\n"
            ),
        )?;
        let mut command = Command::new(program::find("nginx")?);
        command.arg("-p").arg(folder.path()).arg("-c").arg(file("nginx.conf")).arg("-e").arg("stderr");
        let mut process = Running::start(command, &file("output"))?;
        deadline::until("nginx to listen", || {
            if let Some(status) = process.ended()? {
                bail!("nginx ended with {status}: {}", process.output());
            }
            Ok(TcpStream::connect(address).is_ok().then_some(()))
        })?;
        Ok(Server { _process: process, folder, address })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Stands between clients and a server, and writes down what goes by as if it were a capture.
struct Relay {
    address: SocketAddr,
    captures: Arc<Mutex<[Capture; 2]>>,
}

/// What is captured of a packet of the server's behind its first answer: 272 bytes behind its headers.
const KEPT: usize = 40 + 272;

/// Bytes of the server's that are captured whole: its handshake, and the first answer.
const WHOLE: u32 = 8000;

/// What both directions of a connection know.
struct Conversation {
    ends: [SocketAddr; 2],
    /// The next byte of the client and of the server.
    next: [u32; 2],
    /// Whole, and as the kernel captures it.
    captures: Arc<Mutex<[Capture; 2]>>,
}

/// The server's first sequence number.
const FIRST: u32 = 9000;

impl Conversation {
    fn push(&mut self, side: usize, flags: u8, payload: &[u8]) {
        let segment = Segment {
            source: self.ends[side],
            destination: self.ends[1 - side],
            seq: self.next[side],
            ack: self.next[1 - side],
            flags,
            window: u16::MAX,
            urgent: 0,
            options: &[],
            payload,
            checksum: Checksum::Valid,
            extensions: &[],
        };
        let mut captures = self.captures.lock().expect("no test panics with it");
        let kept = if side == 1 && self.next[1] > FIRST + WHOLE { KEPT } else { usize::MAX };
        captures[0].push(&segment);
        captures[1].push_cut(&segment, kept);
        let more = payload.len() as u32 + u32::from(flags & (SYN | FIN) != 0);
        self.next[side] = self.next[side].wrapping_add(more);
    }
}

impl Relay {
    fn start(server: SocketAddr) -> Result<Relay> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let captures = Arc::new(Mutex::new([Capture::default(), Capture::default()]));
        let relay = Relay { address, captures: captures.clone() };
        // Ends with the test.
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(upstream) = TcpStream::connect(server) else { break };
                let Ok(peer) = client.peer_addr() else { break };
                let ends = [peer, SocketAddr::from(([10, 0, 0, 1], 443))];
                let ends = [SocketAddr::from(([10, 0, 0, 2], ends[0].port())), ends[1]];
                let mut conversation = Conversation { ends, next: [7000, FIRST], captures: captures.clone() };
                conversation.push(0, SYN, b"");
                conversation.push(1, SYN | ACK, b"");
                conversation.push(0, ACK, b"");
                let conversation = Arc::new(Mutex::new(conversation));
                for (side, from, to) in [(0, &client, &upstream), (1, &upstream, &client)] {
                    let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else { return };
                    let conversation = conversation.clone();
                    thread::spawn(move || pass(side, from, to, &conversation));
                }
            }
        });
        Ok(relay)
    }
}

fn pass(side: usize, mut from: TcpStream, mut to: TcpStream, conversation: &Mutex<Conversation>) {
    let mut bytes = [0; 65_536];
    loop {
        let count = from.read(&mut bytes).unwrap_or(0);
        let mut conversation = conversation.lock().expect("no test panics with it");
        if count == 0 {
            conversation.push(side, ACK | FIN, b"");
            drop(to.shutdown(std::net::Shutdown::Write));
            return;
        }
        bytes[..count].chunks(SIZE).for_each(|piece| conversation.push(side, ACK | PSH, piece));
        // Both sides are written down in the order in which they can have been sent.
        if to.write_all(&bytes[..count]).is_err() {
            return;
        }
    }
}

/// Asks for each target on one connection, in turn. False if the two sides found no suite.
fn ask(address: SocketAddr, key_log: &Path, flags: &[&str], targets: &[String]) -> Result<bool> {
    let mut child = Command::new(program::find("openssl")?)
        .args([
            "s_client",
            "-connect",
            &address.to_string(),
            "-servername",
            "api.example",
            "-quiet",
            "-keylogfile",
        ])
        .arg(key_log)
        .args(flags)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("run openssl")?;
    let mut input = child.stdin.take().context("stdin")?;
    let mut output = child.stdout.take().context("stdout")?;
    for (index, target) in targets.iter().enumerate() {
        let close = if index + 1 == targets.len() { "Connection: close\r\n" } else { "" };
        let request = format!("GET {target} HTTP/1.1\r\nHost: api.example\r\n{close}\r\n");
        if input.write_all(request.as_bytes()).is_err() || !answered(&mut output)? {
            child.wait()?;
            return Ok(false);
        }
    }
    output.read_to_end(&mut Vec::new())?;
    child.wait()?;
    Ok(true)
}

/// Reads one answer; false if none comes.
fn answered(output: &mut impl Read) -> Result<bool> {
    let mut bytes = Vec::new();
    loop {
        let mut more = [0; 65_536];
        let count = output.read(&mut more)?;
        if count == 0 {
            return Ok(false);
        }
        bytes.extend_from_slice(&more[..count]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).context("a length")?;
        if body.len() >= length.parse()? {
            return Ok(true);
        }
    }
}

/// Replays a capture: target and status of each exchange, and what was said on stderr.
fn replay(capture: &Path, flags: &[&str]) -> Result<(BTreeMap<String, String>, String)> {
    let output = Command::new(daemon::binary())
        .args(["replay", "--exchange-log", "-", "--alert.file", "/dev/null"])
        .args(flags)
        .arg(capture)
        .output()?;
    let errors = String::from_utf8(output.stderr)?;
    let mut seen = BTreeMap::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        let exchange: Value = serde_json::from_str(line)?;
        let target = exchange["target"].as_str().context("a target")?.to_owned();
        let told = seen.insert(target.clone(), exchange["status"].to_string());
        ensure!(told.is_none(), "{target} is told twice");
    }
    Ok((seen, errors))
}

#[test]
fn every_suite_that_nginx_takes_by_default_is_read() -> Result<()> {
    let server = Server::start()?;
    let relay = Relay::start(server.address)?;
    let (key_log, recording) = (server.file("keys"), server.file("capture.pcap"));
    let suites = program::run(Command::new(program::find("openssl")?).args([
        "ciphers",
        "-s",
        "-tls1_2",
        "HIGH:!aNULL:!MD5",
    ]))?;
    let mut expected = BTreeMap::new();
    let mut connections = 0;
    let legacy = suites.trim().split(':').map(|suite| vec!["-tls1_2", "-cipher", suite]);
    let modern = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"]
        .map(|suite| vec!["-tls1_3", "-ciphersuites", suite]);
    // The code within the ciphertext, where the client knows no better.
    let within = ["AES128-SHA", "ECDHE-ECDSA-AES256-SHA384", "CAMELLIA256-SHA256"]
        .map(|suite| vec!["-tls1_2", "-no_etm", "-cipher", suite]);
    for flags in legacy.chain(modern).chain(within) {
        let suite = flags.join("");
        let targets = [format!("/v1/{suite}/1"), format!("/long?{suite}"), format!("/v1/{suite}/2")];
        if ask(relay.address, &key_log, &flags, &targets)? {
            connections += 1;
            expected.extend(targets.map(|target| (target, "200".to_owned())));
        }
    }
    for kind in [
        "CCM8",
        "ARIA",
        "CAMELLIA",
        "cipherAES128-SHA/",
        "no_etm-cipherAES128-SHA/",
        "AES256-SHA384",
        "CHACHA20",
        "DHE-RSA-AES128-GCM",
    ] {
        ensure!(expected.keys().any(|target| target.contains(kind)), "nginx took no {kind}: {expected:?}");
    }
    let log = key_log.display().to_string();
    for capture in &*relay.captures.lock().expect("no thread panics with it") {
        fs::write(&recording, capture.bytes())?;
        let (seen, errors) = replay(&recording, &["--tls.keylog", &log])?;
        let missing: Vec<_> =
            expected.iter().filter(|&(target, status)| seen.get(target) != Some(status)).collect();
        ensure!(seen == expected, "{} of {} seen, missing {missing:?}: {errors}", seen.len(), expected.len());
        ensure!(errors.contains(&format!("{connections} of ")), "{errors}");
    }
    let (seen, errors) = replay(&recording, &[])?;
    ensure!(seen.is_empty(), "without secrets nothing is seen: {errors}");
    Ok(())
}

#[test]
fn a_key_log_that_is_none_is_told_with_its_line() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (keys, recording) = (folder.path().join("keys"), folder.path().join("capture.pcap"));
    let secret = "5a".repeat(48);
    fs::write(
        &keys,
        format!("# comment\nCLIENT_RANDOM {} {secret}\nCLIENT_RANDOM 12 34\n", "00".repeat(32)),
    )?;
    let mut capture = Capture::default();
    capture.push_conversation(40_000, &[(b"GET /v1/a HTTP/1.1\r\n\r\n", b"HTTP/1.1 204 No\r\n\r\n")], SIZE);
    fs::write(&recording, capture.bytes())?;
    let (seen, errors) = replay(&recording, &["--tls.keylog", &keys.display().to_string()])?;
    ensure!(seen.len() == 1, "the capture is evaluated all the same: {errors}");
    let told =
        format!("rollcall: key log {} can't be read in line 3: a client random has 32 bytes", keys.display());
    ensure!(errors.lines().any(|line| line.starts_with(&told)), "{errors}");
    ensure!(!errors.contains("5a5a"), "a secret is shown: {errors}");
    Ok(())
}
