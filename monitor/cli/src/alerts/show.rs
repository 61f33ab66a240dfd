//! How alerts, and what happens to them, look.
//!
//! Routes and clients may come from whoever calls the watched API: nothing that a terminal would obey is printed.

use std::{io, path::Path};

use rollcall_detect::{
    Figures,
    alert::{Alert, Client},
};
use rollcall_model::time::Timestamp;
use rollcall_store::{Ack, Acked, Row};
use serde::Serialize;

use crate::top::text::{clean, columns, seconds};

const HEADS: [&str; 9] =
    ["ID", "STATE", "SEVERITY", "SINCE", "CLIENT", "ROUTE", "DISTINCT", "RULES", "ACKNOWLEDGED"];

/// Where a daemon keeps its state if nothing else is said.
const USUAL: &str = "/var/lib/rollcall";

/// The column of numbers.
const DISTINCT: usize = 6;

/// Alerts with their heads, without a newline at the end.
pub(super) fn table(rows: &[Row]) -> String {
    if rows.is_empty() {
        return "no alerts".to_owned();
    }
    let mut cells = vec![HEADS.map(str::to_owned)];
    cells.extend(rows.iter().map(|Row { alert, resolved_at, acked }| {
        [
            alert.id.clone(),
            match (resolved_at, &alert.allowed) {
                (None, _) => "open",
                (Some(_), None) => "resolved",
                (Some(_), Some(_)) => "allowed",
            }
            .to_owned(),
            alert.severity.name().to_owned(),
            seconds(alert.scope.opened_at),
            clients(alert),
            routes(alert),
            alert.figures.distinct.to_string(),
            rules(alert),
            acked.as_ref().map_or_else(|| "-".to_owned(), acknowledged),
        ]
    }));
    columns(&cells, |at| at == DISTINCT).join("\n")
}

/// What to say where one of the alerts that are open is in order, by the state directory of their daemon.
pub(super) fn commands(rows: &[Row], directory: &Path) -> Option<String> {
    let open = rows.iter().filter(|row| row.resolved_at.is_none());
    // Of what is in the ledger nothing but the id and numbers.
    let commands: Vec<String> = open.filter_map(|row| row.alert.command()).collect();
    if commands.is_empty() {
        return None;
    }
    let place = match directory.to_str() {
        Some(USUAL) => String::new(),
        _ => format!(" --state-dir {}", quoted(&directory.to_string_lossy())),
    };
    let lines = commands.iter().map(|command| format!("\n  {command}{place}"));
    Some(format!("\nWhat is in order can be allowed, within a budget:{}", lines.collect::<String>()))
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:@%".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// An alert as a line of JSON, with who took it on.
pub(super) fn json(row: &Row) -> io::Result<String> {
    #[derive(Serialize)]
    struct Line<'a> {
        #[serde(flatten)]
        alert: &'a Alert,
        acked: Option<Taken<'a>>,
    }
    let acked = row.acked.as_ref().map(Taken::of);
    Ok(serde_json::to_string(&Line { alert: &row.alert, acked })?)
}

/// What happened to an alert, in a line.
pub(super) fn event(alert: &Alert) -> String {
    let Alert { id, state, severity, at, figures: Figures { distinct, limit, .. }, window_s, .. } = alert;
    let route = clean(&alert.route);
    let found = match limit {
        0 => format!("{distinct}"),
        limit => format!("{distinct} over {limit} in {window_s} s"),
    };
    format!(
        "{}  {id}  {:8}  {:8}  {}  {route}  {}: {found}",
        seconds(*at),
        state.name(),
        severity.name(),
        client(&alert.client),
        alert.rule.name(),
    )
}

/// That somebody took an alert on, in a line.
pub(super) fn ack(Ack { seq: _, id, acked }: &Ack) -> String {
    format!("{}  {id}  acked     by {}", seconds(acked.at), acknowledged(acked))
}

/// The same as a line of JSON.
pub(super) fn ack_json(Ack { seq: _, id, acked }: &Ack) -> io::Result<String> {
    #[derive(Serialize)]
    struct Line<'a> {
        v: u32,
        id: &'a str,
        state: &'static str,
        acked: Taken<'a>,
    }
    let line = Line { v: rollcall_detect::alert::VERSION, id, state: "acked", acked: Taken::of(acked) };
    Ok(serde_json::to_string(&line)?)
}

/// Who took an alert on, in JSON.
#[derive(Serialize)]
struct Taken<'a> {
    at: Timestamp,
    by: &'a str,
    note: Option<&'a str>,
}

impl Taken<'_> {
    fn of(Acked { at, by, note }: &Acked) -> Taken<'_> {
        Taken { at: *at, by, note: note.as_deref() }
    }
}

fn acknowledged(Acked { at: _, by, note }: &Acked) -> String {
    match note {
        Some(note) => format!("{} ({})", clean(by), clean(note)),
        None => clean(by),
    }
}

/// The first client, and how many more there are.
fn clients(alert: &Alert) -> String {
    let first = alert.scope.clients.first().unwrap_or(&alert.client);
    match alert.scope.client_count {
        0 | 1 => client(first),
        more => format!("{} and {} more", client(first), more - 1),
    }
}

/// The route that it opened on, and how many more there are.
fn routes(alert: &Alert) -> String {
    match alert.other_routes() {
        0 => clean(&alert.opened_on()),
        more => format!("{} and {more} more", clean(&alert.opened_on())),
    }
}

fn client(Client { kind, id }: &Client) -> String {
    if kind == "all" { "everybody".to_owned() } else { format!("{} {}", clean(kind), clean(id)) }
}

/// What found it: first what opened it.
fn rules(alert: &Alert) -> String {
    let mut rules = vec![alert.scope.opened_by, alert.rule];
    rules.extend(&alert.signals);
    let mut names: Vec<&str> = Vec::new();
    for rule in rules {
        if !names.contains(&rule.name()) {
            names.push(rule.name());
        }
    }
    names.join(" ")
}

#[cfg(test)]
mod tests;
