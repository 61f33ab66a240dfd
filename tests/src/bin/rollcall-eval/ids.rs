//! What the identifiers of accounts look like.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::call::scattered;

/// Accounts that there are when a scenario begins.
pub(crate) const ACCOUNTS: u64 = 37_000_000;

/// The first account's number.
const FIRST: u64 = 1_000_000;

/// The first account was made in January 2016; one follows the other some 9 s apart, ten years long.
const FIRST_MADE_MS: u64 = 1_452_000_000_000;
const APART_MS: u64 = 9_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Ids {
    /// Numbers of 7 or 8 digits, one after the other.
    Sequential,
    /// Random UUIDs (version 4).
    Uuid,
    /// Numbers with a check digit at the end: some ten apart.
    CheckDigit,
    /// UUIDs of which the first 48 bits are the time (version 7).
    TimeOrdered,
}

impl Ids {
    pub(crate) const ALL: [Ids; 4] = [Ids::Sequential, Ids::Uuid, Ids::CheckDigit, Ids::TimeOrdered];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Ids::Sequential => "numbers",
            Ids::Uuid => "random UUIDs",
            Ids::CheckDigit => "numbers with a check digit",
            Ids::TimeOrdered => "time-ordered UUIDs",
        }
    }

    /// Appends the identifier of the account with this number.
    pub(crate) fn push(self, text: &mut String, account: u64) {
        // Writing to a String does not fail.
        let _ = match self {
            Ids::Sequential => write!(text, "{}", FIRST + account),
            Ids::CheckDigit => write!(text, "{}{}", FIRST + account, check_digit(FIRST + account)),
            Ids::Uuid => write!(text, "{}", uuid(scattered(account), 4)),
            Ids::TimeOrdered => {
                let random = scattered(account);
                let made = FIRST_MADE_MS + account * APART_MS + (random >> 100) as u64 % APART_MS;
                write!(text, "{}", uuid(u128::from(made) << 80 | random & (u128::MAX >> 48), 7))
            }
        };
    }
}

/// The hyphenated form, with version and variant as RFC 9562 has them.
fn uuid(bits: u128, version: u128) -> String {
    let bits = bits & !(0xf << 76) | version << 76;
    let bits = bits & !(0b11 << 62) | 0b10 << 62;
    let part = |shift: u32, digits: u32| (bits >> shift) & (u128::MAX >> (128 - 4 * digits));
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        part(96, 8),
        part(80, 4),
        part(64, 4),
        part(48, 4),
        part(0, 12)
    )
}

/// Luhn's (ISO/IEC 7812-1).
fn check_digit(mut number: u64) -> u64 {
    let mut sum = 0;
    let mut double = true;
    while number > 0 {
        let digit = number % 10 * if double { 2 } else { 1 };
        sum += digit / 10 + digit % 10;
        double = !double;
        number /= 10;
    }
    (10 - sum % 10) % 10
}

#[cfg(test)]
mod tests {
    use rollcall_attribute::object::identifier;

    use super::*;

    fn text(ids: Ids, account: u64) -> String {
        let mut text = String::new();
        ids.push(&mut text, account);
        text
    }

    #[test]
    fn identifiers_have_the_form_that_they_are_to_have() {
        assert_eq!(text(Ids::Sequential, 0), "1000000");
        assert_eq!(text(Ids::Sequential, ACCOUNTS - 1).len(), 8);
        assert_eq!(check_digit(7_992_739_871), 3);
        let uuid = text(Ids::Uuid, 5);
        assert_eq!((identifier::is_uuid(&uuid), &uuid[14..15]), (true, "4"));
        let [a, b] = [5, 6].map(|account| text(Ids::TimeOrdered, account));
        assert!(a < b && &a[14..15] == "7" && a[..8] <= b[..8], "{a} {b}");
    }
}
