use super::*;

/// What a call to `path` finds in its query and body.
fn read(graphql: bool, query: &str, body: &[u8], cut: bool) -> (Vec<String>, Option<String>, Body) {
    read_as(graphql, query, &Content::new(body, cut, std::iter::empty()))
}

fn read_as(graphql: bool, query: &str, content: &Content<'_>) -> (Vec<String>, Option<String>, Body) {
    let mut reader = Reader::new(Names::default());
    reader.start(Serves { graphql, ..Serves::default() }, false);
    let outcome = reader.read(query.as_bytes(), content);
    let mut objects = Objects::default();
    reader.objects(true, &mut objects);
    (objects.iter().map(str::to_owned).collect(), reader.operation().map(str::to_owned), outcome)
}

fn objects(query: &str, body: &str) -> Vec<String> {
    read(false, query, body.as_bytes(), false).0
}

#[test]
fn queries_hold_objects() {
    for (query, expected) in [
        ("id=7", &["7"][..]),
        ("ID=7", &["7"]),
        ("%69d=%37", &["7"]),
        ("x=1&customer_id=7&page=3", &["7/page=3"]),
        ("msisdn=%2B12025550143", &["12025550143"]),
        ("id=%2017%00&x=1", &["17"]),
        ("id=%2531%2537", &["17"]),
        ("id=1_7", &["17"]),
        ("id=%EF%BC%91%D9%A7", &["17"]),
        ("ids=[17,%20%2218%22]", &["17", "18"]),
        ("uuid=%7B550E8400E29B41D4A716446655440000%7D", &["550e8400-e29b-41d4-a716-446655440000"]),
        ("username=Ada&zip=x7", &["Ada"]),
        ("+id=7", &["7"]),
        ("%20id%00=7", &["7"]),
        ("policyid=7", &["7"]),
        ("id[$eq]=7", &["7"]),
        ("filter=%7B%22where%22:%7B%22id%22:7%7D%7D", &["7"]),
        ("email=A%40example.org", &["a@example.org"]),
        ("uuid=550E8400-E29B-41D4-A716-446655440000", &["550e8400-e29b-41d4-a716-446655440000"]),
        ("filter[id]=7", &["7"]),
        ("ids[]=7&ids[]=8", &["7", "8"]),
        ("ids=1,2,3", &["1", "2", "3"]),
        ("ids=1%2C2", &["1", "2"]),
        ("b_id=2&a_id=1", &["1/2"]),
        ("a_id=1&b_id=2", &["1/2"]),
        ("id=7&id=8", &["7", "8"]),
        ("id=007", &["7"]),
        ("page=2", &["page=2"]),
        ("cursor=abc&limit=5", &["cursor=abc"]),
        ("", &[]),
        ("&", &[]),
        ("id", &[]),
        ("id=", &[]),
        ("q=42&paid=1&request_id=5", &[]),
        ("ids=1|2|3", &["1", "2", "3"]),
        ("ids=1%7C2", &["1", "2"]),
        ("ids=1;2", &["1", "2"]),
        ("ids=1;2;x=3&y=4", &["1", "2"]),
        ("ids=1%3B2", &["1", "2"]),
        ("ids=1%3Bid=2", &["2/1"]),
        ("ids=100001+100002+100003", &["100001", "100002", "100003"]),
        ("id=1'17", &["1'17"]),
        ("id=17;x=1", &["17"]),
        ("id=17%3Bx=1", &["17"]),
        ("customers=17", &["17"]),
        ("acctNo=17", &["17"]),
        ("17", &["17"]),
        ("x&17", &["17"]),
        ("filter=id==17", &["17"]),
        ("$filter=ID+eq+17", &["17"]),
        ("$filter=(CustomerId%20eq%20'A17')%20and%20x%20eq%203", &["A17"]),
        ("q=id:17", &["17"]),
        ("q=email:Ada@example.org", &["ada@example.org"]),
        ("or=(id.eq.17,id.eq.18)", &["17", "18"]),
        ("where=id=17", &["17"]),
        ("where=id%20in%20(17,18)", &["17", "18"]),
        ("q=request_id:17&at=12:30", &[]),
        ("q=hello+17", &[]),
        ("1699999999", &[]),
        ("1699999999000", &[]),
    ] {
        assert_eq!(objects(query, ""), expected, "{query}");
    }
    assert_eq!(objects(&format!("{}id=1", "a=b&".repeat(500)), ""), ["1"]);
    let behind = |last: &str| objects(&format!("{}id={last}", "a=b&".repeat(3000)), "");
    assert_eq!(behind("1").len(), 1, "more than anybody sends is one object");
    assert_ne!(behind("1"), behind("2"), "and differs when anything in it does");
}

#[test]
fn bodies_hold_objects() {
    for (body, expected) in [
        (r#"{"id":7}"#, &["7"][..]),
        (r#"{"customer":{"id":"7","name":"Ada"}}"#, &["7"]),
        (r#"{"a_id":1,"b_id":"2"}"#, &["1/2"]),
        (r#"{"ids":[1,2,3]}"#, &["1", "2", "3"]),
        (r#"[{"id":1},{"id":2}]"#, &["1", "2"]),
        ("[1,2,3]", &["1", "2", "3"]),
        (
            r#"["a1b2c3d4","word","550E8400-E29B-41D4-A716-446655440000"]"#,
            &["a1b2c3d4", "550e8400-e29b-41d4-a716-446655440000"],
        ),
        (r#"{"ids":[{"x":1},5]}"#, &["5"]),
        (r#"{"ids":[[1],[2]]}"#, &["1", "2"]),
        (r#"{"\u0069d":"\u0037"}"#, &["7"]),
        (r#"{"id":7.0}"#, &["7"]),
        (r#"{"filter":{"customer_id":{"eq":7}}}"#, &["7"]),
        (r#"{"where":{"id":{"$in":[7,8]}}}"#, &["7", "8"]),
        (r#"{"id":null,"name":"x","request_id":5}"#, &[]),
        ("\u{feff}{\"id\":7}", &["7"]),
        ("id=7&x=1", &["7"]),
        ("customer_id=7&email=a%40example.org", &["7/a@example.org"]),
        ("--b\r\nContent-Disposition: form-data; name=\"id\"\r\n\r\n7\r\n--b--\r\n", &["7"]),
        ("hello id=7", &[]),
        ("17", &["17"]),
        ("\"17\"", &["17"]),
        (" 17\r\n", &["17"]),
        ("1,2", &["1", "2"]),
        ("1699999999000", &[]),
        ("hello", &[]),
        ("\u{1e}{\"x\":1}\n\u{1e}{\"id\":17}\n", &["17"]),
        (r#"{"jsonrpc":"2.0","method":"x","params":[17]}"#, &["17"]),
        (r#"{"method":"x","params":[[17],"word",{"limit":5}]}"#, &["17"]),
        ("", &[]),
    ] {
        assert_eq!(objects("", body), expected, "{body}");
    }
    let wide: Vec<u8> = r#"{"id":7}"#.bytes().flat_map(|byte| [byte, 0]).collect();
    assert_eq!(read(false, "", &wide, false).0, ["7"], "some parsers take UTF-16");
}

/// What is behind padding counts, and what is compressed.
#[test]
fn long_and_compressed_bodies_hold_objects() {
    use std::io::Write as _;
    let long = format!(r#"{{"x":"{}","id":17}}"#, "x".repeat(30_000));
    assert_eq!(objects("", &long), ["17"]);
    let blanks = format!(r#"{}{{"id":17}}"#, " ".repeat(30_000));
    assert_eq!(objects("", &blanks), ["17"]);
    assert_eq!(objects("", &format!("x={}&id=17", "x".repeat(30_000))), ["17"]);
    let gzip = |text: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    };
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    zlib.write_all(br#"{"id":17}"#).unwrap();
    let mut raw = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    raw.write_all(br#"{"id":17}"#).unwrap();
    let parts = [gzip(b"{\"x\":1,"), gzip(b"\"id\":17}")].concat();
    for (coding, body) in [
        ("gzip", gzip(br#"{"id":17}"#)),
        ("X-Gzip", gzip(b"id=17")),
        ("gzip, gzip", gzip(&gzip(b"id=17"))),
        ("gzip", parts),
        ("deflate", zlib.finish().unwrap()),
        ("deflate", raw.finish().unwrap()),
        // Not every server looks at codings.
        ("gzip", br#"{"id":17}"#.to_vec()),
    ] {
        let content = Content::new(&body, false, std::iter::empty());
        let content = content.encoded(std::iter::once(coding.as_bytes()));
        assert_eq!(read_as(false, "", &content).0, ["17"], "{coding} {}", body.escape_ascii());
    }
    // Of which little was sent: whatever is behind it, it is one object that differs if that does.
    for padded in [long.into_bytes(), vec![b' '; 1 << 20]] {
        let padded = gzip(&padded);
        let content = Content::new(&padded, false, std::iter::empty());
        let (objects, _, _) = read_as(false, "", &content.encoded(std::iter::once(&b"identity, gzip"[..])));
        assert!(matches!(&objects[..], [one] if one.starts_with("~rest:")), "{objects:?}");
    }
    let members = gzip(b"").repeat(1_000);
    let content = Content::new(&members, false, std::iter::empty()).encoded(std::iter::once(&b"gzip"[..]));
    read_as(false, "", &content);
}

/// Calls within calls, on a path that takes them.
#[test]
fn batches_hold_objects() {
    for (body, expected) in [
        (
            r#"{"requests":[{"id":"a","url":"/v1/customers/17"},{"url":"/v1/customers?id=18"}]}"#,
            &["17/a", "17/18"][..],
        ),
        (r#"[{"method":"GET","relative_url":"17"}]"#, &["17"]),
        (r#"{"requests":[{"url":"https://api.example/v1/customers/17/orders"}]}"#, &["17"]),
        (
            "--b\r\nContent-Type: application/http\r\n\r\nGET /v1/customers/17 HTTP/1.1\r\n\r\n--b--\r\n",
            &["17"],
        ),
    ] {
        let mut reader = Reader::new(Names::default());
        reader.start(Serves { batches: true, ..Serves::default() }, false);
        reader.read(b"", &Content::new(body.as_bytes(), false, std::iter::empty()));
        let mut objects = Objects::default();
        reader.objects(true, &mut objects);
        assert_eq!(objects.iter().collect::<Vec<_>>(), expected, "{body}");
    }
}

/// Objects of a body that is called `kind`.
fn objects_as(kind: &str, body: &[u8]) -> Vec<String> {
    read_as(false, "", &Content::new(body, false, std::iter::once(kind.as_bytes()))).0
}

#[test]
fn a_body_is_what_any_server_makes_of_it() {
    let form = "application/x-www-form-urlencoded; charset=UTF-8";
    let long = format!("{}=1&id=17", "x".repeat(300));
    for (kind, body) in [
        (form, "{=1&id=17"),
        (form, "{\"a\":1}&id=17"),
        (form, "--=1&id=17"),
        (form, "--x\r\n&id=17"),
        (form, " &id=17"),
        (form, "\0&id=17"),
        (form, " id=17"),
        (form, "\0\0\0id=17"),
        (form, "a b=1&id=17"),
        (form, &long),
        (form, "&&&id=17"),
        (form, "x&id=17"),
        ("", "{=1&id=17"),
        ("", "--=1&id=17"),
        ("", &long),
        ("", "a b=1&id=17"),
        ("application/json", "x=1&id=17"),
        ("text/plain", "{\"id\":17}"),
        (form, "{\"id\":17}"),
        ("application/vnd.api+json", "\0 {\"id\":17}"),
        ("application/json", "\u{feff}{\"id\":17}"),
        ("application/json", "// a\n{\"id\":17}"),
        ("application/json", "/* a */{\"id\":17}"),
        ("application/json", "{/* \"id\":3 */\"id\":17}"),
        ("application/json", "{'id':'17'}"),
        ("application/json", "{id:17}"),
        ("application/json", "{\"\\u0069d\":1.7e1}"),
        ("application/json", ")]}'\n{\"id\":17}"),
        ("application/json", "{}\n{\"id\":17}"),
        ("application/json", "{\"x\":\"&a_id=1\",\"id\":17}"),
        (
            "multipart/form-data; boundary=b",
            "--x\r\n\r\n--b\r\nContent-Disposition: form-data; name=id\r\n\r\n17\r\n--b--",
        ),
        (
            "multipart/form-data; boundary=b",
            "x\r\n--b\r\nContent-Disposition: form-data; name=id\r\n\r\n17\r\n",
        ),
        ("multipart/form-data; boundary=b", "id=17"),
        (form, "--b\r\nContent-Disposition: form-data; name=\"id\"\r\n\r\n17\r\n--b--\r\n"),
    ] {
        assert_eq!(objects_as(kind, body.as_bytes()), ["17"], "{kind} {body:?}");
    }
    let wide: Vec<u8> = "\u{feff}{\"id\":17}".encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert_eq!(objects_as("application/json", &wide), ["17"]);
    // One server goes by the name, another by the look: neither hides what the other reads.
    assert_eq!(objects_as(form, b"{\"a\":\"&id=3&\",\"id\":17}"), ["17", "3"]);
    assert_eq!(objects_as("application/json", b"{\"id\":3,\"id\":17}"), ["3", "17"]);
    assert_eq!(objects_as("text/html", b"<a href=x>?a&id=17"), [""; 0]);
}

#[test]
fn how_far_a_body_was_read_is_told() {
    for (body, cut, expected) in [
        (&b""[..], false, Body::Empty),
        (b"{\"id\":7}", false, Body::Read),
        (b"{\"id\":7,\"x", true, Body::Cut),
        (b"a=1&id=", true, Body::Cut),
        (b"a=1", false, Body::Read),
        (b"\x1f\x8b\x08", false, Body::Opaque),
        (b"\x00\x01\x02\x03", false, Body::Opaque),
        (b"plain text", false, Body::Opaque),
        (b"{nonsense", false, Body::Opaque),
    ] {
        assert_eq!(read(false, "", body, cut).2, expected, "{}", body.escape_ascii());
    }
    assert_eq!(read(false, "", b"{\"id\":7,\"x", true).0, ["7"]);
}

#[test]
fn graphql_names_its_operation_by_what_it_executes() {
    for (body, expected, operation) in [
        (r#"{"query":"{ customer(id: 7) { name } }"}"#, &["7"][..], Some("query customer")),
        (r#"{"query":"query Rotating1 { customer(id: 7) { name } }"}"#, &["7"], Some("query customer")),
        (
            r#"{"operationName":"Q","variables":{"x":7},"query":"query Q($x: ID!) { customer(id: $x) { name } }"}"#,
            &["7"],
            Some("query customer"),
        ),
        (r#"{"query":"query($x: ID! = 7) { customer(id: $x) { name } }"}"#, &["7"], Some("query customer")),
        (
            r#"{"query":"query($in: In) { customer(input: $in) { name } }","variables":{"in":{"id":7}}}"#,
            &["7"],
            Some("query customer"),
        ),
        (
            r#"{"query":"{ a: customer(id: 1) { x } b: customer(id: 2) { x } }"}"#,
            &["1", "2"],
            Some("query customer"),
        ),
        (r#"{"query":"{ customers(ids: [1, 2]) { x } }"}"#, &["1", "2"], Some("query customers")),
        (
            r#"{"query":"{ viewer { login } customer(id: 7) { x } aardvark }"}"#,
            &["7"],
            Some("query customer"),
        ),
        (
            r#"{"query":"query { ...F } fragment F on Query { customer(id: 7) { x } }"}"#,
            &["7"],
            Some("query customer"),
        ),
        (r#"{"query":"mutation { rename(id: \"7\") { id } }"}"#, &["7"], Some("mutation rename")),
        (
            r#"{"query":"{ customers(first: 10, after: \"abc\") { id } }"}"#,
            &["after=abc"],
            Some("query customers"),
        ),
        (
            r#"{"operationName":"GetCustomer","variables":{"id":7},"extensions":{"persistedQuery":{}}}"#,
            &["7"],
            Some("persisted GetCustomer"),
        ),
        (
            r#"[{"query":"{ customer(id: 1) { x } }"},{"query":"{ customer(id: 2) { x } }"}]"#,
            &["1", "2"],
            Some("query customer"),
        ),
        (r#"{"query":"{ __typename }"}"#, &[], Some("query __typename")),
        (r#"{"query":"{ __typename viewer { login } }"}"#, &[], Some("query viewer")),
        (r#"{"a":1}"#, &[], None),
        (
            r#"{"variables":{"x":7,"first":10},"extensions":{"persistedQuery":{"version":1,"sha256Hash":"ab12"}}}"#,
            &["7"],
            None,
        ),
        (
            r#"{"query":"query($x: ID!) { customer(id: $x) { name } }","variables":"{\"x\":7}"}"#,
            &["7"],
            Some("query customer"),
        ),
        (r#"{"query":"{ customer(input: {id: 7}) { name } }"}"#, &["7"], Some("query customer")),
        (r#"{"query":"{ customers(where: {id: {_eq: 7}}) { name } }"}"#, &["7"], Some("query customers")),
        (
            r#"query=query(%24x:ID!)%7Bcustomer(id:%24x)%7Bx%7D%7D&variables=%7B%22x%22:7%7D"#,
            &["7"],
            Some("query customer"),
        ),
        (
            "--b\r\nContent-Disposition: form-data; name=\"operations\"\r\n\r\n{\"query\":\"{ customer(id: 7) }\"}\r\n--b--",
            &["7"],
            Some("query customer"),
        ),
    ] {
        let (objects, named, _) = read(true, "", body.as_bytes(), false);
        assert_eq!(
            (&*objects, named.as_deref()),
            (&expected.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()[..], operation),
            "{body}"
        );
    }
    let (objects, operation, _) = read(
        true,
        "query=query(%24x:ID!)%7Bcustomer(id:%24x)%7Bx%7D%7D&variables=%7B%22x%22:7%7D",
        b"",
        false,
    );
    assert_eq!((objects, operation.as_deref()), (vec!["7".to_owned()], Some("query customer")));
    let persisted =
        "extensions=%7B%22persistedQuery%22:%7B%22sha256Hash%22:%22ab12%22%7D%7D&variables=%7B%22x%22:7%7D";
    assert_eq!(read(true, persisted, b"", false).0, ["7"]);
    assert_eq!(read(true, "%71uery=%7Bcustomer(id:7)%7D", b"", false).0, ["7"]);
    for body in ["query { customer(id: 7) { x } }", "{ customer(id: 7) { x } }", "{customer(id:7){x}}"] {
        let (objects, operation, outcome) = read(true, "", body.as_bytes(), false);
        assert_eq!((objects, operation.as_deref()), (vec!["7".to_owned()], Some("query customer")), "{body}");
        assert_eq!(outcome, Body::Read, "application/graphql: {body}");
    }
}

#[test]
fn many_documents_in_one_body_are_one_object_behind_the_first() {
    let document = |n: usize| format!("\"query\":\"{{a(id:{n})}}\",");
    let of = |last: usize| {
        let documents: String = (0..20_000).chain([last]).map(document).collect();
        read(true, "", format!("{{{documents}\"variables\":{{}}}}").as_bytes(), false)
    };
    let (objects, operation, _) = of(7);
    assert_eq!((objects.len(), operation.as_deref()), (65, Some("query a")));
    assert_ne!(of(8).0, objects);
    let variables: String = (0..150).map(|n| format!("id:$v{n},")).collect();
    let body = format!("{{\"query\":\"{{a({variables})}}\",\"variables\":{{\"v149\":7}}}}");
    assert_eq!(objects_of_graphql(&body), ["7"]);
}

#[test]
fn a_list_in_a_variable_holds_what_the_variable_does() {
    for variables in [r#"{"v":[7,"8"]}"#, r#"{"v":[[7],["8"]]}"#] {
        let body = format!("{{\"query\":\"query($v:[ID!]){{a(ids:$v)}}\",\"variables\":{variables}}}");
        assert_eq!(objects_of_graphql(&body), ["7", "8"], "{variables}");
    }
}

#[test]
fn a_variable_that_holds_an_object_anywhere_holds_one() {
    for arguments in ["id:$v,page:$v", "page:$v,id:$v"] {
        let body = format!("{{\"query\":\"{{a({arguments})}}\",\"variables\":{{\"v\":7}}}}");
        assert_eq!(objects_of_graphql(&body), ["7"], "{arguments}");
    }
}

fn objects_of_graphql(body: &str) -> Vec<String> {
    read(true, "", body.as_bytes(), false).0
}

#[test]
fn what_takes_too_much_work_is_one_more_object_which_differs_when_anything_does() {
    let deep = "[".repeat(4_000);
    let numbers = (0..4_000).map(|n| format!("{},", n % 100)).collect::<String>();
    let names = "a=1&".repeat(4_000);
    let fields = "a:b(id:1){c}".repeat(1_000);
    let blanks = "#\n".repeat(6_000);
    for (graphql, query, body) in [
        (false, format!("{names}id=70001"), String::new()),
        (false, format!("{}id=70001", "&".repeat(16_000)), String::new()),
        (false, format!("filter={{\"ids\":[{numbers}70001]}}"), String::new()),
        (false, String::new(), format!("{{\"ids\":[{numbers}70001]}}")),
        (false, String::new(), format!("{{\"a\":{deep}70001")),
        (false, String::new(), format!("{{{},\"id\":70001}}", ",".repeat(16_000))),
        (false, String::new(), format!("{{{blanks}\"id\":70001}}")),
        (true, String::new(), format!("{{{fields}b(id:70001){{c}}}}")),
        (true, String::new(), format!("{{{blanks}b(id:70001){{c}}}}")),
        (true, String::new(), format!("{{\"query\":\"{{{fields}b(id:70001){{c}}}}\"}}")),
        (true, format!("query={{{fields}b(id:70001){{c}}}}"), String::new()),
    ] {
        let of = |query: &str, body: &str| read(graphql, query, body.as_bytes(), false).0;
        let first = of(&query, &body);
        let second = of(&query.replace("70001", "70002"), &body.replace("70001", "70002"));
        let what = format!("{query:.20} {body:.20}");
        assert!(first.last().is_some_and(|last| last.starts_with("~rest:")), "{what}: {first:?}");
        assert_ne!(first.last(), second.last(), "{what}");
        assert_eq!(first, of(&query, &body), "{what}");
    }
}

#[test]
fn a_form_in_parts_is_read_by_whatever_parts_it() {
    let part = |boundary: &str, name: &str, value: &str| {
        format!("--{boundary}\r\nContent-Disposition: form-data; {name}\r\n\r\n{value}\r\n")
    };
    let behind = |decoy: &str| format!("{decoy}{}--b--\r\n", part("b", "name=\"id\"", "17"));
    for (kind, body) in [
        ("multipart/form-data; boundary=b", behind("")),
        ("multipart/form-data; boundary=a; boundary=b", behind(&part("x", "name=q", "1"))),
        ("multipart/form-data; boundary*0=b", behind("--x\r\n\r\n")),
        ("multipart/form-data; boundary=\"\\b\"", behind(&part("x", "name=q", "1"))),
        ("multipart/form-data", behind(&part("bb", "name=q", "1"))),
        ("multipart/form-data; boundary=b", format!("{}--b--\r\n", part("b", "name*=utf-8''id", "17"))),
    ] {
        assert_eq!(objects_as(kind, body.as_bytes()), ["17"], "{kind} {body}");
    }
    let many = |id: &str| {
        let decoys: String = (0..9).map(|at| part(&format!("x{at}"), "name=q", "1")).collect();
        objects_as("multipart/form-data", format!("{decoys}{}--b--", part("b", "name=id", id)).as_bytes())
    };
    assert_ne!(many("17"), many("18"), "it differs when anything in it does");
}

#[test]
fn other_characters_than_those_of_ascii_hide_nothing() {
    let form = |id: &str| {
        // `id=` in EBCDIC, and digits.
        let body: Vec<u8> =
            b"\x89\x84\x7e".iter().copied().chain(id.bytes().map(|digit| digit - b'0' + 0xf0)).collect();
        objects_as("application/x-www-form-urlencoded; charset=\"IBM037\"", &body)
    };
    assert_eq!((form("17").len(), form("17") == form("18")), (1, false));
    assert_eq!(objects_as("application/x-www-form-urlencoded; charset=\"UTF-8\"", b"id=17"), ["17"]);
}

#[test]
fn a_name_and_its_value_may_be_two_parameters() {
    let of = |query: &str| read(false, query, b"", false).0;
    let filter = |name: &str| format!("c[0][field]={name}&c[0][value]=17&c[1][field]=status&c[1][value]=9");
    assert_eq!(of(&filter("customer_id")), ["17"]);
    assert_eq!(of(&filter("price")), [""; 0]);
    assert_eq!(of("field=id&values%5B0%5D=17"), ["17"]);
}

#[test]
fn what_is_in_quotes_behind_a_name_is_its_value() {
    let of = |query: &str| read(false, query, b"", false).0;
    assert_eq!(of("filter=userName%20eq%20%22anna.smith%22"), ["anna.smith"]);
    assert_eq!(of("$filter=CustomerID%20eq%20'ALFKI'"), ["ALFKI"]);
    assert_eq!(of("q=status:%22open%22"), [""; 0]);
    assert_eq!(of("q=user%20guide"), [""; 0]);
}

#[test]
fn from_when_on_is_no_page() {
    let of = |query: &str| read(false, query, b"", true).0;
    assert_eq!(of("start=1700000000&end=1700003600"), [""; 0]);
    assert_eq!(of("start=1700000000.123"), [""; 0]);
    assert_eq!(of("start=1700000000000000000"), [""; 0]);
    assert_eq!(of("start=200"), ["start=200"]);
    assert_eq!(of("before=1700000000"), ["before=1700000000"]);
}
