//! The list as comma-separated values (RFC 4180), fit to be opened in a spreadsheet.
//!
//! Objects are what a client wrote. A cell that a spreadsheet would take for a formula begins with an apostrophe, which it
//! takes for the sign of text; characters that steer a terminal are percent-encoded.

use std::{
    fmt::Write as _,
    io::Write as _,
    time::{Duration, UNIX_EPOCH},
};

use rollcall_attribute::route::full_name;
use rollcall_store::exposure::{Row, Subject};

pub(super) const HEAD: &[u8] = b"object,first_seen,last_seen,calls,statuses,client,route,alert,service\n";

/// Appends a row.
pub(super) fn row(out: &mut Vec<u8>, row: &Row, subject: &Subject) {
    let mut text = String::new();
    // Writing to a String or a Vec does not fail.
    let _ = write!(text, "{}", row.object);
    cell(out, &text);
    match row.reads {
        Some(reads) => {
            let _ =
                write!(out, ",{},{},{},{}", time(reads.first), time(reads.last), reads.calls, reads.statuses);
        }
        None => out.extend_from_slice(b",,,,"),
    }
    let (service, route) = full_name::split(&subject.incident.route);
    for text in [&subject.client, route, &subject.incident.alert, service] {
        out.push(b',');
        cell(out, text);
    }
    out.push(b'\n');
}

/// A time of a row: to the second.
pub(super) fn time(seconds: u32) -> humantime::Rfc3339Timestamp {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds.into()))
}

fn cell(out: &mut Vec<u8>, text: &str) {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/ ~%{}@+*".contains(&byte);
    let is_formula = text.starts_with(['=', '+', '-', '@', '\'']);
    if !is_formula && text.bytes().all(plain) {
        return out.extend_from_slice(text.as_bytes());
    }
    out.push(b'"');
    if is_formula {
        out.push(b'\'');
    }
    for character in text.chars() {
        match character {
            '"' => out.extend_from_slice(b"\"\""),
            _ if steers(character) => {
                for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                    let _ = write!(out, "%{byte:02X}");
                }
            }
            _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

/// Control characters, and those that turn the direction of text around.
fn steers(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_out_of_a_cell() {
        for (text, cell) in [
            ("1042", "1042"),
            ("7/1042", "7/1042"),
            ("a@example.org", "a@example.org"),
            ("", ""),
            ("a,b", "\"a,b\""),
            ("a\"b", "\"a\"\"b\""),
            ("=1+1", "\"'=1+1\""),
            ("-5", "\"'-5\""),
            ("+12025550143", "\"'+12025550143\""),
            ("@SUM(1)", "\"'@SUM(1)\""),
            ("'=1", "\"''=1\""),
            ("a\r\nb\u{1b}[31m", "\"a%0D%0Ab%1B[31m\""),
            ("\u{202e}x", "\"%E2%80%AEx\""),
            ("é", "\"é\""),
            ("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\""),
        ] {
            let mut out = Vec::new();
            super::cell(&mut out, text);
            assert_eq!(String::from_utf8(out).unwrap(), cell, "{text}");
        }
    }

    #[test]
    fn times_are_to_the_second() {
        assert_eq!(time(1_784_000_000).to_string(), "2026-07-14T03:33:20Z");
        assert_eq!(time(u32::MAX).to_string(), "2106-02-07T06:28:15Z");
    }
}
