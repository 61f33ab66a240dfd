//! Access logs as a source of exchanges.
//!
//! Each line is one call (`combined`, `columns`, `json`), of which `fields` makes an exchange with a request head put together
//! again: what the engine evaluates is the same as from a capture, as far as the log tells it. `order` brings calls into
//! the order of time.
//!
//! Lines are what somebody else wrote: no line is an error. One that can't be read is counted by reason (`Unread`), memory
//! has a bound however long a line or a file is, and what could be read before a file breaks off is delivered before the
//! error.

mod call;
mod caller;
mod columns;
mod combined;
mod fields;
mod hosts;
mod json;
mod line;
mod names;
mod order;
mod time;

use std::io::{self, BufRead};

pub use call::Call;
use columns::Columns;
use fields::Fields;
use hosts::Hosts;
use line::{Line, Lines};
use order::Order;
use rollcall_model::time::Timestamp;

use super::{Error, FileFormat};

/// Reads logs one after the other, as if they were one.
#[derive(Debug, Default)]
pub struct Reader {
    hosts: Hosts,
    order: Order,
    fields: Fields,
    summary: Summary,
}

/// What was in the logs read so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Lines that should be calls: the calls and the unread. Blank lines, headers and comments are none.
    pub lines: u64,
    pub calls: u64,
    pub unread: Skipped,
    /// The times of the first and the last call.
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
    /// Calls that stood more than a minute behind a later one, and were evaluated as late as that.
    pub late: u64,
    /// Callers that the logs know by name, each with a made-up address.
    pub named: u64,
}

/// Why a line is no call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unread {
    Format,
    TooLong,
    Client,
    Time,
    Request,
}

/// Lines that are no calls, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// In another format.
    pub format: u64,
    /// Longer than 64 KiB.
    pub too_long: u64,
    /// Nobody is named who called.
    pub client: u64,
    /// Without a time that can be read.
    pub time: u64,
    /// Without a request, or with one that is not HTTP.
    pub request: u64,
}

impl Skipped {
    /// The counts with their reasons in words.
    pub fn reasons(&self) -> [(&'static str, u64); 5] {
        let Skipped { format, too_long, client, time, request } = *self;
        [
            ("another format", format),
            ("longer than 64 KiB", too_long),
            ("no client", client),
            ("no time", time),
            ("no HTTP request", request),
        ]
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.reasons().iter().map(|(_, count)| count).sum()
    }

    fn add(&mut self, unread: Unread) {
        *match unread {
            Unread::Format => &mut self.format,
            Unread::TooLong => &mut self.too_long,
            Unread::Client => &mut self.client,
            Unread::Time => &mut self.time,
            Unread::Request => &mut self.request,
        } += 1;
    }
}

/// How the lines of one log are read.
#[derive(Debug)]
enum Parser {
    Combined,
    /// The columns are known from the first line on.
    Tsv(Option<Columns>),
    Json,
}

/// What the beginning of a log tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// `None`: it is in no format that is read.
    pub(super) format: Option<FileFormat>,
    /// The time of the first call.
    pub(super) first: Option<Timestamp>,
}

impl Reader {
    /// A reader that has read nothing yet.
    pub fn new() -> Reader {
        Reader::default()
    }

    /// Delivers the calls of the log that `input` holds, in the order of time. The last ones wait for those of the next log:
    /// see [`Reader::finish`]. `name` is for errors. A capture has no calls.
    pub fn read(
        &mut self,
        name: &str,
        input: impl BufRead,
        format: FileFormat,
        mut deliver: impl FnMut(&Call),
    ) -> Result<(), Error> {
        let path = || name.to_owned();
        let mut parser = Parser::of(format);
        let before = self.summary;
        let mut lines = Lines::new(input);
        let mut number = 0;
        loop {
            let line = match lines.next() {
                Ok(Some(line)) => line,
                Ok(None) => break,
                Err(source) => return Err(broken(path(), number, source)),
            };
            number += 1;
            let line = match line {
                Line::Whole(line) if is_blank(line) => continue,
                Line::Whole(line) => Some(line),
                Line::TooLong => None,
            };
            if let (Parser::Tsv(columns @ None), Some(header)) = (&mut parser, line) {
                match Columns::of(header) {
                    Ok(found) => *columns = Some(found),
                    Err(_) if header.starts_with(b"#") => {}
                    Err(what) => return Err(Error::Columns { path: path(), what }),
                }
                continue;
            }
            self.summary.lines += 1;
            let mut call = self.order.spare();
            let outcome = match line {
                Some(line) => parser.call(line, &mut self.fields, &mut call, &mut self.hosts),
                None => Err(Unread::TooLong),
            };
            match outcome {
                Ok(()) => {
                    let Summary { calls, first, last, .. } = &mut self.summary;
                    *calls += 1;
                    *first = Some(first.map_or(call.at, |first| first.min(call.at)));
                    *last = (*last).max(Some(call.at));
                    self.order.push(call, &mut deliver);
                }
                Err(unread) => {
                    self.summary.unread.add(unread);
                    self.order.give_back(call);
                }
            }
        }
        let lines = self.summary.lines - before.lines;
        if lines > 0 && self.summary.calls == before.calls {
            let (now, then) = (self.summary.unread.reasons(), before.unread.reasons());
            let counts = now.iter().zip(&then).map(|((reason, now), (_, then))| (now - then, *reason));
            let reason = counts.max_by_key(|(count, _)| *count).map_or("", |(_, reason)| reason);
            return Err(Error::NoCalls { path: path(), format, lines, reason });
        }
        Ok(())
    }

    /// Delivers the calls that still wait for others to come before them.
    pub fn finish(&mut self, mut deliver: impl FnMut(&Call)) {
        self.order.finish(&mut deliver);
    }

    /// What was in the logs read so far, those that broke off included.
    pub fn summary(&self) -> Summary {
        Summary { late: self.order.late(), named: self.hosts.names(), ..self.summary }
    }
}

impl Parser {
    fn of(format: FileFormat) -> Parser {
        match format {
            FileFormat::Tsv => Parser::Tsv(None),
            FileFormat::Json => Parser::Json,
            FileFormat::Combined | FileFormat::Pcap => Parser::Combined,
        }
    }

    /// Makes `call` the one that `line` tells of.
    fn call(
        &self,
        line: &[u8],
        fields: &mut Fields,
        call: &mut Call,
        hosts: &mut Hosts,
    ) -> Result<(), Unread> {
        fields.clear();
        match self {
            Parser::Combined => combined::read(line, fields)?,
            Parser::Tsv(Some(columns)) => columns.read(line, fields)?,
            Parser::Tsv(None) => return Err(Unread::Format),
            Parser::Json => json::read(line, fields)?,
        }
        fields.fill(call, hosts)
    }
}

/// Tells the format of a log by its first lines, and when its first call was. If `format` is known, just the latter.
pub(super) fn recognise(start: &[u8], format: Option<FileFormat>) -> Told {
    let mut fields = Fields::default();
    let mut hosts = Hosts::default();
    let mut call = Call::blank();
    let mut columns = None;
    for line in start.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if is_blank(line) {
            continue;
        }
        if columns.is_none()
            && format.is_none_or(|format| format == FileFormat::Tsv)
            && memchr::memchr(b'\t', line).is_some()
            && let Ok(found) = Columns::of(line)
        {
            columns = Some(found);
            continue;
        }
        let candidates = match (format, &columns) {
            (Some(format), _) => vec![format],
            (None, Some(_)) => vec![FileFormat::Tsv],
            (None, None) => vec![FileFormat::Json, FileFormat::Combined],
        };
        for candidate in candidates {
            let parser = match candidate {
                FileFormat::Tsv => Parser::Tsv(columns.clone()),
                other => Parser::of(other),
            };
            if parser.call(line, &mut fields, &mut call, &mut hosts).is_ok() {
                return Told { format: Some(candidate), first: Some(call.at) };
            }
        }
    }
    Told { format: columns.map(|_| FileFormat::Tsv), first: None }
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(u8::is_ascii_whitespace)
}

fn broken(path: String, line: u64, source: io::Error) -> Error {
    match source.kind() {
        io::ErrorKind::UnexpectedEof => Error::CutShort { path, line },
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => Error::LogDamaged { path, line, source },
        _ => Error::Read { path, source },
    }
}

#[cfg(test)]
mod tests;
