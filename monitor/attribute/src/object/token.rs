//! Random tokens: told from words by what stands beside what.
//!
//! In words few pairs of letters make up nearly all that there is, letters and digits keep apart, and capitals begin words. In
//! what a generator draws from an alphabet any pair is as likely as any other. Each pair of neighbours speaks for the one
//! or the other, as a log-likelihood ratio in tenths; what they say together decides.

/// For each letter those that follow it in words: the 380 pairs that make up 97 % of the words in public API descriptions,
/// programs, and names of people of many languages. Of all 676 pairs they are 56 %.
const FOLLOWERS: [&str; 26] = [
    "abcdfgiklmnprstuvwxy",
    "abcdeijlmoprstuy",
    "acdefhiklmnoprstuy",
    "abcdefgilmnoprstuy",
    "abcdefghiklmnopqrstuvwxy",
    "abcdefilmoprstuy",
    "aceghilmnorstu",
    "adeilmorstuy",
    "abcdefgklmnoprstuvxz",
    "aeou",
    "aeilosu",
    "abcdefgilmnoprstuvy",
    "abcdeilmnopstu",
    "abcdefghiklmnoprstuvy",
    "abcdefgijklmnoprstuvwx",
    "acdefhilmnoprstuvy",
    "u",
    "abcdefgiklmnoprstuvwy",
    "abcdefghiklmnopqrstuvwy",
    "abcdefghilmnoprstuvwy",
    "abcdefgilmnoprst",
    "aeios",
    "aehinors",
    "aceimpt",
    "aceilmnoprst",
    "aei",
];

/// A bit for each follower.
const TABLE: [u32; 26] = {
    let mut table = [0; 26];
    let mut letter = 0;
    while letter < 26 {
        let followers = FOLLOWERS[letter].as_bytes();
        let mut at = 0;
        while at < followers.len() {
            table[letter] |= 1 << (followers[at] - b'a');
            at += 1;
        }
        letter += 1;
    }
    table
};

/// What two letters say that follow each other in words: ln(0.56 / 0.97), and 0.1 for there being many.
const USUAL: i32 = -4;
/// Two letters that do not: ln(0.44 / 0.026).
const UNUSUAL: i32 = 28;
/// A capital behind a small letter begins a word of `camelCase` nearly as often as it is drawn.
const CAPITAL: i32 = 2;
/// A letter beside a digit.
const TURN: i32 = 16;
/// A digit between letters, and a small letter between digits and capitals.
const LONE_DIGIT: i32 = 10;
const LONE_LETTER: i32 = 18;
/// What parts words.
const SEPARATOR: i32 = -5;

/// Of 14,499 words of eight letters and more in public API descriptions 8 reach this and are no tokens; of tokens of 11
/// characters drawn from 64 it takes 91 %, of 21 characters 99 %.
const CERTAIN: i32 = 50;

/// Words speak the more against it the longer they are.
const LONG: usize = 20;
const CERTAIN_IF_LONG: i32 = 35;

/// Shorter ones say too little.
const SHORTEST: usize = 8;

/// And what has no digit in it says less than that: most words are shorter.
pub const SHORTEST_WORD: usize = 10;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Small,
    Capital,
    Digit,
    Other,
}

/// Whether `bytes` are drawn from an alphabet rather than words: base 62, base64url, base 36, base 32.
pub(super) fn is_random(bytes: &[u8]) -> bool {
    let end = bytes.iter().rposition(|&byte| byte != b'=').map_or(0, |last| last + 1);
    let body = &bytes[..end];
    // `v1beta1`, `v1p3beta1` are versions of APIs.
    let is_version = matches!(body, [b'v' | b'V', b'0'..=b'9', ..]) && body.len() < 12;
    body.len() >= SHORTEST
        && !is_version
        && body.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_+".contains(byte))
        && score(body) >= if body.len() >= LONG { CERTAIN_IF_LONG } else { CERTAIN }
}

/// What all pairs of neighbours say together: above nought for a token.
pub(super) fn score(body: &[u8]) -> i32 {
    let mut score = 0;
    let mut before = Kind::Other;
    for (at, [a, b]) in body.array_windows().enumerate() {
        let (this, next) = (kind(*a), kind(*b));
        score += match (this, next) {
            (Kind::Other, _) | (_, Kind::Other) => SEPARATOR,
            (Kind::Small, Kind::Capital) => CAPITAL,
            (Kind::Digit, Kind::Digit) => 0,
            (Kind::Digit, _) | (_, Kind::Digit) => TURN,
            _ if follows(*a, *b) => USUAL,
            _ => UNUSUAL,
        };
        let is_letter = |kind| matches!(kind, Kind::Small | Kind::Capital);
        let is_apart = |kind| matches!(kind, Kind::Digit | Kind::Capital);
        if at > 0 && this == Kind::Digit && is_letter(before) && is_letter(next) {
            score += LONE_DIGIT;
        }
        if at > 0 && this == Kind::Small && is_apart(before) && is_apart(next) {
            score += LONE_LETTER;
        }
        before = this;
    }
    score
}

fn kind(byte: u8) -> Kind {
    match byte {
        b'a'..=b'z' => Kind::Small,
        b'A'..=b'Z' => Kind::Capital,
        b'0'..=b'9' => Kind::Digit,
        _ => Kind::Other,
    }
}

fn follows(a: u8, b: u8) -> bool {
    let place = |byte: u8| byte.to_ascii_lowercase() - b'a';
    TABLE[usize::from(place(a))] & 1 << place(b) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_told_from_words() {
        for token in [
            "V1StGXR8_Z5jdHi6B-myT",
            "dQw4w9WgXcQ",
            "jNQXAC9IVRw",
            "JGwWNGJdvx8",
            "e-ORhEE9VVg",
            "0ujtsYcgvSTl8PAuAdqWYSMnLOv",
            "9m4e2mr0ui3e8a215n4g",
            "cjld2cjxh0000qzrmn831i7rl",
            "qzxkvbnmwp",
            "k3j9x2m1",
            "UFbXNUWIPkYANCqA",
            "X7kPq2Lm",
        ] {
            assert!(is_random(token.as_bytes()), "{token} {}", score(token.as_bytes()));
        }
        for word in [
            "customers",
            "getCustomerProfileV2ById",
            "getUserById",
            "subscriptions",
            "v1p3beta1",
            "geschwindigkeit",
            "logstash-monitorama-2013",
            "sts-70-day-03-highlights",
            "xmlhttprequest",
            "is_supported_2fa",
            "base64url",
            "oauth2callback",
            "kibana-dashboard3",
            "wojciechowski",
            "schwarzenegger",
            "nguyen-thi-minh",
            "microsoft.graph",
            "",
        ] {
            assert!(!is_random(word.as_bytes()), "{word} {}", score(word.as_bytes()));
        }
    }
}
