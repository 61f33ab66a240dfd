//! What no form gives away is learned from traffic: names of people in paths.

use anyhow::{Context, Result, bail};
use rollcall_attribute::route::TAKEN;
use rollcall_tests::daemon::DISTINCT_OBJECTS;
use serde_json::json;

use super::{CALLER, Scene, objects, request};

/// Names that one client asks for before they are taken for values.
const WORDS: usize = TAKEN - 1;
/// Names behind those.
const WALK: usize = WORDS + 70;

/// Names without a digit, so that nothing about one says what it is.
fn name(at: usize) -> String {
    let syllables = ["ba", "do", "fi", "ku", "le", "mo", "ni", "pa"];
    [at / 64, at / 8, at].map(|digit| syllables[digit % syllables.len()]).concat()
}

#[test]
fn a_walk_over_names_is_alerted_with_what_was_called_before() -> Result<()> {
    for path in ["/users/{name}", "/profiles/{name}/full"] {
        let scene = Scene::start(false, &[])?;
        let mut client = scene.client()?;
        for at in 0..WALK {
            let target = path.replace("{name}", &name(at));
            client.send(request("GET", &target, &[("Authorization", "Bearer one")], ""))?;
            client.response()?;
        }
        let route = format!("GET {path}");
        scene.daemon.wait_for_alert(DISTINCT_OBJECTS)?;
        let (seen, report) = scene.finish(WALK)?;
        for (at, seen) in seen.iter().enumerate() {
            if at < WORDS {
                let plain = format!("GET {}", seen.served.call.target);
                assert_eq!(seen.back["route"], *plain, "call {at}");
            } else {
                assert_eq!(seen.back["route"], *route, "call {at}");
                assert_eq!(objects(&seen.back), seen.served.accounts, "call {at}");
            }
        }
        let [open] = report.alerts_of(DISTINCT_OBJECTS, "open")[..] else {
            bail!("not one alert: {:?}", report.alerts);
        };
        let updates = report.alerts_of(DISTINCT_OBJECTS, "update");
        assert_eq!((&open["route"], &open["distinct"]), (&json!(route), &json!(21)), "{open}");
        let last = updates.last().context("no update")?;
        let clients = last["clients"].as_array().context("no clients")?.iter();
        let clients: Vec<_> =
            clients.map(|client| format!("{}:{}", text(&client["kind"]), text(&client["id"]))).collect();
        assert_eq!(clients, [format!("peer:{CALLER}"), credential(&seen[0].back)?]);
        assert!(updates.iter().all(|update| update["id"] == open["id"]), "{:?}", report.alerts);
        // Those who came before it was learned have no head start: the names behind it were too few for this.
        let most = updates.iter().filter_map(|alert| alert["distinct"].as_u64()).max();
        assert!(most >= Some(80), "{most:?} of {WALK}: {:?}", report.alerts);
    }
    Ok(())
}

fn text(value: &serde_json::Value) -> &str {
    value.as_str().unwrap_or("-")
}

fn credential(exchange: &serde_json::Value) -> Result<String> {
    super::keys(exchange).into_iter().find(|key| key.starts_with("credential:")).context("no credential")
}
