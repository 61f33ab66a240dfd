//! What the daemon tells the service manager: that it watches, that it still does, and that it stops.

use std::{
    fs,
    os::unix::net::UnixDatagram,
    ptr::null_mut,
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use nix::errno::Errno;
use rollcall_tests::{Daemon, deadline, port};

/// The span after which a service manager loses patience.
const WATCHDOG: Duration = Duration::from_millis(800);

/// A service manager, as far as it listens.
struct Manager {
    messages: Receiver<String>,
    folder: tempfile::TempDir,
}

impl Manager {
    fn listen() -> Result<Manager> {
        let folder = tempfile::tempdir()?;
        let socket = UnixDatagram::bind(folder.path().join("notify"))?;
        let (sender, messages) = channel();
        // Listens all the time, as a daemon that nobody listens to waits. Ends with the test.
        thread::spawn(move || {
            let mut message = [0; 4096];
            while let Ok(length) = socket.recv(&mut message) {
                let text = String::from_utf8_lossy(&message[..length]).into_owned();
                if sender.send(text).is_err() {
                    break;
                }
            }
        });
        Ok(Manager { messages, folder })
    }

    /// The next message, waited for.
    fn hear(&self) -> Result<String> {
        self.messages.recv_timeout(deadline::patience()).context("hear of the daemon")
    }

    /// All that it has said and nobody has heard yet.
    fn unheard(&self) -> Vec<String> {
        self.messages.try_iter().collect()
    }
}

/// A thread that makes no progress until this is dropped.
struct Held(libc::pid_t);

impl Held {
    /// Holds the thread `name` of a process.
    fn thread(pid: u32, name: &str) -> Result<Held> {
        let threads = fs::read_dir(format!("/proc/{pid}/task"))?;
        let mut named = threads
            .filter_map(|thread| Some(thread.ok()?.path()))
            .filter(|path| fs::read_to_string(path.join("comm")).is_ok_and(|found| found.trim() == name));
        let path = named.next().with_context(|| format!("there is no thread {name}"))?;
        let thread: libc::pid_t = path.file_name().unwrap_or_default().to_string_lossy().parse()?;
        let nothing = null_mut::<libc::c_void>();
        // SAFETY: these requests and the wait for their effect touch no memory of this process.
        unsafe {
            Errno::result(libc::ptrace(libc::PTRACE_SEIZE, thread, nothing, nothing))
                .context("seize the thread")?;
            Errno::result(libc::ptrace(libc::PTRACE_INTERRUPT, thread, nothing, nothing))
                .context("hold the thread")?;
            Errno::result(libc::waitpid(thread, null_mut(), libc::__WALL)).context("wait for it")?;
        }
        Ok(Held(thread))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let nothing = null_mut::<libc::c_void>();
        // SAFETY: as above. A thread that has ended needs no release.
        unsafe { libc::ptrace(libc::PTRACE_DETACH, self.0, nothing, nothing) };
    }
}

#[test]
fn the_service_manager_learns_how_the_daemon_does() -> Result<()> {
    const STALLED: &str = "the capture loop does not come round";
    let manager = Manager::listen()?;
    let daemon = Daemon::as_service(&manager.folder.path().join("notify"), WATCHDOG, &[port::free()?])?;
    let ready = manager.hear()?;
    ensure!(ready.contains("READY=1\n") && ready.contains("STATUS=watching "), "it begins with {ready:?}");
    ensure!(manager.hear()?.contains("WATCHDOG=1\n"), "there is no sign of life");

    let held = Held::thread(daemon.pid(), "capture")?;
    let complaints = || daemon.log().matches(STALLED).count();
    let first =
        deadline::until("the daemon to notice", || Ok(Some(complaints()).filter(|&count| count > 0)))?;
    manager.unheard();
    deadline::until("the daemon to notice again", || Ok((complaints() > first).then_some(())))?;
    let said = manager.unheard();
    ensure!(said.is_empty(), "it gives signs of life though it hangs: {said:?}");
    ensure!(daemon.page("/healthz")?.0 == 503, "it says that it is well");

    drop(held);
    ensure!(manager.hear()?.contains("WATCHDOG=1\n"), "it gives no more signs of life");
    daemon.stop()?;
    ensure!(
        manager.unheard().iter().any(|said| said.contains("STOPPING=1\n")),
        "it doesn't say that it stops"
    );
    Ok(())
}
