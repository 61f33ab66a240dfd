//! Checkpoints: for how long the engine's thread stands still, how large they are, and how long a start takes longer.

use std::{
    hint::black_box,
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use rollcall::{
    engine::detection::{Detection, Settings},
    hash::HashKey,
    replay::access_log::Call,
    time::Timestamp,
};
use rollcall_tests::random::Random;

use crate::{
    report::{Figure, Section, mebibytes},
    summary::Summary,
};

/// Tables are keyed; with a fixed key, figures can be had again.
const KEY: [u8; 16] = [7; 16];

/// Calls come so far apart.
const STEP: Duration = Duration::from_millis(5);

/// A host of which much is known.
struct Host {
    name: &'static str,
    clients: u64,
    calls: u64,
    /// Clients over a limit.
    walkers: u64,
}

const HOSTS: [Host; 2] = [
    Host { name: "a small host", clients: 200, calls: 20_000, walkers: 1 },
    Host { name: "full tables", clients: 400_000, calls: 2_000_000, walkers: 1_500 },
];

pub(crate) fn measure(time: Duration) -> Result<Section> {
    let mut figures = Vec::new();
    for host in HOSTS {
        let detection = host.observed();
        let counters = detection.counters().detector.tally;
        eprintln!("{counters:?}");
        let (mut copy, mut seal, mut restore) = (Vec::new(), Vec::new(), Vec::new());
        let end = Instant::now() + time;
        let mut written = Vec::new();
        while Instant::now() < end {
            let started = cpu();
            let draft = detection.checkpoint()?;
            copy.push(milliseconds(started));
            let started = cpu();
            let mut body = Vec::new();
            draft.write(&mut body)?;
            seal.push(milliseconds(started));
            let started = cpu();
            black_box(
                Detection::restore(Settings::default(), HashKey::new(KEY), &body, Timestamp::now())
                    .context("restore")?,
            );
            restore.push(milliseconds(started));
            written = body;
        }
        let name = host.name;
        figures.push(Figure::exact(format!("{name}: size"), mebibytes(written.len() as u64)));
        figures.push(Figure::spread(format!("**{name}: engine**"), Summary::of(&copy)?, shown));
        figures.push(Figure::spread(format!("{name}: seal"), Summary::of(&seal)?, shown));
        figures.push(Figure::spread(format!("{name}: restore"), Summary::of(&restore)?, shown));
    }
    Ok(Section {
        title: "Checkpoints",
        method: String::new(),
        figures,
        tables: Vec::new(),
        notes: Vec::new(),
    })
}

fn milliseconds(started: Duration) -> f64 {
    (cpu() - started).as_secs_f64() * 1_000.0
}

fn cpu() -> Duration {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID)
        .map(Duration::from)
        .unwrap_or_default()
}

fn shown(milliseconds: f64) -> String {
    format!("{milliseconds:.1} ms")
}

impl Host {
    /// What detection knows after its calls.
    fn observed(&self) -> Detection {
        let mut detection = Detection::new(Settings::default(), HashKey::new(KEY));
        let mut random = Random::seeded(5);
        let mut alerts = Vec::new();
        for n in 0..self.calls {
            let is_walk = n % 8 == 0;
            let client: u64 = if is_walk { n / 8 % self.walkers } else { random.between(0, self.clients) };
            let account = if is_walk {
                client * 10_000 + n / 8 / self.walkers
            } else {
                client * 3 + random.between(0, 3)
            };
            let address = Ipv4Addr::from_bits(0x0a00_0000 + client as u32).into();
            let target = format!("/v1/{}/{account}", ROUTES[(n % 4) as usize]);
            let at = Timestamp(1_700_000_000_000_000_000) + STEP * n as u32;
            let mut call = Call::new(at, address, b"GET", target.as_bytes());
            call.header(b"Authorization", format!("Bearer token-{client}").as_bytes());
            (call.status, call.response_bytes) = (Some(200), 900);
            let exchange = call.exchange();
            detection.call(&exchange, &mut alerts);
            detection.complete(&exchange, &mut alerts);
            if n % 1_000 == 0 {
                detection.tick(at, &mut alerts);
            }
            alerts.clear();
        }
        detection
    }
}

const ROUTES: [&str; 4] = ["customers", "orders", "invoices", "contracts"];
