//! Real servers and clients: nginx, python's http.server, curl and wrk, on loopback.

use std::{
    collections::HashMap,
    fs,
    net::{SocketAddr, TcpStream},
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use rollcall_tests::{
    Call, Client, Daemon, Metrics, MiniServer, Nginx, Report, bpf,
    client::request,
    daemon::{self, DISTINCT_OBJECTS, OPEN_DOOR, SEQUENTIAL_WALK},
    deadline, port,
    program::{self, Running},
};
use serde_json::Value;

/// wrk's connections.
const CONNECTIONS: usize = 64;
const ALERTS: &str = "rollcall_alerts_total";
const FINDINGS: &str = "rollcall_findings_total";
const ALERTS_OPEN: &str = "rollcall_alerts_open";
const EXCHANGES: &str = "rollcall_exchanges_total";

/// How late an alert may be: a second by contract, and another for a machine that is busy with other tests.
const ALERT_DELAY: Duration = Duration::from_secs(2);

/// Held by tests that take the whole machine, and by those that measure.
static MACHINE: Mutex<()> = Mutex::new(());

fn take_the_machine() -> MutexGuard<'static, ()> {
    // A test that failed has let go of the machine all the same.
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Calls the accounts `range` (curl's `[1-60]`) on one connection.
fn curl(server: SocketAddr, range: &str, options: &[&str]) -> Result<()> {
    let mut command = Command::new(program::find("curl")?);
    command.args(["--silent", "--show-error", "--max-time", "20", "--noproxy", "*", "--output", "/dev/null"]);
    program::run(command.args(options).arg(format!("http://{server}/v1/customers/{range}")))?;
    Ok(())
}

/// wrk at full speed, each request for another account; its command, ready to run.
fn wrk(server: SocketAddr, folder: &tempfile::TempDir, seconds: u32) -> Result<Command> {
    let script = folder.path().join("walk.lua");
    fs::write(
        &script,
        "local n = 0\nfunction request()\n n = n + 1\n return wrk.format('GET', '/v1/customers/' .. n)\nend\n",
    )?;
    let mut command = Command::new(program::find("wrk")?);
    command.args(["--threads", "2", "--connections", &CONNECTIONS.to_string()]);
    command
        .arg("--duration")
        .arg(format!("{seconds}s"))
        .arg("--script")
        .arg(script)
        .arg(format!("http://{server}"));
    Ok(command)
}

/// Runs `load` to its end, and meanwhile reads the metrics again and again: the accounting adds up at any time.
fn scrape_during(daemon: &Daemon, mut load: Command) -> Result<()> {
    let load = thread::spawn(move || program::run(&mut load));
    let mut scrapes = 0;
    while !load.is_finished() {
        daemon.metrics()?.check_accounting().with_context(|| format!("scrape {scrapes} under load"))?;
        scrapes += 1;
        thread::sleep(Duration::from_millis(20));
    }
    load.join().map_err(|_| anyhow::anyhow!("the thread of wrk panicked"))??;
    ensure!(scrapes >= 10, "only {scrapes} scrapes under load");
    Ok(())
}

/// Fails unless `reported` is `served`, but for what wrk leaves undone when its time is over: it closes each
/// connection amid a call, which nginx may then read no more, or whose answer may not leave.
fn compare_but_for_the_last(reported: &[Call], served: &[Call]) -> Result<()> {
    let mut last = HashMap::new();
    for call in reported.iter().chain(served) {
        last.insert(call.port, call.target.clone());
    }
    let settled = |calls: &[Call]| -> Vec<Call> {
        calls.iter().filter(|call| last.get(&call.port) != Some(&call.target)).cloned().collect()
    };
    let (ours, theirs) = (settled(reported), settled(served));
    ensure!(theirs.len() + CONNECTIONS >= served.len(), "more than one unsettled call on some connection");
    rollcall_tests::calls::compare(&ours, &theirs)
}

/// The API gives accounts to whoever asks, without credentials: that is one notice, whatever else there is.
fn expect_one_notice(report: &Report) -> Result<()> {
    let [notice] = report.alerts_of(OPEN_DOOR, "open")[..] else {
        bail!("not one notice: {:?}", report.alerts);
    };
    assert_eq!(notice["severity"], "info");
    assert_eq!(notice["route"], "GET /v1/customers/{id}");
    assert_eq!(notice["client"]["kind"], "peer");
    Ok(())
}

/// Waits until the daemon has worked off what the ring held: its counters stand still at the sum wanted.
fn settle(daemon: &Daemon, what: &str, settled: impl Fn(&Metrics) -> bool) -> Result<Metrics> {
    deadline::until(what, || Ok(Some(daemon.metrics()?).filter(&settled)))
}

#[test]
fn curl_walking_the_accounts_of_nginx_raises_an_alert() -> Result<()> {
    let _machine = take_the_machine();
    let nginx = Nginx::start()?;
    let daemon = Daemon::watching(nginx.port())?;
    let file = daemon.alert_file();
    let watch = thread::spawn(move || {
        deadline::until("the alert", || {
            let lines = fs::read_to_string(&file).unwrap_or_default();
            let complete = lines.rfind('\n').map_or("", |end| &lines[..end]);
            Ok(complete.lines().any(|line| line.contains(DISTINCT_OBJECTS)).then(SystemTime::now))
        })
    });
    curl(nginx.address(), "[1-60]", &[])?;
    let arrival = watch.join().map_err(|_| anyhow::anyhow!("the watching thread panicked"))??;
    let served = nginx.wait_for(60)?;
    let metrics =
        settle(&daemon, "60 exchanges in the metrics", |metrics| metrics.sum(EXCHANGES, &[]) >= 60.0)?;
    assert_eq!(metrics.sum(EXCHANGES, &[]), 60.0);
    // It is a walk, whoever does it. Nobody had to say who they are, which is worth a notice of its own.
    for rule in [DISTINCT_OBJECTS, SEQUENTIAL_WALK, OPEN_DOOR] {
        assert_eq!(metrics.sum(FINDINGS, &[("rule", rule)]), 1.0, "{rule}");
    }
    assert_eq!(metrics.sum(ALERTS, &[]), 2.0, "the walk, and the open door");
    assert_eq!(metrics.sum(ALERTS_OPEN, &[]), 2.0);
    assert_eq!(metrics.segments_lost() + metrics.requests_lost(), 0.0);

    let report = daemon.stop()?;
    report.expect_exactly(nginx.port(), &served)?;
    let open = report.alerts_of(DISTINCT_OBJECTS, "open");
    assert_eq!(open.len(), 1, "{:?}", report.alerts);
    let alert = open[0];
    assert_eq!(alert["client"]["kind"], "peer");
    assert_eq!(alert["client"]["id"], "127.0.0.1");
    assert_eq!(alert["route"], "GET /v1/customers/{id}");
    let distinct = alert["distinct"].as_u64().context("no distinct")?;
    let limit = alert["limit"].as_u64().context("no limit")?;
    ensure!(distinct > limit, "{distinct} distinct accounts at a limit of {limit}: {alert}");
    // The n-th call of the walk is the one that touched the n-th account.
    let cause =
        report.exchanges.get(usize::try_from(distinct)? - 1).context("fewer exchanges than accounts")?;
    let delay = arrival.duration_since(at(cause)?).unwrap_or_default();
    ensure!(delay <= ALERT_DELAY, "the alert came {delay:?} after the request that caused it: {alert}");
    expect_one_notice(&report)
}

#[test]
fn a_client_below_the_limits_raises_none() -> Result<()> {
    let nginx = Nginx::start()?;
    let daemon = Daemon::watching(nginx.port())?;
    for _ in 0..20 {
        curl(nginx.address(), "[1-15]", &[])?;
    }
    let served = nginx.wait_for(300)?;
    let report = daemon.stop()?;
    report.expect_exactly(nginx.port(), &served)?;
    assert_eq!(report.alerts.len(), 1, "{:?}", report.alerts);
    expect_one_notice(&report)
}

/// Fails unless every call `served` was reported or counted as lost, and whatever was reported was served.
fn expect_accounted(report: &Report, port: u16, served: &[Call], lost: f64) -> Result<()> {
    let reported = report.calls(port)?;
    eprintln!("{} served, {} reported, {lost} counted as lost", served.len(), reported.len());
    ensure!(
        (reported.len() as f64 + lost - served.len() as f64).abs() <= CONNECTIONS as f64,
        "{} served, but {} reported and {lost} counted as lost; {}",
        served.len(),
        reported.len(),
        report.metrics.summary()
    );
    // What is reported was served; an answer may have been lost, then its status is not known.
    let key = |call: &Call| (call.port, call.method.clone(), call.target.clone());
    let mut known: HashMap<_, Vec<Option<u16>>> = HashMap::new();
    for call in served {
        known.entry(key(call)).or_default().push(call.status);
    }
    let mut unknown = 0;
    for call in &reported {
        match known.get(&key(call)) {
            None => unknown += 1,
            Some(statuses) => {
                ensure!(call.status.is_none() || statuses.contains(&call.status), "never served: {call:?}")
            }
        }
    }
    ensure!(unknown <= CONNECTIONS, "{unknown} reported calls were never served");
    Ok(())
}

#[test]
fn wrk_at_full_speed_is_reported_call_by_call() -> Result<()> {
    let _machine = take_the_machine();
    let nginx = Nginx::start()?;
    // Room for all that wrk sends, however long other tests keep the daemon from running.
    let daemon = Daemon::start(&[nginx.port()], &["--ring-size", "256MiB"])?;
    let folder = tempfile::tempdir()?;
    scrape_during(&daemon, wrk(nginx.address(), &folder, 3)?)?;
    let port = nginx.port();
    let served = nginx.finish()?;
    ensure!(served.len() > 1000, "wrk made only {} calls", served.len());
    let report = daemon.stop()?;
    let metrics = &report.metrics;
    if metrics.segments_lost() == 0.0 {
        assert_eq!(metrics.requests_lost(), 0.0);
        return compare_but_for_the_last(&report.calls(port)?, &served).with_context(|| metrics.summary());
    }
    // The kernel refuses a record, room or not, if the ring's lock is not free within a quarter of a second: its
    // holder's CPU stood still, as a virtual one may. That is rare, and counted like any loss.
    ensure!(metrics.segments_lost() <= 4.0, "{}", metrics.summary());
    expect_accounted(&report, port, &served, metrics.requests_lost())
}

#[test]
fn every_request_that_a_tiny_ring_loses_is_counted() -> Result<()> {
    let _machine = take_the_machine();
    let nginx = Nginx::start()?;
    let daemon = Daemon::start(&[nginx.port()], &["--ring-size", "64KiB"])?;
    let folder = tempfile::tempdir()?;
    scrape_during(&daemon, wrk(nginx.address(), &folder, 3)?)?;
    let port = nginx.port();
    let served = nginx.finish()?;
    let accounted = |metrics: &Metrics| metrics.sum(EXCHANGES, &[]) + metrics.requests_lost();
    let slack = CONNECTIONS as f64;
    let total = served.len() as f64;
    let settled = deadline::within(Duration::from_secs(5), "the accounts to add up", || {
        Ok(Some(daemon.metrics()?).filter(|metrics| (accounted(metrics) - total).abs() <= slack))
    });
    let metrics = match settled {
        Ok(metrics) => metrics,
        Err(_) => daemon.metrics()?,
    };
    let report = daemon.stop()?;
    let lost = metrics.requests_lost();
    ensure!(lost > 0.0, "the ring was not overloaded: nothing is shown");
    expect_accounted(&report, port, &served, lost)
}

#[test]
fn a_stop_drains_what_was_captured() -> Result<()> {
    let nginx = Nginx::start()?;
    let daemon = Daemon::watching(nginx.port())?;
    let metrics = daemon.metrics()?;
    let mut client = Client::connect(nginx.address())?;
    // However busy the machine is, the daemon gets to see none of it before it is told to stop.
    daemon.signal(Signal::SIGSTOP)?;
    // Some answers whose start is collected…
    for id in 0..3 {
        client.get(&format!("/v1/customers/{id}"))?;
    }
    // …and then many that are captured whole, as the requests share a packet, and the answers to each come to less than the
    // programs capture on that suspicion; together they come to less than waits on one connection for an answer whose start is
    // collected on another CPU.
    for batch in 0..20 {
        client.send(
            (0..25).flat_map(|id| request("GET", &format!("/v1/customers/{batch}-{id}"))).collect::<Vec<_>>(),
        )?;
        for _ in 0..25 {
            client.response()?;
        }
    }
    daemon.signal(Signal::SIGCONT)?;
    let report = daemon.stop_now(metrics)?;
    drop(client);
    let port = nginx.port();
    report.expect_exactly(port, &nginx.finish()?)
}

#[test]
fn uploads_by_curl_are_one_call_each() -> Result<()> {
    let nginx = Nginx::start()?;
    let daemon = Daemon::watching(nginx.port())?;
    let folder = tempfile::tempdir()?;
    let fake = request("GET", "/v1/customers/666");
    for (name, size) in [("small", 300), ("large", 2 << 20)] {
        let file = folder.path().join(name);
        fs::write(&file, fake.repeat(size / fake.len()))?;
        let data = format!("@{}", file.display());
        // curl asks for 100-continue before large bodies.
        curl(nginx.address(), "[1-3]", &["--data-binary", &data])?;
        curl(nginx.address(), "[1-3]", &["--data-binary", &data, "--header", "Transfer-Encoding: chunked"])?;
    }
    curl(nginx.address(), "[4-9]", &["--head"])?;
    let served = nginx.wait_for(18)?;
    let report = daemon.stop()?;
    report.expect_exactly(nginx.port(), &served)
}

#[test]
fn pythons_server_is_seen() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let files = folder.path().join("v1/customers");
    fs::create_dir_all(&files)?;
    for id in (2..=10).step_by(2) {
        fs::write(files.join(id.to_string()), "x".repeat(id * 10_000))?;
    }
    let port = port::free()?;
    let mut command = Command::new(program::find("python3")?);
    command.args(["-u", "-m", "http.server", "--bind", "127.0.0.1", &port.to_string(), "--directory"]);
    command.arg(folder.path());
    let mut python = Running::start(command, &folder.path().join("python.log"))?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    deadline::until("python to listen", || {
        ensure!(python.ended()?.is_none(), "python ended: {}", python.output());
        Ok(TcpStream::connect(address).is_ok().then_some(()))
    })?;
    let daemon = Daemon::watching(port)?;
    curl(address, "[1-10]", &[])?;
    let report = daemon.stop()?;
    let mut seen: Vec<_> = report.calls(port)?.into_iter().map(|call| (call.target, call.status)).collect();
    // Each call has a connection of its own, and calls are logged as they end.
    seen.sort();
    let mut expected: Vec<_> = (1..=10)
        .map(|id| (format!("/v1/customers/{id}"), Some(if id % 2 == 0 { 200 } else { 404 })))
        .collect();
    expected.sort();
    assert_eq!(seen, expected, "{}", report.log);
    let lines = python.output().matches("\"GET /v1/customers/").count();
    assert_eq!(lines, 10, "{}", python.output());
    Ok(())
}

#[test]
fn behind_a_proxy_the_forwarded_client_counts() -> Result<()> {
    let backend = MiniServer::start()?;
    let nginx = Nginx::in_front_of(backend.address())?;
    let daemon = Daemon::start(&[nginx.port(), backend.port()], &[])?;
    curl(nginx.address(), "[1-40]", &["--header", "X-Forwarded-For: 203.0.113.7"])?;
    let (front, back) = (nginx.wait_for(40)?, backend.wait_for(40)?);
    daemon.wait_for_alert(DISTINCT_OBJECTS)?;
    let report = daemon.stop()?;
    report.expect_exactly(nginx.port(), &front)?;
    report.expect_exactly(backend.port(), &back)?;
    let open = report.alerts_of(DISTINCT_OBJECTS, "open");
    assert_eq!(open.len(), 1, "{:?}", report.alerts);
    assert_eq!(open[0]["client"]["kind"], "forwarded");
    assert_eq!(open[0]["client"]["id"], "203.0.113.7");
    Ok(())
}

#[test]
fn two_daemons_see_the_same() -> Result<()> {
    let nginx = Nginx::start()?;
    let first = Daemon::watching(nginx.port())?;
    let second = Daemon::watching(nginx.port())?;
    curl(nginx.address(), "[1-10]", &[])?;
    let (third, first) = (Daemon::watching(nginx.port())?, first.stop()?);
    curl(nginx.address(), "[11-20]", &[])?;
    let served = nginx.wait_for(20)?;
    first.expect_exactly(nginx.port(), &served[..10])?;
    second.stop()?.expect_exactly(nginx.port(), &served)?;
    third.stop()?.expect_exactly(nginx.port(), &served[10..])
}

#[test]
fn a_killed_daemon_leaves_no_program_behind() -> Result<()> {
    let nginx = Nginx::start()?;
    let daemon = Daemon::watching(nginx.port())?;
    let held = bpf::held_by(daemon.pid())?;
    let ours: Vec<_> = bpf::ours()?.into_iter().filter(|program| held.contains(&program.id)).collect();
    ensure!(ours.len() >= 2, "the daemon holds the programs {held:?}, of which ours are {ours:?}");
    for (hook, ids) in ["ingress", "egress"].into_iter().zip(bpf::attached()?) {
        ensure!(ids.iter().any(|id| held.contains(id)), "no program of the daemon's on {hook}: {ids:?}");
    }
    // Under load, so that it is killed at work.
    curl(nginx.address(), "[1-200]", &[])?;
    daemon.kill()?;
    deadline::until("the kernel to let the programs go", || {
        let loaded = bpf::programs()?.iter().any(|program| held.contains(&program.id));
        let attached = bpf::attached()?.iter().flatten().any(|id| held.contains(id));
        Ok((!loaded && !attached).then_some(()))
    })?;
    // And the host works on.
    curl(nginx.address(), "[1-3]", &[])
}

#[test]
fn a_stopped_daemon_leaves_no_program_behind() -> Result<()> {
    let daemon = Daemon::watching(port::free()?)?;
    let held = bpf::held_by(daemon.pid())?;
    daemon.stop()?;
    deadline::until("the kernel to let the programs go", || {
        Ok((!bpf::programs()?.iter().any(|program| held.contains(&program.id))).then_some(()))
    })
}

#[test]
fn an_address_in_use_is_one_clear_line() -> Result<()> {
    let daemon = Daemon::watching(port::free()?)?;
    let folder = tempfile::tempdir()?;
    let mut command = Command::new(daemon::binary());
    command
        .args(["run", "--web.listen-address", &daemon.web().to_string(), "--state-dir"])
        .arg(folder.path().join("state"));
    let mut second = Running::start(command, &folder.path().join("log"))?;
    let status = deadline::until("the second daemon to give up", || second.ended())?;
    let output = second.output();
    assert_eq!(status.code(), Some(6), "{output}");
    assert_eq!(output.lines().count(), 1, "{output}");
    ensure!(output.contains(&daemon.web().to_string()), "the line does not name the address: {output}");
    daemon.stop()?;
    Ok(())
}

/// When an exchange began: its `at`, RFC 3339 in UTC.
fn at(exchange: &Value) -> Result<SystemTime> {
    let text = exchange["at"].as_str().context("no at")?;
    let number = |range: std::ops::Range<usize>| -> Result<i64> {
        Ok(text.get(range).with_context(|| format!("the time {text:?} is cut"))?.parse()?)
    };
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let seconds = number(11..13)? * 3600 + number(14..16)? * 60 + number(17..19)?;
    let fraction: f64 = format!("0{}", text.get(19..).unwrap_or_default().trim_end_matches('Z')).parse()?;
    // Days from civil, by Howard Hinnant: years begin in March.
    let shifted = if month <= 2 { year - 1 } else { year };
    let era_day = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = 365 * shifted + shifted / 4 - shifted / 100 + shifted / 400 + era_day - 719_468;
    let whole = u64::try_from(days * 86_400 + seconds)?;
    Ok(UNIX_EPOCH + Duration::from_secs(whole) + Duration::from_secs_f64(fraction))
}

#[test]
fn times_are_read_right() -> Result<()> {
    let exchange = serde_json::json!({"at": "2026-02-28T23:59:59.250000Z"});
    // `date -u -d 2026-02-28T23:59:59 +%s`
    assert_eq!(at(&exchange)?, UNIX_EPOCH + Duration::from_millis(1_772_323_199_250));
    Ok(())
}
