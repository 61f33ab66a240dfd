//! What is to be known about a list: of whom it is, how long it is, and what it misses.

use std::{fmt, time::Duration};

use rollcall_attribute::route::full_name::fields;
use rollcall_model::time::Timestamp;
use rollcall_store::{
    Error,
    exposure::{Incident, Object, Reader, Row, Subject},
};
use serde::Serialize;

/// All of it.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    pub alerts: Vec<Alert>,
    pub clients: Vec<Client>,
}

/// An alert whose clients are listed.
#[derive(Debug, Serialize)]
pub(super) struct Alert {
    pub id: String,
    #[serde(flatten, serialize_with = "fields::serialize")]
    pub route: String,
    pub opened_at: Timestamp,
    pub resolved_at: Option<Timestamp>,
    /// `plain`, `hashed` or `off`.
    pub objects: String,
    /// Nothing is known to be missing.
    pub complete: bool,
    pub gaps: Vec<Gap>,
}

/// A client that is listed.
#[derive(Debug, Serialize)]
pub(super) struct Client {
    pub client: String,
    pub alert: String,
    #[serde(flatten, serialize_with = "fields::serialize")]
    pub route: String,
    pub first_seen: Option<Timestamp>,
    pub last_seen: Option<Timestamp>,
    /// Calls that touched objects.
    pub calls: u64,
    /// Calls that were refused: they read nothing.
    pub refused_calls: u64,
    pub objects: u64,
}

/// Something that a list misses.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Gap {
    /// Objects are not kept.
    NotKept,
    /// Read before the alert opened, counted, and not known by name.
    Unnamed { objects: u64 },
    /// Calls that could not be written down.
    Dropped { calls: u64 },
    /// Calls that touched objects for which there was no room.
    NoRoom { calls: u64 },
    /// Removed to make room.
    Removed { objects: u64, at: Option<Timestamp> },
    /// Could not be read any more.
    Damaged { objects: u64 },
    /// What was written before was lost.
    Lost { at: Timestamp },
    /// Nothing was watched.
    Down { seconds: u64 },
    /// Requests were lost on the way from the kernel.
    Loss { share: f64 },
    /// Only a share of request targets was captured.
    Sampled { share: f64 },
}

/// What a list turned out to have.
#[derive(Debug, Default)]
pub(super) struct Counted {
    pub rows: u64,
    /// Different ones: an object that several clients read is one.
    pub objects: u64,
    latest: Option<(Object, String)>,
}

impl Counted {
    /// Takes in the next row, in order.
    pub(super) fn add(&mut self, row: &Row, subject: &Subject) {
        self.rows += 1;
        let route = &subject.incident.route;
        if self.latest.as_ref().is_none_or(|(object, of)| *object != row.object || of != route) {
            self.objects += 1;
            self.latest = Some((row.object.clone(), route.clone()));
        }
    }
}

impl Summary {
    /// What is known about the list of `subjects`.
    pub(super) fn of(reader: &Reader, subjects: &[Subject]) -> Result<Summary, Error> {
        let mut alerts: Vec<Alert> = Vec::new();
        for group in subjects.chunk_by(|a, b| a.incident.number == b.incident.number) {
            alerts.extend(group.first().map(|first| alert(reader, &first.incident, group)).transpose()?);
        }
        let clients = subjects.iter().map(|subject| Client {
            client: subject.client.clone(),
            alert: subject.incident.alert.clone(),
            route: subject.incident.route.clone(),
            first_seen: subject.first_at,
            last_seen: subject.last_at,
            calls: subject.touched,
            refused_calls: subject.refused,
            objects: subject.objects,
        });
        Ok(Summary { alerts, clients: clients.collect() })
    }

    /// The summary for people.
    pub(super) fn text(&self, counted: &Counted) -> String {
        let mut lines = Vec::new();
        for alert in &self.alerts {
            let until = match alert.resolved_at {
                Some(at) => format!("resolved {at}"),
                None => "open: what was read in the last second may be missing".to_owned(),
            };
            lines.push(format!("alert {} on {}: opened {}, {until}", alert.id, alert.route, alert.opened_at));
            for client in self
                .clients
                .iter()
                .filter(|client| (&client.alert, &client.route) == (&alert.id, &alert.route))
            {
                lines.push(format!("  {client}"));
            }
            if alert.objects == "hashed" {
                lines.push("  objects are hashes: --match FILE tells which of yours were read".to_owned());
            }
            match alert.gaps.is_empty() {
                true => lines.push("  complete: nothing is known to be missing".to_owned()),
                false => lines.extend(alert.gaps.iter().map(|gap| format!("  not complete: {gap}"))),
            }
        }
        lines.push(format!("{} different objects", counted.objects));
        lines.join("\n") + "\n"
    }
}

fn alert(reader: &Reader, incident: &Incident, subjects: &[Subject]) -> Result<Alert, Error> {
    let gaps = gaps(reader, incident, subjects)?;
    Ok(Alert {
        id: incident.alert.clone(),
        route: incident.route.clone(),
        opened_at: incident.opened_at,
        resolved_at: incident.resolved_at,
        objects: incident.mode.clone(),
        complete: gaps.is_empty(),
        gaps,
    })
}

fn gaps(reader: &Reader, incident: &Incident, subjects: &[Subject]) -> Result<Vec<Gap>, Error> {
    if incident.mode == "off" {
        return Ok(vec![Gap::NotKept]);
    }
    // Those that detection named and nobody remembers are in the list, too.
    let mut named = incident.named;
    let mut lookup = reader.lookup();
    let has_samples = subjects.iter().any(|subject| subject.number == incident.first_subject);
    for sample in incident.samples.iter().filter(|_| has_samples) {
        let mut is_listed = false;
        for subject in subjects {
            is_listed = is_listed || lookup.reads(subject, sample)?.is_some();
        }
        named += u64::from(!is_listed);
    }
    let dropped: u64 = subjects.iter().map(|subject| subject.dropped).sum();
    let gaps = [
        (incident.counted > named).then(|| Gap::Unnamed { objects: incident.counted - named }),
        (dropped > 0).then_some(Gap::Dropped { calls: dropped }),
        (incident.refused > 0).then_some(Gap::NoRoom { calls: incident.refused }),
        (incident.removed > 0).then_some(Gap::Removed { objects: incident.removed, at: incident.removed_at }),
        (incident.damaged > 0).then_some(Gap::Damaged { objects: incident.damaged }),
        incident.lost_at.map(|at| Gap::Lost { at }),
        (incident.down_s > 0).then_some(Gap::Down { seconds: incident.down_s }),
        (incident.loss > 0.0).then_some(Gap::Loss { share: incident.loss }),
        (incident.sampling < 1.0).then_some(Gap::Sampled { share: incident.sampling }),
    ];
    Ok(gaps.into_iter().flatten().collect())
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Client { client, alert: _, route: _, first_seen, last_seen, calls, refused_calls, objects } =
            self;
        write!(f, "{client}: {objects} objects in {calls} calls")?;
        if let (Some(first), Some(last)) = (first_seen, last_seen) {
            write!(f, " from {first} to {last}")?;
        }
        if *refused_calls > 0 {
            write!(f, ", and {refused_calls} calls that were refused")?;
        }
        Ok(())
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Gap::NotKept => f.write_str("objects are not kept (--ledger.objects off)"),
            Gap::Unnamed { objects } => {
                write!(f, "{objects} objects that were read before the alert opened are not known by name")
            }
            Gap::Dropped { calls } => write!(f, "{calls} calls could not be written down"),
            Gap::NoRoom { calls } => {
                write!(f, "{calls} calls touched objects for which there was no room (--ledger.size)")
            }
            Gap::Removed { objects, at } => {
                write!(f, "{objects} objects were removed to make room (--ledger.size)")?;
                at.map_or(Ok(()), |at| write!(f, ", at last {at}"))
            }
            Gap::Damaged { objects } => {
                write!(f, "{objects} objects could not be read any more, as the file was damaged")
            }
            Gap::Lost { at } => write!(f, "what was written before {at} was lost, as the file was damaged"),
            Gap::Down { seconds } => {
                let time = humantime::format_duration(Duration::from_secs(*seconds));
                write!(f, "nothing was watched for {time} while the alert was open")
            }
            Gap::Loss { share } => {
                write!(f, "up to {:.1} % of requests were lost before they were seen", 100.0 * share)
            }
            Gap::Sampled { share } => {
                write!(f, "{:.1} % of request targets were captured (--sample)", 100.0 * share)
            }
        }
    }
}
