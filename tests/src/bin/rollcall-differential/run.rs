//! The run: servers and daemon are started, connections made, and what they brought is compared.

use std::{
    cell::{Cell, RefCell},
    io::IsTerminal as _,
    rc::Rc,
    time::Instant,
};

use anyhow::{Context as _, Result};
use rollcall_tests::{Daemon, deadline, program};
use tokio::task::LocalSet;

use crate::{
    bound,
    client::{self, Observed, Terms},
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
    pub(crate) sequence: Rc<Sequence>,
    pub(crate) observed: Observed,
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
    traced: bool,
    revived: RefCell<Vec<String>>,
}

pub(crate) async fn run(servers: &[Server], sequences: &[Sequence], dump: bool) -> Result<Findings> {
    program::require_root()?;
    bound::clear_leftovers();
    let stage = Rc::new(Stage::set(servers, dump)?);
    let findings =
        if dump { stage.one_by_one(sequences).await? } else { side_by_side(&stage, sequences).await? };
    if let Some(stage) = Rc::into_inner(stage) {
        let metrics = stage.daemon.metrics()?;
        stage.daemon.stop_now(metrics)?;
    }
    Ok(findings)
}

/// All cases, some at a time; then those with something wrong again, to see whether they are told.
async fn side_by_side(stage: &Rc<Stage>, sequences: &[Sequence]) -> Result<Findings> {
    let cases = LocalSet::new().run_until(all(Rc::clone(stage), sequences)).await?;
    stage.settle().await?;
    let metrics = stage.daemon.metrics()?;
    let mut findings = Findings::default();
    findings.revived = stage.revived.borrow().clone();
    findings.told = metrics.sum(UNEXPLAINED, &[]) as usize;
    let mut open = Vec::new();
    for (instance, sequence, observed) in cases {
        let case = stage.case(instance, sequence, observed);
        findings.count(&case);
        if !case.verdict.is_clean() {
            open.push((instance, case));
        }
    }
    if !metrics.has(UNEXPLAINED) {
        // Nothing is told: there is no use in asking again.
        findings.open = open.into_iter().map(|(_, case)| case).collect();
        return Ok(findings);
    }
    eprintln!(
        "rollcall-differential: {} unexplained answers counted; {} connections are tried again",
        findings.told,
        open.len()
    );
    let mut batches: Vec<Vec<(usize, Case)>> = Vec::new();
    while !open.is_empty() {
        batches.push(open.split_off(open.len().saturating_sub(BATCH)));
    }
    // The metric is of all connections. Where it does not grow by what a batch of them has to be told of, halves are tried.
    while let Some(batch) = batches.pop() {
        progress(&format!("{} batches to go", batches.len() + 1));
        let (cases, told) = LocalSet::new().run_until(Stage::again(Rc::clone(stage), &batch)).await?;
        let missed: usize = cases.iter().map(|case| case.verdict.missed.len()).sum();
        if batch.len() > 1 && missed != told {
            let mut first = batch;
            let second = first.split_off(first.len() / 2);
            batches.extend([first, second]);
            continue;
        }
        let alone = batch.len() == 1;
        for ((_, before), mut case) in batch.into_iter().zip(cases) {
            if case.verdict.is_clean() {
                findings.once.push(before);
                continue;
            }
            case.told = if alone { told } else { case.verdict.missed.len() };
            findings.open.push(case);
        }
    }
    Ok(findings)
}

/// Connections that are tried again at a time.
const BATCH: usize = 32;

/// Each server's connections, some at a time.
async fn all(stage: Rc<Stage>, sequences: &[Sequence]) -> Result<Vec<(usize, Rc<Sequence>, Observed)>> {
    let sequences: Rc<[Rc<Sequence>]> = sequences.iter().cloned().map(Rc::new).collect();
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
                    done.push((instance, Rc::clone(sequence), observed));
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
    fn set(servers: &[Server], traced: bool) -> Result<Stage> {
        let instances = servers.iter().map(|&server| Instance::start(server)).collect::<Result<Vec<_>>>()?;
        for instance in &instances {
            instance.wait_until_ready()?;
        }
        let ports: Vec<u16> = instances.iter().map(Instance::watched).collect();
        let daemon = Daemon::start(&ports, &[])?;
        let exchanges = RefCell::new(Exchanges::in_file(daemon.exchange_log()));
        Ok(Stage {
            instances,
            daemon,
            exchanges,
            number: Cell::new(FIRST),
            traced,
            revived: RefCell::default(),
        })
    }

    async fn converse(&self, instance: usize, sequence: &Sequence) -> Result<Observed> {
        let instance = &self.instances[instance];
        let number = self.number.replace(self.number.get() + 3);
        let terms = Terms {
            server: instance.address,
            number,
            used: &instance.used,
            began: Instant::now(),
            traced: self.traced,
        };
        let attempt = async || match instance.is_proxy() {
            true => client::poison(&terms, sequence).await,
            false => client::converse(&terms, sequence).await,
        };
        if let Ok(observed) = attempt().await {
            return Ok(observed);
        }
        if instance.revive()? {
            self.revived.borrow_mut().push(format!("{} before {}", instance.server.name, sequence.name));
        }
        attempt().await.with_context(|| format!("connect to {}", instance.server.name))
    }

    /// Waits until all that happened on the network so far has been reported.
    async fn settle(&self) -> Result<()> {
        // What a connection leaves untold at its end is told once the daemon has come by again, and then is on its page.
        for _ in 0..3 {
            let sequence = Sequence { name: "settled".to_owned(), writes: Vec::new() };
            let observed = self.converse(0, &sequence).await?;
            // Some servers end the connection behind the first.
            let first = &observed.ordinary[..1];
            deadline::until("the daemon to report the last request", || {
                let mut exchanges = self.exchanges.borrow_mut();
                exchanges.update()?;
                Ok((!exchanges.about(self.instances[0].watched(), first).is_empty()).then_some(()))
            })?;
        }
        Ok(())
    }

    fn case(&self, instance: usize, sequence: Rc<Sequence>, observed: Observed) -> Case {
        let instance = &self.instances[instance];
        let exchanges = self.exchanges.borrow();
        let reported = match observed.port {
            Some(port) => exchanges.of((instance.watched(), port)).to_vec(),
            None => exchanges.about(instance.watched(), &observed.ordinary),
        };
        let verdict = verdict::judge(&observed.served, &reported, &observed.ordinary);
        Case { server: instance.server, sequence, observed, reported, verdict, told: 0 }
    }

    /// Cases again while nothing else happens, and how many unexplained answers were counted meanwhile.
    async fn again(stage: Rc<Stage>, batch: &[(usize, Case)]) -> Result<(Vec<Case>, usize)> {
        let before = stage.daemon.metrics()?;
        let mut running = Vec::new();
        for (instance, case) in batch {
            let (stage, instance, sequence) = (Rc::clone(&stage), *instance, Rc::clone(&case.sequence));
            running.push(tokio::task::spawn_local(async move {
                let observed = stage.converse(instance, &sequence).await?;
                anyhow::Ok((instance, sequence, observed))
            }));
        }
        let mut ended = Vec::new();
        for task in running {
            ended.push(task.await??);
        }
        stage.settle().await?;
        let told = stage.daemon.metrics()?.sum(UNEXPLAINED, &[]) - before.sum(UNEXPLAINED, &[]);
        let cases =
            ended.into_iter().map(|(instance, sequence, observed)| stage.case(instance, sequence, observed));
        Ok((cases.collect(), told as usize))
    }

    /// A case while nothing else happens, so that what the daemon counts is of this case.
    async fn alone(&self, instance: usize, sequence: &Rc<Sequence>) -> Result<Case> {
        let before = self.daemon.metrics()?;
        let observed = self.converse(instance, sequence).await?;
        self.settle().await?;
        let mut case = self.case(instance, Rc::clone(sequence), observed);
        case.told = (self.daemon.metrics()?.sum(UNEXPLAINED, &[]) - before.sum(UNEXPLAINED, &[])) as usize;
        Ok(case)
    }

    /// Every case alone, in full.
    async fn one_by_one(&self, sequences: &[Sequence]) -> Result<Findings> {
        let mut findings = Findings::default();
        self.settle().await?;
        for sequence in sequences.iter().cloned().map(Rc::new) {
            for instance in 0..self.instances.len() {
                let before = self.daemon.metrics()?;
                let case = self.alone(instance, &sequence).await?;
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
