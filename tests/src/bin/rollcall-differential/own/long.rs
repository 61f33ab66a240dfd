//! Heads that are longer than what is usually read of one.

use super::{List, NEXT, get};

/// 5 and 9 KB are beyond one and two pages; 20 KB beyond what most servers take by default, 40 KB what ours are set to take.
const SIZES: [usize; 4] = [5, 9, 20, 40];

pub(super) fn add(list: &mut List) {
    for size in SIZES {
        let length = size * 1_000;
        let repeated = |text: &str| text.repeat(length / text.len());
        let asked = |target: String| format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n");
        let fields: String =
            (0..length / 60).map(|field| format!("F{field:05}: {}\r\n", "v".repeat(50))).collect();
        for (name, head) in [
            ("query", asked(format!("/v1/customers?p={}&id=17", repeated("a")))),
            ("query-behind", asked(format!("/v1/customers/17?p={}", repeated("a")))),
            ("parameters", asked(format!("/v1/customers?{}id=17", repeated("a=b&")))),
            ("path", asked(format!("/{}/customers/17", repeated("a")))),
            ("segments", asked(format!("{}/customers/17", repeated("/a")))),
            ("slashes", asked(format!("{}v1/customers/17", repeated("/")))),
            ("dots", asked(format!("{}/v1/customers/17", repeated("/.")))),
            ("dots-encoded", asked(format!("{}/v1/customers/17", repeated("/%2e")))),
            ("cookie", get(&format!("Cookie: {}\r\n", repeated("name=value; ")))),
            ("value", get(&format!("A: {}\r\n", repeated("b")))),
            ("name", get(&format!("{}: b\r\n", repeated("N")))),
            ("fields", get(&fields)),
            (
                "fields-behind",
                get(&format!("{fields}Authorization: Bearer x\r\nX-Forwarded-For: 192.0.2.1\r\n")),
            ),
            ("folded", get(&format!("A: b\r\n{}", repeated(" ccccccccccccccc\r\n")))),
            ("blank-lines", repeated("\r\n") + &get("")),
            ("spaces", format!("GET {}/v1/customers/17 HTTP/1.1\r\nHost: x\r\n\r\n", repeated(" "))),
            ("method", format!("{} /v1/customers/17 HTTP/1.1\r\nHost: x\r\n\r\n", repeated("M"))),
        ] {
            list.one(format!("long/{size}/{name}"), &head);
            list.one(format!("long/{size}/{name}/pipelined"), get("") + &head + NEXT);
        }
    }
}
