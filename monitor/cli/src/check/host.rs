//! What there is to know about the host, as text from /proc and /sys and as figures parsed from it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use nix::sys::{
    resource::{Resource, getrlimit},
    statfs::{CGROUP2_SUPER_MAGIC, statfs},
};
use rollcall_capture::cgroup2_root;

/// Everything that `rollcall check` looks at. What could not be read is `None`.
#[derive(Clone, Debug, Default)]
pub(super) struct Host {
    pub release: Option<String>,
    pub btf: bool,
    pub mountinfo: Option<String>,
    /// The kernel knows the file system `cgroup2`.
    pub cgroup2_known: bool,
    /// What --cgroup names, and whether that is a cgroup v2 directory.
    pub cgroup: Option<(PathBuf, bool)>,
    pub initial_cgroup_namespace: bool,
    pub initial_user_namespace: bool,
    pub lockdown: Option<String>,
    pub capabilities: Option<Capabilities>,
    pub jit: Option<String>,
    /// Bytes of locked memory: soft limit, hard limit.
    pub locked_memory: Option<(u64, u64)>,
}

/// Effective capabilities, as in CapEff of /proc/self/status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Capabilities(pub u64);

/// Numbers from include/uapi/linux/capability.h.
impl Capabilities {
    pub(super) const NET_ADMIN: u32 = 12;
    pub(super) const SYS_ADMIN: u32 = 21;
    pub(super) const SYS_RESOURCE: u32 = 24;
    pub(super) const PERFMON: u32 = 38;
    pub(super) const BPF: u32 = 39;

    pub(super) fn has(self, capability: u32) -> bool {
        self.0 >> capability & 1 == 1
    }
}

/// Inodes of the initial namespaces, fixed by include/linux/proc_ns.h (PROC_USER_INIT_INO, PROC_CGROUP_INIT_INO).
const INITIAL_USER: &str = "user:[4026531837]";
const INITIAL_CGROUP: &str = "cgroup:[4026531835]";

impl Host {
    /// Looks at this host. `cgroup` is the operator's choice.
    pub(super) fn read(cgroup: Option<&Path>) -> Host {
        let text = |path: &str| fs::read_to_string(path).ok();
        let namespace = |path: &str, initial: &str| {
            // A kernel without the kind of namespace has only the initial one.
            fs::read_link(path).map_or(true, |target| target == Path::new(initial))
        };
        Host {
            release: text("/proc/sys/kernel/osrelease"),
            btf: Path::new("/sys/kernel/btf/vmlinux").exists(),
            mountinfo: text("/proc/self/mountinfo"),
            cgroup2_known: text("/proc/filesystems")
                .is_some_and(|known| known.split_whitespace().any(|word| word == "cgroup2")),
            cgroup: cgroup.map(|path| {
                let is_v2 = statfs(path).is_ok_and(|found| found.filesystem_type() == CGROUP2_SUPER_MAGIC);
                (path.to_owned(), is_v2 && path.is_dir())
            }),
            initial_cgroup_namespace: namespace("/proc/self/ns/cgroup", INITIAL_CGROUP),
            initial_user_namespace: namespace("/proc/self/ns/user", INITIAL_USER),
            lockdown: text("/sys/kernel/security/lockdown"),
            capabilities: text("/proc/self/status").as_deref().and_then(effective_capabilities),
            jit: text("/proc/sys/net/core/bpf_jit_enable"),
            locked_memory: getrlimit(Resource::RLIMIT_MEMLOCK).ok(),
        }
    }

    /// The kernel's version, major and minor.
    pub(super) fn version(&self) -> Option<(u32, u32)> {
        version(self.release.as_deref()?)
    }

    /// The cgroup that will be watched, if it is there to be looked at.
    pub(super) fn cgroup_path(&self) -> Option<PathBuf> {
        match &self.cgroup {
            Some((path, is_v2)) => is_v2.then(|| path.clone()),
            None => cgroup2_root(self.mountinfo.as_deref()?),
        }
    }
}

/// `6.1` of `6.1.0-18-amd64`.
pub(super) fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.trim().split(|character: char| !character.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Whether one of the named cgroup v1 controllers is mounted.
pub(super) fn has_v1_controller(mountinfo: &str, names: &[&str]) -> bool {
    mounts(mountinfo)
        .filter(|mount| mount.kind == "cgroup")
        .any(|mount| mount.options.split(',').any(|option| names.contains(&option)))
}

struct Mount<'a> {
    kind: &'a str,
    options: &'a str,
}

fn mounts(mountinfo: &str) -> impl Iterator<Item = Mount<'_>> {
    mountinfo.lines().filter_map(|line| {
        // The number of optional fields varies; a lone hyphen ends them.
        let (_, tail) = line.split_once(" - ")?;
        let mut tail = tail.split(' ');
        Some(Mount { kind: tail.next()?, options: tail.nth(1).unwrap_or("") })
    })
}

/// CapEff of /proc/self/status.
pub(super) fn effective_capabilities(status: &str) -> Option<Capabilities> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok().map(Capabilities)
}

/// The mode in brackets: `integrity` of `none [integrity] confidentiality`.
pub(super) fn lockdown_mode(lockdown: &str) -> Option<&str> {
    let (_, rest) = lockdown.split_once('[')?;
    rest.split_once(']').map(|(mode, _)| mode)
}
