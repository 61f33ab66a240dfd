//! Servers that are Python packages: in an environment of their own under the target directory, in fixed versions.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::{
    packages::{self, Program},
    process,
    workspace::Workspace,
};

const PROGRAMS: [Program; 2] =
    [Program { name: "python3", package: "python3" }, Program { name: "pip3", package: "python3-pip" }];

const SERVERS: [&str; 10] = [
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

/// The Python that has the servers; they are installed unless they are there in these versions.
pub(crate) fn servers(workspace: &Workspace) -> Result<PathBuf> {
    packages::ensure(&PROGRAMS)?;
    let home = workspace.target.join("differential").join("python");
    let python = home.join("bin").join("python");
    let mark = home.join("versions");
    let wanted = SERVERS.join("\n");
    let _lock = workspace.lock_tools()?;
    if !fs::read_to_string(&mark).is_ok_and(|found| found == wanted) {
        eprintln!("xtask: fetching servers for Python");
        install(&home, &python)?;
        fs::write(&mark, wanted).with_context(|| format!("write {}", mark.display()))?;
    }
    Ok(python)
}

fn install(home: &Path, python: &Path) -> Result<()> {
    // Without a pip of its own: Debian has what makes one in a package that no program tells of.
    process::run(Command::new("python3").args(["-m", "venv", "--clear", "--without-pip"]).arg(home))?;
    let mut pip = Command::new("pip3");
    pip.arg("--python").arg(python).args(["install", "--quiet", "--disable-pip-version-check"]);
    process::run(pip.args(SERVERS))
}
