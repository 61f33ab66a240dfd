//! What servers take off a text before they look at it, so that nobody hides, or counts twice, in what is taken off.
//!
//! Blanks and control characters around it (PHP's and Java's `trim`, Python's `int`), what stands behind a NUL (every
//! parser in C), digits of other scripts (Java's `Integer.parseInt`, Python's `int`), percent-encoding that a proxy in
//! between has decoded once already, and brackets and quotes around a value (JSON in a parameter, UUIDs of .NET).

use rollcall_model::percent;

/// The first digit of each script: category `Nd` of Unicode 15. Nine more follow each.
const ZEROS: [u32; 67] = [
    0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6, 0x0d66, 0x0de6,
    0x0e50, 0x0ed0, 0x0f20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0,
    0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30,
    0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x11730, 0x118e0,
    0x11950, 0x11c50, 0x11d50, 0x11da0, 0x11f50, 0x16a60, 0x16ac0, 0x16b50, 0x1d7ce, 0x1d7d8, 0x1d7e2,
    0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e4f0, 0x1e950, 0x1fbf0,
];

/// How often percent-encoding is undone at most: once for each of a chain of servers that all decode.
pub const ROUNDS: usize = 3;

/// Pairs of brackets or quotes that are taken off at most.
const PAIRS: usize = 4;

/// `text` without blanks and control characters around it, and without what stands behind a NUL.
pub fn bare(mut text: &[u8]) -> &[u8] {
    while let length @ 1.. = blank_at_start(text) {
        text = &text[length..];
    }
    if let Some(nul) = memchr::memchr(0, text) {
        text = &text[..nul];
    }
    while let length @ 1.. = blank_at_end(text) {
        text = &text[..text.len() - length];
    }
    text
}

/// How many bytes of the blank that `text` begins with; 0 if it begins with none.
fn blank_at_start(text: &[u8]) -> usize {
    match text {
        [0..=b' ' | 0x7f, ..] => 1,
        // U+0085 and U+00A0.
        [0xc2, 0x85 | 0xa0, ..] => 2,
        // U+1680, U+2000 to U+200D, U+2028, U+2029, U+202F, U+205F, U+3000, U+FEFF.
        [0xe1, 0x9a, 0x80, ..]
        | [0xe2, 0x80, 0x80..=0x8d | 0xa8 | 0xa9 | 0xaf, ..]
        | [0xe2, 0x81, 0x9f, ..]
        | [0xe3, 0x80, 0x80, ..]
        | [0xef, 0xbb, 0xbf, ..] => 3,
        _ => 0,
    }
}

fn blank_at_end(text: &[u8]) -> usize {
    let ends = |length: usize| {
        text.len().checked_sub(length).is_some_and(|start| blank_at_start(&text[start..]) == length)
    };
    (1..=3).find(|&length| ends(length)).unwrap_or(0)
}

/// Appends `text` to `out` with digits of every script in ASCII. What is not UTF-8 stays as it is.
pub fn fold_digits(text: &[u8], out: &mut Vec<u8>) {
    for chunk in text.utf8_chunks() {
        for char in chunk.valid().chars() {
            match digit(char) {
                Some(digit) => out.push(digit),
                None => out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        out.extend_from_slice(chunk.invalid());
    }
}

/// The ASCII digit that stands for a digit of another script.
fn digit(char: char) -> Option<u8> {
    let code = u32::from(char);
    let zero = ZEROS[..ZEROS.partition_point(|&zero| zero <= code)].last()?;
    let value = u8::try_from(code - zero).ok().filter(|value| *value < 10)?;
    Some(b'0' + value)
}

/// `text` without the brackets or quotes around it.
pub fn unwrapped(mut text: &[u8]) -> &[u8] {
    for _ in 0..PAIRS {
        let [open, inner @ .., close] = text else { break };
        let pair = matches!(
            (open, close),
            (b'[', b']') | (b'{', b'}') | (b'(', b')') | (b'"', b'"') | (b'\'', b'\'')
        );
        // Of `"a","b"` neither quote belongs to the other.
        if !pair || inner.is_empty() || (open == close && inner.contains(open)) {
            break;
        }
        text = bare(inner);
    }
    text
}

/// Marks that follow no number in names: what PHP, JavaScript and MySQL read as a number ends there, and to some servers
/// parameters begin.
const MARKS: &[u8] = b";'\"!$^|<>()*`=&\\#";

/// What parts the elements of a list: servers split at any of them (`pipeDelimited` of OpenAPI).
const SEPARATORS: &[u8] = b",;|\n";

/// The number that `text` begins with, if a mark ends it: `17` of `17;x=1` and of `17'`. Not if there is another digit
/// behind it that is no parameter's: the number that a server goes by may not be hidden behind one that it does not.
pub fn without_marks(text: &[u8]) -> &[u8] {
    let number = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (first, rest) = text.split_at(number);
    let has_number = || {
        let mut parts = rest.split(|&byte| byte == b';').filter(|part| !is_parameter(part));
        parts.any(|part| part.iter().any(u8::is_ascii_digit))
    };
    let is_marked = number > 0 && rest.first().is_some_and(|byte| MARKS.contains(byte)) && !has_number();
    if is_marked { first } else { text }
}

/// The elements of a list; what is no list is one element. A parameter behind an element (`17;x=1`) is none.
pub fn elements(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let by_blanks = is_list_by_blanks(text);
    let parts = text.split(move |byte| SEPARATORS.contains(byte) || (by_blanks && b" +".contains(byte)));
    parts.filter(|part| {
        let start = part.as_ptr().addr() - text.as_ptr().addr();
        let is_behind_semicolon = start > 0 && text[start - 1] == b';';
        !(is_behind_semicolon && is_parameter(part))
    })
}

/// Whether `part`, behind a semicolon, is a name with a value, and not an element that ends in padding (`MTc=`).
pub fn is_parameter(part: &[u8]) -> bool {
    let equals = memchr::memchr(b'=', part).filter(|&at| at > 0);
    equals.is_some_and(|at| part[at..].iter().any(|&byte| byte != b'='))
}

/// Numbers in a list by blanks: more of them than a telephone number has groups, or more digits (E.164).
fn is_list_by_blanks(text: &[u8]) -> bool {
    let mut numbers = 0;
    let mut digits = 0;
    for part in text.split(|byte| b" +".contains(byte)).filter(|part| !part.is_empty()) {
        if !part.iter().all(u8::is_ascii_digit) {
            return false;
        }
        numbers += 1;
        digits += part.len();
    }
    numbers > 1 && (numbers > 5 || digits > 15)
}

/// Undoes percent-encoding that is left in `text`, into `buffer`; gives `text` if there is none.
pub fn decoded<'a>(text: &'a [u8], buffer: &'a mut Vec<u8>) -> &'a [u8] {
    if !is_encoded(text) {
        return text;
    }
    buffer.clear();
    percent::decode(text, buffer);
    for _ in 1..ROUNDS {
        if !is_encoded(buffer) {
            break;
        }
        let again = std::mem::take(buffer);
        percent::decode(&again, buffer);
    }
    buffer
}

/// Whether some octet of `text` is percent-encoded.
pub fn is_encoded(text: &[u8]) -> bool {
    let Some(first) = memchr::memchr(b'%', text) else { return false };
    let is_escape =
        |octets: &[u8]| octets[0] == b'%' && octets[1].is_ascii_hexdigit() && octets[2].is_ascii_hexdigit();
    text[first..].windows(3).any(is_escape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_servers_take_off_is_off() {
        for (text, expected) in [
            ("17", "17"),
            (" \t17\r\n", "17"),
            ("\u{a0}\u{3000}17\u{feff}\u{2009}", "17"),
            ("17\0", "17"),
            ("\0\x0117\0x", "17"),
            ("a b", "a b"),
            ("", ""),
            (" ", ""),
            ("é", "é"),
        ] {
            assert_eq!(bare(text.as_bytes()), expected.as_bytes(), "{text:?}");
        }
    }

    #[test]
    fn brackets_and_quotes_come_in_pairs() {
        for (text, expected) in [
            ("[17]", "17"),
            ("[ \"17\" ]", "17"),
            ("'17'", "17"),
            ("{x}", "x"),
            ("[\"1\",\"2\"]", "\"1\",\"2\""),
            ("[]", "[]"),
            ("[17", "[17"),
            ("[", "["),
            ("\"", "\""),
            ("[17}", "[17}"),
        ] {
            assert_eq!(unwrapped(text.as_bytes()), expected.as_bytes(), "{text}");
        }
    }

    #[test]
    fn a_number_ends_at_a_mark() {
        for (text, expected) in [
            ("17;x=1", "17"),
            ("17'", "17"),
            ("17#x", "17"),
            ("17", "17"),
            ("17a", "17a"),
            ("17 a", "17 a"),
            (";", ";"),
            ("1'17", "1'17"),
            ("1*17", "1*17"),
        ] {
            assert_eq!(without_marks(text.as_bytes()), expected.as_bytes(), "{text}");
        }
    }

    #[test]
    fn lists_are_parted_at_every_sign_that_servers_part_them_at() {
        for (text, expected) in [
            ("17", &["17"][..]),
            ("1,2", &["1", "2"]),
            ("1|2|3", &["1", "2", "3"]),
            ("1;2", &["1", "2"]),
            ("1\n2", &["1", "2"]),
            ("17;x=1", &["17"]),
            ("x=1", &["x=1"]),
            ("MTc=;MTg=|MTk=", &["MTc=", "MTg=", "MTk="]),
            ("a b", &["a b"]),
            ("0161 496 0123", &["0161 496 0123"]),
            ("1 2 3 4 5 6", &["1", "2", "3", "4", "5", "6"]),
            ("10000001+10000002", &["10000001", "10000002"]),
        ] {
            let found: Vec<_> = elements(text.as_bytes()).map(|one| String::from_utf8_lossy(one)).collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn a_digit_is_a_digit_in_every_script() {
        for text in ["17", "\u{ff11}\u{ff17}", "\u{661}\u{667}", "\u{967}7", "\u{1d7cf}\u{1d7d5}"] {
            let mut out = Vec::new();
            fold_digits(text.as_bytes(), &mut out);
            assert_eq!(out, b"17", "{text}");
        }
        let mut out = Vec::new();
        fold_digits(b"caf\xc3\xa9 \xff\xc2\xbd", &mut out);
        assert_eq!(out, b"caf\xc3\xa9 \xff\xc2\xbd");
    }

    #[test]
    fn what_is_left_of_percent_encoding_is_undone() {
        let mut buffer = Vec::new();
        for (text, expected) in
            [("17", "17"), ("%31%37", "17"), ("%2531%25%33%37", "17"), ("100%", "100%"), ("5%zz", "5%zz")]
        {
            assert_eq!(decoded(text.as_bytes(), &mut buffer), expected.as_bytes(), "{text}");
        }
    }
}
