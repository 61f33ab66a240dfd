//! `rollcall alerts`: the alerts that are remembered, what happens to them, and who has taken them on.
//!
//! Reads the ledger's file, whether the daemon runs or not.

mod ack;
mod follow;
mod show;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use rollcall_model::time::Timestamp;
use rollcall_store::{Reader, Row};

use super::{
    exit::{Exit, Failure},
    values,
};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct AlertsArgs {
    #[command(subcommand)]
    action: Option<Action>,

    /// Only alerts that are open.
    #[arg(long)]
    open: bool,

    /// Only what was told since: a time such as 2026-11-24T12:00:00Z, or how long ago, such as 36h.
    #[arg(long, value_name = "TIME|DURATION", value_parser = values::since)]
    since: Option<Timestamp>,

    /// Go on with what happens to alerts, as it happens, until Ctrl-C.
    #[arg(long)]
    follow: bool,

    /// How to print them.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,

    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Says that somebody has taken an alert on. It goes on as before, and is marked until it becomes severer.
    Ack(ack::AckArgs),
}

/// Where the ledger is.
#[derive(Clone, Debug, Args)]
struct Place {
    /// Directory that the daemon keeps its state in.
    #[arg(long, env = "ROLLCALL_STATE_DIR", value_name = "DIR", default_value = "/var/lib/rollcall")]
    state_dir: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people: the newest alert first. What happens then is a line each.
    Table,
    /// One JSON object a line, with the fields of the alert file: the latest of each alert, and who took it on.
    Json,
}

/// Prints alerts, or acknowledges one.
pub(crate) fn alerts(args: &AlertsArgs) -> Result<Exit, Failure> {
    if let Some(Action::Ack(args)) = &args.action {
        return ack::ack(args);
    }
    let directory: &Path = &args.place.state_dir;
    let reader = Reader::open(directory)?;
    // What comes while the list is made is told after it.
    let latest = reader.latest()?;
    let mut rows = reader.alerts()?;
    rows.retain(|row| is_wanted(args, row));
    let commands = if args.follow { None } else { show::commands(&rows, directory) };
    let written = match args.format {
        Format::Table => {
            write(&show::table(&rows)).and_then(|()| commands.map_or(Ok(()), |commands| write(&commands)))
        }
        Format::Json => rows.iter().try_for_each(|row| write(&show::json(row)?)),
    };
    let written = match written {
        Ok(()) if args.follow => follow::follow(directory, reader, latest, args.format)?,
        written => written,
    };
    match written {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Ok),
        written => written.context("print the alerts").map(|()| Exit::Ok).map_err(Failure::from),
    }
}

fn is_wanted(args: &AlertsArgs, row: &Row) -> bool {
    !(args.open && row.resolved_at.is_some()) && args.since.is_none_or(|since| row.alert.at >= since)
}

/// Writes a line, or several, and does not wait for others to join them.
fn write(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}")?;
    stdout.flush()
}
