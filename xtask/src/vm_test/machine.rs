//! One virtual machine, from power-on to power-off.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
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
}

/// Boots a kernel and waits for it to power off, for as long as no test takes longer than `patience`. What it prints is in `log`,
/// each line with the seconds since power-on.
pub(super) fn boot(image: &Path, initrd: &Path, patience: Duration, log: &Path) -> Result<Outcome> {
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
    let serial = qemu.stdout.take().context("qemu has no output")?;
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(serial).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).replace('\r', "");
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    let mut file = File::create(log).with_context(|| format!("create {}", log.display()))?;
    let (mut console, mut heard) = (Vec::new(), start);
    let in_time = loop {
        match lines.recv_timeout(patience.saturating_sub(heard.elapsed())) {
            Ok(line) => {
                writeln!(file, "{:>6.1} {line}", start.elapsed().as_secs_f64())
                    .with_context(|| format!("write {}", log.display()))?;
                // A kernel that has come to a standstill says so again and again.
                if !line.starts_with('[') {
                    heard = Instant::now();
                }
                console.push(line);
            }
            Err(RecvTimeoutError::Disconnected) => break true,
            Err(RecvTimeoutError::Timeout) => break false,
        }
    };
    if !in_time {
        qemu.kill().with_context(|| format!("stop {}", QEMU.name))?;
    }
    qemu.wait().with_context(|| format!("wait for {}", QEMU.name))?;
    let (passed, said) = judge(&console, in_time.then_some(()).ok_or(patience));
    Ok(Outcome { passed, took: start.elapsed(), said })
}

/// What the console says about the tests. `in_time` carries the patience that was lost with a machine that had to be stopped.
fn judge(console: &[String], in_time: Result<(), Duration>) -> (bool, String) {
    let (mut passed, mut failed, mut status) = (0, 0, None);
    for line in console {
        if let Some((_, counts)) =
            line.strip_prefix("test result: ").and_then(|counts| counts.split_once(". "))
        {
            passed += count(counts, " passed");
            failed += count(counts, " failed");
        }
        status = line.strip_prefix(RESULT).or(status);
    }
    let said = format!("{passed} tests passed, {failed} failed");
    match (in_time, status) {
        (Err(patience), _) => (false, format!("{said}, then silence for {} s", patience.as_secs())),
        (Ok(()), None) => (false, "the kernel stopped before the tests ended".to_owned()),
        (Ok(()), Some("0")) => (passed > 0, said),
        (Ok(()), Some(status)) => (false, format!("{said}, status {status}")),
    }
}

/// The number in front of `what` in a summary of libtest's: `3 passed; 0 failed; 0 ignored`.
fn count(summary: &str, what: &str) -> u32 {
    let counts = summary.split("; ").find_map(|part| part.strip_suffix(what));
    counts.and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_console_tells_how_it_went() {
        let end = |status: u8| {
            let summary = |kind, failed| format!("test result: {kind}. 3 passed; {failed} failed; 0 ignored");
            [summary("ok", 0), summary("FAILED", 1), format!("{RESULT}{status}")]
        };
        let counts = "6 tests passed, 1 failed";
        assert_eq!(judge(&end(0), Ok(())), (true, counts.to_owned()));
        assert_eq!(judge(&end(101), Ok(())), (false, format!("{counts}, status 101")));
        assert_eq!(
            judge(&end(0), Err(Duration::from_secs(9))),
            (false, format!("{counts}, then silence for 9 s"))
        );
        assert!(!judge(&["Kernel panic".to_owned()], Ok(())).0);
        assert!(!judge(&end(0)[2..], Ok(())).0, "no test ran");
    }
}
