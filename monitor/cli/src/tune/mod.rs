//! `rollcall tune`: what the daemon would have learned from recorded traffic, and what it would take to be silent about it.
//!
//! The recording goes through the engine as in `replay`. Norms and the limits in force are the engine's own; beside it stands
//! what these can't tell, the most objects that any client had, whoever it was (`detect::peaks`). What comes of it is a
//! [`Report`], printed by `text` or as JSON.

mod nice;
mod raised;
mod report;
mod text;

use std::{
    io::{self, Write},
    path::PathBuf,
};

use anyhow::Context;
use clap::{Args, ValueEnum};
use raised::Raised;
use report::Report;
use rollcall_daemon::state::{self, Key};
use rollcall_detect::{Peaks, peaks::MOST_OBJECTS};
use rollcall_engine::Engine;
use rollcall_model::hash::HashKey;
use rollcall_replay::Replay;

use super::{
    attribution,
    exit::{Exit, Failure},
    logging,
    options::{EngineArgs, LogArgs},
    progress::{Beside, Progress},
    recorded::RecordedArgs,
};

#[derive(Debug, Args)]
pub(crate) struct TuneArgs {
    #[command(flatten)]
    recorded: RecordedArgs,

    #[command(flatten)]
    engine: EngineArgs,

    /// How much more than ever seen a client may have before a suggested limit is passed.
    #[arg(
        long,
        env = "ROLLCALL_MARGIN",
        value_name = "PERCENT",
        value_parser = clap::value_parser!(u32).range(0..=1_000),
        default_value_t = 50
    )]
    margin: u32,

    /// How to print the suggestions.
    #[arg(long, env = "ROLLCALL_OUTPUT", value_enum, default_value_t = Form::Text)]
    output: Form,

    /// Directory with the key of a daemon, with which its hashes of credentials can be compared [default: none; a
    /// constant key].
    #[arg(long, env = "ROLLCALL_STATE_DIR", value_name = "DIR")]
    state_dir: Option<PathBuf>,

    #[command(flatten)]
    log: LogArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    Text,
    Json,
}

/// Reads every file as `replay` does, and prints what follows from those that could be read.
pub(crate) fn tune(args: TuneArgs) -> Result<Exit, Failure> {
    let TuneArgs { recorded, engine, margin, output, state_dir, log } = args;
    logging::start(&log);
    let settings = engine.settings()?;
    let key = match &state_dir {
        Some(directory) => state::shared(directory)?,
        None => Key::default(),
    };
    let policy = settings.detection.detector.policy.clone();
    let progress = Progress::on_terminal(false);
    let raised = Beside::new(Raised::default(), progress.clone());
    let mut replay = Replay::new(engine.ports.clone(), Engine::new(settings, HashKey::new(key), raised));
    attribution::warn_of(replay.engine().detection().never_match());
    replay.engine().detection_mut().keep_peaks(Peaks::new(policy.clone(), MOST_OBJECTS, HashKey::new(key)));
    let read = recorded.read(&mut replay, &progress);
    let (counters, routes) = (replay.engine().counters(), replay.engine().detection().routes());
    for line in read.summary(&counters, routes.len()) {
        eprintln!("{line}");
    }
    let raised = replay.engine().output().output.clone();
    if raised.exchanges > 0
        && let Some(peaks) = replay.engine().detection().peaks()
    {
        let report = Report::new(peaks, &routes, &policy, &raised, margin);
        let text = match output {
            Form::Text => text::of(&report),
            Form::Json => serde_json::to_string_pretty(&report).context("write the suggestions")? + "\n",
        };
        io::stdout().write_all(text.as_bytes()).context("print the suggestions")?;
    }
    Failure::all(read.failures)
}
