//! Message heads: strict where httparse takes them, lenient where servers are.

use std::{mem::MaybeUninit, ops::Range};

use rollcall_model::token::is_token;

use super::{
    exchange::{Header, Request, Version},
    framing::{Body, BodyFields, is_named},
    recognition::{is_blank, names_version, split_version, trim_blanks},
};

/// Header fields that the strict parser has room for. More than browsers and gateways send; heads with more go
/// to the lenient parser, which has no such bound.
const FIELDS: usize = 64;

/// What a request's head says, besides what stands in [`Request`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    /// Bytes from the first one handed in, leading blank lines included.
    pub(super) consumed: usize,
    /// Bytes before the method.
    pub(super) skipped: usize,
    pub(super) fields: BodyFields,
    /// A server must refuse it, or reads it in a way of its own.
    pub(super) malformed: bool,
    /// What follows the first line of blanks, where some servers see the end of the head.
    pub(super) blank_line: Option<usize>,
}

/// Parses a complete and well-formed head at the start of `bytes` and keeps its bytes; `None` if it is not.
pub(super) fn strict(bytes: &[u8], request: &mut Request) -> Option<Head> {
    let head = parse(bytes, request)?;
    request.head.extend_from_slice(&bytes[head.skipped..head.consumed]);
    Some(head)
}

/// The same for a head that `request` holds already.
pub(super) fn strict_in_place(request: &mut Request) -> Option<Head> {
    let bytes = std::mem::take(&mut request.head);
    let head = parse(&bytes, request);
    request.head = bytes;
    head
}

fn parse(bytes: &[u8], request: &mut Request) -> Option<Head> {
    let mut fields = [MaybeUninit::<httparse::Header<'_>>::uninit(); FIELDS];
    let mut parsed = httparse::Request::new(&mut []);
    let consumed = match parsed.parse_with_uninit_headers(bytes, &mut fields) {
        Ok(httparse::Status::Complete(consumed)) => consumed,
        _ => return None,
    };
    let (method, target) = (parsed.method?.as_bytes(), parsed.path?.as_bytes());
    let skipped = offset(bytes, method);
    let place = |part: &[u8]| {
        let start = offset(bytes, part) - skipped;
        range(start, start + part.len())
    };
    let mut body = BodyFields::default();
    request.headers.extend(parsed.headers.iter().map(|field| {
        body.field(field.name.as_bytes(), field.value);
        Header { name: place(field.name.as_bytes()), value: place(field.value) }
    }));
    request.method = place(method);
    request.target = place(target);
    request.version = Some(if parsed.version == Some(0) { Version::Http10 } else { Version::Http11 });
    Some(Head { consumed, skipped, fields: body, malformed: false, blank_line: None })
}

/// Where the method ends in a request line: at a space or tab; or at whatever else is a blank to some servers, where the
/// line makes a request only so.
fn method_end(line: &[u8]) -> usize {
    let wide = line.iter().position(|&byte| is_blank(byte));
    let narrow = || line.iter().position(|byte| matches!(byte, b' ' | b'\t'));
    wide.filter(|&end| names_version(&line[end..])).or_else(narrow).unwrap_or(line.len())
}

/// Parses whatever stands in `request.head`: a head that the strict parser refuses, or one cut short.
pub(super) fn lenient(request: &mut Request) -> Head {
    let Request { head, method, target, version, headers, .. } = request;
    let mut fields = BodyFields::default();
    let mut blank_line = None;
    headers.clear();
    let line_end = memchr::memchr(b'\n', head);
    let line = trim_blanks(&head[..line_end.unwrap_or(head.len())]);
    let method_start = if line.is_empty() { 0 } else { offset(head, line) };
    let method_length = method_end(line);
    let rest_start = (method_length + 1).min(line.len());
    let rest = &line[rest_start..];
    let rest_start = method_start + rest_start;
    let mut malformed = true;
    *method = range(method_start, method_start + method_length);
    let written = match (split_version(rest), line_end) {
        (Some((written, number)), Some(_)) => {
            *version = version_of(number);
            malformed = version.is_none() || written.is_empty();
            written
        }
        (None, Some(_)) if !names_version(line) => {
            *version = Some(Version::Http09);
            trim_blanks(rest)
        }
        _ => {
            *version = None;
            trim_blanks(rest)
        }
    };
    // An empty target has no place of its own: it stands after the method.
    let start = if written.is_empty() { rest_start } else { offset(head, written) };
    *target = range(start, start + written.len());
    if written.is_empty() && line.first() == Some(&b'/') {
        // To some a blank in front of it ends a method of no characters.
        *target = method.clone();
        *method = range(method_start, method_start);
    }
    let mut at = line_end.map_or(head.len(), |end| end + 1);
    let mut folded: Option<usize> = None;
    while let Some(end) = memchr::memchr(b'\n', &head[at..]) {
        let line = at..at + end;
        at = line.end + 1;
        if matches!(head[line.start], b' ' | b'\t') {
            let more = trim(head, line);
            // The end of the head, to some.
            if more.is_empty() {
                blank_line.get_or_insert(at);
            }
            if let Some(index) = folded
                && !more.is_empty()
            {
                headers[index].value.end = more.end;
            }
            // Some servers join the line to the field, others drop or refuse it.
            let before = folded.and_then(|index| headers.get(index));
            if before.is_some_and(|field| {
                decides_framing(&head[usize::from(field.name.start)..usize::from(field.name.end)])
            }) {
                fields.doubtful();
            }
            continue;
        }
        match field(head, line, &mut fields) {
            Some(header) => {
                headers.push(header);
                folded = Some(headers.len() - 1);
            }
            None => folded = None,
        }
    }
    Head { consumed: head.len(), skipped: 0, fields, malformed, blank_line }
}

/// The version that `HTTP/…` names. Some servers read the numbers as numbers: 1.01 is 1.1.
fn version_of(written: &[u8]) -> Option<Version> {
    let number =
        |digits: &[u8]| digits.iter().try_fold(0u8, |n, digit| n.checked_mul(10)?.checked_add(digit - b'0'));
    let dot = memchr::memchr(b'.', written)?;
    match (number(&written[5..dot])?, number(&written[dot + 1..])?) {
        (1, 0) => Some(Version::Http10),
        (1, _) => Some(Version::Http11),
        _ => None,
    }
}

/// One header line; `None` if it is none.
fn field(head: &[u8], line: Range<usize>, fields: &mut BodyFields) -> Option<Header> {
    let colon = line.start + memchr::memchr(b':', &head[line.clone()])?;
    let name = &head[line.start..colon];
    if name.is_empty() || !name.iter().all(|&byte| is_token(byte)) {
        if decides_framing(name.trim_ascii()) {
            fields.doubtful();
        }
        return None;
    }
    let value = trim(head, colon + 1..line.end);
    fields.field(name, &head[usize::from(value.start)..usize::from(value.end)]);
    Some(Header { name: range(line.start, colon), value })
}

/// One header line of which only the framing matters: the rest of a head past the cap.
pub(super) fn framing_line(line: &[u8], fields: &mut BodyFields) {
    if let Some(colon) = memchr::memchr(b':', line) {
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        fields.field(name, value);
        if name.len() != name.trim_ascii().len() && decides_framing(name.trim_ascii()) {
            fields.doubtful();
        }
    }
}

/// Whether a field of this name decides where the body ends.
pub(super) fn decides_framing(name: &[u8]) -> bool {
    is_named(name, b"content-length") || is_named(name, b"transfer-encoding")
}

fn trim(head: &[u8], value: Range<usize>) -> Range<u16> {
    let slice = &head[value.clone()];
    let start = value.start + (slice.len() - slice.trim_ascii_start().len());
    range(start, start + slice.trim_ascii().len())
}

/// Where `part` starts in `whole`, which it is a slice of.
fn offset(whole: &[u8], part: &[u8]) -> usize {
    (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize)
}

/// Heads are capped at [`super::Limits::HEAD_MAX`], so 16 bits hold every place in them.
fn range(start: usize, end: usize) -> Range<u16> {
    u16::try_from(start).unwrap_or(u16::MAX)..u16::try_from(end).unwrap_or(u16::MAX)
}

/// Looks for the empty line that ends a head, however the bytes come: each is looked at once.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scan {
    scanned: usize,
    /// Where the line that is being scanned starts.
    pub(super) line: usize,
    /// Bytes of the first line with its end; zero until it is known.
    pub(super) first_line: usize,
}

impl Scan {
    /// The head's length, once it is all there.
    pub(super) fn end(&mut self, head: &[u8]) -> Option<usize> {
        while let Some(found) = head.get(self.scanned..).and_then(|rest| memchr::memchr(b'\n', rest)) {
            let lf = self.scanned + found;
            let line = &head[self.line..lf];
            self.scanned = lf + 1;
            self.line = lf + 1;
            if self.first_line == 0 {
                self.first_line = lf + 1;
            } else if line.is_empty() || line == b"\r" {
                return Some(lf + 1);
            }
        }
        self.scanned = head.len();
        None
    }
}

/// What is known of a response's head.
#[derive(Clone, Copy, Debug)]
pub(super) struct ResponseHead {
    pub(super) status: Option<u16>,
    pub(super) fields: BodyFields,
    /// HTTP/1.1 or later: the connection goes on unless it says otherwise.
    pub(super) persistent: bool,
    /// Where the head ends, if its end is among the bytes.
    pub(super) end: Option<usize>,
    /// Content-Type, empty if it is not among the bytes.
    pub(super) media_type: MediaType,
}

/// The beginning of a Content-Type: type, subtype, and what has room of the parameters.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MediaType {
    length: u8,
    bytes: [u8; 32],
}

impl MediaType {
    fn new(value: &[u8]) -> MediaType {
        let mut media_type = MediaType::default();
        let length = value.len().min(media_type.bytes.len());
        media_type.bytes[..length].copy_from_slice(&value[..length]);
        media_type.length = length as u8;
        media_type
    }

    /// As it was written; `None` if there is none.
    pub(super) fn get(&self) -> Option<&[u8]> {
        Some(&self.bytes[..usize::from(self.length)]).filter(|bytes| !bytes.is_empty())
    }
}

impl ResponseHead {
    /// Another head follows that answers the same request.
    pub(super) fn is_interim(&self) -> bool {
        self.status.is_some_and(|status| (100..200).contains(&status) && status != 101)
    }

    /// How the body ends of an answer to a request with this method.
    pub(super) fn body(&self, method: &[u8]) -> Body {
        if method == b"HEAD" || matches!(self.status, Some(204 | 304)) {
            return Body::Length(0);
        }
        self.fields.body(None)
    }
}

/// Parses a response's head, or its beginning; `None` if it is no response of HTTP/1.
pub(super) fn response(bytes: &[u8]) -> Option<ResponseHead> {
    if !could_be_response(bytes) {
        return None;
    }
    let digits = bytes.get(9..12).filter(|digits| digits.iter().all(u8::is_ascii_digit));
    let status = digits.map(|digits| digits.iter().fold(0, |n, digit| n * 10 + u16::from(digit - b'0')));
    let mut head = ResponseHead {
        status,
        fields: BodyFields::default(),
        persistent: bytes.get(7).is_some_and(|&minor| minor != b'0'),
        end: None,
        media_type: MediaType::default(),
    };
    let mut rest = bytes;
    let mut first = true;
    while let Some(end) = memchr::memchr(b'\n', rest) {
        let line = &rest[..end];
        rest = &rest[end + 1..];
        if !first && (line.is_empty() || line == b"\r") {
            head.end = Some(bytes.len() - rest.len());
            break;
        }
        // Only these initials matter: Content-Length, Content-Type, Connection, Transfer-Encoding.
        if !first && matches!(line.first(), Some(b'c' | b'C' | b't' | b'T')) {
            match line.split_at_checked(13) {
                Some((name, value)) if is_named(name, b"content-type:") => {
                    head.media_type = MediaType::new(value.trim_ascii());
                }
                _ => framing_line(line, &mut head.fields),
            }
        }
        first = false;
    }
    Some(head)
}

/// Whether the bytes, as many as there are, could begin a response.
pub(super) fn could_be_response(bytes: &[u8]) -> bool {
    let prefix = b"HTTP/1.";
    let shared = bytes.len().min(prefix.len());
    shared > 0 && bytes[..shared] == prefix[..shared]
}

/// Whether the bytes begin with a status line, up to the status.
pub(super) fn is_status_line(bytes: &[u8]) -> bool {
    let status = bytes.get(8..13).unwrap_or_default();
    bytes.starts_with(b"HTTP/1.")
        && matches!(status, [b' ', b'1'..=b'5', b'0'..=b'9', b'0'..=b'9', b' ' | b'\r'])
}

/// Whether a response's first bytes tell that another one follows.
pub(super) fn is_interim(bytes: &[u8]) -> bool {
    bytes.get(9..12).is_some_and(|status| status[0] == b'1' && status != b"101")
}

/// Whether a response's first bytes tell that the server may not have understood a request.
pub(super) fn may_refuse(bytes: &[u8]) -> bool {
    matches!(
        bytes.get(9..12).unwrap_or_default(),
        b"400" | b"405" | b"408" | b"411" | b"413" | b"414" | b"417" | b"431" | b"501" | b"505"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loosely(head: &str) -> (Request, Head) {
        let mut request = Request { head: head.into(), ..Request::default() };
        let head = lenient(&mut request);
        (request, head)
    }

    #[test]
    fn strict_and_lenient_agree_on_a_well_formed_head() {
        let bytes = "POST /a?b=c HTTP/1.1\r\nHost: x\r\nContent-Length:  7 \r\n\r\n";
        let mut request = Request::default();
        let head = strict(bytes.as_bytes(), &mut request).unwrap();
        let (other, other_head) = loosely(bytes);
        assert_eq!((head.consumed, head.fields.body(Some(Version::Http11))), (bytes.len(), Body::Length(7)));
        assert_eq!(
            (other_head.consumed, other_head.fields.body(Some(Version::Http11))),
            (bytes.len(), Body::Length(7))
        );
        for request in [&request, &other] {
            assert_eq!((request.method(), request.target()), (&b"POST"[..], &b"/a?b=c"[..]));
            assert_eq!((request.host(), request.version), (Some(&b"x"[..]), Some(Version::Http11)));
            assert_eq!(request.values("content-length").collect::<Vec<_>>(), [b"7"]);
        }
    }

    #[test]
    fn leading_blank_lines_are_not_part_of_the_head() {
        let mut request = Request::default();
        let head = strict(b"\r\n\r\nGET /x HTTP/1.0\n\n", &mut request).unwrap();
        assert_eq!((head.skipped, head.consumed), (4, 21));
        assert_eq!((request.method(), request.target()), (&b"GET"[..], &b"/x"[..]));
    }

    #[test]
    fn request_lines_that_servers_take_are_taken() {
        for (line, method, target, version) in [
            ("CONNECT host:25 / HTTP/1.0", "CONNECT", "host:25 /", Some(Version::Http10)),
            ("GET  HTTP/1.1", "GET", "", Some(Version::Http11)),
            ("GET HTTP/1.1", "GET", "", Some(Version::Http11)),
            ("GET /a  b  HTTP/1.1", "GET", "/a  b", Some(Version::Http11)),
            ("GET /a HTTP/1.7 ", "GET", "/a", Some(Version::Http11)),
            ("GET /a HTTP/3.0", "GET", "/a", None),
            ("GET /x", "GET", "/x", Some(Version::Http09)),
            (" /x HTTP/1.1", "", "/x", Some(Version::Http11)),
        ] {
            let (request, _) = loosely(&format!("{line}\r\n\r\n"));
            assert_eq!(request.method(), method.as_bytes(), "{line}");
            assert_eq!(request.target(), target.as_bytes(), "{line}");
            assert_eq!(request.version, version, "{line}");
        }
    }

    #[test]
    fn folded_fields_are_joined_and_framing_that_servers_read_differently_is_faulty() {
        let (request, _) = loosely("GET / HTTP/1.1\r\nX-A: 1\r\n  2\r\nnonsense\r\nB: 3\r\n\r\n");
        assert_eq!(request.values("x-a").collect::<Vec<_>>(), [b"1\r\n  2"]);
        assert_eq!(request.values("b").collect::<Vec<_>>(), [b"3"]);
        let (request, _) = loosely("GET / HTTP/1.1\r\nX-A: 1\r\n \r\n\t \r\nX-B:\r\n \r\n 2 \r\n \r\n\r\n");
        assert_eq!(request.values("x-a").collect::<Vec<_>>(), [b"1"]);
        assert_eq!(request.values("x-b").map(<[u8]>::trim_ascii).collect::<Vec<_>>(), [b"2"]);
        for field in ["Content-Length : 5", "Content-Length:\r\n 5", "Transfer-Encoding\t: chunked"] {
            let (_, head) = loosely(&format!("GET / HTTP/1.1\r\n{field}\r\n\r\n"));
            assert_eq!(head.fields.body(Some(Version::Http11)), Body::Faulty, "{field}");
        }
    }

    /// A parser that goes back over what it has read would not come to its end here.
    #[test]
    fn folded_lines_take_linear_time() {
        for start in ["X:", "X: a"] {
            let head = format!("GET / HTTP/1.1\n{start}\n{}\n", " \n".repeat(1 << 19));
            let (request, _) = loosely(&head);
            assert_eq!(request.headers.len(), 1);
        }
    }

    #[test]
    fn a_head_ends_at_the_same_place_byte_by_byte() {
        for head in
            ["GET / HTTP/1.1\r\nA: b\r\n\r\n", "GET / HTTP/1.1\nA: b\n\n", "GET /\r\n\r\n", "GET /\n\r\n"]
        {
            let bytes = format!("{head}GET");
            assert_eq!(Scan::default().end(bytes.as_bytes()), Some(head.len()));
            let mut scan = Scan::default();
            for end in 0..head.len() {
                assert_eq!(scan.end(&bytes.as_bytes()[..end]), None);
            }
            assert_eq!(scan.end(head.as_bytes()), Some(head.len()));
        }
    }

    #[test]
    fn a_response_head_tells_what_is_there() {
        let head = response(b"HTTP/1.1 204 No Content\r\nServer: x\r\nContent-Le").unwrap();
        assert_eq!(
            (head.status, head.end, head.fields.body(Some(Version::Http11))),
            (Some(204), None, Body::Unspecified)
        );
        let bytes = b"HTTP/1.0 200 OK\r\ncontent-length: 3\r\n\r\nabc";
        let head = response(bytes).unwrap();
        assert_eq!((head.status, head.end, head.persistent), (Some(200), Some(bytes.len() - 3), false));
        assert_eq!(head.fields.body(Some(Version::Http11)), Body::Length(3));
        assert!(response(b"HTTPS").is_none() && response(b"").is_none() && response(b"H").is_some());
    }
}
