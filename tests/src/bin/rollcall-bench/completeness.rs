//! Whether the daemon reports every request, and what of CPU time and memory it takes for that.

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};
use rollcall_tests::{
    Daemon, Metrics, deadline, metrics,
    process::{self, Memory},
};

use crate::{
    interrupt, paced,
    report::{Figure, Section, mebibytes, rate},
    stage::{Network, Stage},
    summary::Summary,
    wrk::Wrk,
};

/// One value's time.
const SLICE: Duration = Duration::from_secs(1);
const PACE: u32 = 5_000;
/// The daemon comes by every few milliseconds; one that has reported nothing for so long has nothing to report.
const SETTLED: Duration = Duration::from_secs(2);
const MEMORY: u64 = 50 << 20;

pub(crate) fn measure(time: Duration) -> Result<Section> {
    let saturated = run(time, |server| Wrk::start(server, time)?.finish())?;
    let paced = run(time, |server| paced::run(server, PACE, time))?;
    let mut figures = Vec::new();
    for (name, goal, run) in [("full speed", 1.5, &saturated), ("5,000/s", 4.0, &paced)] {
        figures.extend(run.figures(name, goal)?);
    }
    let method = format!(
        "The daemon with its default flags and `--port`; nginx and 64 keep-alive connections for {} s, first wrk at full speed, \
         then a client that sends 5,000 requests/s in steps of a millisecond. Requests served are nginx's own count; exchanges \
         are the daemon's `rollcall_exchanges_total` once it stands still. CPU time is that of all of the daemon's threads.",
        time.as_secs()
    );
    let notes = vec![
        "A client's count may be smaller than nginx's by the answers that were under way when it stopped."
            .to_owned(),
    ];
    Ok(Section { tables: Vec::new(), title: "Completeness, CPU time and memory", method, figures, notes })
}

/// What one run has shown.
struct Run {
    served: u64,
    answered: u64,
    metrics: Metrics,
    memory: Memory,
    /// The daemon's CPU time from the first request until it was at rest again.
    cpu: Duration,
    /// The same, in microseconds a request, second by second.
    slices: Vec<f64>,
    rates: Vec<f64>,
}

fn run(time: Duration, load: impl FnOnce(SocketAddr) -> Result<u64> + Send) -> Result<Run> {
    let mut stage = Stage::new(Network::loopback())?;
    let server = stage.plain();
    let daemon = Daemon::by_default(&[server.port()])?;
    let (first, mut start) = stage.status.requests()?;
    let begin = process::cpu(daemon.pid())?;
    let (mut slices, mut rates) = (Vec::new(), Vec::new());
    let answered = thread::scope(|scope| -> Result<u64> {
        let end = Instant::now() + time;
        let client = scope.spawn(|| load(server));
        let (mut before, mut requests) = (begin, first);
        while Instant::now() + SLICE <= end {
            interrupt::sleep(SLICE)?;
            let (after, (served, now)) = (process::cpu(daemon.pid())?, stage.status.requests()?);
            let count = (served - requests) as f64;
            if count > 0.0 {
                slices.push((after - before).as_secs_f64() * 1e6 / count);
                rates.push(count / (now - start).as_secs_f64());
            }
            (before, requests, start) = (after, served, now);
        }
        client.join().map_err(|_| anyhow!("the client panicked"))?
    })?;
    // The daemon comes to rest by itself. Asking for its metrics, as is done next, takes its time too.
    interrupt::sleep(SETTLED)?;
    let cpu = process::cpu(daemon.pid())? - begin;
    let metrics = settled(&daemon)?;
    let served = stage.status.requests()?.0 - first;
    let memory = process::memory(daemon.pid())?;
    metrics.check_accounting()?;
    daemon.stop_now(metrics.clone())?;
    Ok(Run { served, answered, metrics, memory, cpu, slices, rates })
}

/// The daemon's metrics once nothing more is reported.
pub(crate) fn settled(daemon: &Daemon) -> Result<Metrics> {
    let (mut last, mut since) = (-1.0, Instant::now());
    deadline::within(4 * SETTLED + deadline::patience(), "the daemon to report what it has seen", || {
        let metrics = daemon.metrics()?;
        let count = metrics.sum(EXCHANGES, &[]);
        if count != last {
            (last, since) = (count, Instant::now());
        }
        Ok((since.elapsed() >= SETTLED).then_some(metrics))
    })
}

/// Exchanges that the daemon has reported.
pub(crate) const EXCHANGES: &str = "rollcall_exchanges_total";

impl Run {
    fn figures(&self, name: &str, goal: f64) -> Result<Vec<Figure>> {
        let exchanges = self.metrics.sum(EXCHANGES, &[]) as i64;
        let missing = exchanges - self.served as i64;
        let ring_full = self.metrics.sum(metrics::OUTCOMES, &[(metrics::OUTCOME, "ring_full")]);
        let cpu = self.cpu.as_secs_f64() * 1e6 / self.served.max(1) as f64;
        Ok(vec![
            Figure::spread(format!("{name}: requests/s"), Summary::of(&self.rates)?, rate),
            Figure::exact(format!("{name}: requests served by nginx"), self.served),
            Figure::exact(format!("{name}: answers that the client had"), self.answered),
            Figure::exact(format!("**{name}: exchanges reported − requests served**"), missing)
                .goal("0", missing == 0),
            Figure::exact(format!("**{name}: packets lost to a full ring**"), ring_full)
                .goal("0", ring_full == 0.0),
            Figure::exact(
                format!("{name}: requests that the daemon says it lost"),
                self.metrics.requests_lost(),
            ),
            Figure::exact(format!("**{name}: daemon CPU a request, whole run**"), microseconds(cpu))
                .goal(format!("≤ {goal} µs"), cpu <= goal),
            Figure::spread(
                format!("{name}: daemon CPU a request, by seconds"),
                Summary::of(&self.slices)?,
                microseconds,
            ),
            Figure::exact(format!("{name}: memory at the end"), mebibytes(self.memory.now)),
            Figure::exact(format!("**{name}: most memory**"), mebibytes(self.memory.most))
                .goal("≤ 50 MiB", self.memory.most <= MEMORY),
        ])
    }
}

pub(crate) fn microseconds(value: f64) -> String {
    format!("{value:.2} µs")
}
