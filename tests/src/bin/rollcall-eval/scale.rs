//! Tests of scale: far more clients in a window than there is memory for one by one. Each has a process of its own, and
//! what it observes is made on the fly, so that the process's memory is the engine's.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use anyhow::Result;
use clap::ValueEnum;
use rollcall_attribute::observation::Observation;
use rollcall_model::time::Timestamp;
use rollcall_tests::random::{Random, Shuffled};

use crate::{
    api,
    engine::{Direct, Flagged, Observed},
    memory,
    outcome::{Outcome, ScaleOutcome},
    world::WARM_UP,
};

/// What one process does.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(crate) struct Part {
    #[arg(long, value_enum)]
    pub(crate) test: Test,
    #[arg(long, value_enum)]
    pub(crate) lens: Lens,
    #[arg(long, value_enum)]
    pub(crate) spread: Spread,
    /// Made-up keys of [`Test::Flood`].
    #[arg(long)]
    pub(crate) keys: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Test {
    /// 10 M clients in one window.
    Clients,
    /// Made-up keys, one object each.
    Flood,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Lens {
    Address,
    Credential,
}

/// How many objects attackers touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Spread {
    /// 101 and more, up to 2,000: Pareto with α = 1.5.
    Pareto,
    /// 101 to 200, each as likely.
    Uniform,
}

/// More than that are too many.
const LIMIT: &str = "100/1h";
const WINDOW: Duration = Duration::from_secs(3_600);
const CLIENTS: u64 = 10_000_000;
const ATTACKERS: u64 = 1_000;
/// Of the benign clients, so many touch each of 15 to 60 objects.
const HEAVY: u64 = 100;
/// The mean of the others: with the heavy ones it is 1.42 for all.
const MEAN: f64 = 1.403;
/// Observations that are made, and timed, together.
const CHUNK: u64 = 4_096;

/// All observations as places in a row: those of one group of clients after those of another. Which of them comes when is
/// told by [`Shuffled`].
struct Row {
    groups: Vec<Group>,
    /// Where the objects of each attacker begin, and where those of the last end.
    attackers: Vec<u64>,
    first_benign: u64,
    total: u64,
}

/// Clients who touch equally many objects.
struct Group {
    start: u64,
    first: u64,
    objects: u64,
}

impl Row {
    fn new(test: Test, spread: Spread, keys: u64) -> Row {
        let mut random = Random::seeded(11);
        let mut attackers = vec![0];
        for attacker in 0..ATTACKERS {
            let objects = match spread {
                Spread::Pareto => (101.0 / (1.0 - random.unit()).powf(1.0 / 1.5)).min(2_000.0) as u64,
                Spread::Uniform => random.between(101, 201),
            };
            attackers.push(attackers[attacker as usize] + objects);
        }
        let mut total = attackers[ATTACKERS as usize];
        let mut first = ATTACKERS;
        let mut groups = Vec::new();
        let mut add = |clients: u64, objects: u64| {
            groups.push(Group { start: total, first, objects });
            total += clients * objects;
            first += clients;
        };
        match test {
            Test::Flood => add(keys, 1),
            Test::Clients => {
                (15..=60).for_each(|objects| add(HEAVY, objects));
                let mut left = CLIENTS - ATTACKERS - 46 * HEAVY;
                for objects in 1.. {
                    let share = 1.0 / MEAN;
                    let clients = ((left as f64 * share).round() as u64).min(left);
                    if left == 0 {
                        break;
                    }
                    let clients = clients.max(1);
                    add(clients, objects);
                    left -= clients;
                }
            }
        }
        Row { groups, attackers, first_benign: ATTACKERS, total }
    }

    fn clients(&self) -> u64 {
        let last = self.groups.last();
        last.map_or(ATTACKERS, |group| group.first + (self.total - group.start) / group.objects)
    }

    /// The client at a place, and the number of its object.
    fn at(&self, place: u64) -> (u64, u64) {
        let after = self.groups.partition_point(|group| group.start <= place);
        match after.checked_sub(1).and_then(|at| self.groups.get(at)) {
            Some(group) => {
                let offset = place - group.start;
                (group.first + offset / group.objects, offset % group.objects)
            }
            None => {
                let attacker = self.attackers.partition_point(|&start| start <= place) - 1;
                (attacker as u64, place - self.attackers[attacker])
            }
        }
    }
}

/// Which keys clients have.
struct Keys {
    lens: Lens,
    names: Shuffled,
}

impl Keys {
    fn new(lens: Lens) -> Keys {
        Keys { lens, names: Shuffled::new(1 << 32, 23) }
    }

    /// The observation of a client's object, the `nth` of all.
    fn observed(&self, at: Timestamp, client: u64, object: u64, nth: u64) -> Observed {
        // Objects are of everybody: what one client touches, others do.
        let object = (client.wrapping_mul(0x9e37_79b9) + object * 7_919) % 37_000_000;
        match self.lens {
            Lens::Address => Observed { at, address: self.names.at(client) as u32, credential: None, object },
            // Each call from another address, so that only the credential tells.
            Lens::Credential => {
                Observed { at, address: self.names.at(nth) as u32, credential: Some(client), object }
            }
        }
    }

    fn of_attackers(&self) -> HashSet<Flagged> {
        (0..ATTACKERS)
            .map(|client| match self.lens {
                Lens::Address => Flagged::Address(self.names.at(client) as u32),
                Lens::Credential => Flagged::Credential(client),
            })
            .collect()
    }
}

pub(crate) fn run(part: &Part) -> Result<()> {
    let row = Row::new(part.test, part.spread, part.keys);
    debug_assert!(row.first_benign == ATTACKERS);
    let order = Shuffled::new(row.total, 31);
    let keys = Keys::new(part.lens);
    let wanted = keys.of_attackers();
    let mut engine = Direct::new(&[LIMIT])?;
    let (mut right, mut wrong) = (HashSet::new(), HashSet::new());
    let mut chunk: Vec<Observation> = Vec::with_capacity(CHUNK as usize);
    let mut flagged = Vec::new();
    let mut in_engine = Duration::ZERO;
    let step = WINDOW.as_nanos() as f64 * 0.999 / row.total as f64;
    for start in (0..row.total).step_by(CHUNK as usize) {
        chunk.clear();
        for nth in start..(start + CHUNK).min(row.total) {
            let (client, object) = row.at(order.at(nth));
            let at = WARM_UP + Duration::from_nanos((nth as f64 * step) as u64);
            chunk.push(Direct::prepare(&keys.observed(at, client, object, nth)));
        }
        let started = Instant::now();
        for prepared in &chunk {
            engine.observe(prepared, &mut flagged);
        }
        in_engine += started.elapsed();
        for client in flagged.drain(..) {
            if wanted.contains(&client) {
                right.insert(client)
            } else {
                wrong.insert(client)
            };
        }
    }
    let name = |value: Option<clap::builder::PossibleValue>| {
        value.map(|value| value.get_name().to_owned()).unwrap_or_default()
    };
    api::tell(&Outcome::Scale(ScaleOutcome {
        test: name(part.test.to_possible_value()),
        lens: name(part.lens.to_possible_value()),
        attackers: name(part.spread.to_possible_value()),
        clients: row.clients(),
        observations: row.total,
        wanted: ATTACKERS,
        right: right.len() as u64,
        wrong: wrong.len() as u64,
        ns_per_observation: in_engine.as_nanos() as f64 / row.total as f64,
        peak_bytes: memory::peak()?,
    }))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn there_are_as_many_clients_and_objects_as_there_are_to_be() {
        let row = Row::new(Test::Clients, Spread::Pareto, 0);
        assert_eq!(row.clients(), CLIENTS);
        let benign = (row.total - row.attackers[ATTACKERS as usize]) as f64 / CLIENTS as f64;
        assert!((benign - 1.42).abs() < 0.005, "{benign}");
        let most = row.groups.iter().map(|group| group.objects).max();
        assert_eq!(most, Some(60));
        assert_eq!(Row::new(Test::Flood, Spread::Pareto, 5_000).clients(), 6_000);
    }

    #[test]
    fn every_object_of_a_client_has_a_place() {
        let row = Row::new(Test::Flood, Spread::Uniform, 500);
        let order = Shuffled::new(row.total, 31);
        let mut objects: HashMap<u64, HashSet<u64>> = HashMap::new();
        for nth in 0..row.total {
            let (client, object) = row.at(order.at(nth));
            assert!(objects.entry(client).or_default().insert(object));
        }
        assert_eq!(objects.len() as u64, ATTACKERS + 500);
        for (client, objects) in objects {
            let attacks = client < ATTACKERS;
            assert_eq!(attacks, (101..=200).contains(&objects.len()), "{client}: {}", objects.len());
        }
    }
}
