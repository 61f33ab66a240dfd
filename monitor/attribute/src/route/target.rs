//! Request targets by their form (RFC 9112, section 3.2).

use rollcall_http::exchange::Request;

/// A request target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// Origin-form and absolute-form, and whatever else a lenient server might take for a path.
    /// The fragment is what stands behind `#`, as clients don't send it and servers differ in what it is.
    Resource { path: &'a [u8], query: &'a [u8], fragment: &'a [u8] },
    /// Authority-form: the target of CONNECT.
    Authority,
    /// Asterisk-form.
    Asterisk,
}

impl<'a> Target<'a> {
    /// The target of `request`.
    pub fn of(request: &'a Request) -> Target<'a> {
        let target = request.target();
        // A path is one to servers that let an application answer CONNECT.
        if request.method() == b"CONNECT" && memchr::memchr(b'/', target).is_none() {
            return Target::Authority;
        }
        if target == b"*" {
            return Target::Asterisk;
        }
        let resource = without_authority(target);
        let end = memchr::memchr(b'#', resource).unwrap_or(resource.len());
        let (resource, fragment) = resource.split_at(end);
        let end = memchr::memchr(b'?', resource).unwrap_or(resource.len());
        let (path, query) = (&resource[..end], resource.get(end + 1..).unwrap_or_default());
        Target::Resource { path, query, fragment }
    }

    /// What stands for a target that is no path.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Target::Resource { .. } => None,
            Target::Authority => Some("{authority}"),
            Target::Asterisk => Some("*"),
        }
    }

    /// What stands behind `#`, and the sign itself.
    pub fn fragment(self) -> &'a [u8] {
        if let Target::Resource { fragment, .. } = self { fragment } else { &[] }
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
