//! Which operation, and whose account: routes and objects.
//!
//! A route is a method and a path template, `GET /v1/customers/{id}`: the canonical path ([`path`]) with each
//! segment that looks like an identifier ([`identifier`]) taken out. The object is what was taken out: the
//! identifiers of the path in order, then the values of query parameters with names of identifiers
//! ([`query`]) by name, joined by `/`. Everything in it counts, so that a walk over any one of them shows
//! whatever the others do.
//!
//! Spelling does not matter: percent-encoding, doubled slashes, dot segments, `;parameters`, trailing slashes,
//! fragments, and parameters without an identifier's name lead to the same route and object. Digits stay as
//! they are on the wire (`007` is not `7`): a client that varies them only raises its own count.
//!
//! Routes do not depend on the order of traffic as long as they are few enough ([`table`]).

pub mod identifier;
pub mod openapi;
pub mod outcome;
pub mod path;
pub mod query;
pub mod table;

use std::{fmt::Write, sync::Arc};

pub use table::{Counters, OTHER};

use self::{path::CanonicalPath, query::Query, table::Table};
use crate::{hash::HashKey, http::exchange::Request};

/// What stands for an identifier in a template.
const PARAMETER: &str = "{id}";

/// The longest template that is kept; what is longer belongs to [`OTHER`].
const MAX_TEMPLATE: usize = 512;

/// Methods with routes of their own: RFC 9110, PATCH (RFC 5789) and QUERY. All others share one label.
const METHODS: [&str; 10] =
    ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "QUERY", "TRACE", "CONNECT"];

/// The label of all other methods.
const OTHER_METHOD: &str = "~OTHER";

/// Gives each request its route and object.
#[derive(Debug)]
pub struct Router {
    table: Table,
    path: CanonicalPath,
    query: Query,
    template: String,
}

/// A request's route and object. Kept by the caller and filled again for each request: nothing is allocated
/// once its buffers have grown.
#[derive(Clone, Debug)]
pub struct Attribution {
    /// The route's template with its method, or [`OTHER`].
    pub route: Arc<str>,
    object: String,
}

impl Router {
    /// A router that learns at most `max_routes` routes.
    pub fn new(max_routes: usize, key: HashKey) -> Router {
        Router {
            table: Table::new(max_routes, key),
            path: CanonicalPath::default(),
            query: Query::default(),
            template: String::new(),
        }
    }

    /// Finds the route and object of `request`, which was answered with `status`.
    pub fn attribute(&mut self, request: &Request, status: Option<u16>, attribution: &mut Attribution) {
        attribution.object.clear();
        self.template.clear();
        let method = METHODS.into_iter().find(|method| method.as_bytes() == request.method());
        self.template.push_str(method.unwrap_or(OTHER_METHOD));
        self.template.push(' ');
        match Target::of(request) {
            Target::Authority => self.template.push_str("{authority}"),
            Target::Asterisk => self.template.push('*'),
            Target::Resource { path, query } => {
                self.path.parse(path);
                write_template(&self.path, &mut self.template, &mut attribution.object);
                self.query.parse(query, &mut attribution.object);
            }
        }
        let has_object = !attribution.object.is_empty();
        attribution.route = if self.template.len() <= MAX_TEMPLATE {
            self.table.route(&self.template, has_object, status)
        } else {
            self.table.too_long()
        };
    }

    /// How full the table of routes is, and what did not fit.
    pub fn counters(&self) -> Counters {
        self.table.counters()
    }
}

impl Attribution {
    /// The account in the call; `None` where the route has none.
    pub fn object(&self) -> Option<&str> {
        if self.object.is_empty() { None } else { Some(&self.object) }
    }
}

impl Default for Attribution {
    fn default() -> Attribution {
        Attribution { route: OTHER.into(), object: String::new() }
    }
}

/// Writes the template of `path` and appends its identifiers to `object`.
fn write_template(path: &CanonicalPath, template: &mut String, object: &mut String) {
    if path.segments().len() == 0 {
        template.push('/');
    }
    for segment in path.segments() {
        template.push('/');
        match identifier::find(segment) {
            Some((id, suffix)) => {
                template.push_str(PARAMETER);
                template.push_str(suffix);
                push_object(object, id);
            }
            None => template.push_str(segment),
        }
        if template.len() > MAX_TEMPLATE {
            // No route for it any more, but the rest of the object still counts.
            template.truncate(MAX_TEMPLATE + 1);
        }
    }
}

/// Appends one identifier to `object`.
fn push_object(object: &mut String, id: &str) {
    if !object.is_empty() {
        object.push('/');
    }
    if identifier::is_uuid(id) {
        id.bytes().for_each(|byte| object.push(char::from(byte.to_ascii_lowercase())));
    } else {
        object.push_str(id);
    }
}

/// Appends `byte` to canonical text: itself if it is printable ASCII and not one of `reserved`, else encoded.
fn push_canonical(text: &mut String, byte: u8, reserved: &[u8]) {
    if byte.is_ascii_graphic() && !reserved.contains(&byte) {
        text.push(char::from(byte));
    } else {
        // Writing to a String does not fail.
        let _ = write!(text, "%{byte:02X}");
    }
}

/// Takes the leading octets that are themselves in canonical text off `rest` and appends them: nearly all of
/// them are, which makes this worth a way of its own.
fn push_plain(text: &mut String, rest: &mut &[u8]) {
    let plain = rest.iter().position(|&byte| !PLAIN[usize::from(byte)]).unwrap_or(rest.len());
    let (run, tail) = rest.split_at(plain);
    text.push_str(std::str::from_utf8(run).unwrap_or_default());
    *rest = tail;
}

/// Letters, digits and marks that mean nothing in paths and queries.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        plain[byte as usize] =
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'@' | b':');
        byte += 1;
    }
    plain
};

/// Takes the first octet off `rest`: `%31` is one octet. The flag tells whether it was encoded.
fn next_octet(rest: &mut &[u8]) -> Option<(u8, bool)> {
    let hex = |digit: &u8| char::from(*digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    if let [b'%', high, low, tail @ ..] = *rest
        && let (Some(high), Some(low)) = (hex(high), hex(low))
    {
        *rest = tail;
        return Some((high << 4 | low, true));
    }
    let (&first, tail) = rest.split_first()?;
    *rest = tail;
    Some((first, false))
}

/// A request target by its form (RFC 9112, section 3.2).
enum Target<'a> {
    /// Origin-form and absolute-form, and whatever else a lenient server might take for a path.
    Resource { path: &'a [u8], query: &'a [u8] },
    /// Authority-form: the target of CONNECT.
    Authority,
    /// Asterisk-form.
    Asterisk,
}

impl<'a> Target<'a> {
    fn of(request: &'a Request) -> Target<'a> {
        let target = request.target();
        if request.method() == b"CONNECT" {
            return Target::Authority;
        }
        if target == b"*" {
            return Target::Asterisk;
        }
        let resource = without_authority(target);
        let resource = resource.split(|&byte| byte == b'#').next().unwrap_or_default();
        match memchr::memchr(b'?', resource) {
            Some(at) => Target::Resource { path: &resource[..at], query: &resource[at + 1..] },
            None => Target::Resource { path: resource, query: &[] },
        }
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

#[cfg(test)]
mod tests;
