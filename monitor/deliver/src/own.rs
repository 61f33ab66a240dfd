//! The daemon's own calls, which it sees as it sees everybody's when the receiver is on this host.
//!
//! An alert has ids in it, so whoever posts many alerts looks like a client that touches many objects: Rollcall would alert
//! about its alerts. A connection that it made is known by its two ends, which nobody else can have meanwhile.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rollcall_stream::Endpoints;

/// How long a connection is known: longer than a post may take, and what captured it.
const KNOWN: Duration = Duration::from_secs(30);

/// Connections of the last while.
#[derive(Debug, Default)]
pub struct OwnCalls {
    /// There may be some: looked at for every call on the host.
    any: AtomicBool,
    made: Mutex<HashMap<Endpoints, Instant>>,
}

impl OwnCalls {
    /// The daemon has made a connection, and is about to speak.
    pub(super) fn note(&self, ends: Endpoints) {
        let mut made = self.lock();
        forget(&mut made);
        made.insert(ends, Instant::now());
        self.any.store(true, Ordering::Release);
    }

    /// Whether the daemon has made that connection.
    pub fn has(&self, ends: &Endpoints) -> bool {
        if !self.any.load(Ordering::Acquire) {
            return false;
        }
        let mut made = self.lock();
        forget(&mut made);
        self.any.store(!made.is_empty(), Ordering::Release);
        made.contains_key(ends)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Endpoints, Instant>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn forget(made: &mut HashMap<Endpoints, Instant>) {
    made.retain(|_, at| at.elapsed() < KNOWN);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_connection_is_ours() {
        let own = OwnCalls::default();
        let ends = Endpoints {
            client: "127.0.0.1:50000".parse().unwrap(),
            server: "127.0.0.1:9093".parse().unwrap(),
        };
        assert!(!own.has(&ends));
        own.note(ends);
        assert!(own.has(&ends));
        assert!(!own.has(&Endpoints { server: "127.0.0.1:80".parse().unwrap(), ..ends }));
    }

    #[test]
    fn what_is_long_over_is_forgotten() {
        let own = OwnCalls::default();
        let ends = Endpoints {
            client: "127.0.0.1:50000".parse().unwrap(),
            server: "127.0.0.1:9093".parse().unwrap(),
        };
        own.note(ends);
        *own.lock().get_mut(&ends).unwrap() = Instant::now().checked_sub(KNOWN).unwrap();
        assert!(!own.has(&ends));
        assert!(!own.any.load(Ordering::Acquire), "from now on it costs nothing");
    }
}
