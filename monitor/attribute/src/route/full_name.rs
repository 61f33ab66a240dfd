//! The full name of a route: its service before it, `:8001 GET /v1/customers/{id}`, or just its name where there is no service.

use std::{borrow::Cow, sync::Arc};

/// What stands for all routes that have hardly been called, where it matters that one client calls many of them.
pub const NEW: &str = "~new";

/// The service of ports beyond the [most](super::service).
pub(super) const REST: &str = ":*";

/// The full name of a route of a service.
pub(super) fn join<'a>(service: &str, route: &'a str) -> Cow<'a, str> {
    if service.is_empty() { route.into() } else { format!("{service} {route}").into() }
}

/// The same, shared.
pub(super) fn full(service: &str, route: &Arc<str>) -> Arc<str> {
    match join(service, route) {
        Cow::Borrowed(_) => Arc::clone(route),
        Cow::Owned(name) => name.into(),
    }
}

/// The service and the route that a full name is of. No method has a colon.
pub fn split(name: &str) -> (&str, &str) {
    match name.split_once(' ') {
        Some((service, route)) if is_name(service) => (service, route),
        _ => ("", name),
    }
}

/// The full name of a route as seen from the service of `beside`: without its own if it is the same.
pub fn relative<'a>(name: &'a str, beside: &str) -> &'a str {
    let (service, route) = split(name);
    if service == split(beside).0 { route } else { name }
}

/// The full name that [`relative`] made `name` of.
pub fn absolute<'a>(name: &'a str, beside: &str) -> Cow<'a, str> {
    if split(name).0.is_empty() { join(split(beside).0, name) } else { name.into() }
}

/// The route that stands for all [new](NEW) ones of the service that `route` is of, by their full names.
pub fn new_of(route: &str) -> Cow<'static, str> {
    join(split(route).0, NEW)
}

/// Whether no two of these routes, by their full names, are of different services: to people nothing needs to tell them apart.
pub fn is_one<'a>(routes: impl Iterator<Item = &'a str>) -> bool {
    let mut services = routes.map(|route| split(route).0).filter(|service| !service.is_empty());
    let first = services.next();
    services.all(|service| Some(service) == first)
}

/// Whether a word names a service, and no method.
pub fn is_name(word: &str) -> bool {
    let Some((host, port)) = word.rsplit_once(':') else { return false };
    if word == REST {
        return true;
    }
    let is_port = port.parse::<u16>().is_ok_and(|number| number != 0 && number.to_string() == port);
    is_port && (host.is_empty() || is_host(host))
}

/// Whether a text is a host name, as services have it.
pub(super) fn is_host(text: &str) -> bool {
    let is_label = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    (1..=253).contains(&text.len()) && text.bytes().all(is_label) && !text.ends_with('.')
}

/// The full name of a route, written as two fields: `service`, if it has one, and `route`.
pub mod fields {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Fields<T: AsRef<str>> {
        #[serde(default, skip_serializing_if = "is_empty")]
        service: T,
        route: T,
    }

    fn is_empty(service: &impl AsRef<str>) -> bool {
        service.as_ref().is_empty()
    }

    /// Writes a full name.
    pub fn serialize<S: Serializer>(name: &impl AsRef<str>, serializer: S) -> Result<S::Ok, S::Error> {
        let (service, route) = super::split(name.as_ref());
        Fields { service, route }.serialize(serializer)
    }

    /// Reads it.
    pub fn deserialize<'de, D: Deserializer<'de>, T: From<String>>(deserializer: D) -> Result<T, D::Error> {
        let Fields { service, route } = Fields::<String>::deserialize(deserializer)?;
        Ok(super::join(&service, &route).into_owned().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_name_has_a_service_or_none() {
        for (service, route) in [
            (":8001", "GET /v1/customers/{id}"),
            (":*", "~other"),
            ("shop.example.com:80", "GET /"),
            ("", "GET /v1/a b"),
            ("", "~new"),
            ("", ""),
        ] {
            assert_eq!(split(&full(service, &route.into())), (service, route));
        }
        for name in [
            "GET :8001",
            ":0 GET /",
            ":08 GET /",
            ":65536 GET /",
            ": GET /",
            ":+80 GET /",
            "A:80 GET /",
            "a:* GET /",
        ] {
            assert_eq!(split(name), ("", name));
        }
    }

    #[test]
    fn names_are_told_as_seen_from_a_service() {
        for (name, beside, told) in [
            (":80 GET /a", ":80 GET /b", "GET /a"),
            (":80 GET /a", ":81 GET /b", ":80 GET /a"),
            (":80 GET /a", "GET /b", ":80 GET /a"),
            ("GET /a", "GET /b", "GET /a"),
        ] {
            assert_eq!(relative(name, beside), told);
            assert_eq!(absolute(told, beside), name);
        }
        assert_eq!([new_of(":80 GET /a"), new_of("GET /a")], [":80 ~new", "~new"]);
    }
}
