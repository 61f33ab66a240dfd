//! The daemon, asked again and again.

use anyhow::Context;
use rollcall_attribute::route::full_name::{self, fields};
use rollcall_serve::api::{Clients, OpenAlerts, Status};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::{
    sync::mpsc::Sender,
    time::{self, Duration},
};

use super::text::clean;
use crate::client::Client;

/// Between an answer and the next question.
const EVERY: Duration = Duration::from_secs(2);

/// All that the daemon says at one time, cleaned.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: Status,
    pub(super) alerts: OpenAlerts,
    pub(super) clients: Clients,
    pub(super) routes: Vec<Route>,
}

/// What is shown of a route.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Route {
    #[serde(flatten, deserialize_with = "fields::deserialize")]
    pub(super) route: String,
    pub(super) objects_hour: u64,
    pub(super) calls: u64,
    pub(super) callers: u64,
    pub(super) open_calls: u64,
}

/// Asks until nobody listens.
pub(super) async fn poll(client: Client, answers: Sender<anyhow::Result<Answer>>) {
    loop {
        time::sleep(EVERY).await;
        if answers.send(ask(&client).await).await.is_err() {
            return;
        }
    }
}

/// Asks once for everything.
pub(super) async fn ask(client: &Client) -> anyhow::Result<Answer> {
    #[derive(Deserialize)]
    struct Routes {
        routes: Vec<Route>,
    }
    let mut answer = Answer {
        status: get(client, "/api/v1/status").await?,
        alerts: get(client, "/api/v1/alerts").await?,
        clients: get(client, "/api/v1/clients").await?,
        routes: get::<Routes>(client, "/api/v1/routes?top=200").await?.routes,
    };
    answer.clean();
    answer.alerts.bring_up_to_date(&answer.clients);
    answer.leave_out_the_only_service();
    Ok(answer)
}

async fn get<T: DeserializeOwned>(client: &Client, path: &str) -> anyhow::Result<T> {
    let body = client.get(path).await?;
    serde_json::from_slice(&body).with_context(|| format!("read what the daemon on {client} said of {path}"))
}

impl Answer {
    /// Cleans every text that is shown.
    pub(super) fn clean(&mut self) {
        let Answer { status, alerts, clients, routes } = self;
        let signs = status.signs.iter_mut().map(|sign| &mut sign.text);
        for text in signs.chain([&mut status.version]) {
            *text = clean(text);
        }
        for alert in &mut alerts.alerts {
            alert.route = clean(&alert.route);
            alert.scope.routes.iter_mut().for_each(|route| *route = clean(route));
            for client in alert.scope.clients.iter_mut().chain([&mut alert.client]) {
                client.id = clean(&client.id);
                client.kind = clean(&client.kind).into();
            }
        }
        for client in &mut clients.clients {
            client.route = clean(&client.route);
            client.id = clean(&client.id);
            client.kind = clean(&client.kind).into();
        }
        for route in routes {
            route.route = clean(&route.route);
        }
    }

    /// Of a service that is the only one there is nothing to tell it from.
    fn leave_out_the_only_service(&mut self) {
        let Answer { status: _, alerts, clients, routes } = self;
        let mut names: Vec<&mut String> = alerts.alerts.iter_mut().map(|alert| &mut alert.route).collect();
        names.extend(clients.clients.iter_mut().map(|client| &mut client.route));
        names.extend(routes.iter_mut().map(|route| &mut route.route));
        if full_name::is_one(names.iter().map(|name| &***name)) {
            for name in names {
                *name = full_name::split(name).1.to_owned();
            }
        }
    }
}
