//! One virtual machine, from power-on to power-off.

use std::{
    io::Read as _,
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use super::{QEMU, initramfs::RESULT};

/// Room for the initramfs, the daemon's buffers, and some.
const MEMORY: &str = "512M";

/// Warnings of the kernel and worse go to the console; a kernel that panics reboots, which ends the machine.
const COMMAND_LINE: &str = "console=ttyS0 loglevel=5 panic=-1";

pub(super) struct Outcome {
    pub(super) passed: bool,
    pub(super) took: Duration,
    /// In a line, how it ended.
    pub(super) said: String,
    /// All that the machine printed.
    pub(super) console: String,
}

/// Boots a kernel and waits for it to power off, for no longer than `limit`.
pub(super) fn boot(image: &Path, initrd: &Path, limit: Duration) -> Result<Outcome> {
    let start = Instant::now();
    let mut qemu = Command::new(QEMU.name)
        .args(["-machine", "q35", "-accel", "tcg", "-cpu", "qemu64", "-m", MEMORY, "-smp", "2"])
        .args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-serial", "stdio"])
        .arg("-kernel")
        .arg(image)
        .arg("-initrd")
        .arg(initrd)
        .args(["-append", COMMAND_LINE])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("start {}", QEMU.name))?;
    let mut serial = qemu.stdout.take().context("qemu has no output")?;
    let (sender, console) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = serial.read_to_end(&mut bytes);
        sender.send(bytes)
    });
    let waited = console.recv_timeout(limit);
    let in_time = waited.is_ok();
    if !in_time {
        qemu.kill().with_context(|| format!("stop {}", QEMU.name))?;
    }
    let bytes = waited.or_else(|_| console.recv()).context("read the console")?;
    qemu.wait().with_context(|| format!("wait for {}", QEMU.name))?;
    let console = String::from_utf8_lossy(&bytes).replace('\r', "");
    let (passed, said) = judge(&console, in_time.then_some(()).ok_or(limit));
    Ok(Outcome { passed, took: start.elapsed(), said, console })
}

/// What the console says about the tests. `in_time` carries the limit when the machine had to be stopped.
fn judge(console: &str, in_time: Result<(), Duration>) -> (bool, String) {
    let summary = console.lines().rev().find_map(|line| line.strip_prefix("test result: "));
    let summary =
        summary.map(|line| line.trim_start_matches("FAILED. ").split("; 0 ignored").next().unwrap_or(line));
    let status = console.lines().rev().find_map(|line| line.strip_prefix(RESULT));
    match (in_time, status) {
        (Err(limit), _) => (false, format!("not done after {} s", limit.as_secs())),
        (Ok(()), None) => (false, "the kernel stopped before the tests ended".to_owned()),
        (Ok(()), Some("0")) => (true, summary.unwrap_or("no tests ran").to_owned()),
        (Ok(()), Some(status)) => (false, summary.map_or(format!("status {status}"), str::to_owned)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_console_tells_how_it_went() {
        let end = |status: u8| format!("test result: ok. 3 passed; 0 failed\n{RESULT}{status}\n");
        assert_eq!(judge(&end(0), Ok(())), (true, "ok. 3 passed; 0 failed".to_owned()));
        assert!(!judge(&end(101), Ok(())).0);
        assert!(!judge("Kernel panic", Ok(())).0);
        assert!(!judge(&end(0), Err(Duration::from_secs(9))).0);
    }
}
