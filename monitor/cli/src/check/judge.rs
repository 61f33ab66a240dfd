//! What follows from what the host is.

use std::io;

use rollcall_capture::{MINIMUM_KERNEL, cgroup2_root};

use super::{
    super::exit::Exit,
    Finding,
    host::{Capabilities, Host, has_v1_controller, lockdown_mode},
};

const OLDEST: (u32, u32) = (MINIMUM_KERNEL.0 as u32, MINIMUM_KERNEL.1 as u32);

/// Since then BPF memory counts against the memory cgroup, not against RLIMIT_MEMLOCK (kernel commit d5299b67dd59).
const NO_MEMLOCK: (u32, u32) = (5, 11);

/// Since then net_cls and net_prio don't detach sockets from their cgroup v2 (kernel commit 8520e224f547).
const MIXED_CGROUPS: (u32, u32) = (5, 15);

/// Locked memory that the programs and the small maps need beside the ring.
const MEMLOCK_REST: u64 = 16 << 20;

/// Every finding, in the order in which an operator can act on them.
pub(super) fn all(host: &Host, ring_size: u32) -> Vec<Finding> {
    let findings = [
        Some(kernel(host)),
        Some(privileges(host)),
        Some(lockdown(host)),
        Some(cgroup(host)),
        namespace(host),
        mixed_cgroups(host),
        Some(btf(host)),
        Some(jit(host)),
        locked_memory(host, ring_size),
    ];
    findings.into_iter().flatten().collect()
}

fn kernel(host: &Host) -> Finding {
    const SUBJECT: &str = "kernel";
    let release = host.release.as_deref().unwrap_or("unknown").trim();
    match host.version() {
        Some(version) if version >= OLDEST => Finding::ok(SUBJECT, release),
        Some(_) => Finding::fail(Exit::Host, SUBJECT, release, "5.10 or later is needed: upgrade the kernel"),
        None => {
            Finding::warn(SUBJECT, format!("release {release} not understood"), "5.10 or later is needed")
        }
    }
}

pub(super) fn privileges(host: &Host) -> Finding {
    const SUBJECT: &str = "privileges";
    const REMEDY: &str = "run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON";
    let Some(capabilities) = host.capabilities else {
        return Finding::warn(SUBJECT, "unknown: /proc/self/status does not tell", REMEDY);
    };
    if !host.initial_user_namespace {
        let remedy = "the kernel takes programs only from the host's own user namespace: run outside of it";
        return Finding::fail(Exit::Privilege, SUBJECT, "in a user namespace", remedy);
    }
    if capabilities.has(Capabilities::SYS_ADMIN) {
        return Finding::ok(SUBJECT, "CAP_SYS_ADMIN");
    }
    let needed = [
        (Capabilities::BPF, "CAP_BPF"),
        (Capabilities::NET_ADMIN, "CAP_NET_ADMIN"),
        (Capabilities::PERFMON, "CAP_PERFMON"),
    ];
    let missing: Vec<_> =
        needed.iter().filter(|(number, _)| !capabilities.has(*number)).map(|(_, name)| *name).collect();
    match missing.as_slice() {
        [] => Finding::ok(SUBJECT, "CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON"),
        missing => Finding::fail(Exit::Privilege, SUBJECT, format!("without {}", missing.join(", ")), REMEDY),
    }
}

fn lockdown(host: &Host) -> Finding {
    const SUBJECT: &str = "lockdown";
    match host.lockdown.as_deref().and_then(lockdown_mode) {
        Some("confidentiality") => {
            let remedy = "it forbids programs to read memory: boot with lockdown=integrity or none";
            Finding::fail(Exit::Host, SUBJECT, "confidentiality", remedy)
        }
        Some(mode) => Finding::ok(SUBJECT, mode),
        None => Finding::ok(SUBJECT, "not in this kernel"),
    }
}

fn cgroup(host: &Host) -> Finding {
    const SUBJECT: &str = "cgroup v2";
    if let Some((path, is_v2)) = &host.cgroup {
        let path = path.display();
        return if *is_v2 {
            Finding::ok(SUBJECT, format!("{path}: only its sockets are watched"))
        } else {
            let remedy = "give a directory below a cgroup2 mount, or leave --cgroup out";
            Finding::fail(Exit::Host, SUBJECT, format!("{path} is no cgroup v2"), remedy)
        };
    }
    match host.mountinfo.as_deref().and_then(cgroup2_root) {
        Some(path) => Finding::ok(SUBJECT, path.display().to_string()),
        None if !host.cgroup2_known => {
            let remedy = "boot a kernel with CONFIG_CGROUPS and CONFIG_CGROUP_BPF";
            Finding::fail(Exit::Host, SUBJECT, "not in this kernel", remedy)
        }
        None if host.capabilities.is_some_and(|held| !held.has(Capabilities::SYS_ADMIN)) => {
            let remedy = "mount it (mount -t cgroup2 none /sys/fs/cgroup/unified), or run with CAP_SYS_ADMIN";
            Finding::fail(Exit::Privilege, SUBJECT, "not mounted", remedy)
        }
        None => Finding::ok(SUBJECT, "not mounted; will be mounted privately"),
    }
}

fn namespace(host: &Host) -> Option<Finding> {
    // What --cgroup names may well be mounted from outside.
    (!host.initial_cgroup_namespace && host.cgroup.is_none()).then(|| {
        let remedy =
            "only this container's traffic is seen: run with the host's cgroup namespace (--cgroupns=host)";
        Finding::warn("cgroup namespace", "not the host's", remedy)
    })
}

/// Harmless at the root: sockets that lost their cgroup count as the root's.
fn mixed_cgroups(host: &Host) -> Option<Finding> {
    let old = host.version().is_some_and(|version| version < MIXED_CGROUPS);
    let mounted = host
        .mountinfo
        .as_deref()
        .is_some_and(|mountinfo| has_v1_controller(mountinfo, &["net_cls", "net_prio"]));
    (old && mounted && host.cgroup.is_some()).then(|| {
        let remedy =
            "on kernels before 5.15 sockets then leave their cgroup v2: unmount these, or leave --cgroup out";
        Finding::warn("cgroup v1", "net_cls or net_prio is mounted", remedy)
    })
}

fn btf(host: &Host) -> Finding {
    const SUBJECT: &str = "BTF";
    if host.btf {
        Finding::ok(SUBJECT, "/sys/kernel/btf/vmlinux")
    } else {
        Finding::warn(SUBJECT, "not in this kernel", "not needed for HTTP capture; nothing to do")
    }
}

fn jit(host: &Host) -> Finding {
    const SUBJECT: &str = "BPF JIT";
    match host.jit.as_deref().map(str::trim) {
        Some("0") => {
            let remedy =
                "programs are interpreted and several times slower: sysctl net.core.bpf_jit_enable=1";
            Finding::warn(SUBJECT, "off", remedy)
        }
        Some(_) => Finding::ok(SUBJECT, "on"),
        None => Finding::ok(SUBJECT, "unknown"),
    }
}

fn locked_memory(host: &Host, ring_size: u32) -> Option<Finding> {
    const SUBJECT: &str = "locked memory";
    host.version().filter(|version| *version < NO_MEMLOCK)?;
    let (soft, hard) = host.locked_memory?;
    let needed = u64::from(ring_size) + MEMLOCK_REST;
    let may_raise = host.capabilities.is_some_and(|held| held.has(Capabilities::SYS_RESOURCE));
    Some(if soft >= needed || hard >= needed || may_raise {
        Finding::ok(SUBJECT, format!("{} MiB can be had", needed >> 20))
    } else {
        let found = format!("at most {} KiB of {} KiB", hard >> 10, needed >> 10);
        Finding::fail(
            Exit::Host,
            SUBJECT,
            found,
            "set LimitMEMLOCK=infinity (ulimit -l), or lower --ring-size",
        )
    })
}

/// Programs of others beside ours.
pub(super) fn other_programs(programs: io::Result<Vec<String>>) -> Finding {
    const SUBJECT: &str = "other cgroup programs";
    match programs {
        Ok(names) if names.is_empty() => Finding::ok(SUBJECT, "none"),
        Ok(names) => Finding::ok(
            SUBJECT,
            format!("{} ({}); they keep working beside ours", names.len(), names.join(", ")),
        ),
        Err(error) => Finding::warn(SUBJECT, format!("can't be listed: {error}"), "run as root to see them"),
    }
}
