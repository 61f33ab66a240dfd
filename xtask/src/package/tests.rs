//! What is in the packages, without installing them.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use super::{contents::Parts, deb, release::Release, tarball};
use crate::{process, workspace::Workspace};

/// The worst that `systemd-analyze security` may say of the unit, in tenths.
const EXPOSURE: &str = "25";

/// Packages of the daemon under test, made once.
struct Made {
    home: tempfile::TempDir,
    parts: Parts,
    release: Release,
    deb: PathBuf,
    tarball: PathBuf,
}

fn made() -> &'static Made {
    static MADE: OnceLock<Made> = OnceLock::new();
    MADE.get_or_init(|| {
        let program = env::var_os("ROLLCALL_BIN").expect(
            "ROLLCALL_BIN is not set: run these tests with `cargo xtask test`, which builds the daemon",
        );
        let home = tempfile::tempdir().unwrap();
        let workspace = Workspace::find().unwrap();
        let release = Release::of(&workspace).unwrap();
        let parts = Parts::gather(&workspace, Path::new(&program), home.path()).unwrap();
        let deb = deb::write(&parts, &release, home.path(), home.path()).unwrap();
        let tarball = tarball::write(&parts, &release, home.path(), home.path()).unwrap();
        Made { home, parts, release, deb, tarball }
    })
}

fn said(command: &mut Command) -> String {
    process::stdout(command).unwrap()
}

fn field(name: &str) -> String {
    said(Command::new("dpkg-deb").arg("--field").arg(&made().deb).arg(name)).trim().to_owned()
}

/// The package, unpacked.
fn unpacked() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    said(Command::new("dpkg-deb").arg("--raw-extract").arg(&made().deb).arg(root.path()));
    root
}

#[test]
fn the_package_holds_what_an_operator_needs() {
    let listing = said(Command::new("dpkg-deb").arg("--contents").arg(&made().deb));
    for line in listing.lines() {
        assert!(line.contains(" root/root "), "{line}");
    }
    for (mode, path) in [
        ("-rwxr-xr-x", "usr/bin/rollcall"),
        ("-rw-r--r--", "etc/default/rollcall"),
        ("-rw-r--r--", "etc/logrotate.d/rollcall"),
        ("-rw-r--r--", "usr/lib/systemd/system/rollcall.service"),
        ("-rw-r--r--", "usr/lib/sysusers.d/rollcall.conf"),
        ("-rw-r--r--", "usr/lib/tmpfiles.d/rollcall.conf"),
        ("-rw-r--r--", "usr/share/man/man1/rollcall.1.gz"),
        ("-rw-r--r--", "usr/share/man/man1/rollcall-run.1.gz"),
        ("-rw-r--r--", "usr/share/bash-completion/completions/rollcall"),
        ("-rw-r--r--", "usr/share/fish/vendor_completions.d/rollcall.fish"),
        ("-rw-r--r--", "usr/share/zsh/vendor-completions/_rollcall"),
        ("-rw-r--r--", "usr/share/doc/rollcall/README.md"),
        ("-rw-r--r--", "usr/share/doc/rollcall/copyright"),
        ("-rw-r--r--", "usr/share/doc/rollcall/third-party.gz"),
    ] {
        let found =
            listing.lines().any(|line| line.starts_with(mode) && line.ends_with(&format!(" ./{path}")));
        assert!(found, "{path} is not there as {mode}:\n{listing}");
    }
    let depends = field("Depends");
    assert!(depends.contains("libc6 (>= ") && depends.contains("systemd-sysusers"), "{depends}");
    assert!(field("Installed-Size").parse::<u64>().unwrap() > 1024);
}

#[test]
fn what_the_administrator_may_change_is_a_conffile() {
    let root = unpacked();
    let conffiles = fs::read_to_string(root.path().join("DEBIAN/conffiles")).unwrap();
    let mut in_etc = said(Command::new("find").args(["etc", "-type", "f"]).current_dir(root.path()));
    in_etc = in_etc.lines().map(|path| format!("/{path}\n")).collect();
    let sorted = |text: &str| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&conffiles), sorted(&in_etc));
}

#[test]
fn scripts_are_scripts() {
    let root = unpacked();
    for script in ["postinst", "prerm", "postrm"] {
        let path = root.path().join("DEBIAN").join(script);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o755, "{script}");
        said(Command::new("sh").arg("-n").arg(&path));
    }
    said(Command::new("md5sum").args(["--check", "--quiet", "DEBIAN/md5sums"]).current_dir(root.path()));
}

#[test]
fn the_same_source_gives_the_same_packages() {
    let Made { parts, release, deb, tarball, .. } = made();
    let (home, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let again = deb::write(parts, release, home.path(), out.path()).unwrap();
    assert!(fs::read(deb).unwrap() == fs::read(again).unwrap(), "another package");
    let again = tarball::write(parts, release, home.path(), out.path()).unwrap();
    assert!(fs::read(tarball).unwrap() == fs::read(again).unwrap(), "another tarball");
}

#[test]
fn lintian_finds_nothing() {
    let mut lintian = Command::new("lintian");
    lintian.args(["--allow-root", "--fail-on=error,warning"]).arg(&made().deb);
    let output = lintian.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_unit_is_valid_and_confines_the_service() {
    let root = unpacked();
    let unit = root.path().join("usr/lib/systemd/system/rollcall.service");
    // What it starts isn't installed here.
    let text = fs::read_to_string(&unit).unwrap();
    fs::write(&unit, text.replace("/usr/bin/rollcall run", "/bin/true")).unwrap();
    let verified = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&unit).output().unwrap();
    let complaints = String::from_utf8_lossy(&verified.stderr);
    assert!(verified.status.success() && !complaints.contains("rollcall.service"), "{complaints}");
    let mut security = Command::new("systemd-analyze");
    security.args(["security", "--offline=true", "--no-pager", "--threshold", EXPOSURE]).arg(&unit);
    let judged = security.output().unwrap();
    assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stdout));
}

#[test]
fn the_tarball_unpacks_into_a_directory_of_its_own() {
    let Made { release, tarball, home, .. } = made();
    let name = format!("rollcall-{}-{}-linux", release.version, env::consts::ARCH);
    assert_eq!(tarball.parent(), Some(home.path()));
    let listing = said(Command::new("tar").arg("--list").arg("--file").arg(tarball));
    assert!(listing.lines().all(|path| path.starts_with(&format!("{name}/"))), "{listing}");
    for path in ["bin/rollcall", "lib/systemd/system/rollcall.service", "share/doc/rollcall/default"] {
        assert!(
            listing.lines().any(|line| line == format!("{name}/{path}")),
            "{path} is not there:\n{listing}"
        );
    }
    let unit = format!("{name}/lib/systemd/system/rollcall.service");
    let unit = said(Command::new("tar").args(["--extract", "--to-stdout", "--file"]).arg(tarball).arg(unit));
    assert!(unit.contains("ExecStart=/usr/local/bin/rollcall run\n"), "{unit}");
    assert!(!unit.contains(" /usr/bin/rollcall"), "{unit}");
}

#[test]
fn the_changelog_knows_this_version() {
    let Made { parts, release, .. } = made();
    let changelog = String::from_utf8(parts.source("deb/changelog").unwrap()).unwrap();
    let version = release.debian_version();
    assert!(
        changelog.starts_with(&format!("rollcall ({version}) ")),
        "xtask/packaging/deb/changelog lacks {version}"
    );
}
