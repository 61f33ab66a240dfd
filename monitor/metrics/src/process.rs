//! Metrics of the daemon's own process, under the names that Prometheus' client libraries give them.

use std::{
    fs,
    sync::OnceLock,
    time::{SystemTime, UNIX_EPOCH},
};

use nix::sys::{
    resource::{Resource, UsageWho, getrlimit, getrusage},
    time::TimeValLike,
};

use super::{Samples, table};

/// The daemon's version.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit it was built from, if the build told.
const REVISION: Option<&str> = option_env!("ROLLCALL_REVISION");

/// When the process started: the first call fixes it, so `main` makes one.
pub fn started() -> SystemTime {
    static STARTED: OnceLock<SystemTime> = OnceLock::new();
    *STARTED.get_or_init(SystemTime::now)
}

/// Pushes what the kernel says of this process. What it does not say is left out.
pub fn process(samples: &mut Samples) {
    samples.push(&table::BUILD_INFO, &[VERSION, REVISION.unwrap_or("unknown")], 1.0);
    let since_epoch = started().duration_since(UNIX_EPOCH).unwrap_or_default();
    samples.push(&table::PROCESS_START_TIME_SECONDS, &[], since_epoch.as_secs_f64());
    if let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) {
        let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
        samples.push(&table::PROCESS_CPU_SECONDS, &[], micros as f64 / 1e6);
    }
    if let Some(bytes) = fs::read_to_string("/proc/self/status").ok().and_then(|status| resident(&status)) {
        samples.push(&table::PROCESS_RESIDENT_MEMORY_BYTES, &[], bytes);
    }
    if let Ok(descriptors) = fs::read_dir("/proc/self/fd") {
        // One of them is the directory being read.
        samples.push(&table::PROCESS_OPEN_FDS, &[], descriptors.count().saturating_sub(1));
    }
    if let Ok((soft, _)) = getrlimit(Resource::RLIMIT_NOFILE) {
        samples.push(&table::PROCESS_MAX_FDS, &[], soft);
    }
}

/// VmRSS of /proc/self/status, in bytes.
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory() {
        assert_eq!(resident("VmPeak:\t   100 kB\nVmRSS:\t    1234 kB\n"), Some(1234 * 1024));
        assert_eq!(resident("VmPeak:\t   100 kB\n"), None);
    }
}
