//! The `rollcall` command: what can be asked for, and how it ends. See `rollcall --help` and docs/exit-codes.md.

mod alerts;
mod allow;
mod attribution;
mod check;
mod client;
mod detection;
mod documents;
mod exit;
mod exposure;
mod ledger;
mod logging;
mod names;
mod options;
mod progress;
mod recorded;
mod replay;
mod routes;
mod run;
mod service;
mod sinks;
mod top;
mod tune;
mod user;
mod values;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::Context;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use exit::{Exit, Failure};

/// Catches bulk account enumeration on HTTP APIs from the kernel, without touching the application.
#[derive(Debug, Parser)]
#[command(name = "rollcall", version, propagate_version = false, subcommand_required = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Watches this host's HTTP traffic until SIGTERM or SIGINT.
    ///
    /// Attaches to the kernel, which needs root (or CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON). A signal makes it stop
    /// after everything captured has been evaluated and written; a second one makes it stop at once.
    Run(Box<run::RunArgs>),
    /// Evaluates recorded traffic as if it happened now: the same engine, the same alerts, at the recorded times.
    Replay(replay::ReplayArgs),
    /// Says what is learned from recorded traffic, and what is left to set so that all of it is silent, with a margin.
    Tune(tune::TuneArgs),
    /// Tells whether this host is fit for `rollcall run`, and what to do if not. Changes nothing.
    Check(check::CheckArgs),
    /// Prints the routes that the daemon on this host has seen: the API inventory.
    Routes(routes::RoutesArgs),
    /// Shows the daemon's state in the terminal while it changes: rate, health, alerts, clients, routes.
    Top(top::TopArgs),
    /// Prints the alerts that are remembered, and what happens to them; says who has taken one on.
    ///
    /// Works while the daemon runs and when it does not.
    Alerts(alerts::AlertsArgs),
    /// Says that something is in order: a budget for the clients of an alert or for a client, or more room on a route.
    ///
    /// It holds at once, without a restart, until its day or `rollcall revoke`. Beyond it there are alerts as for anybody. Works
    /// while the daemon runs and when it does not.
    Allow(allow::AllowArgs),
    /// Prints what is allowed: who, how much, until when, who has said so and why.
    Allowed(allow::AllowedArgs),
    /// Ends what `rollcall allow` has begun.
    Revoke(allow::RevokeArgs),
    /// Prints which objects the clients of an alert read, and how complete that list is.
    ///
    /// Works while the daemon runs and when it does not.
    Exposure(exposure::ExposureArgs),
    /// Prints the version and what it was built from.
    Version,
    /// Writes man pages, shell completions and the service's settings into a directory, for packages.
    #[command(hide = true)]
    Documents(documents::DocumentsArgs),
}

/// Parses the command line, does what it says, and reports how that went.
fn main() -> ExitCode {
    rollcall_metrics::started();
    names::without_modules();
    let cli = parse();
    let outcome = match cli.command {
        Command::Run(args) => run::run(*args),
        Command::Replay(args) => replay::replay(args),
        Command::Tune(args) => tune::tune(args),
        Command::Check(args) => check::check(&args),
        Command::Routes(args) => routes::routes(&args),
        Command::Top(args) => top::top(&args),
        Command::Alerts(args) => alerts::alerts(&args),
        Command::Allow(args) => allow::allow(&args),
        Command::Allowed(args) => allow::allowed(&args),
        Command::Revoke(args) => allow::revoke(&args),
        Command::Exposure(args) => exposure::exposure(&args),
        Command::Version => version(),
        Command::Documents(args) => documents::documents(command(), &args),
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => {
            failure.report();
            failure.exit().into()
        }
    }
}

/// All that can be asked for.
fn command() -> clap::Command {
    let mut command = Cli::command().after_long_help(exit::after_help());
    let names = [
        "run", "replay", "tune", "check", "routes", "top", "alerts", "allow", "allowed", "revoke", "exposure",
    ];
    for name in names {
        command = command.mut_subcommand(name, |command| command.after_long_help(exit::after_help()));
    }
    command
}

/// What the command line says. Ends the process with help, or with clap's message on what is wrong with it.
fn parse() -> Cli {
    let mut command = command();
    let matches = command.clone().get_matches();
    Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.format(&mut command).exit())
}

fn version() -> Result<Exit, Failure> {
    let revision = option_env!("ROLLCALL_REVISION").unwrap_or("unknown");
    let (version, machine) = (env!("CARGO_PKG_VERSION"), std::env::consts::ARCH);
    writeln!(io::stdout(), "rollcall {version} (revision {revision}, {machine})")
        .context("print the version")?;
    Ok(Exit::Ok)
}
