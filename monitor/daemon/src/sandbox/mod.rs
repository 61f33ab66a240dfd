//! What the daemon may still do once it watches: as little as it gets by with.
//!
//! Whoever finds a hole in the parsers sits in a process that can see every request of the host. So, in this order:
//!
//! 1. [`seal`], before anything else: what is executed gains no privileges, and no other process of this user reads this
//!    one's memory, in which requests are.
//! 2. [`give_up_capabilities`], for each thread by itself, as Linux keeps them for each. One thread loads and attaches the
//!    programs; every other one is started by a thread that has none left.
//! 3. [`filter_calls`], once the programs are attached, for all threads: a list of system calls, and of their arguments
//!    where these make the difference.
//!
//! A call that isn't on the list fails with `ENOSYS`, and the kernel logs it. Libraries take that for an older kernel, and
//! do without; nothing that comes up late at night, such as a libc that has learnt a new call, ends the daemon. Descriptors
//! that are open stay usable: the ring, the counters and the attachment need no capability.

mod calls;
mod capabilities;
mod filter;

use std::io;

pub use capabilities::give_up_capabilities;
pub use filter::filter_calls;

/// Why the process could not be confined.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("seal this process")]
    Seal { source: io::Error },
    #[error("give up capabilities")]
    Capabilities { source: caps::errors::CapsError },
    #[error("make the filter of system calls")]
    Compile {
        #[from]
        source: seccompiler::BackendError,
    },
    #[error("install the filter of system calls")]
    Install { source: io::Error },
    #[error("install the filter of system calls on thread {thread}: it has one of its own")]
    Thread { thread: i64 },
}

/// Refuses privileges to what this process executes, and its memory to other processes of its user and to core dumps.
pub fn seal() -> Result<(), Error> {
    let sealed = nix::sys::prctl::set_no_new_privs().and_then(|()| nix::sys::prctl::set_dumpable(false));
    sealed.map_err(|error| Error::Seal { source: error.into() })
}
