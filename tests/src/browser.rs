//! A headless Chromium with one page, driven over a pair of pipes in the DevTools protocol: JSON objects, each ended by a
//! zero byte.

use std::{
    fs::{File, OpenOptions},
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::Command,
    sync::mpsc::{self, Receiver},
    thread,
};

use anyhow::{Context, Result, bail, ensure};
use nix::{sys::stat::Mode, unistd::mkfifo};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    deadline::{self, patience},
    program::{self, Running},
};

/// It runs as root, without a display, and is to speak to nobody but the page's server.
const FLAGS: [&str; 12] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
    "--proxy-server=direct://",
];

/// A browser, gone when dropped.
#[derive(Debug)]
pub struct Browser {
    process: Running,
    commands: File,
    messages: Receiver<Value>,
    session: String,
    last: u64,
    events: Vec<Value>,
    _folder: TempDir,
}

impl Browser {
    /// Starts one, with an empty page.
    pub fn start() -> Result<Browser> {
        let folder = tempfile::Builder::new().prefix("rollcall-browser-").tempdir()?;
        let path = |name: &str| folder.path().join(name);
        let (commands, messages) = (path("commands"), path("messages"));
        for pipe in [&commands, &messages] {
            mkfifo(pipe, Mode::S_IRUSR | Mode::S_IWUSR).context("make a pipe")?;
        }
        let mut command = Command::new("sh");
        command
            .args(["-c", "in=$1; out=$2; shift 2; exec \"$0\" \"$@\" 3<\"$in\" 4>\"$out\""])
            .args([&program::find("chromium")?, &commands, &messages])
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", path("profile").display()));
        // Opened for both, as otherwise it would wait here for the other end.
        let commands = OpenOptions::new().read(true).write(true).open(&commands)?;
        let process = Running::start(command, &path("log"))?;
        let messages = listen(&messages);
        let mut browser = Browser {
            process,
            commands,
            messages,
            session: String::new(),
            last: 0,
            events: Vec::new(),
            _folder: folder,
        };
        let target = browser.command("Target.createTarget", json!({ "url": "about:blank" }))?;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.command("Target.attachToTarget", attach)?;
        browser.session = session["sessionId"].as_str().context("no session")?.to_owned();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.command(&format!("{domain}.enable"), json!({}))?;
        }
        Ok(browser)
    }

    /// Has the page show `url`.
    pub fn open(&mut self, url: &str) -> Result<()> {
        let opened = self.command("Page.navigate", json!({ "url": url }))?;
        ensure!(opened.get("errorText").is_none(), "open {url}: {opened}");
        Ok(())
    }

    /// The value of a JavaScript expression in the page.
    pub fn value(&mut self, expression: &str) -> Result<Value> {
        let ask = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.command("Runtime.evaluate", ask)?;
        ensure!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        Ok(answer["result"]["value"].clone())
    }

    /// Waits until a JavaScript expression is true in the page.
    pub fn wait_for(&mut self, what: &str, expression: &str) -> Result<()> {
        // While a page loads, what is asked for is not there yet.
        deadline::until(what, || Ok(self.value(expression).is_ok_and(|value| value == true).then_some(())))
            .with_context(|| format!("the page shows: {}", self.text().unwrap_or_default()))
    }

    /// All that can be read on the page.
    pub fn text(&mut self) -> Result<String> {
        Ok(self.value("document.body.innerText")?.as_str().unwrap_or_default().to_owned())
    }

    /// Makes it a screen of this size.
    pub fn resize(&mut self, width: u32, height: u32) -> Result<()> {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.command("Emulation.setDeviceMetricsOverride", size).map(drop)
    }

    /// Makes it prefer `dark` or `light` colours.
    pub fn prefer(&mut self, scheme: &str) -> Result<()> {
        let feature = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.command("Emulation.setEmulatedMedia", feature).map(drop)
    }

    /// What it shows, as a PNG in `file`: for whoever wants to look.
    pub fn screenshot(&mut self, file: &Path) -> Result<()> {
        let shot = self.command("Page.captureScreenshot", json!({ "captureBeyondViewport": true }))?;
        let text = shot["data"].as_str().context("no picture")?;
        let command = format!("base64 -d > '{}'", file.display());
        let mut decode = Command::new("sh");
        decode.args(["-c", &command]).stdin(std::process::Stdio::piped());
        let mut decode = decode.spawn()?;
        decode.stdin.take().context("no pipe")?.write_all(text.as_bytes())?;
        ensure!(decode.wait()?.success(), "decode the picture");
        Ok(())
    }

    /// The URLs that it asked for.
    pub fn requested(&self) -> Vec<String> {
        let requests = self.events_of("Network.requestWillBeSent");
        requests.filter_map(|event| event["request"]["url"].as_str().map(str::to_owned)).collect()
    }

    /// What the page complained about: errors, exceptions, and what its policy forbade.
    pub fn complaints(&self) -> Vec<String> {
        let logged = self.events_of("Log.entryAdded").filter(|event| event["entry"]["level"] == "error");
        let thrown = self.events_of("Runtime.exceptionThrown");
        let said = self.events_of("Runtime.consoleAPICalled").filter(|event| event["type"] == "error");
        logged.chain(thrown).chain(said).map(Value::to_string).collect()
    }

    fn events_of<'a>(&'a self, method: &'a str) -> impl Iterator<Item = &'a Value> {
        self.events.iter().filter(move |event| event["method"] == method).map(|event| &event["params"])
    }

    fn command(&mut self, method: &str, parameters: Value) -> Result<Value> {
        self.last += 1;
        let mut command = json!({ "id": self.last, "method": method, "params": parameters });
        if !self.session.is_empty() {
            command["sessionId"] = json!(self.session);
        }
        write!(self.commands, "{command}\0").with_context(|| format!("send {method}"))?;
        loop {
            let message = self.messages.recv_timeout(patience());
            let message =
                message.with_context(|| format!("no answer to {method}: {}", self.process.output()))?;
            if message["id"] != self.last {
                self.events.push(message);
            } else if let Some(error) = message.get("error") {
                bail!("{method}: {error}");
            } else {
                return Ok(message["result"].clone());
            }
        }
    }
}

/// The messages that come through a pipe, until its other end is closed.
fn listen(pipe: &Path) -> Receiver<Value> {
    let (sender, receiver) = mpsc::channel();
    let pipe = pipe.to_owned();
    thread::spawn(move || {
        let Ok(file) = File::open(pipe) else { return };
        for message in BufReader::new(file).split(0).map_while(Result::ok) {
            let Ok(message) = serde_json::from_slice(&message) else { return };
            if sender.send(message).is_err() {
                return;
            }
        }
    });
    receiver
}
