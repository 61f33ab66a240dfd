//! Walks whose callers change all that they can: one of the keys stays the same, and tells.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};

use anyhow::{Result, bail, ensure};
use rollcall_tests::{
    Behaviour, Client, Daemon, MiniServer, Namespace, Report,
    daemon::{BLOCK_DENSITY, DISTINCT_OBJECTS, OPEN_DOOR},
};

use super::{CALLER, Scene, keys, request};

const WALK: usize = 40;
const ROUTE: &str = "GET /v1/customers/{id}";

/// The clients that alerts were opened about, as `kind:id`; all on the one route that there is.
fn alerted(report: &Report) -> Result<BTreeSet<String>> {
    let mut clients = BTreeSet::new();
    for alert in report.alerts_of(DISTINCT_OBJECTS, "open") {
        assert_eq!(alert["route"], ROUTE);
        let text = |field: &str| alert["client"][field].as_str().unwrap_or("?").to_owned();
        ensure!(clients.insert(format!("{}:{}", text("kind"), text("id"))), "two alerts on one: {alert}");
    }
    Ok(clients)
}

#[test]
fn made_up_forwarded_addresses_hide_nobody() -> Result<()> {
    for with_nginx in [false, true] {
        let scene = Scene::start(with_nginx, &[])?;
        let mut client = scene.client()?;
        for id in 0..WALK {
            let made_up = format!("198.51.{id}.7");
            let fields = [("X-Forwarded-For", made_up.as_str())];
            client.send(request("GET", &format!("/v1/customers/{id}"), &fields, ""))?;
            client.response()?;
        }
        scene.daemon.wait_for_alert(DISTINCT_OBJECTS)?;
        let (_, report) = scene.finish(WALK)?;
        let behind = with_nginx.then(|| format!("forwarded:{CALLER}"));
        let expected: BTreeSet<_> = behind.into_iter().chain([format!("peer:{CALLER}")]).collect();
        // Each hop is a service of its own, and the walk through both is one.
        let walk: Vec<_> = report.alerts.iter().filter(|alert| alert["rule"] == DISTINCT_OBJECTS).collect();
        let ids: BTreeSet<_> = walk.iter().map(|alert| alert["id"].as_str()).collect();
        ensure!(ids.len() == 1, "not one alert: {walk:?}");
        let about = walk.iter().filter_map(|alert| alert["clients"].as_array()).flatten();
        let about =
            about.map(|client| Some(format!("{}:{}", client["kind"].as_str()?, client["id"].as_str()?)));
        assert_eq!(about.flatten().collect::<BTreeSet<_>>(), expected);
    }
    Ok(())
}

/// The part of a list, or the accounts, that the calls of a walk name instead of an account in the path.
#[test]
fn pages_cursors_and_batches_are_walks_too() -> Result<()> {
    let batch = |size: usize| (0..size).map(|id| id.to_string()).collect::<Vec<_>>().join(",");
    let pages = (1..=WALK).map(|page| request("GET", &format!("/v1/customers?page={page}"), &[], ""));
    let cursors =
        (0..WALK).map(|at| request("GET", &format!("/v1/customers?limit=20&cursor=next{at}x"), &[], ""));
    let one_call = request("GET", &format!("/v1/customers?ids={}", batch(WALK)), &[], "");
    let body = format!(r#"{{"ids":[{}]}}"#, batch(WALK));
    let one_body = request("POST", "/v1/customers/search", &[], &body);
    let aliases: String = (0..WALK).map(|id| format!("c{id}: customer(id: {id}) {{ name }} ")).collect();
    let one_document = request("POST", "/graphql", &[], &format!(r#"{{"query":"{{ {aliases}}}"}}"#));
    for (what, route, requests) in [
        ("pages", "GET /v1/customers", pages.collect::<Vec<_>>()),
        ("cursors", "GET /v1/customers", cursors.collect()),
        ("a batch in the query", "GET /v1/customers", vec![one_call]),
        ("a batch in the body", "POST /v1/customers/search", vec![one_body]),
        ("a batch of aliases", "POST /graphql query customer", vec![one_document]),
    ] {
        let scene = Scene::start(false, &[])?;
        let mut client = scene.client()?;
        for request in &requests {
            client.send(request)?;
            client.response()?;
        }
        scene.daemon.wait_for_alert(DISTINCT_OBJECTS)?;
        let (seen, report) = scene.finish(requests.len())?;
        let named: usize = seen.iter().map(|seen| seen.served.accounts.len()).sum();
        assert_eq!(named, WALK, "{what}");
        let [alert] = report.alerts_of(DISTINCT_OBJECTS, "open")[..] else {
            bail!("{what}: not one alert: {:?}", report.alerts);
        };
        assert_eq!(alert["route"], route, "{what}");
        assert_eq!(alert["client"]["id"], CALLER.to_string(), "{what}");
    }
    Ok(())
}

#[test]
fn one_token_tells_whatever_the_cookies_and_addresses_are() -> Result<()> {
    let scene = Scene::start(false, &[])?;
    for id in 0..WALK {
        let source = Ipv4Addr::new(127, 7, u8::try_from(id)?, 7);
        let mut client = Client::connect_from(source, scene.entrance())?;
        let cookie = format!("sessionid=s-{id}; theme=dark");
        let fields = [("Cookie", cookie.as_str()), ("Authorization", "Bearer the-only-token")];
        client.send(request("GET", &format!("/v1/customers/{id}"), &fields, ""))?;
        client.response()?;
    }
    scene.daemon.wait_for_alert(DISTINCT_OBJECTS)?;
    let (seen, report) = scene.finish(WALK)?;
    let bearer = keys(&seen[0].back).into_iter().filter(|key| key.starts_with("credential:bearer:"));
    assert_eq!(alerted(&report)?, bearer.collect::<BTreeSet<_>>());
    // Each call had a credential.
    assert_eq!(report.alerts_of(OPEN_DOOR, "open").len(), 0, "{:?}", report.alerts);
    let alert = report.alerts_of(DISTINCT_OBJECTS, "open")[0];
    assert_eq!(alert["addresses"].as_array().map(Vec::len), Some(10), "{alert}");
    Ok(())
}

#[test]
fn one_subject_tells_whatever_its_tokens_are() -> Result<()> {
    let scene = Scene::start(false, &[])?;
    // The header is `{"alg":"HS256"}`.
    let tokens: Vec<String> = (0..WALK)
        .map(|n| {
            let claims = format!(r#"{{"sub":"ada","iat":{n}}}"#);
            format!("Bearer eyJhbGciOiJIUzI1NiJ9.{}.c2ln", base64(claims.as_bytes()))
        })
        .collect();
    for (id, token) in tokens.iter().enumerate() {
        let source = Ipv4Addr::new(127, 8, u8::try_from(id)?, 7);
        let mut client = Client::connect_from(source, scene.entrance())?;
        client.send(request("GET", &format!("/v1/customers/{id}"), &[("Authorization", token)], ""))?;
        client.response()?;
    }
    scene.daemon.wait_for_alert(DISTINCT_OBJECTS)?;
    let (seen, report) = scene.finish(WALK)?;
    assert_eq!(seen[0].served.caller.as_deref(), Some("subject ada"));
    let claim = keys(&seen[0].back).into_iter().filter(|key| key.starts_with("credential:claim:"));
    assert_eq!(alerted(&report)?, claim.collect::<BTreeSet<_>>());
    Ok(())
}

/// Without padding, for URLs.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digits = |chunk: &[u8]| {
        let bits = chunk.iter().fold(0, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - chunk.len()));
        (0..=chunk.len())
            .map(|at| char::from(ALPHABET[(bits >> (18 - 6 * at) & 63) as usize]))
            .collect::<String>()
    };
    bytes.chunks(3).map(digits).collect()
}

#[test]
fn one_network_tells_whatever_the_ipv6_addresses_are() -> Result<()> {
    let namespace = Namespace::new()?;
    let home = |host: u16| Ipv6Addr::new(0xfd97, 0, 0, 7, 0, 0, 0, host);
    let server_address = Ipv6Addr::new(0xfd97, 0, 0, 1, 0, 0, 0, 1);
    namespace.add_loopback(server_address)?;
    for host in 0..WALK {
        namespace.add_loopback(home(1 + u16::try_from(host)?))?;
    }
    let server = namespace
        .enter(|| MiniServer::listen(SocketAddr::from((server_address, 0)), Behaviour::default()))?;
    let daemon = Daemon::watching(server.port())?;
    namespace.enter(|| {
        for host in 0..WALK {
            let mut client = Client::connect_from(home(1 + u16::try_from(host)?), server.address())?;
            client.get(&format!("/v1/customers/{host}"))?;
        }
        Ok(())
    })?;
    daemon.wait_for_alert(DISTINCT_OBJECTS)?;
    let report = daemon.stop()?;
    report.expect_exactly(server.port(), &server.served())?;
    assert_eq!(alerted(&report)?, BTreeSet::from(["prefix:fd97:0:0:7::/64".to_owned()]));
    Ok(())
}

/// Each call from another address, and with another token: nobody touches more than one account.
#[test]
fn a_walk_that_nobody_does_alone_shows_on_the_route() -> Result<()> {
    const CALLS: usize = 80;
    let scene = Scene::start(false, &[])?;
    for id in 0..CALLS {
        let source = Ipv4Addr::new(127, 9, u8::try_from(id)?, 7);
        let mut client = Client::connect_from(source, scene.entrance())?;
        let token = format!("Bearer token-{id}");
        let target = format!("/v1/customers/{}", 4_000 + id);
        client.send(request("GET", &target, &[("Authorization", token.as_str())], ""))?;
        client.response()?;
    }
    let alert = scene.daemon.wait_for_alert(BLOCK_DENSITY)?;
    let (_, report) = scene.finish(CALLS)?;
    assert_eq!(alert["client"]["kind"], "all");
    assert_eq!((&alert["route"], &alert["severity"]), (&ROUTE.into(), &"warning".into()));
    assert_eq!(alert["addresses"].as_array().map(Vec::len), Some(10), "{alert}");
    ensure!(alert["distinct"].as_u64().is_some_and(|distinct| distinct <= 70), "{alert}");
    assert_eq!(alerted(&report)?, BTreeSet::new());
    Ok(())
}

#[test]
fn a_partner_may_walk_within_its_budget_and_no_further() -> Result<()> {
    let partner = format!("{CALLER}=60/1h");
    let scene = Scene::start(false, &["--partner", &partner])?;
    let mut client = scene.client()?;
    let mut walk = |ids: std::ops::Range<usize>| -> Result<()> {
        for id in ids {
            client.send(request("GET", &format!("/v1/customers/{id}"), &[], ""))?;
            client.response()?;
        }
        Ok(())
    };
    walk(0..60)?;
    let seen = scene.daemon.alerts()?;
    ensure!(seen.iter().all(|alert| alert["severity"] == "info"), "{seen:?}");
    walk(60..61)?;
    let alert = scene.daemon.wait_for_alert(DISTINCT_OBJECTS)?;
    assert_eq!((&alert["limit"], &alert["distinct"]), (&60.into(), &61.into()));
    scene.finish(61)?;
    Ok(())
}
