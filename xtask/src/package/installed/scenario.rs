//! A package's life, from its installation to its purging.

use anyhow::{Context as _, Result, ensure};

use super::container::Container;

/// A setting that the administrator has made; an upgrade has to leave it alone.
const SETTING: &str = "ROLLCALL_PORT=8080";

/// What makes waiting for the watchdog bearable.
const IMPATIENT: &str =
    "[Unit]\nStartLimitIntervalSec=0\n[Service]\nWatchdogSec=1s\nTimeoutStopSec=1s\nRestartSec=100ms\n";

type Step = fn(&Host<'_>) -> Result<()>;

const STEPS: [(&str, Step); 10] = [
    ("installed, it runs and is confined", installed),
    ("it sees a walk over accounts", watches),
    ("a restart keeps the key", restarted),
    ("an upgrade restarts it, and keeps the key and the settings", upgraded),
    ("its logs are rotated, and it goes on in new ones", rotated),
    ("killed, it is started again", killed),
    ("when it hangs, the watchdog starts it again", hangs),
    ("a wrong flag is told once, and not tried again", misconfigured),
    ("removed, it is gone, and its state stays", removed),
    ("purged, its state is gone", purged),
];

/// The system with the two versions of the package.
struct Host<'a> {
    container: &'a Container,
    old: &'a str,
    new: &'a str,
}

/// Plays all of it, and stops at what fails.
pub(super) fn play(container: &Container, old: &str, new: &str) -> Result<()> {
    let host = Host { container, old, new };
    for (name, step) in STEPS {
        step(&host).with_context(|| format!("not so: {name}"))?;
        eprintln!("  ok  {name}");
    }
    Ok(())
}

fn installed(host: &Host<'_>) -> Result<()> {
    host.install(host.old)?;
    ensure!(
        host.property("StatusText")?.starts_with("watching "),
        "status {:?}",
        host.property("StatusText")?
    );
    let pid = host.pid()?;
    let threads = host.container.shell(&format!("cat /proc/{pid}/task/*/status"))?;
    for line in threads.lines() {
        let (name, value) = line.split_once(":\t").unwrap_or_default();
        let expected = match name {
            "CapEff" | "CapPrm" | "CapInh" | "CapAmb" => "0000000000000000",
            "NoNewPrivs" => "1",
            "Seccomp" => "2",
            _ => continue,
        };
        ensure!(value == expected, "a thread has {name} {value}");
    }
    let state =
        host.container.run(&["stat", "--format=%U %a", "/var/lib/rollcall", "/var/lib/rollcall/key"])?;
    ensure!(state == "rollcall 700\nrollcall 600\n", "the state is {state:?}");
    host.container.shell("rollcall check >/dev/null; test -s /usr/share/man/man1/rollcall-run.1.gz")?;
    Ok(())
}

fn watches(host: &Host<'_>) -> Result<()> {
    let server = ["systemd-run", "--unit=api", "python3", "-m", "http.server", "--bind=127.0.0.1", "8080"];
    host.container.run(&server)?;
    host.container.until("the server", || {
        Ok(host.container.run(&["curl", "--silent", "http://127.0.0.1:8080/"]).ok())
    })?;
    host.walk("customers")?;
    host.container.until("an alert in the journal", || {
        let journal = host.container.run(&["journalctl", "--unit=rollcall", "--output=cat"])?;
        Ok(journal.contains(r#""rule":"distinct-objects""#).then_some(()))
    })?;
    // The alert comes amid the walk; the rest of it may still be on its way.
    host.container.until("all of the walk in the metrics", || {
        let metrics = host.container.run(&["curl", "--silent", "--fail", "http://127.0.0.1:9847/metrics"])?;
        let exchanges = metrics.lines().find_map(|line| line.strip_prefix("rollcall_exchanges_total "));
        let exchanges: f64 = exchanges.context("no exchanges in the metrics")?.parse()?;
        Ok((exchanges >= 41.0).then_some(()))
    })
}

fn restarted(host: &Host<'_>) -> Result<()> {
    let (key, pid) = (host.key()?, host.pid()?);
    host.container.run(&["systemctl", "restart", "rollcall"])?;
    ensure!(host.pid()? != pid, "it is the same process");
    ensure!(host.key()? == key, "the key is another");
    Ok(())
}

fn upgraded(host: &Host<'_>) -> Result<()> {
    host.container.shell(&format!("echo {SETTING} >>/etc/default/rollcall"))?;
    let (key, pid) = (host.key()?, host.pid()?);
    host.install(host.new)?;
    ensure!(host.pid()? != pid, "it is the same process");
    ensure!(host.key()? == key, "the key is another");
    let version = host.container.run(&["dpkg-query", "--show", "--showformat=${Version}", "rollcall"])?;
    ensure!(host.new.contains(&version), "version {version}");
    let environment = host.container.shell(&format!("tr '\\0' '\\n' </proc/{}/environ", host.pid()?))?;
    ensure!(environment.lines().any(|line| line == SETTING), "the setting is lost: {environment}");
    Ok(())
}

fn rotated(host: &Host<'_>) -> Result<()> {
    let log = "/var/log/rollcall/alerts.jsonl";
    host.container.shell(&format!(
        "echo ROLLCALL_ALERT_FILE={log} >>/etc/default/rollcall; systemctl restart rollcall"
    ))?;
    let pid = host.pid()?;
    let has_alerts = || Ok(host.container.run(&["test", "-s", log]).ok());
    host.walk("orders")?;
    host.container.until("alerts in the log", has_alerts)?;
    host.container.run(&["logrotate", "--force", "/etc/logrotate.d/rollcall"])?;
    host.walk("invoices")?;
    host.container.until("alerts in the new log", has_alerts)?;
    host.container.run(&["test", "-s", "/var/log/rollcall/alerts.jsonl.1"])?;
    ensure!(host.pid()? == pid, "rotating has restarted it");
    Ok(())
}

fn killed(host: &Host<'_>) -> Result<()> {
    host.container.shell(&format!(
        "mkdir -p /run/systemd/system/rollcall.service.d
         printf '{IMPATIENT}' >/run/systemd/system/rollcall.service.d/test.conf
         systemctl daemon-reload; systemctl restart rollcall"
    ))?;
    let pid = host.pid()?;
    host.container.run(&["kill", "-KILL", &pid])?;
    host.another_than(&pid)
}

fn hangs(host: &Host<'_>) -> Result<()> {
    let pid = host.pid()?;
    host.container.run(&["kill", "-STOP", &pid])?;
    host.another_than(&pid)?;
    let journal = host.container.run(&["journalctl", "--unit=rollcall", "--output=cat"])?;
    ensure!(journal.contains("Watchdog timeout"), "it was started again for another reason: {journal}");
    Ok(())
}

fn misconfigured(host: &Host<'_>) -> Result<()> {
    host.container.shell("sed -i '$a ROLLCALL_SAMPLE=7' /etc/default/rollcall")?;
    ensure!(
        host.container.run(&["systemctl", "restart", "rollcall"]).is_err(),
        "it starts with a wrong flag"
    );
    let [state, status, restarts] =
        ["ActiveState", "ExecMainStatus", "NRestarts"].map(|name| host.property(name));
    let ended = (state?, status?, restarts?);
    ensure!(ended == ("failed".into(), "2".into(), "0".into()), "it ended as {ended:?}");
    host.container
        .shell("sed -i '/ROLLCALL_SAMPLE=7/d' /etc/default/rollcall; systemctl restart rollcall")?;
    Ok(())
}

fn removed(host: &Host<'_>) -> Result<()> {
    let (key, pid) = (host.key()?, host.pid()?);
    host.container.run(&["dpkg", "--remove", "rollcall"])?;
    ensure!(host.container.run(&["kill", "-0", &pid]).is_err(), "it still runs");
    ensure!(host.container.run(&["pgrep", "--exact", "rollcall"]).is_err(), "another one runs");
    ensure!(host.key()? == key, "the key is lost");
    host.container.run(&["test", "-e", "/etc/default/rollcall"])?;
    Ok(())
}

fn purged(host: &Host<'_>) -> Result<()> {
    host.container.run(&["dpkg", "--purge", "rollcall"])?;
    let left = host.container.shell(
        "find / -xdev -path /packages -prune -o -name '*rollcall*' -not -path '/run/*' -not -path '/proc/*' \
         -not -path '/var/log/journal/*' -not -path '/var/lib/systemd/*' -print",
    )?;
    ensure!(left.is_empty(), "these are left:\n{left}");
    Ok(())
}

impl Host<'_> {
    /// Installs a version; dpkg starts the service, or restarts it.
    fn install(&self, package: &str) -> Result<()> {
        self.container.run(&["dpkg", "--install", &format!("/packages/{package}")])?;
        let state = self.property("ActiveState")?;
        ensure!(state == "active", "the service is {state}");
        Ok(())
    }

    /// Reads forty accounts of a kind, one by one.
    fn walk(&self, kind: &str) -> Result<()> {
        self.container.shell(&format!(
            "mkdir -p /v1/{kind}; cd /v1/{kind}; touch $(seq 1 40)
             curl --silent --fail --output /dev/null 'http://127.0.0.1:8080/v1/{kind}/[1-40]'"
        ))?;
        Ok(())
    }

    fn property(&self, name: &str) -> Result<String> {
        let value = self.container.run(&["systemctl", "show", "--value", "--property", name, "rollcall"])?;
        Ok(value.trim().to_owned())
    }

    fn pid(&self) -> Result<String> {
        self.property("MainPID")
    }

    fn key(&self) -> Result<String> {
        self.container.run(&["cat", "/var/lib/rollcall/key"])
    }

    /// Waits until the service is up again with another process than `pid`.
    fn another_than(&self, pid: &str) -> Result<()> {
        self.container.until("the service to be started again", || {
            let now = self.pid()?;
            Ok((now != "0" && now != pid && self.property("ActiveState")? == "active").then_some(()))
        })
    }
}
