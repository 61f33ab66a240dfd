//! `cargo xtask run --demo`: a small API, a few clients of which one reads the accounts out, and Rollcall, which
//! says so. All of it on loopback, through the real kernel path; nothing is left behind.

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use rollcall_tests::{Client, Daemon, Metrics, MiniServer, Report, daemon::OPEN_DOOR, program};
use serde_json::Value;

/// The pace of the breach that Rollcall was made for: 902,000 accounts a day.
const WALK: Duration = Duration::from_millis(96);
const BROWSE: Duration = Duration::from_millis(250);
const WALKER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 66);
/// The first account that the walker reads.
const FIRST: usize = 1001;

/// How long the demonstration waits for its alert, and how long it watches on once it is there.
const LONGEST: Duration = Duration::from_secs(25);
const AFTERWARDS: Duration = Duration::from_secs(4);
const GLANCE: Duration = Duration::from_millis(20);

/// The fields of an alert, in the order in which it is written.
const FIELDS: [&str; 19] = [
    "v",
    "id",
    "state",
    "severity",
    "rule",
    "at",
    "client",
    "route",
    "window_s",
    "limit",
    "distinct",
    "distinct_error",
    "requests",
    "first_seen",
    "last_seen",
    "addresses",
    "sample_objects",
    "signals",
    "loss",
];

/// Set by Ctrl-C.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

fn main() -> ExitCode {
    match demonstrate() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            println!("\nStopped. Nothing is left behind.");
            ExitCode::from(130)
        }
        Err(error) => {
            eprintln!("rollcall-demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether it came to its end; `false` when it was interrupted.
fn demonstrate() -> Result<bool> {
    program::require_root().context("Rollcall attaches programs to the kernel")?;
    ensure!(
        std::env::var_os("ROLLCALL_BIN").is_some(),
        "ROLLCALL_BIN is not set: run `cargo xtask run --demo`"
    );
    catch_interrupts()?;
    let flags: Vec<String> = std::env::args().skip(1).collect();

    let api = MiniServer::start()?;
    let server = SocketAddrV4::new(Ipv4Addr::LOCALHOST, api.port());
    println!(
        "An API with accounts at http://{server}/v1/customers/{{id}} is up. It knows nothing of Rollcall."
    );
    let daemon = Daemon::start(&[api.port()], &flags.iter().map(String::as_str).collect::<Vec<_>>())?;
    println!(
        "Rollcall watches its port from the kernel, with all defaults. Its metrics: http://{}/metrics\n",
        daemon.web()
    );

    let stop = Arc::new(AtomicBool::new(false));
    let mut clients = Vec::new();
    for (number, name) in ["a shop's backend", "a support desk", "a mobile app"].into_iter().enumerate() {
        let address = Ipv4Addr::new(127, 0, 0, 11 + u8::try_from(number)?);
        println!("  {address}  {name}: reads the same few accounts again and again");
        let own = 10 * (number + 1);
        clients.push(call(&stop, address, server, BROWSE, move |count| own + count % 7));
    }
    println!(
        "  {WALKER}  somebody: reads account {FIRST}, {}, {}, … ten a second, each once\n",
        FIRST + 1,
        FIRST + 2
    );
    clients.push(call(&stop, WALKER, server, WALK, |count| FIRST + count));
    println!("Every call is well-formed and answered with 200. Waiting for Rollcall to notice …");

    let finished = watch(&daemon, &api);
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().map_err(|_| anyhow::anyhow!("a client panicked"))??;
    }
    let finished = finished?;
    let metrics = daemon.metrics()?;
    let report = daemon.stop()?;
    if finished {
        conclude(&api, &metrics, &report)?;
    }
    Ok(finished)
}

/// Shows alerts as they come, until some time after the first about a client.
fn watch(daemon: &Daemon, api: &MiniServer) -> Result<bool> {
    let start = Instant::now();
    let mut end = start + LONGEST;
    let mut shown = 0;
    let mut alerted = false;
    while Instant::now() < end {
        if INTERRUPTED.load(Ordering::Relaxed) {
            return Ok(false);
        }
        for alert in daemon.alerts()?.iter().skip(shown) {
            shown += 1;
            if alert["severity"] == "info" {
                notice(alert, start.elapsed());
                continue;
            }
            show(alert, start.elapsed(), api);
            if !alerted {
                alerted = true;
                end = Instant::now() + AFTERWARDS;
                println!("The walk goes on …");
            }
        }
        thread::sleep(GLANCE);
    }
    ensure!(alerted, "no alert within {LONGEST:?}. The daemon's log:\n{}", daemon.log());
    Ok(true)
}

/// What is worth knowing about the API, whoever calls it: a line will do.
fn notice(alert: &Value, after: Duration) {
    let meaning = match alert["rule"].as_str() {
        Some(OPEN_DOOR) => "it answers with accounts, and nobody had to say who they are",
        _ => "worth a look",
    };
    let (rule, route) = (text(&alert["rule"]), text(&alert["route"]));
    println!("{:.1} s: a notice in passing, {rule} on {route}: {meaning}", after.as_secs_f64());
}

fn show(alert: &Value, after: Duration, api: &MiniServer) {
    let (state, client) = (&alert["state"], &alert["client"]["id"]);
    if state == "open" {
        println!(
            "\nALERT, {:.1} s after the first call, {} calls in:\n",
            after.as_secs_f64(),
            api.served().len()
        );
        for field in FIELDS {
            if let Some(value) = alert.get(field) {
                println!("  {field:<15} {value}");
            }
        }
        println!();
        return;
    }
    println!(
        "{:.1} s: the alert's next line: state {}, client {}, {} accounts so far",
        after.as_secs_f64(),
        text(state),
        text(client),
        alert["distinct"]
    );
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn conclude(api: &MiniServer, metrics: &Metrics, report: &Report) -> Result<()> {
    let served = api.served();
    let reported = report.calls(api.port())?;
    println!("\nThe API served {} calls; Rollcall reported {} of them.", served.len(), reported.len());
    println!("From /metrics:");
    for name in [
        "rollcall_segments_seen_total",
        "rollcall_exchanges_total",
        "rollcall_requests_lost_total",
        "rollcall_alerts_total",
    ] {
        if metrics.has(name) {
            println!("  {name} {}", metrics.sum(name, &[]));
        }
    }
    println!(
        "\nOn a host of yours:\n\
         \n  sudo rollcall check                      what this kernel can do\
         \n  sudo rollcall run                        watch every HTTP port, alerts on stdout\
         \n  sudo rollcall run --port 8080 --alert.file /var/log/rollcall/alerts.jsonl\
         \n  rollcall run --help                      thresholds, routes, outputs\n\
         \nThe daemon is stopped and its programs are detached; nothing is left behind."
    );
    Ok(())
}

/// A client that reads one account after another, on one connection, until it is stopped.
fn call(
    stop: &Arc<AtomicBool>,
    source: Ipv4Addr,
    server: SocketAddrV4,
    pace: Duration,
    account: impl Fn(usize) -> usize + Send + 'static,
) -> JoinHandle<Result<()>> {
    let stop = Arc::clone(stop);
    thread::spawn(move || {
        let mut client = Client::connect_from(source, server)?;
        for count in 0.. {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            client.get(&format!("/v1/customers/{}", account(count)))?;
            thread::sleep(pace);
        }
        Ok(())
    })
}

/// Lets Ctrl-C and SIGTERM end the demonstration in good order.
fn catch_interrupts() -> Result<()> {
    extern "C" fn note(_: i32) {
        INTERRUPTED.store(true, Ordering::Relaxed);
    }
    let action = SigAction::new(SigHandler::Handler(note), SaFlags::SA_RESTART, SigSet::empty());
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        // SAFETY: the handler only stores to an atomic, which is async-signal-safe.
        unsafe { sigaction(signal, &action) }.with_context(|| format!("catch {signal}"))?;
    }
    Ok(())
}
