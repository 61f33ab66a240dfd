//! What credentials are worth: those of partners, and those that make many people of one address.

use base64::{Engine as _, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};

use super::*;

const KEY: [u8; 16] = [5; 16];

/// Calls, and the alerts that they have led to, by the client that each names.
struct Scene {
    detection: Detection,
    alerts: Vec<Alert>,
    calls: u64,
    now: u64,
}

impl Scene {
    fn new(partners: &[String]) -> Scene {
        let partners: Vec<_> = partners.iter().map(|partner| partner.parse().unwrap()).collect();
        let policy = detect::Policy::new(&[], &partners).unwrap();
        let detector = detect::Settings { policy, ..detect::Settings::default() };
        let settings = Settings { detector, ..Settings::default() };
        let detection = Detection::new(settings, HashKey::new(KEY));
        Scene { detection, alerts: Vec::new(), calls: 0, now: 0 }
    }

    /// The next call, a tenth of a second on, of another customer each time and in no order.
    fn call(&mut self, peer: &str, path: &str, status: Option<u16>, fields: &[(&str, &str)]) {
        self.calls += 1;
        self.now += S / 10;
        let target = format!("{path}/{}", self.calls * 7_919 % 100_003);
        let request = request_with_all(&target, fields);
        let before = Exchange { status, ..exchange(peer, &request, self.now) };
        self.detection.call(&before, &mut self.alerts);
        self.detection.complete(&before, &mut self.alerts);
    }

    /// Somebody without a credential is refused.
    fn refuse(&mut self, path: &str) {
        self.call("198.51.100.250", path, Some(401), &[]);
    }

    /// The clients of alerts about distinct objects.
    fn named(&self) -> Vec<String> {
        let opened = self.alerts.iter().filter(|alert| alert.state == State::Open);
        let mut named: Vec<String> =
            opened.map(|alert| format!("{}:{}", alert.client.kind, alert.client.id)).collect();
        named.sort();
        named.dedup();
        named
    }
}

const CUSTOMERS: &str = "/v1/customers";
const PARTNER: &str = "203.0.113.7";
const THIEF: &str = "198.51.100.66";

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

fn token(claims: &str, signature: &str) -> String {
    let [head, claims] = [r#"{"alg":"HS256"}"#, claims].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
    format!("Bearer {head}.{claims}.{signature}")
}

/// The last credential of a call with this `Authorization`, as a partner with a budget.
fn partner(authorization: &str) -> String {
    let mut lenses = Lenses::new(client::Settings::default(), HashKey::new(KEY));
    let request = request_with("/", "authorization", authorization);
    let clients = lenses.of(&exchange(PARTNER, &request, 0), b"");
    format!("{}=500/1h", clients.keys().last().unwrap().id())
}

fn auth(value: &str) -> [(&str, &str); 1] {
    [("authorization", value)]
}

#[test]
fn a_partner_by_its_credential_walks_within_its_budget() {
    for own in [basic("partner", "right"), token(r#"{"sub":"partner"}"#, "right"), "Bearer opaque".to_owned()]
    {
        let mut scene = Scene::new(&[partner(&own)]);
        scene.refuse(CUSTOMERS);
        (0..500).for_each(|_| scene.call(PARTNER, CUSTOMERS, Some(200), &auth(&own)));
        assert_eq!(scene.named(), [""; 0], "{own}");
        // Whoever else calls from its address does so on their own.
        (0..30).for_each(|_| scene.call(PARTNER, CUSTOMERS, Some(200), &auth("Bearer other")));
        assert!(scene.named().contains(&format!("peer:{PARTNER}")), "{own}: {:?}", scene.named());
    }
}

#[test]
fn who_names_a_partner_gains_nothing() {
    let right = token(r#"{"sub":"partner"}"#, "right");
    let forged = token(r#"{"sub":"partner"}"#, "made-up");
    let cookie = format!("access_token={}", forged.trim_start_matches("Bearer "));
    for (own, fields) in [
        (basic("partner", "right"), vec![("authorization", basic("partner", "wrong"))]),
        (right.clone(), vec![("authorization", forged.clone())]),
        (right.clone(), vec![("cookie", cookie.clone())]),
    ] {
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        for has_called in [false, true] {
            let mut scene = Scene::new(&[partner(&own)]);
            scene.refuse(CUSTOMERS);
            if has_called {
                (0..5).for_each(|_| scene.call(PARTNER, CUSTOMERS, Some(200), &auth(&own)));
            }
            // Refused where credentials are checked, and answered where they are not, or not yet.
            (0..5).for_each(|_| scene.call(THIEF, CUSTOMERS, Some(401), &fields));
            (0..60).for_each(|_| scene.call(THIEF, "/v1/open", Some(200), &fields));
            assert_eq!(scene.named(), [format!("peer:{THIEF}")], "{own} {fields:?}");
            (0..60).for_each(|_| scene.call(THIEF, "/v1/slow", None, &fields));
            assert_eq!(scene.named(), [format!("peer:{THIEF}")], "{own} {fields:?}");
        }
    }
}

#[test]
fn a_good_credential_beside_it_proves_no_partner() {
    let right = token(r#"{"sub":"partner"}"#, "right");
    let forged = token(r#"{"sub":"partner"}"#, "made-up");
    let cookie = format!("access_token={}", forged.trim_start_matches("Bearer "));
    let mine = basic("thief", "mine");
    for fields in [
        vec![("authorization", mine.as_str()), ("cookie", &cookie)],
        vec![("authorization", &mine), ("authorization", &forged)],
        vec![("authorization", "Negotiate YII="), ("cookie", &cookie)],
    ] {
        let mut scene = Scene::new(&[partner(&right)]);
        scene.refuse(CUSTOMERS);
        (0..60).for_each(|_| scene.call(THIEF, CUSTOMERS, Some(200), &fields));
        assert!(scene.named().contains(&format!("peer:{THIEF}")), "{fields:?}: {:?}", scene.named());
    }
    let own = basic("partner", "right");
    let mut scene = Scene::new(&[partner(&own)]);
    scene.refuse(CUSTOMERS);
    let both = [("authorization", mine.as_str()), ("authorization", &basic("partner", "wrong"))];
    (0..60).for_each(|_| scene.call(THIEF, CUSTOMERS, Some(200), &both));
    let twice = [("authorization", own.as_str()), ("authorization", &basic("partner", "wrong"))];
    (0..60).for_each(|_| scene.call("198.51.100.67", CUSTOMERS, Some(200), &twice));
    for thief in [THIEF, "198.51.100.67"] {
        assert!(scene.named().contains(&format!("peer:{thief}")), "{:?}", scene.named());
    }
}

#[test]
fn a_partner_may_fetch_new_tokens_and_keep_its_cookies() {
    let of = |n: u64| token(&format!(r#"{{"sub":"partner","iat":{n}}}"#), &n.to_string());
    let mut scene = Scene::new(&[partner(&of(0))]);
    scene.refuse(CUSTOMERS);
    scene.call(PARTNER, CUSTOMERS, Some(200), &auth(&of(0)));
    for n in 0..400 {
        let token = of(n / 15);
        let fields = [("authorization", token.as_str()), ("cookie", "JSESSIONID=1")];
        scene.call(PARTNER, CUSTOMERS, Some(200), &fields);
    }
    assert_eq!(scene.named(), [""; 0]);
}

#[test]
fn a_partner_of_a_slow_server_is_known_by_its_answers() {
    let own = basic("partner", "right");
    let mut scene = Scene::new(&[partner(&own)]);
    scene.refuse(CUSTOMERS);
    for n in 0..200_u64 {
        scene.now += S;
        let request = request_with_all(&format!("{CUSTOMERS}/{}", n * 7_919 % 100_003), &auth(&own));
        let answered = exchange(PARTNER, &request, scene.now);
        scene.detection.call(&Exchange { status: None, ..answered }, &mut scene.alerts);
        // Others' calls come between.
        call(
            &mut scene.detection,
            "192.0.2.1",
            &super::request("/health", None),
            scene.now + 1,
            &mut scene.alerts,
        );
        scene.detection.complete(&answered, &mut scene.alerts);
    }
    assert_eq!(scene.named(), [""; 0]);
}

#[test]
fn a_partner_by_its_address_needs_no_credential() {
    let mut scene = Scene::new(&[format!("{PARTNER}=500/1h")]);
    (0..500).for_each(|_| scene.call(PARTNER, CUSTOMERS, Some(200), &auth(&basic("any", "thing"))));
    assert_eq!(scene.named(), [""; 0]);
    (0..3).for_each(|_| scene.call(PARTNER, CUSTOMERS, Some(200), &[]));
    assert_eq!(scene.named(), [format!("peer:{PARTNER}")]);
}
