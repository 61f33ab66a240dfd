//! The host next door, api1.example: a daemon behind TLS and a password, as docs/web.md sets it up.

use std::{fs, net::Ipv4Addr, path::Path, process::Command};

use anyhow::{Context, Result};
use rcgen::{CertificateParams, KeyPair};
use rollcall_tests::program::Running;

use super::curtain::Curtain;

/// Its name, and where it is found.
const NAME: &str = "api1.example";
const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// What is in its folder.
const FOLDER: &str = "/srv/neighbour";
const WEB: &str = "\
tls_server_config:
  cert_file: tls.crt
  key_file: tls.key
basic_auth_users:
  prometheus: $2y$10$FHGaeG19gFJWJCTwAx/aaOOP9JyPe5zqPo5CdrQ/GDdaFBPvosmx2
";
const PASSWORD: &str = "rollcall\n";

/// Starts its daemon, which is ready when it says so.
pub fn start(curtain: &Curtain) -> Result<Running> {
    fs::create_dir_all(FOLDER).with_context(|| format!("create {FOLDER}"))?;
    let file = |name: &str| Path::new(FOLDER).join(name);
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new([NAME.to_owned()])?.self_signed(&key)?;
    fs::write(file("tls.crt"), certificate.pem())?;
    fs::write(file("tls.key"), key.serialize_pem())?;
    fs::write(file("web.yml"), WEB)?;
    let hosts = fs::read_to_string("/etc/hosts").unwrap_or_default();
    fs::write("/etc/hosts", format!("{hosts}\n{ADDRESS} {NAME}\n"))?;

    let mut command = Command::new("rollcall");
    command.args([
        "run",
        "--alert.file",
        "alerts.jsonl",
        "--state-dir",
        "state",
        "--web.config.file",
        "web.yml",
    ]);
    command.args(["--port", "1", "--web.listen-address", &format!("{ADDRESS}:9847")]);
    curtain.dress(command.current_dir(FOLDER));
    Running::start(command, &file("log"))
}

/// Puts what one needs to look at it into `home`.
pub fn introduce(home: &Path) -> Result<()> {
    fs::copy(Path::new(FOLDER).join("tls.crt"), home.join("ca.crt")).context("copy the certificate")?;
    fs::write(home.join("password"), PASSWORD)?;
    Ok(())
}
