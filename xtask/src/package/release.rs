//! What is packed: version, commit, and the time that files get.

use std::{env, process::Command};

use anyhow::{Context as _, Result};

use crate::{process, workspace::Workspace};

#[derive(Clone, Debug)]
pub(crate) struct Release {
    /// That of the workspace: `0.1.0`.
    pub(crate) version: String,
    /// The package's own, behind the version: `1` of `0.1.0-1`.
    pub(crate) debian: String,
    /// The commit, `unknown` where there is none.
    pub(crate) revision: String,
    /// Seconds since 1970 that all files are dated to.
    pub(crate) epoch: u64,
}

impl Release {
    /// The one that this tree makes. `SOURCE_DATE_EPOCH` overrides the commit's time, as it does elsewhere.
    pub(crate) fn of(workspace: &Workspace) -> Result<Self> {
        let git = |arguments: &[&str]| {
            process::stdout(Command::new("git").current_dir(&workspace.root).args(arguments))
        };
        let epoch = match env::var("SOURCE_DATE_EPOCH") {
            Ok(epoch) => epoch,
            Err(_) => git(&["log", "-1", "--format=%ct"])
                .context("date the files: this is no git checkout, so set SOURCE_DATE_EPOCH")?,
        };
        let epoch = epoch.trim().parse().context("SOURCE_DATE_EPOCH is no number of seconds")?;
        let revision = git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|_| "unknown".to_owned());
        Ok(Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            debian: "1".to_owned(),
            revision: revision.trim().to_owned(),
            epoch,
        })
    }

    /// `0.1.0-1`.
    pub(crate) fn debian_version(&self) -> String {
        format!("{}-{}", self.version, self.debian)
    }
}
