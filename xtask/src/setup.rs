//! `setup`: what the eBPF build needs, found or made. Running it again finds all of it there and changes nothing.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::{core_source::CoreSource, tool::BPF_LINKER, toolchain::Toolchain, workspace::Workspace};

/// LLVM inside the compilers whose bitcode our bpf-linker reads.
const LLVM: u32 = 22;

/// Everything that the eBPF build needs.
pub(crate) struct Ready {
    pub(crate) toolchain: Toolchain,
    pub(crate) core: CoreSource,
    pub(crate) linker: PathBuf,
}

pub(crate) fn verb(workspace: &Workspace) -> Result<()> {
    let Ready { toolchain, core, linker } = ready(workspace)?;
    println!("rustc: {} with LLVM {}, at {}", toolchain.release, toolchain.llvm, toolchain.sysroot.display());
    match core {
        CoreSource::Toolchain => println!("source of core: the toolchain's own"),
        CoreSource::Unpacked(library) => println!("source of core: {}", library.display()),
    }
    println!("bpf-linker: {} at {}", BPF_LINKER.version, linker.display());
    Ok(())
}

/// Finds what is here and gets what isn't, with a line for each thing got.
pub(crate) fn ready(workspace: &Workspace) -> Result<Ready> {
    let toolchain = Toolchain::read()?;
    if toolchain.llvm != LLVM {
        bail!(
            "rustc {} is built on LLVM {}, and bpf-linker {} reads LLVM {LLVM} only: use rustc 1.95",
            toolchain.release,
            toolchain.llvm,
            BPF_LINKER.version
        );
    }
    // Nothing is locked once all is there: the usual case, and concurrent builds needn't wait for each other.
    if let Some(core) = CoreSource::found(workspace, &toolchain)
        && let Some(linker) = BPF_LINKER.found(workspace)
    {
        return Ok(Ready { toolchain, core, linker });
    }
    let _lock = workspace.lock_tools()?;
    let core = CoreSource::obtain(workspace, &toolchain)?;
    let linker = BPF_LINKER.obtain(workspace)?;
    Ok(Ready { toolchain, core, linker })
}
