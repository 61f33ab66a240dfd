//! `test`: every test of the workspace, those that drive the real kernel with real servers and clients too.

use std::{env, path::PathBuf};

use anyhow::Result;
use clap::Args;

use crate::{
    build::{self, Linkage, Profile},
    differential,
    packages::{self, Program},
    privilege, process,
    toolchain::Toolchain,
    workspace::Workspace,
};

/// What the tests start.
const PROGRAMS: [Program; 18] = [
    Program { name: "nginx", package: "nginx" },
    Program { name: "wrk", package: "wrk" },
    Program { name: "curl", package: "curl" },
    Program { name: "jq", package: "jq" },
    Program { name: "sqlite3", package: "sqlite3" },
    Program { name: "python3", package: "python3" },
    Program { name: "ip", package: "iproute2" },
    Program { name: "chromium", package: "chromium" },
    Program { name: "tmux", package: "tmux" },
    Program { name: "dpkg-shlibdeps", package: "dpkg-dev" },
    Program { name: "lintian", package: "lintian" },
    Program { name: "systemd-analyze", package: "systemd" },
    Program { name: "prometheus", package: "prometheus" },
    Program { name: "promtool", package: "prometheus" },
    Program { name: "prometheus-alertmanager", package: "prometheus-alertmanager" },
    Program { name: "journalctl", package: "systemd" },
    Program { name: "openssl", package: "openssl" },
    Program { name: "unshare", package: "util-linux" },
];

#[derive(Args, Default)]
pub(crate) struct Options {
    /// Only tests whose name contains this; may be given several times.
    #[arg(long)]
    filter: Vec<String>,
    /// Passed on to the test programs, such as `--nocapture`.
    #[arg(last = true)]
    arguments: Vec<String>,
}

pub(crate) fn verb(workspace: &Workspace, options: &Options) -> Result<()> {
    privilege::obtainable("testing on the real kernel")?;
    packages::ensure(&PROGRAMS)?;
    let servers = differential::prepare(workspace)?;
    let rollcall = build::monitor(workspace, Profile::Quick, Linkage::Dynamic)?;
    let mut tests = build::host_cargo(workspace, Linkage::Dynamic, "test")?;
    tests
        .args(["--workspace", "--no-fail-fast"])
        .env("ROLLCALL_BIN", rollcall)
        .env("ROLLCALL_XTASK", env::current_exe()?);
    tests.envs(servers);
    tests.envs(shared_data(workspace).map(|shared| (SHARED, shared)));
    if !privilege::is_root() {
        // Only the test programs run as root; what cargo builds stays the user's.
        let host = Toolchain::read()?.host.to_uppercase().replace('-', "_");
        tests.env(format!("CARGO_TARGET_{host}_RUNNER"), "sudo --preserve-env");
    }
    process::run(tests.arg("--").args(&options.filter).args(&options.arguments))
}

/// The variable that tells where the captures and logs are that aren't part of the repository.
pub(crate) const SHARED: &str = "ROLLCALL_SHARED";

/// Where these are, unless the caller's environment says so already.
pub(crate) fn shared_data(workspace: &Workspace) -> Option<PathBuf> {
    if env::var_os(SHARED).is_some() {
        return None;
    }
    let shared = workspace.root.parent().map(|parent| parent.join("shared")).filter(|shared| shared.is_dir());
    if shared.is_none() {
        eprintln!(
            "xtask: NOTICE: there is no directory `shared` beside the repository, and {SHARED} isn't set: \
             there are no recorded captures and logs to read"
        );
    }
    shared
}
