use proptest::prelude::*;

use super::*;
use crate::client::{Clients, Lenses};

struct Scene {
    learned: Learned,
    routes: Routes,
}

impl Scene {
    fn new(most: usize) -> Scene {
        Scene { learned: Learned::new(most, HashKey::new([7; 16])), routes: Routes::default() }
    }

    /// The route of a call and the values in it.
    fn call(&mut self, target: &str, status: u16) -> (String, Vec<String>) {
        let mut path = CanonicalPath::default();
        path.parse(target.as_bytes());
        let mut shape = Shape::default();
        shape.template.push_str("GET ");
        shape.take(&path, MAX_TEMPLATE);
        let has_object = shape.kinds.iter().any(|kind| matches!(kind, Kind::Identifier(_)));
        let call = Call {
            method: "GET",
            path: &path,
            shape: &shape,
            operation: None,
            proof: Proof::of(Some(status), has_object),
        };
        let found = self.learned.find(&call, true, &mut self.routes);
        let values = (0..path.len()).filter(|at| found.names & 1 << at != 0);
        let values = values.map(|at| path.segment(at).folded.to_owned()).collect();
        (self.routes.name(found.route).to_string(), values)
    }

    /// A call of a route without objects is remembered.
    fn remember(&mut self, route: &str, at: u64) {
        let index = &self.learned.index;
        let &(_, id) = index.iter().find(|(_, id)| **self.routes.name(*id) == *route).unwrap();
        let at = rollcall_model::time::Timestamp(at);
        self.routes.remember(id, Touch { at, clients: clients(), response_bytes: 1, sampling: 1.0 });
    }

    fn names(&self) -> Vec<String> {
        let nodes = self.learned.nodes.iter();
        let mut names: Vec<String> =
            nodes.flat_map(|node| &node.ends).map(|end| self.routes.name(end.route).to_string()).collect();
        names.sort();
        names
    }

    /// The books balance.
    fn check(&self) {
        let ends = self.learned.nodes.iter().map(|node| node.ends.len()).sum::<usize>();
        assert_eq!(ends, self.learned.used().iter().sum::<usize>());
        let indexed = self.learned.index.len();
        let named = self.names().iter().filter(|name| name.contains("{name}")).count();
        assert_eq!(indexed + named, ends);
        let free: BTreeSet<_> = self.learned.free.iter().collect();
        assert_eq!(free.len(), self.learned.free.len(), "no node is free twice");
    }
}

fn clients() -> Clients {
    Lenses::new(crate::client::Settings::default(), HashKey::new([7; 16]))
        .test_clients([198, 51, 100, 7].into())
}

#[test]
fn words_are_words_until_there_are_too_many() {
    let mut scene = Scene::new(10_000);
    for n in 0..NAMES {
        let (route, values) = scene.call(&format!("/users/{}", word(n)), 200);
        assert_eq!((route, values.len()), (format!("GET /users/{}", word(n)), 0));
    }
    let last = word(NAMES);
    assert_eq!(scene.call(&format!("/users/{last}"), 200), ("GET /users/{name}".into(), vec![last]));
    assert_eq!(scene.call("/users/Zoe", 200), ("GET /users/{name}".into(), vec!["zoe".into()]));
    assert_eq!(scene.call(&format!("/users/{}", word(0)), 200).0, "GET /users/{name}");
    assert_eq!(scene.names(), ["GET /users/{name}"]);
    scene.check();
}

#[test]
fn identifiers_among_values_share_their_route() {
    let mut scene = Scene::new(10_000);
    scene.call("/users/17", 200);
    scene.call("/users/17/orders", 200);
    for n in 0..=NAMES {
        scene.call(&format!("/users/{}", word(n)), 200);
    }
    assert_eq!(scene.call("/users/17", 200).0, "GET /users/{name}");
    assert_eq!(scene.call("/users/17.json", 200).0, "GET /users/{id}.json");
    assert_eq!(scene.call("/users/17/orders", 200).0, "GET /users/{id}/orders", "there were no words");
    for n in 0..=NAMES {
        scene.call(&format!("/users/{}/orders", word(n)), 200);
    }
    assert_eq!(scene.call("/users/17/orders", 200).0, "GET /users/{name}/orders");
    assert_eq!(scene.names(), ["GET /users/{id}.json", "GET /users/{name}", "GET /users/{name}/orders"]);
    scene.check();
}

#[test]
fn want_of_room_makes_values_of_words() {
    let mut scene = Scene::new(400);
    for n in 0..170 {
        scene.call(&format!("/repos/{}", word(n)), 200);
    }
    assert_eq!(scene.names(), ["GET /repos/{name}"]);
    assert_eq!(scene.call("/health", 200).0, "GET /health");
    scene.check();
}

#[test]
fn values_amid_a_path_are_found_too() {
    let mut scene = Scene::new(10_000);
    for n in 0..=NAMES {
        scene.call(&format!("/users/{}/orders", word(n)), 200);
        scene.call(&format!("/users/{}/orders/5", word(n)), 200);
    }
    scene.call("/users/settings", 200);
    assert_eq!(
        scene.names(),
        ["GET /users/settings", "GET /users/{name}/orders", "GET /users/{name}/orders/{id}"]
    );
    assert_eq!(scene.call("/users/zoe/orders", 200), ("GET /users/{name}/orders".into(), vec!["zoe".into()]));
    scene.check();
}

#[test]
fn values_behind_values_are_found() {
    let mut scene = Scene::new(100_000);
    for n in 0..=NAMES {
        for m in 0..3 {
            scene.call(&format!("/repos/{}/{}/issues", word(n), word(1_000 + n * 3 + m)), 200);
        }
    }
    assert_eq!(scene.names(), ["GET /repos/{name}/{name}/issues"]);
    assert_eq!(scene.call("/repos/a/b/issues", 200).1, ["a", "b"]);
    scene.check();
}

#[test]
fn what_is_refused_says_nothing() {
    let mut scene = Scene::new(10_000);
    for n in 0..500 {
        scene.call(&format!("/{}", word(n)), 404);
    }
    scene.call("/customers", 200);
    assert_eq!(scene.call("/customers", 200).0, "GET /customers");
    assert_eq!(scene.learned.used().iter().sum::<usize>(), 501);
    scene.check();
}

#[test]
fn files_and_languages_are_no_values() {
    let mut scene = Scene::new(10_000);
    for n in 0..500 {
        assert_eq!(scene.call(&format!("/images/{}.png", word(n)), 200).0, "GET /images/*.png");
    }
    assert_eq!(scene.call("/de-DE/customers/17", 200).0, "GET /{locale}/customers/{id}");
    assert_eq!(scene.call("/api/fr/customers/17", 200).0, "GET /api/{locale}/customers/{id}");
    assert_eq!(scene.call("/v1/it/customers", 200).0, "GET /v1/{locale}/customers");
    assert_eq!(scene.call("/de", 200).0, "GET /de");
    scene.check();
}

#[test]
fn earlier_calls_are_recalled() {
    let mut scene = Scene::new(10_000);
    for n in 0..=NAMES {
        let (route, values) = scene.call(&format!("/users/{}", word(n)), 200);
        if values.is_empty() {
            scene.remember(&route, n as u64);
        }
    }
    let recalled: Vec<_> = scene.learned.recalled().collect();
    let objects: Vec<_> = recalled.iter().map(|recalled| recalled.object.clone()).collect();
    assert_eq!(objects, (0..NAMES).map(word).collect::<Vec<_>>());
    assert!(recalled.iter().all(|recalled| **scene.routes.name(recalled.route) == *"GET /users/{name}"));
}

#[test]
fn calls_of_a_route_that_moves_twice_are_recalled_whole() {
    let mut scene = Scene::new(100_000);
    for n in 0..=NAMES {
        for m in [2 * n, 2 * n + 1] {
            let target = format!("/repos/{}/{}", word(n), word(m));
            let (route, values) = scene.call(&target, 200);
            if values.is_empty() {
                scene.remember(&route, m as u64);
            }
        }
        if n < NAMES {
            assert_eq!(scene.learned.recalled().len(), 0);
        }
    }
    assert_eq!(scene.names(), ["GET /repos/{name}/{name}"]);
    let recalled: Vec<_> = scene.learned.recalled().collect();
    let objects: Vec<_> = recalled.iter().map(|recalled| recalled.object.clone()).collect();
    let expected: Vec<_> = (0..2 * NAMES).map(|m| format!("{}/{}", word(m / 2), word(m))).collect();
    assert_eq!(objects, expected);
    for Recalled { route, .. } in recalled {
        assert_eq!(**scene.routes.name(route), *"GET /repos/{name}/{name}");
    }
    scene.check();
}

#[test]
fn ten_thousand_routes_and_no_more() {
    let mut scene = Scene::new(10_000);
    for a in 0..30 {
        for b in 0..30 {
            for c in 0..12 {
                scene.call(&format!("/{}/{}/{}/5", word(a), word(b), word(c)), 200);
            }
        }
    }
    assert_eq!(scene.learned.used().iter().sum::<usize>(), 5_000);
    assert_eq!(scene.learned.overflowed(), 5_800);
    assert_eq!(scene.call("/new/route/5", 200).0, "~other");
    scene.check();
}

/// A word without digits.
fn word(mut n: usize) -> String {
    let mut word = "qq".to_owned();
    loop {
        word.push(char::from(b'a' + (n % 26) as u8));
        n /= 26;
        if n == 0 {
            return word;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_order_of_traffic_changes_nothing(
        (calls, shuffled) in prop::collection::vec((0_usize..300, 0_usize..5, 0_usize..4), 0..1_500)
            .prop_flat_map(|calls| (Just(calls.clone()), Just(calls).prop_shuffle())),
    ) {
        let routes = |calls: &[(usize, usize, usize)]| {
            let mut scene = Scene::new(100_000);
            for &(a, b, form) in calls {
                let (a, b) = (word(a), word(b));
                let target = match form {
                    0 => format!("/{a}"),
                    1 => format!("/users/{a}/{b}"),
                    2 => format!("/{b}/{a}/x/{b}"),
                    _ => format!("/{b}/{a}/5"),
                };
                scene.call(&target, if b.len() % 2 == 0 { 200 } else { 404 });
            }
            scene.check();
            scene.names()
        };
        prop_assert_eq!(routes(&calls), routes(&shuffled));
    }
}
