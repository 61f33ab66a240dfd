//! `rollcall allow`: somebody says that something is in order, within a budget and until a day; what is allowed; and that
//! something is allowed no more.
//!
//! It is written into the ledger, where the daemon looks for it each second. So who may write the state directory may allow
//! something, and nobody can by the web.

mod list;
mod who;

use std::{
    io::{self, Write},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use clap::{Args, ValueEnum};
use rollcall_detect::{AllowanceId, Limit, PartnerKey, alert::Alert};
use rollcall_model::time::Timestamp;
use rollcall_store::{
    self as ledger, AllowOutcome, Ended, MOST_ALLOWANCES, NewAllowance, Reader, RevokeOutcome,
};

use self::who::Who;
use super::{
    exit::{Exit, Failure},
    top::text::{clean, grouped, seconds},
    user, values,
};

const DAY: Duration = Duration::from_secs(24 * 3_600);

#[derive(Debug, Args)]
pub(crate) struct AllowArgs {
    /// Who may: the clients of an alert on its routes, by its id or the beginning of it; a client as alerts show it, which is an
    /// address, a network of which each address may, or a credential; or everybody on a route, with its service or on each.
    #[arg(value_name = "ALERT|CLIENT|ROUTE", value_parser = who::parse)]
    who: Who,

    /// How many objects may be touched within a window. For clients it takes the place of every limit; on a route no limit is
    /// below it [default: twice what the alert tells of].
    #[arg(long, value_name = "N/WINDOW", value_parser = values::budget)]
    up_to: Option<Limit>,

    /// Only on this route; of each service, or with one before it: ':8001 GET /v1/{id}'. Repeatable.
    #[arg(long = "route", value_name = "ROUTE", value_parser = who::route)]
    routes: Vec<String>,

    /// For how long: a number of days, or a time such as 12h; a year at most.
    #[arg(long = "for", value_name = "DURATION", value_parser = values::term, default_value = "30d")]
    term: Duration,

    /// Why it is in order.
    #[arg(long, value_name = "TEXT", value_parser = user::text)]
    why: String,

    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct RevokeArgs {
    /// What `rollcall allowed` calls it.
    #[arg(value_name = "ID", value_parser = id)]
    id: AllowanceId,

    /// Why it is in order no more.
    #[arg(long, value_name = "TEXT", value_parser = user::text, default_value = "revoked")]
    why: String,

    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct AllowedArgs {
    /// What is over, too.
    #[arg(long)]
    all: bool,

    /// How to print them.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,

    #[command(flatten)]
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people: the latest first.
    Table,
    /// One JSON object a line.
    Json,
}

/// Where the ledger is.
#[derive(Clone, Debug, Args)]
struct Place {
    /// Directory that the daemon keeps its state in.
    #[arg(long, env = "ROLLCALL_STATE_DIR", value_name = "DIR", default_value = "/var/lib/rollcall")]
    state_dir: PathBuf,
}

/// Allows it.
pub(crate) fn allow(args: &AllowArgs) -> Result<Exit, Failure> {
    let AllowArgs { who, up_to, routes, term, why, place: Place { state_dir } } = args;
    let reader = Reader::open(state_dir)?;
    let windows = reader.windows()?;
    let mut said = Vec::new();
    let (clients, routes, room, alert) = match who {
        Who::Alert(id) => {
            let alert = alert(&reader, id, state_dir)?;
            let routes = if routes.is_empty() { routes_of(&alert, &mut said) } else { routes.clone() };
            (clients_of(&alert, &mut said)?, routes, room(&reader, &alert)?, Some(alert.id))
        }
        Who::Client(client) => (vec![*client], routes.clone(), None, None),
        Who::Route(_) if !routes.is_empty() => {
            return Err(Failure::new(Exit::Usage, anyhow!("two routes: {:?} and --route", args.who_said()))
                .advise("give one, and allow the other by itself"));
        }
        Who::Route(route) => (Vec::new(), vec![route.clone()], None, None),
    };
    let Some(asked) = up_to.or(room) else {
        return Err(Failure::new(Exit::Usage, anyhow!("it is not said how much is in order"))
            .advise("give --up-to N/WINDOW, like --up-to 500/1h"));
    };
    let limit = fitting(asked, &windows)?;
    if limit != asked {
        said.push(format!("objects are counted within {}: that is the next one", names(&windows)));
    }
    let at = Timestamp::now();
    let until = at + *term;
    let by = user::name();
    let wish = NewAllowance { clients, routes, limit, until, by, why: why.clone(), at, alert };
    let (id, replaced) = match ledger::allow(state_dir, &wish)? {
        AllowOutcome::Allowed { id, replaced } => (id, replaced),
        AllowOutcome::TooMany => {
            let error = anyhow!("{MOST_ALLOWANCES} allowances are in force, and no more can be");
            return Err(
                Failure::new(Exit::Failed, error).advise("end some: rollcall allowed, rollcall revoke")
            );
        }
    };
    if let Some(replaced) = replaced {
        said.push(format!("it is in the place of {replaced}"));
    }
    if limit.window < DAY {
        let most = u64::from(limit.distinct).saturating_mul(DAY.as_secs() / limit.window.as_secs().max(1));
        said.push(format!("over a day that may come to {} objects", grouped(most)));
    }
    said.push(format!("a daemon that runs goes by it within two seconds; to end it: rollcall revoke {id}"));
    print(&sentence(id, &wish));
    said.iter().for_each(|note| print(&format!("  {note}")));
    Ok(Exit::Ok)
}

/// Has an allowance end.
pub(crate) fn revoke(args: &RevokeArgs) -> Result<Exit, Failure> {
    let RevokeArgs { id, why, place: Place { state_dir } } = args;
    let ended = Ended { at: Timestamp::now(), by: user::name(), why: why.clone() };
    match ledger::revoke(state_dir, *id, &ended)? {
        RevokeOutcome::Revoked => print(&format!("{id} is allowed no more, by {}", clean(&ended.by))),
        RevokeOutcome::Over(Ended { at, by, why }) => {
            print(&format!("{id} is over since {at}, by {}: {}", clean(&by), clean(&why)));
        }
        RevokeOutcome::Unknown => {
            let error = anyhow!("there is no allowance {id} in the ledger in {}", state_dir.display());
            return Err(Failure::new(Exit::Ledger, error).advise("see which there are: rollcall allowed"));
        }
    }
    Ok(Exit::Ok)
}

/// Prints what is allowed.
pub(crate) fn allowed(args: &AllowedArgs) -> Result<Exit, Failure> {
    let reader = Reader::open(&args.place.state_dir)?;
    let now = Timestamp::now();
    let mut all: Vec<_> = reader.allowances()?.into_iter().map(|allowed| list::as_of(now, allowed)).collect();
    if !args.all {
        all.retain(|allowed| allowed.ended.is_none());
    }
    match args.format {
        Format::Table => print(&list::table(&all, &reader.windows()?)),
        Format::Json => {
            for allowed in &all {
                print(&list::json(allowed).context("print what is allowed")?);
            }
        }
    }
    Ok(Exit::Ok)
}

impl AllowArgs {
    fn who_said(&self) -> &str {
        match &self.who {
            Who::Route(text) | Who::Alert(text) => text,
            Who::Client(_) => "a client",
        }
    }
}

/// The alert whose id begins like that.
fn alert(reader: &Reader, id: &str, directory: &std::path::Path) -> Result<Alert, Failure> {
    let mut found =
        reader.alerts()?.into_iter().map(|row| row.alert).filter(|alert| alert.id.starts_with(id));
    match (found.next(), found.next()) {
        (Some(alert), None) => Ok(alert),
        (None, _) => {
            let error = anyhow!("there is no alert {id} in the ledger in {}", directory.display());
            Err(Failure::new(Exit::Ledger, error).advise("see which there are: rollcall alerts"))
        }
        (Some(_), Some(_)) => {
            let error = anyhow!("several alerts begin like that: {id}");
            Err(Failure::new(Exit::Usage, error).advise("give more of the id"))
        }
    }
}

/// Twice what the latest line tells of that tells of a client.
fn room(reader: &Reader, alert: &Alert) -> Result<Option<Limit>, Failure> {
    /// An alert has a few dozen lines in a day.
    const LINES: usize = 1_000;
    if let Some(room) = alert.room() {
        return Ok(Some(room));
    }
    Ok(reader.events_of(&alert.id, LINES)?.iter().find_map(|event| event.alert.room()))
}

fn clients_of(alert: &Alert, said: &mut Vec<String>) -> Result<Vec<PartnerKey>, Failure> {
    let Some(clients) = alert.clients().filter(|clients| !clients.is_empty()) else {
        let (id, rule) = (&alert.id, alert.scope.opened_by.name());
        let error = anyhow!("alert {id} ({rule}) is not one client's doing, whom something could be allowed");
        return Err(Failure::new(Exit::Usage, error)
            .advise("allow a client, or everybody more room on a route, with --up-to"));
    };
    let named = alert.scope.clients.len() as u64;
    if alert.scope.client_count > named {
        said.push(format!("of its {} clients these are the first {named}", alert.scope.client_count));
    }
    Ok(clients)
}

fn routes_of(alert: &Alert, said: &mut Vec<String>) -> Vec<String> {
    let mut routes: Vec<String> = alert.all_routes().map(|route| route.into_owned()).collect();
    // A line of before there were several.
    if routes.is_empty() {
        routes.push(alert.route.to_string());
    }
    let named = routes.len() as u64;
    if alert.scope.route_count > named {
        said.push(format!("of its {} routes these are the first {named}", alert.scope.route_count));
    }
    routes
}

/// The budget in a window that objects are counted in: if not in this one, in the next longer one.
fn fitting(limit: Limit, windows: &[u64]) -> Result<Limit, Failure> {
    if windows.is_empty() {
        return Ok(limit);
    }
    let fits =
        windows.iter().map(|&seconds| Duration::from_secs(seconds)).find(|&window| window >= limit.window);
    let window = fits.ok_or_else(|| {
        let error =
            anyhow!("{limit} is over a longer time than objects are counted: within {}", names(windows));
        Failure::new(Exit::Usage, error)
            .advise("give one of these windows, or the daemon a --limit with this one")
    })?;
    Ok(Limit { window, ..limit })
}

fn names(windows: &[u64]) -> String {
    let name = |&seconds: &u64| values::window(Duration::from_secs(seconds));
    windows.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// What is allowed, for people.
fn sentence(id: AllowanceId, wish: &NewAllowance) -> String {
    let NewAllowance { clients, routes, limit, until, by, .. } = wish;
    let who = if clients.is_empty() { "everybody".to_owned() } else { list::joined(clients) };
    let place = if routes.is_empty() { "each route".to_owned() } else { list::joined(routes) };
    format!(
        "{id}: {who} may touch up to {} objects within {} on {place} until {}, says {}",
        grouped(limit.distinct.into()),
        values::window(limit.window),
        seconds(*until),
        clean(by),
    )
}

/// That nobody reads it changes nothing about what was done.
fn print(text: &str) {
    let mut stdout = io::stdout().lock();
    drop(writeln!(stdout, "{text}").and_then(|()| stdout.flush()));
}

fn id(text: &str) -> Result<AllowanceId, String> {
    text.trim().parse().map_err(|()| "expected the id of an allowance, such as a7".to_owned())
}
