//! `run`: the daemon on this host, optimised; or the demonstration, which brings traffic of its own.

use std::ffi::{OsStr, OsString};

use anyhow::Result;
use clap::Args;

use crate::{
    build::{self, Linkage, Profile},
    privilege,
    workspace::Workspace,
};

#[derive(Args)]
pub(crate) struct Options {
    /// Starts a small API and a few clients on loopback, one of which enumerates accounts, and shows the alert.
    #[arg(long)]
    demo: bool,
    /// Passed on to `rollcall run`, or to the demonstration.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    flags: Vec<OsString>,
}

pub(crate) fn verb(workspace: &Workspace, options: &Options) -> Result<()> {
    privilege::obtainable("capturing from the kernel")?;
    let names = ["rollcall", "rollcall-demo"];
    let [rollcall, demo] = build::programs(workspace, Profile::Quick, Linkage::Dynamic, names)?;
    if options.demo {
        return privilege::exec(&demo, &options.flags, &[("ROLLCALL_BIN", rollcall.as_os_str())]);
    }
    let arguments = std::iter::once(OsStr::new("run")).chain(options.flags.iter().map(OsString::as_os_str));
    privilege::exec(&rollcall, &arguments.collect::<Vec<_>>(), &[])
}
