//! Parameters in the query of a target and in forms (`application/x-www-form-urlencoded`).

use rollcall_model::percent;

use super::{NAME, Reader, VALUE};
use crate::object::{
    identifier,
    names::{self, Holds},
    spelling,
};

impl Reader {
    /// Reads the parameters in `text`, parted by `&` or `;`.
    pub(super) fn parameters(&mut self, text: &[u8]) {
        let mut rest = text;
        while !rest.is_empty() && self.spend(1) {
            self.reached = text.len() - rest.len();
            let end = end(rest);
            let parameter = &rest[..end];
            rest = rest.get(end + 1..).unwrap_or_default();
            let Some(equals) = memchr::memchr(b'=', parameter) else {
                self.nameless(parameter);
                continue;
            };
            let (name, value) = (&parameter[..equals], &parameter[equals + 1..]);
            if value.is_empty() {
                continue;
            }
            if memchr::memchr(b'%', parameter).is_none() {
                self.take(name, value);
                continue;
            }
            let mut decoded = std::mem::take(&mut self.decoded);
            decoded.clear();
            percent::decode(name, &mut decoded);
            let middle = decoded.len();
            percent::decode(value, &mut decoded);
            let (name, value) = decoded.split_at(middle);
            self.take(name, value);
            self.decoded = decoded;
        }
    }

    /// A value without a name: `?17`. Not a time, which keeps pages out of caches, nor that of a file.
    fn nameless(&mut self, value: &[u8]) {
        let is_skipped = self.serves.files || self.given_only || value.is_empty() || is_time(value);
        if is_skipped || !self.spend(VALUE) {
            return;
        }
        let mut decoded = Vec::new();
        let value = spelling::decoded(value, &mut decoded);
        if std::str::from_utf8(value).is_ok_and(identifier::is_identifier) {
            self.parameters.object(b"", value);
        }
    }

    /// A condition in a parameter: `id eq 17` (OData), `id==17` (RSQL), `id:17` (Lucene), `(id.eq.17,id.eq.18)` (PostgREST), `id=17`
    /// (SQL), `userName eq "anna"` (SCIM). What follows a name that holds objects, and an operator, is one if there is a digit in
    /// it, it is an address, or it stands in quotes.
    fn condition(&mut self, text: &[u8]) {
        let is_quote = |byte: &u8| b"'\"".contains(byte);
        let has_value = |text: &[u8]| text.iter().any(|byte| byte.is_ascii_digit() || b"@'\"".contains(byte));
        let may_be_value = |word: &[u8]| {
            let before = (word.as_ptr().addr() - text.as_ptr().addr()).checked_sub(1);
            has_value(word) || before.is_some_and(|before| is_quote(&text[before]))
        };
        let is_long = !(4..=LONGEST_CONDITION).contains(&text.len());
        // Nobody writes one in several lines; forms in parts have them.
        if is_long || memchr::memchr(b'\n', text).is_some() || !has_value(text) {
            return;
        }
        let is_word =
            |byte: &u8| byte.is_ascii_alphanumeric() || !byte.is_ascii() || b"_-.@$%".contains(byte);
        let mut name = None;
        for word in text.split(|byte| !is_word(byte)).filter(|word| !word.is_empty()) {
            let mut parts = word.splitn(3, |&byte| byte == b'.');
            if let (Some(of), Some(operator), Some(value)) = (parts.next(), parts.next(), parts.next())
                && names::is_operator(operator)
            {
                if self.holds_object(of) {
                    self.parameters.object(of, value);
                }
            } else if let Some(name) = name.filter(|_| may_be_value(word)) {
                self.parameters.object(name, word);
            } else if !(name.is_some() && names::is_operator(word)) {
                name = Some(word).filter(|word| self.holds_object(word));
            }
            if self.is_spent() {
                return;
            }
        }
    }

    fn holds_object(&mut self, name: &[u8]) -> bool {
        self.spend(NAME) && self.names.judge(name, self.given_only) == Holds::Object
    }

    /// What stands beside path and query, decoded: parameters of segments (`;id=17`), and what some servers take for more of
    /// the path or the query although it follows a `#`. With `named` only what has a name.
    pub fn asides(&mut self, text: &[u8], named: bool) {
        for part in text.split(|byte| b"&;/?#".contains(byte)) {
            if !self.spend(1) {
                return self.parameters.rest(text);
            }
            if !named || part.contains(&b'=') {
                self.aside(part);
            }
        }
    }

    fn aside(&mut self, part: &[u8]) {
        match memchr::memchr(b'=', part) {
            Some(equals) if equals + 1 < part.len() => self.take(&part[..equals], &part[equals + 1..]),
            Some(_) => {}
            None => self.nameless(part),
        }
    }

    /// A parameter as it is meant.
    pub(super) fn take(&mut self, name: &[u8], value: &[u8]) {
        if self.serves.graphql {
            match name {
                // Read by what they are already.
                b"query" | b"variables" | b"operationName" | b"extensions" => return,
                // A call with files: the rest of it is in this field.
                b"operations" => {
                    self.json(value);
                    return;
                }
                _ => {}
            }
        }
        if !self.spend(NAME) {
            return;
        }
        let part = std::str::from_utf8(name).map_or("", names::innermost);
        // A name, and its value in a parameter of its own: `filters[0][field]=customer_id&filters[0][value]=17`.
        let mut holds = self.names.judge(name, self.given_only);
        match part {
            "field" => self.field_holds = self.holds_object(value),
            "value" | "values" if self.field_holds => holds = Holds::Object,
            _ => {}
        }
        match holds {
            Holds::Object | Holds::Page if !self.spend(VALUE) => {}
            Holds::Object => {
                self.parameters.object(name, value);
                // `0;id=17`, where the semicolon was encoded.
                if memchr::memchr(b';', value).is_some() {
                    let parts = value.split(|&byte| byte == b';').skip(1);
                    parts.filter(|part| spelling::is_parameter(part)).for_each(|part| self.aside(part));
                }
            }
            // From when on, rather than from where: `start=1700000000&end=1700003600`.
            Holds::Page if part.eq_ignore_ascii_case("start") && is_moment(value) => {}
            Holds::Page => self.parameters.page(name, value),
            // A document in a parameter: `filter={"where":{"id":17}}`.
            Holds::Nothing if matches!(value, [b'{', .., b'}'] | [b'[', .., b']']) => {
                self.scalars(value, usize::MAX);
            }
            Holds::Nothing => self.condition(value),
        }
    }
}

/// The longest condition that is looked at.
const LONGEST_CONDITION: usize = 1_024;

/// Whether it is a time of today in seconds or milliseconds.
pub(super) fn is_time(value: &[u8]) -> bool {
    matches!((value.len(), value.first()), (10 | 13, Some(b'1'))) && value.iter().all(u8::is_ascii_digit)
}

/// The same, also in microseconds, nanoseconds or with a fraction.
fn is_moment(value: &[u8]) -> bool {
    let end = memchr::memchr(b'.', value).unwrap_or(value.len());
    let (whole, fraction) = value.split_at(end);
    let is_fraction = fraction.is_empty() || fraction[1..].iter().all(u8::is_ascii_digit);
    let is_long = matches!((whole.len(), whole.first()), (16 | 19, Some(b'1')));
    is_fraction && (is_time(whole) || is_long && whole.iter().all(u8::is_ascii_digit))
}

/// Where the parameter ends that `text` begins with. A semicolon ends it only if another follows: `ids=1;2` is one.
fn end(text: &[u8]) -> usize {
    let mut end = memchr::memchr2(b'&', b';', text).unwrap_or(text.len());
    while text.get(end) == Some(&b';') {
        let behind = &text[end + 1..];
        let next = memchr::memchr3(b'&', b';', b'=', behind).unwrap_or(behind.len());
        if next == 0 || behind.get(next) == Some(&b'=') {
            break;
        }
        end += 1 + next;
    }
    end
}
