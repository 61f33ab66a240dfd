//! `rollcall replay`: recorded traffic through the same engine.

use std::path::{Path, PathBuf};

use clap::Args;
use rollcall_daemon::{
    Outputs,
    state::{self, Key},
};
use rollcall_engine::Engine;
use rollcall_model::hash::HashKey;
use rollcall_replay::Replay;

use super::{
    attribution,
    exit::{Exit, Failure},
    logging,
    options::{EngineArgs, LogArgs, OutputArgs},
    progress::{Beside, Progress},
    recorded::RecordedArgs,
};

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    #[command(flatten)]
    recorded: RecordedArgs,

    #[command(flatten)]
    engine: EngineArgs,

    #[command(flatten)]
    outputs: OutputArgs,

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
    let ReplayArgs { recorded, engine, outputs, state_dir, log } = args;
    logging::start(&log);
    let settings = engine.settings()?;
    // No traffic chooses what it collides with in a file that has been written: any key will do for that.
    let key = match &state_dir {
        Some(directory) => state::shared(directory)?,
        None => Key::default(),
    };
    let progress = Progress::on_terminal(outputs.exchange_log.as_deref() == Some(Path::new("-")));
    let outputs =
        Beside::new(Outputs::direct(&outputs.alert_file, outputs.exchange_log.as_deref())?, progress.clone());
    let mut replay = Replay::new(engine.ports.clone(), Engine::new(settings, HashKey::new(key), outputs));
    attribution::warn_of(replay.engine().detection().never_match());
    let mut read = recorded.read(&mut replay, &progress);
    let (counters, routes) = (replay.engine().counters(), replay.engine().detection().routes().len());
    let lost = replay.into_output().output.finish();
    for line in read.summary(&counters, routes) {
        eprintln!("{line}");
    }
    read.failures.extend(lost.into_iter().map(Failure::from));
    Failure::all(read.failures)
}
