//! Incidents as they are written down: one that was open goes on under its id.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{Alerts, Counters, Incident, Lead, Member};
use crate::{
    client::ClientKey,
    detect::Rule,
    hash::HashKey,
    state::{Inconsistent, Names, check},
};

/// [`Alerts`], written down.
#[derive(Debug, Serialize, Deserialize)]
pub struct Stored<'a> {
    incidents: Vec<Incidents<'a>>,
    counters: Counters,
}

/// An incident with all that leads to it; the route is its own.
#[derive(Debug, Serialize, Deserialize)]
struct Incidents<'a> {
    id: u64,
    incident: Cow<'a, Incident>,
    members: Vec<(Rule, Option<ClientKey>)>,
    leads: Vec<(Option<ClientKey>, bool)>,
}

impl Alerts {
    /// What is to be written down.
    pub fn checkpoint(&self) -> Stored<'_> {
        let mut members = BTreeMap::<u64, Vec<_>>::new();
        for ((rule, client, _), id) in &self.members {
            members.entry(*id).or_default().push((*rule, *client));
        }
        let mut leads = BTreeMap::<u64, Vec<_>>::new();
        for ((_, client), lead) in &self.clients {
            leads.entry(lead.incident).or_default().push((*client, lead.is_member));
        }
        let incidents = self.incidents.iter().map(|(&id, incident)| Incidents {
            id,
            incident: Cow::Borrowed(incident),
            members: members.remove(&id).unwrap_or_default(),
            leads: leads.remove(&id).unwrap_or_default(),
        });
        Stored { incidents: incidents.collect(), counters: self.counters }
    }

    /// The alerts that `stored` says are open. If more are than `capacity`, all stay, for whoever was told that one opened
    /// waits for its end; no others open until there is room.
    pub fn restore(
        capacity: usize,
        key: HashKey,
        stored: Stored<'_>,
        names: &mut Names,
    ) -> Result<Alerts, Inconsistent> {
        let Stored { incidents, counters } = stored;
        let mut alerts = Alerts { counters, ..Alerts::new(capacity, key) };
        for Incidents { id, incident, members, leads } in incidents {
            let mut incident = incident.into_owned();
            incident.route = names.share(&incident.route);
            let route = Arc::clone(&incident.route);
            check(incident.members as usize == members.len(), "an alert lacks findings")?;
            if members.is_empty() {
                alerts.silent.insert(id);
            }
            for (rule, client) in members {
                let member: Member = (rule, client, Arc::clone(&route));
                check(alerts.members.insert(member, id).is_none(), "a finding belongs to two alerts")?;
            }
            incident.leads = leads.iter().map(|(client, _)| *client).collect();
            for (client, is_member) in leads {
                let lead = Lead { incident: id, is_member };
                let before = alerts.clients.insert((Arc::clone(&route), client), lead);
                check(before.is_none(), "a client leads to two alerts")?;
            }
            check(alerts.incidents.insert(id, incident).is_none(), "an alert is open twice")?;
        }
        Ok(alerts)
    }
}
