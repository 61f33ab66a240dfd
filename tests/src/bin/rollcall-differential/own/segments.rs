//! How bytes come: cut at every place, one by one, with urgent data.

use super::{List, NEXT, get, post};

pub(super) fn add(list: &mut List) {
    let request = get("");
    for place in 1..request.len() {
        let (before, behind) = request.split_at(place);
        list.several(format!("split/{place}"), [before, behind]);
    }
    // The same of a second request, whose first part comes with the first.
    for place in (1..NEXT.len()).step_by(3) {
        let (before, behind) = NEXT.split_at(place);
        list.several(format!("split/second/{place}"), [request.clone() + before, behind.to_owned()]);
    }
    list.several("split/pieces-of-1", request.as_bytes().chunks(1));
    list.several("split/pieces-of-3", (request.clone() + NEXT).as_bytes().chunks(3));
    list.several(
        "split/pieces-of-37",
        (request.clone() + &post("Content-Length: 5\r\n", "hello") + NEXT).as_bytes().chunks(37),
    );
    list.several("split/crlf", ["\r", "\n", "\r", "\n", &request]);
    for (name, pieces) in [
        ("first", &[("G", true), ("ET /v1/customers/17 HTTP/1.1\r\nHost: x\r\n\r\n", false)][..]),
        ("method", &[("GET", true), (" /v1/customers/17 HTTP/1.1\r\nHost: x\r\n\r\n", false)]),
        ("target", &[("GET /no", false), ("X", true), ("/17 HTTP/1.1\r\nHost: x\r\n\r\n", false)]),
        ("target-whole", &[("GET /v1/customers/1", true), ("7 HTTP/1.1\r\nHost: x\r\n\r\n", false)]),
        ("version", &[("GET /v1/customers/17 HTTP/1.", true), ("1\r\nHost: x\r\n\r\n", false)]),
        ("field", &[("GET /v1/customers/17 HTTP/1.1\r\nHost: ", true), ("x\r\n\r\n", false)]),
        ("end", &[("GET /v1/customers/17 HTTP/1.1\r\nHost: x\r\n\r", false), ("\n", true)]),
        ("whole", &[("GET /v1/customers/17 HTTP/1.1\r\nHost: x\r\n\r\n", true)]),
        ("before", &[("!", true), ("GET /v1/customers/17 HTTP/1.1\r\nHost: x\r\n\r\n", false)]),
        (
            "between",
            &[("GET /v1/customers/17 HTTP/1.1\r\nHost: x\r\n\r\n", false), ("!", true), (NEXT, false)],
        ),
        (
            "body",
            &[
                ("POST /v1/customers/17 HTTP/1.1\r\nContent-Length: 5\r\n\r\nhell", false),
                ("o", true),
                (NEXT, false),
            ],
        ),
        ("twice", &[("G", true), ("E", true), ("T /v1/customers/17 HTTP/1.1\r\nHost: x\r\n\r\n", false)]),
        (
            "length",
            &[
                ("POST /v1/customers/17 HTTP/1.1\r\nContent-Length: ", false),
                ("1", true),
                ("5\r\n\r\nhello", false),
                (NEXT, false),
            ],
        ),
    ] {
        list.urgent(format!("urgent/{name}"), pieces);
    }
}
