//! `differential`: byte sequences × real servers, and whether Rollcall saw what each of them served.

use std::{ffi::OsString, path::PathBuf};

use anyhow::Result;
use clap::Args;

use crate::{
    build::{self, Linkage, Profile},
    packages::{self, Program},
    privilege, python, test,
    workspace::Workspace,
};

/// The servers that Debian has.
const PROGRAMS: [Program; 9] = [
    Program { name: "nginx", package: "nginx" },
    Program { name: "apache2", package: "apache2" },
    Program { name: "haproxy", package: "haproxy" },
    Program { name: "lighttpd", package: "lighttpd" },
    Program { name: "node", package: "nodejs" },
    Program { name: "go", package: "golang-go" },
    Program { name: "puma", package: "puma" },
    Program { name: "javac", package: "default-jdk-headless" },
    Program { name: "php", package: "php-cli" },
];

/// Those that are packages of Python.
const OF_PYTHON: [&str; 10] = [
    "aiohttp==3.14.5",
    "cheroot==11.1.2",
    "gunicorn==27.0.1",
    "h11==0.16.0",
    "httptools==0.9.0",
    "hypercorn==0.18.0",
    "tornado==6.6.1",
    "uvicorn==0.54.0",
    "waitress==3.0.2",
    "werkzeug==3.1.9",
];

/// With `--full`, so many sequences that are changed at random.
const MUTANTS: usize = 2_000;

#[derive(Args)]
pub(crate) struct Options {
    /// Names of servers; all without names.
    servers: Vec<OsString>,
    /// Only sequences whose name contains this; may be given several times. `=NAME` is just that one.
    #[arg(long)]
    filter: Vec<String>,
    /// So many of the sequences, chosen at random.
    #[arg(long)]
    sequences: Option<usize>,
    /// So many more, which are those that there are, changed at random.
    #[arg(long)]
    mutate: Option<usize>,
    /// What chooses and mutates.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// With 2,000 mutants, which takes a quarter of an hour.
    #[arg(long, conflicts_with = "mutate")]
    full: bool,
    /// One case after the other, in full: bytes sent and received, lines of the exchange log, metrics.
    #[arg(long)]
    dump: bool,
    /// Only names servers and sequences.
    #[arg(long)]
    list: bool,
}

pub(crate) fn verb(workspace: &Workspace, options: &Options) -> Result<()> {
    privilege::obtainable("attaching programs to the kernel")?;
    let mut variables = prepare(workspace)?;
    let names = ["rollcall", "rollcall-differential"];
    let [rollcall, differential] = build::programs(workspace, Profile::Quick, Linkage::Dynamic, names)?;
    variables.push(("ROLLCALL_BIN", rollcall));
    variables.extend(test::shared_data(workspace).map(|shared| (test::SHARED, shared)));
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_os_str())).collect();
    privilege::exec(&differential, &arguments(workspace, options), &variables)
}

/// Installs the servers, and names the variables that say where those are that aren't among the system's programs.
pub(crate) fn prepare(workspace: &Workspace) -> Result<Vec<(&'static str, PathBuf)>> {
    packages::ensure(&PROGRAMS)?;
    Ok(vec![
        ("ROLLCALL_PYTHON_SERVERS", python::ensure(workspace, "servers", &OF_PYTHON)?.join("python")),
        ("ROLLCALL_DIFFERENTIAL", workspace.target.join("differential")),
    ])
}

fn arguments(workspace: &Workspace, options: &Options) -> Vec<OsString> {
    let Options { servers, filter, sequences, mutate, seed, full, dump, list } = options;
    let mut arguments = servers.clone();
    arguments.push(format!("--seed={seed}").into());
    arguments.extend(filter.iter().map(|name| format!("--filter={name}").into()));
    arguments.extend(sequences.map(|count| format!("--sequences={count}").into()));
    let mutants = if *full { Some(MUTANTS) } else { *mutate };
    arguments.extend(mutants.map(|count| format!("--mutate={count}").into()));
    arguments.extend(
        [(*dump, "--dump"), (*list, "--list")].iter().filter(|(on, _)| *on).map(|(_, flag)| flag.into()),
    );
    arguments.push("--out".into());
    arguments.push(workspace.target.join("differential").join("cases").into());
    arguments
}
