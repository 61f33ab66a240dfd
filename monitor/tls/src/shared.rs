//! What all connections share: the secrets, and what is counted.

use std::{collections::BTreeMap, fmt};

use rollcall_model::time::Timestamp;

use super::{client, secret::Secret, secrets::Secrets, server};

/// Bytes that all connections together may hold for want of a secret or of the rest of a record.
const HELD: usize = 64 * 1024 * 1024;

/// Suites that are told apart: servers choose them, and each knows some few that can't be read.
const SUITES: usize = 64;

/// Why a connection's records are not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// No secret came in time that opens them.
    NoSecret,
    /// The suite is one that is not read: see [`TlsCounters::suites`].
    Suite,
    /// The version is neither TLS 1.2 nor 1.3.
    Version,
    /// They are none, or not in the order of a handshake.
    Malformed,
    /// Bytes of the handshake were lost.
    Lost,
    /// There was no room to hold them until a secret came.
    Memory,
    /// The connection is older than the source, or was forgotten.
    Joined,
}

impl Unread {
    /// Label values, in the order of the variants.
    pub const NAMES: [&'static str; 7] =
        ["no_secret", "suite", "version", "malformed", "lost", "memory", "joined"];
}

/// Counts since the start, but for the gauge at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsCounters {
    /// Connections that carried TLS, by their first bytes, while secrets were to be expected.
    pub connections: u64,
    /// Those whose requests are read.
    pub read: u64,
    /// Those that are not, by [`Unread`].
    pub unread: [u64; Unread::NAMES.len()],
    /// Those whose suite is not read, by the number of the suite.
    pub suites: BTreeMap<u16, u64>,
    /// Records of connections that are read which nothing opened, in either direction.
    pub records_unopened: u64,
    /// Secrets that were handed in.
    pub secrets: u64,
    /// Secrets that were tried on records without a name to go by.
    pub trials: u64,
    /// Gauge: bytes held for want of a secret or of the rest of a record.
    pub held_bytes: u64,
}

/// What all connections share.
#[derive(Default)]
pub struct Shared {
    pub(crate) secrets: Secrets,
    pub(crate) counters: TlsCounters,
    pub(crate) held: usize,
    /// Bytes being decrypted.
    pub(crate) scratch: Vec<u8>,
    /// What is coming out of a stream.
    pub(crate) requests: Vec<client::Taken>,
    pub(crate) answers: Vec<server::Taken>,
    is_expected: bool,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("counters", &self.counters).finish_non_exhaustive()
    }
}

impl Shared {
    /// Takes a secret, for a connection that has begun or is about to.
    pub fn secret(&mut self, secret: Secret) {
        self.counters.secrets += 1;
        self.is_expected = true;
        self.secrets.add(secret);
    }

    /// Secrets are going to come, so that records are worth holding that can't be read yet.
    pub fn expect_secrets(&mut self) {
        self.is_expected = true;
    }

    /// Drops secrets that nobody has asked for in time.
    pub fn settle(&mut self, now: Timestamp) {
        self.secrets.expire(now);
    }

    /// What has happened so far.
    pub fn counters(&self) -> TlsCounters {
        TlsCounters { held_bytes: self.held as u64, ..self.counters.clone() }
    }

    pub(crate) fn is_expected(&self) -> bool {
        self.is_expected
    }

    pub(crate) fn is_full(&self) -> bool {
        self.held > HELD
    }

    pub(crate) fn unread(&mut self, why: Unread) {
        self.counters.unread[why as usize] += 1;
    }

    pub(crate) fn unread_suite(&mut self, suite: u16) {
        let suites = &mut self.counters.suites;
        if suites.len() < SUITES || suites.contains_key(&suite) {
            *suites.entry(suite).or_default() += 1;
        }
    }
}
