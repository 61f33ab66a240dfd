//! The tarball: the static program with everything around it, to be unpacked into `/usr/local`.

use std::{
    env::consts::ARCH,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use super::{contents::Parts, release::Release, tree::FILE};
use crate::process;

/// Writes `rollcall-<version>-<machine>-linux.tar.gz` into `out`. All in it is below a directory of that name.
pub(super) fn write(parts: &Parts, release: &Release, home: &Path, out: &Path) -> Result<PathBuf> {
    let name = format!("rollcall-{}-{ARCH}-linux", release.version);
    let mut tree = parts.tree("")?;
    let unit = String::from_utf8(parts.source("systemd/rollcall.service")?).context("the unit is no text")?;
    tree.add("lib/systemd/system/rollcall.service", FILE, unit.replace("/usr/bin/", "/usr/local/bin/"));
    let doc = Path::new("share/doc/rollcall");
    tree.add(doc.join("default"), FILE, parts.settings());
    tree.add(doc.join("logrotate"), FILE, parts.source("rollcall.logrotate")?);
    for licence in ["LICENSE-MIT", "LICENSE-APACHE", "LICENSE.md"] {
        tree.add(doc.join(licence), FILE, parts.source(&format!("../../{licence}"))?);
    }
    let staged = home.join("tar");
    tree.write(&staged.join(&name), release.epoch)?;
    let file = out.join(format!("{name}.tar.gz"));
    let mut tar = Command::new("tar");
    tar.args([
        "--sort=name",
        "--owner=root:0",
        "--group=root:0",
        "--format=gnu",
        "--use-compress-program=gzip -9n",
    ])
    .arg("--directory")
    .arg(&staged)
    .arg("--create")
    .arg("--file")
    .arg(&file)
    .arg(&name);
    process::run(&mut tar)?;
    Ok(file)
}
