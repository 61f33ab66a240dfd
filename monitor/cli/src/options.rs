//! Flags that several commands share.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use rollcall_engine::Settings;

use super::{
    attribution::{self, AttributionArgs},
    detection::DetectionArgs,
    exit::Failure,
    values,
};

#[derive(Clone, Debug, Args)]
pub(crate) struct LogArgs {
    /// The least severe messages to print on stderr.
    #[arg(long = "log.level", env = "ROLLCALL_LOG_LEVEL", value_enum, default_value_t = Level::Info)]
    pub level: Level,

    /// How to print them.
    #[arg(long = "log.format", env = "ROLLCALL_LOG_FORMAT", value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

/// What the engine looks at, and what is too much.
#[derive(Clone, Debug, Args)]
pub(crate) struct EngineArgs {
    /// Server port to watch; repeatable, or a list [default: every port].
    #[arg(
        long = "port",
        env = "ROLLCALL_PORT",
        value_name = "PORT",
        value_delimiter = ',',
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    pub ports: Vec<u16>,

    /// Bytes of each request's head to look at, 512 to 64KiB. A head that is cut says nothing of its client but the peer.
    #[arg(
        long = "head-cap",
        env = "ROLLCALL_HEAD_CAP",
        value_name = "BYTES",
        value_parser = values::head_cap,
        default_value = "64KiB"
    )]
    pub head_cap: u32,

    /// Bytes of each request's body to look at, 0 to 64KiB. Objects behind them do not count.
    #[arg(
        long = "body-cap",
        env = "ROLLCALL_BODY_CAP",
        value_name = "BYTES",
        value_parser = values::body_cap,
        default_value = "64KiB"
    )]
    pub body_cap: u32,

    #[command(flatten)]
    pub detection: DetectionArgs,

    #[command(flatten)]
    pub attribution: AttributionArgs,
}

impl EngineArgs {
    /// What an engine is to be like.
    pub(crate) fn settings(&self) -> Result<Settings, Failure> {
        let mut settings = Settings::default();
        settings.http.head = self.head_cap as usize;
        settings.http.body = self.body_cap as usize;
        settings.detection.clients = self.attribution.clients()?;
        settings.detection.routes = self.attribution.routes()?;
        settings.detection.detector = self.detection.settings()?;
        for service in settings.detection.detector.policy.services() {
            attribution::expect_service(&settings.detection.routes, service)?;
        }
        Ok(settings)
    }
}

/// What is written, and where to.
#[derive(Clone, Debug, Args)]
pub(crate) struct OutputArgs {
    /// Append alerts to this file, one JSON object a line; - is stdout.
    #[arg(
        long = "alert.file",
        env = "ROLLCALL_ALERT_FILE",
        value_name = "FILE",
        default_value = "-",
        help_heading = "Alerts"
    )]
    pub alert_file: PathBuf,

    /// Append every exchange to this file, one JSON object a line; - is stdout [default: none].
    #[arg(long = "exchange-log", env = "ROLLCALL_EXCHANGE_LOG", value_name = "FILE")]
    pub exchange_log: Option<PathBuf>,
}

/// What the kernel side is given.
#[derive(Clone, Debug, Args)]
pub(crate) struct KernelArgs {
    /// Bytes of the buffer between kernel and daemon: a power of two, 64KiB to 1GiB.
    #[arg(
        long = "ring-size",
        env = "ROLLCALL_RING_SIZE",
        value_name = "BYTES",
        value_parser = values::ring_size,
        default_value = "8MiB"
    )]
    pub ring_size: u32,

    /// The cgroup v2 whose sockets to watch [default: the root, wherever it is mounted].
    #[arg(long = "cgroup", env = "ROLLCALL_CGROUP", value_name = "PATH")]
    pub cgroup: Option<PathBuf>,
}
