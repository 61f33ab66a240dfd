//! Objects in the query: the values of parameters whose names are those of identifiers.

use std::ops::Range;

use super::{next_octet, push_canonical, push_object, push_plain};

/// Names of accounts and of what leads to one, in lower case.
const NAMES: [&str; 29] = [
    "id",
    "ids",
    "uid",
    "uuid",
    "guid",
    "user",
    "userid",
    "username",
    "login",
    "account",
    "accountid",
    "acct",
    "customer",
    "customerid",
    "member",
    "memberid",
    "subscriber",
    "patient",
    "patientid",
    "msisdn",
    "imsi",
    "iccid",
    "phone",
    "mobile",
    "email",
    "mail",
    "ssn",
    "iban",
    "orderid",
];

/// What comes before `_id` in names that mark calls, visits and applications rather than accounts: their
/// values may all differ without anybody having been read.
const EXCEPT: [&str; 22] = [
    "request",
    "req",
    "trace",
    "span",
    "correlation",
    "session",
    "visit",
    "visitor",
    "event",
    "message",
    "transaction",
    "txn",
    "client",
    "app",
    "application",
    "api",
    "device",
    "utm",
    "tracking",
    "click",
    "campaign",
    "page",
];

/// What parts words in names.
const SEPARATORS: [char; 3] = ['_', '-', '.'];

/// Objects in one query that are brought in order. Far above real use; more are left as they came, so that
/// nobody makes us sort thousands, and still count, so that nobody hides one behind others.
const MAX_SORTED: usize = 64;

/// The longest parameter name that is looked at.
const MAX_NAME: usize = 64;

/// A parser of queries with its buffers.
#[derive(Debug, Default)]
pub struct Query {
    name: String,
    text: String,
    /// Name and value of each parameter found, inside `text`.
    found: Vec<(Range<usize>, Range<usize>)>,
}

impl Query {
    /// Appends the objects in `query` to `object`, by name, so that the order of parameters does not matter.
    pub fn parse(&mut self, query: &[u8], object: &mut String) {
        if query.is_empty() {
            return;
        }
        self.text.clear();
        self.found.clear();
        for parameter in query.split(|byte| b"&;".contains(byte)) {
            self.parameter(parameter);
        }
        let text = &self.text;
        if self.found.len() <= MAX_SORTED {
            self.found.sort_by(|(a, _), (b, _)| text[a.clone()].cmp(&text[b.clone()]));
        }
        for (_, value) in &self.found {
            push_object(object, &text[value.clone()]);
        }
    }

    fn parameter(&mut self, parameter: &[u8]) {
        let Some(equals) = memchr::memchr(b'=', parameter) else { return };
        let (mut name, mut value) = (&parameter[..equals], &parameter[equals + 1..]);
        self.name.clear();
        loop {
            push_plain(&mut self.name, &mut name);
            if self.name.len() > MAX_NAME {
                return;
            }
            let Some((octet, _)) = next_octet(&mut name) else { break };
            push_canonical(&mut self.name, octet, b"%");
        }
        if value.is_empty() || !is_object_name(&self.name) {
            return;
        }
        let start = self.text.len();
        self.name.bytes().for_each(|byte| self.text.push(char::from(byte.to_ascii_lowercase())));
        let middle = self.text.len();
        loop {
            push_plain(&mut self.text, &mut value);
            let Some((octet, _)) = next_octet(&mut value) else { break };
            push_canonical(&mut self.text, octet, b"%");
        }
        self.found.push((start..middle, middle..self.text.len()));
    }
}

/// Whether a parameter called `name` holds an object: one of [`NAMES`], or `…_id`, `…-id`, `…Id` and `…ID`
/// but for [`EXCEPT`], or the same with `[]` behind it or inside brackets (`filter[id]`).
fn is_object_name(name: &str) -> bool {
    let name = name.strip_suffix("[]").unwrap_or(name);
    let name = match name.strip_suffix(']').and_then(|name| name.rsplit_once('[')) {
        Some((_, inner)) => inner,
        None => name,
    };
    if NAMES.iter().any(|known| known.eq_ignore_ascii_case(name)) {
        return true;
    }
    let Some(stem) = id_stem(name) else { return false };
    let word = stem.trim_end_matches(SEPARATORS).rsplit(SEPARATORS).next().unwrap_or(stem);
    // Names are ASCII here, so that any place in them is the border of a character.
    let last = |length: usize| word.len().checked_sub(length).map_or("", |at| &word[at..]);
    !EXCEPT.iter().any(|except| last(except.len()).eq_ignore_ascii_case(except))
}

/// What stands before an ending that means identifier: `customer` of `customer_id` and of `customerId`.
fn id_stem(name: &str) -> Option<&str> {
    let stem = ["_id", "-id", ".id", "_ID", "-ID", "Id", "ID", "_uuid", "Uuid", "_no", "_number", "Number"]
        .into_iter()
        .find_map(|ending| name.strip_suffix(ending))?;
    (!stem.is_empty()).then_some(stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(query: &str) -> String {
        let mut object = String::new();
        Query::default().parse(query.as_bytes(), &mut object);
        object
    }

    #[test]
    fn parameters_with_names_of_identifiers_are_objects() {
        for (query, expected) in [
            ("id=7", "7"),
            ("ID=7", "7"),
            ("%69d=%37", "7"),
            ("x=1&customer_id=7&page=3", "7"),
            ("customerId=7", "7"),
            ("userID=7", "7"),
            ("account-id=7", "7"),
            ("msisdn=%2B12025550143", "+12025550143"),
            ("email=a%40example.org", "a@example.org"),
            ("uuid=550E8400-E29B-41D4-A716-446655440000", "550e8400-e29b-41d4-a716-446655440000"),
            ("filter[id]=7", "7"),
            ("ids[]=7", "7"),
            ("b_id=2&a_id=1", "1/2"),
            ("a_id=1&b_id=2", "1/2"),
            ("id=7&id=8", "7/8"),
        ] {
            assert_eq!(object(query), expected, "{query}");
        }
    }

    #[test]
    fn other_parameters_are_not() {
        for query in [
            "",
            "&",
            "=",
            "id",
            "id=",
            "page=2",
            "q=42",
            "paid=1",
            "grid=2",
            "void=3",
            "request_id=5",
            "requestId=5",
            "x_trace_id=5",
            "session_id=5",
            "Session_Id=5",
            "client_id=5",
            "utm_id=5",
            "_=1700000000",
        ] {
            assert_eq!(object(query), "", "{query}");
        }
    }

    #[test]
    fn nothing_hides_behind_other_parameters() {
        assert_eq!(object(&format!("{}id=1", "a=b&".repeat(3000))), "1");
        assert!(object(&format!("{}id=7", "id=1&".repeat(3000))).ends_with("/1/7"));
    }
}
