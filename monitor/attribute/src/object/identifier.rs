//! Identifiers: which segments of a path name a thing of many rather than an operation.
//!
//! Judged by form alone, so that the first call of a route is already counted and the order of traffic does
//! not matter. What no form gives away (a route whose segments simply take too many values) is left to
//! learning.

use std::{borrow::Cow, ops::Range};

use super::{keys, moment, number, punctuated, token};

pub use super::{moment::Value, token::SHORTEST_WORD};

/// Extensions of static files that stand behind an identifier as well (`/customers/17.html`).
const PAGES: [&str; 2] = [".html", ".htm"];

/// Longer ones are names: `.aspx`, `.geojson`.
const LONGEST_EXTENSION: usize = 8;

/// Extensions of static files: the parts of pages, and what is the same for everyone.
const STATIC: [&str; 72] = [
    "3gp",
    "7z",
    "aac",
    "apk",
    "avi",
    "avif",
    "bmp",
    "bz2",
    "cmfa",
    "cmfv",
    "css",
    "cur",
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
    "jfif",
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
    "oga",
    "ogg",
    "ogv",
    "opus",
    "otf",
    "pbf",
    "png",
    "rpm",
    "srt",
    "svg",
    "swf",
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
    "zip",
];

/// Schemes whose names are identifiers, whatever they look like.
const SCHEMES: [&str; 4] = ["arn", "did", "ocid1", "urn"];

/// Signs that are set before identifiers: `@17`, `~17`, `$17`.
const SIGNS: &[u8] = b"@~$!*^";

/// Parts of an identifier in front of it: `arn:aws:iam:…`.
const MOST_PREFIXES: usize = 8;

/// Names of algorithms and kinds in front of an identifier, and verbs behind it.
const LONGEST_PREFIX: usize = 24;
const LONGEST_VERB: usize = 40;

/// Digits of a number at an end of a slug: three may well count something (`100-best-films`).
const SLUG_DIGITS: usize = 4;

/// Where an identifier stands in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// What `{id}` takes the place of in a template.
    pub start: u32,
    pub end: u32,
    /// What of that is the object.
    pub from: u32,
    pub to: u32,
    /// It is one or several keys of OData.
    pub is_keys: bool,
}

impl Place {
    /// All of a segment of this length.
    pub fn whole(length: usize) -> Place {
        Place::of(0..length)
    }

    fn of(range: Range<usize>) -> Place {
        // Heads are capped far below 4 GiB.
        let (start, end) = (range.start as u32, range.end as u32);
        Place { start, end, from: start, to: end, is_keys: false }
    }

    /// The same, of which just this is the object.
    fn about(self, object: Range<usize>) -> Place {
        Place { from: object.start as u32, to: object.end as u32, ..self }
    }

    /// Whether it is all of a segment of this length.
    pub fn is_whole(self, length: usize) -> bool {
        self.start == 0 && self.end as usize == length
    }

    /// What `{id}` takes the place of.
    pub fn in_template(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Hands on each identifier in `segment`, in which it was found.
    pub fn each(self, segment: &str, mut identifier: impl FnMut(&str)) {
        let text = &segment[self.from as usize..self.to as usize];
        if self.is_keys { keys::each(text, identifier) } else { identifier(text) }
    }
}

/// Where the identifier stands in `segment` of a canonical path, if there is one.
pub fn find(segment: &str) -> Option<Place> {
    // One verb: of thousands of colons nobody makes us look at each.
    find_bare(segment).or_else(|| find_bare(without_verb(segment)?))
}

/// The same, but for what has a verb behind it.
fn find_bare(segment: &str) -> Option<Place> {
    let bytes = segment.as_bytes();
    if is_number(bytes) {
        return Some(Place::whole(segment.len()));
    }
    if has_check_in_brackets(segment) {
        return Some(Place::whole(segment.len()));
    }
    if let Some(keys) = keys::find(segment) {
        // What says where or when is a value, and is found as that.
        let place = Place { is_keys: true, ..Place::of(keys.clone()) };
        return keys::any(&segment[keys]).then_some(place);
    }
    // Most segments are words, and only numbers are as short as `v1`.
    let has_digit = bytes.iter().any(|byte| byte.is_ascii_digit() || *byte == b'@');
    if segment.len() < 5 || (!has_digit && segment.len() < SHORTEST_WORD) {
        return None;
    }
    let plain = without_blanks(segment);
    if is_identifier(&plain) {
        return Some(Place::whole(segment.len()));
    }
    if !has_digit {
        return None;
    }
    if SIGNS.contains(&bytes[0]) && is_identifier(&plain[1..]) {
        return Some(Place::of(1..segment.len()));
    }
    without_extension(segment).or_else(|| slug(segment).filter(|_| static_extension(segment).is_none()))
}

/// Blanks are encoded in canonical paths, and so are number signs, which part what stands before an identifier from it
/// (`USER#17`).
fn without_blanks(segment: &str) -> Cow<'_, str> {
    match memchr::memchr(b'%', segment.as_bytes()) {
        Some(_) => Cow::Owned(segment.replace("%20", " ").replace("%23", ":")),
        None => Cow::Borrowed(segment),
    }
}

/// What stands before a verb: `1017` of `1017:cancel`.
fn without_verb(segment: &str) -> Option<&str> {
    let (stem, verb) = segment.rsplit_once(':')?;
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || b"_-".contains(&byte);
    let is_verb = (2..=LONGEST_VERB).contains(&verb.len())
        && verb.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic())
        && verb.bytes().all(is_letter);
    (is_verb && !stem.is_empty()).then_some(stem)
}

/// The identifier in front of an extension that is none of static files: `1017.aspx`.
fn without_extension(segment: &str) -> Option<Place> {
    let (stem, extension) = split_extension(segment)?;
    let is_letters = |byte: &u8| byte.is_ascii_alphanumeric();
    let is_extension = (2..=LONGEST_EXTENSION).contains(&extension.len())
        && extension.as_bytes()[1].is_ascii_alphabetic()
        && extension.as_bytes()[1..].iter().all(is_letters)
        && extension.bytes().filter(u8::is_ascii_digit).count() <= 2;
    let is_page = || PAGES.iter().any(|page| page.eq_ignore_ascii_case(extension));
    if !is_extension || (is_static(&extension[1..]) && !is_page()) {
        return None;
    }
    // `3_1_2.htm` is a section.
    let is_stem = is_identifier(&without_blanks(stem)) && !is_parted_number(stem.as_bytes());
    if is_stem {
        return Some(Place::whole(stem.len()));
    }
    slug(stem)
}

fn split_extension(segment: &str) -> Option<(&str, &str)> {
    let point = memchr::memrchr(b'.', segment.as_bytes()).filter(|&point| point > 0)?;
    Some(segment.split_at(point))
}

fn is_static(extension: &str) -> bool {
    let mut folded = [0; 12];
    let Some(folded) = folded.get_mut(..extension.len()) else { return false };
    folded.copy_from_slice(extension.as_bytes());
    folded.make_ascii_lowercase();
    STATIC.binary_search_by(|known| known.as_bytes().cmp(folded)).is_ok()
}

/// The number, or token, at an end of words: `1017-john-smith`, `acme-corp--1017`, `my-first-post-3f2a9c1b7d`. Servers go by
/// that, whatever the words are. A year is none, nor is a day.
fn slug(segment: &str) -> Option<Place> {
    let bytes = segment.as_bytes();
    let is_mark = |byte: &u8| b"-_.".contains(byte);
    let whole = Place::whole(segment.len());
    let (mut numbers, mut words, mut others) = (0, 0, 0);
    let (mut at, mut found, mut second) = (0, 0..0, 0..0);
    for (nth, part) in bytes.split(is_mark).enumerate() {
        let range = at..at + part.len();
        at = range.end + 1;
        let is_end = range.start == 0 || range.end == bytes.len();
        if part.is_empty() {
            continue;
        }
        if part.iter().all(u8::is_ascii_digit) {
            if part.len() >= SLUG_DIGITS && !moment::is_year_or_day(part) {
                if nth == 1 {
                    second = range.clone();
                }
                (numbers, found) = (numbers + 1, if is_end { range } else { found });
            } else {
                others += 1;
            }
        } else if part.iter().all(|byte| byte.is_ascii_alphabetic() || *byte >= 0x80 || b"%'".contains(byte))
            || memchr::memchr(b'%', part).is_some()
        {
            words += 1;
        } else if range.end == bytes.len() && (is_hex(part) || token::is_random(part)) {
            (numbers, found) = (numbers + 1, range);
        } else if part.iter().all(u8::is_ascii_alphanumeric) {
            others += 1;
        } else {
            return None;
        }
    }
    let has_points = memchr::memchr(b'.', bytes).is_some();
    match numbers {
        // Of several nobody knows which the server goes by.
        _ if words == 0 || numbers == 0 || (has_points && (others > 0 || numbers > 1)) => None,
        1 if !found.is_empty() => Some(whole.about(found)),
        // `customer-1017-details`: what it is, and its number.
        1 if words <= 2 && others == 0 && !second.is_empty() => Some(whole.about(second)),
        1 => None,
        _ => Some(whole),
    }
}

/// A value that is nobody's, and where it stands in `segment` of a canonical path.
pub fn find_value(segment: &str) -> Option<(Place, Value)> {
    if let Some(keys) = keys::find(segment) {
        return Some((Place::of(keys), Value::Plain));
    }
    let plain = without_blanks(segment);
    if let Some(value) = moment::find(plain.as_bytes()) {
        return Some((Place::whole(segment.len()), value));
    }
    // What was encoded has other places.
    let day = matches!(plain, Cow::Borrowed(_)).then(|| moment::behind(segment.as_bytes())).flatten()?;
    Some((Place::of(day), Value::Plain))
}

/// Whether `segment` begins a name that goes on behind a slash, as those of Amazon do: `arn:aws:iam::123456789012:user`.
pub fn goes_on(segment: &str) -> bool {
    segment.as_bytes().get(3) == Some(&b':')
        && segment.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("arn:"))
}

/// How much more like a random token `segment` is than like words: see `token`.
pub fn randomness(segment: &str) -> i32 {
    token::score(segment.as_bytes())
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
    is_static(&folded[point + 1..]).then_some(&folded[point..])
}

/// Whether `text` is of a form whose case does not matter: UUIDs, ULIDs, hexadecimal digests, e-mail addresses, codes of
/// registries.
pub fn is_caseless(text: &str) -> bool {
    let bytes = text.as_bytes();
    let form = || {
        is_uuid(text) || is_hex(bytes) || is_ulid(bytes) || is_email(text) || punctuated::is_caseless(bytes)
    };
    // `SHA256:…`, `urn:ISBN:…`.
    let tail = || memchr::memrchr2(b':', b'=', bytes).map(|at| &bytes[at + 1..]);
    bytes.iter().any(u8::is_ascii_uppercase)
        && (form() || tail().is_some_and(|tail| !tail.is_empty() && (is_number(tail) || is_hex(tail))))
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
    is_known(text)
        || is_tokens(text)
        || (is_prefixed(text, MOST_PREFIXES) && moment::find(text.as_bytes()).is_none())
}

fn is_known(text: &str) -> bool {
    let bytes = text.as_bytes();
    // Each form but those of addresses and tokens has a digit in it; most words have none.
    if !bytes.iter().any(u8::is_ascii_digit) {
        let is_mixed =
            || bytes.iter().any(u8::is_ascii_uppercase) && bytes.iter().any(u8::is_ascii_lowercase);
        return is_email(text)
            || is_federated(text)
            || (bytes.len() >= SHORTEST_WORD && is_mixed() && token::is_random(bytes))
            || is_prefixed_token(bytes);
    }
    if is_number(bytes) || punctuated::is_grouped(bytes) || is_ipv4(text) || is_federated(text) {
        return true;
    }
    if moment::find(bytes).is_some() {
        return false;
    }
    is_hex(bytes)
        || is_uuid(text)
        || is_prefixed_number(bytes)
        || is_ulid(bytes)
        || punctuated::is_code(bytes)
        || punctuated::is_address(text)
        || is_token(bytes)
        || token::is_random(bytes)
        || is_prefixed_token(bytes)
        || is_email(text)
}

/// Tokens with points between them, as those of JSON Web Tokens.
fn is_tokens(text: &str) -> bool {
    memchr::memchr(b'.', text.as_bytes()).is_some()
        && text.split('.').all(|part| {
            part.len() >= SHORTEST_WORD && (is_hex(part.as_bytes()) || token::is_random(part.as_bytes()))
        })
}

/// An identifier behind names of what it is: `sha256:…`, `md5=…`, `urn:isbn:…`, `order:17`.
fn is_prefixed(text: &str, most: usize) -> bool {
    let Some(at) = memchr::memchr2(b':', b'=', text.as_bytes()) else { return is_digest(text) };
    let (prefix, rest) = (&text[..at], &text[at + 1..]);
    let is_prefix = prefix.len() <= LONGEST_PREFIX
        && prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-+_".contains(&byte))
        && (prefix.is_empty() || prefix.as_bytes()[0].is_ascii_alphabetic());
    let is_scheme = || SCHEMES.iter().any(|scheme| scheme.eq_ignore_ascii_case(prefix));
    most > 0
        && (is_prefix || is_known(prefix))
        && !rest.is_empty()
        && (is_scheme() || is_known(rest) || is_digest(rest) || is_prefixed(rest, most - 1))
}

/// A digest behind the name of its algorithm: `sha256-…`. With a colon or `=` between them it is like any other.
fn is_digest(text: &str) -> bool {
    let Some((algorithm, digest)) = text.split_once('-') else { return false };
    algorithm.len() <= LONGEST_PREFIX
        && algorithm.as_bytes().first().is_some_and(u8::is_ascii_alphabetic)
        && algorithm.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && digest.len() >= 16
        && (is_hex(digest.as_bytes()) && digest.bytes().any(|byte| byte.is_ascii_digit())
            || token::is_random(digest.as_bytes()))
}

/// An integer in any spelling.
fn is_number(bytes: &[u8]) -> bool {
    number::is_integer(bytes)
}

/// Digests and the like. The caller has seen a digit; without one, `deadbeef` might be a word.
fn is_hex(bytes: &[u8]) -> bool {
    bytes.len() >= 8 && bytes.iter().all(u8::is_ascii_hexdigit)
}

/// `A123456(7)`: a number of a person and its check digit.
fn has_check_in_brackets(text: &str) -> bool {
    let Some((number, [_, b')'])) = text.split_once('(').map(|(number, check)| (number, check.as_bytes()))
    else {
        return false;
    };
    is_prefixed_number(number.as_bytes())
}

/// Names of people and rooms on a server of many: `@anna:example.org`, `!kLmN:example.org`.
fn is_federated(text: &str) -> bool {
    let Some((local, host)) = text.split_once(':') else { return false };
    let is_signed = matches!(local.as_bytes(), [b'@' | b'!' | b'$' | b'+', _, ..]);
    is_signed
        && host.rsplit_once('.').is_some_and(|(name, tld)| {
            !name.is_empty() && tld.len() >= 2 && tld.bytes().all(|byte| byte.is_ascii_alphabetic())
        })
}

/// `cust-000123`, `user_417`, `A12345`: letters, perhaps a separator, and a number that is longer than those
/// in names such as `v2`, `utf-8`, `sha256` and `h264`.
fn is_prefixed_number(bytes: &[u8]) -> bool {
    let letters = bytes.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let (longest_prefix, shortest_number, digits) = match &bytes[letters..] {
        [b'-' | b'_' | b':' | b'.', digits @ ..] => (12, 3, digits),
        // `customer1017`; `windows2000` has a year.
        digits if letters > 4 && !moment::is_year_or_day(digits) => (12, 4, digits),
        digits => (4, 4, digits),
    };
    // `v20190125` is the version of an API.
    let is_version = letters == 1 && bytes[0].eq_ignore_ascii_case(&b'v') && moment::is_year_or_day(digits);
    !is_version
        && (1..=longest_prefix).contains(&letters)
        && digits.len() >= shortest_number
        && digits.iter().all(u8::is_ascii_digit)
}

/// 26 characters of Crockford's base 32, of which the first holds 3 bits.
fn is_ulid(bytes: &[u8]) -> bool {
    bytes.len() == 26
        && (b'0'..=b'7').contains(&bytes[0])
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() && !b"ILOUilou".contains(byte))
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
            "@anna:example.org",
            "@anna.17:example.org",
            "!kLmNoPqRsT:matrix.example.org",
            "A123456(7)",
            "customer1017",
            "12.345.678-K",
            "+17",
            "17.0",
            "1.7e1",
            "1_7",
            "0x11",
            "550e8400e29b41d4a716446655440000",
            "urn:uuid:550e8400-e29b-41d4-a716-446655440000",
        ] {
            assert_eq!(find(id), Some(Place::whole(id.len())), "{id}");
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
            "windows2000",
            "office2019",
            "@anna:home",
            "me",
            "search",
            "",
        ] {
            assert_eq!(find(name), None, "{name}");
        }
    }

    /// What it is about, and how it shows in a template.
    fn told(segment: &str) -> Option<(String, String)> {
        let place = find(segment)?;
        let mut objects = Vec::new();
        place.each(segment, |one| objects.push(one.to_owned()));
        let within = place.in_template();
        Some((objects.join("/"), format!("{}{{id}}{}", &segment[..within.start], &segment[within.end..])))
    }

    #[test]
    fn what_is_around_an_identifier_stays_in_the_template() {
        for (segment, object, template) in [
            ("17.json", "17", "{id}.json"),
            ("cust-000123.pdf", "cust-000123", "{id}.pdf"),
            ("1017.aspx", "1017", "{id}.aspx"),
            ("1017.ASPX", "1017", "{id}.ASPX"),
            ("1017.do", "1017", "{id}.do"),
            ("1017.html", "1017", "{id}.html"),
            ("1017:cancel", "1017", "{id}:cancel"),
            ("1017:getStatement", "1017", "{id}:getStatement"),
            ("Customers(1017)", "1017", "Customers({id})"),
            ("Customers('ALFKI')", "ALFKI", "Customers({id})"),
            ("john-smith-1017", "1017", "{id}"),
            ("1017-john-smith", "1017", "{id}"),
            ("acme-corp--1017", "1017", "{id}"),
            ("john.smith.4821", "4821", "{id}"),
            ("my-post-3f2a9c1b", "my-post-3f2a9c1b", "{id}"),
            ("12-main-street-10001-9021", "12-main-street-10001-9021", "{id}"),
            ("1017-john-smith.html", "1017", "{id}.html"),
            ("customer-1017-details.html", "1017", "{id}.html"),
            ("kunde_1017_rechnung", "1017", "{id}"),
        ] {
            assert_eq!(told(segment), Some((object.to_owned(), template.to_owned())), "{segment}");
        }
        for segment in [
            "17.png",
            "17.ts",
            "3_1_2.htm",
            ".json",
            "index.aspx",
            "Film_(1984)",
            "2024-in-review",
            "the-10000-dollar-question",
            "budget-2024-draft",
            "best-of-2024",
        ] {
            assert_eq!(find(segment), None, "{segment}");
        }
    }

    #[test]
    fn forms_of_whole_segments() {
        for id in [
            "sha256:4108e360ddfcfc69e290d9f945ffa4d1278220ad2cf1337349e455d52613c281",
            "sha256-4108e360ddfcfc69e290d9f945ffa4d1278220ad2cf1337349e455d52613c281",
            "md5=d41d8cd98f00b204e9800998ecf8427e",
            "urn:isbn:978-0-306-40615-7",
            "urn:isbn:9780306406157",
            "arn:aws:iam::123456789012:user",
            "00:1B:44:11:3A:B7",
            "2001:db8::1",
            "987.100.000-00",
            "DE89%203704%200044%200532%200130%2000",
            "943%20476%205919",
            "4111-1111-1111-1111",
            "756.9217.0769.85",
            "12345678Z",
            "QQ123456C",
            "INV-2024-000123",
            "RE2024-0815",
            "ORD_00017",
            "0015g00000ABCDE",
            "0015g00000ABCDEAAX",
            "V1StGXR8_Z5jdHi6B-myT",
            "dQw4w9WgXcQ",
            "user:17",
            "01H7Z3Q3QW8Y6K5R4T2V1X0ABC",
        ] {
            assert_eq!(find(id), Some(Place::whole(id.len())), "{id}");
        }
    }
}
