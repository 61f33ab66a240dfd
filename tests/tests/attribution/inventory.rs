//! The routes of the host's APIs, as the daemon's web server and `rollcall routes` tell them.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use rollcall_tests::{Client, Daemon, Nginx, client::request, daemon, deadline, program};
use serde_json::Value;

const EXCHANGES: &str = "rollcall_exchanges_total";

#[test]
fn routes_are_told_with_who_calls_them_and_how_they_answer() -> Result<()> {
    let nginx = Nginx::start()?;
    let daemon = Daemon::watching(nginx.port())?;
    let mut client = Client::connect(nginx.address())?;
    let calls =
        ["/v1/customers/1", "/v1/customers/2", "/v1/customers/2/", "/V1/customers/3", "/wp-login.php"];
    for target in calls {
        client.send(request("GET", target))?;
        client.response()?;
    }
    deadline::until("the calls to be evaluated", || {
        Ok((daemon.metrics()?.sum(EXCHANGES, &[]) >= calls.len() as f64).then_some(()))
    })?;

    let (status, body) = daemon.page("/api/v1/routes")?;
    ensure!(status == 200, "{status}: {body}");
    let listing: Value = serde_json::from_str(&body)?;
    let routes = listing["routes"].as_array().context("no routes")?;
    let route = |name: &str| {
        routes.iter().find(|route| route["route"] == name).with_context(|| format!("no {name} in {body}"))
    };
    let customers = route("GET /v1/customers/{id}")?;
    assert_eq!(customers["calls"], 4);
    assert_eq!(customers["calls_with_objects"], 4);
    assert_eq!(customers["open_calls"], 3);
    assert_eq!(customers["callers"], 1);
    assert_eq!(customers["statuses"]["2xx"], 3);
    assert_eq!((&customers["origin"], &customers["documented"]), (&"learned".into(), &Value::Null));
    // nginx tells letter case apart; a route does not, and shows how each was answered.
    assert_eq!(routes.iter().filter_map(|route| route["statuses"]["4xx"].as_u64()).sum::<u64>(), 2, "{body}");

    let shown = |arguments: &[&str]| {
        let mut command = Command::new(daemon::binary());
        command.arg("routes").args(["--web.listen-address", &daemon.web().to_string()]).args(arguments);
        program::run(&mut command)
    };
    let table = shown(&[])?;
    let mut lines = table.lines();
    ensure!(lines.next().is_some_and(|head| head.starts_with("ROUTE ")), "{table}");
    ensure!(lines.next().is_some_and(|line| line.starts_with("GET /v1/customers/{id} ")), "{table}");
    ensure!(table.contains("1 more were only ever refused") && !table.contains("wp-login"), "{table}");
    ensure!(shown(&["--all"])?.contains("GET /wp-login.php "), "--all shows what was refused");
    let json: Value = serde_json::from_str(&shown(&["--format", "json"])?)?;
    assert_eq!(json["v"], 1);
    daemon.stop()?;
    Ok(())
}
