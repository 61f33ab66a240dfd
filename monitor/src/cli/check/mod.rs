//! `rollcall check`.
use super::{
    exit::{Exit, Failure},
    options::KernelArgs,
};
use clap::Args;
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    kernel: KernelArgs,
}
pub(crate) fn check(args: &CheckArgs) -> Result<Exit, Failure> {
    let _ = &args.kernel;
    Ok(Exit::Ok)
}
