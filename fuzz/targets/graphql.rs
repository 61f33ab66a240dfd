//! GraphQL documents, by themselves and in bodies: a cut gives the first events, and the work is bounded.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rollcall_attribute::object::{
    Content, Names, Objects, Reader, Serves,
    graphql::{self, Events},
};
use rollcall_fuzz::{check, seeds};

const SEEDS: [&str; 10] = [
    "{ customer(id: 7) { name } }",
    "query Q($id: ID! = 7, $n: [Int!] = [1 2]) { a: customer(id: $id, ids: [$n, 3]) { ...F } } fragment F on C { x }",
    "mutation { pay(input: {accountId: \"7\", to: [{id: 8}, {id: 9}]}) @d(x: \")\") { ok } }",
    "subscription S { ... on T @include(if: true) { tick(id: \"\"\"a\\\"\"\"b\"\"\") } }",
    "#c\n\u{feff}{me}",
    r#"{"query":"query($id:ID!){customer(id:$id){name}}","variables":{"id":"7","ids":[1,2]}}"#,
    r#"[{"query":"{a(id:1)}"},{"operationName":"GetCustomer","variables":{"id":"\u0037"}}]"#,
    "query=%7Bcustomer(id%3A7)%7D&variables=%7B%22id%22%3A7%7D&operationName=X",
    "{\"query\":\"query($a:ID,$b:Int){x(id:$a,page:$b)}\",\"variables\":{\"a\":[1],\"b\":2}}",
    "id=1&page=2",
];
const WORDS: [&str; 30] = [
    "query",
    "mutation",
    "subscription",
    "fragment",
    "on ",
    "...",
    "\"\"\"",
    "\\\"\"\"",
    "(id:",
    "$id",
    "@d(",
    "{",
    "}",
    "[",
    "]",
    "{\"query\":\"",
    "\"variables\":{\"",
    "\"operationName\":\"",
    "\u{feff}",
    "#",
    "\\u0061",
    "%7B",
    "%22",
    "&variables=",
    "&query=",
    "page:",
    "cursor",
    "__typename",
    "customer_id",
    "= [",
];

fuzz_target!(init: seeds::offer(&SEEDS, &WORDS), |data: &[u8]| {
    let whole: Vec<_> = Events::new(data).collect();
    assert!(whole.len() <= data.len() + 1);
    let step = (data.len() / 16).max(1);
    for cut in (0..data.len()).step_by(step) {
        let part: Vec<_> = Events::new(&data[..cut]).collect();
        assert!(whole.starts_with(&part));
    }
    // Never both: a body is read as the one or the other.
    if graphql::is_document(data) {
        assert!(serde_json::from_slice::<serde::de::IgnoredAny>(data).is_err());
    }
    let mut reader = Reader::new(Names::default());
    let mut objects = Objects::default();
    for (query, body) in [(&b""[..], data), (data, b""), (data, data)] {
        let mut before = None;
        // What one call leaves behind changes nothing for the next.
        for _ in 0..2 {
            reader.start(Serves { graphql: true, ..Serves::default() }, false);
            reader.read(query, &Content::new(body, false, std::iter::empty()));
            reader.objects(true, &mut objects);
            let seen = (reader.operation().map(str::to_owned), check::objects(&objects));
            check::volume(&objects, query.len() + body.len());
            if let Some(operation) = &seen.0 {
                assert!(operation.len() <= 110 && operation.bytes().all(|byte| (b' '..0x7f).contains(&byte)));
            }
            if let Some(before) = before.replace(seen.clone()) {
                assert_eq!(before, seen);
            }
        }
    }
});
