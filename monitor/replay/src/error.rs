//! Why a recording can't be read, or not to its end.

use std::io;

use super::file_format::FileFormat;

/// A recording that can't be read, or not to its end. Everything before the damage has been delivered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("read {path}")]
    Read {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("{path} is empty")]
    Empty { path: String },
    #[error("{path} is neither a capture nor an access log: it starts with {start}")]
    Unknown { path: String, start: String },
    #[error("{path} is not a pcap or pcapng capture: it starts with {start}")]
    Foreign { path: String, start: String },
    #[error(
        "capture {path} has link type {link_type}, which is not among Ethernet, raw IP, Linux cooked and loopback"
    )]
    LinkType { path: String, link_type: u16 },
    #[error("key log {path} can't be read in line {line}")]
    KeyLog {
        path: String,
        line: u64,
        #[source]
        source: rollcall_tls::key_log::Fault,
    },
    #[error("capture {path} breaks off within packet {packet}, which starts at byte {offset}")]
    Truncated { path: String, packet: u64, offset: u64 },
    #[error("capture {path} is damaged at byte {offset}, after packet {packet}: {what}")]
    Damaged { path: String, packet: u64, offset: u64, what: String },
    #[error("access log {path} names no column for {what} in its first line")]
    Columns { path: String, what: &'static str },
    #[error(
        "access log {path} has no line that can be read as {format}, of {lines}; most are skipped for: {reason}"
    )]
    NoCalls { path: String, format: FileFormat, lines: u64, reason: &'static str },
    #[error("access log {path} breaks off after line {line}: the compressed data ends early")]
    CutShort { path: String, line: u64 },
    #[error("access log {path} is damaged after line {line}")]
    LogDamaged {
        path: String,
        line: u64,
        #[source]
        source: io::Error,
    },
}
