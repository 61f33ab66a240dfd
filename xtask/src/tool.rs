//! Cargo programs of a fixed version, installed under the target directory unless the system has that very version.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Result, bail};

use crate::{process, workspace::Workspace};

/// A program from the crates registry.
pub(crate) struct Tool {
    /// Name of the crate and of its program.
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// Built without optimisation: for programs that run for a second, and whose optimised build takes minutes.
    pub(crate) quick: bool,
}

/// The newest that reads the bitcode of LLVM 22 with rustc's own LLVM; later ones want an LLVM on the system.
pub(crate) const BPF_LINKER: Tool = Tool { name: "bpf-linker", version: "0.10.4", quick: false };
/// Unoptimised it takes 43 s to build on two cores, optimised 174 s.
pub(crate) const CARGO_DENY: Tool = Tool { name: "cargo-deny", version: "0.20.2", quick: true };
pub(crate) const CARGO_MACHETE: Tool = Tool { name: "cargo-machete", version: "0.9.2", quick: true };

impl Tool {
    /// The program, if it is here in the right version: on `PATH`, or installed by an earlier run.
    pub(crate) fn found(&self, workspace: &Workspace) -> Option<PathBuf> {
        process::find(self.name)
            .into_iter()
            .chain([self.installed(workspace)])
            .find(|program| self.is_right_version(program))
    }

    /// Installs the program if it isn't here. The caller holds the lock on the tools.
    pub(crate) fn obtain(&self, workspace: &Workspace) -> Result<PathBuf> {
        if let Some(program) = self.found(workspace) {
            return Ok(program);
        }
        let Self { name, version, quick } = self;
        if process::find("cc").is_none() {
            bail!(
                "{name} cannot be built without a C compiler: install one (Debian: apt-get install gcc libc6-dev)"
            );
        }
        eprintln!("xtask: installing {name} {version}, which takes a minute or two");
        let tools = workspace.tools();
        let build = tools.join("build").join(name);
        let mut install = workspace.cargo();
        install
            .args(["install", "--quiet", "--locked", "--force", name, "--version", version, "--root"])
            .arg(&tools)
            .arg("--target-dir")
            .arg(&build)
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS");
        if *quick {
            install.arg("--debug").env("CARGO_PROFILE_DEV_DEBUG", "0");
        }
        process::run(&mut install)?;
        // Some 300 MB that nothing reads again; if it stays, it only takes room.
        let _ = fs::remove_dir_all(build);
        let program = self.installed(workspace);
        if !self.is_right_version(&program) {
            bail!("{} does not say that it is {name} {version}", program.display());
        }
        Ok(program)
    }

    fn installed(&self, workspace: &Workspace) -> PathBuf {
        workspace.tools().join("bin").join(self.name)
    }

    fn is_right_version(&self, program: &Path) -> bool {
        let said = Command::new(program).arg("--version").stderr(Stdio::null()).output();
        said.is_ok_and(|said| {
            String::from_utf8_lossy(&said.stdout).split_whitespace().any(|word| word == self.version)
        })
    }
}
