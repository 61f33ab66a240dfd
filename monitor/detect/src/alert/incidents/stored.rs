//! Incidents as they are written down: one that was open goes on under its id.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use rollcall_attribute::client::ClientKey;
use rollcall_model::{
    hash::HashKey,
    state::{Inconsistent, Names, check},
};
use serde::{Deserialize, Serialize};

use super::{Alerts, Counters, Incident, Lead, Member, incident::Name};
use crate::Rule;

/// [`Alerts`], written down.
#[derive(Debug, Serialize, Deserialize)]
pub struct Stored<'a> {
    incidents: Vec<Incidents<'a>>,
    counters: Counters,
}

/// An incident with all that leads to it, on which routes.
#[derive(Debug, Serialize, Deserialize)]
struct Incidents<'a> {
    id: u64,
    incident: Cow<'a, Incident>,
    members: Vec<(Rule, Option<ClientKey>, Name)>,
    leads: Vec<(Name, Option<ClientKey>, bool)>,
    /// The clients whose findings on further routes belong to it.
    homes: Vec<ClientKey>,
}

impl Alerts {
    /// What is to be written down.
    pub fn checkpoint(&self) -> Stored<'_> {
        let mut members = BTreeMap::<u64, Vec<_>>::new();
        for ((rule, client, route), id) in &self.members {
            members.entry(*id).or_default().push((*rule, *client, Name(Arc::clone(route))));
        }
        let mut leads = BTreeMap::<u64, Vec<_>>::new();
        for ((route, client), lead) in &self.clients {
            leads.entry(lead.incident).or_default().push((Name(Arc::clone(route)), *client, lead.is_member));
        }
        let mut homes = BTreeMap::<u64, Vec<_>>::new();
        for (client, id) in &self.homes {
            homes.entry(*id).or_default().push(*client);
        }
        let incidents = self.incidents.iter().map(|(&id, incident)| Incidents {
            id,
            incident: Cow::Borrowed(incident),
            members: members.remove(&id).unwrap_or_default(),
            leads: leads.remove(&id).unwrap_or_default(),
            homes: homes.remove(&id).unwrap_or_default(),
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
        for Incidents { id, incident, members, leads, homes } in incidents {
            let mut incident = incident.into_owned();
            let mut shared = |Name(name): Name| names.share(&name);
            incident.named =
                std::mem::take(&mut incident.named).into_iter().map(|name| Name(shared(name))).collect();
            incident.routes = std::mem::take(&mut incident.routes)
                .into_iter()
                .map(|(name, told)| (Name(shared(name)), told))
                .collect();
            check(!incident.named.is_empty(), "an alert is about no route")?;
            check(incident.members as usize == members.len(), "an alert lacks findings")?;
            if members.is_empty() {
                alerts.silent.insert(id);
            }
            for (rule, client, route) in members {
                let member: Member = (rule, client, shared(route));
                check(alerts.members.insert(member, id).is_none(), "a finding belongs to two alerts")?;
            }
            incident.known.extend(&incident.clients);
            for (route, client, is_member) in leads {
                if is_member {
                    incident.known.insert(client);
                }
                let key = (shared(route), client);
                incident.leads.push(key.clone());
                let before = alerts.clients.insert(key, Lead { incident: id, is_member });
                check(before.is_none(), "a client leads to two alerts")?;
            }
            for client in homes {
                let is_its_own = incident.known.contains(&Some(client));
                check(is_its_own && alerts.homes.insert(client, id).is_none(), "a client has two alerts")?;
            }
            check(!alerts.incidents.contains_key(&id), "an alert is open twice")?;
            alerts.open_as(id, incident);
        }
        Ok(alerts)
    }
}
