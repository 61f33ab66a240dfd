//! `cargo xtask bench`: what Rollcall costs and what it misses, measured on this machine.
//!
//! Each benchmark is a module that returns a [`report::Section`]; together they are the document on standard
//! output. Progress goes to standard error. All load stays on loopback and in network namespaces of our own, and
//! every process that is started ends with this one.

mod against;
mod attribution;
mod bulk;
mod checkpoint;
mod completeness;
mod connections;
mod cost;
mod counters;
mod hold;
mod hostile;
mod idle;
mod interrupt;
mod ledger;
mod losses;
mod memory;
mod monitor;
mod paced;
mod report;
mod ring;
mod routes;
mod stage;
mod summary;
mod throughput;
mod windows;
mod wrk;

use std::{net::Ipv4Addr, process::ExitCode, time::Duration};

use anyhow::{Context as _, Result, bail};
use clap::{Parser, Subcommand, ValueEnum};
use rollcall_tests::{daemon, machine, program};

use crate::report::Section;

/// Measures Rollcall. All benchmarks without names.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Cli {
    names: Vec<Benchmark>,
    /// How long each measures, instead of its own time.
    #[arg(long)]
    seconds: Option<u64>,
    /// How many accounts `ledger` writes down.
    #[arg(long, default_value_t = ledger::ACCOUNTS)]
    objects: u64,
    /// Only cases of `hostile` whose names contain this.
    #[arg(long)]
    filter: Option<String>,
    /// The commit that `against` compares with, as its section names it.
    #[arg(long)]
    commit: Option<String>,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Benchmark {
    /// Throughput with Rollcall, and with nginx's buffered access log, over throughput without.
    Throughput,
    /// The same with a network between client and server.
    Veth,
    /// Time of the programs in the kernel.
    Cost,
    /// Requests that were missed; the daemon's CPU time and memory.
    Completeness,
    /// The daemon's CPU time without traffic.
    Idle,
    /// Throughput and memory beside 100,000 idle connections.
    Connections,
    /// Throughput and memory with traffic that is not HTTP.
    Bulk,
    /// Records decoded a second.
    Ring,
    /// Time and memory of telling who called what.
    Attribution,
    /// How well routes and objects are told.
    Routes,
    /// What a checkpoint takes.
    Checkpoint,
    /// What it takes to write down and to list what a client reads.
    Ledger,
    /// What traffic costs that takes much work for few bytes.
    Hostile,
    /// Whether the programs' counters add up under mixed load.
    Counters,
    /// Whether statuses are right where much is lost.
    Losses,
    /// Time of the programs and the daemon against those of another commit.
    Against,
}

/// What this program starts itself for.
#[derive(Subcommand)]
enum Part {
    /// Holds connections open, idle.
    #[command(hide = true)]
    Hold(hold::Options),
}

impl Benchmark {
    fn run(self, cli: &Cli) -> Result<Section> {
        let or = |default| Duration::from_secs(cli.seconds.unwrap_or(default));
        match self {
            Benchmark::Throughput => throughput::on_loopback(or(60)),
            Benchmark::Veth => throughput::over_one_hop(or(60)),
            Benchmark::Cost => cost::measure(or(20)),
            Benchmark::Completeness => completeness::measure(or(60)),
            Benchmark::Idle => idle::measure(or(30)),
            Benchmark::Connections => connections::measure(or(30)),
            Benchmark::Bulk => bulk::measure(or(20)),
            Benchmark::Ring => ring::measure(or(5)),
            Benchmark::Attribution => attribution::measure(or(5)),
            Benchmark::Routes => routes::measure(),
            Benchmark::Checkpoint => checkpoint::measure(or(5)),
            Benchmark::Ledger => ledger::measure(cli.objects, or(20)),
            Benchmark::Hostile => hostile::measure(cli.filter.as_deref()),
            Benchmark::Counters => counters::measure(or(60)),
            Benchmark::Losses => losses::measure(or(60)),
            Benchmark::Against => {
                let commit = cli.commit.as_deref().context("`against` wants --commit")?;
                against::measure(or(480), commit)
            }
        }
    }

    /// Whether it attaches programs to the kernel.
    fn is_of_the_kernel(self) -> bool {
        !matches!(
            self,
            Benchmark::Ring
                | Benchmark::Attribution
                | Benchmark::Routes
                | Benchmark::Checkpoint
                | Benchmark::Ledger
                | Benchmark::Hostile
        )
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.part {
        Some(Part::Hold(options)) => hold::hold(&options),
        None => measure(&cli),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rollcall-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A benchmark that fails leaves the others their turn; the document says so, and so does the exit status.
fn measure(cli: &Cli) -> Result<()> {
    let all = cli.names.is_empty();
    let chosen: Vec<Benchmark> = if all {
        let has_base = |benchmark: &Benchmark| *benchmark != Benchmark::Against || cli.commit.is_some();
        Benchmark::value_variants().iter().copied().filter(has_base).collect()
    } else {
        cli.names.clone()
    };
    if chosen.iter().any(|benchmark| benchmark.is_of_the_kernel()) {
        program::require_root()?;
        // Says how it is to be started before anything is.
        let _ = daemon::binary();
    }
    interrupt::catch()?;
    let cores = machine::keep_to_two_cores()?;
    print!("{}", report::preamble(cores, cli.seconds)?);
    let mut failed = Vec::new();
    for benchmark in chosen {
        eprintln!("rollcall-bench: {benchmark:?} …");
        match benchmark.run(cli) {
            Ok(mut section) => {
                if !all {
                    // It may be put into a document that was made on another day, on another machine.
                    section.notes.push(format!("Measured by itself, on {}.", machine::line()?));
                }
                print!("\n{section}");
            }
            Err(error) => {
                eprintln!("rollcall-bench: {benchmark:?}: {error:#}");
                failed.push(format!("{benchmark:?}"));
            }
        }
        interrupt::check()?;
    }
    if failed.is_empty() { Ok(()) } else { bail!("failed: {}", failed.join(", ")) }
}

/// The address of servers on loopback.
const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;
