//! The parts of a run: which there are, and each in a process of its own, two at a time.

use std::{
    collections::VecDeque,
    env,
    process::{Command, Stdio},
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{
    attack::{SHAPES, Shape},
    field,
    ids::Ids,
    logs,
    outcome::Outcome,
    taught,
};

/// What was asked for, and what was found.
pub(crate) struct Run {
    /// Everything was.
    pub(crate) all: bool,
    pub(crate) scenarios: Vec<String>,
    pub(crate) seeds: u64,
    pub(crate) full: bool,
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) took: Duration,
    /// The recorded logs are here.
    pub(crate) logs: bool,
    /// The cases from the field are here.
    pub(crate) cases: bool,
}

/// Parts that run at once.
const AT_ONCE: usize = 2;

/// Seeds for the breach on a known route, each of which takes days of the synthetic API.
const KNOWN_SEEDS: u64 = 2;

/// What scenarios may be called beside attacks.
const OTHERS: [&str; 8] = ["benign", "logs", "field", "forms", "known", "taught", "scale", "speed"];

/// Made-up keys, and how many in full size.
const KEYS: (u64, u64) = (20_000_000, 100_000_000);

/// Prints what comes of everything that is the same in each run.
pub(crate) fn steady() -> Result<()> {
    let steady = ["benign", "logs"].into_iter().chain(names());
    let run = run(&steady.map(str::to_owned).collect::<Vec<_>>(), 1, false)?;
    for mut outcome in run.outcomes {
        if let Outcome::Benign(benign) = &mut outcome {
            (benign.ns_per_call, benign.peak_bytes) = (0.0, 0);
        }
        println!("{}", serde_json::to_string(&outcome)?);
    }
    Ok(())
}

/// Runs what the names say.
pub(crate) fn run(scenarios: &[String], seeds: u64, full: bool) -> Result<Run> {
    for name in scenarios {
        let known = OTHERS.contains(&name.as_str()) || SHAPES.iter().any(|shape| shape.name == name);
        ensure!(known, "there is no scenario {name:?}: {}, {}", OTHERS.join(", "), names().join(", "));
    }
    let started = Instant::now();
    let has = |name: &str| scenarios.is_empty() || scenarios.iter().any(|named| named == name);
    let logs = logs::directory().is_some();
    let cases = logs::shared("cases").is_some();
    if (has("field") || has("forms")) && !cases {
        eprintln!(
            "rollcall-eval: NOTICE: there are no cases from the field: set ROLLCALL_SHARED to the directory that has \
             data/cases; detection is NOT evaluated on any"
        );
    }
    let mut outcomes = Vec::new();
    if has("speed") {
        // Alone on the machine.
        outcomes.extend(start(&["part-speed".to_owned()])?);
    }
    let mut parts = Vec::new();
    if has("scale") {
        parts.extend(scale(if full { KEYS.1 } else { KEYS.0 }));
    }
    for (place, &ids) in Ids::ALL.iter().enumerate() {
        for seed in 1..=seeds {
            let attacks: Vec<&str> = names_of(|shape| shape.ids == ids && has(shape.name));
            if attacks.is_empty() && !has("benign") {
                continue;
            }
            let mut part = arguments("part-api", &[("ids", &place.to_string()), ("seed", &seed.to_string())]);
            part.extend((!attacks.is_empty()).then(|| format!("--attacks={}", attacks.join(","))));
            part.extend(has("benign").then(|| "--benign".to_owned()));
            parts.push(part);
        }
    }
    if has("logs") && logs {
        for log in logs::LOGS {
            let attacks = names_of(|shape| shape.in_logs).join(",");
            let mut part =
                arguments("part-log", &[("log", log), ("seeds", &seeds.to_string()), ("attacks", &attacks)]);
            part.push("--benign".to_owned());
            parts.push(part);
        }
    }
    if has("known") {
        for seed in 1..=seeds.min(KNOWN_SEEDS) {
            parts.push(arguments("part-known", &[("seed", &seed.to_string())]));
        }
    }
    if has("taught") {
        parts.extend(
            taught::ATTACKERS.iter().map(|attacker| arguments("part-taught", &[("attacker", attacker.name)])),
        );
    }
    if has("field") {
        let part = |name: &str, seed: u64| {
            arguments("part-field", &[("workload", name), ("seed", &seed.to_string())])
        };
        parts.extend(cases.then(|| part(field::RECORDED, 1)));
        parts.extend(field::made_up().flat_map(|name| (1..=seeds).map(move |seed| part(name, seed))));
    }
    if has("forms") && cases {
        parts.push(arguments("part-forms", &[]));
    }
    outcomes.extend(start_all(parts)?);
    Ok(Run {
        all: scenarios.is_empty(),
        scenarios: scenarios.to_vec(),
        seeds,
        full,
        outcomes,
        took: started.elapsed(),
        logs,
        cases,
    })
}

fn names() -> Vec<&'static str> {
    names_of(|_| true)
}

fn names_of(wanted: impl Fn(&Shape) -> bool) -> Vec<&'static str> {
    SHAPES.iter().filter(|shape| wanted(shape)).map(|shape| shape.name).collect()
}

fn scale(keys: u64) -> Vec<Vec<String>> {
    let part = |test, lens, spread| {
        arguments(
            "part-scale",
            &[("test", test), ("lens", lens), ("spread", spread), ("keys", &keys.to_string())],
        )
    };
    // The longest first, so that none is left over at the end.
    let mut parts = vec![part("flood", "credential", "pareto"), part("flood", "address", "pareto")];
    for lens in ["address", "credential"] {
        parts.extend(["pareto", "uniform"].map(|spread| part("clients", lens, spread)));
    }
    parts
}

fn arguments(part: &str, options: &[(&str, &str)]) -> Vec<String> {
    let options = options.iter().map(|(name, value)| format!("--{name}={value}"));
    std::iter::once(part.to_owned()).chain(options).collect()
}

/// Starts every part, some at once, and returns what they found in the order of the parts.
fn start_all(parts: Vec<Vec<String>>) -> Result<Vec<Outcome>> {
    let count = parts.len();
    let queue = Mutex::new(parts.into_iter().enumerate().collect::<VecDeque<_>>());
    let found = Mutex::new((0..count).map(|_| Vec::new()).collect::<Vec<_>>());
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = lock(&queue).pop_front();
                    let Some((at, part)) = next else { return };
                    match start(&part) {
                        Ok(outcomes) => lock(&found)[at] = outcomes,
                        Err(error) => lock(&failed).push(format!("{error:#}")),
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_default();
    if !failed.is_empty() {
        bail!("{}", failed.join("\n"));
    }
    Ok(found.into_inner().unwrap_or_default().into_iter().flatten().collect())
}

/// A part that panics holds none of these.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Starts this program for one part and reads what it tells.
fn start(arguments: &[String]) -> Result<Vec<Outcome>> {
    let shown = arguments.join(" ");
    let started = Instant::now();
    let program = env::current_exe().context("find this program")?;
    let child = Command::new(program).args(arguments).stdout(Stdio::piped()).spawn();
    let output = child
        .and_then(std::process::Child::wait_with_output)
        .with_context(|| format!("start the part {shown}"))?;
    ensure!(output.status.success(), "the part {shown} ended with {}", output.status);
    let text = String::from_utf8(output.stdout).context("read what a part tells")?;
    let mut outcomes = Vec::new();
    for line in text.lines() {
        outcomes.push(serde_json::from_str(line).with_context(|| format!("read {line:?}"))?);
    }
    eprintln!("rollcall-eval: {:5.1} s  {shown}", started.elapsed().as_secs_f64());
    Ok(outcomes)
}
