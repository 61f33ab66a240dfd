use std::path::Path;

use rollcall_capture::cgroup2_root;

use super::{
    host::{Capabilities, Host, effective_capabilities, has_v1_controller, lockdown_mode, version},
    *,
};

const HYBRID: &str = "\
24 30 0:22 / /proc rw,nosuid,nodev,noexec,relatime shared:14 - proc proc rw
34 33 0:29 / /sys/fs/cgroup/unified rw,nosuid,nodev,noexec,relatime shared:10 - cgroup2 cgroup2 rw,nsdelegate
36 33 0:31 / /sys/fs/cgroup/net_cls,net_prio rw,nosuid,nodev,noexec,relatime shared:16 - cgroup cgroup rw,net_cls,net_prio
";

fn host() -> Host {
    Host {
        release: Some("6.1.0-18-amd64\n".to_owned()),
        btf: true,
        mountinfo: Some(HYBRID.to_owned()),
        cgroup2_known: true,
        cgroup: None,
        initial_cgroup_namespace: true,
        initial_user_namespace: true,
        lockdown: Some("[none] integrity confidentiality\n".to_owned()),
        capabilities: Some(Capabilities(0x1ff_ffff_ffff)),
        jit: Some("1\n".to_owned()),
        locked_memory: Some((64 << 10, 64 << 10)),
    }
}

fn report(host: &Host) -> (Vec<String>, Exit) {
    let findings = judge::all(host, 8 << 20);
    (findings.iter().map(Finding::to_string).collect(), exit(&findings))
}

/// The lines that are not `ok`.
fn complaints(host: &Host) -> (Vec<String>, Exit) {
    let (lines, exit) = report(host);
    (lines.into_iter().filter(|line| !line.starts_with("ok")).collect(), exit)
}

#[test]
fn a_fit_host() {
    let (lines, exit) = report(&host());
    assert_eq!(
        lines,
        [
            "ok    kernel: 6.1.0-18-amd64",
            "ok    privileges: CAP_SYS_ADMIN",
            "ok    lockdown: none",
            "ok    cgroup v2: /sys/fs/cgroup/unified",
            "ok    BTF: /sys/kernel/btf/vmlinux",
            "ok    BPF JIT: on",
        ]
    );
    assert_eq!(exit, Exit::Ok);
}

#[test]
fn an_old_kernel() {
    let host = Host { release: Some("4.19.0-26-amd64".to_owned()), ..host() };
    let (lines, exit) = complaints(&host);
    assert_eq!(lines, ["FAIL  kernel: 4.19.0-26-amd64; 5.10 or later is needed: upgrade the kernel"]);
    assert_eq!(exit, Exit::Host);
}

#[test]
fn an_ordinary_user() {
    let host = Host { capabilities: Some(Capabilities(0)), ..host() };
    let (lines, exit) = complaints(&host);
    assert_eq!(
        lines,
        ["FAIL  privileges: without CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON; \
          run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON"]
    );
    assert_eq!(exit, Exit::Privilege);
}

#[test]
fn single_capabilities() {
    let held = 1 << Capabilities::BPF | 1 << Capabilities::NET_ADMIN;
    let partial = Host { capabilities: Some(Capabilities(held)), ..host() };
    assert_eq!(complaints(&partial).1, Exit::Privilege);
    assert!(complaints(&partial).0[0].starts_with("FAIL  privileges: without CAP_PERFMON;"));
    let enough = Host { capabilities: Some(Capabilities(held | 1 << Capabilities::PERFMON)), ..host() };
    assert!(complaints(&enough).0.is_empty());
}

#[test]
fn root_of_a_container_of_its_own() {
    let host = Host { initial_user_namespace: false, initial_cgroup_namespace: false, ..host() };
    let (lines, exit) = complaints(&host);
    assert!(lines[0].starts_with("FAIL  privileges: in a user namespace;"), "{lines:?}");
    assert!(lines[1].starts_with("warn  cgroup namespace: not the host's;"), "{lines:?}");
    assert_eq!(exit, Exit::Privilege);
}

#[test]
fn lockdown() {
    let host = Host { lockdown: Some("none integrity [confidentiality]".to_owned()), ..host() };
    let (lines, exit) = complaints(&host);
    assert!(lines[0].starts_with("FAIL  lockdown: confidentiality;"), "{lines:?}");
    assert_eq!(exit, Exit::Host);
    assert_eq!(lockdown_mode("none [integrity] confidentiality\n"), Some("integrity"));
    assert_eq!(lockdown_mode(""), None);
}

#[test]
fn cgroups() {
    let unmounted = Host { mountinfo: Some(String::new()), ..host() };
    let (lines, exit) = report(&unmounted);
    assert!(
        lines.contains(&"ok    cgroup v2: not mounted; will be mounted privately".to_owned()),
        "{lines:?}"
    );
    assert_eq!(exit, Exit::Ok);
    let powerless = Host { capabilities: Some(Capabilities(0xff << 32)), ..unmounted.clone() };
    assert_eq!(report(&powerless).1, Exit::Privilege);
    let unknown = Host { cgroup2_known: false, ..unmounted };
    assert_eq!(report(&unknown).1, Exit::Host);
    let wrong = Host { cgroup: Some(("/tmp".into(), false)), ..host() };
    assert!(complaints(&wrong).0[0].starts_with("FAIL  cgroup v2: /tmp is no cgroup v2;"));
}

#[test]
fn sub_cgroups_beside_v1_controllers() {
    let old = Host { release: Some("5.10.0-28-amd64".to_owned()), locked_memory: None, ..host() };
    assert!(complaints(&old).0.is_empty(), "harmless at the root");
    let sub = Host { cgroup: Some(("/sys/fs/cgroup/unified/api".into(), true)), ..old };
    assert!(complaints(&sub).0[0].starts_with("warn  cgroup v1: net_cls or net_prio is mounted;"));
    let new = Host { release: Some("5.15.0".to_owned()), ..sub };
    assert!(complaints(&new).0.is_empty());
}

#[test]
fn locked_memory_on_kernels_that_count_it() {
    let raising = Host { release: Some("5.10.0".to_owned()), ..host() };
    assert!(complaints(&raising).0.is_empty());
    let all_but_resource = Capabilities(!(1 << Capabilities::SYS_RESOURCE));
    let limited = Host { capabilities: Some(all_but_resource), ..raising };
    let (lines, exit) = complaints(&limited);
    assert!(lines[0].starts_with("FAIL  locked memory: at most 64 KiB of 24576 KiB;"), "{lines:?}");
    assert_eq!(exit, Exit::Host);
}

#[test]
fn drawbacks_are_no_failures() {
    let host = Host { btf: false, jit: Some("0\n".to_owned()), ..host() };
    let (lines, exit) = complaints(&host);
    assert_eq!(lines.len(), 2);
    assert!(lines.iter().all(|line| line.starts_with("warn")), "{lines:?}");
    assert_eq!(exit, Exit::Ok);
}

#[test]
fn versions() {
    assert_eq!(version("6.18.44-fc-v595"), Some((6, 18)));
    assert_eq!(version("5.10\n"), Some((5, 10)));
    assert_eq!(version("5.4-rc1"), Some((5, 4)));
    assert_eq!(version("x"), None);
}

#[test]
fn mount_tables() {
    assert_eq!(cgroup2_root(HYBRID).as_deref(), Some(Path::new("/sys/fs/cgroup/unified")));
    assert_eq!(cgroup2_root("garbage\n - \n1 2 3 - cgroup2"), None);
    assert!(has_v1_controller(HYBRID, &["net_cls"]));
    assert!(!has_v1_controller(HYBRID, &["memory"]));
}

#[test]
fn capability_sets() {
    assert_eq!(
        effective_capabilities("CapPrm:\t1\nCapEff:\t000001ffffffffff\n"),
        Some(Capabilities(0x1ff_ffff_ffff))
    );
    assert_eq!(effective_capabilities("CapEff:\tx\n"), None);
}

#[test]
fn programs_of_others() {
    let finding = judge::other_programs(Ok(vec!["sd_fw_ingress".to_owned()]));
    assert_eq!(
        finding.to_string(),
        "ok    other cgroup programs: 1 (sd_fw_ingress); they keep working beside ours"
    );
}
