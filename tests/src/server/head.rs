//! Request heads, as lenient as servers are.

/// A request's head.
pub(super) struct Head {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) version: Version,
    fields: Vec<(String, String)>,
}

/// The version that a request line names.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    Http09,
    Http10,
    Http11,
}

/// What the bytes at hand are.
pub(super) enum Parsed {
    Head(Head),
    /// The beginning of a head, as far as can be told.
    Partial,
    /// Not HTTP.
    Foreign,
}

impl Head {
    /// Takes a head from the front of `buffer`, once it is whole. Empty lines before it are ignored.
    pub(super) fn take(buffer: &mut Vec<u8>) -> Parsed {
        let blank = buffer.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        buffer.drain(..blank);
        let Some(end) = find(buffer, b"\r\n") else { return Parsed::Partial };
        let line = String::from_utf8_lossy(&buffer[..end]).into_owned();
        let Some((method, target, version)) = request_line(&line) else { return Parsed::Foreign };
        let length = match version {
            Version::Http09 => Some(end + 2),
            _ => find(buffer, b"\r\n\r\n").map(|at| at + 4),
        };
        let Some(length) = length else { return Parsed::Partial };
        let text = String::from_utf8_lossy(&buffer[end..length]).into_owned();
        buffer.drain(..length);
        let fields = text.lines().filter_map(|line| line.split_once(':'));
        let fields = fields.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
        Parsed::Head(Head { method, target, version, fields: fields.collect() })
    }

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn keeps_alive(&self) -> bool {
        let says =
            |what: &str| self.field("connection").is_some_and(|value| value.eq_ignore_ascii_case(what));
        match self.version {
            Version::Http09 => false,
            Version::Http10 => says("keep-alive"),
            Version::Http11 => !says("close"),
        }
    }
}

/// Method, target and version. The target is what stands between the first and the last space: it may be empty.
fn request_line(line: &str) -> Option<(String, String, Version)> {
    let (method, rest) = line.split_once(' ')?;
    let (target, version) = match rest.rsplit_once(' ') {
        Some((target, "HTTP/1.1")) => (target, Version::Http11),
        Some((target, "HTTP/1.0")) => (target, Version::Http10),
        _ if method == "GET" && rest.starts_with('/') => (rest, Version::Http09),
        _ => return None,
    };
    let token = !method.is_empty()
        && method.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_!#$%&'*+.^`|~".contains(&byte));
    token.then(|| (method.to_owned(), target.to_owned(), version))
}

/// The path of an origin-form or absolute-form target, without its query.
pub(super) fn path(target: &str) -> &str {
    let path = match target.split_once("://") {
        Some((_, rest)) if !target.starts_with('/') => rest.find('/').map_or("/", |at| &rest[at..]),
        _ => target,
    };
    path.split('?').next().unwrap_or_default()
}

/// Where `mark` first stands in `bytes`.
pub(super) fn find(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    bytes.windows(mark.len()).position(|window| window == mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_odd_request_lines() {
        let parse = |line| request_line(line).map(|(method, target, _)| (method, target));
        assert_eq!(parse("GET  HTTP/1.1"), Some(("GET".into(), String::new())));
        assert_eq!(parse("get /a b HTTP/1.0"), Some(("get".into(), "/a b".into())));
        assert_eq!(parse("GET /old"), Some(("GET".into(), "/old".into())));
        assert_eq!(parse("GET /x HTTP/2.0").map(|(_, target)| target), Some("/x HTTP/2.0".into()));
        assert_eq!(path("http://api.example/v1/a?b=c"), "/v1/a");
    }
}
