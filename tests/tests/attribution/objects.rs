//! Routes and objects: however an account is asked for, the log names the one that the application read.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use rollcall_tests::program;

use super::{CALLER, Scene, Seen, objects, request};

/// Rollcall's route for each operation of the application, without the method.
const ROUTES: [(&str, &str); 16] = [
    ("health", "/health"),
    ("customers", "/v1/customers"),
    ("search", "/v1/customers/search"),
    ("customer", "/v1/customers/{id}"),
    ("several customers", "/v1/customers/{id}"),
    ("customer as a file", "/v1/customers/{id}.json"),
    ("orders", "/v1/customers/{id}/orders"),
    ("order", "/v1/customers/{id}/orders/{id}"),
    ("localised customer", "/{locale}/customers/{id}"),
    ("graphql customer", "/graphql query customer"),
    ("graphql customers", "/graphql query customers"),
    ("graphql viewer", "/graphql query viewer"),
    ("graphql persisted", "/graphql persisted GetCustomer"),
    ("report", "/internal/report"),
    ("badge", "/badge"),
    ("look", "/look"),
];

/// A call, and what it is to the application.
struct Case {
    what: &'static str,
    sent: Sent,
    operation: &'static str,
    accounts: &'static [&'static str],
}

enum Sent {
    /// Just this.
    Bytes(Vec<u8>),
    /// By curl: the target, and what comes before it.
    Curl(&'static str, &'static [&'static str]),
}

type Accounts = &'static [&'static str];

fn get(what: &'static str, target: &str, operation: &'static str, accounts: Accounts) -> Case {
    Case { what, sent: Sent::Bytes(request("GET", target, &[], "")), operation, accounts }
}

fn post(
    what: &'static str,
    target: &str,
    kind: &str,
    body: &str,
    operation: &'static str,
    accounts: Accounts,
) -> Case {
    let sent = Sent::Bytes(request("POST", target, &[("Content-Type", kind)], body));
    Case { what, sent, operation, accounts }
}

fn json(what: &'static str, body: &str, accounts: Accounts) -> Case {
    post(what, "/v1/customers/search", "application/json", body, "search", accounts)
}

fn graphql(what: &'static str, body: &str, operation: &'static str, accounts: Accounts) -> Case {
    post(what, "/graphql", "application/json", body, operation, accounts)
}

fn curl(
    what: &'static str,
    target: &'static str,
    options: &'static [&'static str],
    operation: &'static str,
    accounts: Accounts,
) -> Case {
    Case { what, sent: Sent::Curl(target, options), operation, accounts }
}

const UUID: Accounts = &["550e8400-e29b-41d4-a716-446655440000"];

fn paths() -> Vec<Case> {
    let uuid = "/v1/customers/550e8400-e29b-41d4-a716-446655440000";
    let upper = "/v1/customers/550E8400-E29B-41D4-A716-446655440000";
    vec![
        get("a number", "/v1/customers/17", "customer", &["17"]),
        get("a number with zeros in front", "/v1/customers/0017", "customer", &["17"]),
        get("a UUID", uuid, "customer", UUID),
        get("a UUID in capitals", upper, "customer", UUID),
        get("a prefixed number", "/v1/customers/cust-000123", "customer", &["cust-000123"]),
        get("an e-mail address", "/v1/customers/ada@example.org", "customer", &["ada@example.org"]),
        get("an encoded one", "/v1/customers/Ada%40Example.org", "customer", &["ada@example.org"]),
        get("a list in the path", "/v1/customers/1,2,3", "several customers", &["1", "2", "3"]),
        get("what lies below", "/v1/customers/17/orders", "orders", &["17"]),
        get("two identifiers", "/v1/customers/17/orders/4", "order", &["17/4"]),
        get("a file of data", "/v1/customers/17.json", "customer as a file", &["17"]),
        get("a language in front", "/de/customers/17", "localised customer", &["17"]),
        get("another language", "/en-GB/customers/18", "localised customer", &["18"]),
        get("no account at all", "/health", "health", &[]),
        Case {
            what: "another method",
            sent: Sent::Bytes(request("DELETE", "/v1/customers/17", &[], "")),
            operation: "customer",
            accounts: &["17"],
        },
    ]
}

fn spellings() -> Vec<Case> {
    [
        ("doubled slashes", "//v1//customers//17"),
        ("a dot segment", "/v1/./customers/17"),
        ("a way back", "/v1/x/../customers/17"),
        ("an encoded way back", "/v1/x/%2e%2e/customers/17"),
        ("encoded digits", "/v1/customers/%31%37"),
        ("an encoded word", "/v1/%63ustomers/17"),
        ("encoded slashes", "/v1%2Fcustomers%2f17"),
        ("parameters of segments", "/v1;a=1/customers;b/17;jsessionid=5"),
        ("a slash behind", "/v1/customers/17/"),
        ("other case", "/V1/Customers/17"),
        ("absolute form", "http://api.example/v1/customers/17"),
        ("absolute form with a port", "HTTP://other.example:8080/v1/customers/17"),
        ("an empty query", "/v1/customers/17?"),
        ("a parameter to no purpose", "/v1/customers/17?_=1789&expand=orders"),
    ]
    .into_iter()
    .map(|(what, target)| get(what, target, "customer", &["17"]))
    .collect()
}

fn queries() -> Vec<Case> {
    vec![
        get("an id", "/v1/customers?id=17", "customers", &["17"]),
        get("an ID, encoded", "/v1/customers?x=1&%49D=%31%37", "customers", &["17"]),
        get("another usual name", "/v1/customers?customer_id=17", "customers", &["17"]),
        get("an e-mail address", "/v1/customers?email=Ada%40Example.org", "customers", &["ada@example.org"]),
        get("a filter", "/v1/customers?filter[id]=17", "customers", &["17"]),
        get("a list with commas", "/v1/customers?ids=1,2,3", "customers", &["1", "2", "3"]),
        get("a list with encoded commas", "/v1/customers?ids=1%2C2", "customers", &["1", "2"]),
        get("a list by repetition", "/v1/customers?ids[]=1&ids[]=2", "customers", &["1", "2"]),
        get("the same, encoded", "/v1/customers?ids%5B%5D=1&ids%5B%5D=2", "customers", &["1", "2"]),
        get("a name twice", "/v1/customers?id=17&id=18", "customers", &["17", "18"]),
        get("a page", "/v1/customers?page=2", "customers", &["page=2"]),
        get("the page behind it", "/v1/customers?limit=20&page=3", "customers", &["page=3"]),
        get("an offset", "/v1/customers?limit=20&offset=40", "customers", &["offset=40"]),
        get("a cursor", "/v1/customers?cursor=bmV4dA", "customers", &["cursor=bmV4dA"]),
        get("a list without anything", "/v1/customers", "customers", &[]),
        curl(
            "an e-mail address by curl",
            "/v1/customers",
            &["--get", "--data-urlencode", "email=Ada@Example.org"],
            "customers",
            &["ada@example.org"],
        ),
    ]
}

fn bodies() -> Vec<Case> {
    let form = "application/x-www-form-urlencoded";
    let search = "/v1/customers/search";
    vec![
        json("JSON", r#"{"id":17}"#, &["17"]),
        json("JSON with a text", r#"{"name":"x","id":"17"}"#, &["17"]),
        json("JSON with escapes", r#"{"\u0069d":"\u0031\u0037"}"#, &["17"]),
        json("a number with a point", r#"{"id":17.0}"#, &["17"]),
        json("nested JSON", r#"{"customer":{"name":"Ada","id":17}}"#, &["17"]),
        json("a list of numbers", r#"{"ids":[1,2,3]}"#, &["1", "2", "3"]),
        json("a batch", r#"[{"id":1},{"id":2}]"#, &["1", "2"]),
        json("nothing but numbers", "[1,2,3]", &["1", "2", "3"]),
        json("a page", r#"{"page":2}"#, &["page=2"]),
        post("JSON called text", search, "text/plain", r#"{"id":17}"#, "search", &["17"]),
        post("a form", search, form, "x=1&id=17", "search", &["17"]),
        post("a form with a list", search, form, "ids%5B%5D=1&ids%5B%5D=2", "search", &["1", "2"]),
        curl(
            "a form by curl",
            search,
            &["--data-urlencode", "email=Ada@Example.org"],
            "search",
            &["ada@example.org"],
        ),
        curl("a multipart form by curl", search, &["--form", "note=x", "--form", "id=17"], "search", &["17"]),
        curl("JSON by curl, called a form", search, &["--data", r#"{"id":17}"#], "search", &["17"]),
    ]
}

fn graphqls() -> Vec<Case> {
    let (customer, customers) = ("graphql customer", "graphql customers");
    vec![
        graphql("an argument", r#"{"query":"{ customer(id: 17) { name } }"}"#, customer, &["17"]),
        graphql(
            "a variable",
            r#"{"operationName":"Q","variables":{"x":17},"query":"query Q($x: ID!) { customer(id: $x) { name } }"}"#,
            customer,
            &["17"],
        ),
        graphql(
            "a name of the client's choice",
            r#"{"operationName":"R8","variables":{"id":"17"},"query":"query R8($id: ID!) { customer(id: $id) { name } }"}"#,
            customer,
            &["17"],
        ),
        graphql(
            "a variable's default",
            r#"{"query":"query($x: ID! = 17) { customer(id: $x) { name } }"}"#,
            customer,
            &["17"],
        ),
        graphql(
            "aliases",
            r#"{"query":"{ a: customer(id: 1) { name } b: customer(id: 2) { name } }"}"#,
            customer,
            &["1", "2"],
        ),
        graphql("a list", r#"{"query":"{ customers(ids: [1, 2]) { name } }"}"#, customers, &["1", "2"]),
        graphql(
            "a cursor",
            r#"{"query":"{ customers(first: 10, after: \"abc\") { name } }"}"#,
            customers,
            &["after=abc"],
        ),
        graphql(
            "a batch",
            r#"[{"query":"{ customer(id: 1) { name } }"},{"query":"{ customer(id: 2) { name } }"}]"#,
            customer,
            &["1", "2"],
        ),
        graphql("nobody's account", r#"{"query":"{ viewer { name } }"}"#, "graphql viewer", &[]),
        graphql(
            "a persisted query",
            r#"{"operationName":"GetCustomer","variables":{"id":17},"extensions":{"persistedQuery":{"version":1}}}"#,
            "graphql persisted",
            &["17"],
        ),
        get("GET", "/graphql?query=%7Bcustomer(id:17)%7Bname%7D%7D", customer, &["17"]),
        get(
            "GET with variables",
            "/graphql?query=query($x:ID!)%7Bcustomer(id:$x)%7Bname%7D%7D&variables=%7B%22x%22:17%7D",
            customer,
            &["17"],
        ),
        post(
            "bare GraphQL",
            "/graphql",
            "application/graphql",
            "{ customer(id: 17) { name } }",
            customer,
            &["17"],
        ),
    ]
}

fn cases() -> Vec<Case> {
    [paths(), spellings(), queries(), bodies(), graphqls()].into_iter().flatten().collect()
}

/// Makes the calls, one after the other.
fn call(scene: &Scene, cases: &[Case]) -> Result<()> {
    let mut client = scene.client()?;
    for Case { what, sent, .. } in cases {
        match sent {
            Sent::Bytes(bytes) => {
                client.send(bytes)?;
                let response = client.response().with_context(|| (*what).to_owned())?;
                ensure!(response.status == 200, "{what}: {}", response.status);
            }
            Sent::Curl(target, options) => {
                let mut command = Command::new(program::find("curl")?);
                command.args(["--silent", "--show-error", "--fail", "--max-time", "20", "--noproxy", "*"]);
                command.arg("--interface").arg(CALLER.to_string()).args(*options);
                program::run(command.arg(format!("http://{}{target}", scene.entrance())))
                    .with_context(|| (*what).to_owned())?;
            }
        }
    }
    Ok(())
}

/// The application's word on each case, and then Rollcall's on each hop.
fn compare(cases: &[Case], seen: &[Seen]) -> Result<()> {
    let mut wrong = Vec::new();
    for (Case { what, operation, accounts, .. }, seen) in cases.iter().zip(seen) {
        let served = &seen.served;
        assert_eq!(served.operation.as_deref(), Some(*operation), "{what}, to the application");
        assert_eq!(served.accounts, *accounts, "{what}, to the application");
        let template = ROUTES.iter().find(|(known, _)| known == operation).context(*operation)?.1;
        let route = format!("{} {template}", served.call.method);
        for (hop, exchange) in seen.hops() {
            let (found_route, found) = (exchange["route"].as_str().unwrap_or("-"), objects(exchange));
            if (found_route, &found) != (&route, &served.accounts) {
                wrong.push(format!(
                    "{what}, {hop}: {found_route:?} {found:?} instead of {route:?} {:?}",
                    served.accounts
                ));
            }
        }
    }
    ensure!(wrong.is_empty(), "{} wrong:\n  {}", wrong.len(), wrong.join("\n  "));
    Ok(())
}

#[test]
fn both_hops_name_the_operation_and_the_account() -> Result<()> {
    let (scene, cases) = (Scene::start(true, &[])?, cases());
    call(&scene, &cases)?;
    let (seen, _) = scene.finish(cases.len())?;
    compare(&cases, &seen)?;
    for Seen { front, back, .. } in &seen {
        // The client is the same on both: here the peer, there the one for whom nginx calls.
        let network = "prefix:127.0.0.0/24".to_owned();
        let front = front.as_ref().context("nginx is there")?;
        assert_eq!(super::keys(front), [format!("peer:{CALLER}"), network.clone()], "{front}");
        assert_eq!(super::keys(back), [format!("forwarded:{CALLER}"), network], "{back}");
    }
    Ok(())
}

#[test]
fn an_application_alone_shows_the_same() -> Result<()> {
    let (scene, cases) = (Scene::start(false, &[])?, cases());
    call(&scene, &cases)?;
    let (seen, _) = scene.finish(cases.len())?;
    compare(&cases, &seen)?;
    for Seen { back, .. } in &seen {
        assert_eq!(super::keys(back), [format!("peer:{CALLER}"), "prefix:127.0.0.0/24".to_owned()], "{back}");
    }
    Ok(())
}
