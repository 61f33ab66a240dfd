use proptest::{collection::vec, prelude::*};
use serde_json::{Map, Number, Value as Json};

use super::*;

/// The tokens of `text`, one word each, and how it ended.
fn tokens(text: &[u8]) -> (Vec<String>, End) {
    shown(Scanner::new(text))
}

fn shown(mut scanner: Scanner<'_>) -> (Vec<String>, End) {
    let show = |mark: &str, bytes: &[u8]| format!("{mark}{}", bytes.escape_ascii());
    let tokens = scanner
        .by_ref()
        .map(|token| match token {
            Token::BeginObject => "{".into(),
            Token::EndObject => "}".into(),
            Token::BeginArray => "[".into(),
            Token::EndArray => "]".into(),
            Token::Key(text) => show("k:", text.raw()),
            Token::String(text) => show("s:", text.raw()),
            Token::Number(digits) => show("n:", digits),
            Token::Other(word) => show("o:", word),
        })
        .collect();
    assert_eq!(scanner.next(), None, "stays at its end");
    (tokens, scanner.end())
}

#[test]
fn values_become_tokens() {
    for (text, expected, end) in [
        ("", "", End::Cut),
        ("\u{feff} \t\r\n", "", End::Cut),
        ("null", "o:null", End::Whole),
        ("\u{feff} \"a\" ", "s:a", End::Whole),
        ("7 ", "n:7", End::Whole),
        ("{}", "{ }", End::Whole),
        (" [ ] ", "[ ]", End::Whole),
        (r#"{"id":7}"#, "{ k:id n:7 }", End::Whole),
        (r#"{"a":{"b":[1,"x",{}]},"c":true}"#, "{ k:a { k:b [ n:1 s:x { } ] } k:c o:true }", End::Whole),
        ("[-1,0.5,1e9,-2.5E-3,007,+1,.5]", "[ n:-1 n:0.5 n:1e9 n:-2.5E-3 n:007 n:+1 n:.5 ]", End::Whole),
        ("[NaN,Infinity,-Infinity,false]", "[ o:NaN o:Infinity o:-Infinity o:false ]", End::Whole),
        ("[,1,,2,]", "[ n:1 n:2 ]", End::Whole),
        (r#"{,"a":1,,"b":2,}"#, "{ k:a n:1 k:b n:2 }", End::Whole),
        ("[\"a\nb\"]", "[ s:a\\nb ]", End::Whole),
        (r#"["\"","\\"]"#, r#"[ s:\\\" s:\\\\ ]"#, End::Whole),
    ] {
        assert_eq!(tokens(text.as_bytes()), (words(expected), end), "{text}");
    }
}

#[test]
fn what_is_cut_off_is_not_given() {
    for (text, expected) in [
        ("\u{feff}", ""),
        ("7", ""),
        ("tru", ""),
        ("[-", "["),
        ("[12", "["),
        (r#"["ab"#, "["),
        (r#"["ab\""#, "["),
        (r#"{"id"#, "{"),
        (r#"{"id""#, "{ k:id"),
        (r#"{"id":"#, "{ k:id"),
        (r#"{"id":7"#, "{ k:id"),
        (r#"{"id":7,"#, "{ k:id n:7"),
        (r#"{"id":"7","#, "{ k:id s:7"),
        ("[[true]", "[ [ o:true ]"),
    ] {
        assert_eq!(tokens(text.as_bytes()), (words(expected), End::Cut), "{text}");
    }
    assert_eq!(tokens(b"\xef\xbb"), (vec![], End::Cut));
}

#[test]
fn what_is_malformed_ends_the_tokens() {
    for (text, expected) in [
        ("]", ""),
        ("<html>", ""),
        ("id=7", ""),
        ("{]", "{"),
        ("[}", "["),
        ("{7:1}", "{"),
        (r#"{"a" 1}"#, "{ k:a"),
        (r#"{"a":}"#, "{ k:a"),
        (r#"{"a":,}"#, "{ k:a"),
        (r#"{"a":1 "b":2}"#, "{ k:a n:1"),
        ("[1 2]", "[ n:1"),
        ("[1:2]", "[ n:1"),
        ("['a']", "["),
        ("[//\n1]", "["),
        ("[nul]", "["),
        ("[null1]", "["),
        ("null1", ""),
        ("[-]", "["),
        ("[0x1F]", "["),
        ("[12ab", "["),
        ("{} {}", "{ }"),
        ("null,", "o:null"),
    ] {
        assert_eq!(tokens(text.as_bytes()), (words(expected), End::Malformed), "{text}");
    }
}

#[test]
fn a_lenient_one_takes_what_any_parser_does() {
    for (text, expected, end) in [
        ("{'id':'1\\'7'}", r"{ k:id s:1\\\'7 }", End::Whole),
        ("{id:17}", "{ k:id n:17 }", End::Whole),
        ("{id:x17,}", "{ k:id s:x17 }", End::Whole),
        ("/*a*/{//b\n\"id\"/**/:#c\r17}//", "{ k:id n:17 }", End::Whole),
        ("{\"id\"=17;a=>[1;2]}", "{ k:id n:17 k:a [ n:1 n:2 ] }", End::Whole),
        ("{}\n{\"id\":7}", "{ } { k:id n:7 }", End::Whole),
        ("[0x11]", "[ s:0x11 ]", End::Whole),
        ("[/", "[", End::Cut),
        ("[/*", "[", End::Cut),
        ("[a", "[", End::Cut),
        ("{a", "{", End::Cut),
        ("['a", "[", End::Cut),
        ("[/a]", "[", End::Malformed),
        ("{(}", "{", End::Malformed),
        ("[1 2]", "[ n:1", End::Malformed),
    ] {
        assert_eq!(shown(Scanner::lenient(text.as_bytes())), (words(expected), end), "{text}");
    }
}

#[test]
fn nesting_hides_nothing_behind_it() {
    for levels in [64, 65, 512, 1022, 1023, 1024, 5000, 10_000] {
        let text = format!("{{\"a\":{}\"]\"{},\"id\":7}}", "[".repeat(levels), "]".repeat(levels));
        let (tokens, end) = tokens(text.as_bytes());
        assert!(tokens.ends_with(&words("k:id n:7 }")), "{levels}");
        assert_eq!(tokens.contains(&"s:]".into()), levels < 1024, "{levels}");
        assert_eq!(end, End::Whole, "{levels}");
    }
}

#[test]
fn depth_is_that_after_the_token() {
    let mut scanner = Scanner::new(br#"{"a":[1]}"#);
    let mut depths = vec![scanner.depth()];
    while scanner.next().is_some() {
        depths.push(scanner.depth());
    }
    assert_eq!(depths, [0, 1, 1, 2, 2, 1, 0]);
}

#[test]
fn a_member_is_found_by_its_decoded_name() {
    let string = |raw: &'static str| Text::take(raw.as_bytes()).map(|(text, _)| Value::String(text));
    for (object, expected) in [
        (r#"{"sub":"7"}"#, string("7\"")),
        (r#"{"sub":7,"iat":1}"#, Some(Value::Number(b"7"))),
        (r#"{"\u0073ub":"a\nb"}"#, string("a\\nb\"")),
        (r#"{"sub":1,"sub":2}"#, Some(Value::Number(b"2"))),
        (r#"{"sub":1,"sub":null}"#, None),
        (r#"{"sub":["x"],"y":"z"}"#, None),
        (r#"{"a":{"sub":1},"b":[{"sub":2}]}"#, None),
        (r#"{"a":{"sub":1},"sub":3}"#, Some(Value::Number(b"3"))),
        (r#"{"subject":1,"su":2}"#, None),
        (r#"["sub","7"]"#, None),
        (r#""sub""#, None),
        (r#"{"sub":7,"iat"#, Some(Value::Number(b"7"))),
        (r#"{"sub":7"#, None),
        ("", None),
    ] {
        assert_eq!(member(object.as_bytes(), "sub"), expected, "{object}");
    }
}

/// A scanner that goes back over what it has read would not come to its end here.
#[test]
fn repetition_takes_linear_time() {
    for piece in
        ["[", "{\"a\":", "\"\\\\", "\\", "(", "{", "#", "\"", ",", "[,", "[\"\\u", "1", "-", " ", "]"]
    {
        let text = piece.repeat((1 << 20) / piece.len());
        let _ = tokens(text.as_bytes());
        let _ = tokens(format!("[{text}").as_bytes());
        let _ = shown(Scanner::lenient(text.as_bytes()));
        let _ = shown(Scanner::lenient(format!("[{text}").as_bytes()));
        let _ = member(text.as_bytes(), "id");
        let mut decoded = Vec::new();
        for token in Scanner::new(format!("[\"{text}\"").as_bytes()) {
            if let Token::String(text) = token {
                text.decode_into(&mut decoded);
            }
        }
    }
}

fn words(words: &str) -> Vec<String> {
    words.split_whitespace().map(str::to_owned).collect()
}

/// A value put together from tokens.
fn build<'a>(scanner: &mut Scanner<'a>, token: Token<'a>) -> Json {
    match token {
        Token::BeginObject => {
            let mut object = Map::new();
            while let Some(Token::Key(key)) = scanner.next() {
                let value = scanner.next().expect("a value follows its key");
                object.insert(decoded(key), build(scanner, value));
            }
            Json::Object(object)
        }
        Token::BeginArray => {
            let mut array = Vec::new();
            while let Some(token) = scanner.next().filter(|token| *token != Token::EndArray) {
                array.push(build(scanner, token));
            }
            Json::Array(array)
        }
        Token::String(text) => Json::String(decoded(text)),
        Token::Number(digits) => {
            Json::Number(serde_json::from_slice::<Number>(digits).expect("a number of serde_json"))
        }
        Token::Other(b"null") => Json::Null,
        Token::Other(word) => Json::Bool(word == b"true"),
        Token::Key(_) | Token::EndObject | Token::EndArray => panic!("{token:?} is no value"),
    }
}

fn decoded(text: Text<'_>) -> String {
    let mut buffer = Vec::new();
    text.decode_into(&mut buffer);
    String::from_utf8(buffer).expect("serde_json writes UTF-8")
}

fn string() -> impl Strategy<Value = String> {
    vec(prop_oneof![any::<char>(), Just('"'), Just('\\'), Just('\n')], 0..6).prop_map(String::from_iter)
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        string().prop_map(Json::from),
    ];
    leaf.prop_recursive(6, 48, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Json::Array),
            vec((string(), inner), 0..6).prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

/// Text out of what JSON is made of, most of it malformed.
fn rubbish() -> impl Strategy<Value = Vec<u8>> {
    let pieces = [
        "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u", "\"a\"", "\"b\":", "12", "-", "nul", "null", " ",
        "/", "*", "//", "'", "=", ">",
    ];
    vec(prop::sample::select(pieces.to_vec()), 0..40).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #[test]
    fn tokens_are_those_of_serde_json(value in json(), pretty in any::<bool>()) {
        let mut text = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) }?;
        text.push(b'\n');
        let mut scanner = Scanner::new(&text);
        let first = scanner.next().expect("a value");
        let built = build(&mut scanner, first);
        prop_assert_eq!(built, serde_json::from_slice::<Json>(&text)?);
        prop_assert_eq!(scanner.next(), None);
        prop_assert_eq!(scanner.end(), End::Whole);
    }

    #[test]
    fn a_cut_gives_the_first_tokens(value in json()) {
        let mut text = serde_json::to_vec(&value)?;
        text.push(b'\n');
        let whole: Vec<Token> = Scanner::new(&text).collect();
        for cut in 0..text.len() - 1 {
            let mut scanner = Scanner::new(&text[..cut]);
            let tokens: Vec<Token> = scanner.by_ref().collect();
            prop_assert!(whole.starts_with(&tokens), "{}", text[..cut].escape_ascii());
            prop_assert_eq!(scanner.end(), End::Cut);
        }
    }

    #[test]
    fn no_input_panics(text in prop_oneof![vec(any::<u8>(), 0..200), rubbish()]) {
        let (whole, _) = tokens(&text);
        for cut in 0..text.len() {
            let (mut part, _) = tokens(&text[..cut]);
            // `null` may be a word of its own or the beginning of one that is none, like `null1`.
            part.pop_if(|last| last.starts_with("o:"));
            prop_assert!(whole.starts_with(&part), "{}", text[..cut].escape_ascii());
        }
        let (whole, _) = shown(Scanner::lenient(&text));
        for cut in 0..text.len() {
            let (mut part, _) = shown(Scanner::lenient(&text[..cut]));
            part.pop_if(|last| last.starts_with("o:"));
            prop_assert!(whole.starts_with(&part), "lenient: {}", text[..cut].escape_ascii());
        }
        let _ = member(&text, "a");
        let mut buffer = Vec::new();
        for token in Scanner::new(&text) {
            if let Token::Key(text) | Token::String(text) = token {
                text.decode_into(&mut buffer);
            }
        }
    }
}
