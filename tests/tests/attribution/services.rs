//! Two APIs on one host, by port and by name: neither has a part in what is known or told of the other.

use std::{net::Ipv4Addr, process::Command};

use anyhow::{Context, Result, ensure};
use rollcall_tests::{
    Client, Daemon, Nginx,
    client::request,
    daemon::{self, DISTINCT_OBJECTS},
    deadline, program,
};
use serde_json::{Value, json};

use super::CALLER;

const EXCHANGES: &str = "rollcall_exchanges_total";
const CALLS: &str = "rollcall_service_calls_total";
const ROUTE: &str = "GET /v1/customers/{id}";

/// Accounts that one client reads of each API: in order, and of both together twice what is.
const EACH: usize = 12;

/// What a client has to read of one to be over a limit, and of the other, which has its own, to be.
const LIMIT: usize = 20;
const OWN_LIMIT: usize = 30;

#[test]
fn two_ports_share_no_route_and_no_limit() -> Result<()> {
    let servers = [Nginx::start()?, Nginx::start()?];
    let ports = [servers[0].port(), servers[1].port()];
    let services = ports.map(|port| format!(":{port}"));
    let own_limit = format!("{} {ROUTE}={OWN_LIMIT}/10s", services[1]);
    let daemon = Daemon::start(&ports, &["--limit", &own_limit])?;
    let mut clients = [Client::connect(servers[0].address())?, Client::connect(servers[1].address())?];
    // No walk by its order: far apart.
    let mut read = |server: usize, id: usize| -> Result<()> {
        clients[server].send(request("GET", &format!("/v1/customers/{}", id * 7_919 % 100_003)))?;
        clients[server].response()?;
        Ok(())
    };
    let evaluated = |calls: usize| {
        deadline::until("the calls to be evaluated", || {
            Ok((daemon.metrics()?.sum(EXCHANGES, &[]) >= calls as f64).then_some(()))
        })
    };
    for id in 0..EACH {
        read(0, id)?;
        read(1, EACH + id)?;
    }
    evaluated(2 * EACH)?;

    let (status, body) = daemon.page("/api/v1/routes")?;
    ensure!(status == 200, "{status}: {body}");
    let listing: Value = serde_json::from_str(&body)?;
    let routes: Vec<_> = listing["routes"]
        .as_array()
        .context("no routes")?
        .iter()
        .map(|route| json!([route["service"], route["route"], route["calls"]]))
        .collect();
    let mut expected: Vec<_> = services.iter().map(|service| json!([service, ROUTE, EACH])).collect();
    expected.sort_by_key(ToString::to_string);
    assert_eq!(routes, expected, "{body}");
    for service in &services {
        let calls = daemon.metrics()?.sum(CALLS, &[("service", service.as_str())]);
        assert_eq!(calls, EACH as f64, "{service}");
    }
    let mut command = Command::new(daemon::binary());
    command.arg("routes").args(["--web.listen-address", &daemon.web().to_string()]);
    let table = program::run(&mut command)?;
    for service in &services {
        ensure!(table.lines().any(|line| line.starts_with(&format!("{service} {ROUTE} "))), "{table}");
    }

    // Of the one that has a limit of its own, as many are in order.
    for id in EACH..=LIMIT {
        read(1, EACH + id)?;
    }
    for id in EACH..=LIMIT {
        read(0, id)?;
    }
    let alert = daemon.wait_for_alert(DISTINCT_OBJECTS)?;
    assert_eq!(
        [&alert["service"], &alert["route"], &alert["routes"], &alert["distinct"]],
        [&json!(services[0]), &json!(ROUTE), &json!([ROUTE]), &json!(LIMIT + 1)],
        "{alert}"
    );
    let report = daemon.stop()?;
    let walks = report.alerts.iter().filter(|alert| alert["rule"] == DISTINCT_OBJECTS);
    for alert in walks {
        assert_eq!(alert["service"], json!(services[0]), "{alert}");
    }
    Ok(())
}

/// Names that the operator tells of part what is read of them; those that a client makes up part nothing, though the server
/// answers to any.
#[test]
fn names_are_services_if_the_operator_says_so() -> Result<()> {
    let nginx = Nginx::start()?;
    let names = ["shop.example", "billing.example"].map(|name| format!("{name}:{}", nginx.port()));
    let daemon = Daemon::start(&[nginx.port()], &["--service", &names.join(",")])?;
    let read = |client: &mut Client, host: &str, id: usize| -> Result<()> {
        let target = format!("/v1/customers/{}", id * 7_919 % 100_003);
        client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"))?;
        client.response()?;
        Ok(())
    };
    let mut honest = Client::connect_from(Ipv4Addr::new(127, 0, 0, 67), nginx.address())?;
    for id in 0..EACH {
        read(&mut honest, "Shop.Example", id)?;
        read(&mut honest, &names[1], EACH + id)?;
    }
    let mut thief = Client::connect_from(CALLER, nginx.address())?;
    for id in 0..=LIMIT {
        read(&mut thief, &format!("a{id}.example"), id)?;
    }
    let alert = daemon.wait_for_alert(DISTINCT_OBJECTS)?;
    assert_eq!(
        [&alert["service"], &alert["route"], &alert["distinct"], &alert["client"]["id"]],
        [&json!(names[0]), &json!(ROUTE), &json!(LIMIT + 1), &json!(CALLER.to_string())],
        "{alert}"
    );
    for (name, calls) in [(&names[0], EACH + LIMIT + 1), (&names[1], EACH)] {
        assert_eq!(daemon.metrics()?.sum(CALLS, &[("service", name.as_str())]), calls as f64, "{name}");
    }
    let report = daemon.stop()?;
    let walks = report.alerts.iter().filter(|alert| alert["rule"] == DISTINCT_OBJECTS);
    for alert in walks {
        assert_eq!(alert["client"]["id"], json!(CALLER.to_string()), "{alert}");
    }
    Ok(())
}
