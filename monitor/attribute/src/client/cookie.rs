//! Cookies (RFC 6265) that name a session.

/// Parts of names that sessions and log-ins have by convention: `PHPSESSID`, `connect.sid`, `_shop_session`,
/// `access_token`, `remember_user_token`, `.AspNetCore.Identity.Application`.
const SESSION: [&[u8]; 6] = [b"sess", b"auth", b"token", b"jwt", b"identity", b"login"];

/// Parts of names that say that it is something else after all.
const OTHER: [&[u8]; 3] = [b"csrf", b"xsrf", b"antiforgery"];

/// Names of cookies are shorter than this; what is longer is none that a framework sets.
const LONGEST_NAME: usize = 64;

/// The cookies in one `Cookie` field, by name and value.
pub(super) fn pairs(field: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    field.split(|&byte| byte == b';').filter_map(|pair| {
        let equals = memchr::memchr(b'=', pair)?;
        let value = pair[equals + 1..].trim_ascii();
        let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
        Some((pair[..equals].trim_ascii(), value))
    })
}

/// Whether a cookie called `name` holds a session by convention.
pub(super) fn names_session(name: &[u8]) -> bool {
    let mut lower = [0; LONGEST_NAME];
    let Some(lower) = lower.get_mut(..name.len()) else { return false };
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    let has = |part: &&[u8]| memchr::memmem::find(lower, part).is_some();
    (lower.ends_with(b"sid") || SESSION.iter().any(has)) && !OTHER.iter().any(has)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_parted() {
        let field = b"a=1; b=\"2\";c; d=e=f;  g=";
        let pairs: Vec<_> = pairs(field).collect();
        let expected: [(&[u8], &[u8]); 4] = [(b"a", b"1"), (b"b", b"2"), (b"d", b"e=f"), (b"g", b"")];
        assert_eq!(pairs, expected);
    }

    #[test]
    fn sessions_are_told_by_name() {
        for name in [
            "PHPSESSID",
            "JSESSIONID",
            "connect.sid",
            "sid",
            "session",
            "_shop_session",
            "access_token",
            "laravel_session",
            "ASP.NET_SessionId",
            ".AspNetCore.Identity.Application",
            "wordpress_logged_in_auth",
        ] {
            assert!(names_session(name.as_bytes()), "{name}");
        }
        for name in ["_ga", "theme", "csrftoken", "XSRF-TOKEN", "lang", "cart", &"sid".repeat(30)] {
            assert!(!names_session(name.as_bytes()), "{name}");
        }
    }
}
