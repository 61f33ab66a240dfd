//! The Rust toolchain in use, as `rustc` describes itself.

use std::{env, ffi::OsString, path::PathBuf, process::Command};

use anyhow::{Context as _, Result};

use crate::process;

/// The target of the eBPF programs: the BPF machine has the byte order of the kernel that runs it, and the object
/// is for the machine that it is built on.
pub(crate) const BPF_TARGET: &str =
    if cfg!(target_endian = "big") { "bpfeb-unknown-none" } else { "bpfel-unknown-none" };

pub(crate) struct Toolchain {
    /// `1.95.0`.
    pub(crate) release: String,
    /// The host's target triple.
    pub(crate) host: String,
    /// Major version of the LLVM inside.
    pub(crate) llvm: u32,
    pub(crate) sysroot: PathBuf,
}

impl Toolchain {
    pub(crate) fn read() -> Result<Self> {
        let version = process::stdout(rustc().arg("-vV"))?;
        let sysroot = process::stdout(rustc().args(["--print", "sysroot"]))?;
        Self::parse(&version, sysroot.trim().into())
    }

    fn parse(version: &str, sysroot: PathBuf) -> Result<Self> {
        let field = |name: &str| {
            version
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                .with_context(|| format!("`rustc -vV` says no {name}"))
        };
        let llvm = field("LLVM version")?;
        Ok(Self {
            release: field("release")?.to_owned(),
            host: field("host")?.to_owned(),
            llvm: llvm
                .split('.')
                .next()
                .and_then(|major| major.parse().ok())
                .with_context(|| format!("`rustc -vV` gives an odd LLVM version, {llvm}"))?,
            sysroot,
        })
    }

    /// `LD_LIBRARY_PATH` with the toolchain's own libraries in front: bpf-linker uses rustc's LLVM.
    pub(crate) fn library_path(&self) -> OsString {
        let mut path = self.sysroot.join("lib").into_os_string();
        if let Some(rest) = env::var_os("LD_LIBRARY_PATH") {
            path.push(":");
            path.push(rest);
        }
        path
    }
}

fn rustc() -> Command {
    Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rustc_describes_itself() {
        let said = "rustc 1.95.0 (59807616e 2026-04-14)\nbinary: rustc\nhost: x86_64-unknown-linux-gnu\n\
                    release: 1.95.0\nLLVM version: 22.1.2\n";
        let toolchain = Toolchain::parse(said, "/sys".into()).unwrap();
        assert_eq!(toolchain.release, "1.95.0");
        assert_eq!(toolchain.host, "x86_64-unknown-linux-gnu");
        assert_eq!(toolchain.llvm, 22);
        assert!(Toolchain::parse("release: 1.95.0\n", "/sys".into()).is_err());
    }
}
