//! What the values of a parameter look like: as its schema says, else as its name does.

use std::net::Ipv4Addr;

use rollcall_attribute::object::identifier;
use rollcall_tests::random::Random;
use serde_json::Value;

/// The form of a parameter's values, and how many there are where it matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Integer,
    Uuid,
    /// Hexadecimal digits, so many.
    Hex(usize),
    /// `cus_NffrFeUfNV2Hib`
    Prefixed {
        prefix: String,
        length: usize,
    },
    /// 22 characters of base64url: 16 random bytes.
    Opaque,
    Date,
    /// An address of IPv4.
    Address,
    /// `wenlu.example`: a thousand of them.
    Domain,
    /// Names that people or teams chose: a thousand of them.
    Name,
    /// Words that there are few of: branches, environments, kinds.
    Word,
    /// One of these.
    Choice(Vec<String>),
}

/// What Rollcall has to tell a value by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Its form.
    Form,
    /// That there are many, which no form gives away.
    Number,
    /// Nothing: there are few of these, as there are few words.
    Nothing,
}

/// The form of identifiers that an API's document says nothing about but that they are texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ids {
    Integer,
    Uuid,
    Opaque,
    /// Every text is an identifier with a prefix.
    Prefixed,
}

/// Names of those who own things, and of what they own.
const NAMES: [&str; 8] = ["owner", "repo", "org", "user", "username", "login", "account", "name"];

/// Different values of a parameter with [`Form::Name`], and with [`Form::Word`].
const PEOPLE: usize = 1_000;
const WORDS: usize = 40;
/// Different values of all other forms.
const MANY: usize = 20_000;

impl Form {
    /// The form of the values of the path parameter called `name`. `example` is the first there is.
    pub(super) fn of(name: &str, schema: &Value, example: Option<&str>, ids: Ids) -> Form {
        if let Some(values) = schema["enum"].as_array() {
            let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            return Form::Choice(values.iter().map(text).collect());
        }
        match (schema["type"].as_str(), schema["format"].as_str()) {
            (Some("boolean"), _) => return Form::Choice(vec!["true".to_owned(), "false".to_owned()]),
            (Some("integer" | "number"), _) => return Form::Integer,
            (_, Some("uuid")) => return Form::Uuid,
            (_, Some("date" | "date-time")) => return Form::Date,
            (_, Some("ipv4" | "ip")) => return Form::Address,
            _ => {}
        }
        let folded = name.to_ascii_lowercase();
        let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match example {
            Some(example) if is_digits(example) => return Form::Integer,
            Some(example) if identifier::is_uuid(example) => return Form::Uuid,
            Some(example) if example.parse::<Ipv4Addr>().is_ok() => return Form::Address,
            _ => {}
        }
        if ids == Ids::Prefixed {
            let prefix = folded.chars().filter(char::is_ascii_alphabetic).take(3).collect();
            // Customers and products have short ones, what came later has long ones.
            let short = ["customer", "id", "product", "person"].contains(&folded.as_str());
            return Form::Prefixed { prefix, length: if short { 14 } else { 24 } };
        }
        if folded.contains("sha") || folded.contains("digest") {
            return Form::Hex(40);
        }
        if folded.contains("uuid") || folded.contains("guid") {
            return Form::Uuid;
        }
        if folded.contains("domain") {
            return Form::Domain;
        }
        let is_id = ["id", "Id", "ID", "gid", "number", "key"].into_iter().any(|end| name.ends_with(end));
        match (is_id, ids) {
            (true, Ids::Integer) => Form::Integer,
            (true, Ids::Uuid) => Form::Uuid,
            (true, _) => Form::Opaque,
            (false, _) if NAMES.iter().any(|name| folded.ends_with(name)) => Form::Name,
            (false, _) => Form::Word,
        }
    }

    /// What its values are told by.
    pub(super) fn told(&self) -> Told {
        match self {
            Form::Choice(_) | Form::Word => Told::Nothing,
            Form::Name | Form::Domain => Told::Number,
            _ => Told::Form,
        }
    }

    /// How many different values there are.
    pub(super) fn values(&self) -> usize {
        match self {
            Form::Choice(values) => values.len().max(1),
            Form::Name | Form::Domain => PEOPLE,
            Form::Word => WORDS,
            _ => MANY,
        }
    }

    /// One of the values by its number; `seed` tells APIs and parameters apart.
    pub(super) fn value(&self, number: usize, seed: u64) -> String {
        let mut random = Random::seeded(seed ^ (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut take = |alphabet: &str, length: usize| -> String {
            let letters: Vec<char> = alphabet.chars().collect();
            (0..length).map(|_| letters[random.below(letters.len())]).collect()
        };
        match self {
            Form::Integer => format!("{}{}", take("123456789", 1), take(DIGITS, 2 + number % 7)),
            Form::Uuid => {
                let mut part = |length| take(HEX, length);
                let (a, b, c, d, e) = (part(8), part(4), part(3), part(3), part(12));
                format!("{a}-{b}-4{c}-a{d}-{e}")
            }
            Form::Hex(length) => take(HEX, *length),
            Form::Prefixed { prefix, length: 14 } => format!("{prefix}_{}", take(BASE62, 14)),
            Form::Prefixed { prefix, length } => format!("{prefix}_1{}", take(BASE62, length - 1)),
            Form::Opaque => format!("{}{}", take(BASE62, 1), take(BASE64, 21)),
            Form::Date => {
                format!("20{:02}-{:02}-{:02}", 10 + number % 15, 1 + number % 12, 1 + number % 28)
            }
            Form::Address => format!("203.0.{}.{}", number / 250 % 250, 1 + number % 250),
            Form::Domain => format!("{}.example", name(number)),
            Form::Name => name(number),
            Form::Word => word(number + 3_000),
            Form::Choice(values) => values.get(number % values.len().max(1)).cloned().unwrap_or_default(),
        }
    }
}

const DIGITS: &str = "0123456789";
const HEX: &str = "0123456789abcdef";
const BASE62: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BASE64: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";

/// A name as people choose them: some with a hyphen, some with digits behind.
fn name(number: usize) -> String {
    let name = word(number);
    match number % 10 {
        3 => format!("{name}-{}", word(number / 10)),
        6 => format!("{name}{}", number % 100),
        8 => format!("{}_dev", name),
        _ => name,
    }
}

/// A word of syllables; no two numbers have the same.
fn word(number: usize) -> String {
    const SYLLABLES: [&str; 16] = [
        "ka", "ri", "to", "mel", "sun", "or", "vin", "da", "pe", "lu", "nor", "fi", "gra", "shi", "bo", "wen",
    ];
    let mut rest = number + 16;
    let mut word = String::new();
    while rest > 0 {
        word.push_str(SYLLABLES[rest % SYLLABLES.len()]);
        rest /= SYLLABLES.len();
    }
    word
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_schema_decides_before_the_name() {
        let form = |name, schema, example| Form::of(name, &schema, example, Ids::Opaque);
        assert_eq!(form("owner", json!({"type": "integer"}), None), Form::Integer);
        assert_eq!(form("id", json!({"type": "string", "format": "uuid"}), None), Form::Uuid);
        assert_eq!(form("kind", json!({"enum": ["a", 1]}), None), Form::Choice(vec!["a".into(), "1".into()]));
        assert_eq!(form("file_id", json!({"type": "string"}), Some("12345")), Form::Integer);
        assert_eq!(form("userId", json!({"type": "string"}), None), Form::Opaque);
        assert_eq!(form("owner", json!({}), None), Form::Name);
        assert_eq!(form("branch", json!({}), None), Form::Word);
        assert_eq!(form("commit_sha", json!({}), None), Form::Hex(40));
    }

    #[test]
    fn values_are_of_their_form_and_differ() {
        for form in [Form::Integer, Form::Uuid, Form::Hex(40)] {
            assert!(identifier::is_identifier(&form.value(7, 1)), "{}", form.value(7, 1));
        }
        for form in [Form::Name, Form::Word, Form::Opaque, Form::Uuid] {
            let values: std::collections::HashSet<String> =
                (0..form.values()).map(|number| form.value(number, 1)).collect();
            assert_eq!(values.len(), form.values(), "{form:?}");
            assert_eq!(form.value(3, 1), form.value(3, 1));
        }
    }
}
