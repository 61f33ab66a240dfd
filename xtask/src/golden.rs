//! `golden`: what Rollcall says of all that is recorded, beside what it said when that was last looked at.
//!
//! The engine gives the same for the same input, so a change that is to change nothing is known by this. `tests/golden.txt`
//! has a line for each input with the exit code and digests of alerts and exchanges. Where one differs, the outputs of
//! now and those of the last run that agreed lie beside each other below the target directory, to be compared.

use std::{
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use siphasher::sip128::SipHasher13;

use crate::{
    build::{self, Linkage, Profile},
    process, test,
    workspace::{self, Workspace},
};

/// What of the shared data can be replayed.
const RECORDINGS: [&str; 4] = ["log", "tsv", "pcap", "pcapng"];

/// The sequences that are tried on real servers, and those changed at random.
const SEQUENCES: &str = "sequences";
const MUTANTS: usize = 2_000;

/// The scenarios of the evaluation.
const EVALUATION: &str = "evaluation";

#[derive(Args)]
pub(crate) struct Options {
    /// Takes what comes now for what is right, and writes it to tests/golden.txt.
    #[arg(long)]
    write: bool,
}

pub(crate) fn verb(workspace: &Workspace, options: &Options) -> Result<()> {
    let programs = ["rollcall", "rollcall-differential", "rollcall-eval"];
    let [rollcall, differential, eval] =
        build::programs(workspace, Profile::Quick, Linkage::Dynamic, programs)?;
    let shared = env::var_os(test::SHARED).map(PathBuf::from).or_else(|| test::shared_data(workspace));
    let Some(shared) = shared else {
        bail!("there is nothing recorded to replay: set {} to the directory that has `data`", test::SHARED)
    };
    let folder = workspace.target.join("golden");
    let (now, known) = (folder.join("now"), folder.join("known"));
    workspace::remove(&now)?;
    fs::create_dir_all(&now).with_context(|| format!("create {}", now.display()))?;
    let sequences = folder.join("sequences.pcap");
    let with_shared = |program: &Path| {
        let mut command = Command::new(program);
        command.env(test::SHARED, &shared);
        command
    };
    process::run(
        with_shared(&differential).arg(format!("--mutate={MUTANTS}")).arg("--capture").arg(&sequences),
    )?;
    let mut inputs = recordings(&shared.join("data"))?;
    inputs.push((SEQUENCES.to_owned(), sequences));
    let mut lines = String::new();
    for (name, file) in &inputs {
        let [alerts, exchanges] = ["alerts", "exchanges"].map(|kind| output(&now, name, kind));
        let mut replay = Command::new(&rollcall);
        replay.arg("replay").arg(file).arg("--alert.file").arg(&alerts).arg("--exchange-log").arg(&exchanges);
        let code = replay.env_clear().stderr(Stdio::null()).status().context("start the replay")?.code();
        let code = code.with_context(|| format!("the replay of {} was killed", file.display()))?;
        writeln!(lines, "{name} {code} {} {}", digest(&alerts)?, digest(&exchanges)?)?;
    }
    let outcomes = output(&now, EVALUATION, "outcomes");
    fs::write(&outcomes, process::stdout(with_shared(&eval).arg("--outcomes"))?)
        .with_context(|| format!("write {}", outcomes.display()))?;
    writeln!(lines, "{EVALUATION} 0 {}", digest(&outcomes)?)?;
    let document = workspace.root.join("tests").join("golden.txt");
    if options.write {
        fs::write(&document, &lines).with_context(|| format!("write {}", document.display()))?;
    }
    let recorded = fs::read_to_string(&document).with_context(|| format!("read {}", document.display()))?;
    let differing = differing(&recorded, &lines);
    if !differing.is_empty() {
        bail!(
            "{} inputs give something else than they did:\n{}\ncompare {} with {}",
            differing.len(),
            differing.join("\n"),
            known.display(),
            now.display()
        );
    }
    workspace::remove(&known)?;
    fs::rename(&now, &known).with_context(|| format!("rename {}", now.display()))?;
    println!("{} inputs give what they did", lines.lines().count());
    Ok(())
}

/// Inputs whose lines are not the same. What was not there when the lines were written is not compared, and said.
fn differing<'a>(recorded: &'a str, now: &'a str) -> Vec<&'a str> {
    let name = |line: &'a str| line.split(' ').next().unwrap_or_default();
    let find = |lines: &'a str, wanted: &str| lines.lines().find(|line| name(line) == wanted);
    for new in now.lines().filter(|line| find(recorded, name(line)).is_none()) {
        eprintln!("xtask: NOTICE: {} is not in tests/golden.txt: write it anew", name(new));
    }
    for gone in recorded.lines().filter(|line| find(now, name(line)).is_none()) {
        eprintln!("xtask: NOTICE: {} is not there to be replayed", name(gone));
    }
    let differs = |line: &&'a str| find(now, name(line)).is_some_and(|other| other != *line);
    recorded.lines().filter(differs).map(name).collect()
}

/// Every recording below `data`, by its path there.
fn recordings(data: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut files = Vec::new();
    workspace::list(data, &mut files)?;
    files.sort();
    let is_recording = |file: &PathBuf| {
        file.extension().and_then(|name| name.to_str()).is_some_and(|name| RECORDINGS.contains(&name))
    };
    let named =
        |file: PathBuf| (file.strip_prefix(data).unwrap_or(&file).to_string_lossy().into_owned(), file);
    Ok(files.into_iter().filter(is_recording).map(named).collect())
}

fn output(folder: &Path, input: &str, kind: &str) -> PathBuf {
    folder.join(format!("{}.{kind}", input.replace('/', "-")))
}

/// Of a file, which is empty if it is not there.
fn digest(file: &Path) -> Result<String> {
    let content = match fs::read(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        content => content.with_context(|| format!("read {}", file.display()))?,
    };
    Ok(format!("{:032x}", SipHasher13::new().hash(&content).as_u128()))
}
