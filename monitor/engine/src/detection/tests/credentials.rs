//! What credentials are worth: those of partners, and those that make many people of one address.

use base64::{Engine as _, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use rollcall_attribute::client::Lenses;

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
        let policy = rollcall_detect::Policy::new(&[], &partners).unwrap();
        let detector =
            rollcall_detect::DetectorSettings { policy, ..rollcall_detect::DetectorSettings::default() };
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
        let opened = self.alerts.iter().filter(|alert| alert.state == AlertState::Open);
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

/// Whoever walks from one address with a credential for each few calls, after somebody was refused; the objects read when it
/// is told.
fn told_after(fields: impl Fn(usize) -> Vec<(&'static str, String)>) -> Option<usize> {
    let mut scene = Scene::new(&[]);
    scene.refuse(CUSTOMERS);
    (1..400).find(|&n| {
        let fields = fields(n - 1);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        scene.call(THIEF, CUSTOMERS, Some(200), &fields);
        scene.named().contains(&format!("peer:{THIEF}"))
    })
}

#[test]
fn one_key_in_many_spellings_is_one_person() {
    let spelled = |n: usize| -> String {
        let letters = "secretkeyofsomebody".chars().enumerate();
        let case =
            |(at, letter): (usize, char)| if n >> at & 1 == 1 { letter.to_ascii_uppercase() } else { letter };
        letters.map(case).collect()
    };
    let key = |n: usize| vec![("x-api-key", spelled(n))];
    let padded = |n: usize| vec![("x-api-key", format!("secret{}", ".=- \"".repeat(n % 50)))];
    let user = |n: usize| vec![("authorization", basic(&spelled(n), "right"))];
    let bearer = |n: usize| vec![("authorization", format!("Bearer {}", spelled(n)))];
    let renewed =
        |n: usize| vec![("authorization", token(&format!(r#"{{"sub":"thief","jti":{n}}}"#), &n.to_string()))];
    let cookie = |n: usize| vec![("cookie", format!("session={n}")), ("x-api-key", "secret".to_owned())];
    for fields in [&key as &dyn Fn(usize) -> _, &padded, &user, &bearer, &renewed, &cookie] {
        assert_eq!(told_after(fields), Some(21), "{:?}", fields(3));
    }
}

#[test]
fn identities_that_take_turns_are_one_person() {
    for each in [2, 5, 10, 19] {
        let sessions = |n: usize| vec![("cookie", format!("session=s{}", n / each * 7_919))];
        let told = told_after(sessions);
        assert!(told.is_some_and(|told| told <= 21.max(4 * each)), "{each} each: {told:?}");
    }
    let pairs = |n: usize| vec![("cookie", format!("session=s{}", (n / 20 * 2 + n % 2) * 7_919))];
    assert!(told_after(pairs).is_some_and(|told| told <= 62));
}

#[test]
fn a_walk_is_one_persons_however_many_it_claims_to_be() {
    let mut scene = Scene::new(&[]);
    scene.refuse(CUSTOMERS);
    for n in 0..40_u64 {
        let request =
            request_with(&format!("{CUSTOMERS}/{}", 5_000 + n), "cookie", &format!("session=s{}", n * 7_919));
        call(&mut scene.detection, THIEF, &request, n * S / 10, &mut scene.alerts);
    }
    let rules: Vec<_> =
        scene.alerts.iter().filter(|alert| alert.client.kind == "peer").map(|alert| alert.rule).collect();
    assert_eq!(rules, [Rule::SequentialWalk]);
}

#[test]
fn people_behind_one_address_raise_no_alert() {
    let session = |person: u64| format!("session=s{}", person * 7_919);
    // Thirty people, whose pages load twelve customers each: some at the same moment, most some time apart.
    let mut scene = Scene::new(&[]);
    scene.refuse(CUSTOMERS);
    let mut random = 1_u64;
    let mut next = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let mut loads: Vec<(u64, u64)> = Vec::new();
    for person in 0..30 {
        let mut at = next(600_000);
        while at < 3 * 3_600_000 {
            loads.extend((0..12).map(|n| (at + n * 20, person)));
            at += 600_000 + next(1_200_000);
        }
    }
    loads.sort_unstable();
    for (at, person) in loads {
        scene.now = at * 1_000_000;
        scene.call("203.0.113.80", CUSTOMERS, Some(200), &[("cookie", &session(person))]);
    }
    assert_eq!(scene.named(), [""; 0], "pages");
    // Twenty-five who read one after the other, in no order.
    let mut scene = Scene::new(&[]);
    scene.refuse(CUSTOMERS);
    for n in 0..1_500_u64 {
        scene.now += S;
        scene.call("203.0.113.80", CUSTOMERS, Some(200), &[("cookie", &session(n * n % 41 % 25))]);
    }
    let is_about_address = |alert: &&Alert| alert.client.kind == "peer" && !alert.rule.is_notice();
    assert_eq!(scene.alerts.iter().find(is_about_address), None, "an office");
}
