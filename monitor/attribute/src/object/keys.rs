//! Keys in brackets behind the name of a set, as OData writes them: `Customers(1017)`, `Customers('ALFKI')`,
//! `Orders(OrderID=10248,ProductID=11)`, `Customers(guid'…')`.

use super::{identifier, moment};

/// Keys of one set that are told apart.
const MOST: usize = 16;

/// Where the keys stand in `segment` of a canonical path, if it has any: between the brackets.
pub(super) fn find(segment: &str) -> Option<std::ops::Range<usize>> {
    let inner = segment.strip_suffix(')')?;
    let open = memchr::memchr(b'(', inner.as_bytes())?;
    let (name, keys) = (&inner[..open], &inner[open + 1..]);
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    // `Mercury_(planet)` is a title.
    let is_name = name.bytes().next().is_some_and(is_letter)
        && name.bytes().all(|byte| is_letter(byte) || byte.is_ascii_digit() || byte == b'.')
        && name.bytes().last().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let is_bare_word = || !keys.bytes().any(|byte| byte.is_ascii_digit() || b"'=\"".contains(&byte));
    (is_name && !keys.is_empty() && !is_bare_word()).then_some(open + 1..inner.len())
}

/// The keys, ordered by name, each as it would stand in a path. What says where or when rather than who is left out.
pub fn each(keys: &str, mut key: impl FnMut(&str)) {
    let mut found: Vec<(String, String)> = Vec::new();
    for part in parts(keys) {
        let (name, value) = match part.split_once('=').filter(|(name, _)| !name.contains('\'')) {
            Some((name, value)) => (bare(name).to_ascii_lowercase(), value),
            None => (String::new(), part),
        };
        if let Some(value) = plain(value)
            && found.len() < MOST
        {
            found.push((name, value));
        }
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    found.iter().for_each(|(_, value)| key(value));
}

/// Whether any of the keys tells who.
pub(super) fn any(keys: &str) -> bool {
    let mut any = false;
    each(keys, |_| any = true);
    any
}

/// The parts of a list with commas, but for those in quotes.
fn parts(keys: &str) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    keys.split(move |letter| {
        is_quoted ^= letter == '\'';
        letter == ',' && !is_quoted
    })
}

/// Without the blanks around it, which are encoded in canonical paths.
fn bare(mut text: &str) -> &str {
    while let Some(rest) = text.strip_prefix("%20").or_else(|| text.strip_suffix("%20")) {
        text = rest;
    }
    text
}

/// The value of a key without quotes and the name of its type: `1017L`, `guid'…'`.
fn plain(value: &str) -> Option<String> {
    let value = bare(value);
    let quote = value.find(['\'', '"']);
    if let Some(quote) = quote {
        let text = value[quote + 1..].trim_end_matches(['\'', '"']);
        let kind = &value[..quote];
        if kind.to_ascii_lowercase().contains("date") || kind.to_ascii_lowercase().contains("time") {
            return None;
        }
        // A quote is doubled in quotes, and commas part lists elsewhere.
        return (!text.is_empty()).then(|| text.replace("''", "'").replace(',', "%2C"));
    }
    let digits = value.strip_suffix(['L', 'l']).unwrap_or(value);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(digits.to_owned());
    }
    let is_nobodys = moment::find(value.as_bytes()).is_some()
        || matches!(value, "true" | "false" | "null" | "")
        || value.starts_with('@')
        || !identifier::is_identifier(value);
    (!is_nobodys).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(segment: &str) -> Option<Vec<String>> {
        let range = find(segment)?;
        let mut found = Vec::new();
        each(&segment[range], |key| found.push(key.to_owned()));
        Some(found)
    }

    #[test]
    fn keys_stand_in_brackets() {
        let uuid = "550e8400-e29b-41d4-a716-446655440000";
        for (segment, expected) in [
            ("Customers(1017)", &["1017"][..]),
            ("Customers('ALFKI')", &["ALFKI"]),
            ("Customers(ID='ALFKI')", &["ALFKI"]),
            ("Customers(1017L)", &["1017"]),
            ("Orders(OrderID=10248,ProductID=11)", &["10248", "11"]),
            ("Orders(ProductID=11,OrderID=10248)", &["10248", "11"]),
            ("Orders(ProductID=11,%20OrderID=10248)", &["10248", "11"]),
            ("Customers('O''Neil,%20J')", &["O'Neil%2C%20J"]),
            (&format!("Customers({uuid})"), &[uuid]),
            (&format!("Customers(guid'{uuid}')"), &[uuid]),
            ("Default.GetAt(time=datetime'2024-05-01T00:00:00')", &[]),
            ("A_Order(SalesOrder='17',IsActiveEntity=true)", &["17"]),
            ("GetNear(lat=48.8566,lon=2.3522)", &[]),
        ] {
            assert_eq!(
                keys(segment).as_deref(),
                Some(&expected.iter().map(|&key| key.to_owned()).collect::<Vec<_>>()[..]),
                "{segment}"
            );
        }
        for segment in
            ["Mercury_(planet)", "Film_(1984)", "(marketing)", "f()", "f(x)", "(17)", "f(17", "1(17)", ""]
        {
            assert_eq!(keys(segment), None, "{segment}");
        }
    }
}
