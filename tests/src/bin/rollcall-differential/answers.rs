//! What a server answered, read from the bytes that a client received.
//!
//! The reader does not know the requests, so it takes what is there: a body has the length that its head says unless another
//! answer begins at once, as it does after HEAD.

use rollcall_tests::calls::Call;

/// One final answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// `None` for HTTP/0.9, which has no head, and for HTTP/2, whose head is not read.
    pub(crate) status: Option<u16>,
    /// The target as the application was told it, if it was asked at all.
    pub(crate) echo: Option<String>,
}

/// What each body of ours begins with, up to the target, and ends with.
const ECHO: (&str, &str) = ("echo:", ":end");

/// The final answers in `bytes`, complete or cut.
pub(crate) fn read(bytes: &[u8]) -> Vec<Answer> {
    let mut answers = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let Some((status, head)) = begins(rest) else {
            let end = next(rest, 0).unwrap_or(rest.len());
            let text = String::from_utf8_lossy(&rest[..end]);
            answers.extend(echo_in(&text).map(|echo| Answer { status: None, echo: Some(echo) }));
            rest = &rest[end..];
            continue;
        };
        let text = String::from_utf8_lossy(&rest[..head]);
        let body = body(status, &text, &rest[head..]);
        if status >= 200 || status == 101 {
            let content = String::from_utf8_lossy(&rest[head..head + body]);
            let echo = field(&text, "x-echo-target").map(str::to_owned).or_else(|| echo_in(&content));
            let echo = echo.filter(|echo| !echo.is_empty()).map(|echo| target(&echo).to_owned());
            answers.push(Answer { status: Some(status), echo });
        }
        if status == 101 {
            // What follows is another protocol. That of HTTP/2 begins with the answer to this very request.
            if field(&text, "upgrade").is_some_and(|protocol| protocol.eq_ignore_ascii_case("h2c")) {
                answers.pop();
                let frames = String::from_utf8_lossy(&rest[head..]);
                answers.push(Answer { status: None, echo: echo_in(&frames) });
            }
            break;
        }
        rest = &rest[head + body..];
    }
    answers
}

/// Status and length of the head that `bytes` begin with.
fn begins(bytes: &[u8]) -> Option<(u16, usize)> {
    let status = status(bytes)?;
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4);
    // Some servers end lines with a bare line feed when they refuse.
    let bare = bytes.windows(2).position(|window| window == b"\n\n").map(|at| at + 2);
    let end = [end, bare].into_iter().flatten().min().unwrap_or(bytes.len());
    Some((status, end))
}

fn status(bytes: &[u8]) -> Option<u16> {
    let rest = bytes.strip_prefix(b"HTTP/1.")?;
    match rest {
        [b'0' | b'1', b' ', code @ ..] => {
            let code = code.get(..3)?;
            let number = std::str::from_utf8(code).ok()?.parse().ok()?;
            (100..600).contains(&number).then_some(number)
        }
        _ => None,
    }
}

/// Where the next answer begins, at `from` or later.
fn next(bytes: &[u8], from: usize) -> Option<usize> {
    (from..bytes.len()).find(|&at| bytes[at] == b'H' && status(&bytes[at..]).is_some())
}

/// The length of a body, as far as it is there.
fn body(status: u16, head: &str, rest: &[u8]) -> usize {
    if status < 200 || status == 204 || status == 304 || self::status(rest).is_some() {
        return 0;
    }
    let until_next = || next(rest, 0).unwrap_or(rest.len());
    if field(head, "transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        return chunks(rest).unwrap_or_else(until_next);
    }
    match field(head, "content-length").and_then(|length| length.parse::<usize>().ok()) {
        Some(length) if length <= rest.len() => length,
        _ => until_next(),
    }
}

fn chunks(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let line = bytes[at..].windows(2).position(|window| window == b"\r\n")?;
        let digits = std::str::from_utf8(&bytes[at..at + line]).ok()?;
        let size = usize::from_str_radix(digits.split(';').next()?.trim(), 16).ok()?;
        at += line + 2;
        if size == 0 {
            return bytes[at..].starts_with(b"\r\n").then_some(at + 2);
        }
        at = at.checked_add(size)?.checked_add(2)?;
        if at > bytes.len() {
            return None;
        }
    }
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (field, value) = line.split_once(':')?;
        field.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn echo_in(body: &str) -> Option<String> {
    let (_, rest) = body.split_once(ECHO.0)?;
    Some(rest.split(ECHO.1).next()?.to_owned())
}

/// The target, where all that a server can repeat is the request line.
fn target(echo: &str) -> &str {
    let Some((_, rest)) = echo.trim().split_once([' ', '\t']) else { return echo };
    let line = rest.trim();
    let end = line.rfind("HTTP/").map_or(line.len(), |at| at);
    line[..end].trim()
}

impl Answer {
    pub(crate) fn describe(&self) -> String {
        let status = self.status.map_or("?".to_owned(), |status| status.to_string());
        match &self.echo {
            Some(echo) => format!("{status} {}", short(echo)),
            None => status,
        }
    }
}

pub(crate) fn describe(call: &Call) -> String {
    let status = call.status.map_or("-".to_owned(), |status| status.to_string());
    format!("{status} {} {}", short(&call.method), short(&call.target))
}

/// Long ones would bury the rest.
fn short(text: &str) -> String {
    const LONGEST: usize = 60;
    let escaped = text.escape_debug().to_string();
    match escaped.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…({})", &escaped[..at], text.len()),
        None => escaped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(bytes: &str) -> Vec<(Option<u16>, Option<String>)> {
        read(bytes.as_bytes()).into_iter().map(|answer| (answer.status, answer.echo)).collect()
    }

    #[test]
    fn reads_lengths_chunks_head_and_interim_answers() {
        let bytes = "HTTP/1.1 100 Continue\r\n\r\n\
            HTTP/1.1 200 OK\r\nContent-Length: 8\r\nX-Echo-Target: /a\r\n\r\n12345678\
            HTTP/1.1 200 OK\r\nContent-Length: 8\r\nX-Echo-Target: /b\r\n\r\n\
            HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n\
            HTTP/1.0 400 Bad\r\n\r\nsorry";
        let expected = [
            (Some(200), Some("/a".to_owned())),
            (Some(200), Some("/b".to_owned())),
            (Some(404), None),
            (Some(400), None),
        ];
        assert_eq!(answers(bytes), expected);
    }

    #[test]
    fn an_answer_without_a_head_counts_if_the_application_was_asked() {
        assert_eq!(answers("echo:/a:end\n"), [(None, Some("/a".to_owned()))]);
        assert_eq!(answers("<html>400 Bad Request</html>"), []);
    }

    #[test]
    fn behind_an_upgrade_to_http_2_comes_the_answer_itself() {
        let upgrade = |protocol: &str, rest: &str| {
            answers(&format!("HTTP/1.1 101 \r\nUpgrade: {protocol}\r\n\r\n{rest}"))
        };
        assert_eq!(upgrade("h2c", "\0\0\x1a\0echo:/a:end\n"), [(None, Some("/a".to_owned()))]);
        assert_eq!(upgrade("websocket", "\x08\x02"), [(Some(101), None)]);
    }

    #[test]
    fn a_request_line_is_reduced_to_its_target() {
        assert_eq!(target("GET /a?b HTTP/1.1"), "/a?b");
        assert_eq!(target("GET /a"), "/a");
        assert_eq!(target("/a"), "/a");
    }
}
