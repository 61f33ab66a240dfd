//! Recordings of any kind, read one after the other into one engine: what `replay` and `tune` have in common.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use rollcall_engine::{EngineCounters, Output};
use rollcall_http::{TlsCounters, Unread};
use rollcall_model::time::Timestamp;
use rollcall_replay::{self as replay, Captured, FileFormat, Input, Replay, access_log};

use super::{exit::Failure, progress::Progress};

#[derive(Clone, Debug, Args)]
pub(crate) struct RecordedArgs {
    /// Recordings to read: captures (pcap, pcapng) and access logs, packed with gzip or not; - is stdin. Captures are read in
    /// this order. Access logs are read in the order of their first calls.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// What the files are [default: told by how each begins].
    #[arg(
        id = "recorded-format",
        long = "format",
        env = "ROLLCALL_FORMAT",
        value_enum,
        value_name = "FORMAT"
    )]
    format: Option<Format>,

    /// Key log with the secrets of TLS connections in captures, as SSLKEYLOGFILE has clients and servers write it; repeatable [default:
    /// those within pcapng].
    #[arg(long = "tls.keylog", env = "ROLLCALL_TLS_KEYLOG", value_name = "FILE")]
    tls_keylog: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Captures, pcap or pcapng.
    Pcap,
    /// Access logs in the combined or the common format of Apache and nginx, with what syslog or containers put in front.
    Combined,
    /// Access logs of columns parted by tabs, named by the first line.
    Tsv,
    /// Access logs of one JSON object a line.
    Json,
}

impl From<Format> for FileFormat {
    fn from(format: Format) -> FileFormat {
        match format {
            Format::Pcap => FileFormat::Pcap,
            Format::Combined => FileFormat::Combined,
            Format::Tsv => FileFormat::Tsv,
            Format::Json => FileFormat::Json,
        }
    }
}

/// What was read.
pub(crate) struct Recorded {
    pub captures: replay::Summary,
    pub logs: access_log::Summary,
    pub failures: Vec<Failure>,
}

impl RecordedArgs {
    /// Reads every file into `replay`, and goes on to the next when one is damaged: each failure is one of the result's.
    pub(crate) fn read<O: Output>(&self, replay: &mut Replay<O>, progress: &Progress) -> Recorded {
        let format = self.format.map(FileFormat::from);
        let mut captures = replay::Reader::new();
        let mut logs = access_log::Reader::new();
        let mut failures = Vec::new();
        for file in &self.tls_keylog {
            let outcome = replay::read_key_log(file, |secret| replay.engine().secret(secret));
            failures.extend(outcome.err().map(Failure::from));
        }
        let (files, bytes) = in_order(&self.files, format);
        progress.begin(bytes);
        for file in files {
            let outcome = Input::open(file, format).and_then(|input| {
                let name = input.name().to_owned();
                let format = input.format();
                progress.file(&input);
                if format == FileFormat::Pcap {
                    // What waits is older than what comes: both are in the order that was asked for.
                    logs.finish(|call| replay.call(call));
                    return captures.read_from(&name, input.into_reader(), |captured| match captured {
                        Captured::Segment(segment) => {
                            progress.one();
                            replay.segment(segment);
                        }
                        Captured::Secret(secret) => replay.engine().secret(secret),
                    });
                }
                logs.read(&name, input.into_reader(), format, |call| {
                    progress.one();
                    replay.call(call);
                })
            });
            failures.extend(outcome.err().map(Failure::from));
        }
        logs.finish(|call| replay.call(call));
        replay.finish();
        progress.finish();
        Recorded { captures: captures.summary(), logs: logs.summary(), failures }
    }
}

/// The files in the order that they are to be read in, and how long they are together, if all of them tell. If all are
/// access logs, the one that begins first comes first: `access.log*` names the newest first.
fn in_order(files: &[PathBuf], format: Option<FileFormat>) -> (Vec<&Path>, Option<u64>) {
    let as_given = || files.iter().map(PathBuf::as_path);
    // Looking at a pipe would take from it.
    if files.iter().any(|file| !file.is_file()) {
        return (as_given().collect(), None);
    }
    let mut bytes = 0;
    let mut dated: Vec<(Option<Timestamp>, &Path)> = Vec::with_capacity(files.len());
    for file in as_given() {
        bytes += file.metadata().map_or(0, |metadata| metadata.len());
        // What can't be opened is told when it is to be read.
        let first = Input::open(file, format).ok().filter(|input| input.format() != FileFormat::Pcap);
        dated.push((first.and_then(|input| input.first()), file));
    }
    if dated.iter().all(|(first, _)| first.is_some()) {
        dated.sort_by_key(|(first, _)| *first);
    }
    (dated.into_iter().map(|(_, file)| file).collect(), Some(bytes))
}

impl Recorded {
    /// What is to be printed on stderr: a line for captures and one for access logs, as far as there were any. Nothing read
    /// and an error to tell: the error is the summary.
    pub(crate) fn summary(&self, counters: &EngineCounters, routes: usize) -> Vec<String> {
        let alerts = counters.detection.alerts;
        let raised = format!("{} alerts, {} notices", alerts.about_clients(), alerts.about_routes());
        let mut lines = Vec::new();
        if self.logs.lines > 0 {
            lines.push(self.of_logs(routes, &raised));
        }
        if self.captures.packets > 0 || lines.is_empty() && self.failures.is_empty() {
            lines.push(self.of_captures(counters.http.exchanges, &raised));
        }
        if counters.http.decrypted.connections > 0 {
            lines.push(of_tls(&counters.http.decrypted));
        }
        lines
    }

    fn of_captures(&self, exchanges: u64, raised: &str) -> String {
        let replay::Summary { packets, segments, connections, skipped } = &self.captures;
        let text = format!(
            "rollcall: {packets} packets, {segments} segments of {connections} connections, {exchanges} exchanges, \
             {raised}"
        );
        with_reasons(text, "skipped", &skipped.reasons())
    }

    fn of_logs(&self, routes: usize, raised: &str) -> String {
        let access_log::Summary { lines, calls, unread, first, last, late, named } = &self.logs;
        let mut text = format!("rollcall: {lines} lines, {calls} calls");
        if let (Some(first), Some(last)) = (first, last) {
            text.push_str(&format!(
                " in {} from {} to {}",
                span(*first, *last),
                second(*first),
                second(*last)
            ));
        }
        text.push_str(&format!(", {routes} routes, {raised}"));
        let mut text = with_reasons(text, "unread", &unread.reasons());
        if *late > 0 {
            text.push_str(&format!("; {late} calls stood behind others more than a minute younger"));
        }
        if *named > 0 {
            text.push_str(&format!(
                "; {named} callers are known by name only and have an address of 240.0.0.0/4 each"
            ));
        }
        text
    }
}

/// How many connections of TLS were read, and why others were not.
fn of_tls(counters: &TlsCounters) -> String {
    let TlsCounters { connections, read, unread, suites, .. } = counters;
    let names = Unread::NAMES.map(|name| if name == "no_secret" { "no secret" } else { name });
    let reasons: Vec<_> = names.into_iter().zip(unread.iter().copied()).collect();
    let text = format!("rollcall: {read} of {connections} connections of TLS read");
    let text = with_reasons(text, "unread", &reasons);
    let suites: Vec<_> =
        suites.iter().map(|(suite, count)| format!("{count} of suite {suite:#06x}")).collect();
    if suites.is_empty() { text } else { format!("{text}; {}", suites.join(", ")) }
}

fn with_reasons(mut text: String, what: &str, reasons: &[(&str, u64)]) -> String {
    let total: u64 = reasons.iter().map(|(_, count)| count).sum();
    if total > 0 {
        let reasons: Vec<_> = reasons
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(reason, count)| format!("{count} {reason}"))
            .collect();
        text.push_str(&format!("; {what} {total}: {}", reasons.join(", ")));
    }
    text
}

/// `2026-07-14T03:33:20Z`
fn second(at: Timestamp) -> String {
    let text = at.to_string();
    text.split_once('.').map_or(text.clone(), |(second, _)| format!("{second}Z"))
}

/// How long it is from `first` to `last`, in the largest unit of which that is two or more.
pub(crate) fn span(first: Timestamp, last: Timestamp) -> String {
    let seconds = last.since(first).as_secs_f64();
    for (unit, name) in [(86_400.0, "days"), (3_600.0, "hours"), (60.0, "minutes")] {
        if seconds >= 2.0 * unit {
            return format!("{:.1} {name}", seconds / unit);
        }
    }
    format!("{seconds:.0} seconds")
}
