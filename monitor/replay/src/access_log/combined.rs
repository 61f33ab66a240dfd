//! The common and the combined log format of Apache and nginx.
//!
//! `192.0.2.7 - ada [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 17 "http://referrer/" "program"`, with the virtual
//! host before it or without, and a forwarded address behind it, as nginx's packages have it, or without. What collectors
//! of logs put in front of a line, or around it, is passed over (`caller`).

use rollcall_model::json::Text;

use super::{
    Unread, caller,
    fields::{Fields, hex_escape},
    hosts::address,
    names::Field,
    time,
};

/// No time takes more bytes between its brackets.
const LONGEST_TIME: usize = 64;

/// What introduces the colours of a terminal (ECMA-48, section 5.4: CSI).
const COLOUR: &[u8] = b"\x1b[";

/// The parts of a line.
struct Parts<'a> {
    /// What stands before the time.
    who: &'a [u8],
    time: &'a [u8],
    /// What stands behind the quote that opens the request.
    request: &'a [u8],
}

/// A line as it is, or with the quotes and escapes of something around it.
enum Form<'a> {
    Plain(Parts<'a>),
    /// A string of JSON.
    Json,
    /// A field of CSV, in which quotes are doubled.
    Csv,
}

/// Reads one line.
pub(super) fn read(line: &[u8], fields: &mut Fields) -> Result<(), Unread> {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).trim_ascii();
    if memchr::memmem::find(line, COLOUR).is_some() {
        return quoted_or_not(&without_colours(line), fields);
    }
    quoted_or_not(line, fields)
}

fn quoted_or_not(line: &[u8], fields: &mut Fields) -> Result<(), Unread> {
    let unquoted = match form(line).ok_or(Unread::Format)? {
        Form::Plain(parts) => return call(&parts, fields),
        Form::Json => {
            let (text, _) = Text::take(&line[1..]).ok_or(Unread::Format)?;
            let mut unquoted = Vec::with_capacity(line.len());
            text.decode_into(&mut unquoted);
            unquoted
        }
        Form::Csv => {
            let mut unquoted = Vec::with_capacity(line.len());
            let mut rest = &line[1..];
            while let Some(at) = memchr::memchr(b'"', rest) {
                unquoted.extend_from_slice(&rest[..at]);
                match rest.get(at + 1) {
                    Some(b'"') => unquoted.push(b'"'),
                    // The field ends.
                    _ => break,
                }
                rest = &rest[at + 2..];
            }
            unquoted
        }
    };
    match form(&unquoted) {
        Some(Form::Plain(parts)) => call(&parts, fields),
        _ => Err(Unread::Format),
    }
}

fn call(parts: &Parts<'_>, fields: &mut Fields) -> Result<(), Unread> {
    caller::read(parts.who, fields)?;
    fields.set(Field::Time, 0, |out| out.extend_from_slice(parts.time));
    let mut rest = parts.request;
    fields.set(Field::RequestLine, 0, |out| rest = quoted(rest, out));
    let mut words = rest.splitn(4, |byte| *byte == b' ').filter(|word| !word.is_empty());
    let status = words.next().ok_or(Unread::Format)?;
    if status != b"-" && (status.len() != 3 || !status.iter().all(u8::is_ascii_digit)) {
        return Err(Unread::Format);
    }
    fields.set(Field::Status, 0, |out| out.extend_from_slice(status));
    if let Some(bytes) = words.next() {
        fields.set(Field::ResponseBytes, 0, |out| out.extend_from_slice(bytes));
    }
    let Some(first) = memchr::memchr(b'"', rest) else { return Ok(()) };
    let mut scratch = Vec::new();
    let mut rest = quoted(&rest[first + 1..], &mut scratch);
    let mut next = |field: Field, is: fn(&[u8]) -> bool| {
        let Some(start) = rest.iter().position(|byte| *byte == b'"') else { return };
        scratch.clear();
        rest = quoted(&rest[start + 1..], &mut scratch);
        if is(&scratch) {
            fields.set(field, 0, |out| out.extend_from_slice(&scratch));
        }
    };
    next(Field::Agent, |_| true);
    next(Field::Forwarded, |text| {
        text.split(|byte| *byte == b',').all(|part| address(part.trim_ascii()).is_some())
    });
    Ok(())
}

/// Finds the first quote that stands right behind a time in brackets: it opens the request. A user name may hold times and
/// brackets of its own, but no quote that is not escaped.
fn form(line: &[u8]) -> Option<Form<'_>> {
    let is_wrapped = |who: &[u8]| who.first() == Some(&b'"') && memchr::memchr(b'"', &who[1..]).is_none();
    memchr::memchr_iter(b'"', line).find_map(|at| {
        let before = &line[..at];
        let is_escaped = before.last() == Some(&b'\\');
        let (who, time) = until_time(if is_escaped { &before[..at - 1] } else { before })?;
        let request = &line[at + 1..];
        match (is_escaped, is_wrapped(who)) {
            (true, true) => Some(Form::Json),
            (true, false) => None,
            (false, true) if request.first() == Some(&b'"') => Some(Form::Csv),
            (false, _) => Some(Form::Plain(Parts { who, time, request })),
        }
    })
}

/// Parts what ends with a time in brackets.
fn until_time(before: &[u8]) -> Option<(&[u8], &[u8])> {
    let bracketed = before.strip_suffix(b" ")?.trim_ascii_end().strip_suffix(b"]")?;
    let first = bracketed.len().saturating_sub(LONGEST_TIME);
    let start = first + memchr::memrchr(b'[', &bracketed[first..])?;
    let (who, time) = (&bracketed[..start], &bracketed[start + 1..]);
    time::read(time)?;
    who.last().is_none_or(u8::is_ascii_whitespace).then_some((who.trim_ascii(), time))
}

/// Leaves out the sequences that set colours.
fn without_colours(line: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = memchr::memmem::find(rest, COLOUR) {
        out.extend_from_slice(&rest[..at]);
        let sequence = &rest[at + COLOUR.len()..];
        // Parameters and intermediates, and the byte that ends them.
        let length = sequence.iter().take_while(|byte| (0x20..=0x3f).contains(*byte)).count();
        rest = sequence.get(length + 1..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out
}

/// Appends what stands before the closing quote, its escapes undone, and gives what stands behind it.
fn quoted<'a>(mut rest: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    loop {
        let Some(at) = memchr::memchr2(b'"', b'\\', rest) else {
            // The line was cut.
            out.extend_from_slice(rest);
            return &[];
        };
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        if rest[0] == b'"' {
            return &rest[1..];
        }
        let taken = match (hex_escape(rest), rest.get(1)) {
            (Some(byte), _) => {
                out.push(byte);
                4
            }
            (None, Some(byte @ (b'"' | b'\\'))) => {
                out.push(*byte);
                2
            }
            (None, Some(letter @ (b'n' | b'r' | b't'))) => {
                out.push(match letter {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    _ => b'\t',
                });
                2
            }
            (None, _) => {
                out.push(b'\\');
                1
            }
        };
        rest = &rest[taken..];
    }
}
