//! Receivers of webhooks that are down for a while.

use std::{collections::HashSet, fs, process::Command};

use anyhow::{Context, Result, ensure};
use rcgen::{CertificateParams, KeyPair};
use rollcall_tests::{
    Daemon, MiniServer, Nginx, Receiver,
    daemon::{DISTINCT_OBJECTS, State},
    deadline, port, program,
    receiver::Post,
};
use serde_json::Value;

use super::{LIMIT, enumerate, wait_for_alerts};

const WAITING: &str = "rollcall_outbox_alerts";
const FAILURES: &str = "rollcall_alert_delivery_failures_total";

/// A receiver that nobody should know of but the operator.
const TARGET: &str = "/services/T0/B0/geheim?token=geheim";

/// The line without what stays on the host.
fn sent(mut line: Value) -> Value {
    line["sample_objects"] = Value::Array(Vec::new());
    line
}

/// Fails unless the signature is what docs/delivery.md says that it is, by openssl's reckoning.
fn verify(post: &Post, secret: &str) -> Result<()> {
    let signature = post.headers.get("rollcall-signature").context("no signature")?;
    let (time, code) = signature.split_once(",v1=").with_context(|| signature.clone())?;
    let time = time.strip_prefix("t=").with_context(|| signature.clone())?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("signed");
    fs::write(&file, [time.as_bytes(), b".", &post.body].concat())?;
    let mut openssl = Command::new(program::find("openssl")?);
    let output = program::run(openssl.args(["dgst", "-sha256", "-hmac", secret]).arg(&file))?;
    ensure!(output.trim_end().ends_with(&format!("= {code}")), "{signature}, and openssl says {output}");
    Ok(())
}

#[test]
fn a_receiver_that_was_down_gets_everything_once_and_in_order() -> Result<()> {
    let server = MiniServer::start()?;
    let (state, folder, port) = (State::new()?, tempfile::tempdir()?, port::free()?);
    let (secret, url) = (folder.path().join("secret"), folder.path().join("url"));
    fs::write(&secret, "whsec_test\n")?;
    fs::write(&url, format!("http://127.0.0.1:{port}{TARGET}\n"))?;
    let (secret, url) = (secret.display().to_string(), format!("@{}", url.display()));
    let arguments = [&LIMIT[..], &["--alert.webhook", &url, "--alert.webhook-secret-file", &secret]].concat();

    let daemon = Daemon::start_with(&state, &[server.port()], &arguments)?;
    for number in 0..5 {
        enumerate(server.address(), number)?;
    }
    wait_for_alerts(&daemon, 0..5)?;
    deadline::until("a failure to connect", || {
        Ok((daemon.metrics()?.sum(FAILURES, &[("sink", "webhook-1")]) > 0.0).then_some(()))
    })?;
    let log = daemon.log();
    ensure!(log.contains(&format!("http://127.0.0.1:{port}")) && !log.contains("geheim"), "{log}");
    let before = daemon.kill()?;

    let daemon = Daemon::start_with(&state, &[server.port()], &arguments)?;
    for number in 5..8 {
        enumerate(server.address(), number)?;
    }
    wait_for_alerts(&daemon, 5..8)?;
    let receiver = Receiver::start(port, 500)?;
    let refused = receiver.wait_for(1, 500)?;
    receiver.answer(200);
    deadline::until("nothing to wait", || Ok((daemon.metrics()?.sum(WAITING, &[]) == 0.0).then_some(())))?;
    let report = daemon.stop()?;
    ensure!(!report.log.contains("geheim"), "{}", report.log);
    let posts = receiver.posts(200);
    let received = posts.iter().map(Post::json).collect::<Result<Vec<_>>>()?;
    let expected: Vec<_> = before.into_iter().chain(report.alerts).map(sent).collect();
    assert_eq!(received, expected);
    let name = |post: &Post| post.headers.get("rollcall-delivery").cloned();
    assert_eq!(name(&refused[0]), name(&posts[0]), "the same event has the same name");
    assert_eq!(posts.iter().map(name).collect::<HashSet<_>>().len(), posts.len());
    for post in refused.iter().chain(&posts) {
        assert_eq!(post.target, TARGET);
        verify(post, "whsec_test")?;
    }
    Ok(())
}

#[test]
fn a_receiver_that_refuses_is_not_asked_again() -> Result<()> {
    let server = MiniServer::start()?;
    let receiver = Receiver::start(0, 410)?;
    let url = receiver.url("/gone");
    let daemon = Daemon::start(&[server.port()], &[&LIMIT[..], &["--alert.webhook", &url]].concat())?;
    enumerate(server.address(), 0)?;
    let alerts = wait_for_alerts(&daemon, 0..1)?.len();
    receiver.wait_for(alerts, 410)?;
    deadline::until("nothing to wait", || Ok((daemon.metrics()?.sum(WAITING, &[]) == 0.0).then_some(())))?;
    let refused = [("sink", "webhook-1"), ("outcome", "refused")];
    ensure!(daemon.metrics()?.sum("rollcall_alert_deliveries_total", &refused) >= alerts as f64);
    let report = daemon.stop()?;
    assert_eq!(receiver.posts(410).len(), report.alerts.len());
    Ok(())
}

#[test]
fn slack_gets_a_message() -> Result<()> {
    let server = MiniServer::start()?;
    let receiver = Receiver::start(0, 200)?;
    let url = format!("slack={}", receiver.url(TARGET));
    let daemon = Daemon::start(&[server.port()], &[&LIMIT[..], &["--alert.webhook", &url]].concat())?;
    enumerate(server.address(), 7)?;
    let alerts = wait_for_alerts(&daemon, 7..8)?;
    let posts = receiver.wait_for(alerts.len(), 200)?;
    daemon.stop()?;
    let (line, post) = alerts
        .iter()
        .zip(&posts)
        .find(|(line, _)| line["rule"] == DISTINCT_OBJECTS)
        .context("no alert of distinct objects")?;
    let message = post.json()?;
    let route = format!(":{} GET /v1/customers/{{id}}", server.port());
    let sentence = format!("127.1.0.7 touched 4 different objects of {route} within 10 s; 3 are in order");
    assert_eq!(message["text"], format!("warning: {sentence}"));
    assert_eq!(
        message["attachments"][0]["footer"],
        format!("rollcall {}", line["id"].as_str().unwrap_or(""))
    );
    for object in line["sample_objects"].as_array().context("no objects")? {
        let object = object.as_str().context("no text")?;
        ensure!(!message.to_string().contains(object), "an account has left the host: {message}");
    }
    Ok(())
}

#[test]
fn a_receiver_behind_tls_is_told_only_if_its_certificate_is_good() -> Result<()> {
    let server = MiniServer::start()?;
    let receiver = Receiver::start(0, 200)?;
    let folder = tempfile::tempdir()?;
    let file = |name: &str| folder.path().join(name);
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(["localhost".to_owned()])?.self_signed(&key)?;
    fs::write(file("crt"), certificate.pem())?;
    fs::write(file("key"), key.serialize_pem())?;
    let other = CertificateParams::new(["localhost".to_owned()])?.self_signed(&KeyPair::generate()?)?;
    fs::write(file("other"), other.pem())?;
    let port = port::free()?;
    let _nginx = Nginx::with_locations(&format!(
        "listen 127.0.0.1:{port} ssl; ssl_certificate {}; ssl_certificate_key {}; location / {{ proxy_pass {}; }}",
        file("crt").display(),
        file("key").display(),
        receiver.url(""),
    ))?;
    let url = format!("https://localhost:{port}/hook");
    let arguments = [&LIMIT[..], &["--alert.webhook", &url]].concat();

    let daemon = Daemon::start_trusting(&file("other"), &[server.port()], &arguments)?;
    enumerate(server.address(), 0)?;
    wait_for_alerts(&daemon, 0..1)?;
    deadline::until("a failure to connect", || {
        Ok((daemon.metrics()?.sum(FAILURES, &[("sink", "webhook-1")]) > 0.0).then_some(()))
    })?;
    ensure!(daemon.log().contains("invalid peer certificate"), "{}", daemon.log());
    daemon.stop()?;
    assert_eq!(receiver.posts(200).len(), 0, "alerts went to a stranger");

    let daemon = Daemon::start_trusting(&file("crt"), &[server.port()], &arguments)?;
    enumerate(server.address(), 0)?;
    let alerts = wait_for_alerts(&daemon, 0..1)?;
    receiver.wait_for(alerts.len(), 200)?;
    daemon.stop()?;
    Ok(())
}
