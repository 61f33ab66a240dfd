//! What the operator says about routes, objects and callers comes before what Rollcall makes of them by itself.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use rollcall_tests::daemon::UNKNOWN_ROUTE;

use super::{CALLER, Scene, Seen, keys, objects, request};

/// An API as its developers describe it: not all of it.
const DOCUMENT: &str = r##"openapi: 3.1.0
info: { title: Customers, version: "1" }
servers:
  - url: https://api.example/v1
paths:
  /customers/{customerId}:
    parameters: [{ $ref: "#/components/parameters/Customer" }]
    get: { responses: { "200": { description: A customer } } }
  /customers/{customerId}/orders/{orderId}:
    get:
      parameters:
        - { $ref: "#/components/parameters/Customer" }
        - { name: orderId, in: path, required: true, schema: { type: integer } }
      responses: { "200": { description: An order } }
  /customers/search:
    post: { responses: { "200": { description: Customers } } }
components:
  parameters:
    Customer: { name: customerId, in: path, required: true, schema: { type: string } }
"##;

/// Method and target, and the route and objects that they have.
type Case = (&'static str, &'static str, &'static str, &'static [&'static str]);

fn run(arguments: &[&str], cases: &[Case]) -> Result<(Vec<Seen>, rollcall_tests::Report)> {
    let scene = Scene::start(true, arguments)?;
    let mut client = scene.client()?;
    for (method, target, ..) in cases {
        client.send(request(method, target, &[("X-Staff", "the-staff-7")], ""))?;
        if *method == "HEAD" {
            client.response_to_head()?
        } else {
            client.response()?
        };
    }
    drop(client);
    let (seen, report) = scene.finish(cases.len())?;
    for ((method, target, route, expected), seen) in cases.iter().zip(&seen) {
        for (hop, exchange) in seen.hops() {
            assert_eq!(exchange["route"], *route, "{method} {target}, {hop}");
            assert_eq!(objects(exchange), *expected, "{method} {target}, {hop}");
        }
    }
    Ok((seen, report))
}

fn write(folder: &Path, name: &str, text: &str) -> Result<String> {
    let file = folder.join(name);
    fs::write(&file, text)?;
    Ok(file.to_str().context("the path is no text")?.to_owned())
}

#[test]
fn a_declared_route_says_what_the_object_is() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = write(folder.path(), "routes", "# people\n\nGET /users/{name}\n  /profiles/{name}/*\n")?;
    let arguments =
        ["--route", "GET /v1/customers/{account}/**,/internal/**", "--route", &format!("@{file}")];
    let customers = "GET /v1/customers/{account}/**";
    let cases: [Case; 13] = [
        ("GET", "/v1/customers/17", customers, &["17"]),
        ("GET", "/v1/customers/17/orders", customers, &["17"]),
        ("GET", "/v1/customers/17/orders/4", customers, &["17"]),
        ("GET", "/V1//customers/./%31%37/orders/4/?id=5", customers, &["17"]),
        ("GET", "/v1/customers/me", customers, &["me"]),
        ("HEAD", "/v1/customers/18", customers, &["18"]),
        ("GET", "/v1/customers", "GET /v1/customers", &[]),
        ("DELETE", "/v1/customers/17", "DELETE /v1/customers/{id}", &["17"]),
        ("GET", "/users/Ada", "GET /users/{name}", &["Ada"]),
        ("GET", "/users/ada/", "GET /users/{name}", &["ada"]),
        ("GET", "/profiles/ada/full", "GET /profiles/{name}/*", &["ada"]),
        ("DELETE", "/profiles/ada/full", "DELETE /profiles/{name}/*", &["ada"]),
        ("GET", "/internal/report", "GET /internal/**", &[]),
    ];
    run(&arguments, &cases)?;
    Ok(())
}

#[test]
fn a_document_names_routes_and_what_it_leaves_out_is_a_notice() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = write(folder.path(), "openapi.yaml", DOCUMENT)?;
    let cases: [Case; 9] = [
        ("GET", "/v1/customers/17", "GET /v1/customers/{customerId}", &["17"]),
        ("GET", "/v1/customers/ada", "GET /v1/customers/{customerId}", &["ada"]),
        ("HEAD", "/v1/customers/17", "GET /v1/customers/{customerId}", &["17"]),
        ("GET", "/v1/customers/17/orders/4", "GET /v1/customers/{customerId}/orders/{orderId}", &["17/4"]),
        ("POST", "/v1/customers/search?id=17", "POST /v1/customers/search", &["17"]),
        ("GET", "/internal/report", "GET /internal/report", &[]),
        ("GET", "/internal/report?again", "GET /internal/report", &[]),
        ("DELETE", "/v1/customers/17", "DELETE /v1/customers/{id}", &["17"]),
        ("GET", "/nothing/here", "GET /nothing/here", &[]),
    ];
    let (seen, report) = run(&["--openapi", &file], &cases)?;
    let missing: Vec<_> = seen.iter().filter(|seen| seen.served.operation.is_none()).collect();
    ensure!(missing.len() == 1 && missing[0].served.call.target == "/nothing/here", "a 404, and no other");
    let mut notices: Vec<_> = report
        .alerts_of(UNKNOWN_ROUTE, "open")
        .iter()
        .map(|notice| {
            assert_eq!(notice["severity"], "info", "{notice}");
            notice["route"].as_str().unwrap_or("-").to_owned()
        })
        .collect();
    notices.sort();
    // What answered and is in no document, of nginx and of the application; what was not found is no route.
    let missing = ["DELETE /v1/customers/{id}", "GET /internal/report"].into_iter();
    assert_eq!(notices, missing.flat_map(|route| [route; 2]).collect::<Vec<_>>(), "{:?}", report.alerts);
    Ok(())
}

#[test]
fn a_rule_comes_before_the_document() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = write(folder.path(), "openapi.yaml", DOCUMENT)?;
    let cases: [Case; 2] = [
        ("GET", "/v1/customers/17", "GET /v1/customers/{account}", &["17"]),
        ("GET", "/v1/customers/17/orders/4", "GET /v1/customers/{customerId}/orders/{orderId}", &["17/4"]),
    ];
    let (_, report) = run(&["--openapi", &file, "--route", "GET /v1/customers/{account}"], &cases)?;
    assert_eq!(report.alerts_of(UNKNOWN_ROUTE, "open").len(), 0, "{:?}", report.alerts);
    Ok(())
}

#[test]
fn parameters_hold_what_the_operator_says() -> Result<()> {
    let cases: [Case; 4] = [
        ("GET", "/badge?staff=Ada", "GET /badge", &["Ada"]),
        ("GET", "/badge?STAFF=Bob&x=1", "GET /badge", &["Bob"]),
        ("GET", "/look?id=17", "GET /look", &[]),
        ("GET", "/v1/customers?customer_id=17", "GET /v1/customers", &["17"]),
    ];
    run(&["--object-param", "staff,!id"], &cases)?;
    Ok(())
}

#[test]
fn callers_are_told_by_the_header_that_the_operator_names() -> Result<()> {
    let cases: [Case; 2] = [
        ("GET", "/v1/customers/17", "GET /v1/customers/{id}", &["17"]),
        ("GET", "/v1/customers/18", "GET /v1/customers/{id}", &["18"]),
    ];
    let (seen, _) = run(&["--client-from", "header:X-Staff"], &cases)?;
    let mut hashes = Vec::new();
    for seen in &seen {
        assert_eq!(seen.served.caller.as_deref(), Some("staff the-staff-7"));
        for (hop, exchange) in seen.hops() {
            let address = if hop == "before nginx" { "peer" } else { "forwarded" };
            let keys = keys(exchange);
            ensure!(keys.len() == 3 && keys[0] == format!("{address}:{CALLER}"), "{keys:?}");
            let hash = keys[2].strip_prefix("credential:named:").with_context(|| format!("{keys:?}"))?;
            hashes.push(hash.to_owned());
        }
    }
    hashes.dedup();
    assert_eq!(hashes.len(), 1, "one caller, two hops, one hash");
    // By default, the header means nothing.
    let (seen, _) = run(&[], &cases)?;
    assert_eq!(keys(&seen[0].back).len(), 2);
    Ok(())
}
