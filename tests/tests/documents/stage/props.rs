//! Files that commands name: logs, a capture, the API's description.

use std::{env::consts::ARCH, fmt::Write as _, fs, path::Path, process::Command};

use anyhow::{Context, Result};
use rollcall_tests::{client::request, pcap::Capture, program};

/// Where Debian's nginx writes its log, and its logrotate turns it over.
const LOGS: [&str; 2] = ["/var/log/nginx", "/srv/logs"];

const OPENAPI: &str = "\
openapi: 3.1.0
info: {title: Customers, version: '1'}
paths:
  /v1/customers/{id}:
    get:
      parameters: [{name: id, in: path, required: true, schema: {type: integer}}]
      responses: {'200': {description: the customer}}
";

/// Puts what lies in fixed places there.
pub fn place() -> Result<()> {
    for folder in LOGS {
        logs(Path::new(folder))?;
    }
    Ok(())
}

/// Puts what a reader would have at hand into `home`.
pub fn furnish(home: &Path) -> Result<()> {
    logs(home)?;
    fs::write(home.join("api.yaml"), OPENAPI)?;
    fs::write(home.join("capture.pcap"), capture())?;
    fs::write(home.join("keys.txt"), "# Secrets of no connection.\n")?;
    fs::write(home.join("customers.txt"), "1001\n1002\n9999\n")?;
    tarball(home)
}

/// What `cargo xtask package` makes for systems without packages, but for the program, which is here already.
fn tarball(home: &Path) -> Result<()> {
    let name = format!("rollcall-{}-{ARCH}-linux", env!("CARGO_PKG_VERSION"));
    let folder = tempfile::tempdir()?;
    let documents = folder.path().join(&name).join("share/doc/rollcall");
    fs::create_dir_all(&documents)?;
    fs::write(documents.join("default"), "#ROLLCALL_PORT=\n")?;
    let mut tar = Command::new("tar");
    tar.arg("--create").arg("--directory").arg(folder.path()).arg(&name);
    program::run(tar.arg("--gzip").arg("--file").arg(home.join(format!("{name}.tar.gz"))))?;
    Ok(())
}

/// Three days of an access log, as they lie there after logrotate: the oldest is packed.
fn logs(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    for (day, name) in ["access.log.2", "access.log.1", "access.log"].into_iter().enumerate() {
        fs::write(folder.join(name), log(day + 1))?;
    }
    program::run(Command::new("gzip").arg("-f").arg(folder.join("access.log.2")))?;
    Ok(())
}

/// A day: a few people who look at a few customers each.
fn log(day: usize) -> String {
    let mut log = String::new();
    for call in 0..200 {
        let (person, customer) = (call % 10, 1000 + call % 10 * 7 + call / 10 % 4);
        let (hour, minute) = (8 + call / 25, call * 7 % 60);
        // Writing to a string can't fail.
        let _ = writeln!(
            log,
            "192.0.2.{person} - - [{day:02}/Oct/2026:{hour:02}:{minute:02}:00 +0000] \
             \"GET /v1/customers/{customer} HTTP/1.1\" 200 512 \"-\" \"curl/8.9.1\""
        );
    }
    log
}

/// A request and its answer.
fn capture() -> Vec<u8> {
    let mut capture = Capture::default();
    let answer: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
    capture.push_conversation(50_000, &[(&request("GET", "/v1/customers/1"), answer)], 1460);
    capture.bytes().to_vec()
}
