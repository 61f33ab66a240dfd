//! Idle connections: a part of the program that runs in processes of its own, as one process may have only so many files.

use std::{
    io::Write as _,
    net::{Ipv4Addr, SocketAddrV4},
    os::unix::process::parent_id,
    process::Command,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use clap::Args;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rollcall_tests::{Client, deadline, program::Running};
use tempfile::TempDir;

use crate::interrupt;

/// What one process holds.
#[derive(Args)]
pub(crate) struct Options {
    server: SocketAddrV4,
    source: Ipv4Addr,
    count: usize,
}

/// Opening takes about 0.2 ms each with a core to itself.
const PATIENCE: Duration = Duration::from_secs(300);
const READY: &str = "ready";

/// Opens the connections, makes a request on each, and stays for as long as the parent does.
pub(crate) fn hold(options: &Options) -> Result<()> {
    let parent = parent_id();
    let mut clients = Vec::with_capacity(options.count);
    for number in 0..options.count {
        let mut client = Client::connect_from(options.source, options.server)
            .with_context(|| format!("connection {number} from {}", options.source))?;
        let response = client.get("/v1/customers/1")?;
        ensure!(response.status == 200, "the server answers {}", response.status);
        clients.push(client);
    }
    println!("{READY}");
    std::io::stdout().flush()?;
    while parent_id() == parent {
        thread::sleep(Duration::from_secs(1));
    }
    Ok(())
}

/// Lets this process, and those that it starts, have as many files as it may. Returns how many.
pub(crate) fn raise_file_limit() -> Result<usize> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).context("raise the limit of open files")?;
    Ok(usize::try_from(most)?)
}

/// Processes that hold connections, ended when dropped.
pub(crate) struct Holders {
    processes: Vec<Running>,
    #[expect(dead_code, reason = "kept for its Drop, which removes their logs")]
    folder: TempDir,
}

impl Holders {
    /// Opens `count` connections to `server`, at most `each` from one process and address of 127.0.0.0/8, and returns
    /// when all stand.
    pub(crate) fn open(server: SocketAddrV4, count: usize, each: usize) -> Result<Holders> {
        let folder = tempfile::Builder::new().prefix("rollcall-hold-").tempdir()?;
        let program = std::env::current_exe().context("find this program")?;
        let mut processes = Vec::new();
        let mut left = count;
        while left > 0 {
            let number = u8::try_from(processes.len() + 1)?;
            let share = left.min(each);
            let mut command = Command::new(&program);
            command.arg("hold").arg(server.to_string());
            command.arg(Ipv4Addr::new(127, 0, 1, number).to_string()).arg(share.to_string());
            processes.push(Running::start(command, &folder.path().join(number.to_string()))?);
            left -= share;
        }
        deadline::within(PATIENCE, "idle connections", || {
            interrupt::check()?;
            let mut ready = true;
            for process in &mut processes {
                let ended = process.ended()?;
                ensure!(ended.is_none(), "a client ended: {}", process.output());
                ready &= process.output().contains(READY);
            }
            Ok(ready.then_some(()))
        })?;
        Ok(Holders { processes, folder })
    }

    /// Fails unless all of them still live.
    pub(crate) fn check(&mut self) -> Result<()> {
        for process in &mut self.processes {
            ensure!(process.ended()?.is_none(), "a client ended: {}", process.output());
        }
        Ok(())
    }
}
