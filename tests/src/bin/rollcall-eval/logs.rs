//! Recorded access logs of public sites, by themselves and with attacks from their middle on.

use std::{
    collections::HashSet,
    env,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use rollcall_replay::{
    Input,
    access_log::{self, Reader},
};

use crate::{
    api,
    attack::{Attack, SHAPES},
    call::Call,
    engine::Engine,
    memory,
    outcome::{AttackOutcome, BenignOutcome, Outcome},
    replay,
};

/// The logs, of which none has anybody who enumerates.
pub(crate) const LOGS: [&str; 2] = ["elastic_apache.log", "nasa_19950801.tsv"];

/// What one process does.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Part {
    #[arg(long)]
    pub(crate) log: String,
    #[arg(long)]
    pub(crate) seeds: u64,
    /// The attacks to run.
    #[arg(long, value_delimiter = ',')]
    pub(crate) attacks: Vec<String>,
    #[arg(long)]
    pub(crate) benign: bool,
}

/// An attack that hasn't been caught by then is given up.
const LONGEST: Duration = Duration::from_secs(8 * 3_600);

/// Where the logs are, if they are here.
pub(crate) fn directory() -> Option<PathBuf> {
    shared("logs")
}

/// A directory of recorded data, if it is here: in `$ROLLCALL_SHARED`, or the directory `shared` beside the repository.
pub(crate) fn shared(name: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let directory = env::var_os("ROLLCALL_SHARED").map_or_else(beside, PathBuf::from).join("data").join(name);
    directory.is_dir().then_some(directory)
}

/// Hands out the calls of a log.
pub(crate) fn read(path: &Path, mut each: impl FnMut(&access_log::Call)) -> Result<()> {
    let input = Input::open(path, None)?;
    let (name, format) = (input.name().to_owned(), input.format());
    let mut reader = Reader::new();
    reader.read(&name, input.into_reader(), format, &mut each)?;
    reader.finish(each);
    Ok(())
}

pub(crate) fn run(part: &Part) -> Result<()> {
    let path = directory().context("there are no logs")?.join(&part.log);
    let mut calls = Vec::new();
    read(&path, |call| calls.push(Call::from(call)))?;
    if part.benign {
        api::tell(&Outcome::Benign(benign(&part.log, &calls)?))?;
    }
    let middle = calls.get(calls.len() / 2).context("the log is empty")?.at;
    for name in &part.attacks {
        let shape = SHAPES.iter().find(|shape| shape.name == name).context("no such attack")?;
        for seed in 1..=part.seeds {
            let attack = Attack::new(*shape, seed, middle);
            let mut traffic = calls.iter().cloned();
            let end = replay::attacked(&mut Engine::new(), &mut traffic, attack, middle + LONGEST);
            api::tell(&Outcome::Attack(AttackOutcome {
                shape: shape.name.to_owned(),
                amid: part.log.clone(),
                seed,
                caught: end.caught,
                read: end.read,
            }))?;
        }
    }
    Ok(())
}

fn benign(log: &str, calls: &[Call]) -> Result<BenignOutcome> {
    let mut engine = Engine::new();
    let mut alerts = Vec::new();
    let started = Instant::now();
    for call in calls {
        engine.exchange(call, &mut alerts);
    }
    let taken = started.elapsed();
    let span = calls.last().zip(calls.first()).map(|(last, first)| last.at.since(first.at));
    Ok(BenignOutcome {
        traffic: log.to_owned(),
        seconds: span.unwrap_or_default().as_secs_f64(),
        calls: calls.len() as u64,
        clients: calls.iter().map(|call| call.peer).collect::<HashSet<_>>().len() as u64,
        alerts,
        ns_per_call: taken.as_nanos() as f64 / calls.len().max(1) as f64,
        peak_bytes: memory::peak()?,
        ..BenignOutcome::default()
    })
}
