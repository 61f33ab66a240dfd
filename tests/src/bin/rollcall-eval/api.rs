//! The synthetic API: ordinary traffic for two days, and each attack from ten o'clock of the second on.
//!
//! An attack finds the engine as warm as it is after a day and ten hours of traffic. To have that anew for each would
//! take most of the time; so what has been warmed up is kept by a process, of which each attack gets a copy: `fork`,
//! whose memory is shared until it is written to.

use std::{
    collections::HashSet,
    io::{self, Write as _},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use nix::{
    sys::wait::{WaitStatus, waitpid},
    unistd::{ForkResult, fork},
};
use rollcall_model::time::Timestamp;

use crate::{
    attack::{Attack, SHAPES, Shape},
    call::Call,
    engine::{Engine, Raised},
    ids::Ids,
    memory,
    outcome::{AttackOutcome, BenignOutcome, Outcome, SYNTHETIC},
    replay,
    world::{DAY, WARM_UP, World},
};

/// What one process does.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Part {
    /// By place in [`Ids::ALL`].
    #[arg(long)]
    pub(crate) ids: usize,
    #[arg(long)]
    pub(crate) seed: u64,
    /// The attacks to run.
    #[arg(long, value_delimiter = ',')]
    pub(crate) attacks: Vec<String>,
    /// Goes on to the end of the day without any.
    #[arg(long)]
    pub(crate) benign: bool,
}

/// When attacks begin on the second day.
const TEN: Duration = Duration::from_secs(10 * 3_600);

/// Calls that are timed together: reading the clock costs a tenth of what is timed.
const CHUNK: usize = 1_024;

pub(crate) fn run(part: &Part) -> Result<()> {
    let ids = *Ids::ALL.get(part.ids).context("no such identifiers")?;
    let mut day = Day::new(ids, part.seed);
    day.until(WARM_UP + DAY);
    day.score();
    if !part.attacks.is_empty() {
        day.until(WARM_UP + DAY + TEN);
    }
    for name in &part.attacks {
        let shape = SHAPES.iter().find(|shape| shape.name == name).context("no such attack")?;
        in_a_copy(|| {
            let outcome = day.attacked(*shape, part.seed);
            tell(&Outcome::Attack(outcome))
        })?;
    }
    if part.benign {
        day.until(WARM_UP + DAY + DAY);
        tell(&Outcome::Benign(day.outcome(ids, part.seed)))?;
    }
    Ok(())
}

/// One line for whoever started this process.
pub(crate) fn tell(outcome: &Outcome) -> Result<()> {
    let mut line = serde_json::to_string(outcome).context("write what was found")?;
    line.push('\n');
    let mut out = io::stdout().lock();
    out.write_all(line.as_bytes()).and_then(|()| out.flush()).context("write what was found")
}

/// Does `what` in a copy of this process, and waits for it to end.
pub(crate) fn in_a_copy(what: impl FnOnce() -> Result<()>) -> Result<()> {
    // SAFETY: this process has one thread, so its copy has all of them, and no lock is held by one that isn't there.
    match unsafe { fork() }.context("copy this process")? {
        ForkResult::Parent { child } => {
            let status = waitpid(child, None).context("wait for an attack to end")?;
            ensure!(status == WaitStatus::Exited(child, 0), "an attack ended with {status:?}");
            Ok(())
        }
        ForkResult::Child => {
            let code = match what() {
                Ok(()) => 0,
                Err(error) => {
                    eprintln!("rollcall-eval: {error:#}");
                    1
                }
            };
            // SAFETY: ends the copy at once; nothing that it holds has to be put in order.
            unsafe { libc::_exit(code) }
        }
    }
}

/// Ordinary traffic going by.
struct Day {
    world: World,
    engine: Engine,
    next: Option<Call>,
    chunk: Vec<Call>,
    accounts: HashSet<u64>,
    clients: HashSet<(std::net::IpAddr, Option<u64>)>,
    raised: Vec<Raised>,
    scored: BenignOutcome,
    first_touches: u64,
    calls: u64,
    in_engine: Duration,
}

impl Day {
    fn new(ids: Ids, seed: u64) -> Day {
        Day {
            world: World::new(ids, seed),
            engine: Engine::new(),
            next: None,
            chunk: Vec::with_capacity(CHUNK),
            accounts: HashSet::new(),
            clients: HashSet::new(),
            raised: Vec::new(),
            scored: BenignOutcome::default(),
            first_touches: 0,
            calls: 0,
            in_engine: Duration::ZERO,
        }
    }

    /// Takes in all that comes before `end`.
    fn until(&mut self, end: Timestamp) {
        loop {
            self.chunk.extend(self.next.take());
            while self.chunk.len() < CHUNK {
                match self.world.next() {
                    Some(call) if call.at < end => self.chunk.push(call),
                    later => {
                        self.next = later;
                        break;
                    }
                }
            }
            for call in &self.chunk {
                self.clients.insert((call.peer, call.token));
                if let Some(account) = call.account {
                    self.first_touches += u64::from(self.accounts.insert(account));
                }
            }
            let started = Instant::now();
            for call in &self.chunk {
                self.engine.exchange(call, &mut self.raised);
            }
            self.in_engine += started.elapsed();
            self.calls += self.chunk.len() as u64;
            self.chunk.clear();
            if self.next.is_some() {
                return;
            }
        }
    }

    /// What was until now was to warm up.
    fn score(&mut self) {
        self.scored.warm_up_alerts = self.raised.len() as u64;
        self.raised.clear();
        (self.calls, self.first_touches, self.in_engine) = (0, 0, Duration::ZERO);
    }

    fn attacked(&mut self, shape: Shape, seed: u64) -> AttackOutcome {
        let attack = Attack::new(shape, seed, WARM_UP + DAY + TEN);
        let mut traffic = self.next.take().into_iter().chain(&mut self.world);
        let end = replay::attacked(&mut self.engine, &mut traffic, attack, WARM_UP + DAY + DAY);
        AttackOutcome {
            shape: shape.name.to_owned(),
            amid: SYNTHETIC.to_owned(),
            seed,
            caught: end.caught,
            read: end.read,
        }
    }

    fn outcome(&mut self, ids: Ids, seed: u64) -> BenignOutcome {
        BenignOutcome {
            traffic: SYNTHETIC.to_owned(),
            ids: ids.name().to_owned(),
            seed,
            seconds: DAY.as_secs_f64(),
            calls: self.calls,
            clients: self.clients.len() as u64,
            accounts: self.accounts.len() as u64,
            first_touches: self.first_touches as f64 / DAY.as_secs_f64(),
            alerts: std::mem::take(&mut self.raised),
            ns_per_call: self.in_engine.as_nanos() as f64 / self.calls.max(1) as f64,
            peak_bytes: memory::peak().unwrap_or_default(),
            ..std::mem::take(&mut self.scored)
        }
    }
}
