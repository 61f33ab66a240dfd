//! The ledger: what it takes to write down every account that one client reads, and to list them.

mod feed;

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use rollcall_store::exposure::{ExposureSettings, FILE};
use rollcall_tests::{daemon, process};

use self::feed::Feed;
use crate::{
    report::{Figure, Section, mebibytes, nanoseconds, percent, rate},
    summary::Summary,
};

/// Accounts that one client reads, when it is not said how many: those of the breach which this is made for.
pub(crate) const ACCOUNTS: u64 = 37_000_000;

/// What they may take, and how long their list.
const SIZE_GOAL: u64 = 1 << 30;
const LIST_GOAL: Duration = Duration::from_secs(60);

/// What the engine's thread may spend on a touch while nothing is suspicious, in nanoseconds.
const RECENT_GOAL: f64 = 100.0;

/// Touches that are timed together.
const TIMED: usize = 10_000;

/// An attack a hundred times as fast as that of the breach.
const FAST: u64 = 1_000;

/// Memory for touches while millions are loaded: blocks come out as they do with less, only sooner.
const LOADING: usize = 256 << 20;

pub(crate) fn measure(accounts: u64, time: Duration) -> Result<Section> {
    let mut figures = engine(time)?;
    let directory = tempfile::tempdir().context("create a directory for the ledger")?;
    let empty = tempfile::tempdir().context("create a directory for a ledger")?;
    figures.push(sustained("at the start", empty.path(), time, 1)?);

    eprintln!("rollcall-bench: reading {accounts} accounts …");
    let mut feed = Feed::start(
        directory.path(),
        ExposureSettings { pending: LOADING, ..ExposureSettings::default() },
        2,
    )?;
    feed.open("GET /v1/customers/{id}", true)?;
    feed.load(accounts, None)?;
    let objects = feed.finish()?;
    let size = fs::metadata(directory.path().join(FILE)).context("look at the ledger")?.len();
    // The goal is about 37 million; with fewer, as much of it as they are.
    let share = accounts as f64 / ACCOUNTS as f64;
    let size_goal = (SIZE_GOAL as f64 * share) as u64;
    figures.push(
        Figure::exact(format!("**size of {objects} accounts in random order**"), mebibytes(size))
            .goal(format!("≤ {}", mebibytes(size_goal)), size <= size_goal),
    );
    figures.push(Figure::exact("of that for each", format!("{:.2} bytes", size as f64 / objects as f64)));
    let listing = list(directory.path(), objects)?;
    let list_goal = LIST_GOAL.mul_f64(share);
    figures.push(
        Figure::exact("**list of them, as CSV**", seconds(listing))
            .goal(format!("≤ {}", seconds(list_goal)), listing <= list_goal),
    );

    figures.push(sustained("with all of these", directory.path(), time, 4)?);
    figures.extend(paced(directory.path(), time)?);
    Ok(Section {
        title: "Ledger",
        method: format!(
            "One client reads {accounts} accounts with numbers of 8 to 10 digits, in random order, at the times of the \
             breach of 2022: 10.4 a second for 41 days. What it reads is handed to the recorder as the engine does, and \
             written as the daemon does, on the disk of this machine. Then `rollcall exposure` lists them. The cost to the \
             engine's thread is that of one touch, among {TIMED} that are timed together. Fast attacks follow on what is there, for {} s \
             each, with the daemon's own bounds.",
            time.as_secs()
        ),
        figures,
        tables: Vec::new(),
        notes: vec![
            "`--objects N` reads fewer; goals shrink with them.".to_owned(),
            "A walk in order takes less of everything: about 3 bytes an account.".to_owned(),
        ],
    })
}

/// What a touch costs the engine's thread.
fn engine(time: Duration) -> Result<Vec<Figure>> {
    let accounts = feed::accounts(TIMED);
    let mut figures = Vec::new();
    for (name, alert, goal) in [
        ("**engine's thread: a touch while no alert is open**", None, Some(RECENT_GOAL)),
        ("engine's thread: while one is open on another route", Some(("GET /v1/orders/{id}", false)), None),
        ("engine's thread: of another client on this route", Some(("GET /v1/customers/{id}", false)), None),
        ("engine's thread: of this client", Some(("GET /v1/customers/{id}", true)), None),
    ] {
        let directory = tempfile::tempdir().context("create a directory for a ledger")?;
        let mut feed = Feed::start(directory.path(), ExposureSettings::default(), 1)?;
        if let Some((route, about_it)) = alert {
            feed.open(route, about_it)?;
        }
        let mut times = Vec::new();
        let end = Instant::now() + time / 4;
        while Instant::now() < end {
            times.push(feed.time(&accounts));
            feed.settle();
        }
        feed.finish()?;
        let summary = Summary::of(&times)?;
        let figure = Figure::spread(name, summary, nanoseconds);
        figures.push(match goal {
            Some(goal) => figure.goal(format!("≤ {}", nanoseconds(goal)), summary.median <= goal),
            None => figure,
        });
    }
    Ok(figures)
}

/// Touches a second that can be written on and on, without one being dropped.
fn sustained(name: &str, directory: &Path, time: Duration, seed: u64) -> Result<Figure> {
    let mut feed = Feed::start(directory, ExposureSettings::default(), seed)?;
    feed.open("GET /v1/customers/{id}", true)?;
    let started = Instant::now();
    let read = feed.load(u64::MAX, Some(time))?;
    feed.finish()?;
    let every = read as f64 / started.elapsed().as_secs_f64();
    Ok(Figure::exact(format!("accounts written down a second, {name}"), rate(every)))
}

/// What an attack takes that is a hundred times as fast as that of the breach.
fn paced(directory: &Path, time: Duration) -> Result<Vec<Figure>> {
    let mut feed = Feed::start(directory, ExposureSettings::default(), 5)?;
    let (started, cpu, written) = (Instant::now(), process::cpu(std::process::id())?, feed::written()?);
    while started.elapsed() < time {
        feed.burst(FAST / 10);
        thread::sleep(Duration::from_millis(100));
    }
    let cpu = process::cpu(std::process::id())? - cpu;
    let written = feed::written()? - written;
    let elapsed = started.elapsed().as_secs_f64();
    feed.finish()?;
    Ok(vec![
        Figure::exact(format!("CPU time at {FAST} more a second"), percent(cpu.as_secs_f64() / elapsed)),
        Figure::exact(
            "written to disk meanwhile",
            format!("{}/s", mebibytes((written as f64 / elapsed) as u64)),
        ),
    ])
}

/// How long the list takes; fails unless it has `objects`.
fn list(directory: &Path, objects: u64) -> Result<Duration> {
    let started = Instant::now();
    let output = Command::new(daemon::binary())
        .args(["exposure", feed::ID, "--state-dir"])
        .arg(directory)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .context("run rollcall exposure")?;
    let elapsed = started.elapsed();
    let summary = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "rollcall exposure ended with {}: {summary}", output.status);
    ensure!(
        summary.ends_with(&format!("\n{objects} different objects\n")),
        "the list is not whole: {summary}"
    );
    Ok(elapsed)
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
