//! How many observations a second one core takes: ordinary traffic in steady state.

use std::time::{Duration, Instant};

use anyhow::Result;
use rollcall_attribute::observation::Observation;
use rollcall_tests::random::Random;

use crate::{
    api,
    engine::{Direct, Observed},
    outcome::{Outcome, SpeedOutcome},
    world::WARM_UP,
};

/// Clients that are there, more often and less. Each reads a few accounts of its own, over and over.
const CLIENTS: u64 = 100_000;
const OWN: u64 = 3;
/// Observations that are made, and timed, together.
const CHUNK: usize = 4_096;
/// Chunks to warm up, and chunks of each run.
const WARM: usize = 200;
const RUN: usize = 50;
const RUNS: usize = 15;

pub(crate) fn run() -> Result<()> {
    api::tell(&Outcome::Speed(measure("address", false)?))?;
    api::tell(&Outcome::Speed(measure("address and credential", true)?))
}

fn measure(what: &str, credentials: bool) -> Result<SpeedOutcome> {
    let mut random = Random::seeded(3);
    let mut engine = Direct::new(&[])?;
    let mut at = WARM_UP;
    let mut chunk: Vec<Observation> = Vec::with_capacity(CHUNK);
    let mut flagged = Vec::new();
    let mut pass = |count: usize| {
        let mut taken = Duration::ZERO;
        for _ in 0..count {
            chunk.clear();
            chunk.extend((0..CHUNK).map(|_| {
                at = at + Duration::from_millis(1);
                let client = (random.unit().powi(3) * CLIENTS as f64) as u64;
                Direct::prepare(&Observed {
                    at,
                    address: 0x0a00_0000 + client as u32,
                    credential: credentials.then_some(client),
                    object: client * OWN + random.between(0, OWN),
                })
            }));
            let started = Instant::now();
            for prepared in &chunk {
                engine.observe(prepared, &mut flagged);
            }
            taken += started.elapsed();
        }
        (count * CHUNK) as f64 / taken.as_secs_f64()
    };
    pass(WARM);
    let mut runs: Vec<f64> = (0..RUNS).map(|_| pass(RUN)).collect();
    runs.sort_by(f64::total_cmp);
    Ok(SpeedOutcome {
        what: what.to_owned(),
        median: runs[RUNS / 2],
        slowest: runs[0],
        fastest: runs[RUNS - 1],
    })
}
