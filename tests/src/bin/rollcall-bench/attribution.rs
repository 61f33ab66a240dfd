//! What it costs to tell who called what, for each request: time, by the Criterion program
//! `monitor/engine/benches/attribution.rs`, and memory of learned routes.

use std::{env, fs, net::Ipv4Addr, path::Path, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};
use rollcall_attribute::{
    client::{self, Lenses},
    route::{self, Attribution, Router, Touch, target::Target},
};
use rollcall_model::{hash::HashKey, time::Timestamp};
use rollcall_replay::access_log::Call;
use serde_json::Value;

use crate::{
    memory,
    report::{Figure, Section, mebibytes, nanoseconds},
    summary::Summary,
};

/// The Criterion program, built by `cargo xtask bench`.
const PROGRAM: &str = "ROLLCALL_ATTRIBUTION_BENCH";

/// What is measured: its name there, here, and its goal in nanoseconds.
const CASES: [(&str, &str, Option<f64>); 7] = [
    ("get", "**GET with 10 header fields, through a proxy**", Some(150.0)),
    ("known token", "**the same with a token of 900 bytes that is known**", Some(400.0)),
    ("new token", "the same, each call with another token", None),
    ("json", "POST with 400 bytes of JSON", None),
    ("graphql", "POST with a GraphQL query", None),
    ("name", "GET of a route with `{name}`", None),
    ("declared", "GET of one of 1,100 declared routes", None),
];

/// Routes whose memory is measured, and its goal.
const ROUTES: usize = 10_000;
/// Words in each of two places that make so many; more might be taken for values.
const SIDE: usize = 100;
const MEMORY_GOAL: u64 = 16 << 20;

pub(crate) fn measure(time: Duration) -> Result<Section> {
    let mut figures = Vec::new();
    let home = tempfile::tempdir().context("create a directory for Criterion")?;
    run(home.path(), time)?;
    for (case, name, goal) in CASES {
        let (summary, interval) = read(&home.path().join("attribution").join(case).join("new"))?;
        let mut figure = Figure::spread(name, summary, nanoseconds).interval(interval, nanoseconds);
        if let Some(goal) = goal {
            figure = figure.goal(format!("≤ {}", nanoseconds(goal)), summary.median <= goal);
        }
        figures.push(figure);
    }
    let (memory, filled) = (with_objects()?, of_all_kinds()?);
    figures.push(
        Figure::exact("**memory of 10,000 learned routes with objects**", mebibytes(memory))
            .goal("≤ 16.0 MiB", memory <= MEMORY_GOAL),
    );
    figures
        .push(Figure::exact("memory of as many routes as there is room for by default", mebibytes(filled)));
    Ok(Section {
        title: "Attribution of a call",
        method: format!(
            "Who sent a request, its route, and its objects: what is done for each before anything is counted \
             (`monitor/engine/benches/attribution.rs`, by Criterion, {} s each). Requests differ in client and account; what \
             can be learned has been learned. Memory is the allocator's own account, for templates of five segments \
             of which two are identifiers.",
            time.as_secs()
        ),
        figures,
        tables: Vec::new(),
        notes: vec![
            "By default there is room for 10,000 routes: half of them for routes with objects, a quarter for others \
             that were answered, whose latest calls are remembered, a quarter for the rest."
                .to_owned(),
        ],
    })
}

/// Runs the Criterion program, which writes what it finds below `home`.
fn run(home: &Path, time: Duration) -> Result<()> {
    let program = env::var_os(PROGRAM).with_context(|| {
        format!("{PROGRAM} is not set: `cargo xtask bench attribution` builds it and sets it")
    })?;
    let output = Command::new(&program)
        .args(["--bench", "--quiet", "--noplot", "--measurement-time", &time.as_secs().max(1).to_string()])
        .env("CRITERION_HOME", home)
        .output()
        .with_context(|| format!("start {}", Path::new(&program).display()))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{} ended with {}: {errors}",
        Path::new(&program).display(),
        output.status
    );
    Ok(())
}

/// Nanoseconds a call, and the 95 % interval of their median, from Criterion's files.
fn read(folder: &Path) -> Result<(Summary, (f64, f64))> {
    let json = |name: &str| -> Result<Value> {
        let path = folder.join(name);
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("read {}", path.display()))
    };
    let sample = json("sample.json")?;
    let numbers = |key: &str| sample[key].as_array().into_iter().flatten().filter_map(Value::as_f64);
    let values: Vec<f64> = numbers("times").zip(numbers("iters")).map(|(time, calls)| time / calls).collect();
    let interval = &json("estimates.json")?["median"]["confidence_interval"];
    let bound = |key: &str| interval[key].as_f64().with_context(|| format!("Criterion names no {key}"));
    Ok((Summary::of(&values)?, (bound("lower_bound")?, bound("upper_bound")?)))
}

/// Memory that a router takes for [`ROUTES`] routes with objects.
fn with_objects() -> Result<u64> {
    let targets = (0..ROUTES).map(|n| (format!("/v1/{}/{n}/{}/17", word(n % SIDE), word(n / SIDE)), 200));
    learn(2 * ROUTES, targets)
}

/// Memory that it takes with room for so many, once all of it is taken.
fn of_all_kinds() -> Result<u64> {
    let targets = (0..ROUTES).map(|n| {
        let resource = format!("/v1/{}", word(n % SIDE));
        match n / SIDE {
            at if at < SIDE / 2 => (format!("{resource}/{n}/{}/17", word(at)), 200),
            at if at < SIDE * 3 / 4 => (format!("{resource}/all/lists/{}", word(at)), 200),
            at => (format!("{resource}/all/lists/{}", word(at)), 404),
        }
    });
    learn(ROUTES, targets)
}

/// Learns [`ROUTES`] routes with room for `most`; each is called by three clients.
fn learn(most: usize, targets: impl Iterator<Item = (String, u16)>) -> Result<u64> {
    let settings = route::Settings { most, ..route::Settings::default() };
    let key = HashKey::new([7; 16]);
    let mut lenses = Lenses::new(client::Settings::default(), key);
    let mut attribution = Attribution::default();
    let before = memory::allocated();
    let (mut router, _) = Router::new(settings, key);
    for (target, status) in targets {
        for client in 1..=3 {
            let address = Ipv4Addr::new(192, 0, 2, client).into();
            let mut call = Call::new(Timestamp(1), address, b"GET", target.as_bytes());
            call.header(b"User-Agent", b"");
            (call.status, call.response_bytes) = (Some(status), 500);
            let exchange = call.exchange();
            let clients = lenses.of(&exchange, b"");
            router.attribute(&exchange, Target::of(exchange.request), Some(&clients), &mut attribution);
            if status == 200 && attribution.objects.is_empty() {
                router.remember(
                    attribution.id,
                    Touch { at: call.at, clients, response_bytes: 500, sampling: 1.0 },
                );
            }
        }
    }
    let taken = memory::allocated().saturating_sub(before);
    let learned = router.counters().routes;
    ensure!(learned == ROUTES as u64, "learned {learned} routes instead of {ROUTES}");
    Ok(taken)
}

/// A word without digits.
fn word(n: usize) -> String {
    let letter = |n: usize| char::from(b'a' + (n % 26) as u8);
    format!("resource-{}{}", letter(n / 26), letter(n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_routes_are_learned_as_are_to_be_measured() {
        // What they take is not asserted: other tests take and free memory meanwhile.
        with_objects().unwrap();
        of_all_kinds().unwrap();
    }

    #[test]
    fn criterions_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write(
            "sample.json",
            r#"{"sampling_mode":"Linear","iters":[1.0,2.0,4.0],"times":[100.0,220.0,480.0]}"#,
        );
        write(
            "estimates.json",
            r#"{"median":{"confidence_interval":{"confidence_level":0.95,"lower_bound":99.5,"upper_bound":121.0}}}"#,
        );
        let (summary, interval) = read(folder.path()).unwrap();
        assert_eq!((summary.median, interval), (110.0, (99.5, 121.0)));
        assert!(read(&folder.path().join("none")).is_err());
    }
}
