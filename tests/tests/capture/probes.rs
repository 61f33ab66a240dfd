//! The programs that take secrets of TLS connections, on whatever way the kernel has to attach them.

use anyhow::{Context, Result, ensure};
use rollcall_capture::{self as capture, Options};

#[test]
fn probes_of_tls_load() -> Result<()> {
    capture::probe()?;
    let loaded = capture::load(&Options { tls: true, ..Options::default() })?;
    let mut watch = loaded.watch.context("no probes were asked for")??;
    watch.look()?;
    ensure!(loaded.capture.secret_hits().lost() == 0);
    Ok(())
}
