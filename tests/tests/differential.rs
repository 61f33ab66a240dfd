//! Odd byte sequences to real servers, in short: `cargo xtask differential` tries all of them.

use std::process::Command;

use anyhow::{Result, ensure};

/// Of some two thousand, the same ones each time: with each of the servers they take half a minute.
const SEQUENCES: usize = 120;

#[test]
fn what_real_servers_serve_is_reported_or_told() -> Result<()> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rollcall-differential"));
    let output = command.arg(format!("--sequences={SEQUENCES}")).arg("--out=-").output()?;
    let (found, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{found}{said}");
    Ok(())
}
