//! The list as JSON, one object a line. The first line is about the list; the last has how many objects there were, and its
//! absence tells that the list is cut off.

use std::io::{self, Write};

use rollcall_attribute::route::full_name::fields;
use rollcall_store::exposure::{Row, Subject};
use serde::Serialize;

use super::{
    csv::time,
    summary::{Counted, Summary},
};

/// The version of these lines, described in docs/ledger.md.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Head<'a> {
    v: u32,
    #[serde(flatten)]
    summary: &'a Summary,
}

#[derive(Serialize)]
struct Line<'a> {
    object: String,
    first_seen: Option<String>,
    last_seen: Option<String>,
    calls: Option<u32>,
    statuses: Vec<&'static str>,
    client: &'a str,
    #[serde(flatten, serialize_with = "fields::serialize")]
    route: &'a str,
    alert: &'a str,
}

#[derive(Serialize)]
struct Tail {
    objects: u64,
    rows: u64,
    complete: bool,
}

/// Writes the line about the list.
pub(super) fn head(out: &mut impl Write, summary: &Summary) -> io::Result<()> {
    line(out, &Head { v: VERSION, summary })
}

/// Appends the line of an object.
pub(super) fn row(out: &mut Vec<u8>, row: &Row, subject: &Subject) -> io::Result<()> {
    let reads = row.reads;
    line(
        out,
        &Line {
            object: row.object.to_string(),
            first_seen: reads.map(|reads| time(reads.first).to_string()),
            last_seen: reads.map(|reads| time(reads.last).to_string()),
            calls: reads.map(|reads| reads.calls),
            statuses: reads.into_iter().flat_map(|reads| reads.statuses.iter()).collect(),
            client: &subject.client,
            route: &subject.incident.route,
            alert: &subject.incident.alert,
        },
    )
}

/// Writes the line at the end.
pub(super) fn tail(out: &mut impl Write, summary: &Summary, counted: &Counted) -> io::Result<()> {
    let complete = summary.alerts.iter().all(|alert| alert.complete);
    line(out, &Tail { objects: counted.objects, rows: counted.rows, complete })
}

fn line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}
