//! What privileges the daemon needs, and that it keeps none of them.

use std::{collections::BTreeMap, fs};

use anyhow::{Context, Result, ensure};
use rollcall_capture as capture;
use rollcall_tests::{
    Client, Daemon, MiniServer, bpf, deadline, port,
    privileges::{BPF, Capability, DAC_OVERRIDE, NET_ADMIN, PERFMON},
};

use super::{finish_without_loss, scene};

/// The capabilities that the daemon is documented to need.
const NEEDED: [Capability; 3] = [BPF, NET_ADMIN, PERFMON];

/// What older kernels ask of whoever reads a map.
fn for_maps() -> u64 {
    if capture::maps_by_descriptor() { 0 } else { BPF.bit() }
}

/// The fields of each thread of a process, by the thread's name.
fn threads(pid: u32) -> Result<Vec<(String, BTreeMap<String, String>)>> {
    let folder = format!("/proc/{pid}/task");
    let mut threads = Vec::new();
    for thread in fs::read_dir(&folder).with_context(|| format!("list {folder}"))? {
        let text = fs::read_to_string(thread?.path().join("status"))?;
        let fields: BTreeMap<_, _> = text
            .lines()
            .filter_map(|line| line.split_once(":\t"))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        threads.push((fields["Name"].clone(), fields));
    }
    Ok(threads)
}

/// Fails unless every thread holds exactly `capabilities`, gains none, and has its calls filtered.
fn expect_confined(daemon: &Daemon, capabilities: u64) -> Result<()> {
    let threads = threads(daemon.pid())?;
    ensure!(threads.len() > 2, "only the threads {threads:?}");
    for (name, fields) in threads {
        for (set, expected) in
            [("CapEff", capabilities), ("CapPrm", capabilities), ("CapInh", 0), ("CapAmb", 0)]
        {
            ensure!(u64::from_str_radix(&fields[set], 16)? == expected, "{name}: {set} {}", fields[set]);
        }
        ensure!(fields["NoNewPrivs"] == "1" && fields["Seccomp"] == "2", "{name}: {fields:?}");
    }
    Ok(())
}

/// Fails unless the daemon sees calls, tells of them, and detaches when it is stopped.
fn expect_at_work(daemon: Daemon, server: &MiniServer) -> Result<()> {
    let held = bpf::held_by(daemon.pid())?;
    ensure!(held.len() >= 2, "the daemon holds the programs {held:?}");
    let mut client = Client::connect(server.address())?;
    for id in 0..40 {
        client.get(&format!("/v1/customers/{id}"))?;
    }
    daemon.wait_for_alert("distinct-objects")?;
    finish_without_loss(server, daemon)?;
    deadline::until("the kernel to let the programs go", || {
        Ok((!bpf::attached()?.iter().flatten().any(|id| held.contains(id))).then_some(()))
    })
}

#[test]
fn started_by_root_it_keeps_access_to_files() -> Result<()> {
    let (server, daemon) = scene()?;
    expect_confined(&daemon, DAC_OVERRIDE.bit() | for_maps())?;
    expect_at_work(daemon, &server)
}

#[test]
fn started_with_three_capabilities_it_keeps_none() -> Result<()> {
    let server = MiniServer::start()?;
    let daemon = Daemon::unprivileged(&[server.port()], &NEEDED)?;
    expect_confined(&daemon, for_maps())?;
    expect_at_work(daemon, &server)
}

#[test]
fn without_any_one_of_the_three_it_does_not_start() -> Result<()> {
    for missing in NEEDED {
        let rest: Vec<_> = NEEDED.into_iter().filter(|capability| *capability != missing).collect();
        let Err(error) = Daemon::unprivileged(&[port::free()?], &rest) else {
            panic!("the daemon starts without {missing:?}, so it should not be asked for");
        };
        ensure!(error.to_string().contains("exit status: 3"), "without {missing:?}: {error:#}");
    }
    Ok(())
}

#[test]
fn for_debuggers_the_sandbox_can_be_left_off() -> Result<()> {
    let daemon = Daemon::start(&[port::free()?], &["--sandbox", "off"])?;
    for (name, fields) in threads(daemon.pid())? {
        ensure!(fields["Seccomp"] == "0" && fields["NoNewPrivs"] == "0", "{name}: {fields:?}");
    }
    daemon.stop()?;
    Ok(())
}
