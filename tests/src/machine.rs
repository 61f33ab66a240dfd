//! What the figures were measured on.

use std::{fs, process::Command};

use crate::program;
use anyhow::{Context, Result};
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::{Pid, SysconfVar, sysconf},
};

/// Keeps this process and all that it will start to two cores, so that servers and clients saturate them on any
/// machine. Returns how many there are to it now: one if there is no second.
pub fn keep_to_two_cores() -> Result<usize> {
    let this = Pid::from_raw(0);
    let allowed = sched_getaffinity(this).context("read the CPU affinity")?;
    let mut kept = CpuSet::new();
    let mut count = 0;
    for cpu in 0..CpuSet::count() {
        if count < 2 && allowed.is_set(cpu)? {
            kept.set(cpu)?;
            count += 1;
        }
    }
    sched_setaffinity(this, &kept).context("keep to two cores")?;
    Ok(count)
}

/// Cores, processor, memory, kernel and date, in one line.
pub fn line() -> Result<String> {
    let cores = sysconf(SysconfVar::_NPROCESSORS_ONLN)?.context("the number of processors is unknown")?;
    let processors = fs::read_to_string("/proc/cpuinfo").context("read /proc/cpuinfo")?;
    let model = processors.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("unknown processor", |rest| rest.trim_start_matches([' ', '\t', ':']));
    let memory = fs::read_to_string("/proc/meminfo").context("read /proc/meminfo")?;
    let kibibytes = memory.lines().next().and_then(|line| line.split_whitespace().nth(1));
    let gibibytes = kibibytes.context("/proc/meminfo is empty")?.parse::<f64>()? / f64::from(1 << 20);
    let virtual_machine = if processors.contains("hypervisor") { ", virtual machine" } else { "" };
    let kernel = nix::sys::utsname::uname()?;
    let date = program::run(Command::new("date").args(["-u", "+%Y-%m-%d"]))?;
    Ok(format!(
        "{cores} cores of {model}{virtual_machine}, {gibibytes:.0} GiB, Linux {}, {}",
        kernel.release().to_string_lossy(),
        date.trim()
    ))
}

/// Time that the machine's cores have spent, as `/proc/stat` counts it.
#[derive(Clone, Copy, Debug)]
pub struct Cores {
    idle: u64,
    all: u64,
}

impl Cores {
    pub fn read() -> Result<Cores> {
        let text = fs::read_to_string("/proc/stat").context("read /proc/stat")?;
        let line = text.lines().next().context("/proc/stat is empty")?;
        let times = line.split_whitespace().skip(1).map(str::parse).collect::<Result<Vec<u64>, _>>()?;
        // user, nice, system, idle, iowait, irq, softirq, steal; guest times are in user's already.
        let idle = times.iter().skip(3).take(2).sum();
        Ok(Cores { idle, all: times.iter().take(8).sum() })
    }

    /// The share of time since then that the cores were idle.
    pub fn idle_since(self) -> Result<f64> {
        let now = Cores::read()?;
        Ok((now.idle - self.idle) as f64 / (now.all - self.all).max(1) as f64)
    }
}
