//! `rollcall documents`: what a package ships beside the program, written from the command line's own definition so that
//! none of it can go stale.
//!
//! ```text
//! DIR/man/rollcall.1, rollcall-run.1, …     one page a command
//! DIR/completions/rollcall.bash, …          one file a shell
//! DIR/default                               every flag of `run` as a variable, commented out
//! ```

mod settings;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Args;
use clap_complete::Shell;

use super::exit::{Exit, Failure};

#[derive(Debug, Args)]
pub(crate) struct DocumentsArgs {
    /// Directory to write into; made if it does not exist.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

/// Shells that packages have a place for.
const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

/// Writes the documents of `command`.
pub(crate) fn documents(command: clap::Command, args: &DocumentsArgs) -> Result<Exit, Failure> {
    let directory = &args.directory;
    write(command, directory).with_context(|| format!("write into {}", directory.display()))?;
    Ok(Exit::Ok)
}

fn write(mut command: clap::Command, directory: &Path) -> io::Result<()> {
    let (man, completions) = (directory.join("man"), directory.join("completions"));
    fs::create_dir_all(&man)?;
    fs::create_dir_all(&completions)?;
    clap_mangen::generate_to(command.clone(), man)?;
    for shell in SHELLS {
        clap_complete::generate_to(shell, &mut command, "rollcall", &completions)?;
    }
    let run = command.find_subcommand("run").ok_or(io::ErrorKind::NotFound)?;
    fs::write(directory.join("default"), settings::file(run))
}
