//! `cargo xtask eval`: how well detection tells attacks from ordinary traffic, with the defaults.
//!
//! Everything is made from seeds and replayed on recorded time, so that the same source gives the same figures, but for
//! those of speed. Each part runs in a process of its own, which this program starts itself as; the document goes to
//! standard output, progress to standard error.

mod api;
mod attack;
mod call;
mod engine;
mod field;
mod forms;
mod ids;
mod known;
mod logs;
mod memory;
mod outcome;
mod parts;
mod replay;
mod report;
mod scale;
mod score;
mod speed;
mod taught;
mod world;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Evaluates detection. Everything without names.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Cli {
    /// Attacks by their names, and `benign`, `logs`, `field`, `forms`, `known`, `taught`, `scale` and `speed`.
    scenarios: Vec<String>,
    /// Seeds that each scenario is run with.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The tests of scale in full size.
    #[arg(long)]
    full: bool,
    /// What came of attacks, ordinary traffic and logs with one seed, as JSON without figures of time and memory: the same for
    /// the same engine.
    #[arg(long)]
    outcomes: bool,
    #[command(subcommand)]
    part: Option<Part>,
}

/// What this program starts itself for.
#[derive(Subcommand)]
enum Part {
    #[command(hide = true, name = "part-api")]
    Api(api::Part),
    #[command(hide = true, name = "part-log")]
    Log(logs::Part),
    #[command(hide = true, name = "part-scale")]
    Scale(scale::Part),
    #[command(hide = true, name = "part-speed")]
    Speed,
    #[command(hide = true, name = "part-field")]
    Field(field::Part),
    #[command(hide = true, name = "part-forms")]
    Forms,
    #[command(hide = true, name = "part-known")]
    Known(known::Part),
    #[command(hide = true, name = "part-taught")]
    Taught(taught::Part),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match perform(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rollcall-eval: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn perform(cli: &Cli) -> Result<()> {
    match &cli.part {
        Some(Part::Api(part)) => api::run(part),
        Some(Part::Log(part)) => logs::run(part),
        Some(Part::Scale(part)) => scale::run(part),
        Some(Part::Speed) => speed::run(),
        Some(Part::Field(part)) => field::run(part),
        Some(Part::Forms) => forms::run(),
        Some(Part::Known(part)) => known::run(part),
        Some(Part::Taught(part)) => taught::run(part),
        None if cli.outcomes => parts::steady(),
        None => {
            let run = parts::run(&cli.scenarios, cli.seeds, cli.full)?;
            print!("{}", report::document(&run)?);
            Ok(())
        }
    }
}
