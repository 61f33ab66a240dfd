//! `cargo xtask differential`: byte sequences × real servers, and whether Rollcall saw what each of them served.
//!
//! Each sequence is sent to each server over a connection of its own, followed by three ordinary requests. What the server
//! answered is what it served; every answer has to be an exchange that Rollcall reported with that status and that target,
//! or an answer that it counted as unexplained.

mod answers;
mod bound;
mod client;
mod exchanges;
mod hyper_echo;
mod mutate;
mod own;
mod report;
mod run;
mod sequence;
mod servers;
mod verdict;

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};

/// Sends byte sequences to real servers, and compares what they served with what Rollcall reported.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(clap::Args)]
struct Options {
    /// Names of servers; all without names.
    servers: Vec<String>,
    #[command(flatten)]
    choice: sequence::Choice,
    /// Prints each case in full: bytes sent and received, lines of the exchange log, metrics.
    #[arg(long)]
    dump: bool,
    /// Where the list of findings goes.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Lists the servers and the sequences that there are.
    #[arg(long)]
    list: bool,
    /// Sends nothing: writes a capture in which each sequence is a connection, and each write has one answer.
    #[arg(long)]
    capture: Option<PathBuf>,
}

/// What this program starts itself for.
#[derive(Subcommand)]
enum Part {
    /// Serves with hyper.
    #[command(hide = true, name = "serve-hyper")]
    Hyper { port: u16 },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.part {
        Some(Part::Hyper { port }) => hyper_echo::serve(port).map(|()| true),
        None => perform(&cli.options),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("rollcall-differential: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether nothing was found.
fn perform(options: &Options) -> Result<bool> {
    let sequences = sequence::chosen(&options.choice)?;
    if let Some(file) = &options.capture {
        fs::write(file, sequence::capture(&sequences))
            .with_context(|| format!("write {}", file.display()))?;
        return Ok(true);
    }
    let servers = servers::chosen(&options.servers)?;
    if options.list {
        for server in &servers {
            println!("server {}", server.name);
        }
        for sequence in &sequences {
            println!("sequence {}", sequence.name);
        }
        return Ok(true);
    }
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let found = tokio.block_on(run::run(&servers, &sequences, options.dump))?;
    report::print(&found);
    if let Some(out) = &options.out {
        report::write(&found, out)?;
    }
    Ok(found.is_clean())
}
