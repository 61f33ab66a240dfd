//! The breach on a route where customers read their own account, from the daemon's first minute to its third day.

use std::time::Duration;

use anyhow::{Context as _, Result};
use rollcall_model::time::Timestamp;

use crate::{
    api,
    attack::{Attack, SHAPES},
    call::Call,
    engine::Engine,
    ids::Ids,
    outcome::{AttackOutcome, KnownOutcome, Outcome, SYNTHETIC},
    replay,
    world::{WARM_UP, World},
};

/// What one process does.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Part {
    #[arg(long)]
    pub(crate) seed: u64,
}

const HOUR: Duration = Duration::from_secs(3_600);

/// How old the route is when the breach begins: its first minute, its first hours, and ten o'clock of the second and third day.
pub(crate) const AGES: [Duration; 5] = [
    Duration::from_secs(60),
    Duration::from_secs(7_200),
    Duration::from_secs(36_000),
    Duration::from_secs(34 * 3_600),
    Duration::from_secs(58 * 3_600),
];

/// From this age on it is to be known what is usual.
pub(crate) const KNOWN: Duration = Duration::from_secs(34 * 3_600);

/// In order and in random order.
pub(crate) const BREACHES: [&str; 2] = ["breach-sequential", "breach-random"];

pub(crate) const ROUTE: &str = "GET /v1/customers/{id}";

pub(crate) fn run(part: &Part) -> Result<()> {
    let mut world = World::new(Ids::Sequential, part.seed).peekable();
    let mut engine = Engine::new();
    let mut raised = Vec::new();
    for age in AGES {
        let start = WARM_UP + age;
        while let Some(call) = world.next_if(|call| call.at < start) {
            engine.exchange(&call, &mut raised);
        }
        for name in BREACHES {
            api::in_a_copy(|| {
                let (limits, known) = engine.in_force(ROUTE).unwrap_or_default();
                let attack = breach(&mut engine, &mut world, name, part.seed, start, SYNTHETIC)?;
                api::tell(&Outcome::Known(KnownOutcome { age_s: age.as_secs_f64(), attack, limits, known }))
            })?;
        }
    }
    Ok(())
}

/// Lets an attack go on amid traffic for an hour.
pub(crate) fn breach(
    engine: &mut Engine,
    traffic: &mut impl Iterator<Item = Call>,
    name: &str,
    seed: u64,
    start: Timestamp,
    amid: &str,
) -> Result<AttackOutcome> {
    let shape = SHAPES.iter().find(|shape| shape.name == name).context("no such attack")?;
    let end = replay::attacked(engine, traffic, Attack::new(*shape, seed, start), start + HOUR);
    Ok(AttackOutcome {
        shape: shape.name.to_owned(),
        amid: amid.to_owned(),
        seed,
        caught: end.caught,
        read: end.read,
    })
}
