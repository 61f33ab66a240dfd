//! How what is allowed looks.
//!
//! Routes and clients may come from whoever calls the watched API: nothing that a terminal would obey is printed.

use std::{fmt, io};

use rollcall_detect::{Allowance, Use};
use rollcall_model::time::Timestamp;
use rollcall_store::{Allowed, Ended};
use serde::Serialize;

use crate::top::text::{clean, columns, seconds};

const HEADS: [&str; 10] = ["ID", "UP TO", "USED", "LAST", "UNTIL", "BY", "WHO", "WHERE", "WHY", "ENDED"];

/// The column that is left out where nothing has ended.
const ENDED: usize = 9;

/// Names in a cell of the table.
const NAMED: usize = 3;

/// As it stands at `now`: what has come to its day is over, whether that has been noted or not.
pub(super) fn as_of(now: Timestamp, allowed: Allowed) -> Allowed {
    let until = allowed.allowance.until;
    let is_over = allowed.ended.is_none() && until <= now;
    let over = || Ended { at: until, by: "rollcall".to_owned(), why: "its time is over".to_owned() };
    let ended = if is_over { Some(over()) } else { allowed.ended };
    Allowed { ended, ..allowed }
}

/// What is allowed with heads, without a newline at the end; `windows` are those that the daemon counts objects in.
pub(super) fn table(all: &[Allowed], windows: &[u64]) -> String {
    if all.is_empty() {
        return "nothing is allowed".to_owned();
    }
    let has_ended = all.iter().any(|allowed| allowed.ended.is_some());
    let mut cells = vec![HEADS.map(str::to_owned)];
    if !has_ended {
        cells[0][ENDED].clear();
    }
    cells.extend(all.iter().map(|Allowed { allowance, at: _, alert: _, ended, used }| {
        let Allowance { id, clients, routes, limit, until, by, why } = allowance;
        let is_counted = windows.last().is_none_or(|&longest| limit.window.as_secs() <= longest);
        [
            id.to_string(),
            if is_counted { limit.to_string() } else { format!("{limit} (not counted)") },
            used.map_or_else(|| "-".to_owned(), |used| share(used.most, limit.distinct)),
            used.map_or_else(|| "-".to_owned(), |used| seconds(used.at)),
            seconds(*until),
            clean(by),
            if clients.is_empty() { "everybody".to_owned() } else { first(clients) },
            if routes.is_empty() { "each route".to_owned() } else { first(routes) },
            clean(why),
            ended.as_ref().map_or_else(String::new, |Ended { at, by, why }| {
                format!("{} by {}: {}", seconds(*at), clean(by), clean(why))
            }),
        ]
    }));
    columns(&cells, |_| false).join("\n")
}

/// What is allowed as a line of JSON.
pub(super) fn json(allowed: &Allowed) -> io::Result<String> {
    #[derive(Serialize)]
    struct Line<'a> {
        v: u32,
        id: String,
        clients: Vec<String>,
        routes: &'a [String],
        limit: u32,
        window_s: u64,
        at: Timestamp,
        until: Timestamp,
        by: &'a str,
        why: &'a str,
        alert: Option<&'a str>,
        ended: Option<Over<'a>>,
        used: Option<Used>,
    }
    #[derive(Serialize)]
    struct Used {
        most: u64,
        at: Timestamp,
    }
    #[derive(Serialize)]
    struct Over<'a> {
        at: Timestamp,
        by: &'a str,
        why: &'a str,
    }
    let Allowed { allowance, at, alert, ended, used } = allowed;
    let Allowance { id, clients, routes, limit, until, by, why } = allowance;
    let line = Line {
        v: 1,
        id: id.to_string(),
        clients: clients.iter().map(ToString::to_string).collect(),
        routes,
        limit: limit.distinct,
        window_s: limit.window.as_secs(),
        at: *at,
        until: *until,
        by,
        why,
        alert: alert.as_deref(),
        ended: ended.as_ref().map(|Ended { at, by, why }| Over { at: *at, by, why }),
        used: used.map(|Use { most, at }| Used { most, at }),
    };
    Ok(serde_json::to_string(&line)?)
}

/// The most that was made use of, and how much of what is in order that is: `2400 (80%)`.
fn share(most: u64, limit: u32) -> String {
    format!("{most} ({}%)", most.saturating_mul(100) / u64::from(limit.max(1)))
}

/// All of them, for a sentence.
pub(super) fn joined(names: &[impl fmt::Display]) -> String {
    names.iter().map(|name| clean(&name.to_string())).collect::<Vec<_>>().join(", ")
}

/// The first few, and how many more there are.
fn first(names: &[impl fmt::Display]) -> String {
    match names.len().saturating_sub(NAMED) {
        0 => joined(names),
        more => format!("{} and {more} more", joined(&names[..NAMED])),
    }
}
