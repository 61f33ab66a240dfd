//! JSON: what serde_json takes comes out the same, a cut gives the first tokens, and members are found.

#![no_main]

use std::fmt;

use libfuzzer_sys::fuzz_target;
use rollcall_fuzz::seeds;
use rollcall_model::json::{self, End, Scanner, Text, Token, Value};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

const SEEDS: [&str; 8] = [
    r#"{"customer":{"id":17,"tags":["a","b"],"note":null},"ok":true}"#,
    r#"[1,-2.5e3,0.1E-7,"\u00e9\ud83d\ude00\n\\\"",[],{}]"#,
    "\u{feff}{\"a\":[NaN,-Infinity,+1,.5,],}",
    r#"{"a":1,"a":2,"\u0061":"3"}"#,
    r#"{"query":"query($id:ID!){customer(id:$id){name}}","variables":{"id":"7"}}"#,
    "[[[[[[[[[[[[[[[[{\"x\":[[[[[[[[",
    "\"lone\"",
    "12",
];
const WORDS: [&str; 14] = [
    "true",
    "false",
    "null",
    "NaN",
    "Infinity",
    "\\u0061",
    "\\ud83d\\ude00",
    "\\u{",
    "1e5",
    "\u{feff}",
    "\":\"",
    "\":{\"",
    "],[",
    "},{",
];

/// What a value is made of, in the order of the text.
#[derive(Debug, PartialEq)]
enum Part {
    Begin,
    End,
    Key(String),
    Text(String),
    Number(f64),
    Other,
}

#[derive(Default)]
struct Parts(Vec<Part>);

impl<'de> Deserialize<'de> for Parts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Parts, D::Error> {
        deserializer.deserialize_any(Visit)
    }
}

struct Visit;

fn one<E>(part: Part) -> Result<Parts, E> {
    Ok(Parts(vec![part]))
}

impl<'de> Visitor<'de> for Visit {
    type Value = Parts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Parts, E> {
        one(Part::Other)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Parts, E> {
        one(Part::Other)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Parts, E> {
        one(Part::Number(number as f64))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Parts, E> {
        one(Part::Number(number as f64))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Parts, E> {
        one(Part::Number(number))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Parts, E> {
        one(Part::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Parts, A::Error> {
        let mut parts = vec![Part::Begin];
        while let Some(Parts(element)) = all.next_element()? {
            parts.extend(element);
        }
        parts.push(Part::End);
        Ok(Parts(parts))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut all: A) -> Result<Parts, A::Error> {
        let mut parts = vec![Part::Begin];
        while let Some((key, Parts(value))) = all.next_entry::<String, Parts>()? {
            parts.push(Part::Key(key));
            parts.extend(value);
        }
        parts.push(Part::End);
        Ok(Parts(parts))
    }
}

fn decoded(text: Text<'_>) -> String {
    let mut octets = Vec::new();
    text.decode_into(&mut octets);
    let decoded = String::from_utf8(octets).expect("serde_json took it for UTF-8");
    assert!(text.is(&decoded));
    assert!(text.plain().is_none_or(|plain| plain == decoded.as_bytes()));
    decoded
}

fn parts(tokens: &[Token<'_>]) -> Vec<Part> {
    let part = |token: &Token<'_>| match *token {
        Token::BeginObject | Token::BeginArray => Part::Begin,
        Token::EndObject | Token::EndArray => Part::End,
        Token::Key(text) => Part::Key(decoded(text)),
        Token::String(text) => Part::Text(decoded(text)),
        Token::Number(number) => Part::Number(
            std::str::from_utf8(number).unwrap().parse().expect("serde_json took it for a number"),
        ),
        Token::Other(_) => Part::Other,
    };
    tokens.iter().map(part).collect()
}

/// Both read decimal digits, and may differ in the last of them.
fn alike(ours: &[Part], theirs: &[Part]) -> bool {
    ours.len() == theirs.len()
        && ours.iter().zip(theirs).all(|pair| match pair {
            (Part::Number(a), Part::Number(b)) => a == b || ((a - b) / b).abs() < 1e-12,
            (a, b) => a == b,
        })
}

fuzz_target!(init: seeds::offer(&SEEDS, &WORDS), |data: &[u8]| {
    let mut text = data.to_vec();
    // The end of a number shows by what follows.
    text.push(b'\n');
    let mut scanner = Scanner::new(&text);
    let tokens: Vec<Token<'_>> = scanner.by_ref().collect();
    let end = scanner.end();
    assert!(tokens.len() <= text.len());
    if let Ok(Parts(theirs)) = serde_json::from_slice::<Parts>(&text) {
        assert_eq!(end, End::Whole);
        let ours = parts(&tokens);
        assert!(alike(&ours, &theirs), "{ours:?} {theirs:?}");
        members(&text, &ours);
    }
    if end == End::Whole {
        assert_eq!(scanner.depth(), 0);
    }
    // Cuts: a few, spread over the text.
    let step = (text.len() / 16).max(1);
    for cut in (0..text.len()).step_by(step) {
        let mut scanner = Scanner::new(&text[..cut]);
        let mut part: Vec<Token<'_>> = scanner.by_ref().collect();
        // `null` may be the beginning of a word that is none.
        part.pop_if(|last| matches!(last, Token::Other(_)));
        assert!(tokens.starts_with(&part));
        assert!(scanner.end() != End::Whole || !part.is_empty() || !text.is_empty());
    }
    let mut buffer = Vec::new();
    for token in &tokens {
        if let Token::Key(text) | Token::String(text) = token {
            buffer.clear();
            text.decode_into(&mut buffer);
            // An escape of two octets may stand for U+FFFD, which takes three.
            assert!(buffer.len() <= 2 * text.raw().len());
        }
    }
});

/// `member` finds the last of the members of the outermost object.
fn members(text: &[u8], parts: &[Part]) {
    let mut depth = 0;
    let mut key = None;
    let mut last: Option<(&str, Option<&Part>)> = None;
    let Some(name) = parts.iter().find_map(|part| if let Part::Key(key) = part { Some(key) } else { None })
    else {
        return;
    };
    if !matches!(text.trim_ascii_start().first(), Some(b'{')) {
        return;
    }
    for part in parts {
        match part {
            Part::Begin => depth += 1,
            Part::End => depth -= 1,
            Part::Key(name) if depth == 1 => key = Some(name),
            Part::Key(_) => {}
            _ => {}
        }
        if !matches!(part, Part::Key(_)) && key.is_some_and(|key| key == name) {
            let scalar = matches!(part, Part::Text(_) | Part::Number(_)).then_some(part);
            last = Some((name, scalar));
            key = None;
        }
    }
    let found = json::member(text, name);
    match (last, found) {
        (Some((_, Some(Part::Text(text)))), Some(Value::String(found))) => assert_eq!(*text, decoded(found)),
        (Some((_, Some(Part::Number(_)))), Some(Value::Number(_))) => {}
        (Some((_, None)), None) => {}
        (wanted, found) => panic!("{wanted:?} {found:?}"),
    }
}
