//! Credentials: one caller is one hash, on every hop and after a restart, and what was hashed is nowhere to be found.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use anyhow::{Context, Result, bail, ensure};
use rollcall_tests::{
    Report,
    daemon::{DISTINCT_OBJECTS, OPEN_DOOR, State},
};
use serde_json::Value;

use super::{CALLER, Scene, Seen, keys, request};

/// `{"alg":"HS256"}`, and claims that differ in all but `sub`.
const ADA_MONDAY: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEiLCJpYXQiOjF9.bW9uZGF5c2lnbmF0dXJl";
const ADA_TUESDAY: &str = "eyJhbGciOiJIUzI1NiJ9.eyJpYXQiOjIsInN1YiI6ImFkYSJ9.dHVlc2RheXNpZ25hdHVyZQ";
const BOB: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJib2IiLCJpYXQiOjF9.Ym9ic3NpZ25hdHVyZQ";

/// Calls that are too many for one caller.
const WALK: Range<usize> = 0..30;

/// What must not be found in anything that Rollcall writes: the credentials, and what they say when decoded.
const SECRETS: [&str; 16] = [
    "opaque-token-1",
    "opaque-token-2",
    "eyJzdWIiOiJhZGEiLCJpYXQiOjF9",
    "bW9uZGF5c2lnbmF0dXJl",
    "eyJpYXQiOjIsInN1YiI6ImFkYSJ9",
    "eyJzdWIiOiJib2IiLCJpYXQiOjF9",
    "YWRhLWxvdmVsYWNl",
    "ada-lovelace",
    "first-password",
    "second-password",
    "the-api-key-1",
    "the-api-key-2",
    "the-session-1",
    "the-session-2",
    "another-cookie",
    "nonce-one",
];

/// What is sent, how the application calls whom it takes for the caller, and the kinds of credentials in it.
struct Case {
    target: &'static str,
    field: Option<(&'static str, String)>,
    caller: Option<&'static str>,
    kinds: &'static [&'static str],
}

fn cases() -> Vec<Case> {
    let case = |target, name: &'static str, value: &str, caller, kinds| Case {
        target,
        field: (!name.is_empty()).then(|| (name, value.to_owned())),
        caller,
        kinds,
    };
    let authorization = |scheme: &str, value: &str, caller, kinds| {
        case("/v1/customers/17", "Authorization", &format!("{scheme} {value}"), Some(caller), kinds)
    };
    let key = |target, name, value, caller| case(target, name, value, Some(caller), &["api-key"][..]);
    let digest = |nonce: &str| {
        format!(
            r#"username="ada-lovelace", realm="x", nonce="{nonce}", uri="/v1/customers/17", response="the-{nonce}-response""#
        )
    };
    let cookie = |value, caller| case("/v1/customers/17", "Cookie", value, Some(caller), &["session"][..]);
    vec![
        authorization("Bearer", "opaque-token-1", "token opaque-token-1", &["bearer"]),
        authorization("bearer", " opaque-token-1", "token opaque-token-1", &["bearer"]),
        authorization("Bearer", "opaque-token-2", "token opaque-token-2", &["bearer"]),
        authorization("Bearer", ADA_MONDAY, "subject ada", &["bearer", "claim"]),
        authorization("Bearer", ADA_TUESDAY, "subject ada", &["bearer", "claim"]),
        authorization("Bearer", BOB, "subject bob", &["bearer", "claim"]),
        // ada-lovelace:first-password, ada-lovelace:second-password, bob:first-password
        authorization("Basic", "YWRhLWxvdmVsYWNlOmZpcnN0LXBhc3N3b3Jk", "user ada-lovelace", &["basic"]),
        authorization("Basic", "YWRhLWxvdmVsYWNlOnNlY29uZC1wYXNzd29yZA==", "user ada-lovelace", &["basic"]),
        authorization("Basic", "Ym9iOmZpcnN0LXBhc3N3b3Jk", "user bob", &["basic"]),
        // Each request is signed anew.
        authorization("Digest", &digest("nonce-one"), "user ada-lovelace", &["authorization"]),
        authorization("Digest", &digest("nonce-two"), "user ada-lovelace", &["authorization"]),
        key("/v1/customers/17", "X-Api-Key", "the-api-key-1", "key the-api-key-1"),
        key("/v1/customers/17?api_key=the-api-key-1", "", "", "key the-api-key-1"),
        key("/v1/customers/17?x=1&api_key=the%2Dapi-key-%31", "", "", "key the-api-key-1"),
        key("/v1/customers/17", "x-api-key", "the-api-key-2", "key the-api-key-2"),
        cookie("theme=another-cookie; sessionid=the-session-1", "session the-session-1"),
        cookie("sessionid=the-session-1; lang=another-cookie", "session the-session-1"),
        cookie("sessionid=\"the-session-1\"", "session the-session-1"),
        cookie("sessionid=the-session-2", "session the-session-2"),
        case("/v1/customers/17", "Cookie", "theme=another-cookie", None, &[]),
        case("/v1/customers/17", "", "", None, &[]),
    ]
}

/// Credentials of an exchange by kind, as their hashes; its address and network are as they have to be.
fn credentials(exchange: &Value, address: &str) -> Result<Vec<(String, String)>> {
    let keys = keys(exchange);
    let [first, second, rest @ ..] = &keys[..] else { bail!("too few keys: {exchange}") };
    assert_eq!(*first, format!("{address}:{CALLER}"), "{exchange}");
    assert_eq!(second, "prefix:127.0.0.0/24", "{exchange}");
    let mut found = Vec::new();
    for key in rest {
        let credential = key.strip_prefix("credential:").with_context(|| format!("no credential: {key}"))?;
        let (kind, hash) = credential.split_once(':').with_context(|| format!("no hash: {key}"))?;
        ensure!(hash.len() == 32 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "no hash: {key}");
        found.push((kind.to_owned(), hash.to_owned()));
    }
    Ok(found)
}

/// What a daemon made of the calls.
struct Run {
    report: Report,
    metrics: String,
    /// Kind and hash of each credential of each call.
    told: Vec<Vec<(String, String)>>,
}

/// Makes the calls, and then enough with one token for an alert, or for it to grow. What they are told by has to be the same on both hops.
fn run(state: &State, walk: Range<usize>) -> Result<Run> {
    let cases = cases();
    // At this level, each call is worth a line.
    let scene = Scene::start_with(state, true, &["--log.level", "trace"])?;
    let mut client = scene.client()?;
    for Case { target, field, .. } in &cases {
        let fields: Vec<(&str, &str)> = field.iter().map(|(name, value)| (*name, &**value)).collect();
        client.send(request("GET", target, &fields, ""))?;
        client.response()?;
    }
    let calls = cases.len() + walk.len();
    for id in walk {
        let fields = [("Authorization", "Bearer opaque-token-1")];
        client.send(request("GET", &format!("/v1/customers/{id}"), &fields, ""))?;
        client.response()?;
    }
    scene.daemon.wait_for_alert(DISTINCT_OBJECTS)?;
    let (_, metrics) = scene.daemon.page("/metrics")?;
    let (seen, report) = scene.finish(calls)?;
    let mut told = Vec::new();
    // Whom the application knows by one kind of credential has one hash, and shares it with nobody.
    let mut hashes: BTreeMap<String, String> = BTreeMap::new();
    for (Case { caller, kinds, target, .. }, Seen { served, front, back }) in cases.iter().zip(&seen) {
        assert_eq!(served.caller.as_deref(), *caller, "{target}");
        let found = credentials(back, "forwarded")?;
        assert_eq!(found, credentials(front.as_ref().context("nginx is there")?, "peer")?, "{target}");
        let found_kinds: Vec<&str> = found.iter().map(|(kind, _)| kind.as_str()).collect();
        assert_eq!(found_kinds, *kinds, "{caller:?}");
        if let (Some(caller), Some((kind, hash))) = (*caller, found.last()) {
            let caller = format!("{kind} of {caller}");
            assert_eq!(hashes.entry(caller.clone()).or_insert_with(|| hash.clone()), hash, "{caller}");
        }
        told.push(found);
    }
    let different: BTreeSet<_> = hashes.values().collect();
    assert_eq!(different.len(), hashes.len(), "two callers share a hash: {hashes:?}");
    let id = format!("bearer:{}", hashes["bearer of token opaque-token-1"]);
    let walk = report.alerts.iter().filter(|alert| alert["opened_by"] == DISTINCT_OBJECTS);
    let ids: BTreeSet<_> = walk.clone().map(|alert| alert["id"].as_str()).collect();
    ensure!(ids.len() == 1, "not one alert: {:?}", report.alerts);
    let about = walk.filter_map(|alert| alert["clients"].as_array()).flatten();
    ensure!(
        about.into_iter().any(|client| client["kind"] == "credential" && client["id"] == *id),
        "no alert about {id}: {:?}",
        report.alerts
    );
    // A single account was read without a credential: that is no open door.
    assert_eq!(report.alerts_of(OPEN_DOOR, "open").len(), 0, "{:?}", report.alerts);
    Ok(Run { report, metrics, told })
}

/// Fails if anything that the daemon wrote has a credential in it; the target of an exchange is as it was on the wire.
fn expect_no_secret(report: &Report, state: &State, page: &str) -> Result<()> {
    let mut files = report.files()?;
    files.extend(state.files()?);
    let names: Vec<String> = files.iter().map(|(path, _)| path.display().to_string()).collect();
    for wanted in ["exchanges.jsonl", "alerts.jsonl", "log", "state/"] {
        ensure!(names.iter().any(|name| name.contains(wanted)), "no {wanted} among {names:?}");
    }
    files.push(("/metrics".into(), page.as_bytes().to_vec()));
    for (path, content) in &files {
        let mut text = String::from_utf8_lossy(content).into_owned();
        if path.ends_with("exchanges.jsonl") {
            text.clear();
            for exchange in &report.exchanges {
                let mut exchange = exchange.clone();
                exchange["target"].take();
                text += &exchange.to_string();
            }
        }
        let found = SECRETS.iter().find(|secret| text.contains(**secret));
        ensure!(found.is_none(), "{} has {found:?} in it", path.display());
    }
    Ok(())
}

#[test]
fn one_caller_is_one_hash_for_as_long_as_the_state_is_kept() -> Result<()> {
    let (state, other_state) = (State::new()?, State::new()?);
    let (first, again, other) =
        (run(&state, WALK)?, run(&state, WALK.end..5 * WALK.end)?, run(&other_state, WALK)?);
    assert_eq!(first.told, again.told, "a restart changed a hash");
    let all =
        |run: &Run| -> BTreeSet<String> { run.told.iter().flatten().map(|(_, hash)| hash.clone()).collect() };
    let shared: Vec<_> = all(&first).intersection(&all(&other)).cloned().collect();
    assert_eq!(shared, Vec::<String>::new(), "another installation has the same hashes");
    for (run, state) in [(&first, &state), (&again, &state), (&other, &other_state)] {
        expect_no_secret(&run.report, state, &run.metrics)?;
    }
    Ok(())
}

#[test]
fn the_claim_outlives_the_token_and_the_password_does_not_matter() -> Result<()> {
    let state = State::new()?;
    let Run { told, .. } = run(&state, WALK)?;
    let of = |at: usize, kind: &str| {
        told[at].iter().find(|(found, _)| found == kind).map(|(_, hash)| hash.clone())
    };
    let (monday, tuesday, bob) = (3, 4, 5);
    assert_eq!(of(monday, "claim"), of(tuesday, "claim"));
    assert_ne!(of(monday, "claim"), of(bob, "claim"));
    assert_ne!(of(monday, "bearer"), of(tuesday, "bearer"), "two tokens are two credentials");
    Ok(())
}
