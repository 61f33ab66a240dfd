//! The documentation is true: every command in it runs, every flag, variable, link and metric that it names exists, and
//! every example is what it says.
//!
//! A page needs nothing for this but to keep to one convention: see [`commands`].

mod commands;
mod elsewhere;
mod examples;
mod help;
mod links;
mod names;
mod page;
mod stage;
mod treatment;

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};

use page::{Page, Piece};
use stage::Stage;
use treatment::{ADVICE, Treatment};

#[test]
fn every_command_runs() -> Result<()> {
    let pages = page::all()?;
    let stage = Stage::set()?;
    let mut failures = Vec::new();
    let mut run = 0;
    for page in &pages {
        let home = stage.home()?;
        for command in commands::commands(page)? {
            let tried = match treatment::of(&command.text) {
                Treatment::Run => stage.run(&home, &command.text),
                Treatment::Daemon => stage.run_daemon(&home, &command.text),
                Treatment::Endless(keys) => stage.run_until_it_shows_something(&home, &command.text, keys),
                Treatment::Xtask => elsewhere::expect_xtask(&command.text),
                Treatment::Elsewhere => elsewhere::expect_package(&command.text),
            };
            run += 1;
            if let Err(error) = tried {
                failures.push(at(page, &command, &format!("{}\n    {error:#}", command.text)));
            }
        }
    }
    stage.expect_well()?;
    ensure!(run > 20, "only {run} commands were found: does the test still read the pages?");
    conclude(failures, ADVICE)
}

#[test]
fn every_block_says_what_it_is() -> Result<()> {
    let mut failures = Vec::new();
    for page in page::all()? {
        for block in &page.blocks {
            if block.language.as_deref() == Some("") {
                failures.push(at(&page, &block.piece, "a fenced block without a language"));
            }
        }
    }
    conclude(failures, "Write ```sh for commands, ```text for anything that has no better name.")
}

#[test]
fn every_flag_variable_and_metric_exists() -> Result<()> {
    let names = names::Names::ask()?;
    let mut failures = Vec::new();
    for page in page::all()? {
        for span in &page.spans {
            failures.extend(names.unknown_in(&span.text).iter().map(|name| at(&page, span, name)));
        }
        for block in &page.blocks {
            // Whether a command's flags exist shows when it is run.
            let unknown = if commands::is_commands(block) {
                names.unknown_anywhere_in(&block.piece.text)
            } else {
                names.unknown_in_block(&block.piece.text)
            };
            failures.extend(unknown.iter().map(|name| at(&page, &block.piece, name)));
        }
    }
    conclude(
        failures,
        "What docs name must exist: a flag in `rollcall … --help` or `cargo xtask … --help`, a variable in the former, \
         a metric with its labels in monitor/metrics/src/table.rs, a rule in xtask/packaging/prometheus/. Words of \
         other programs are listed in tests/tests/documents/names.rs.",
    )
}

#[test]
fn every_rule_is_explained() -> Result<()> {
    let rules = names::rules()?;
    let pages = page::all()?;
    let operating =
        pages.iter().find(|page| page.name == "docs/operating.md").context("no docs/operating.md")?;
    let explained: BTreeSet<&str> = operating.spans.iter().map(|span| span.text.as_str()).collect();
    let failures = rules.iter().filter(|rule| !explained.contains(rule.as_str())).cloned().collect();
    conclude(
        failures,
        "docs/operating.md has a table of all rules in xtask/packaging/prometheus/rollcall.rules.yml.",
    )
}

#[test]
fn every_link_leads_somewhere() -> Result<()> {
    conclude(
        links::broken(&page::all()?)?,
        "A link is relative to its page; an anchor is a heading in lower case, with hyphens for blanks and without \
         punctuation. Every page is reached from README.md.",
    )
}

#[test]
fn every_example_is_what_it_says() -> Result<()> {
    let mut failures = Vec::new();
    for page in page::all()? {
        for block in &page.blocks {
            if let Err(error) = examples::check(block) {
                failures.push(at(&page, &block.piece, &format!("{error:#}")));
            }
        }
    }
    conclude(failures, "What is fenced as json, yaml, promql or nginx is read by who would read it.")
}

/// What is wrong, and where it stands.
fn at(page: &Page, piece: &Piece, what: &str) -> String {
    format!("{}:{}: {what}", page.name, piece.line)
}

fn conclude(failures: Vec<String>, advice: &str) -> Result<()> {
    if !failures.is_empty() {
        bail!("\n{}\n\n{advice}", failures.join("\n"));
    }
    Ok(())
}
