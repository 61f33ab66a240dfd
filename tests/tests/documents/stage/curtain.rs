//! The curtain: namespaces of the calling thread, in which the machine looks as it is, and can be written to without a
//! trace.

use std::{
    fs,
    net::Ipv4Addr,
    os::unix::fs::{PermissionsExt, chown},
    path::Path,
    process::Command,
};

use anyhow::{Context, Result};
use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};
use rollcall_tests::{Namespace, daemon, namespace::Inside, program};

/// What commands may write to.
const WRITABLE: [&str; 6] = ["/etc", "/home", "/srv", "/tmp", "/usr/local", "/var"];

/// Where that goes: a directory that every machine has, and that nothing here looks at.
const MEMORY: &str = "/mnt";

/// Where the daemon is found, and what stands in for `sudo`: who runs these tests is root.
const PROGRAMS: &str = "/usr/local/bin";
const SUDO: &str = "#!/bin/sh\nif [ \"$1\" = -u ]; then shift 2; fi\nexec \"$@\"\n";

const PATH: &str = "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Whom the package has the daemon run as, with these capabilities.
const USER: u32 = 4711;
const CAPABILITIES: &str = "-all,+bpf,+net_admin,+perfmon";

/// What is the service's own, as the package's unit makes it.
const OWNED: [(&str, u32); 2] = [("/var/lib/rollcall", 0o700), ("/var/log/rollcall", 0o750)];

/// A program, run as the package's unit runs the daemon: as a user of its own, with three capabilities.
pub fn as_the_service(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", &USER.to_string(), "--regid", &USER.to_string(), "--clear-groups"]);
    command.args([
        "--inh-caps",
        CAPABILITIES,
        "--ambient-caps",
        CAPABILITIES,
        "--bounding-set",
        CAPABILITIES,
    ]);
    command.arg(program);
    command
}

/// What stays of the machine outside.
pub struct Curtain {
    // The order matters: the thread leaves the namespace before it goes.
    _inside: Inside,
    _network: Namespace,
}

impl Curtain {
    /// Draws it around the calling thread, and whatever that starts.
    pub fn draw() -> Result<Curtain> {
        program::require_root()?;
        let rollcall = daemon::binary();
        unshare(CloneFlags::CLONE_NEWNS).context("unshare the mounts")?;
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
            .context("keep mounts to this thread")?;
        mount(Some("tmpfs"), MEMORY, Some("tmpfs"), MsFlags::empty(), None::<&str>)
            .with_context(|| format!("mount memory on {MEMORY}"))?;
        for path in WRITABLE {
            cover(path)?;
        }
        fs::copy(&rollcall, Path::new(PROGRAMS).join("rollcall"))
            .with_context(|| format!("copy {}", rollcall.display()))?;
        let sudo = Path::new(PROGRAMS).join("sudo");
        fs::write(&sudo, SUDO)?;
        fs::set_permissions(&sudo, fs::Permissions::from_mode(0o755))?;
        for (folder, mode) in OWNED {
            // What a daemon of this machine keeps there is not this one's.
            drop(fs::remove_dir_all(folder));
            fs::create_dir_all(folder).with_context(|| format!("create {folder}"))?;
            chown(folder, Some(USER), Some(USER)).with_context(|| format!("give {folder} away"))?;
            fs::set_permissions(folder, fs::Permissions::from_mode(mode))?;
        }
        let network = Namespace::new()?;
        Ok(Curtain { _inside: network.inside()?, _network: network })
    }

    /// Gives the network one more address of its own.
    pub fn add_address(&self, address: Ipv4Addr) -> Result<()> {
        let mut ip = Command::new(program::find("ip")?);
        program::run(ip.args(["address", "add", &format!("{address}/32"), "dev", "lo"]))?;
        Ok(())
    }

    /// Leaves a command nothing of the tests' own environment.
    pub fn dress(&self, command: &mut Command) {
        command.env_clear().envs([("PATH", PATH), ("LANG", "C.UTF-8"), ("TERM", "xterm-256color")]);
    }
}

/// Lays memory over a directory, through which it is still seen.
fn cover(path: &str) -> Result<()> {
    let name = path.replace('/', "-");
    let (upper, work) = (format!("{MEMORY}/upper{name}"), format!("{MEMORY}/work{name}"));
    for folder in [&upper, &work] {
        fs::create_dir(folder).with_context(|| format!("create {folder}"))?;
    }
    let options = format!("lowerdir={path},upperdir={upper},workdir={work}");
    mount(Some("overlay"), path, Some("overlay"), MsFlags::empty(), Some(options.as_str()))
        .with_context(|| format!("lay memory over {path}: does this kernel have overlayfs?"))
}
