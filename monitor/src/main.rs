//! The `rollcall` command: see `rollcall --help` and docs/exit-codes.md.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
