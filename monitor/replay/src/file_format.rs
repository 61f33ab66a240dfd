//! What recordings are written in.

use std::fmt;

/// What a recording is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// A capture, pcap or pcapng.
    Pcap,
    /// An access log in the combined or the common format of Apache and nginx.
    Combined,
    /// An access log of columns parted by tabs, which the first line names.
    Tsv,
    /// An access log of one JSON object a line.
    Json,
}

impl fmt::Display for FileFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FileFormat::Pcap => "pcap",
            FileFormat::Combined => "combined",
            FileFormat::Tsv => "tsv",
            FileFormat::Json => "json",
        })
    }
}
