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
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use caps::{CapSet, Capability, CapsHashSet};
use nix::{
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

/// Its reports, as they come.
pub(super) struct Reports<T> {
    reports: UnixStream,
    latest: Arc<Mutex<T>>,
    reader: JoinHandle<()>,
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

    /// Follows its reports, in a thread that the calling one starts. `each` is told of each.
    pub(super) fn follow<T: DeserializeOwned + Default + Clone + Send + 'static>(
        self,
        mut each: impl FnMut(&T) + Send + 'static,
    ) -> Result<Reports<T>, Error> {
        let latest = Arc::<Mutex<T>>::default();
        let known = Arc::clone(&latest);
        let from = self.reports.try_clone().map_err(Error::io("share a socket"))?;
        let read = move || {
            let mut lines = BufReader::new(from);
            let mut line = Vec::new();
            while let Ok(1..) = io::Read::take(&mut lines, REPORT_MAX).read_until(b'\n', &mut line) {
                if let Ok(report) = serde_json::from_slice::<T>(&line) {
                    each(&report);
                    *known.lock().unwrap_or_else(PoisonError::into_inner) = report;
                }
                line.clear();
            }
            *known.lock().unwrap_or_else(PoisonError::into_inner) = T::default();
            // It has shut its end, as the last thing that it does.
            let _ = waitpid(self.process, None);
        };
        let reader = thread::Builder::new().name("probes".to_owned()).spawn(read);
        let reader = reader.map_err(Error::io("start a thread that hears of probes"))?;
        Ok(Reports { reports: self.reports, latest, reader })
    }
}

impl<T> Reports<T> {
    /// The latest one; the default before the first, and once the process has ended.
    pub(super) fn latest(&self) -> Arc<Mutex<T>> {
        Arc::clone(&self.latest)
    }

    /// Ends the process, and waits until it has.
    pub(super) fn finish(self) {
        // Should it have ended by itself, there is nothing to shut down.
        let _ = self.reports.shutdown(Shutdown::Write);
        // A panic of the reader's has been printed.
        let _ = self.reader.join();
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
        if poll(&mut ends, PollTimeout::from(EACH))? != 0 {
            // The daemon says nothing: it has shut its end.
            return Ok(());
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
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn what_has_changed_is_reported_until_the_end() {
        let mut looks = 0;
        let prober = Prober::start(move || {
            looks += 1;
            vec![std::process::id(), looks.min(2)]
        })
        .unwrap();
        let (heard, reports) = channel();
        let followed = prober.follow::<Vec<u32>>(move |report| heard.send(report.clone()).unwrap()).unwrap();
        let [first, second] = [reports.recv().unwrap(), reports.recv().unwrap()];
        assert_ne!(first[0], std::process::id(), "a process of its own");
        assert_eq!((first[1], second[1]), (1, 2));
        let latest = followed.latest();
        followed.finish();
        assert!(reports.recv().is_err(), "nothing that is the same is told again");
        assert!(latest.lock().unwrap().is_empty(), "of what has ended nothing is in force");
        assert!(!fs::exists(format!("/proc/{}", first[0])).unwrap(), "it has ended");
    }

    #[test]
    fn it_has_nothing_of_the_daemons_open() {
        let file = tempfile::tempfile().unwrap();
        let prober = Prober::start(|| {
            let entries = fs::read_dir("/proc/self/fd").unwrap().flatten();
            entries
                .filter_map(|entry| Some(fs::read_link(entry.path()).ok()?.display().to_string()))
                .collect::<Vec<_>>()
        })
        .unwrap();
        let (heard, reports) = channel();
        let followed =
            prober.follow::<Vec<String>>(move |report| heard.send(report.clone()).unwrap()).unwrap();
        let open = reports.recv().unwrap();
        assert!(open.iter().filter(|target| target.starts_with("socket:")).count() == 1, "{open:?}");
        assert!(!open.iter().any(|target| target.contains("deleted")), "{open:?}");
        followed.finish();
        drop(file);
    }

    #[test]
    fn a_panic_ends_it() {
        let prober = Prober::start(|| -> Vec<u32> { panic!("on purpose") }).unwrap();
        let followed = prober.follow::<Vec<u32>>(|_| ()).unwrap();
        followed.finish();
    }
}
