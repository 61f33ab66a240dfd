//! `rollcall exposure`: which objects the clients of an alert read.
//!
//! Reads the ledger's file, whether the daemon runs or not. Standard output has the list and nothing else; what is to be
//! known about the list goes to standard error.

mod csv;
mod ids;
mod json;
mod summary;
mod who;

use std::{
    io::{self, BufWriter, Write},
    path::PathBuf,
};

use clap::{Args, ValueEnum};
use rollcall_attribute::route::full_name;
use rollcall_daemon::state;
use rollcall_model::{hash::HashKey, time::Timestamp};
use rollcall_store::exposure::{Found, Reader, Row, Subject, Who};

use self::{
    ids::Matching,
    summary::{Counted, Summary},
};
use super::{
    exit::{Exit, Failure},
    values,
};

/// Lines of a list are written in pieces of so many bytes.
const PIECE: usize = 256 << 10;

#[derive(Debug, Args)]
pub(crate) struct ExposureArgs {
    /// An alert, by its id or the beginning of it; or a client, as alerts show it: an address, a network, a credential
    /// such as bearer:3f2a…, or * for everybody.
    #[arg(value_name = "ALERT|CLIENT", value_parser = who::parse)]
    who: Who,

    /// Only objects that were read since: a time such as 2026-11-24T12:00:00Z, or how long ago, such as 36h.
    #[arg(long, value_name = "TIME|DURATION", value_parser = values::since)]
    since: Option<Timestamp>,

    /// Only reads on this route, as alerts show it; of each service, or with one before it: ':8001 GET /v1/{id}'.
    #[arg(long, value_name = "ROUTE")]
    route: Option<String>,

    /// Only objects of this file, one a line; - is stdin. The way to find out which of yours were read when the ledger has
    /// hashes.
    #[arg(long = "match", value_name = "FILE")]
    ids: Option<PathBuf>,

    /// How to print them.
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,

    /// Directory that the daemon keeps its state in.
    #[arg(long, env = "ROLLCALL_STATE_DIR", value_name = "DIR", default_value = "/var/lib/rollcall")]
    state_dir: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A line for each object and client, for spreadsheets: what they would take for a formula begins with an apostrophe.
    Csv,
    /// One JSON object a line: first about the list, then a line for each object and client, at last how many there were.
    Json,
    /// No list, only what is to be known about it.
    Summary,
}

/// Prints what was read.
pub(crate) fn exposure(args: &ExposureArgs) -> Result<Exit, Failure> {
    let reader = Reader::open(&args.state_dir)?;
    let mut subjects = match reader.find(&args.who)? {
        Found::Subjects(subjects) => subjects,
        Found::Several(alerts) => {
            let error = anyhow::anyhow!("several alerts begin like that: {}", alerts.join(", "));
            return Err(Failure::new(Exit::Usage, error).advise("give more of the id"));
        }
    };
    if let Some(route) = &args.route {
        let is_meant = |name: &str| name == route || full_name::split(name).1 == route;
        subjects.retain(|subject| is_meant(&subject.incident.route));
    }
    if subjects.is_empty() {
        return Err(unknown(args, &reader)?);
    }
    let summary = Summary::of(&reader, &subjects)?;
    let rows: Box<dyn Iterator<Item = Result<Row, Failure>>> = match &args.ids {
        None => Box::new(reader.list(&subjects, args.since)?.map(|row| row.map_err(Failure::from))),
        Some(path) => {
            let key = state::existing(&args.state_dir)?.map(HashKey::new);
            Box::new(Matching::open(path, &reader, &subjects, args.since, key)?)
        }
    };
    match print(args.format, &summary, &subjects, rows) {
        Err(Stopped::Ledger(failure)) => Err(failure),
        // Whoever reads has seen enough.
        Err(Stopped::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Ok),
        Err(Stopped::Output(error)) => Err(anyhow::Error::from(error).context("print the list").into()),
        Ok(()) => Ok(Exit::Ok),
    }
}

/// Why printing ended early.
enum Stopped {
    Ledger(Failure),
    Output(io::Error),
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Stopped {
        Stopped::Output(error)
    }
}

fn print(
    format: Format,
    summary: &Summary,
    subjects: &[Subject],
    rows: impl Iterator<Item = Result<Row, Failure>>,
) -> Result<(), Stopped> {
    let mut out = BufWriter::with_capacity(PIECE, io::stdout().lock());
    let mut counted = Counted::default();
    let mut line = Vec::new();
    match format {
        Format::Csv => out.write_all(csv::HEAD)?,
        Format::Json => json::head(&mut out, summary)?,
        Format::Summary => {}
    }
    for row in rows {
        let row = row.map_err(Stopped::Ledger)?;
        let subject = &subjects[row.subject];
        counted.add(&row, subject);
        line.clear();
        match format {
            Format::Csv => csv::row(&mut line, &row, subject),
            Format::Json => json::row(&mut line, &row, subject)?,
            Format::Summary => continue,
        }
        out.write_all(&line)?;
    }
    match format {
        Format::Csv => {
            out.flush()?;
            // Without stderr there is still the list.
            drop(write!(io::stderr(), "{}", summary.text(&counted)));
        }
        Format::Json => json::tail(&mut out, summary, &counted)?,
        Format::Summary => write!(out, "{}", summary.text(&counted))?,
    }
    Ok(out.flush()?)
}

/// Why there is nothing to list.
fn unknown(args: &ExposureArgs, reader: &Reader) -> Result<Failure, Failure> {
    let alerts = reader.alerts()?;
    let (what, advice) = match &args.who {
        Who::Alert(id) => (
            format!("no reads are recorded of an alert {id}"),
            "see which there are: rollcall alerts; notices about routes have none, and what is older than --ledger.age is gone",
        ),
        Who::Client(_) => (
            "no reads are recorded of that client".to_owned(),
            "give it as alerts show it; only clients of alerts are recorded",
        ),
    };
    let error = anyhow::anyhow!("{what} in {} ({alerts} alerts have some)", args.state_dir.display());
    Ok(Failure::new(Exit::Ledger, error).advise(advice))
}
