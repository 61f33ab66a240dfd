//! The Debian package, put together by dpkg-deb.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use super::{
    contents::Parts,
    release::Release,
    tree::{FILE, PROGRAM, Tree},
};
use crate::process;

/// Files in `/etc`, which the administrator may change and upgrades leave alone.
const CONFFILES: [&str; 2] = ["etc/default/rollcall", "etc/logrotate.d/rollcall"];

const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];

/// Writes `rollcall_<version>_<architecture>.deb` into `out`.
pub(super) fn write(parts: &Parts, release: &Release, home: &Path, out: &Path) -> Result<PathBuf> {
    let mut tree = parts.tree("usr")?;
    let [settings, logrotate] = CONFFILES;
    tree.add(settings, FILE, parts.settings());
    tree.add(logrotate, FILE, parts.source("rollcall.logrotate")?);
    let doc = Path::new("usr/share/doc/rollcall");
    tree.add_packed(doc.join("changelog.Debian"), &changelog(parts, release)?)?;
    tree.add(doc.join("copyright"), FILE, copyright(parts)?);
    tree.add("usr/share/lintian/overrides/rollcall", FILE, parts.source("deb/lintian-overrides")?);

    let staged = home.join("deb");
    tree.write(&staged, release.epoch)?;
    let control = control(parts, release, &tree, &staged, home)?;
    // Together with the control files, in a second round: the sums are of what is staged.
    let mut whole = tree;
    for (name, mode, content) in control.files() {
        whole.add(Path::new("DEBIAN").join(name), mode, content);
    }
    whole.write(&staged, release.epoch)?;

    let architecture = architecture()?;
    let file = out.join(format!("rollcall_{}_{architecture}.deb", release.debian_version()));
    let mut build = Command::new("dpkg-deb");
    build.args(["--root-owner-group", "-Zxz", "--build"]).arg(&staged).arg(&file);
    process::stdout(build.env("SOURCE_DATE_EPOCH", release.epoch.to_string()))?;
    Ok(file)
}

/// The files of the package's `control.tar`.
fn control(parts: &Parts, release: &Release, tree: &Tree, staged: &Path, home: &Path) -> Result<Tree> {
    let mut control = Tree::default();
    let text = String::from_utf8(parts.source("deb/control")?).context("deb/control is no text")?;
    let text = text
        .replace("{version}", &release.debian_version())
        .replace("{architecture}", &architecture()?)
        .replace("{installed-size}", &tree.installed_size().to_string())
        .replace("{depends}", &libraries(&staged.join("usr/bin/rollcall"), home)?);
    control.add("control", FILE, text);
    control.add("conffiles", FILE, CONFFILES.map(|path| format!("/{path}\n")).concat());
    control.add("md5sums", FILE, sums(tree, staged)?);
    for script in SCRIPTS {
        control.add(script, PROGRAM, parts.source(&format!("deb/{script}"))?);
    }
    Ok(control)
}

/// The packages that have the libraries which `program` is linked with, with the oldest versions that do.
fn libraries(program: &Path, home: &Path) -> Result<String> {
    // dpkg-shlibdeps wants to be in a source package, and the program in a binary one.
    let root = program.ancestors().nth(3).context("the program lies nowhere")?;
    fs::create_dir_all(root.join("DEBIAN")).with_context(|| format!("create {}/DEBIAN", root.display()))?;
    let source = home.join("shlibdeps");
    fs::create_dir_all(source.join("debian")).with_context(|| format!("create {}", source.display()))?;
    fs::write(source.join("debian/control"), "Source: rollcall\n\nPackage: rollcall\nArchitecture: any\n")?;
    let mut ask = Command::new("dpkg-shlibdeps");
    let said = process::stdout(ask.arg("-O").arg(program).current_dir(&source))?;
    let depends = said.trim().strip_prefix("shlibs:Depends=").context("dpkg-shlibdeps names no packages")?;
    Ok(depends.to_owned())
}

fn sums(tree: &Tree, staged: &Path) -> Result<String> {
    let installed = tree.files().map(|(path, ..)| path).filter(|path| !path.starts_with("etc"));
    process::stdout(Command::new("md5sum").args(installed).current_dir(staged))
}

/// The changelog with an entry on top for versions that it doesn't have yet, such as those of tests.
fn changelog(parts: &Parts, release: &Release) -> Result<Vec<u8>> {
    let mut text = parts.source("deb/changelog")?;
    let version = release.debian_version();
    if !text.starts_with(format!("rollcall ({version}) ").as_bytes()) {
        let date = process::stdout(
            Command::new("date")
                .env("LC_ALL", "C")
                .args(["-u", "-R", "-d"])
                .arg(format!("@{}", release.epoch)),
        )?;
        let entry = format!(
            "rollcall ({version}) UNRELEASED; urgency=medium\n\n  * Built from revision {}.\n\n \
             -- The Rollcall maintainers <maintainers@rollcall.invalid>  {}\n\n",
            release.revision,
            date.trim()
        );
        text.splice(0..0, entry.into_bytes());
    }
    Ok(text)
}

fn copyright(parts: &Parts) -> Result<Vec<u8>> {
    Ok([parts.source("deb/copyright")?, parts.source("../../LICENSE-MIT")?].concat())
}

/// `amd64`.
pub(super) fn architecture() -> Result<String> {
    Ok(process::stdout(Command::new("dpkg").arg("--print-architecture"))?.trim().to_owned())
}
