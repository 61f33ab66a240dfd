//! What was found, for people.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use anyhow::{Context as _, Result};

use crate::{answers, client::Event, run::Case};

/// The outcome of a run.
#[derive(Default)]
pub(crate) struct Findings {
    /// By server.
    totals: BTreeMap<&'static str, Total>,
    /// Cases with something wrong.
    pub(crate) open: Vec<Case>,
    /// Cases with something wrong once, and nothing when tried again.
    pub(crate) once: Vec<Case>,
    /// Unexplained answers that the daemon counted while all was tried.
    pub(crate) told: usize,
    /// Servers that had to be started again, and when.
    pub(crate) revived: Vec<String>,
}

#[derive(Default)]
struct Total {
    connections: usize,
    served: usize,
    missed: usize,
}

/// What is wrong, in the units of the figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Figures {
    /// Requests served and neither reported right nor told.
    missed: usize,
    /// Cases with such requests.
    cases: usize,
    /// Cases that blind the rest of a connection.
    blind: usize,
    /// Exchanges reported with a status that no answer carried.
    phantoms: usize,
}

impl Findings {
    pub(crate) fn count(&mut self, case: &Case) {
        let total = self.totals.entry(case.server.name).or_default();
        total.connections += 1;
        total.served += case.observed.served.len();
        total.missed += case.verdict.missed.len();
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.figures(None) == Figures::default() && self.is_told_of_once()
    }

    /// Whether what went wrong once may have been told: as much was told as was missed.
    fn is_told_of_once(&self) -> bool {
        let missed: usize = self.totals.values().map(|total| total.missed).sum();
        let phantoms = self.once.iter().any(|case| !case.verdict.phantoms.is_empty());
        self.once.is_empty() || !phantoms && self.told >= missed
    }

    fn figures(&self, server: Option<&str>) -> Figures {
        let mut figures = Figures::default();
        for case in self.open.iter().filter(|case| server.is_none_or(|server| case.server.name == server)) {
            let missed = untold(case);
            figures.missed += missed;
            figures.cases += usize::from(missed > 0);
            figures.blind += usize::from(missed > 0 && case.verdict.blind);
            figures.phantoms += case.verdict.phantoms.len();
        }
        figures
    }
}

/// Requests of a case that were neither reported right nor told.
fn untold(case: &Case) -> usize {
    case.verdict.missed.len().saturating_sub(case.told)
}

pub(crate) fn print(findings: &Findings) {
    println!(
        "{:18} {:>6} {:>7} {:>6} {:>6} {:>6} {:>8}",
        "server", "conns", "served", "missed", "cases", "blind", "phantoms"
    );
    for (server, total) in &findings.totals {
        row(server, total, findings.figures(Some(server)));
    }
    let mut all = Total::default();
    for total in findings.totals.values() {
        all.connections += total.connections;
        all.served += total.served;
        all.missed += total.missed;
    }
    row("all", &all, findings.figures(None));
    println!("{} answers unexplained to the daemon, {} not reported right", findings.told, all.missed);
    for server in &findings.revived {
        println!("started again: {server}");
    }
    if !findings.once.is_empty() {
        let told = if findings.is_told_of_once() { "told" } else { "not told" };
        println!("wrong once, right when tried again, {told}: {}", findings.once.len());
    }
}

fn row(name: &str, total: &Total, figures: Figures) {
    let Figures { missed, cases, blind, phantoms } = figures;
    println!(
        "{name:18} {:>6} {:>7} {missed:>6} {cases:>6} {blind:>6} {phantoms:>8}",
        total.connections, total.served
    );
}

/// Writes a line for each case with something wrong; `-` is standard output.
pub(crate) fn write(findings: &Findings, file: &Path) -> Result<()> {
    let mut text = String::new();
    for case in &findings.open {
        writeln!(text, "{}", line(case))?;
    }
    for case in &findings.once {
        writeln!(text, "ONCE {}", line(case))?;
    }
    if file == Path::new("-") {
        print!("{text}");
        return Ok(());
    }
    fs::write(file, text).with_context(|| format!("write {}", file.display()))?;
    println!("the cases are in {}", file.display());
    Ok(())
}

fn line(case: &Case) -> String {
    let mut kinds = Vec::new();
    if untold(case) > 0 {
        kinds.push(if case.verdict.blind { "BLIND" } else { "MISSED" });
    }
    if !case.verdict.phantoms.is_empty() {
        kinds.push("PHANTOM");
    }
    if kinds.is_empty() {
        kinds.push(if case.verdict.is_clean() { "right" } else { "told" });
    }
    let marked = |text: String, marked: bool| if marked { format!("!{text}") } else { text };
    let served = case.observed.served.iter().enumerate();
    let served =
        served.map(|(index, answer)| marked(answer.describe(), case.verdict.missed.contains(&index)));
    let reported = case.reported.iter().enumerate();
    let reported = reported.map(|(index, exchange)| {
        marked(answers::describe(&exchange.call), case.verdict.phantoms.contains(&index))
    });
    format!(
        "{} {}/{}: served [{}] reported [{}] told {}",
        kinds.join("+"),
        case.server.name,
        case.sequence.name,
        listed(served.collect()),
        listed(reported.collect()),
        case.told
    )
}

/// Two hundred alike would bury the rest.
fn listed(mut items: Vec<String>) -> String {
    const LONGEST: usize = 12;
    if items.len() > LONGEST {
        let left = items.len() - LONGEST;
        items.drain(LONGEST / 2..LONGEST / 2 + left);
        items.insert(LONGEST / 2, format!("… {left} …"));
    }
    items.join(", ")
}

/// Prints all that is known of a case.
pub(crate) fn dump(case: &Case, metrics: &[(String, f64)]) {
    println!("── {}", line(case));
    for (at, event) in &case.observed.events {
        let (mark, text) = match event {
            Event::Connected(port) => ("=", format!("from port {port}")),
            Event::Sent(bytes) => (">", shown(bytes)),
            Event::Urgent(bytes) => (">!", shown(bytes)),
            Event::Received(bytes) => ("<", shown(bytes)),
            Event::Ended => ("<", "end".to_owned()),
            Event::Failed(error) => ("*", error.clone()),
        };
        println!("{:8.1} ms {mark:2} {text}", at.as_secs_f64() * 1e3);
    }
    for exchange in &case.reported {
        println!("reported {}", exchange.line);
    }
    for (metric, change) in metrics.iter().filter(|(metric, _)| is_of_traffic(metric)) {
        println!("metric {metric} {change:+}");
    }
    println!();
}

/// Not of the process, nor of how long something took.
fn is_of_traffic(metric: &str) -> bool {
    metric.starts_with("rollcall_")
        && !["_seconds", "_bytes", "_bucket"].iter().any(|part| metric.contains(part))
}

/// Bytes, with a line for each line, but for many lines or long ones.
fn shown(bytes: &[u8]) -> String {
    const LINES: usize = 24;
    const WIDTH: usize = 400;
    let lines: Vec<_> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
    let line = |line: &&[u8]| {
        let cut = &line[..line.len().min(WIDTH)];
        let left = line.len() - cut.len();
        let rest = if left > 0 { format!("… {left} more") } else { String::new() };
        format!("{}{rest}", cut.escape_ascii())
    };
    let mut shown: Vec<String> = if lines.len() > LINES {
        let (first, last) = (&lines[..LINES / 2], &lines[lines.len() - LINES / 4..]);
        let left = lines.len() - first.len() - last.len();
        first.iter().map(line).chain([format!("… {left} lines …")]).chain(last.iter().map(line)).collect()
    } else {
        lines.iter().map(line).collect()
    };
    shown.retain(|line| !line.is_empty());
    shown.join("\n               ")
}
