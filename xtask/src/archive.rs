//! Debian's package archive, read through an apt state of our own.
//!
//! Packages of any suite can be looked up and downloaded, by any user, without the system's apt noticing: its
//! lists, cache, preferences and installed packages are neither read nor touched. Only its sources are read, for
//! the mirror and the keys (see [`sources`]), and its network settings, such as a proxy.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use crate::{process, sources, workspace};

/// The archive, not yet asked for anything.
pub(crate) struct Archive {
    directory: PathBuf,
    sources: Vec<sources::Source>,
    /// The running release, `trixie`.
    pub(crate) codename: String,
}

/// One suite, its package lists fetched.
pub(crate) struct Suite {
    pub(crate) name: String,
    directory: PathBuf,
}

impl Archive {
    /// Fails where there is no apt, or its sources name no Debian archive. The state is kept under `directory`.
    pub(crate) fn open(directory: PathBuf) -> Result<Self> {
        for program in ["apt-get", "dpkg-deb"] {
            if process::find(program).is_none() {
                bail!("there is no {program} here: not a Debian system");
            }
        }
        let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let codename = release
            .lines()
            .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
            .unwrap_or("sid")
            .trim_matches('"')
            .to_owned();
        let sources = sources::main_archives(Path::new("/etc/apt"), &codename);
        if sources.is_empty() {
            bail!("apt's sources name no Debian archive with a suite {codename}");
        }
        Ok(Self { directory, sources, codename })
    }

    /// The stanza of a `.sources` file by which the archive is asked for a suite.
    pub(crate) fn stanza(&self, suite: &str) -> Result<String> {
        let source = self.sources.first().with_context(|| format!("no source has the suite {suite}"))?;
        Ok(source.stanza(suite))
    }

    /// Fetches the package lists of a suite from the first source that has it.
    pub(crate) fn suite(&self, name: &str) -> Result<Suite> {
        let suite = Suite { name: name.to_owned(), directory: self.directory.join(name) };
        for source in &self.sources {
            suite.configure(&source.stanza(name))?;
            if process::stdout(suite.apt("apt-get").args(["-qq", "update"])).is_ok() {
                return Ok(suite);
            }
        }
        bail!("no archive that apt knows has the suite {name}")
    }
}

impl Suite {
    fn configure(&self, stanza: &str) -> Result<()> {
        let file = |name: &str, text: &str| {
            let path = self.directory.join(name);
            fs::write(&path, text).with_context(|| format!("write {}", path.display()))
        };
        for directory in ["lists/partial", "cache/archives/partial"] {
            let path = self.directory.join(directory);
            fs::create_dir_all(&path).with_context(|| format!("create {}", path.display()))?;
        }
        file("suite.sources", stanza)?;
        file("status", "")?;
        // Read after the system's configuration, whose hooks on updates are none of our business. The download
        // user that apt drops to may not reach our target directory; packages are verified either way.
        let here = self.directory.display();
        file(
            "apt.conf",
            &format!(
                "Dir::Etc::SourceList \"{here}/suite.sources\";\n\
                 Dir::Etc::SourceParts \"/dev/null\";\n\
                 Dir::Etc::Preferences \"/dev/null\";\n\
                 Dir::Etc::PreferencesParts \"/dev/null\";\n\
                 Dir::State::Lists \"{here}/lists\";\n\
                 Dir::State::Status \"{here}/status\";\n\
                 Dir::Cache \"{here}/cache\";\n\
                 Acquire::Languages \"none\";\n\
                 APT::Sandbox::User \"root\";\n\
                 APT::Update::Error-Mode \"any\";\n\
                 #clear APT::Update::Pre-Invoke;\n\
                 #clear APT::Update::Post-Invoke;\n\
                 #clear APT::Update::Post-Invoke-Success;\n\
                 #clear DPkg::Post-Invoke;\n"
            ),
        )
    }

    fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("LC_ALL", "C.UTF-8").arg("-c").arg(self.directory.join("apt.conf"));
        command
    }

    /// Names of packages that begin with `prefix`.
    pub(crate) fn names(&self, prefix: &str) -> Result<Vec<String>> {
        let names = process::stdout(self.apt("apt-cache").args(["pkgnames", prefix]))?;
        Ok(names.lines().map(str::to_owned).collect())
    }

    /// Versions of `package`, newest first; none if the suite lacks it.
    pub(crate) fn versions(&self, package: &str) -> Result<Vec<String>> {
        let table = process::stdout(self.apt("apt-cache").args(["madison", package]))?;
        Ok(table
            .lines()
            .filter_map(|row| row.split('|').nth(1))
            .map(|version| version.trim().to_owned())
            .collect())
    }

    /// Downloads `package` (`name` or `name=version`) and returns the file, which the caller owns.
    pub(crate) fn download(&self, package: &str) -> Result<PathBuf> {
        let directory = self.directory.join("download");
        workspace::remove(&directory)?;
        fs::create_dir_all(&directory).with_context(|| format!("create {}", directory.display()))?;
        process::stdout(self.apt("apt-get").args(["-qq", "download", package]).current_dir(&directory))?;
        let mut files = fs::read_dir(&directory)?.flatten().map(|file| file.path());
        files.next().with_context(|| format!("apt-get downloaded nothing for {package}"))
    }
}

/// Unpacks a package into `directory`: all of it, or the part that lies under `inside` (`usr/src`).
pub(crate) fn unpack(package: &Path, inside: Option<&str>, directory: &Path) -> Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("create {}", directory.display()))?;
    let mut files = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(package)
        .stdout(Stdio::piped())
        .spawn()
        .context("start dpkg-deb")?;
    let packed = files.stdout.take().context("dpkg-deb has no output")?;
    let mut tar = Command::new("tar");
    tar.args(["--extract", "--no-same-owner", "--directory"]).arg(directory).stdin(packed);
    if let Some(inside) = inside {
        tar.arg(format!("./{inside}"));
    }
    let unpacked = process::run(&mut tar);
    let status = files.wait().context("wait for dpkg-deb")?;
    unpacked?;
    if !status.success() {
        bail!("dpkg-deb cannot read {} ({status})", package.display());
    }
    Ok(())
}
