//! `rollcall routes`: the API inventory of the daemon that runs here.

use std::io::{self, Write};

use anyhow::Context;
use clap::{Args, ValueEnum};
use rollcall_attribute::route::full_name::{self, fields};
use serde::Deserialize;

use super::{
    client::{self, ClientArgs},
    exit::{Exit, Failure},
    top::text::columns,
};

#[derive(Debug, Args)]
pub(crate) struct RoutesArgs {
    #[command(flatten)]
    client: ClientArgs,

    /// How to print them.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,

    /// Routes that were only ever refused, too: what scanners tried.
    #[arg(long)]
    all: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Table,
    /// What the daemon answers, as it is.
    Json,
}

/// What of the answer is shown.
#[derive(Debug, Deserialize)]
struct Answer {
    overflowed_calls: u64,
    routes: Vec<Row>,
}

#[derive(Debug, Deserialize)]
struct Row {
    #[serde(flatten, deserialize_with = "fields::deserialize")]
    route: String,
    origin: String,
    class: String,
    class_by: String,
    norm: Option<Norm>,
    documented: Option<bool>,
    calls: u64,
    calls_with_objects: u64,
    callers: u64,
    statuses: Statuses,
    open_calls: u64,
    first_seen: String,
    last_seen: String,
}

#[derive(Debug, Deserialize)]
struct Norm {
    by: String,
    learning: bool,
    windows: Vec<Window>,
}

#[derive(Debug, Deserialize)]
struct Window {
    limit: Option<u32>,
    p50: Option<u32>,
    p99: Option<u32>,
}

#[derive(Debug, Deserialize)]
struct Statuses {
    #[serde(rename = "2xx")]
    successful: u64,
    #[serde(rename = "3xx")]
    redirected: u64,
    #[serde(rename = "4xx")]
    refused: u64,
    #[serde(rename = "5xx")]
    failed: u64,
    unknown: u64,
}

/// Asks the daemon and prints what it says.
pub(crate) fn routes(args: &RoutesArgs) -> Result<Exit, Failure> {
    let client = args.client.client()?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    let body = runtime.block_on(client.get("/api/v1/routes")).map_err(client::unreachable)?;
    let mut text = match args.format {
        Format::Json => String::from_utf8_lossy(&body).trim_end().to_owned(),
        Format::Table => {
            let answer: Answer = serde_json::from_slice(&body).context("read what the daemon answered")?;
            table(&answer, args.all)
        }
    };
    text.push('\n');
    match io::stdout().write_all(text.as_bytes()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        written => written.context("print the routes")?,
    }
    Ok(Exit::Ok)
}

fn table(answer: &Answer, all: bool) -> String {
    let heads = [
        "ROUTE",
        "IS",
        "BY",
        "LIMITS",
        "LIMITS BY",
        "USUAL",
        "FROM",
        "IN DOC",
        "CALLS",
        "OBJECTS",
        "CALLERS",
        "2XX",
        "3XX",
        "4XX",
        "5XX",
        "?",
        "OPEN",
        "FIRST",
        "LAST",
    ];
    let answered =
        |row: &&Row| all || row.statuses.successful + row.statuses.redirected + row.statuses.unknown > 0;
    let mut rows: Vec<&Row> = answer.routes.iter().filter(answered).collect();
    rows.sort_by(|a, b| b.calls.cmp(&a.calls).then_with(|| a.route.cmp(&b.route)));
    // Of a service that is the only one there is nothing to tell it from.
    let one = full_name::is_one(answer.routes.iter().map(|row| &*row.route));
    let name = |row: &Row| if one { full_name::split(&row.route).1.to_owned() } else { row.route.clone() };
    let hidden = answer.routes.len() - rows.len();
    let mut cells = vec![heads.map(str::to_owned)];
    cells.extend(rows.iter().map(|row| {
        let Row {
            route: _,
            origin,
            class,
            class_by,
            norm,
            documented,
            calls,
            calls_with_objects,
            callers,
            statuses,
            ..
        } = row;
        let Statuses { successful, redirected, refused, failed, unknown } = statuses;
        let documented = match documented {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "-",
        };
        // To the second: `2026-07-14T03:33:20`.
        let short = |time: &str| time.get(..19).unwrap_or(time).to_owned();
        [
            name(row),
            class.clone(),
            class_by.clone(),
            norm.as_ref().map_or_else(|| "-".to_owned(), limits),
            norm.as_ref().map_or("-", |norm| norm.by.as_str()).to_owned(),
            norm.as_ref().and_then(usual).unwrap_or_else(|| "-".to_owned()),
            origin.clone(),
            documented.to_owned(),
            calls.to_string(),
            calls_with_objects.to_string(),
            callers.to_string(),
            successful.to_string(),
            redirected.to_string(),
            refused.to_string(),
            failed.to_string(),
            unknown.to_string(),
            row.open_calls.to_string(),
            short(&row.first_seen),
            short(&row.last_seen),
        ]
    }));
    let mut lines = columns(&cells, |at| at > 7);
    if hidden > 0 {
        lines.push(format!("{hidden} more were only ever refused: --all shows them"));
    }
    if answer.overflowed_calls > 0 {
        lines.push(format!(
            "{} calls count as ~other, as there was no room for their routes: see --max-routes",
            answer.overflowed_calls
        ));
    }
    lines.join("\n")
}

/// The limits of all windows, shortest first; with a question mark as long as it is not known what is usual.
fn limits(norm: &Norm) -> String {
    let limit = |window: &Window| window.limit.map_or_else(|| "-".to_owned(), |limit| limit.to_string());
    let limits: Vec<String> = norm.windows.iter().map(limit).collect();
    format!("{}{}", limits.join("/"), if norm.learning { "?" } else { "" })
}

/// What half of the clients, and 99 of 100, touch at most within the longest window.
fn usual(norm: &Norm) -> Option<String> {
    let longest = norm.windows.last()?;
    Some(format!("{}..{}", longest.p50?, longest.p99?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_a_table() {
        let answer = r#"{"v":1,"at":"2026-07-14T03:33:20.000000Z","overflowed_calls":2,"routes":[
            {"service":":8001","route":"GET /v1/customers/{id}","origin":"learned","class":"accounts","class_by":"objects","norm":{"by":"learning","learning":true,"clients":5,"windows":[{"window_s":10,"limit":20,"p50":1,"p99":2},{"window_s":86400,"limit":null,"p50":1,"p99":3}]},"documented":false,"static":false,"calls":120,
             "calls_with_objects":120,"callers":3,"statuses":{"1xx":0,"2xx":118,"3xx":0,"4xx":2,"5xx":0,"unknown":0},
             "open_calls":7,"first_seen":"2026-07-14T03:33:20.123456Z","last_seen":"2026-07-14T03:34:20.123456Z"},
            {"service":":8002","route":"GET /wp-login.php","origin":"learned","class":"accounts","class_by":"objects","documented":false,"static":false,"calls":9,
             "calls_with_objects":0,"callers":1,"statuses":{"1xx":0,"2xx":0,"3xx":0,"4xx":9,"5xx":0,"unknown":0},
             "open_calls":0,"first_seen":"2026-07-14T03:33:20.123456Z","last_seen":"2026-07-14T03:34:20.123456Z"}]}"#;
        let answer: Answer = serde_json::from_str(answer).unwrap();
        let lines: Vec<String> = table(&answer, false).lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 4, "{lines:#?}");
        let cells: Vec<&str> = lines[1].split_whitespace().collect();
        assert_eq!(
            cells,
            [
                ":8001",
                "GET",
                "/v1/customers/{id}",
                "accounts",
                "objects",
                "20/-?",
                "learning",
                "1..3",
                "learned",
                "NO",
                "120",
                "120",
                "3",
                "118",
                "0",
                "2",
                "0",
                "0",
                "7",
                "2026-07-14T03:33:20",
                "2026-07-14T03:34:20"
            ]
        );
        assert_eq!(lines[2], "1 more were only ever refused: --all shows them");
        assert_eq!(
            lines[3],
            "2 calls count as ~other, as there was no room for their routes: see --max-routes"
        );
        assert_eq!(table(&answer, true).lines().count(), 4);
    }
}
