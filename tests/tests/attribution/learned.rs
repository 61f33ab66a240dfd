//! What no form gives away is learned from traffic: names of people in paths.

use anyhow::{Context, Result};
use rollcall::route::NAMES;
use rollcall_tests::daemon::DISTINCT_OBJECTS;

use super::{CALLER, Scene, objects, request};

/// Words that a path of an API has in one place before they are taken for values.
const WORDS: usize = NAMES;
/// Few names behind those words.
const WALK: usize = WORDS + 30;

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
        for client in [format!("peer:{CALLER}"), credential(&seen[0].back)?] {
            let about = |alert: &&&serde_json::Value| {
                format!("{}:{}", text(&alert["client"]["kind"]), text(&alert["client"]["id"])) == client
            };
            let open = report.alerts_of(DISTINCT_OBJECTS, "open");
            let alert = open.iter().find(about).with_context(|| format!("{client}: {:?}", report.alerts))?;
            assert_eq!(alert["route"], *route);
            assert_eq!(alert["distinct"], 21, "{alert}");
            // Those who came before it was learned have no head start: the names behind it were too few for this.
            let updates = report.alerts_of(DISTINCT_OBJECTS, "update");
            let most = updates
                .iter()
                .filter(|alert| about(alert))
                .filter_map(|alert| alert["distinct"].as_u64())
                .max();
            assert!(most >= Some(80), "{client}: {most:?} of {WALK}: {:?}", report.alerts);
        }
    }
    Ok(())
}

fn text(value: &serde_json::Value) -> &str {
    value.as_str().unwrap_or("-")
}

fn credential(exchange: &serde_json::Value) -> Result<String> {
    super::keys(exchange).into_iter().find(|key| key.starts_with("credential:")).context("no credential")
}
