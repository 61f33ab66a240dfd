//! The status page in a real browser, with real traffic behind it.

use std::{net::Ipv4Addr, path::PathBuf, process::Command};

use anyhow::{Context, Result, ensure};
use rollcall_model::time::Timestamp;
use rollcall_store::{self as ledger, AckOutcome, Acked};
use rollcall_tests::{
    Browser, Client, Daemon, MiniServer,
    client::request,
    daemon::{self, State},
};

const WALKER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 66);

/// A path that would be an element of its own if somebody took it for HTML.
const HOSTILE: &str = "/v9/<img%20src=x%20onerror=document.title='taken'>/5";

/// Text must have this contrast to what is behind it (WCAG 2.2, 1.4.3).
const CONTRAST: f64 = 4.5;

/// The lowest contrast of each colour for text to each ground that it stands on.
const LOWEST_CONTRAST: &str = r#"
(() => {
  const style = getComputedStyle(document.documentElement);
  const channels = (name) => style.getPropertyValue(name).trim().match(/[0-9a-f]{2}/gi).map((hex) => parseInt(hex, 16) / 255);
  const linear = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const light = (name) => {
    const [r, g, b] = channels(name).map(linear);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => {
    const [high, low] = [light(a), light(b)].sort((x, y) => y - x);
    return (high + 0.05) / (low + 0.05);
  };
  const texts = ["--text", "--soft", "--data", "--good", "--warn", "--bad", "--note"];
  const pairs = texts.map((text) => [text, "--panel"]);
  pairs.push(["--text", "--ground"], ["--soft", "--ground"], ["--soft", "--warn-ground"], ["--soft", "--bad-ground"]);
  pairs.push(["--warn", "--warn-ground"], ["--bad", "--bad-ground"], ["--text", "--bad-ground"]);
  return Math.min(...pairs.map(([a, b]) => contrast(a, b)));
})()
"#;

/// The cells of `rollcall routes`.
fn listed(daemon: &Daemon) -> Result<Vec<Vec<String>>> {
    let mut command = Command::new(daemon::binary());
    let output = command.args(["routes", "--web.listen-address", &daemon.web().to_string()]).output()?;
    ensure!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout)?;
    let cells = |line: &str| {
        line.split("  ").map(|cell| cell.trim().to_owned()).filter(|cell| !cell.is_empty()).collect()
    };
    Ok(text.lines().skip(1).map(cells).collect())
}

#[test]
fn the_page_shows_a_walk_while_it_goes_on_and_runs_nothing_that_it_shows() -> Result<()> {
    let server = MiniServer::start()?;
    let state = State::new()?;
    let daemon = Daemon::start_with(&state, &[server.address().port()], &[])?;
    let origin = format!("http://{}/", daemon.web());
    let mut browser = Browser::start()?;
    browser.open(&origin)?;
    browser.wait_for("the page to be live", "document.getElementById('pulse').dataset.state === 'live'")?;
    browser.wait_for("no alerts", "document.getElementById('alerts-none').innerText === 'None open.'")?;
    browser.wait_for("its health", "document.querySelectorAll('#signs .good').length >= 4")?;

    for n in 1..=12 {
        let mut client = Client::connect_from(Ipv4Addr::new(127, 0, 7, n), server.address())?;
        client.get(&format!("/v1/customers/{}", 1_000 * u32::from(n)))?;
    }
    let mut walker = Client::connect_from(WALKER, server.address())?;
    for account in 1..=130 {
        walker.get(&format!("/v1/customers/{account}"))?;
    }
    walker.send(request("PUT", HOSTILE))?;
    ensure!(walker.response()?.status == 200, "the server takes any path");
    let alert = "[...document.querySelectorAll('#alerts-list .card.critical')].some((card) => \
                 card.innerText.includes('127.0.0.66') && card.innerText.includes('GET /v1/customers/{id}') && \
                 card.innerText.includes(' accounts'))";
    browser.wait_for("the alert", alert)?;
    // What is usual there as far as that is known, and what to paste if it is in order.
    let told = "[...document.querySelectorAll('#alerts-list .card')].some((card) => \
                /usual: \\d+\\.\\.\\d+, \\d+ times beyond/.test(card.innerText) && \
                [...card.querySelectorAll('.chip')].some((chip) => chip.innerText === 'learning') && \
                /^rollcall allow [0-9a-f]{16} --up-to /.test(card.querySelector('code')?.innerText))";
    browser.wait_for("what is known of the route, and the command", told)?;
    let critical = |alert: &&serde_json::Value| alert["severity"] == "critical";
    let alerts = daemon.alerts()?;
    let id =
        alerts.iter().find(critical).and_then(|alert| alert["id"].as_str()).context("a critical alert")?;
    let acked = Acked { at: Timestamp::now(), by: "kim".to_owned(), note: None };
    let outcome = ledger::acknowledge(&state.directory(), id, &acked)?;
    ensure!(outcome == AckOutcome::Acked(id.to_owned()), "{outcome:?}");
    let acknowledged = "document.querySelector('#alerts-list .card').innerText.includes('acknowledged')";
    browser.wait_for("that somebody knows of it", acknowledged)?;
    browser.wait_for("the title to say so", "document.title.startsWith('(')")?;
    let walker_row = "[...document.querySelectorAll('#clients tbody tr')].some((row) => \
                      row.innerText.includes('127.0.0.66') && row.innerText.includes('over a limit'))";
    browser.wait_for("the walker among the clients", walker_row)?;
    let hostile =
        "[...document.querySelectorAll('#routes td')].some((cell) => cell.textContent.includes('onerror'))";
    browser.wait_for("the route that looks like HTML, as text", hostile)?;
    // In the words of `rollcall routes`.
    let rows = listed(&daemon)?;
    let row = rows.iter().find(|row| row[0] == "GET /v1/customers/{id}").context("the walker's route")?;
    ensure!(row[1..5] == ["accounts", "objects", "20/30/60/100/300?", "learning"], "{row:?}");
    let cells = format!(
        "[...document.querySelectorAll('#routes tbody tr')].some((row) => row.cells[0].innerText === '{}' && \
         row.cells[1].textContent === '{}{}' && row.cells[2].textContent === '{}{}' && row.cells[3].innerText === '{}')",
        row[0], row[1], row[2], row[3], row[4], row[5]
    );
    browser.wait_for("what the route is, its limits, and what is usual", &cells)?;
    ensure!(browser.value("document.images.length")? == 0, "no image was made of it");
    let text = browser.text()?;
    ensure!(!text.contains("account-") && !text.contains("sample"), "accounts are not shown: {text}");

    for scheme in ["light", "dark"] {
        browser.prefer(scheme)?;
        for (width, height) in [(1280, 900), (375, 812)] {
            browser.resize(width, height)?;
            let wide = browser.value("document.documentElement.scrollWidth")?;
            ensure!(wide.as_u64().is_some_and(|wide| wide <= width.into()), "{wide} wide on {width}");
            if let Some(folder) = std::env::var_os("ROLLCALL_SCREENSHOTS").map(PathBuf::from) {
                browser.screenshot(&folder.join(format!("{scheme}-{width}.png")))?;
            }
        }
        let ground = browser.value("getComputedStyle(document.body).backgroundColor")?;
        let is_dark = ground.as_str().is_some_and(|ground| ground.starts_with("rgb(1"));
        ensure!(is_dark == (scheme == "dark"), "{scheme}: {ground}");
        let contrast = browser.value(LOWEST_CONTRAST)?;
        ensure!(contrast.as_f64().is_some_and(|contrast| contrast >= CONTRAST), "{scheme}: {contrast}");
    }
    ensure!(browser.complaints().is_empty(), "{:#?}", browser.complaints());
    let foreign: Vec<_> = browser.requested().into_iter().filter(|url| !url.starts_with(&origin)).collect();
    let foreign: Vec<_> = foreign.iter().filter(|url| !url.starts_with("data:")).collect();
    ensure!(foreign.is_empty(), "{foreign:?}");

    daemon.stop()?;
    browser
        .wait_for("the page to say that the daemon is gone", "!document.getElementById('stale').hidden")?;
    ensure!(browser.text()?.contains("The daemon does not answer"), "{}", browser.text()?);
    Ok(())
}
