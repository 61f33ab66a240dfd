//! Values in canonical form, so that one object has one spelling.
//!
//! What servers take off a text is [off](super::spelling), [numbers](super::number) are decimal digits, and UUIDs are in
//! lower case and in groups, whatever was around them. ULIDs, hexadecimal digests and e-mail addresses have one case. All
//! else is told apart as it stands: a client that varies it only raises its own count. Octets that don't print, `/` and
//! `,` are percent-encoded.

use rollcall_model::percent;

use super::{identifier, number, punctuated, spelling};

/// Octets of values that stay encoded: parts of an object are joined by `/`, objects of a call are listed with commas.
pub(super) const RESERVED: &[u8] = b"%/,";

/// Appends the canonical form of `octets`.
pub(super) fn push(text: &mut String, octets: &[u8]) {
    if octets.iter().all(|&octet| percent::is_plain(octet)) {
        return push_plain(text, octets);
    }
    with_plain(octets, |plain| push_plain(text, plain));
}

/// Hands on `octets` without what servers take off. If nothing is left then, it is what they mean.
pub(super) fn with_plain<T>(octets: &[u8], then: impl FnOnce(&[u8]) -> T) -> T {
    let (mut decoded, mut folded) = (Vec::new(), Vec::new());
    let mut plain = spelling::bare(spelling::decoded(octets, &mut decoded));
    if !plain.is_ascii() {
        spelling::fold_digits(plain, &mut folded);
        plain = &folded;
    }
    let plain = spelling::without_marks(spelling::unwrapped(plain));
    then(if plain.is_empty() { octets } else { plain })
}

/// Appends canonical text in canonical form: what stands in a path has been decoded already, and bared.
pub(super) fn push_form(text: &mut String, canonical: &str) {
    if push_known(text, canonical) {
        return;
    }
    if memchr::memmem::find(canonical.as_bytes(), b"%20").is_some()
        && punctuated::push(text, &canonical.replace("%20", " "))
    {
        return;
    }
    let start = text.len();
    text.push_str(canonical);
    fold_case(text, start);
}

fn push_plain(text: &mut String, octets: &[u8]) {
    if std::str::from_utf8(octets).is_ok_and(|value| push_known(text, value)) {
        return;
    }
    let start = text.len();
    let mut rest = octets;
    loop {
        percent::push_plain(text, &mut rest);
        let Some((&octet, tail)) = rest.split_first() else { break };
        percent::push(text, octet, RESERVED);
        rest = tail;
    }
    fold_case(text, start);
}

/// Appends `value` if it is of a form that has many spellings; false if it is of none.
fn push_known(text: &mut String, value: &str) -> bool {
    number::push(text, value.as_bytes())
        || identifier::push_uuid(text, value)
        || punctuated::push(text, value)
}

fn fold_case(text: &mut str, start: usize) {
    if identifier::is_caseless(&text[start..]) {
        text[start..].make_ascii_lowercase();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_object_has_one_spelling() {
        for (octets, canonical) in [
            ("7", "7"),
            ("007", "7"),
            ("0", "0"),
            ("000", "0"),
            ("-5", "-5"),
            ("+12025550143", "12025550143"),
            (" 17\0", "17"),
            ("\u{ff11}\u{ff17}", "17"),
            ("%31%37", "17"),
            ("[\"17\"]", "17"),
            ("17;x=1", "17"),
            ("1.7e1", "17"),
            ("1e400", "1e400"),
            ("7.5", "7.5"),
            ("550E8400-E29B-41D4-A716-446655440000", "550e8400-e29b-41d4-a716-446655440000"),
            ("550e8400e29b41d4a716446655440000", "550e8400-e29b-41d4-a716-446655440000"),
            ("{550e8400-E29B-41d4-a716-446655440000}", "550e8400-e29b-41d4-a716-446655440000"),
            ("urn:uuid:550E8400-e29b-41d4-a716-446655440000", "550e8400-e29b-41d4-a716-446655440000"),
            ("550e-8400-e29b-41d4-a716-4466-5544-0000", "550e8400-e29b-41d4-a716-446655440000"),
            ("00000000-0000-0000-0000-000000000017", "00000000000000000000000000000017"),
            ("D41D8CD98F00B204E9800998ECF8427E", "d41d8cd98f00b204e9800998ecf8427e"),
            ("01ARZ3NDEKTSV4RRFFQ69G5FAV", "01arz3ndektsv4rrffq69g5fav"),
            ("Ada@Example.org", "ada@example.org"),
            ("Ada", "Ada"),
            ("a b/c,d%", "a%20b%2Fc%2Cd%25"),
            ("caf\u{e9}", "caf%C3%A9"),
        ] {
            let mut text = "x".to_owned();
            push(&mut text, octets.as_bytes());
            assert_eq!(text[1..], *canonical, "{octets}");
        }
    }
}
