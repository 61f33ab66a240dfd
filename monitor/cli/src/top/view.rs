//! What is looked at: the last answer, and what was chosen of it.

use std::{cmp::Reverse, time::Instant};

use rollcall_serve::api::{Client, OpenAlert};

use super::{
    poll::{Answer, Route},
    text::clean,
};

/// What has the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Panel {
    Alerts,
    Clients,
    Routes,
}

impl Panel {
    pub(super) const ALL: [Panel; 3] = [Panel::Alerts, Panel::Clients, Panel::Routes];

    /// What its rows can be sorted by, the most of it first.
    pub(super) fn sorts(self) -> &'static [&'static str] {
        match self {
            Panel::Alerts => &["severity", "newest", "objects"],
            Panel::Clients => &["objects", "nearest to a limit", "last call"],
            Panel::Routes => &["objects", "calls", "callers", "open calls"],
        }
    }
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct View {
    /// Where the daemon is.
    pub(super) daemon: String,
    pub(super) answer: Option<Answer>,
    /// When it came, and why none has come since.
    pub(super) answered: Instant,
    pub(super) failure: Option<String>,
    pub(super) panel: Panel,
    pub(super) help: bool,
    sorts: [usize; 3],
    offsets: [usize; 3],
}

impl View {
    pub(super) fn new(daemon: String) -> View {
        View {
            daemon: clean(&daemon),
            answer: None,
            answered: Instant::now(),
            failure: None,
            panel: Panel::Clients,
            help: false,
            sorts: [0; 3],
            offsets: [0; 3],
        }
    }

    /// Takes in what the daemon said, or that it said nothing.
    pub(super) fn take(&mut self, answer: anyhow::Result<Answer>) {
        match answer {
            Ok(answer) => {
                (self.answered, self.failure) = (Instant::now(), None);
                self.answer = Some(answer);
                self.sort();
            }
            Err(error) => self.failure = Some(clean(&format!("{:#}", error.root_cause()))),
        }
    }

    pub(super) fn next_panel(&mut self, step: isize) {
        let count = Panel::ALL.len() as isize;
        let next = (self.panel as isize + step).rem_euclid(count);
        self.panel = Panel::ALL[next as usize];
    }

    pub(super) fn next_sort(&mut self) {
        let sort = &mut self.sorts[self.panel as usize];
        *sort = (*sort + 1) % self.panel.sorts().len();
        self.offsets[self.panel as usize] = 0;
        self.sort();
    }

    pub(super) fn sorted_by(&self, panel: Panel) -> &'static str {
        panel.sorts()[self.sorts[panel as usize]]
    }

    pub(super) fn scroll(&mut self, rows: isize) {
        let offset = &mut self.offsets[self.panel as usize];
        *offset = offset.saturating_add_signed(rows);
    }

    /// The first row that is shown of `rows`, where there is room for `room`.
    pub(super) fn offset(&mut self, panel: Panel, rows: usize, room: usize) -> usize {
        let offset = &mut self.offsets[panel as usize];
        *offset = (*offset).min(rows.saturating_sub(room));
        *offset
    }

    fn sort(&mut self) {
        let [alerts_by, clients_by, routes_by] = Panel::ALL.map(|panel| self.sorted_by(panel));
        let Some(Answer { alerts, clients, routes, .. }) = &mut self.answer else { return };
        alerts.alerts.sort_by(|a, b| match alerts_by {
            "newest" => b.scope.opened_at.cmp(&a.scope.opened_at),
            "objects" => b.figures.distinct.cmp(&a.figures.distinct),
            _ => by_severity(a).cmp(&by_severity(b)),
        });
        clients.clients.sort_by(|a, b| match clients_by {
            "last call" => b.last_seen.cmp(&a.last_seen),
            "nearest to a limit" => b.nearness().total_cmp(&a.nearness()),
            _ => by_objects(a).cmp(&by_objects(b)),
        });
        routes.sort_by_key(|route: &Route| {
            let figure = match routes_by {
                "calls" => route.calls,
                "callers" => route.callers,
                "open calls" => route.open_calls,
                _ => route.objects_hour,
            };
            Reverse((figure, route.calls))
        });
    }
}

fn by_severity(alert: &OpenAlert) -> impl Ord + use<> {
    (Reverse(alert.severity), Reverse(alert.scope.opened_at))
}

fn by_objects(client: &Client) -> impl Ord + use<> {
    (Reverse(client.most()), Reverse(client.last_seen))
}
