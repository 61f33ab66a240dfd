//! Open alerts as they are written down: one that was open goes on under its id.

use std::borrow::Cow;

use hashbrown::HashTable;
use serde::{Deserialize, Serialize};

use super::{Alerts, Counters, OpenAlert, identity};
use crate::{
    hash::HashKey,
    state::{Inconsistent, Names, check},
};

/// [`Alerts`], written down.
#[derive(Debug, Serialize, Deserialize)]
pub struct Stored<'a> {
    open: Vec<Cow<'a, OpenAlert>>,
    counters: Counters,
}

impl Alerts {
    /// What is to be written down.
    pub fn checkpoint(&self) -> Stored<'_> {
        let mut open: Vec<&OpenAlert> = self.open.iter().collect();
        open.sort_by(|a, b| (a.rule, &a.client, &a.route).cmp(&(b.rule, &b.client, &b.route)));
        Stored { open: open.into_iter().map(Cow::Borrowed).collect(), counters: self.counters }
    }

    /// The alerts that `stored` says are open. If more are than `capacity`, all stay, for whoever was told that one opened
    /// waits for its end; no others open until there is room.
    pub fn restore(
        capacity: usize,
        key: HashKey,
        stored: Stored<'_>,
        names: &mut Names,
    ) -> Result<Alerts, Inconsistent> {
        let Stored { open, counters } = stored;
        let mut table = HashTable::with_capacity(open.len());
        for alert in open {
            let mut alert = alert.into_owned();
            alert.route = names.share(&alert.route);
            alert.hash = key.hash(&identity(alert.rule, alert.client, &alert.route, None));
            let same = |other: &OpenAlert| {
                (other.rule, other.client, &other.route) == (alert.rule, alert.client, &alert.route)
            };
            check(table.find(alert.hash, same).is_none(), "an alert is open twice")?;
            table.insert_unique(alert.hash, alert, |alert| alert.hash);
        }
        Ok(Alerts { key, open: table, capacity, counters })
    }
}
