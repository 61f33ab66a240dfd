//! What hostile traffic costs: each case is something that takes much work for few bytes.
//!
//! It goes by the thread's CPU time, so that it may run beside others.

mod packets;
mod requests;

use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::time::{ClockId, clock_gettime};

use crate::report::{Figure, Section, Table};

/// What 1 Mbit/s may take of a core.
const SHARE: f64 = 0.02;
/// What a request of so many bytes may take.
const LONGEST: Duration = Duration::from_micros(100);
const BYTES: u64 = 16 * 1024;

/// What one case costs.
struct Cost {
    name: &'static str,
    /// What the client sends for a request, or a connection.
    bytes: u64,
    mean: Duration,
    /// One in a hundred takes longer.
    p99: Duration,
    worst: Duration,
}

impl Cost {
    /// Of so many `bytes`, which have taken these `times`.
    fn of(name: &'static str, bytes: u64, mut times: Vec<Duration>) -> Result<Cost> {
        times.sort();
        let worst = *times.last().context("nothing was measured")?;
        let (count, total) = (times.len() as u64, times.iter().sum::<Duration>());
        let p99 = times[(times.len() - 1) * 99 / 100];
        Ok(Cost { name, bytes: bytes / count, mean: total.div_f64(count as f64), p99, worst })
    }

    /// The share of a core that 1 Mbit/s takes.
    fn share(&self) -> f64 {
        self.mean.as_secs_f64() / (self.bytes as f64 * 8.0 / 1e6)
    }

    fn row(&self) -> Vec<String> {
        let micros = |time: Duration| format!("{:.1} µs", time.as_secs_f64() * 1e6);
        let share = format!("{:.2} %", self.share() * 100.0);
        vec![
            self.name.to_owned(),
            self.bytes.to_string(),
            micros(self.mean),
            micros(self.p99),
            micros(self.worst),
            share,
        ]
    }
}

pub(crate) fn measure(filter: Option<&str>) -> Result<Section> {
    let is_chosen = |name: &str| filter.is_none_or(|filter| name.contains(filter));
    let mut requests = requests::costs(&is_chosen)?;
    let mut packets = packets::costs(&is_chosen)?;
    let mut figures = Vec::new();
    let slowest = requests.iter().filter(|cost| cost.bytes <= BYTES).max_by_key(|cost| cost.mean);
    if let Some(slowest) = slowest {
        let value = format!("{:.1} µs: {}", slowest.mean.as_secs_f64() * 1e6, slowest.name);
        let figure = Figure::exact("**request of up to 16 KiB that takes most, on average**", value);
        figures.push(figure.goal("≤ 100 µs", slowest.mean <= LONGEST));
    }
    for (name, costs) in [("requests", &mut requests), ("packets", &mut packets)] {
        costs.sort_by(|a, b| b.share().total_cmp(&a.share()));
        let Some(worst) = costs.first() else { continue };
        let value = format!("{:.2} %: {}", worst.share() * 100.0, worst.name);
        let figure = Figure::exact(format!("**worst {name}: share of a core for 1 Mbit/s**"), value);
        figures.push(figure.goal("≤ 2 %", worst.share() <= SHARE));
    }
    let method = "CPU time of what takes much work for few bytes. Requests are handed to detection: attribution, routes, \
                  objects, rules. Packets are handed to the engine, as the programs would hand them over, for whole \
                  connections; their headers count. Each case runs until tables are as full as they get, and is \
                  measured from then on."
        .to_owned();
    let table = |what, costs: Vec<Cost>| Table {
        columns: vec![what, "bytes", "mean", "99 % take at most", "worst", "1 Mbit/s takes of a core"],
        rows: costs.iter().map(Cost::row).collect(),
    };
    Ok(Section {
        tables: vec![table("a request with", requests), table("a connection with", packets)],
        title: "Hostile traffic",
        method,
        figures,
        notes: vec!["`cargo xtask bench hostile`".to_owned()],
    })
}

/// The calling thread's.
fn cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from).unwrap_or_default()
}
