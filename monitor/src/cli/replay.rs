//! `rollcall replay`: recorded traffic through the same engine.

use std::path::PathBuf;

use clap::Args;
use rollcall::{
    engine::Counters,
    replay::{Reader, Summary},
};

use super::{
    exit::{Exit, Failure},
    logging,
    options::{EngineArgs, LogArgs},
    pipeline::{self, Outputs, Replay, Writing},
    state::{self, Key},
};

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// Captures to read, in this order: pcap or pcapng; - is stdin.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    #[command(flatten)]
    engine: EngineArgs,

    /// Directory with the key of a daemon, with which its hashes of credentials can be compared [default: none; a
    /// constant key, which makes two replays alike].
    #[arg(long, env = "ROLLCALL_STATE_DIR", value_name = "DIR")]
    state_dir: Option<PathBuf>,

    #[command(flatten)]
    log: LogArgs,
}

/// Reads every file, and goes on to the next when one is damaged: all failures are reported, the first one's code is
/// the exit code.
pub(crate) fn replay(args: ReplayArgs) -> Result<Exit, Failure> {
    let ReplayArgs { files, engine, state_dir, log } = args;
    logging::start(&log);
    let settings = pipeline::settings(&engine)?;
    // No traffic chooses what it collides with in a file that has been written: any key will do for that.
    let key = match &state_dir {
        Some(directory) => state::open(directory)?,
        None => Key::default(),
    };
    let outputs = Outputs::open(&engine, Writing::Direct, None)?;
    let mut pipeline = Replay::new(engine.ports.clone(), pipeline::engine(settings, key, outputs));
    let mut reader = Reader::new();
    let mut failures = Vec::new();
    for file in &files {
        if let Err(error) = reader.read(file, |segment| pipeline.segment(segment)) {
            failures.push(Failure::from(error));
        }
    }
    let (counters, lost) = pipeline.finish();
    failures.extend(lost.into_iter().map(Failure::from));
    let read = reader.summary();
    // Nothing read and an error to tell: the error is the summary.
    if read.packets > 0 || failures.is_empty() {
        eprintln!("{}", summary(&read, &counters));
    }
    Failure::all(failures)
}

fn summary(read: &Summary, counters: &Counters) -> String {
    let Summary { packets, segments, connections, skipped } = read;
    let alerts = counters.detection.alerts;
    let (exchanges, notices, alerts) =
        (counters.http.exchanges, alerts.about_routes(), alerts.about_clients());
    let mut text = format!(
        "rollcall: {packets} packets, {segments} segments of {connections} connections, {exchanges} exchanges, \
         {alerts} alerts, {notices} notices"
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
