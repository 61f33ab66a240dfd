//! `rollcall replay`: recorded traffic through the same engine.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use clap::Args;
use rollcall::replay::{Reader, Summary};

use super::{
    exit::{Exit, Failure},
    logging,
    options::{EngineArgs, LogArgs},
    pipeline::{Counts, Outputs, Pipeline, Writing},
};

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// Captures to read, in this order: pcap or pcapng; - is stdin.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    #[command(flatten)]
    engine: EngineArgs,

    #[command(flatten)]
    log: LogArgs,
}

/// Reads every file, and goes on to the next when one is damaged: all failures are reported, the first one's code is
/// the exit code.
pub(crate) fn replay(args: ReplayArgs) -> Result<Exit, Failure> {
    let ReplayArgs { files, engine, log } = args;
    logging::start(&log);
    let outputs = Outputs::open(&engine, Writing::Direct, None)?;
    let mut pipeline = Pipeline::new(&engine, outputs);
    let mut reader = Reader::new();
    let mut failures = Vec::new();
    for file in &files {
        if let Err(error) = reader.read(file, |segment| pipeline.segment(segment)) {
            failures.push(Failure::from(error));
        }
    }
    let (counts, lost) = pipeline.finish();
    failures.extend(lost.into_iter().map(Failure::from));
    // Without stderr there is the exit code.
    drop(writeln!(io::stderr(), "{}", summary(&reader.summary(), &counts)));
    Failure::all(failures)
}

fn summary(read: &Summary, counts: &Counts) -> String {
    let Summary { packets, segments, connections, skipped } = read;
    let Counts { exchanges, alerts } = counts;
    let mut text = format!(
        "rollcall: {packets} packets, {segments} segments of {connections} connections, {exchanges} exchanges, \
         {alerts} alerts"
    );
    let reasons: Vec<_> = skipped
        .reasons()
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(reason, count)| format!("{count} {reason}"))
        .collect();
    if !reasons.is_empty() {
        text.push_str(&format!("; skipped {}: {}", skipped.total(), reasons.join(", ")));
    }
    text
}
