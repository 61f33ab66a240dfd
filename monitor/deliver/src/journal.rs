//! The journal of systemd, in its native protocol: each event is an entry with fields that can be searched.
//!
//! `journalctl MESSAGE_ID=…` finds all of them, `ROLLCALL_ID=…` those of one alert. An entry that is sent twice, as the
//! daemon was killed in between, has the same `ROLLCALL_SEQ`.

mod entry;

use std::{io, os::unix::net::UnixDatagram, path::PathBuf, sync::Arc, time::Duration};

use entry::Entry;
use rollcall_attribute::route::full_name;
use rollcall_detect::alert::{Alert, AlertState, Severity};
use rollcall_store::Event;

use super::{
    destination::{Destination, LOCAL, Problem, Report},
    wording,
};

/// Where journald listens.
pub const SOCKET: &str = "/run/systemd/journal/socket";

/// What all our entries have in common, as `systemd-id128 new` made it.
pub const MESSAGE_ID: &str = "392c515bf73342ba93dabe20ffd5132d";

/// Events before it is noted that they are delivered.
const BATCH: usize = 64;

/// Sends events to journald.
pub struct Journal {
    socket: UnixDatagram,
    path: PathBuf,
    /// Touched objects are sent too.
    objects: bool,
}

impl Journal {
    /// Sends to the journald that listens at `path`, usually [`SOCKET`]; it may not be there yet.
    pub fn new(path: impl Into<PathBuf>, objects: bool) -> io::Result<Journal> {
        let socket = UnixDatagram::unbound()?;
        // A journald that hangs fills the buffer: that is to be noticed, and not waited for.
        socket.set_write_timeout(Some(Duration::from_secs(2)))?;
        Ok(Journal { socket, path: path.into(), objects })
    }
}

impl Destination for Journal {
    fn batch(&self) -> usize {
        BATCH
    }

    fn patience(&self) -> Duration {
        LOCAL
    }

    fn deliver(&mut self, events: &[Arc<Event>]) -> Report {
        for (delivered, event) in events.iter().enumerate() {
            if let Err(error) = entry(event, self.objects).send(&self.socket, &self.path) {
                let why = format!("{}: {error}", self.path.display());
                return Report::stopped(delivered, Problem::not_now(why));
            }
        }
        Report::all(events)
    }
}

fn entry(event: &Event, objects: bool) -> Entry {
    let Event { seq, alert, line: _ } = event;
    let mut entry = Entry::default();
    entry.add("MESSAGE", &wording::headline(alert));
    entry.add("PRIORITY", priority(alert));
    entry.add("MESSAGE_ID", MESSAGE_ID);
    entry.add("SYSLOG_IDENTIFIER", "rollcall");
    entry.add("ROLLCALL_SEQ", &seq.to_string());
    entry.add("ROLLCALL_ID", &alert.id);
    entry.add("ROLLCALL_STATE", alert.state.name());
    entry.add("ROLLCALL_SEVERITY", alert.severity.name());
    entry.add("ROLLCALL_RULE", alert.rule.name());
    entry.add("ROLLCALL_OPENED_BY", alert.scope.opened_by.name());
    entry.add("ROLLCALL_OPENED_AT", &alert.scope.opened_at.to_string());
    entry.add("ROLLCALL_AT", &alert.at.to_string());
    let (service, route) = full_name::split(&alert.route);
    if !service.is_empty() {
        entry.add("ROLLCALL_SERVICE", service);
    }
    entry.add("ROLLCALL_ROUTE", route);
    entry.add("ROLLCALL_WINDOW_S", &alert.window_s.to_string());
    entry.add("ROLLCALL_LIMIT", &alert.figures.limit.to_string());
    entry.add("ROLLCALL_DISTINCT", &alert.figures.distinct.to_string());
    entry.add("ROLLCALL_REQUESTS", &alert.figures.requests.to_string());
    entry.add("ROLLCALL_CLIENT_COUNT", &alert.scope.client_count.to_string());
    entry.add("ROLLCALL_ROUTE_COUNT", &alert.scope.route_count.to_string());
    // A field may be there several times: the journal finds an entry by each.
    let names: Vec<_> = alert.all_routes().collect();
    let (mut services, mut routes) = (vec![service], vec![route]);
    for (service, route) in names.iter().map(|name| full_name::split(name)) {
        if !services.contains(&service) {
            entry.add("ROLLCALL_SERVICE", service);
            services.push(service);
        }
        if !routes.contains(&route) {
            entry.add("ROLLCALL_ROUTE", route);
            routes.push(route);
        }
    }
    for client in &alert.scope.clients {
        entry.add("ROLLCALL_CLIENT", &wording::client(client));
    }
    for address in &alert.figures.addresses {
        entry.add("ROLLCALL_ADDRESS", &address.to_string());
    }
    for signal in &alert.signals {
        entry.add("ROLLCALL_SIGNAL", signal.name());
    }
    if objects {
        for object in &alert.sample_objects {
            entry.add("ROLLCALL_OBJECT", object);
        }
    }
    entry
}

/// As syslog counts: 2 critical, 4 warning, 5 notice, 6 informational.
fn priority(alert: &Alert) -> &'static str {
    match (alert.state, alert.severity) {
        (AlertState::Resolved, Severity::Critical | Severity::Warning) => "5",
        (_, Severity::Critical) => "2",
        (_, Severity::Warning) => "4",
        (_, Severity::Info) => "6",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::alert;

    #[test]
    fn the_documentation_has_the_id_to_look_for() {
        assert!(include_str!("../../../docs/delivery.md").contains(MESSAGE_ID));
    }

    #[test]
    fn an_entry_says_how_bad_it_is_and_names_no_object_unasked() {
        let mut alert = alert("a1", AlertState::Open, 0);
        alert.sample_objects = vec!["the-object".to_owned()];
        let event = Event { seq: 17, alert, line: String::new() };
        let text = |objects| String::from_utf8(entry(&event, objects).into_bytes()).unwrap();
        assert!(text(false).contains("\nPRIORITY=4\n") && text(false).contains("\nROLLCALL_SEQ=17\n"));
        assert!(!text(false).contains("the-object"));
        assert!(text(true).contains("\nROLLCALL_OBJECT=the-object\n"));
    }
}
