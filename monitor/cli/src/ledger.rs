//! Flags of the ledger: what of the reads of suspicious clients is kept.

use std::time::Duration;

use clap::{Args, ValueEnum};
use rollcall_store::exposure::{ExposureSettings, ObjectMode};

use super::values;

#[derive(Clone, Debug, Args)]
pub(crate) struct LedgerArgs {
    /// What to keep of the objects that clients of alerts read.
    #[arg(long = "ledger.objects", env = "ROLLCALL_LEDGER_OBJECTS", value_enum, default_value_t = Objects::Plain)]
    objects: Objects,

    /// Bytes of disk for them, 1MiB or more. Some 37 million accounts of one client take 300MiB.
    #[arg(
        long = "ledger.size",
        env = "ROLLCALL_LEDGER_SIZE",
        value_name = "BYTES",
        value_parser = values::ledger_size,
        default_value = "1GiB"
    )]
    size: u64,

    /// Forget alerts, and what was read, when nothing of them has been touched for so long.
    #[arg(
        long = "ledger.age",
        env = "ROLLCALL_LEDGER_AGE",
        value_name = "DURATION",
        value_parser = values::age,
        default_value = "400d"
    )]
    pub(crate) age: Duration,

    /// Bytes of memory for what everybody read last, in case that one of them turns out to be suspicious; 0 for none.
    #[arg(
        long = "ledger.recent",
        env = "ROLLCALL_LEDGER_RECENT",
        value_name = "BYTES",
        value_parser = values::ledger_recent,
        default_value = "4MiB"
    )]
    recent: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Objects {
    /// What they are.
    Plain,
    /// A hash of each, under the installation's key: `exposure --match` tells which of yours were read.
    Hashed,
    /// Nothing but how many calls there were.
    Off,
}

impl LedgerArgs {
    /// What is to be kept, while the share `sampling` of request targets is captured.
    pub(crate) fn settings(&self, sampling: f64) -> ExposureSettings {
        ExposureSettings {
            objects: match self.objects {
                Objects::Plain => ObjectMode::Plain,
                Objects::Hashed => ObjectMode::Hashed,
                Objects::Off => ObjectMode::Off,
            },
            size: self.size,
            age: self.age,
            recent: self.recent,
            sampling,
            ..ExposureSettings::default()
        }
    }
}
