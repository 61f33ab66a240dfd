//! Log messages on stderr; stdout is for alerts.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::filter::LevelFilter;

use super::options::{Format, Level, LogArgs};

/// Sends log messages to stderr from now on.
pub(super) fn start(args: &LogArgs) {
    let level = match args.level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    };
    let builder = tracing_subscriber::fmt().with_max_level(level).with_writer(stderr);
    match args.format {
        Format::Text => builder.with_target(false).with_ansi(stderr().is_terminal()).init(),
        Format::Json => builder.json().init(),
    }
}
