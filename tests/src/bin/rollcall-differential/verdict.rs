//! Whether what a server served on a connection is what Rollcall reported of it.

use crate::{answers::Answer, exchanges::Exchange};

/// The comparison of one connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Indices of answers that no exchange was reported for with their status and their target.
    pub(crate) missed: Vec<usize>,
    /// Indices of exchanges with a status that no such answer carried.
    pub(crate) phantoms: Vec<usize>,
    /// One of the ordinary requests is among the missed.
    pub(crate) blind: bool,
}

impl Verdict {
    pub(crate) fn is_clean(&self) -> bool {
        self.missed.is_empty() && self.phantoms.is_empty()
    }
}

/// Both sides are in the order of the connection: what fits is their longest common subsequence.
pub(crate) fn judge(served: &[Answer], reported: &[Exchange], ordinary: &[String; 3]) -> Verdict {
    // Taken apart once: hundreds of requests in a pipeline are compared with each other.
    let seen: Vec<_> =
        served.iter().map(|answer| answer.echo.as_deref().map(words).unwrap_or_default()).collect();
    let targets: Vec<_> = reported.iter().map(|exchange| words(&exchange.call.target)).collect();
    let fits = |s: usize, r: usize| {
        let (answer, exchange) = (&served[s], &reported[r]);
        has_status_of(answer, exchange)
            && match &answer.echo {
                Some(echo) if ordinary.contains(echo) => exchange.call.target == *echo,
                Some(_) => is_view_of(&seen[s], &targets[r], exchange.truncated),
                None => true,
            }
    };
    let width = reported.len() + 1;
    let mut longest = vec![0_u32; (served.len() + 1) * width];
    for s in (0..served.len()).rev() {
        for r in (0..reported.len()).rev() {
            let skip = longest[(s + 1) * width + r].max(longest[s * width + r + 1]);
            let both = if fits(s, r) { longest[(s + 1) * width + r + 1] + 1 } else { 0 };
            longest[s * width + r] = skip.max(both);
        }
    }
    let mut verdict = Verdict::default();
    let (mut s, mut r) = (0, 0);
    while s < served.len() || r < reported.len() {
        let here = longest[s * width + r];
        if s < served.len()
            && r < reported.len()
            && fits(s, r)
            && here == longest[(s + 1) * width + r + 1] + 1
        {
            s += 1;
            r += 1;
        } else if s < served.len() && here == longest[(s + 1) * width + r] {
            verdict.missed.push(s);
            s += 1;
        } else {
            if reported[r].call.status.is_some() {
                verdict.phantoms.push(r);
            }
            r += 1;
        }
    }
    verdict.blind = verdict.missed.iter().any(|&missed| is_ordinary(&served[missed], ordinary));
    verdict
}

fn is_ordinary(answer: &Answer, ordinary: &[String; 3]) -> bool {
    answer.echo.as_ref().is_some_and(|echo| ordinary.contains(echo))
}

fn has_status_of(answer: &Answer, exchange: &Exchange) -> bool {
    // HTTP/0.9 has no status, and that of HTTP/2 need not be known.
    match answer.status {
        Some(_) => exchange.call.status == answer.status,
        None => matches!(exchange.call.status, None | Some(200)),
    }
}

/// Whether an application may see the reported target like this: decoded, normalised, without its host.
fn is_view_of(seen: &[String], reported: &[String], truncated: bool) -> bool {
    if truncated {
        // The last word may be cut.
        let whole = &reported[..reported.len().saturating_sub(1)];
        return whole.iter().all(|word| seen.contains(word));
    }
    seen.iter().all(|word| reported.contains(word) || VERSION.contains(&word.as_str()))
}

/// Behind a separator that the server does not know, the version is part of the target to it.
const VERSION: [&str; 3] = ["http", "1", "0"];

/// What survives any treatment of a target: its runs of ASCII letters and digits, decoded.
fn words(target: &str) -> Vec<String> {
    let mut text = target.to_owned();
    while let Some(decoded) = decode(&text) {
        text = decoded;
    }
    let words = text.split(|char: char| !char.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect()
}

/// Decoded once, if there is something to decode: `%hh`, and `\xhh` as in the exchange log.
fn decode(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut decoded = String::new();
    let (mut at, mut found) = (0, false);
    while at < bytes.len() {
        let escape = if bytes[at..].starts_with(b"\\x") { 2 } else { usize::from(bytes[at] == b'%') };
        let digits = bytes.get(at + escape..at + escape + 2).filter(|_| escape > 0);
        let byte = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        match byte {
            Some(byte) => {
                found = true;
                // What is not ASCII only parts words.
                decoded.push(if byte.is_ascii() { char::from(byte) } else { '\u{fffd}' });
                at += escape + 2;
            }
            None => {
                decoded.push(if bytes[at].is_ascii() { char::from(bytes[at]) } else { '\u{fffd}' });
                at += 1;
            }
        }
    }
    found.then_some(decoded)
}

#[cfg(test)]
mod tests {
    use rollcall_tests::Call;

    use super::*;

    fn ordinary() -> [String; 3] {
        ["/v1/customers/1001".to_owned(), "/v1/customers/1002".to_owned(), "/v1/customers/1003".to_owned()]
    }

    fn answer(status: u16, echo: &str) -> Answer {
        Answer { status: Some(status), echo: Some(echo.to_owned()).filter(|echo| !echo.is_empty()) }
    }

    fn exchange(target: &str, status: Option<u16>) -> Exchange {
        let call = Call { port: 1, method: "GET".to_owned(), target: target.to_owned(), status };
        Exchange { call, truncated: false, line: String::new() }
    }

    #[test]
    fn what_is_reported_as_served_is_clean() {
        let served = [answer(200, "/a"), answer(400, ""), answer(200, "/v1/customers/1001")];
        let reported = [
            exchange("/a", Some(200)),
            exchange("/never-answered", None),
            exchange("%%%", Some(400)),
            exchange("/v1/customers/1001", Some(200)),
        ];
        assert_eq!(judge(&served, &reported, &ordinary()), Verdict::default());
    }

    #[test]
    fn a_shifted_status_is_both_missed_and_a_phantom() {
        let served = [answer(200, "/a"), answer(404, "/v1/customers/1001")];
        let reported = [exchange("/a", Some(404)), exchange("/v1/customers/1001", None)];
        let verdict = judge(&served, &reported, &ordinary());
        assert_eq!(verdict, Verdict { missed: vec![0, 1], phantoms: vec![0], blind: true });
    }

    #[test]
    fn applications_see_targets_in_many_ways() {
        let sees = |echo: &str, target: &str| is_view_of(&words(echo), &words(target), false);
        assert!(sees("/v1/customers/5", "/v1/customers/17/../5"));
        assert!(sees("/v1/customers/17", "http://x/v1/customers/%31%37"));
        assert!(sees("/%C3%A9v1", "/\\xe9v1"));
        assert!(sees("http:%5C%5Cx/v1", "http:\\\\x/v1"));
        assert!(sees("/17%09HTTP/1.1", "/17"));
        assert!(!sees("/next/99", "/v1/customers/17"));
    }
}
