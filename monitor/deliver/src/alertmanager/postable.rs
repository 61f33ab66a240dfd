//! An alert as Alertmanager's API takes it: `postableAlert` of its OpenAPI document.

use std::collections::BTreeMap;

use rollcall_attribute::route::full_name;
use rollcall_detect::alert::Alert;
use rollcall_model::time::Timestamp;
use serde::Serialize;

use crate::wording;

/// One alert of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PostableAlert {
    /// What it is known by: the same throughout its life, but for the severity.
    pub(super) labels: BTreeMap<&'static str, String>,
    annotations: BTreeMap<&'static str, String>,
    starts_at: Timestamp,
    pub(super) ends_at: Timestamp,
}

/// The alert, open until `ends`.
pub(super) fn postable(alert: &Alert, instance: &str, objects: bool, ends: Timestamp) -> PostableAlert {
    let opened_with = alert.scope.clients.first().unwrap_or(&alert.client);
    let opened_on = alert.opened_on();
    let (service, route) = full_name::split(&opened_on);
    let mut labels = BTreeMap::from([
        ("alertname", wording::camel(alert.scope.opened_by)),
        ("job", "rollcall".to_owned()),
        ("instance", instance.to_owned()),
        ("rollcall_id", alert.id.clone()),
        ("route", route.to_owned()),
        ("client_kind", opened_with.kind.clone().into_owned()),
        ("severity", alert.severity.name().to_owned()),
    ]);
    if !service.is_empty() {
        labels.insert("service", service.to_owned());
    }
    let details = wording::details(alert);
    let description: Vec<_> = details.iter().map(|(name, detail)| format!("{name}: {detail}")).collect();
    let mut annotations = BTreeMap::from([
        ("summary", wording::sentence(alert)),
        ("description", description.join("\n")),
        ("client", wording::client(opened_with)),
    ]);
    if objects && !alert.sample_objects.is_empty() {
        annotations.insert("objects", alert.sample_objects.join(", "));
    }
    PostableAlert { labels, annotations, starts_at: alert.scope.opened_at, ends_at: ends }
}
