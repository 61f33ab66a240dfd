//! What the programs take of the kernel's time.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rollcall_capture::{Measuring, Runs};

use crate::{
    interrupt,
    monitor::Monitor,
    report::{Figure, Section, nanoseconds, rate},
    stage::{Network, Stage},
    summary::Summary,
    wrk::Wrk,
};

/// What the measuring itself adds to a run: an empty program takes 37 ns by it, and 2 ns without (design, section 4).
pub(crate) const MEASURING: f64 = 35.0;
const GOAL: f64 = 550.0;
/// One value's time.
const SLICE: Duration = Duration::from_secs(1);
const WARM_UP: Duration = Duration::from_millis(500);

pub(crate) fn measure(time: Duration) -> Result<Section> {
    let mut stage = Stage::new(Network::loopback())?;
    let mut monitor = Monitor::whole(&[stage.plain().port()])?;
    monitor.attach()?;
    let _wrk = Wrk::start(stage.plain(), 2 * time + Duration::from_secs(60))?;
    interrupt::sleep(WARM_UP)?;
    let _measuring = Measuring::start()?;
    let mut slices = Vec::new();
    let end = Instant::now() + time;
    while Instant::now() < end {
        let (runs, (requests, start)) = (monitor.runs()?, stage.status.requests()?);
        interrupt::sleep(SLICE)?;
        let (later, (served, stop)) = (monitor.runs()?, stage.status.requests()?);
        let requests = (served - requests) as f64;
        ensure!(requests > 0.0, "nothing was served");
        let [ingress, egress] = [0, 1].map(|hook| per_request(runs[hook], later[hook], requests));
        slices.push(Slice { rate: requests / (stop - start).as_secs_f64(), ingress, egress });
    }
    let summary = |value: fn(&Slice) -> f64| Summary::of(&slices.iter().map(value).collect::<Vec<_>>());
    let net = summary(|slice| slice.ingress.net() + slice.egress.net())?;
    let figures = vec![
        Figure::spread("**both directions, net**", net, nanoseconds).goal("≤ 550 ns", net.median <= GOAL),
        Figure::spread(
            "both directions, gross",
            summary(|slice| slice.ingress.time + slice.egress.time)?,
            nanoseconds,
        ),
        Figure::spread("ingress, net", summary(|slice| slice.ingress.net())?, nanoseconds),
        Figure::spread("egress, net", summary(|slice| slice.egress.net())?, nanoseconds),
        Figure::spread("runs, ingress", summary(|slice| slice.ingress.runs)?, runs_each),
        Figure::spread("runs, egress", summary(|slice| slice.egress.runs)?, runs_each),
        Figure::spread("requests/s meanwhile", summary(|slice| slice.rate)?, rate),
    ];
    let notes = vec![format!(
        "Packets lost to a full ring: {}. Everything that passes the hooks on this host counts, the client's packets too.",
        monitor.ring_full()
    )];
    monitor.finish()?;
    let method = "For each request that nginx serves at full speed on loopback (as above), the time of all runs of both \
                  programs, as the kernel measures it (`BPF_ENABLE_STATS`), in slices of a second. Net is without the \
                  35 ns that this adds to each run."
        .to_owned();
    Ok(Section { tables: Vec::new(), title: "Cost in the kernel, per request", method, figures, notes })
}

/// One hook's share, per request.
struct Cost {
    runs: f64,
    /// Nanoseconds.
    time: f64,
}

struct Slice {
    rate: f64,
    ingress: Cost,
    egress: Cost,
}

impl Cost {
    fn net(&self) -> f64 {
        self.time - MEASURING * self.runs
    }
}

fn per_request(before: Runs, after: Runs, requests: f64) -> Cost {
    let time = (after.time - before.time).as_nanos() as f64;
    Cost { runs: (after.count - before.count) as f64 / requests, time: time / requests }
}

fn runs_each(value: f64) -> String {
    format!("{value:.2}")
}
