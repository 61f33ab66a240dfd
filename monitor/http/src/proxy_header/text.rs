//! Version 1, a line of text: `PROXY TCP4 192.0.2.1 192.0.2.2 40000 80` (proxy-protocol.txt, section 2.1).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Status;

/// The longest line, with its end: `PROXY UNKNOWN`, two IPv6 addresses and two ports.
pub(crate) const LINE_MAX: usize = 107;

const UNKNOWN: &[u8] = b"PROXY UNKNOWN";
const TCP4: &[u8] = b"PROXY TCP4 ";
const TCP6: &[u8] = b"PROXY TCP6 ";

/// What a stream that begins with `bytes` begins with.
pub(crate) fn line(bytes: &[u8]) -> Status {
    let kinds = [UNKNOWN, TCP4, TCP6];
    let Some(kind) = kinds.into_iter().find(|kind| bytes.starts_with(kind)) else {
        let partial = kinds.into_iter().any(|kind| kind.starts_with(bytes));
        return if partial { Status::Partial } else { Status::Not };
    };
    let window = &bytes[..bytes.len().min(LINE_MAX)];
    // Past UNKNOWN anything may stand, a lone LF too: the line ends where both are.
    let Some(end) = memchr::memmem::find(window, b"\r\n") else {
        return if window.len() < LINE_MAX { Status::Partial } else { Status::Not };
    };
    let fields = &window[kind.len()..end];
    let source = match kind {
        TCP4 => source::<Ipv4Addr>(fields).map(Some),
        TCP6 => source::<Ipv6Addr>(fields).map(Some),
        _ => Some(None),
    };
    match source {
        Some(source) => Status::Complete { consumed: end + 2, source },
        None => Status::Not,
    }
}

/// The source of `source destination source-port destination-port`, if all four are what they should be.
fn source<A: std::str::FromStr + Into<IpAddr>>(fields: &[u8]) -> Option<IpAddr> {
    let mut fields = str::from_utf8(fields).ok()?.split(' ');
    let source = fields.next()?.parse::<A>().ok()?;
    fields.next()?.parse::<A>().ok()?;
    let ports = is_port(fields.next()?) && is_port(fields.next()?);
    (ports && fields.next().is_none()).then(|| source.into())
}

/// A decimal number up to 65,535, without sign or leading zeros.
fn is_port(text: &str) -> bool {
    let plain = text == "0" || text.starts_with(|first: char| matches!(first, '1'..='9'));
    plain && text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(line: &str, source: Option<&str>) {
        let bytes = [line.as_bytes(), b"GET / HTTP/1.1\r\n"].concat();
        for end in 0..line.len() {
            assert_eq!(super::line(&bytes[..end]), Status::Partial, "{:?}", &line[..end]);
        }
        let source = source.map(|source| source.parse().unwrap());
        for end in line.len()..bytes.len() {
            assert_eq!(
                super::line(&bytes[..end]),
                Status::Complete { consumed: line.len(), source },
                "{line}"
            );
        }
    }

    #[test]
    fn a_header_may_be_cut_anywhere() {
        header("PROXY TCP4 192.0.2.1 192.0.2.2 40000 80\r\n", Some("192.0.2.1"));
        header("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", Some("255.255.255.255"));
        header("PROXY TCP6 2001:db8::1 ::ffff:192.0.2.2 0 80\r\n", Some("2001:db8::1"));
        header("PROXY UNKNOWN\r\n", None);
        header("PROXY UNKNOWN HTTP/1.1\r\n", None);
        header("PROXY UNKNOWN lone \n and \r\t\0\r\n", None);
        let long = [["ffff"; 8].join(":"), ["ffff"; 8].join(":")].join(" ");
        let longest = format!("PROXY UNKNOWN {long} 65535 65535\r\n");
        assert_eq!(longest.len(), LINE_MAX);
        header(&longest, None);
    }

    #[test]
    fn what_is_no_header_is_told_by_its_first_wrong_byte() {
        for text in ["X", "PRX", "PROXYF", "PROXY /", "PROXY TCP5", "PROXY TCP4\r", "PROXY UNKNOWM", "proxy"]
        {
            let (text, last) = (text.as_bytes(), text.len() - 1);
            assert_eq!(line(text), Status::Not, "{text:?}");
            assert!(line(&text[..last]) == Status::Partial || text == b"proxy", "{text:?}");
        }
    }

    #[test]
    fn fields_are_what_they_should_be() {
        for fields in [
            "TCP4 192.0.2.1 192.0.2.2 40000",
            "TCP4 192.0.2.1 192.0.2.2 40000 80 ",
            "TCP4 192.0.2.1 192.0.2.2 40000 80 x",
            "TCP4  192.0.2.1 192.0.2.2 40000 80",
            "TCP4 192.0.2.01 192.0.2.2 40000 80",
            "TCP4 192.0.2.1 192.0.2 40000 80",
            "TCP4 2001:db8::1 2001:db8::2 40000 80",
            "TCP6 192.0.2.1 192.0.2.2 40000 80",
            "TCP6 fe80::1%eth0 fe80::2 40000 80",
            "TCP4 192.0.2.1 192.0.2.2 65536 80",
            "TCP4 192.0.2.1 192.0.2.2 +1 80",
            "TCP4 192.0.2.1 192.0.2.2 01 80",
            "TCP4 192.0.2.1 192.0.2.2 40000 ",
            "TCP4 192.0.2.1 192.0.2.2\n40000 80",
            "TCP4 192.0.2.1 192.0.2.2 40000 8\u{e9}",
        ] {
            assert_eq!(line(format!("PROXY {fields}\r\n").as_bytes()), Status::Not, "{fields}");
        }
    }

    #[test]
    fn a_line_does_not_go_on_for_ever() {
        for kind in ["UNKNOWN ", "TCP4 "] {
            let line = format!("PROXY {kind}{}", "1".repeat(LINE_MAX));
            assert_eq!(super::line(&line.as_bytes()[..LINE_MAX - 1]), Status::Partial);
            assert_eq!(super::line(&line.as_bytes()[..LINE_MAX]), Status::Not);
            assert_eq!(super::line(line.as_bytes()), Status::Not);
        }
    }
}
