//! Disks without room.

use std::{
    fs::OpenOptions,
    io::{ErrorKind, Write},
    path::Path,
};

use anyhow::{Context, Result, bail};

/// Writes to a file until there is no room on its disk.
pub fn fill(path: &Path) -> Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    let mut size = 64 << 10;
    while size > 0 {
        match file.write_all(&vec![0; size]) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::StorageFull => size /= 2,
            Err(error) => bail!(error),
        }
    }
    file.flush().context("flush")
}
