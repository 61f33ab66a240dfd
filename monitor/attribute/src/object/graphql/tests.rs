use proptest::{collection::vec, prelude::*, sample::select};

use super::*;

/// The events of `text`, one word each.
fn events(text: &[u8]) -> Vec<String> {
    let name = |name: &[u8]| name.escape_ascii().to_string();
    let value = |value: Value| match value {
        Value::Variable(text) => format!("${}", name(text)),
        Value::Number(text) | Value::Name(text) => name(text),
        Value::String(text) => format!("'{}'", name(text.raw())),
        Value::Block(text) => format!("'''{}'''", name(text)),
    };
    Events::new(text)
        .map(|event| match event {
            Event::Operation(kind) => format!("{kind:?}"),
            Event::Fragment => "Fragment".to_owned(),
            Event::Field { name: field, depth } => format!("{depth}.{}", name(field)),
            Event::Argument { name: argument, value: scalar } => {
                format!("{}={}", name(argument), value(scalar))
            }
            Event::Default { variable, name: field, value: scalar } => {
                format!("${}:{}={}", name(variable), name(field), value(scalar))
            }
        })
        .collect()
}

/// Documents and their events.
const DOCUMENTS: [(&str, &str); 31] = [
    ("{ me }", "Query 1.me"),
    ("query { me }", "Query 1.me"),
    ("mutation M { drop }", "Mutation 1.drop"),
    ("subscription S($a: Int) @live { tick }", "Subscription 1.tick"),
    ("query query { query fragment on }", "Query 1.query 1.fragment 1.on"),
    ("{ me { name address { city } } you }", "Query 1.me 2.name 2.address 3.city 1.you"),
    ("{ a: customer(id: 1) b : customer(id: 2) }", "Query 1.customer id=1 1.customer id=2"),
    ("{customer(id:\"7\"){name}}", "Query 1.customer id='7' 2.name"),
    ("{ c(id: \"a\\\"b\\u0031\") }", "Query 1.c id='a\\\\\\\"b\\\\u0031'"),
    ("{ c(id: \"\") { n } }", "Query 1.c id='' 2.n"),
    ("{ c(id: \"\"\"7\"\"\") }", "Query 1.c id='''7'''"),
    ("{ c(id: \"\"\"a\"b\\\"\"\"c\"\"\") }", "Query 1.c id='''a\\\"b\\\\\\\"\\\"\\\"c'''"),
    ("{ c(id: -7, x: 1.5e3, y: A, z: null, t: true) }", "Query 1.c id=-7 x=1.5e3 y=A z=null t=true"),
    ("{ c(ids: [1, 2, \"3\" D]) }", "Query 1.c ids=1 ids=2 ids='3' ids=D"),
    ("{ c(input: {id: 7, tags: [\"a\"]}) }", "Query 1.c id=7 tags='a'"),
    ("{ c(in: [{a: {b: 1}, c: E d: 2}, 3], x: 4) }", "Query 1.c b=1 c=E d=2 in=3 x=4"),
    ("query Q($id: ID!) { c(id: $id) }", "Query 1.c id=$id"),
    ("query Q($id: ID = 7, $n: [Int!] = [1 2]) { c(id: $id) }", "Query $id:id=7 $n:n=1 $n:n=2 1.c id=$id"),
    (
        "query ($in: In = {id: 7, deep: {x: [A]}} @d(x: 1), $b: B = true) { c }",
        "Query $in:id=7 $in:x=A $b:b=true 1.c",
    ),
    ("query ($a: Int @d(x: 1) = 2 $b: Int) { c }", "Query $a:a=2 1.c"),
    ("{ c @include(if: $x) @skip(if: false) { n } }", "Query 1.c 2.n"),
    ("{ c(id: 1) @d(x: \")\", y: {z: [1]}) { n } d }", "Query 1.c id=1 2.n 1.d"),
    ("{ ... on Query { ... @include(if: true) { c(id: 1) { n } } } }", "Query 1.c id=1 2.n"),
    ("{ ... { c } d { ... on T @x { e } f } g }", "Query 1.c 1.d 2.e 2.f 1.g"),
    ("{ ...F on { a } } fragment F on Query { c(id: 1) { n } }", "Query 1.on 2.a Fragment 1.c id=1 2.n"),
    ("{ ...online @d c { n } }", "Query 1.c 2.n"),
    ("query A { a } query B { b } { c }", "Query 1.a Query 1.b Query 1.c"),
    ("#c { x }\n{ # { y\r me #\n: # \" \n you(id#(\n:#)\n 7) }", "Query 1.you id=7"),
    ("\u{feff},, {\u{feff} me,,you } ", "Query 1.me 1.you"),
    ("\u{feff}query\u{feff}Q{me}", "Query 1.me"),
    ("", ""),
];

#[test]
fn documents_become_events() {
    for (text, expected) in DOCUMENTS {
        assert_eq!(events(text.as_bytes()), words(expected), "{text}");
    }
}

#[test]
fn a_cut_gives_the_first_events() {
    for (text, _) in DOCUMENTS {
        let whole = events(text.as_bytes());
        for cut in 0..text.len() {
            let part = &text.as_bytes()[..cut];
            assert!(whole.starts_with(&events(part)), "{}", part.escape_ascii());
        }
    }
    for (cut, expected) in [
        ("{ customer", "Query"),
        ("{ customer ", "Query"),
        ("{ customer(", "Query 1.customer"),
        ("{ customer(id: 12", "Query 1.customer"),
        ("{ customer(id: \"12", "Query 1.customer"),
        ("{ customer(id: \"\"", "Query 1.customer"),
        ("{ customer(id: \"12\"", "Query 1.customer id='12'"),
        ("{ customer(id: 12)", "Query 1.customer id=12"),
        ("{ a(id: 1) b(id: 2) c(i", "Query 1.a id=1 1.b id=2 1.c"),
    ] {
        assert_eq!(events(cut.as_bytes()), words(expected), "{cut}");
    }
}

#[test]
fn what_is_no_token_ends_the_events() {
    for (text, expected) in [
        ("{ a ; b }", "Query 1.a"),
        ("{ a .. b }", "Query 1.a"),
        ("{ a 'x' b }", "Query 1.a"),
        ("\u{a0}{ a }", ""),
        (r#"{"id": 7}"#, "Query"),
        ("} ) { a }", "Query 1.a"),
    ] {
        assert_eq!(events(text.as_bytes()), words(expected), "{text}");
    }
}

#[test]
fn inline_fragments_do_not_push_a_field_down() {
    for levels in [1, 64, 1023, 1024, 5000] {
        let text = format!("{{ {} c(id: 1) {} d }}", "... {".repeat(levels), "}".repeat(levels));
        assert_eq!(events(text.as_bytes()), words("Query 1.c id=1 1.d"), "{levels}");
        let text = format!("{{ {} c {} d }}", "a {".repeat(levels), "}".repeat(levels));
        assert_eq!(events(text.as_bytes()).last(), Some(&"1.d".into()), "{levels}");
    }
}

#[test]
fn nested_input_objects_keep_the_innermost_name() {
    for levels in [1, 31, 32, 33, 100] {
        let open = "{b: ".repeat(levels - 1);
        let text = format!("{{ c(a: {open}{{id: 7{}, x: [8]) }}", "}".repeat(levels));
        assert_eq!(events(text.as_bytes()), words("Query 1.c id=7 x=8"), "{levels}");
    }
    let text = format!("{{ c(a: [{}7{}, 8]) }}", "{b: ".repeat(31), "}".repeat(31));
    assert_eq!(events(text.as_bytes()), words("Query 1.c b=7 a=8"));
}

#[test]
fn documents_are_told_by_their_beginning() {
    for text in [
        "{me}",
        " \t\r\n,{ me }",
        "\u{feff}#x\n{ ...F }",
        "query Q { me }",
        "query{me}",
        "query(",
        "mutation ",
        "subscription#",
        "fragment F on",
    ] {
        assert!(is_document(text.as_bytes()), "{text}");
    }
    for text in [
        "",
        "#{ me }",
        "query",
        "queryX { me }",
        "query_ { me }",
        "Query { me }",
        "me { x }",
        "{",
        "{}",
        "{\"query\":\"{ me }\"}",
        "{ 7 }",
        "[{ me }]",
        "\"\"\"x\"\"\" query { me }",
        "7 query",
    ] {
        assert!(!is_document(text.as_bytes()), "{text}");
    }
}

/// A scanner that goes back over what it has read would not come to its end here.
#[test]
fn repetition_takes_linear_time() {
    for piece in [
        "[", "{a:", "{", "}", "\"\\", "\"", "\"\"\"", "\\\"\"\"", "(", "#", "#\n", "\u{feff}", ",", "a",
        "a ", "1", "$", "@", "@a(", "...", "... on ", "... {", "a(b:", "$a=", "query ", "query(",
    ] {
        let text = piece.repeat((1 << 20) / piece.len());
        for before in ["", "{a(", "{a(b: \"\"\""] {
            let _ = Events::new(format!("{before}{text}").as_bytes()).count();
        }
        let _ = is_document(text.as_bytes());
    }
}

fn words(words: &str) -> Vec<String> {
    words.split_whitespace().map(str::to_owned).collect()
}

/// Text out of what documents are made of, most of it malformed.
fn rubbish() -> impl Strategy<Value = Vec<u8>> {
    let pieces = [
        "{", "}", "(", ")", "[", "]", ":", "$", "=", "@", "!", "...", ".", "\"", "\\", "\"\"\"", "\"a\"",
        "#", "\n", " ", ",", "\u{feff}", "on", "query", "fragment", "a", "b", "1", "-", "%",
    ];
    vec(select(pieces.to_vec()), 0..40).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #[test]
    fn no_input_panics_and_a_cut_gives_the_first_events(
        text in prop_oneof![vec(any::<u8>(), 0..200), rubbish()],
    ) {
        let whole = events(&text);
        for cut in 0..text.len() {
            prop_assert!(whole.starts_with(&events(&text[..cut])), "{}", text[..cut].escape_ascii());
        }
        let _ = is_document(&text);
    }
}
