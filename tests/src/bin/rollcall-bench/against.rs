//! What a request costs the programs and the daemon, compared with the daemon of another commit.
//!
//! A machine's speed drifts by more than what is to be found out, so both daemons take turns of a few seconds, in a new
//! order each round, and only values of the same round are compared. Each turn has a daemon and connections of its own.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, ensure};
use rollcall_capture::Measuring;
use rollcall_tests::{
    Daemon, bpf, daemon, metrics,
    process::{self, Memory},
    random::Random,
};

use crate::{
    completeness::{EXCHANGES, microseconds},
    cost::MEASURING,
    interrupt, paced,
    report::{Figure, Section, mebibytes, nanoseconds, rate, ratio},
    stage::{Network, Stage},
    summary::{Summary, interval},
    wrk::Wrk,
};

/// Names the other commit's daemon.
const BASE: &str = "ROLLCALL_BASE_BIN";
/// What is measured of a turn, and what comes before it: tables and buffers are as large as they get.
const SLICE: Duration = Duration::from_secs(2);
const WARM_UP: Duration = Duration::from_secs(1);
/// What a turn takes besides: start, drain, stop.
const AROUND: Duration = Duration::from_millis(1_500);
/// The daemon comes by every few milliseconds.
const DRAIN: Duration = Duration::from_millis(300);
const PACE: u32 = 5_000;
/// What it may cost more than before.
const GOAL: f64 = 1.03;
const LOADS: [(Load, &str); 2] = [(Load::FullSpeed, "full speed"), (Load::Paced, "5,000/s")];

#[derive(Clone, Copy)]
enum Load {
    FullSpeed,
    Paced,
}

/// One daemon's turn, of which all but the memory is for each request.
struct Turn {
    rate: f64,
    /// Nanoseconds, without what the measuring takes.
    kernel: f64,
    /// Microseconds.
    cpu: f64,
    memory: Memory,
    ring_full: f64,
    missing: f64,
}

/// Something that a turn has a value of, and how that is shown.
type Kind = (&'static str, fn(&Turn) -> f64, fn(f64) -> String);

/// The other commit's turn, and this tree's.
type Round = [Turn; 2];

pub(crate) fn measure(time: Duration, commit: &str) -> Result<Section> {
    let base = std::env::var_os(BASE).map(PathBuf::from).with_context(|| {
        format!("{BASE} is not set: `cargo xtask bench against` builds another commit and names it")
    })?;
    let daemons = [base, daemon::binary()];
    let mut stage = Stage::new(Network::loopback())?;
    let _measuring = Measuring::start()?;
    let count = (time.as_secs_f64() / (4.0 * (SLICE + WARM_UP + AROUND).as_secs_f64())).ceil() as usize;
    let mut rounds: [Vec<Round>; 2] = Default::default();
    let mut random = Random::default();
    for _ in 0..count {
        for ((load, _), rounds) in LOADS.iter().zip(&mut rounds) {
            let mut turn = |of: usize| turn(&mut stage, &daemons[of], *load);
            rounds.push(if random.below(2) == 0 {
                let first = turn(0)?;
                [first, turn(1)?]
            } else {
                let first = turn(1)?;
                [turn(0)?, first]
            });
        }
    }
    let mut figures = Vec::new();
    for ((_, name), rounds) in LOADS.iter().zip(&rounds) {
        figures.extend(compare(name, rounds)?);
    }
    let method = format!(
        "What a request costs the daemon of commit {commit} (before) and that of this tree (now), with default flags and \
         `--port`. They take turns of {} s, in a new order each round, each turn with a new daemon and new connections: nginx \
         and 64 keep-alive connections, wrk at full speed and a client that sends 5,000 requests/s. Kernel is the time of all \
         runs of the programs that the daemon holds (`BPF_ENABLE_STATS`), without what measuring adds; CPU is that of the \
         daemon's threads. Ratios are taken within a round.",
        SLICE.as_secs()
    );
    let lost = |of: usize| {
        let turns = || rounds.iter().flatten().map(|round| &round[of]);
        let (ring_full, missing) =
            turns().fold((0.0, 0.0), |sum, turn| (sum.0 + turn.ring_full, sum.1 + turn.missing));
        format!("{ring_full} packets lost to a full ring, {missing} requests served and not reported")
    };
    let notes = vec![
        format!("{count} rounds of each load. `cargo xtask bench against --commit {commit}`"),
        format!("Before: {}. Now: {}.", lost(0), lost(1)),
        "Memory is that of a daemon a few seconds old.".to_owned(),
    ];
    Ok(Section { tables: Vec::new(), title: "Cost against another commit", method, figures, notes })
}

fn turn(stage: &mut Stage, program: &Path, load: Load) -> Result<Turn> {
    let server = stage.plain();
    let daemon = Daemon::built_as(program, &[server.port()])?;
    let pid = daemon.pid();
    let (first, _) = stage.status.requests()?;
    let (rate, kernel, cpu) = thread::scope(|scope| -> Result<_> {
        let client = scope.spawn(|| ask(server, load, SLICE + 2 * WARM_UP));
        interrupt::sleep(WARM_UP)?;
        let (runs, cpu, (requests, start)) =
            (bpf::runs_of(pid)?, process::cpu(pid)?, stage.status.requests()?);
        interrupt::sleep(SLICE)?;
        let (later, after, (served, stop)) =
            (bpf::runs_of(pid)?, process::cpu(pid)?, stage.status.requests()?);
        let requests = (served - requests) as f64;
        ensure!(requests > 0.0, "nothing was served");
        client.join().map_err(|_| anyhow!("the client panicked"))??;
        let gross = (later.time - runs.time).as_nanos() as f64;
        let net = gross - MEASURING * (later.count - runs.count) as f64;
        let rate = requests / (stop - start).as_secs_f64();
        Ok((rate, net / requests, (after - cpu).as_secs_f64() * 1e6 / requests))
    })?;
    let memory = process::memory(pid)?;
    interrupt::sleep(DRAIN)?;
    let metrics = daemon.metrics()?;
    let served = stage.status.requests()?.0 - first;
    let turn = Turn {
        rate,
        kernel,
        cpu,
        memory,
        ring_full: metrics.sum(metrics::OUTCOMES, &[(metrics::OUTCOME, "ring_full")]),
        missing: served as f64 - metrics.sum(EXCHANGES, &[]),
    };
    daemon.stop_now(metrics)?;
    Ok(turn)
}

fn ask(server: SocketAddr, load: Load, time: Duration) -> Result<u64> {
    match load {
        Load::FullSpeed => Wrk::start(server, time)?.finish(),
        Load::Paced => paced::run(server, PACE, time),
    }
}

fn compare(load: &str, rounds: &[Round]) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let rates = |of: usize| Summary::of(&rounds.iter().map(|round| round[of].rate).collect::<Vec<_>>());
    figures.push(Figure::spread(format!("{load}: requests/s, before"), rates(0)?, rate));
    figures.push(Figure::spread(format!("{load}: requests/s, now"), rates(1)?, rate));
    let kinds: [Kind; 3] = [
        ("kernel a request", |turn| turn.kernel, nanoseconds),
        ("daemon CPU a request", |turn| turn.cpu, microseconds),
        ("most memory", |turn| turn.memory.most as f64, |bytes| mebibytes(bytes as u64)),
    ];
    for (kind, value, shown) in kinds {
        let of = |of: usize| Summary::of(&rounds.iter().map(|round| value(&round[of])).collect::<Vec<_>>());
        figures.push(Figure::spread(format!("{load}: {kind}, before"), of(0)?, shown));
        figures.push(Figure::spread(format!("{load}: {kind}, now"), of(1)?, shown));
        // Each turn has connections and a daemon of its own: rounds are independent.
        let ratios: Vec<f64> = rounds.iter().map(|[before, now]| value(now) / value(before)).collect();
        let groups: Vec<Vec<f64>> = ratios.iter().map(|ratio| vec![*ratio]).collect();
        let summary = Summary::of(&ratios)?;
        let (low, high) = interval(&groups);
        let verdict = match summary.median <= GOAL {
            true if high <= GOAL => "met",
            true => "met, within the noise",
            false if low > GOAL => "**not met**",
            false => "**not met**, within the noise",
        };
        let figure = Figure::spread(format!("**{load}: {kind}, now / before**"), summary, ratio);
        figures.push(figure.interval((low, high), ratio).judged("≤ 1.03", verdict));
    }
    Ok(figures)
}
