//! What a process uses: CPU time and memory, as the kernel accounts for them.

use std::{fs, io::ErrorKind, time::Duration};

use anyhow::{Context, Result};

/// CPU time of all threads that a process has now. Finer than `/proc/PID/stat`, whose unit is 10 ms.
pub fn cpu(pid: u32) -> Result<Duration> {
    let folder = format!("/proc/{pid}/task");
    let mut sum = 0;
    for thread in fs::read_dir(&folder).with_context(|| format!("list {folder}"))? {
        let file = thread?.path().join("schedstat");
        let text = match fs::read_to_string(&file) {
            // The thread has ended since it was listed.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            text => text.with_context(|| format!("read {}", file.display()))?,
        };
        let nanoseconds =
            text.split_whitespace().next().with_context(|| format!("{} is empty", file.display()))?;
        sum += nanoseconds.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(sum))
}

/// A process's memory in RAM, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Now.
    pub now: u64,
    /// The most that it has been.
    pub most: u64,
}

/// Its memory.
pub fn memory(pid: u32) -> Result<Memory> {
    let file = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&file).with_context(|| format!("read {file}"))?;
    let field = |name: &str| -> Result<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let kibibytes = line.and_then(|line| line.split_whitespace().next());
        Ok(kibibytes.with_context(|| format!("no {name} in {file}"))?.parse::<u64>()? * 1024)
    };
    Ok(Memory { now: field("VmRSS:")?, most: field("VmHWM:")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_its_own() {
        assert!(cpu(std::process::id()).unwrap() > Duration::ZERO);
        let memory = memory(std::process::id()).unwrap();
        assert!(memory.now > 0 && memory.now <= memory.most);
    }
}
