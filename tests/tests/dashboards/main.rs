//! What operators watch Rollcall with: every panel of the dashboard and every rule has data, from a real Prometheus that
//! scrapes a real daemon; and an alert of Rollcall's becomes one of Prometheus'.

mod dashboard;
mod rules;

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Result, anyhow, ensure};
use rollcall_tests::{
    Client, Daemon, Nginx, deadline,
    prometheus::{self, Prometheus},
    selector,
};

/// What the first calls have to be in before rates are asked for.
const SCRAPES: f64 = 8.0;

/// The walk, and calls until the questions are asked.
const WALK: usize = 160;
const PACE: Duration = Duration::from_millis(10);

#[test]
fn every_panel_and_every_rule_has_data() -> Result<()> {
    let nginx = Nginx::start()?;
    let daemon = Daemon::watching(nginx.port())?;
    let prometheus = Prometheus::start(&[daemon.web()], &rules::file())?;
    scraped(&prometheus, 2.0)?;
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let traffic = scope.spawn(|| call(nginx.address(), &done));
        let asked = ask(&prometheus);
        done.store(true, Ordering::Relaxed);
        traffic.join().map_err(|_| anyhow!("the client panicked"))??;
        asked
    })?;
    daemon.stop()?;
    Ok(())
}

/// Walks the accounts, and then calls on until it is told to stop.
fn call(server: SocketAddr, done: &AtomicBool) -> Result<()> {
    let mut client = Client::connect(server)?;
    for count in 0.. {
        if done.load(Ordering::Relaxed) {
            break;
        }
        client.get(&format!("/v1/customers/{}", 1001 + count % WALK))?;
        thread::sleep(PACE);
    }
    Ok(())
}

fn ask(prometheus: &Prometheus) -> Result<()> {
    scraped(prometheus, SCRAPES)?;
    deadline::until("the rate of exchanges", || {
        let rate = prometheus.query("sum(rate(rollcall_exchanges_total[5s])) > 0")?;
        Ok((!rate.is_empty()).then_some(()))
    })?;
    let mut missing = Vec::new();
    for (what, expression) in dashboard::questions()? {
        let values = prometheus.query(&expression)?;
        if values.is_empty() || values.iter().any(|sample| !sample.value.is_finite()) {
            missing.push(format!("{what}: {expression} gives {values:?}"));
        }
    }
    for (rule, expression) in prometheus.rules()? {
        for name in selector::named(&expression) {
            if prometheus.query(name)?.is_empty() {
                missing.push(format!("rule {rule}: there is no {name}"));
            }
        }
    }
    ensure!(missing.is_empty(), "no data for:\n{}", missing.join("\n"));

    deadline::until("RollcallAlertOpen to fire", || {
        let alerts = prometheus.alerts()?;
        Ok(alerts.iter().any(|alert| alert.name == rules::ALERT_OPEN && alert.is_firing).then_some(()))
    })?;
    let others: Vec<_> =
        prometheus.alerts()?.into_iter().filter(|alert| alert.name != rules::ALERT_OPEN).collect();
    ensure!(others.is_empty(), "rules that should be quiet are not: {others:?}");
    Ok(())
}

/// Waits until the daemon has been scraped so often.
fn scraped(prometheus: &Prometheus, times: f64) -> Result<()> {
    deadline::until(&format!("{times} scrapes"), || {
        let count = prometheus.query("count_over_time(rollcall_build_info[1m])")?;
        Ok(count.first().is_some_and(|sample| sample.value >= times).then_some(()))
    })
}

/// Where the files are that Rollcall brings for Prometheus and Grafana.
fn packaged(file: &str) -> std::path::PathBuf {
    prometheus::packaging().join(file)
}
