//! What always holds of objects and routes, whatever a client wrote.

use rollcall_attribute::object::Objects;

/// A route's name: a method, a template of at most 512 octets, and an operation of GraphQL.
const LONGEST_ROUTE: usize = 640;

/// Objects are parts joined by `/`, in printable ASCII, without the comma that lists them in logs.
pub fn objects(objects: &Objects) -> Vec<String> {
    let all: Vec<String> = objects.iter().map(str::to_owned).collect();
    assert_eq!(all.len(), objects.len());
    for object in &all {
        assert!(object.bytes().all(|byte| byte.is_ascii_graphic() && byte != b','), "{object:?}");
        assert!(object.split('/').all(|part| !part.is_empty()), "{object:?}");
    }
    all
}

/// How much is kept of objects must not grow faster than what was written.
pub fn volume(objects: &Objects, written: usize) {
    let volume: usize = objects.iter().map(str::len).sum();
    assert!(volume <= 64 * 1024 + 8 * written, "{volume} octets of objects from {written}");
}

/// A route's name has a bound and is printable.
pub fn route(route: &str) {
    assert!(route.len() <= LONGEST_ROUTE, "{route:?}");
    assert!(route.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()), "{route:?}");
}
