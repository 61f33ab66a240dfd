//! Logs that are rotated while they are written.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use rollcall_store::Reader;
use rollcall_tests::{Daemon, MiniServer, daemon::State, deadline};

use super::{LIMIT, enumerate};

const ROTATIONS: usize = 5;

/// Gives the file another name, as logrotate does.
fn rotate(file: &Path, number: usize) -> Result<PathBuf> {
    let old = file.with_extension(number.to_string());
    fs::rename(file, &old).with_context(|| format!("rename {}", file.display()))?;
    Ok(old)
}

#[test]
fn a_rotation_under_load_loses_no_line_and_none_comes_late() -> Result<()> {
    let server = MiniServer::start()?;
    let state = State::new()?;
    let daemon = Daemon::start_with(&state, &[server.port()], &LIMIT)?;
    let files = [daemon.alert_file(), daemon.exchange_log()];
    let over = AtomicBool::new(false);
    let mut old = Vec::new();
    thread::scope(|scope| -> Result<()> {
        let load = scope.spawn(|| -> Result<u16> {
            let mut number = 0;
            while !over.load(Ordering::Relaxed) {
                enumerate(server.address(), number)?;
                number += 1;
            }
            Ok(number)
        });
        for rotation in 0..ROTATIONS {
            deadline::until("lines in both files", || {
                let grown =
                    |file| fs::metadata(file).is_ok_and(|metadata: fs::Metadata| metadata.len() > 2_000);
                Ok(files.iter().all(grown).then_some(()))
            })?;
            let moved = files.iter().map(|file| rotate(file, rotation)).collect::<Result<Vec<_>>>()?;
            daemon.signal(Signal::SIGHUP)?;
            deadline::until("both files to be there anew", || {
                Ok(files.iter().all(|file| file.exists()).then_some(()))
            })?;
            for file in moved {
                old.push((fs::read(&file)?, file));
            }
        }
        over.store(true, Ordering::Relaxed);
        let clients = load.join().map_err(|_| anyhow::anyhow!("the load panicked"))??;
        // The last client's alert is the last line of all.
        super::wait_for_alerts(&daemon, clients - 1..clients).map(drop)
    })?;
    let calls = server.served().len();
    for (content, file) in &old {
        ensure!(fs::read(file)? == *content, "{} grew after the new file was there", file.display());
    }
    let report = daemon.stop()?;
    // In the order of the rotations, and what the daemon wrote last.
    let lines = |index: usize, last: &[serde_json::Value]| -> Vec<String> {
        let before =
            old.iter().skip(index).step_by(2).flat_map(|(content, _)| content.split(|byte| *byte == b'\n'));
        let before =
            before.filter(|line| !line.is_empty()).map(|line| String::from_utf8_lossy(line).into_owned());
        before.chain(last.iter().map(ToString::to_string)).collect()
    };
    let count = lines(1, &report.exchanges).len();
    ensure!(count == calls, "{calls} calls, and {count} lines in the exchange logs");
    let recorded = Reader::open(&state.directory())?.events_after(0, 100_000)?;
    let recorded: Vec<_> = recorded.iter().map(|event| normal(&event.line)).collect::<Result<_>>()?;
    let written: Vec<_> = lines(0, &report.alerts).iter().map(|line| normal(line)).collect::<Result<_>>()?;
    ensure!(written == recorded, "{} alerts recorded, {} written", recorded.len(), written.len());
    Ok(())
}

/// The same for the same alert, in whatever order its fields are written.
fn normal(line: &str) -> Result<String> {
    let value: serde_json::Value =
        serde_json::from_str(line).with_context(|| format!("not whole: {line}"))?;
    Ok(value.to_string())
}
