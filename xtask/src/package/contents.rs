//! What the packages hold, and where it goes.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{
    documents::{Documents, files, name, read},
    licences,
    tree::{FILE, PROGRAM, Tree},
};
use crate::{process, workspace::Workspace};

/// What other programs take, as it lies in the packaging directory.
const FOR_OTHERS: [&str; 4] = [
    "container/Containerfile",
    "grafana/rollcall.json",
    "kubernetes/rollcall.yaml",
    "prometheus/rollcall.rules.yml",
];

/// All that both packages are made of.
pub(super) struct Parts {
    /// The program, whose linkage is what tells the packages apart.
    program: PathBuf,
    documents: Documents,
    third_party: Vec<u8>,
    /// Of the source tree.
    root: PathBuf,
}

impl Parts {
    /// Asks `program` for what it knows of itself; the files that it writes go below `home`.
    pub(super) fn gather(workspace: &Workspace, program: &Path, home: &Path) -> Result<Self> {
        Ok(Self {
            program: program.to_owned(),
            documents: Documents::of(program, &home.join("documents"))?,
            third_party: licences::third_party(workspace)?,
            root: workspace.root.clone(),
        })
    }

    /// The same with another program.
    pub(super) fn with(self, program: PathBuf) -> Self {
        Self { program, ..self }
    }

    /// The file `name` of the packaging directory.
    pub(super) fn source(&self, name: &str) -> Result<Vec<u8>> {
        read(&self.root.join("xtask/packaging").join(name))
    }

    /// Everything as it stands below `prefix` (`usr`, or nothing), but for what is at home in `/etc`.
    pub(super) fn tree(&self, prefix: &str) -> Result<Tree> {
        let at = |path: &str| Path::new(prefix).join(path);
        let mut tree = Tree::default();
        tree.add(at("bin/rollcall"), PROGRAM, stripped(&self.program)?);
        tree.add(at("lib/systemd/system/rollcall.service"), FILE, self.source("systemd/rollcall.service")?);
        tree.add(at("lib/sysusers.d/rollcall.conf"), FILE, self.source("systemd/rollcall.sysusers")?);
        tree.add(at("lib/tmpfiles.d/rollcall.conf"), FILE, self.source("systemd/rollcall.tmpfiles")?);
        let Documents { man, bash, fish, zsh, settings: _ } = &self.documents;
        for (page, text) in man {
            tree.add_packed(at("share/man/man1").join(page), text)?;
        }
        tree.add(at("share/bash-completion/completions/rollcall"), FILE, bash.clone());
        tree.add(at("share/fish/vendor_completions.d/rollcall.fish"), FILE, fish.clone());
        tree.add(at("share/zsh/vendor-completions/_rollcall"), FILE, zsh.clone());
        for path in FOR_OTHERS {
            tree.add(at("share/rollcall").join(path), FILE, self.source(path)?);
        }
        let doc = at("share/doc/rollcall");
        tree.add(doc.join("README.md"), FILE, read(&self.root.join("README.md"))?);
        for path in files(&self.root.join("docs"))? {
            tree.add(doc.join("docs").join(name(&path)), FILE, read(&path)?);
        }
        tree.add_packed(doc.join("third-party"), &self.third_party)?;
        Ok(tree)
    }

    /// Every flag as a variable, all of them commented out.
    pub(super) fn settings(&self) -> &[u8] {
        &self.documents.settings
    }
}

/// The program without symbols, which take four fifths of it.
fn stripped(program: &Path) -> Result<Vec<u8>> {
    let stripped = tempfile::NamedTempFile::new()?;
    let mut strip = std::process::Command::new("strip");
    process::run(strip.arg("--remove-section=.comment").arg("-o").arg(stripped.path()).arg(program))?;
    read(stripped.path())
}
