//! The run: servers and daemon are started, connections made, and what they brought is compared.

use std::{
    cell::{Cell, RefCell},
    io::IsTerminal as _,
    rc::Rc,
};

use anyhow::{Context as _, Result};
use rollcall_tests::{Daemon, deadline, program};
use tokio::task::LocalSet;

use crate::{
    answers::{self, Answer},
    client::{self, Observed},
    exchanges::{Exchange, Exchanges},
    report::{self, Findings},
    sequence::Sequence,
    servers::{Instance, Server},
    verdict::{self, Verdict},
};

/// Answers that no request was known for, by reason.
const UNEXPLAINED: &str = "rollcall_answers_unexplained_total";

/// The first number of the ordinary requests: in no sequence.
const FIRST: u64 = 700_000_000;

/// A sequence on a server, and what came of it.
pub(crate) struct Case {
    pub(crate) server: Server,
    pub(crate) sequence: Sequence,
    pub(crate) observed: Observed,
    pub(crate) served: Vec<Answer>,
    pub(crate) reported: Vec<Exchange>,
    pub(crate) verdict: Verdict,
    /// Unexplained answers that the daemon counted while the case ran alone.
    pub(crate) told: usize,
}

struct Stage {
    instances: Vec<Instance>,
    daemon: Daemon,
    exchanges: RefCell<Exchanges>,
    number: Cell<u64>,
    revived: RefCell<Vec<String>>,
}

pub(crate) async fn run(servers: &[Server], sequences: &[Sequence], dump: bool) -> Result<Findings> {
    program::require_root()?;
    let stage = Rc::new(Stage::set(servers)?);
    let findings =
        if dump { stage.one_by_one(sequences).await? } else { side_by_side(&stage, sequences).await? };
    if let Some(stage) = Rc::into_inner(stage) {
        let metrics = stage.daemon.metrics()?;
        stage.daemon.stop_now(metrics)?;
    }
    Ok(findings)
}

/// All cases, some at a time; then those with something wrong again, each alone.
async fn side_by_side(stage: &Rc<Stage>, sequences: &[Sequence]) -> Result<Findings> {
    let cases = LocalSet::new().run_until(all(Rc::clone(stage), sequences)).await?;
    let mut findings = Findings::default();
    findings.revived = stage.revived.borrow().clone();
    stage.settle().await?;
    let metrics = stage.daemon.metrics()?;
    let tells = metrics.by(UNEXPLAINED, "reason");
    let mut open = Vec::new();
    for (instance, sequence, observed) in cases {
        let case = stage.case(instance, sequence, observed);
        findings.count(&case);
        if !case.verdict.is_clean() {
            open.push((instance, case));
        }
    }
    if tells.is_empty() {
        // Nothing is told: there is no use in asking again.
        findings.open = open.into_iter().map(|(_, case)| case).collect();
        return Ok(findings);
    }
    eprintln!("rollcall-differential: {} connections are tried again, each alone", open.len());
    for (index, (instance, first)) in open.into_iter().enumerate() {
        progress(&format!("again: {}", index + 1));
        let case = stage.alone(instance, &first.sequence).await?;
        if case.verdict.is_clean() {
            findings.once.push(first);
        } else {
            findings.open.push(case);
        }
    }
    Ok(findings)
}

/// Each server's connections, some at a time.
async fn all(stage: Rc<Stage>, sequences: &[Sequence]) -> Result<Vec<(usize, Sequence, Observed)>> {
    let sequences: Rc<[Sequence]> = sequences.into();
    let done = Rc::new(RefCell::new(Vec::new()));
    let total = sequences.len() * stage.instances.len();
    let mut tasks = Vec::new();
    for instance in 0..stage.instances.len() {
        let next = Rc::new(Cell::new(0));
        for _ in 0..stage.instances[instance].server.at_once {
            let (stage, next, done) = (Rc::clone(&stage), Rc::clone(&next), Rc::clone(&done));
            let sequences = Rc::clone(&sequences);
            tasks.push(tokio::task::spawn_local(async move {
                while let Some(sequence) = sequences.get(next.replace(next.get() + 1)) {
                    let observed = stage.converse(instance, sequence).await?;
                    let mut done = done.borrow_mut();
                    done.push((instance, sequence.clone(), observed));
                    progress(&format!("{} of {total} connections", done.len()));
                }
                anyhow::Ok(())
            }));
        }
    }
    for task in tasks {
        task.await??;
    }
    if std::io::stderr().is_terminal() {
        eprintln!();
    }
    Ok(done.take())
}

/// A line that overwrites itself, for who watches.
fn progress(text: &str) {
    if std::io::stderr().is_terminal() {
        eprint!("\r{text}\x1b[K");
    }
}

impl Stage {
    fn set(servers: &[Server]) -> Result<Stage> {
        let instances = servers.iter().map(|&server| Instance::start(server)).collect::<Result<Vec<_>>>()?;
        for instance in &instances {
            instance.wait_until_ready()?;
        }
        let ports: Vec<u16> = instances.iter().map(|instance| instance.address.port()).collect();
        let daemon = Daemon::start(&ports, &[])?;
        let exchanges = RefCell::new(Exchanges::in_file(daemon.exchange_log()));
        Ok(Stage { instances, daemon, exchanges, number: Cell::new(FIRST), revived: RefCell::default() })
    }

    async fn converse(&self, instance: usize, sequence: &Sequence) -> Result<Observed> {
        let instance = &self.instances[instance];
        let number = self.number.replace(self.number.get() + 3);
        let observed = client::converse(instance.address, sequence, number, &instance.used).await;
        if let Ok(observed) = observed {
            return Ok(observed);
        }
        if instance.revive()? {
            self.revived.borrow_mut().push(format!("{} before {}", instance.server.name, sequence.name));
        }
        client::converse(instance.address, sequence, number, &instance.used)
            .await
            .with_context(|| format!("connect to {}", instance.server.name))
    }

    /// Waits until all that happened on the network so far has been reported.
    async fn settle(&self) -> Result<()> {
        let sequence = Sequence { name: "settled".to_owned(), writes: Vec::new() };
        let observed = self.converse(0, &sequence).await?;
        let connection = (self.instances[0].address.port(), observed.port);
        deadline::until("the daemon to report the last request", || {
            let mut exchanges = self.exchanges.borrow_mut();
            exchanges.update()?;
            let last = &observed.ordinary[2];
            Ok(exchanges.of(connection).iter().any(|exchange| exchange.call.target == *last).then_some(()))
        })
    }

    fn case(&self, instance: usize, sequence: Sequence, observed: Observed) -> Case {
        let server = self.instances[instance].server;
        let connection = (self.instances[instance].address.port(), observed.port);
        let served = answers::read(&observed.received);
        let reported = self.exchanges.borrow().of(connection).to_vec();
        let verdict = verdict::judge(&served, &reported, &observed.ordinary);
        Case { server, sequence, observed, served, reported, verdict, told: 0 }
    }

    /// A case while nothing else happens, so that what the daemon counts is of this case.
    async fn alone(&self, instance: usize, sequence: &Sequence) -> Result<Case> {
        let before = self.daemon.metrics()?;
        let observed = self.converse(instance, sequence).await?;
        self.settle().await?;
        let mut case = self.case(instance, sequence.clone(), observed);
        case.told = (self.daemon.metrics()?.sum(UNEXPLAINED, &[]) - before.sum(UNEXPLAINED, &[])) as usize;
        Ok(case)
    }

    /// Every case alone, in full.
    async fn one_by_one(&self, sequences: &[Sequence]) -> Result<Findings> {
        let mut findings = Findings::default();
        self.settle().await?;
        for sequence in sequences {
            for instance in 0..self.instances.len() {
                let before = self.daemon.metrics()?;
                let case = self.alone(instance, sequence).await?;
                report::dump(&case, &self.daemon.metrics()?.changes_since(&before));
                findings.count(&case);
                if !case.verdict.is_clean() {
                    findings.open.push(case);
                }
            }
        }
        Ok(findings)
    }
}
