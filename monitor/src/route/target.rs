//! Request targets by their form (RFC 9112, section 3.2).

use crate::http::exchange::Request;

/// A request target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// Origin-form and absolute-form, and whatever else a lenient server might take for a path.
    Resource { path: &'a [u8], query: &'a [u8] },
    /// Authority-form: the target of CONNECT.
    Authority,
    /// Asterisk-form.
    Asterisk,
}

impl<'a> Target<'a> {
    /// The target of `request`.
    pub fn of(request: &'a Request) -> Target<'a> {
        let target = request.target();
        if request.method() == b"CONNECT" {
            return Target::Authority;
        }
        if target == b"*" {
            return Target::Asterisk;
        }
        let resource = without_authority(target);
        let resource = match memchr::memchr2(b'?', b'#', resource) {
            Some(at) if resource[at] == b'?' => {
                let (path, query) = (&resource[..at], &resource[at + 1..]);
                let query = memchr::memchr(b'#', query).map_or(query, |fragment| &query[..fragment]);
                return Target::Resource { path, query };
            }
            Some(at) => &resource[..at],
            None => resource,
        };
        Target::Resource { path: resource, query: &[] }
    }

    /// What stands for a target that is no path.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Target::Resource { .. } => None,
            Target::Authority => Some("{authority}"),
            Target::Asterisk => Some("*"),
        }
    }

    /// What stands behind `?`.
    pub fn query(self) -> &'a [u8] {
        if let Target::Resource { query, .. } = self { query } else { &[] }
    }
}

/// Absolute-form without its scheme and authority; anything else as it is.
fn without_authority(target: &[u8]) -> &[u8] {
    if !target.first().is_some_and(u8::is_ascii_alphabetic) {
        return target;
    }
    let scheme =
        target.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte)).count();
    match target[scheme..].strip_prefix(b"://") {
        Some(rest) => {
            let authority = rest.iter().take_while(|byte| !b"/?#".contains(byte)).count();
            &rest[authority..]
        }
        None => target,
    }
}
