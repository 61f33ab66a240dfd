//! Who called, which operation, and whose account: what the exchange log says of calls to a real application, held
//! against what the application itself says of them. It stands behind a real nginx, with both hops watched at once, or
//! alone.

mod addresses;
mod credentials;
mod declared;
mod inventory;
mod learned;
mod objects;
mod services;
mod walks;

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result, ensure};
use rollcall_tests::{Accounts, Client, Daemon, Nginx, Report, accounts::Served, daemon::State};
use serde_json::Value;

/// Where clients call from. Nobody trusts it to forward anything.
const CALLER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 66);

/// Where nginx calls from, and the one address that is trusted.
const PROXY: Ipv4Addr = Ipv4Addr::LOCALHOST;
const TRUST: [&str; 2] = ["--trusted-proxy", "127.0.0.1"];

/// An application, perhaps behind an nginx, and a daemon that watches every hop.
struct Scene {
    application: Accounts,
    nginx: Option<Nginx>,
    daemon: Daemon,
    /// Kept as long as the daemon runs.
    _state: Option<State>,
}

/// One call, as each side tells it.
struct Seen {
    served: Served,
    /// Before nginx, if there is one.
    front: Option<Value>,
    back: Value,
}

impl Scene {
    fn start(with_nginx: bool, arguments: &[&str]) -> Result<Scene> {
        let state = State::new()?;
        let scene = Scene::start_with(&state, with_nginx, arguments)?;
        Ok(Scene { _state: Some(state), ..scene })
    }

    /// As [`Scene::start`], with the state of the daemons that ran on it before.
    fn start_with(state: &State, with_nginx: bool, arguments: &[&str]) -> Result<Scene> {
        let application = Accounts::start()?;
        let nginx = if with_nginx { Some(Nginx::in_front_of(application.address())?) } else { None };
        let ports: Vec<u16> =
            nginx.iter().map(Nginx::port).chain(std::iter::once(application.port())).collect();
        let daemon = Daemon::start_with(state, &ports, &[&TRUST, arguments].concat())?;
        Ok(Scene { application, nginx, daemon, _state: None })
    }

    /// Where clients find the API.
    fn entrance(&self) -> SocketAddr {
        self.nginx.as_ref().map_or(self.application.address(), Nginx::address)
    }

    /// A connection of an ordinary client.
    fn client(&self) -> Result<Client> {
        Client::connect_from(CALLER, self.entrance())
    }

    /// Stops the daemon, and brings together what each side tells of each call. They have to have been made one after
    /// the other. Nothing may be missing on either side.
    fn finish(self, calls: usize) -> Result<(Vec<Seen>, Report)> {
        let Scene { application, nginx, daemon, _state } = self;
        let front =
            nginx.as_ref().map(|nginx| Ok::<_, anyhow::Error>((nginx.port(), nginx.wait_for(calls)?)));
        let front = front.transpose()?;
        let served = application.served()?;
        ensure!(served.len() == calls, "{} of {calls} calls served", served.len());
        let report = daemon.stop()?;
        if let Some((port, logged)) = &front {
            report.expect_exactly(*port, logged).context("before nginx")?;
        }
        let served_calls: Vec<_> = served.iter().map(|served| served.call.clone()).collect();
        report.expect_exactly(application.port(), &served_calls).context("before the application")?;
        let back = report.exchanges_of(application.port())?;
        let fronts = front.map(|(port, _)| report.exchanges_of(port)).transpose()?;
        let seen = served.into_iter().zip(back).enumerate().map(|(at, (served, back))| Seen {
            front: fronts.as_ref().map(|fronts| fronts[at].clone()),
            back: back.clone(),
            served,
        });
        let seen: Vec<Seen> = seen.collect();
        for Seen { served, back, .. } in &seen {
            // Calls by nginx have a connection each, so that the port tells that the order is the same.
            assert_eq!(back["client_port"], served.call.port, "{back}");
        }
        Ok((seen, report))
    }
}

impl Seen {
    /// The exchange on each hop, with the hop's name.
    fn hops(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.front.iter().map(|front| ("before nginx", front)).chain([("before the application", &self.back)])
    }
}

/// The client keys of an exchange, as `kind:id`.
fn keys(exchange: &Value) -> Vec<String> {
    let text = |key: &Value, field: &str| key[field].as_str().unwrap_or("?").to_owned();
    let keys = exchange["client"].as_array().map(Vec::as_slice).unwrap_or_default();
    keys.iter().map(|key| format!("{}:{}", text(key, "kind"), text(key, "id"))).collect()
}

/// The objects in an exchange.
fn objects(exchange: &Value) -> Vec<String> {
    let listed = exchange["object"].as_str().map(|text| text.split(',').map(str::to_owned).collect());
    listed.unwrap_or_default()
}

/// A request with these header fields and this body.
fn request(method: &str, target: &str, fields: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: api.example\r\n");
    for (name, value) in fields {
        head += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    format!("{head}\r\n{body}").into_bytes()
}
