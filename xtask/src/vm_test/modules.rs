//! Kernel modules: which ones the tests need, what those need in turn, and in what order they load.
//!
//! Dependencies are read from the modules themselves (`.modinfo`): packages leave `modules.dep` to be made at
//! installation.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

/// For traffic between network namespaces, for packets that no ordinary client sends, and for listing sockets.
const NEEDED: [&str; 6] = ["veth", "tun", "8021q", "inet_diag", "tcp_diag", "sch_netem"];

/// Copies what is needed of the modules under `tree` (`lib/modules/<release>`) into `directory`, decompressed, and
/// named so that the alphabet is the order of loading.
pub(super) fn extract(tree: &Path, directory: &Path) -> Result<()> {
    let mut paths = HashMap::new();
    walk(&tree.join("kernel"), &mut paths)?;
    let builtin = fs::read_to_string(tree.join("modules.builtin")).unwrap_or_default();
    let mut extraction = Extraction {
        paths,
        builtin: builtin.lines().filter_map(|line| name(Path::new(line))).collect(),
        directory: directory.to_owned(),
        done: Vec::new(),
    };
    NEEDED.iter().try_for_each(|module| extraction.add(module))
}

struct Extraction {
    paths: HashMap<String, PathBuf>,
    builtin: Vec<String>,
    directory: PathBuf,
    done: Vec<String>,
}

impl Extraction {
    fn add(&mut self, module: &str) -> Result<()> {
        let module = module.replace('-', "_");
        if self.builtin.contains(&module) || self.done.contains(&module) {
            return Ok(());
        }
        let path = self.paths.get(&module).with_context(|| format!("the kernel has no module {module}"))?;
        let content = decompress(path)?;
        for needed in dependencies(&content) {
            self.add(&needed)?;
        }
        let file = self.directory.join(format!("{:02}-{module}.ko", self.done.len()));
        fs::write(&file, content).with_context(|| format!("write {}", file.display()))?;
        self.done.push(module);
        Ok(())
    }
}

fn walk(directory: &Path, paths: &mut HashMap<String, PathBuf>) -> Result<()> {
    let entries = fs::read_dir(directory).with_context(|| format!("read {}", directory.display()))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            walk(&path, paths)?;
        } else if let Some(name) = name(&path) {
            paths.insert(name, path);
        }
    }
    Ok(())
}

/// `nf_tables` of `…/nf-tables.ko.xz`: the kernel takes both spellings for one.
fn name(path: &Path) -> Option<String> {
    let (name, _) = path.file_name()?.to_str()?.split_once(".ko")?;
    Some(name.replace('-', "_"))
}

fn decompress(path: &Path) -> Result<Vec<u8>> {
    let program = match path.extension().and_then(|extension| extension.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        Some("gz") => "gzip",
        _ => return fs::read(path).with_context(|| format!("read {}", path.display())),
    };
    let output =
        Command::new(program).arg("-dc").arg(path).output().with_context(|| format!("start {program}"))?;
    if !output.status.success() {
        bail!("{program} cannot decompress {}", path.display());
    }
    Ok(output.stdout)
}

/// The `depends=` line of a module's information: names with commas between, or nothing.
fn dependencies(module: &[u8]) -> Vec<String> {
    const FIELD: &[u8] = b"\0depends=";
    let Some(start) = module.windows(FIELD.len()).position(|window| window == FIELD) else {
        return Vec::new();
    };
    let value = module[start + FIELD.len()..].split(|byte| *byte == 0).next().unwrap_or_default();
    let names = String::from_utf8_lossy(value);
    names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_read_from_the_module() {
        assert_eq!(dependencies(b"x\0license=GPL\0depends=mrp,garp\0name=8021q\0"), ["mrp", "garp"]);
        assert!(dependencies(b"x\0depends=\0name=veth\0").is_empty());
        assert!(dependencies(b"").is_empty());
    }

    #[test]
    fn names_of_module_files() {
        assert_eq!(name(Path::new("kernel/net/nf-tables.ko.xz")).as_deref(), Some("nf_tables"));
        assert_eq!(name(Path::new("kernel/drivers/net/veth.ko")).as_deref(), Some("veth"));
        assert_eq!(name(Path::new("modules.order")), None);
    }
}
