//! Who is allowed something, as it is written on the command line.

use rollcall_attribute::route::{NEW, full_name};
use rollcall_detect::PartnerKey;

/// Digits of an alert's id.
const ID: usize = 16;

/// The longest route.
const LONGEST: usize = 2_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// Whom an alert is about, by its id or the beginning of it.
    Alert(String),
    Client(PartnerKey),
    /// Everybody, there.
    Route(String),
}

/// Parses an alert's id, a client with or without the kind of its key, or a route.
pub(super) fn parse(text: &str) -> Result<Who, String> {
    let text = text.trim();
    if (1..=ID).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(Who::Alert(text.to_ascii_lowercase()));
    }
    if let Ok(key) = text.parse() {
        return Ok(Who::Client(key));
    }
    route(text).map(Who::Route).map_err(|_| {
        "expected the id of an alert, such as 4c5162c3863df409; a client as alerts show it, such as 198.51.100.7, \
         192.0.2.0/24 or bearer: and 32 digits; or a route, such as 'GET /v1/customers/{id}'"
            .to_owned()
    })
}

/// Parses a route, with its service or without.
pub(super) fn route(text: &str) -> Result<String, String> {
    let text = text.trim();
    let (_, name) = full_name::split(text);
    let is_method = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_graphic());
    let is_called = name.split_once(' ').is_some_and(|(method, path)| is_method(method) && !path.is_empty());
    if text.len() <= LONGEST && (is_called || [NEW, "~other"].contains(&name)) {
        return Ok(text.to_owned());
    }
    Err("expected a route as alerts show it, such as 'GET /v1/customers/{id}' or ':8001 GET /v1/customers/{id}'"
        .to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_clients_and_routes_are_told_apart() {
        for (text, who) in [
            ("4C51", Who::Alert("4c51".to_owned())),
            ("4c5162c3863df409", Who::Alert("4c5162c3863df409".to_owned())),
            ("198.51.100.7", Who::Client("198.51.100.7".parse().unwrap())),
            ("peer:::ffff:198.51.100.7", Who::Client("198.51.100.7".parse().unwrap())),
            ("forwarded:2001:db8::7", Who::Client("2001:db8::7".parse().unwrap())),
            ("prefix:2001:db8::/64", Who::Client("2001:db8::/64".parse().unwrap())),
            ("192.0.2.7/24", Who::Client("192.0.2.0/24".parse().unwrap())),
            (
                "credential:bearer:0123456789ABCDEF0123456789abcdef",
                Who::Client("bearer:0123456789abcdef0123456789abcdef".parse().unwrap()),
            ),
            (" GET /v1/x y ", Who::Route("GET /v1/x y".to_owned())),
            (":8001 POST /rpc", Who::Route(":8001 POST /rpc".to_owned())),
            (":8001 ~new", Who::Route(":8001 ~new".to_owned())),
        ] {
            assert_eq!(parse(text), Ok(who), "{text}");
        }
        for text in
            ["", "somebody", "4c5162c3863df4090", "bearer:3f2a", "198.51.100.700", ":8001", "GET ", "*", "/x"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
