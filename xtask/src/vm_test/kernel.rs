//! Debian's kernels, fetched from the archive and cut down to what boots and what the tests need.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

use super::modules;
use crate::archive::{self, Archive, Suite};

/// Suites that have kernels, with the series that each is known for; any other series is looked for in all of
/// them, in this order.
const SUITES: [(&str, &[&str]); 6] = [
    ("trixie-backports", &["6.18", "7"]),
    ("sid", &["7"]),
    ("forky", &["7"]),
    ("trixie", &["6.12"]),
    ("bookworm", &["6.1"]),
    ("bullseye", &["5.10"]),
];

/// The flavour without drivers for hardware that a virtual machine lacks.
const FLAVOUR: &str = "-cloud-amd64";

/// A kernel, ready to boot.
pub(super) struct Kernel {
    /// `6.12.94+deb13-cloud-amd64`.
    pub(super) release: String,
    pub(super) image: PathBuf,
    /// Decompressed, in the order in which they have to be loaded.
    pub(super) modules: Vec<PathBuf>,
}

impl Kernel {
    /// The kernel of this series that was fetched before, or the newest that the archive has. Removing its
    /// directory makes the next run fetch anew.
    pub(super) fn obtain(archive: &Archive, directory: &Path, series: &str) -> Result<Self> {
        let home = directory.join(format!("kernel-{series}"));
        if !home.exists() {
            fetch(archive, directory, series, &home)?;
        }
        let mut modules: Vec<PathBuf> = files(&home.join("modules"))?;
        modules.sort();
        let image =
            files(&home)?.into_iter().find(|file| file.is_file()).context("there is no kernel image")?;
        let name = image.file_name().unwrap_or_default().to_string_lossy();
        Ok(Self { release: name.trim_start_matches("vmlinuz-").to_owned(), image, modules })
    }
}

/// Debian's static busybox.
pub(super) fn busybox(archive: &Archive, directory: &Path) -> Result<PathBuf> {
    let home = directory.join("busybox");
    let program = |home: &Path| {
        ["bin/busybox", "usr/bin/busybox"]
            .map(|inside| home.join(inside))
            .into_iter()
            .find(|path| path.is_file())
    };
    if program(&home).is_none() {
        let package = archive.suite(&archive.codename)?.download("busybox-static")?;
        archive::unpack(&package, None, &home)?;
    }
    program(&home).context("the package busybox-static holds no busybox")
}

/// Fills `home` with the image and the modules. It gets its name as the last step, so that what is there is whole.
fn fetch(archive: &Archive, directory: &Path, series: &str, home: &Path) -> Result<()> {
    let (suite, release) = newest(archive, series)?;
    eprintln!("xtask: fetching Linux {release} from {}", suite.name);
    let tree = directory.join("unpacking");
    let _ = fs::remove_dir_all(&tree);
    // Newer kernels are two packages, with `linux-image` depending on both.
    let split = [format!("linux-binary-{release}"), format!("linux-modules-{release}")];
    let whole = format!("linux-image-{release}");
    let names = suite.names("linux-")?;
    let packages: Vec<_> = split.iter().chain([&whole]).filter(|package| names.contains(package)).collect();
    for package in packages {
        archive::unpack(&suite.download(package)?, None, &tree)?;
    }
    let part = directory.join(format!("partial-{series}"));
    let _ = fs::remove_dir_all(&part);
    fs::create_dir_all(part.join("modules")).with_context(|| format!("create {}", part.display()))?;
    let trees = ["lib/modules", "usr/lib/modules"].map(|inside| tree.join(inside).join(&release));
    let modules = trees.iter().find(|tree| tree.is_dir()).context("the packages hold no modules")?;
    let name = format!("vmlinuz-{release}");
    let images = [tree.join("boot").join(&name), modules.join("vmlinuz")];
    let image = images.iter().find(|image| image.is_file()).context("the packages hold no kernel image")?;
    fs::copy(image, part.join(&name)).with_context(|| format!("copy {}", image.display()))?;
    modules::extract(modules, &part.join("modules"))?;
    fs::rename(&part, home).with_context(|| format!("fill {}", home.display()))?;
    fs::remove_dir_all(&tree).with_context(|| format!("remove {}", tree.display()))
}

/// The newest kernel of a series, and the suite that has it.
fn newest(archive: &Archive, series: &str) -> Result<(Suite, String)> {
    let known = SUITES.iter().any(|(_, series_known)| series_known.contains(&series));
    let suites = SUITES.iter().filter(|(_, series_known)| !known || series_known.contains(&series));
    for (name, _) in suites {
        let Ok(suite) = archive.suite(name) else { continue };
        let mut releases: Vec<_> = suite
            .names("linux-image-")?
            .iter()
            .filter_map(|package| package.strip_prefix("linux-image-"))
            .filter(|release| is_of_series(release, series))
            .map(str::to_owned)
            .collect();
        releases.sort_by_key(|release| numbers(release));
        if let Some(release) = releases.pop() {
            return Ok((suite, release));
        }
    }
    bail!("no suite has a kernel {series}.x{FLAVOUR}")
}

fn is_of_series(release: &str, series: &str) -> bool {
    let rest = release.strip_prefix(series).unwrap_or_default();
    rest.starts_with(['.', '-', '+']) && release.ends_with(FLAVOUR)
}

/// The numbers in a release, by which releases sort: `5.10.0-30-cloud` as 5, 10, 0, 30.
fn numbers(release: &str) -> Vec<u32> {
    release.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
}

fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory).with_context(|| format!("read {}", directory.display()))?;
    Ok(entries.flatten().map(|entry| entry.path()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_no_mere_prefix() {
        assert!(is_of_series("6.1.0-47-cloud-amd64", "6.1"));
        assert!(is_of_series("7.3.4+deb13-cloud-amd64", "7"));
        assert!(!is_of_series("6.12.94+deb13-cloud-amd64", "6.1"));
        assert!(!is_of_series("6.1.0-47-amd64", "6.1"));
        assert!(!is_of_series("6.1.0-47-cloud-amd64-dbg", "6.1"));
    }

    #[test]
    fn releases_sort_by_number() {
        assert!(numbers("6.18.15+deb13-cloud-amd64") > numbers("6.18.9+deb13-cloud-amd64"));
        assert!(numbers("5.10.0-32-cloud-amd64") > numbers("5.10.0-30-cloud-amd64"));
    }
}
