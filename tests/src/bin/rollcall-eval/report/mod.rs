//! The document: docs/EVALUATION.md, or as much of it as was asked for.

mod attacks;
mod benign;
mod field;
mod gaps;
mod goals;
mod scale;
mod table;
mod taught;

use std::fmt::Write as _;

use anyhow::Result;
use rollcall_tests::machine;

use crate::{engine::Engine, parts::Run, replay::ENOUGH};

/// Everything that was found, as Markdown.
pub(crate) fn document(run: &Run) -> Result<String> {
    let mut text = preamble(run)?;
    let sections = [
        goals::section(run),
        field::section(run),
        taught::section(run),
        attacks::section(run),
        benign::section(run),
        scale::section(run),
        gaps::section(run),
        run.all.then(method),
    ];
    for section in sections.into_iter().flatten() {
        // Writing to a String does not fail.
        let _ = write!(text, "\n{section}");
    }
    Ok(text)
}

fn preamble(run: &Run) -> Result<String> {
    let mut command = "cargo xtask eval".to_owned();
    run.scenarios.iter().for_each(|name| command.extend([" ", name]));
    if run.seeds != 3 {
        command.push_str(&format!(" --seeds {}", run.seeds));
    }
    if run.full {
        command.push_str(if run.all { " --write" } else { " --full" });
    }
    let logs = if run.logs { "" } else { " The recorded logs were not there: what needs them is missing." };
    let cases =
        if run.cases { "" } else { " The cases from the field were not there: what needs them is missing." };
    Ok(format!(
        "# Evaluation of detection\n\n\
         Made by `{command}` in {:.0} s. Everything is replayed through the engine that live capture drives, with its \
         defaults; they are the same for all rows. Each attack runs with {} seeds.{logs}{cases}\n\n\
         Machine: {}.\n",
        run.took.as_secs_f64(),
        run.seeds,
        machine::line()?
    ))
}

/// How all of it is done.
fn method() -> String {
    let declared = Engine::declared();
    let limits = declared.limits.iter().map(|(route, limit)| format!("`{limit}` for `{route}`"));
    let partners = declared.partners.iter().map(|(_, budget)| format!("`{budget}` for the partner's token"));
    let declared: Vec<String> = limits.chain(partners).collect();
    format!(
        "## How it is done\n\n\
         - **The synthetic API** has 37 M accounts and, each day, about a million calls: 150,000 customers with the app \
         who read their own account in sessions of up to five calls, some every day and most rarely (Zipf), with \
         retries, expired tokens and new ones, 80,000 of them behind 100 addresses of mobile carriers; 50 offices with 5 \
         to 40 employees behind one address each, who read 5 to 60 accounts a day of their cases, and lists page by \
         page; 30 people whose dashboard loads 10 to 15 accounts at once, and 3 whose reports load 50; a partner's batch \
         of 20,000 accounts one after the other between two and four o'clock; probes of monitoring; crawlers, some of \
         whose pages are gone; and 2,000 new accounts a day, whose identifiers continue where the newest ends. Most \
         happens in the afternoon.\n\
         - **Declared** by the operator of that API is: {}.\n\
         - **A day warms up**, the next one is scored. Attacks begin at ten o'clock of it, and go on until they are \
         caught, or have read {ENOUGH} accounts, or it ends; in recorded logs at the middle, for eight hours at \
         most.\n\
         - **What people run** is replayed with nothing declared: logs of what applications were reported to do, and eleven \
         sites that are made up: a gallery of 200 users who scroll through a feed, of data or of pictures; a shop with 1,000 \
         visitors a day and a crawler that looks at a product each 15 s; 200 viewers of maps and videos; 12 agents of a \
         support desk who read 100 to 300 customers a day; a magazine of which most read an article or two, and some many; a server of files on \
         which devices fetch their user's own; a forum with crawlers; dashboards on screens; an issue tracker; and a lake of data with \
         a folder for each day. Each alert counts on the day on which it was opened; it is critical \
         if it became so.\n\
         - **Attackers who teach** know the limits in force on the morning of each day. Those who raise come to four fifths of \
         each limit in each window, with accounts that they have read before; those who browse read accounts of all that there \
         are.\n\
         - **Accounts before the alert** are the different accounts of others that the attack had been given, the call \
         that led to the alert included. The alert is the first warning or critical one that was opened after the \
         attack began and is about one of its client keys, or about everybody's calls of its route. All other alerts \
         are false ones. The 95th percentile is by nearest rank: of three seeds it is the worst.\n\
         - **Nobody can make keys collide**: hashes are keyed at random when the daemon starts, and an attacker neither \
         has the key nor sees a hash. No scenario has such keys, then. Replay has a fixed key, so that figures can be \
         had again.\n\
         - **Tests of scale** drive the detector directly, each in a process of its own whose memory is the most that \
         was resident (`VmHWM`). Observations are made on the fly, in an order without order.\n",
        declared.join(", ")
    )
}
