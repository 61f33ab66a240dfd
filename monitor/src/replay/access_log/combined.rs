//! The common and the combined log format of Apache and nginx.
//!
//! `192.0.2.7 - ada [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 17 "http://referrer/" "program"`, with the virtual
//! host before it or without, and a forwarded address behind it, as nginx's packages have it, or without.

use super::{
    Unread,
    fields::{Fields, hex_escape},
    hosts::address,
    names::Field,
    time,
};

/// User names may hold brackets: so many places are tried for the time.
const BRACKETS: usize = 8;

/// Reads one line.
pub(super) fn read(line: &[u8], fields: &mut Fields) -> Result<(), Unread> {
    let (who, time, rest) = parts(line).ok_or(Unread::Format)?;
    caller(who.trim_ascii(), fields)?;
    fields.set(Field::Time, 0, |out| out.extend_from_slice(time));
    let rest = rest.trim_ascii_start().strip_prefix(b"\"").ok_or(Unread::Format)?;
    let mut rest = rest;
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

/// What stands before the time, the time, and what stands behind.
fn parts(line: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    memchr::memmem::find_iter(line, b" [").take(BRACKETS).find_map(|at| {
        let behind = &line[at + 2..];
        let end = memchr::memchr(b']', &behind[..behind.len().min(64)])?;
        time::read(&behind[..end])?;
        Some((&line[..at], &behind[..end], &behind[end + 1..]))
    })
}

/// Host, identity and user; the user may hold blanks.
fn caller(who: &[u8], fields: &mut Fields) -> Result<(), Unread> {
    let mut words = who.splitn(3, |byte| *byte == b' ');
    let (Some(mut host), Some(mut second)) = (words.next(), words.next()) else { return Err(Unread::Format) };
    let mut user = words.next().unwrap_or(b"-");
    // A virtual host before the caller, who has an address then: an identity never looks like one.
    if address(second).is_some()
        && let Some(blank) = memchr::memchr(b' ', user)
    {
        fields.set(Field::Host, 0, |out| out.extend_from_slice(host));
        (host, second, user) = (second, &user[..blank], &user[blank + 1..]);
    }
    let _ = second;
    fields.set(Field::Client, 0, |out| out.extend_from_slice(host));
    fields.set(Field::User, 0, |out| {
        if user != b"\"\"" {
            out.extend_from_slice(user);
        }
    });
    Ok(())
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
