//! Identifiers: which segments of a path name a thing of many rather than an operation.
//!
//! Judged by form alone, so that the first call of a route is already counted and the order of traffic does
//! not matter. What no form gives away (a route whose segments simply take too many values) is left to
//! learning.

use super::number;

/// Extensions that stand behind an identifier in APIs (`/customers/17.json`). Not those of images, styles and
/// scripts, whose numbered names are the parts of one page.
const EXTENSIONS: [&str; 10] =
    [".json", ".xml", ".csv", ".pdf", ".vcf", ".ics", ".yaml", ".txt", ".html", ".htm"];

/// Extensions of static files: the parts of pages, and what is the same for everyone.
const STATIC: [&str; 63] = [
    "aac",
    "apk",
    "avif",
    "bmp",
    "bz2",
    "cmfa",
    "cmfv",
    "css",
    "deb",
    "dmg",
    "eot",
    "flac",
    "flv",
    "gif",
    "gz",
    "heic",
    "htm",
    "html",
    "ico",
    "iso",
    "jar",
    "jpeg",
    "jpg",
    "js",
    "jxl",
    "less",
    "m3u8",
    "m4a",
    "m4s",
    "m4v",
    "map",
    "mjs",
    "mkv",
    "mov",
    "mp3",
    "mp4",
    "mpd",
    "mpg",
    "mvt",
    "ogg",
    "ogv",
    "opus",
    "otf",
    "pbf",
    "png",
    "rpm",
    "svg",
    "tar",
    "tgz",
    "tif",
    "tiff",
    "ts",
    "ttf",
    "vtt",
    "wasm",
    "wav",
    "webm",
    "webmanifest",
    "webp",
    "whl",
    "woff",
    "woff2",
    "xz",
];

/// If `segment` of a canonical path is an identifier, the identifier and what follows it (an extension).
pub fn find(segment: &str) -> Option<(&str, &str)> {
    // Most segments are words, and each form has one of these in it; only numbers are as short as `v1`.
    let number = is_number(segment.as_bytes());
    if !number && (segment.len() < 5 || !segment.bytes().any(|byte| byte.is_ascii_digit() || byte == b'@')) {
        return None;
    }
    if number || is_identifier(segment) {
        return Some((segment, ""));
    }
    memchr::memchr(b'.', segment.as_bytes())?;
    let extension = EXTENSIONS.into_iter().find(|extension| segment.ends_with(extension))?;
    let (stem, extension) = segment.split_at(segment.len() - extension.len());
    // `3_1_2.htm` is a section.
    (is_identifier(stem) && !is_parted_number(stem.as_bytes())).then_some((stem, extension))
}

/// Whether `stem`, in front of a suffix, is an identifier or several.
pub fn is_stem(stem: &str) -> bool {
    (find(stem).is_some() || is_list(stem)) && !is_parted_number(stem.as_bytes())
}

fn is_parted_number(bytes: &[u8]) -> bool {
    bytes.contains(&b'_') && is_number(bytes)
}

/// Whether each element of a list with commas is an identifier, and there are several: `1,2,3`.
pub fn is_list(segment: &str) -> bool {
    memchr::memchr(b',', segment.as_bytes()).is_some()
        && segment.split(',').filter(|one| !one.is_empty()).all(is_identifier)
}

/// The extension of a static file, with its point: `.png`. In lower case, as `folded` has to be.
pub fn static_extension(folded: &str) -> Option<&str> {
    let point = memchr::memrchr(b'.', folded.as_bytes()).filter(|&point| point > 0)?;
    STATIC.binary_search(&&folded[point + 1..]).is_ok().then_some(&folded[point..])
}

/// Whether `text` is of a form whose case does not matter: UUIDs, ULIDs, hexadecimal digests, e-mail addresses.
pub fn is_caseless(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().any(u8::is_ascii_uppercase)
        && (is_uuid(text) || is_hex(bytes) || is_ulid(bytes) || is_email(text))
}

/// Whether `text` has the form of a UUID, in any case, with or without its prefix of a URN.
pub fn is_uuid(text: &str) -> bool {
    uuid(text).is_some()
}

/// Appends the one spelling of the UUID that `text` is: in groups of 8, 4, 4, 4 and 12 digits. Those whose version and
/// variant (RFC 9562, section 4) are none may be any digest, and have no groups. False if it is none.
pub(super) fn push_uuid(out: &mut String, text: &str) -> bool {
    let Some(digits) = uuid(text) else { return false };
    let is_grouped = (b'1'..=b'8').contains(&digits[12]) && b"89ab".contains(&digits[16]);
    for (at, digit) in digits.into_iter().enumerate() {
        if is_grouped && matches!(at, 8 | 12 | 16 | 20) {
            out.push('-');
        }
        out.push(char::from(digit));
    }
    true
}

/// The digits of a UUID in lower case. As its parsers do (Python's, PostgreSQL's), it takes hyphens between any groups of
/// four digits, or none.
fn uuid(text: &str) -> Option<[u8; 32]> {
    let mut rest = text.as_bytes();
    for prefix in [&b"urn:"[..], b"uuid:"] {
        if rest.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix)) {
            rest = &rest[prefix.len()..];
        }
    }
    if !(32..=39).contains(&rest.len()) {
        return None;
    }
    let mut digits = [0; 32];
    let mut count = 0;
    for &byte in rest {
        if byte == b'-' && count % 4 == 0 && count > 0 {
            continue;
        }
        if !byte.is_ascii_hexdigit() {
            return None;
        }
        *digits.get_mut(count)? = byte.to_ascii_lowercase();
        count += 1;
    }
    (count == digits.len() && rest.last() != Some(&b'-')).then_some(digits)
}

/// Whether `text` has the form of an identifier.
pub fn is_identifier(text: &str) -> bool {
    let bytes = text.as_bytes();
    // Each form but the e-mail address has a digit in it; most words have none.
    let has_digit = bytes.iter().any(u8::is_ascii_digit);
    has_digit
        && (is_number(bytes)
            || is_hex(bytes)
            || is_uuid(text)
            || is_prefixed_number(bytes)
            || is_ulid(bytes)
            || is_phone(bytes)
            || is_token(bytes)
            || is_prefixed_token(bytes)
            || is_ipv4(text))
        || is_email(text)
}

/// An integer in any spelling.
fn is_number(bytes: &[u8]) -> bool {
    number::is_integer(bytes)
}

/// Digests and the like. The caller has seen a digit; without one, `deadbeef` might be a word.
fn is_hex(bytes: &[u8]) -> bool {
    bytes.len() >= 8 && bytes.iter().all(u8::is_ascii_hexdigit)
}

/// `cust-000123`, `user_417`, `A12345`: letters, perhaps a separator, and a number that is longer than those
/// in names such as `v2`, `utf-8`, `sha256` and `h264`.
fn is_prefixed_number(bytes: &[u8]) -> bool {
    let letters = bytes.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let (longest_prefix, shortest_number, digits) = match &bytes[letters..] {
        [b'-' | b'_' | b':' | b'.', digits @ ..] => (12, 3, digits),
        digits => (4, 4, digits),
    };
    (1..=longest_prefix).contains(&letters)
        && digits.len() >= shortest_number
        && digits.iter().all(u8::is_ascii_digit)
}

/// 26 characters of Crockford's base 32, of which the first holds 3 bits.
fn is_ulid(bytes: &[u8]) -> bool {
    bytes.len() == 26
        && (b'0'..=b'7').contains(&bytes[0])
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() && !b"ILOUilou".contains(byte))
}

/// `+12025550143`, `202-555-0143`, `(202)555-0143`: 7 to 15 digits (E.164) in groups, but not a date.
fn is_phone(bytes: &[u8]) -> bool {
    let (plus, number) = match bytes.strip_prefix(b"+") {
        Some(number) => (true, number),
        None => (false, bytes),
    };
    let digits = number.iter().filter(|byte| byte.is_ascii_digit()).count();
    let grouped = number.iter().all(|byte| byte.is_ascii_digit() || b"-()".contains(byte));
    let dots = plus && number.iter().all(|byte| byte.is_ascii_digit() || b"-().".contains(byte));
    let date = matches!(number, [_, _, _, _, b'-', _, _, b'-', _, _]);
    (7..=15).contains(&digits) && (grouped || dots) && !date
}

/// Random tokens in base 62, base64url or base 36 (cuid, nanoid, push ids): at least 16 characters in which
/// letters and digits take turns, unlike in `logstash-monitorama-2013`.
fn is_token(bytes: &[u8]) -> bool {
    let body = match bytes.iter().rposition(|&byte| byte != b'=') {
        Some(last) => &bytes[..=last],
        None => return false,
    };
    if body.len() < 16 || !body.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte)) {
        return false;
    }
    // Within a word: in `sts-70-day-03-highlights` there are none.
    let turn = |[a, b]: &&[u8; 2]| {
        a.is_ascii_alphanumeric() && b.is_ascii_alphanumeric() && a.is_ascii_digit() != b.is_ascii_digit()
    };
    let turns = body.array_windows().filter(turn).count();
    let mixed = body.iter().any(u8::is_ascii_uppercase)
        && body.iter().any(u8::is_ascii_lowercase)
        && body.iter().all(u8::is_ascii_alphanumeric)
        && body.iter().filter(|byte| byte.is_ascii_digit()).count() >= 2;
    turns >= 3 || (mixed && body.len() >= 20)
}

/// `cus_NffrFeUfNV2Hib`, `sk_test_4eC39HqLyjWDarjtT1zdp7dc`: what it is in lower case, and a random part in mixed case.
fn is_prefixed_token(bytes: &[u8]) -> bool {
    let Some(separator) = memchr::memrchr(b'_', bytes) else { return false };
    let (prefix, random) = (&bytes[..separator], &bytes[separator + 1..]);
    !prefix.is_empty()
        && prefix.iter().all(|&byte| byte.is_ascii_lowercase() || byte == b'_')
        && random.len() >= 10
        && random.iter().all(u8::is_ascii_alphanumeric)
        && random.iter().any(u8::is_ascii_uppercase)
        && random.iter().any(u8::is_ascii_lowercase)
}

/// `192.0.2.7`; versions have fewer numbers.
fn is_ipv4(text: &str) -> bool {
    text.parse::<std::net::Ipv4Addr>().is_ok()
}

/// `someone@example.org`; not `@scope` nor `package@1.2.3`.
fn is_email(text: &str) -> bool {
    let Some(at) = memchr::memchr(b'@', text.as_bytes()) else { return false };
    let (local, domain) = (&text[..at], &text[at + 1..]);
    let Some((host, tld)) = domain.rsplit_once('.') else { return false };
    !local.is_empty()
        && !host.is_empty()
        && tld.len() >= 2
        && tld.bytes().all(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_told_by_their_form() {
        for id in [
            "1",
            "007",
            "-5",
            "37000000",
            "550e8400-e29b-41d4-a716-446655440000",
            "550E8400-E29B-41D4-A716-446655440000",
            "01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "3f2a9c1b",
            "d41d8cd98f00b204e9800998ecf8427e",
            "someone@example.org",
            "first.last+tag@mail.example.co",
            "+12025550143",
            "202-555-0143",
            "+1-202-555-0143",
            "(202)555-0143",
            "123-45-6789",
            "cust-000123",
            "user_417",
            "A12345",
            "ACC1002",
            "order:1001",
            "cjld2cjxh0000qzrmn831i7rl",
            "V1StGXR8Z5jdHi6B",
            "eyJpZCI6MTIzNDU2fQ==",
            "-NabcD12efGh34_IjKl",
            "cus_NffrFeUfNV2Hib",
            "sk_test_4eC39HqLyjWDarjtT1zdp7dc",
            "192.0.2.7",
            "+17",
            "17.0",
            "1.7e1",
            "1_7",
            "0x11",
            "550e8400e29b41d4a716446655440000",
            "urn:uuid:550e8400-e29b-41d4-a716-446655440000",
        ] {
            assert_eq!(find(id), Some((id, "")), "{id}");
        }
    }

    #[test]
    fn names_are_no_identifiers() {
        for name in [
            "v1",
            "v12",
            "v2.1",
            "customers",
            "oauth2",
            "utf-8",
            "sha256",
            "h264",
            "s3",
            "en-US",
            "zh-Hans",
            "1.2.3",
            "2015-05-17",
            "deadbeef",
            "facade",
            "@scope",
            "react@18.2.0",
            "user@host",
            "index.html",
            "kibana-dashboard3",
            "logstash-monitorama-2013",
            "sts-70-day-03-highlights",
            "is_supported_2fa",
            "192.0.2",
            "getCustomerProfileV2ById",
            "a",
            "~me",
            "%C3%A9",
            "jquery-1.11.2.min.js",
            "top-10",
            "web2py",
            "me",
            "search",
            "",
        ] {
            assert_eq!(find(name), None, "{name}");
        }
    }

    #[test]
    fn an_extension_of_data_stays_in_the_template() {
        assert_eq!(find("17.json"), Some(("17", ".json")));
        assert_eq!(find("cust-000123.pdf"), Some(("cust-000123", ".pdf")));
        assert_eq!(find("17.png"), None);
        assert_eq!(find("3_1_2.htm"), None);
        assert_eq!(find(".json"), None);
    }
}
