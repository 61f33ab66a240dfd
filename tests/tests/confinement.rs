//! What privileges the daemon needs, and that it keeps none of them.

use std::{collections::BTreeMap, fs};

use anyhow::{Context, Result, ensure};
use rollcall_tests::{Client, Daemon, Nginx, bpf, deadline, port};

/// The capabilities that the daemon is documented to need.
const NEEDED: [&str; 3] = ["bpf", "net_admin", "perfmon"];

/// CAP_DAC_OVERRIDE, by its number in linux/capability.h.
const FILES: u64 = 1 << 1;

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
        for set in ["CapInh", "CapAmb"] {
            ensure!(u64::from_str_radix(&fields[set], 16)? == 0, "{name}: {set} {}", fields[set]);
        }
        for set in ["CapEff", "CapPrm"] {
            ensure!(u64::from_str_radix(&fields[set], 16)? == capabilities, "{name}: {set} {}", fields[set]);
        }
        ensure!(fields["NoNewPrivs"] == "1" && fields["Seccomp"] == "2", "{name}: {fields:?}");
    }
    Ok(())
}

/// Fails unless the daemon sees calls, tells of them, and detaches when it is stopped.
fn expect_at_work(daemon: Daemon, nginx: &Nginx) -> Result<()> {
    let held = bpf::held_by(daemon.pid())?;
    ensure!(held.len() >= 2, "the daemon holds the programs {held:?}");
    let mut client = Client::connect(nginx.address())?;
    for id in 0..40 {
        client.get(&format!("/v1/customers/{id}"))?;
    }
    let served = nginx.wait_for(40)?;
    daemon.wait_for_alert("distinct-objects")?;
    daemon.stop()?.expect_exactly(nginx.port(), &served)?;
    deadline::until("the kernel to let the programs go", || {
        Ok((!bpf::attached()?.iter().flatten().any(|id| held.contains(id))).then_some(()))
    })
}

#[test]
fn started_by_root_it_keeps_access_to_files_only() -> Result<()> {
    let nginx = Nginx::start()?;
    let daemon = Daemon::watching(nginx.port())?;
    expect_confined(&daemon, FILES)?;
    expect_at_work(daemon, &nginx)
}

#[test]
fn started_by_a_user_with_three_capabilities_it_keeps_none() -> Result<()> {
    let nginx = Nginx::start()?;
    let daemon = Daemon::unprivileged(&[nginx.port()], &NEEDED)?;
    expect_confined(&daemon, 0)?;
    expect_at_work(daemon, &nginx)
}

#[test]
fn without_any_one_of_the_three_it_does_not_start() -> Result<()> {
    for missing in NEEDED {
        let rest: Vec<_> = NEEDED.into_iter().filter(|capability| *capability != missing).collect();
        let Err(error) = Daemon::unprivileged(&[port::free()?], &rest) else {
            panic!("the daemon starts without {missing}, so it should not be asked for");
        };
        ensure!(error.to_string().contains("exit status: 3"), "without {missing}: {error:#}");
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
