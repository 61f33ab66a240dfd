//! `--web.config.file`, told by curl: who gets in, and that certificates can be changed while the daemon runs.

use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rollcall_tests::{Daemon, Metrics, MiniServer, daemon, deadline, program};
use tempfile::TempDir;

/// More than the connections that the daemon keeps at a time.
const MANY: usize = 100;

/// What curl says of a certificate that it does not trust.
const UNTRUSTED: i32 = 60;

/// Certificates, keys, and the file that names them.
struct Folder(TempDir);

impl Folder {
    fn new() -> Result<Folder> {
        Ok(Folder(tempfile::Builder::new().prefix("rollcall-web-").tempdir()?))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        // As one would replace a certificate: never half of it.
        let new = self.path("new");
        fs::write(&new, text)?;
        fs::rename(new, self.path(name)).with_context(|| format!("write {name}"))
    }

    /// An authority, whose certificate is `NAME.crt`.
    fn authority(&self, name: &str) -> Result<CertifiedIssuer<'static, KeyPair>> {
        let mut parameters = CertificateParams::new([])?;
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(DnType::CommonName, name);
        let authority = CertifiedIssuer::self_signed(parameters, KeyPair::generate()?)?;
        self.write(&format!("{name}.crt"), &authority.pem())?;
        Ok(authority)
    }

    /// A certificate for `subject` in `NAME.crt`, with its key in `NAME.key`.
    fn certificate(&self, name: &str, subject: &str, by: &CertifiedIssuer<'static, KeyPair>) -> Result<()> {
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new([subject.to_owned()])?.signed_by(&key, by)?;
        self.write(&format!("{name}.key"), &key.serialize_pem())?;
        self.write(&format!("{name}.crt"), &certificate.pem())
    }
}

/// Calls a daemon's page: curl's exit code, the status, and what else it printed.
fn curl(daemon: &Daemon, scheme: &str, path: &str, options: &[&str]) -> Result<(i32, String)> {
    let mut command = Command::new(program::find("curl")?);
    command.args(["--silent", "--show-error", "--max-time", "20", "--noproxy", "*"]);
    command.args(["--write-out", " %{http_code}"]).args(options);
    let output = command.arg(format!("{scheme}://{}{path}", daemon.web())).output()?;
    let said = [output.stdout, output.stderr].concat();
    Ok((output.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned()))
}

fn expect(status: u16, answer: &(i32, String)) -> Result<()> {
    ensure!(answer.0 == 0 && answer.1.ends_with(&format!(" {status}")), "not {status}: {answer:?}");
    Ok(())
}

#[test]
fn tls_and_passwords_guard_every_page_and_certificates_are_changed_while_it_runs() -> Result<()> {
    let folder = Folder::new()?;
    let first = folder.authority("first")?;
    let second = folder.authority("second")?;
    folder.certificate("server", "127.0.0.1", &first)?;
    folder.certificate("scraper", "scraper.example", &second)?;
    folder.certificate("other", "other.example", &second)?;
    let file = |more: &str| -> Result<()> {
        let hash = bcrypt::hash("correct-horse", 4)?;
        let text = format!(
            "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n{more}\
             basic_auth_users:\n  alice: {hash}\n"
        );
        folder.write("web.yml", &text)
    };
    file("")?;
    let server = MiniServer::start()?;
    let ports = [server.address().port()];
    let daemon = Daemon::start(&ports, &["--web.config.file", &folder.text("web.yml")])?;

    let (first_crt, second_crt) = (folder.text("first.crt"), folder.text("second.crt"));
    let trusting = |authority: &str, more: &[&str]| {
        let options = ["--cacert", authority, "--user", "alice:correct-horse"];
        curl(&daemon, "https", "/metrics", &[&options, more].concat())
    };
    expect(200, &trusting(&first_crt, &[])?)?;
    expect(200, &trusting(&first_crt, &["--tls-max", "1.2"])?)?;
    for path in ["/", "/metrics", "/healthz", "/readyz", "/api/v1/alerts"] {
        expect(401, &curl(&daemon, "https", path, &["--cacert", &first_crt])?)?;
        let wrong = ["--cacert", &first_crt, "--user", "alice:guess"];
        expect(401, &curl(&daemon, "https", path, &wrong)?)?;
    }
    ensure!(
        trusting(&second_crt, &[])?.0 == UNTRUSTED,
        "the daemon has a certificate of the first authority"
    );
    let plain = curl(&daemon, "http", "/metrics", &[])?;
    ensure!(plain.1.contains("this port speaks https"), "{plain:?}");

    // Whoever says nothing takes no place from others.
    let silent = (0..MANY).map(|_| TcpStream::connect(daemon.web())).collect::<Result<Vec<_>, _>>()?;
    expect(200, &trusting(&first_crt, &[])?)?;
    drop(silent);

    // A broken certificate changes nothing, a good one holds from the next connection on.
    folder.write("server.crt", "not a certificate\n")?;
    deadline::until("the daemon to refuse the broken certificate", || {
        expect(200, &trusting(&first_crt, &[])?)?;
        Ok(daemon.log().contains("is refused").then_some(()))
    })?;
    folder.certificate("server", "127.0.0.1", &second)?;
    deadline::until("the new certificate", || Ok((trusting(&second_crt, &[])?.0 == 0).then_some(())))?;
    ensure!(trusting(&first_crt, &[])?.0 == UNTRUSTED, "the old certificate is gone");

    // From here on only the scraper may shake hands, in TLS 1.3.
    file(
        "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: second.crt\n  \
         client_allowed_sans: [scraper.example]\n  min_version: TLS13\n",
    )?;
    deadline::until("the daemon to ask for certificates", || {
        Ok((trusting(&second_crt, &[])?.0 != 0).then_some(()))
    })?;
    let (crt, key) = (folder.text("scraper.crt"), folder.text("scraper.key"));
    let scraper = ["--cert", crt.as_str(), "--key", &key];
    let answer = trusting(&second_crt, &scraper)?;
    expect(200, &answer)?;
    let metrics = Metrics::parse(answer.1.trim_end_matches(" 200"))?;
    ensure!(
        trusting(&second_crt, &[&scraper[..], &["--tls-max", "1.2"]].concat())?.0 != 0,
        "TLS 1.2 is too old"
    );
    let (other, other_key) = (folder.text("other.crt"), folder.text("other.key"));
    let other = trusting(&second_crt, &["--cert", &other, "--key", &other_key])?;
    ensure!(other.0 != 0, "another client of the same authority is not the scraper: {other:?}");

    let routes = |user: &[&str]| {
        let mut command = Command::new(daemon::binary());
        let url = format!("https://{}", daemon.web());
        command.args(["routes", "--url", &url, "--ca-file", &second_crt]);
        command.args(["--cert-file", &crt, "--key-file", &key]).args(user);
        command.output().context("run rollcall routes")
    };
    folder.write("password", "correct-horse\n")?;
    let printed = routes(&["--user", "alice", "--password-file", &folder.text("password")])?;
    ensure!(printed.status.success() && printed.stdout.starts_with(b"ROUTE"), "{printed:?}");
    let refused = routes(&[])?;
    let said = String::from_utf8_lossy(&refused.stderr);
    ensure!(refused.status.code() == Some(1) && said.contains("it asks for --user"), "{said}");

    ensure!(!daemon.log().contains("correct-horse"), "no password is logged:\n{}", daemon.log());
    daemon.stop_now(metrics)?;
    Ok(())
}

#[test]
fn with_tls_the_names_of_the_certificate_are_its_own_too() -> Result<()> {
    let folder = Folder::new()?;
    let authority = folder.authority("authority")?;
    folder.certificate("server", "*.api.example", &authority)?;
    folder.write("web.yml", "tls_server_config: {cert_file: server.crt, key_file: server.key}\n")?;
    let server = MiniServer::start()?;
    let arguments = ["--web.config.file", &folder.text("web.yml"), "--web.allowed-host", "monitor.example"];
    let daemon = Daemon::start(&[server.port()], &arguments)?;
    // Somebody who has been told to take any certificate.
    let asked = |host: &str| curl(&daemon, "https", "/metrics", &["--insecure", "--header", host]);
    for host in ["node1.api.example:9847", "NODE2.API.example", "monitor.example", "127.0.0.1", "localhost"] {
        expect(200, &asked(&format!("Host: {host}"))?)?;
    }
    for host in
        ["evil.example", "api.example", "a.b.api.example", "*.api.example", "node1.api.example.evil.example"]
    {
        expect(421, &asked(&format!("Host: {host}"))?)?;
    }
    let answer = asked("Host: localhost")?;
    daemon.stop_now(Metrics::parse(answer.1.trim_end_matches(" 200"))?)?;
    Ok(())
}

#[test]
fn the_example_in_the_documentation_is_in_order() -> Result<()> {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/web.md"))?;
    let example = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next());
    let example = example.context("docs/web.md has an example in YAML")?;
    let folder = Folder::new()?;
    let authority = folder.authority("prometheus-ca")?;
    folder.certificate("rollcall", "127.0.0.1", &authority)?;
    folder.certificate("prometheus", "prometheus.example", &authority)?;
    folder.write("web.yml", example)?;
    let server = MiniServer::start()?;
    let ports = [server.address().port()];
    let daemon = Daemon::start(&ports, &["--web.config.file", &folder.text("web.yml")])?;
    let (authority, crt, key) =
        (folder.text("prometheus-ca.crt"), folder.text("prometheus.crt"), folder.text("prometheus.key"));
    let user = ["--cacert", &authority, "--cert", &crt, "--key", &key, "--user", "prometheus:rollcall"];
    let answer = curl(&daemon, "https", "/metrics", &user)?;
    expect(200, &answer)?;
    daemon.stop_now(Metrics::parse(answer.1.trim_end_matches(" 200"))?)?;
    Ok(())
}
