//! Checkpoints: for how long the engine's thread stands still, how large they are, and what a start takes longer.

use std::{
    fs::File,
    hint::black_box,
    io::BufWriter,
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use nix::time::{ClockId, clock_gettime};
use rollcall_engine::detection::{Detection, Settings};
use rollcall_model::{hash::HashKey, time::Timestamp};
use rollcall_replay::access_log::Call;
use rollcall_tests::random::Random;

use crate::{
    memory,
    report::{Figure, Section, mebibytes},
    summary::Summary,
};

/// Tables are keyed; with a fixed key, figures can be had again.
const KEY: [u8; 16] = [7; 16];

/// When the first call came, and how far calls are apart.
const START: Timestamp = Timestamp(1_700_000_000_000_000_000);
const STEP: Duration = Duration::from_millis(5);

/// The ring by default holds what comes in so many milliseconds at 100,000 requests/s.
const GOAL: f64 = 100.0;

/// A host of which much is known.
struct Host {
    name: &'static str,
    clients: u64,
    calls: u64,
    /// Clients that read one account after the other.
    walkers: u64,
}

const HOSTS: [Host; 2] = [
    Host { name: "a small host", clients: 200, calls: 20_000, walkers: 1 },
    Host { name: "full tables", clients: 400_000, calls: 2_000_000, walkers: 1_500 },
];

pub(crate) fn measure(time: Duration) -> Result<Section> {
    let mut figures = Vec::new();
    for host in HOSTS {
        figures.extend(host.figures(time)?);
    }
    Ok(Section {
        title: "Checkpoints",
        method: format!(
            "What detection knows with its default settings, by `Detection::checkpoint` and `Detection::restore` for {} s each: \
             on a host where 200 clients read three accounts each and one walks, and with every table full. Copying is all \
             that the engine's thread does, as CPU time; packets wait in the ring meanwhile. Writing is done by another \
             thread, which nobody waits for: sealing, writing and fsync. Memory is the allocator's own account.",
            time.as_secs()
        ),
        figures,
        tables: Vec::new(),
        notes: vec![
            "Once a minute, if anything has happened. At 100,000 requests/s the ring takes in what comes within some 160 ms."
                .to_owned(),
        ],
    })
}

fn cpu() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).context("ask for the CPU time")?.into())
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

fn shown(milliseconds: f64) -> String {
    format!("{milliseconds:.1} ms")
}

impl Host {
    fn figures(&self, time: Duration) -> Result<Vec<Figure>> {
        let detection = self.observed();
        let file = tempfile::NamedTempFile::new().context("create a file for checkpoints")?;
        let (mut copying, mut writing, mut restoring) = (Vec::new(), Vec::new(), Vec::new());
        let (mut size, mut held) = (0, 0);
        let end = Instant::now() + time;
        while Instant::now() < end {
            let (before, began) = (memory::allocated(), cpu()?);
            let draft = detection.checkpoint()?;
            copying.push(milliseconds(cpu()? - began));
            held = memory::allocated().saturating_sub(before);
            let began = Instant::now();
            let mut writer = BufWriter::new(File::create(file.path())?);
            draft.write(&mut writer)?;
            writer.into_inner()?.sync_all()?;
            writing.push(milliseconds(began.elapsed()));
            drop(draft);
            let bytes = std::fs::read(file.path())?;
            size = bytes.len() as u64;
            let began = cpu()?;
            let now = START + STEP * self.calls as u32;
            black_box(
                Detection::restore(Settings::default(), HashKey::new(KEY), &bytes, now).context("restore")?,
            );
            restoring.push(milliseconds(cpu()? - began));
        }
        let (name, copied) = (self.name, Summary::of(&copying)?);
        Ok(vec![
            Figure::exact(format!("{name}: size"), mebibytes(size)),
            Figure::spread(format!("**{name}: copying, while the engine stands still**"), copied, shown)
                .goal(format!("≤ {}", shown(GOAL)), copied.median <= GOAL),
            Figure::exact(format!("{name}: memory until it is written"), mebibytes(held)),
            Figure::spread(format!("{name}: writing"), Summary::of(&writing)?, shown),
            Figure::spread(format!("{name}: taking it up at the start"), Summary::of(&restoring)?, shown),
        ])
    }

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
            let at = START + STEP * n as u32;
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
