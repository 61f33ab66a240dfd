//! The process that puts probes into programs while the daemon watches.
//!
//! That takes privileges for as long as programs start, and the daemon has none left by then: it reads what clients send. So
//! a process of its own keeps them. It reads which programs there are and what is in their files, and nothing that comes over
//! a network; it tells the daemon what it has found, and is told nothing. It ends with the daemon, however that ends, and the
//! kernel takes all its probes off then.

use std::{
    fs,
    io::{self, BufRead as _, BufReader, Write as _},
    net::Shutdown,
    os::{
        fd::{AsFd as _, AsRawFd as _, RawFd},
        unix::net::UnixStream,
    },
    panic::{self, AssertUnwindSafe},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use caps::{CapSet, Capability, CapsHashSet};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        prctl,
        signal::{SigHandler, Signal, signal},
        wait::waitpid,
    },
    unistd::{ForkResult, Pid, fork, getppid},
};
use serde::{Serialize, de::DeserializeOwned};

use super::Error;

/// Between two looks, in milliseconds. A program whose library is known is seen from its start on; it is for others that it matters.
const EACH: u16 = 1_000;

/// The longest report that is read.
const REPORT_MAX: u64 = 1 << 20;

/// What it takes to put probes into files of others: to attach; to see what they have mapped, in whatever namespace; and to
/// open that, if it has been deleted, too. Perf's events take CAP_SYS_ADMIN.
const KEPT: [Capability; 6] = [
    Capability::CAP_BPF,
    Capability::CAP_PERFMON,
    Capability::CAP_SYS_PTRACE,
    Capability::CAP_DAC_READ_SEARCH,
    Capability::CAP_CHECKPOINT_RESTORE,
    Capability::CAP_SYS_ADMIN,
];

/// Signals that are meant for the daemon, and reach all of its group.
const NOT_MEANT: [Signal; 5] =
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGUSR2];

/// The process at work.
pub(super) struct Prober {
    process: Pid,
    reports: UnixStream,
}

/// The process, followed.
pub(super) struct Followed {
    reports: UnixStream,
    is_over: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
}

impl Prober {
    /// Starts the process, which calls `look` once a second, and reports what it says when that has changed. To be called by the
    /// thread that has the privileges; the process ends when that thread does.
    pub(super) fn start<T: Serialize + PartialEq>(mut look: impl FnMut() -> T) -> io::Result<Prober> {
        let (reports, to) = UnixStream::pair()?;
        let parent = Pid::this();
        // SAFETY: of the threads that the daemon has, the new process has this one. It takes no lock that another may hold:
        // it logs nothing, and the allocator's are seen to by the C library.
        match unsafe { fork() }? {
            ForkResult::Parent { child: process } => Ok(Prober { process, reports }),
            ForkResult::Child => {
                drop(reports);
                let end = panic::catch_unwind(AssertUnwindSafe(|| serve(&to, parent, &mut look)));
                // SAFETY: nothing that the daemon would do at its end is this process's to do.
                unsafe { libc::_exit(i32::from(!matches!(end, Ok(Ok(()))))) }
            }
        }
    }

    /// Follows its reports, in a thread that the calling one starts. `each` is told of each, and of `None` should the process end
    /// by itself.
    pub(super) fn follow<T: DeserializeOwned>(
        self,
        mut each: impl FnMut(Option<T>) + Send + 'static,
    ) -> Result<Followed, Error> {
        let Prober { process, reports } = self;
        let is_over = Arc::<AtomicBool>::default();
        let from = reports.try_clone().map_err(Error::io("share a socket"))?;
        let is_meant = Arc::clone(&is_over);
        let read = move || {
            let mut lines = BufReader::new(from);
            let mut line = Vec::new();
            while let Ok(1..) = io::Read::take(&mut lines, REPORT_MAX).read_until(b'\n', &mut line) {
                if let Ok(report) = serde_json::from_slice(&line) {
                    each(Some(report));
                }
                line.clear();
            }
            if !is_meant.load(Ordering::Acquire) {
                each(None);
            }
            // It has shut its end, as the last thing that it does.
            let _ = waitpid(process, None);
        };
        let reader = thread::Builder::new().name("probes".to_owned()).spawn(read);
        let reader = reader.map_err(Error::io("start a thread that hears of probes"))?;
        Ok(Followed { reports, is_over, reader: Some(reader) })
    }
}

impl Drop for Followed {
    /// Ends the process, and waits until it has.
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        // Should it have ended by itself, there is nothing to shut down.
        let _ = self.reports.shutdown(Shutdown::Write);
        // A panic of the reader's has been printed.
        let _ = self.reader.take().map(JoinHandle::join);
    }
}

/// All that the process does.
fn serve<T: Serialize + PartialEq>(
    mut to: &UnixStream,
    parent: Pid,
    look: &mut impl FnMut() -> T,
) -> io::Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    if getppid() != parent {
        return Ok(());
    }
    prctl::set_name(c"rollcall-probes")?;
    for meant_for_others in NOT_MEANT {
        // SAFETY: to ignore a signal runs nothing.
        unsafe { signal(meant_for_others, SigHandler::SigIgn)? };
    }
    close_others(to.as_raw_fd())?;
    keep_capabilities().map_err(io::Error::other)?;
    let mut told = None;
    loop {
        let now = look();
        if told.as_ref() != Some(&now) {
            let mut line = serde_json::to_vec(&now)?;
            line.push(b'\n');
            to.write_all(&line)?;
            told = Some(now);
        }
        let mut ends = [PollFd::new(to.as_fd(), PollFlags::POLLIN)];
        match poll(&mut ends, PollTimeout::from(EACH)) {
            // Stopped, and let go on.
            Ok(0) | Err(Errno::EINTR) => {}
            // The daemon says nothing: it has shut its end.
            Ok(_) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Closes what the daemon has open, but for programs and maps, and where errors are printed.
fn close_others(report: RawFd) -> io::Result<()> {
    let open: Vec<RawFd> = fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|&descriptor| descriptor != report && descriptor != libc::STDERR_FILENO)
        .collect();
    for descriptor in open {
        let target = fs::read_link(format!("/proc/self/fd/{descriptor}"));
        if target.is_ok_and(|target| target.to_string_lossy().starts_with("anon_inode:bpf")) {
            continue;
        }
        // SAFETY: whatever owned it in the daemon is never dropped in this process.
        unsafe { libc::close(descriptor) };
    }
    Ok(())
}

fn keep_capabilities() -> Result<(), caps::errors::CapsError> {
    let held = caps::read(None, CapSet::Permitted)?;
    let kept: CapsHashSet = KEPT.into_iter().filter(|capability| held.contains(capability)).collect();
    caps::clear(None, CapSet::Ambient)?;
    caps::set(None, CapSet::Effective, &kept)?;
    caps::set(None, CapSet::Permitted, &kept)?;
    caps::clear(None, CapSet::Inheritable)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    fn follow<T: DeserializeOwned + Send + 'static>(prober: Prober) -> (Followed, Receiver<Option<T>>) {
        let (heard, reports) = channel();
        let followed = prober.follow(move |report| heard.send(report).expect("somebody listens"));
        (followed.expect("a thread is started"), reports)
    }

    #[test]
    fn what_has_changed_is_reported_until_the_end() {
        let mut looks = 0;
        let prober = Prober::start(move || {
            looks += 1;
            [std::process::id(), looks.min(2)]
        })
        .unwrap();
        let (followed, reports) = follow::<[u32; 2]>(prober);
        let [[process, first], [_, second]] = [(); 2].map(|()| reports.recv().unwrap().unwrap());
        assert_ne!(process, std::process::id(), "a process of its own");
        assert_eq!((first, second), (1, 2));
        drop(followed);
        assert!(
            reports.recv().is_err(),
            "nothing that is the same is told again, and an end that is meant is not told"
        );
        assert!(!fs::exists(format!("/proc/{process}")).unwrap(), "it has ended");
    }

    #[test]
    fn it_has_nothing_of_the_daemons_open() {
        let file = tempfile::tempfile().unwrap();
        let prober = Prober::start(|| {
            let entries = fs::read_dir("/proc/self/fd").unwrap().flatten();
            let targets = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
            targets.map(|target| target.display().to_string()).collect::<Vec<_>>()
        })
        .unwrap();
        let (followed, reports) = follow::<Vec<String>>(prober);
        let open = reports.recv().unwrap().unwrap();
        assert_eq!(open.iter().filter(|target| target.starts_with("socket:")).count(), 1, "{open:?}");
        assert!(!open.iter().any(|target| target.contains("deleted")), "{open:?}");
        drop((followed, file));
    }

    #[test]
    fn its_end_is_told() {
        let prober = Prober::start(|| -> u32 { std::process::exit(1) }).unwrap();
        let (_followed, reports) = follow::<u32>(prober);
        assert_eq!(reports.recv().unwrap(), None);
    }
}
