//! Identifiers in every form that is known of the field, and in some that nobody has told this program of: a client that
//! reads 150 accounts in each, in order and at random, has one route, an object for each, and an alert in time.

#![expect(clippy::unwrap_used, reason = "a step of a test that fails, fails the test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use rollcall_attribute::observation::Observation;
use rollcall_detect::{
    Rule,
    alert::{Alert, AlertState, Severity},
};
use rollcall_engine::{Engine, Output, Settings, detection::Attributed};
use rollcall_http::Exchange;
use rollcall_model::{hash::HashKey, time::Timestamp};
use rollcall_replay::{Replay, access_log::Call};

/// Accounts that are read in each form.
const WALK: usize = 150;

/// Accounts read when there has to be an alert.
const SOON: u64 = 25;

/// Calls until a form that nobody has told of is known as one, and those that look like words until then.
const UNTIL_KNOWN: usize = 25;

/// What is expected of a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// One route from the first call on.
    Known,
    /// One route once it is known to be one.
    Learned,
    /// One route, and nobody's account.
    Nobodys,
}
use Expected::{Known, Learned, Nobodys};

/// What was seen of a walk.
#[derive(Default)]
struct Seen {
    routes: Vec<String>,
    objects: BTreeSet<String>,
    alerts: Vec<Alert>,
}

impl Output for Seen {
    fn exchange(&mut self, _: &Exchange<'_>, attributed: &Attributed<'_>) {
        self.routes.push(attributed.route.to_string());
        self.objects.extend(attributed.objects.iter().map(str::to_owned));
    }

    fn earlier(&mut self, earlier: &Observation) {
        self.objects.extend(earlier.objects.iter().map(str::to_owned));
    }

    fn alert(&mut self, alert: &Alert) {
        if alert.severity != Severity::Info {
            self.alerts.push(alert.clone());
        }
    }
}

/// One call every 200 ms by one client.
fn walk(targets: &[String]) -> Seen {
    calls(targets.iter().map(|target| ("198.51.100.66", target.as_str(), 200, 812)))
}

fn calls<'a>(calls: impl Iterator<Item = (&'a str, &'a str, u16, u64)>) -> Seen {
    let engine = Engine::new(Settings::default(), HashKey::new([7; 16]), Seen::default());
    let mut replay = Replay::new(Vec::new(), engine);
    let mut at = Timestamp(1_790_000_000_000_000_000);
    for (client, target, status, size) in calls {
        let mut call = Call::new(at, client.parse().unwrap(), b"GET", target.as_bytes());
        (call.status, call.response_bytes) = (Some(status), size);
        replay.call(&call);
        at = at + Duration::from_millis(200);
    }
    replay.finish();
    replay.into_output()
}

/// Numbers as if drawn: the same for each run.
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % most as u64) as usize
    }

    fn token(&mut self, alphabet: &str, length: usize) -> String {
        (0..length).map(|_| char::from(alphabet.as_bytes()[self.below(alphabet.len())])).collect()
    }
}

const SMALL: &str = "abcdefghijklmnopqrstuvwxyz";
const CAPITALS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const BASE32: &str = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const BASE36: &str = "abcdefghijklmnopqrstuvwxyz0123456789";
const BASE62: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const HEX: &str = "0123456789abcdef";

fn drawn(n: usize, alphabet: &str, length: usize) -> String {
    Random(n as u64 * 7_919 + length as u64).token(alphabet, length)
}

fn uuid(n: usize) -> String {
    let digits = drawn(n, HEX, 32);
    format!("{}-{}-4{}-a{}-{}", &digits[..8], &digits[8..12], &digits[13..16], &digits[17..20], &digits[20..])
}

const FIRST: [&str; 15] = [
    "anna", "ben", "clara", "david", "emma", "felix", "greta", "hans", "ida", "jonas", "karl", "lena", "max",
    "nina", "otto",
];
const LAST: [&str; 10] =
    ["smith", "jones", "brown", "taylor", "wilson", "evans", "thomas", "roberts", "walker", "wright"];

fn name(n: usize, between: &str) -> String {
    format!("{}{between}{}", FIRST[n % FIRST.len()], LAST[n / FIRST.len() % LAST.len()])
}

type Form = (&'static str, fn(usize) -> String, Expected);

const FORMS: &[Form] = &[
    ("number", |n| format!("/v1/customers/{}", 1_017 + n), Known),
    ("uuid", |n| format!("/v1/customers/{}", uuid(n)), Known),
    ("OData key", |n| format!("/odata/v4/bank/Customers({})/accounts", 200_000 + n), Known),
    ("OData key in quotes", |n| format!("/odata/Customers('{}')/Name/$value", drawn(n, CAPITALS, 5)), Known),
    ("OData keys", |n| format!("/odata/Orders(OrderID={},ProductID=11)", 10_248 + n), Known),
    ("OData keys counted", |n| format!("/odata/Orders(OrderID={},ProductID=11)/$count", 10_248 + n), Known),
    ("OData guid", |n| format!("/odata/Customers(guid'{}')", uuid(n)), Known),
    ("OData function", |n| format!("/odata/Customers({})/Default.Statement(year=2024)", uuid(n)), Known),
    (
        "OData key of SAP",
        |n| format!("/sap/A_Order(Order='{}',IsActiveEntity=true)/to_Item", 4_500_000 + n),
        Known,
    ),
    ("verb", |n| format!("/v1/customers/{}:getStatement", 3_000 + n), Known),
    ("verb of a uuid", |n| format!("/v1/customers/{}:cancel", uuid(n)), Known),
    (".aspx", |n| format!("/customer/{}.aspx", 3_000 + n), Known),
    (".do", |n| format!("/customer/{}.do", 3_000 + n), Known),
    (".action", |n| format!("/customer/{}.action", 3_000 + n), Known),
    (".php", |n| format!("/customer/{}.php", 3_000 + n), Known),
    (".jsp", |n| format!("/customer/{}.jsp", 3_000 + n), Known),
    (".html", |n| format!("/customer/{}.html", 3_000 + n), Known),
    (".xml", |n| format!("/customer/{}.xml", uuid(n)), Known),
    ("a suffix of its own", |n| format!("/customer/{}.geojson", 3_000 + n), Known),
    ("urn:uuid", |n| format!("/v1/things/urn:uuid:{}", uuid(n)), Known),
    ("urn:isbn", |n| format!("/v1/books/urn:isbn:{}", 9_780_306_406_157_u64 + 10 * n as u64), Known),
    ("uuid in braces", |n| format!("/v1/things/%7B{}%7D", uuid(n).to_uppercase()), Known),
    ("hardware address", |n| format!("/v1/devices/00:1B:44:11:3A:{n:02X}"), Known),
    ("hardware address with hyphens", |n| format!("/v1/devices/00-1b-44-11-3a-{n:02x}"), Known),
    ("IPv4", |n| format!("/v1/hosts/198.51.100.{n}"), Known),
    ("IPv6", |n| format!("/v1/hosts/2001:db8::{:x}", n + 1), Known),
    ("ARN", |n| format!("/v1/arns/arn:aws:iam::123456789012:user/{}", name(n, "")), Known),
    (
        "ARN, encoded",
        |n| format!("/v1/arns/arn%3Aaws%3Aiam%3A%3A123456789012%3Auser%2F{}", name(n, ".")),
        Known,
    ),
    ("sha256:", |n| format!("/v2/app/blobs/sha256:{}", drawn(n, HEX, 64)), Known),
    ("sha256-", |n| format!("/v2/app/blobs/sha256-{}", drawn(n, HEX, 64)), Known),
    ("md5=", |n| format!("/v2/blobs/md5={}", drawn(n, HEX, 32)), Known),
    ("SSN", |n| format!("/v1/people/123-45-{}", 6_000 + n), Known),
    ("CPF", |n| format!("/v1/pessoas/987.{}.{}-{:02}", 100 + n, 999 - n, n % 100), Known),
    ("CNPJ", |n| format!("/v1/empresas/12.{}.678%2F0001-{:02}", 100 + n, n % 100), Known),
    ("IBAN", |n| format!("/v1/accounts/GB29NWBK60161331{n:06}"), Known),
    ("IBAN with blanks", |n| format!("/v1/accounts/DE89%203704%200044%200532%20{n:04}%2000"), Known),
    ("card", |n| format!("/v1/cards/4111-1111-1111-{}", 1_000 + n), Known),
    ("card with blanks", |n| format!("/v1/cards/4111%201111%201111%20{}", 1_000 + n), Known),
    ("telephone", |n| format!("/v1/phones/+49%2030%20{}", 1_234_000 + n), Known),
    ("NHS", |n| format!("/v1/patients/943%20476%20{}", 5_000 + n), Known),
    ("AHV", |n| format!("/v1/personen/756.9217.{}.85", 1_000 + n), Known),
    ("NIR", |n| format!("/v1/assures/1%2085%2005%2078%20006%20{n:03}%2036"), Known),
    ("DNI", |n| format!("/v1/clientes/{}Z", 12_345_000 + n), Known),
    ("codice fiscale", |n| format!("/v1/clienti/{}85T10A{:03}S", drawn(n, CAPITALS, 6), 100 + n), Known),
    ("NINO", |n| format!("/v1/people/QQ{}C", 123_000 + n), Known),
    ("passport", |n| format!("/v1/passports/C01X{:02}T{:02}", n / 100, n % 100), Known),
    ("invoice of a year", |n| format!("/v1/invoices/INV-2024-{:06}", 123 + n), Known),
    ("invoice below a year", |n| format!("/v1/invoices/2024/{:06}", 123 + n), Known),
    ("Rechnung", |n| format!("/v1/invoices/RE2024-{:04}", 815 + n), Known),
    ("order", |n| format!("/v1/orders/ORD_{:05}", 17 + n), Known),
    ("slug with a number behind", |n| format!("/customers/{}-{}", name(n, "-"), 1_017 + n), Known),
    ("slug with a number before", |n| format!("/customers/{}-{}", 1_017 + n, name(n, "-")), Known),
    ("slug with two hyphens", |n| format!("/customers/acme-corp--{}", 1_017 + n), Known),
    ("point behind", |n| format!("/customers/{}.", uuid(n)), Known),
    ("blank behind", |n| format!("/customers/{}%20", 1_017 + n), Known),
    ("nanoid", |n| format!("/v1/c/{}", drawn(n, BASE64, 21)), Known),
    ("cus_", |n| format!("/v1/customers/cus_{}", drawn(n, BASE62, 14)), Known),
    ("15 characters", |n| format!("/v1/contacts/0015g00000{}", drawn(n, BASE62, 5)), Known),
    ("18 characters", |n| format!("/v1/contacts/0015g00000{}AAX", drawn(n, BASE62, 5)), Known),
    ("ULID", |n| format!("/v1/c/01H{}", drawn(n, BASE32, 23)), Known),
    ("KSUID", |n| format!("/v1/c/0u{}", drawn(n, BASE62, 25)), Known),
    ("xid", |n| format!("/v1/c/9m4e2mr0{}", drawn(n, "0123456789abcdefghijklmnopqrstuv", 12)), Known),
    ("ObjectId", |n| format!("/v1/c/{}", drawn(n, HEX, 24)), Known),
    ("base64url", |n| format!("/v1/c/{}", drawn(n, BASE64, 22)), Known),
    ("two numbers", |n| format!("/v1/lines/{}:{}", 1_017 + n, n % 7), Known),
    ("two uuids", |n| format!("/v1/lines/{}:{}", uuid(3), uuid(n)), Known),
    ("number sign", |n| format!("/v1/items/USER%23{}", 17 + n), Known),
    ("number behind a sign", |n| format!("/v1/items/@{}", 10_017 + n), Known),
    ("key and number", |n| format!("/v1/items/id={}", 17 + n), Known),
    (
        "JWT",
        |n| format!("/v1/links/eyJhbGciOiJIUzI1NiJ9.{}.{}", drawn(n, BASE64, 40), drawn(n, BASE64, 43)),
        Known,
    ),
    ("somebody on a server", |n| format!("/client/v3/profile/%40{}%3Aexample.org", name(n, "")), Known),
    ("room on a server", |n| format!("/v3/rooms/!{}:example.org/state", drawn(n, BASE62, 18)), Known),
    ("HKID", |n| format!("/people/A{}({})", 123_000 + n, n % 10), Known),
    ("RUT", |n| format!("/clientes/12.{}.{}-K", 345 + n / 10, 100 + n), Known),
    ("numbered word of some length", |n| format!("/customer{}", 3_000 + n), Known),
    ("number amid words", |n| format!("/customer-{}-details.html", 3_000 + n), Known),
    ("order's reference", |n| format!("/order/lookup?order_ref={}", drawn(n, BASE36, 8)), Known),
    ("author", |n| format!("/?author={}", 1 + n), Known),
    ("Kundennummer", |n| format!("/kunde?kundennr={}", 100_017 + n), Known),
    ("tracking number", |n| format!("/track?tracking_number=1Z999AA1{}", 10_000_000 + n), Known),
    ("VIN", |n| format!("/api/vehicle?vin=WVWZZZ1KZAW{}", 100_000 + n), Known),
    ("medical record", |n| format!("/record?mrn=MRN{}", 100_017 + n), Known),
    ("identifier of FHIR", |n| format!("/fhir/Patient?identifier=MRN-{}", 12_000 + n), Known),
    ("filter of OData", |n| format!("/odata/C?$filter=CustomerID%20eq%20'{}'", drawn(n, CAPITALS, 5)), Known),
    ("filter of SCIM", |n| format!("/scim/v2/Users?filter=userName%20eq%20%22{}%22", name(n, ".")), Known),
    ("filter of Ransack", |n| format!("/admin/orders?q%5Bcustomer_id_eq%5D={}", 1_017 + n), Known),
    ("filter of Django", |n| format!("/api/orders/?customer_id__exact={}", 1_017 + n), Known),
    (
        "filter of Magento",
        |n| format!("/rest/V1/orders?c[f][0][field]=customer_id&c[f][0][value]={}", 1 + n),
        Known,
    ),
    ("DID", |n| format!("/xrpc/app.getProfile?actor=did:plc:{}", drawn(n, BASE36, 24)), Known),
    ("ticket", |n| format!("/v1/tickets/PROJ-{}", 1 + n), Learned),
    ("4 of hexadecimal", |n| format!("/v1/c/{:04x}", 0xa00 + 37 * n), Learned),
    ("domain", |n| format!("/v1/domains/{}.example.org", name(n, "-")), Learned),
    ("three words", |n| format!("/v1/squares/{}.{}", drawn(n, SMALL, 6), name(n, ".")), Learned),
    ("name with letters of its own", |n| format!("/v1/users/J%C3%BCrgen-{}", name(n, "")), Learned),
    (
        "base64 of a number",
        |n| format!("/v1/c/{}", ["MTAx", "MTAy", "MTAz"][n % 3].to_owned() + &drawn(n, BASE62, 3)),
        Learned,
    ),
    ("airport", |n| format!("/v1/airport/{}", drawn(n, CAPITALS, 3)), Learned),
    ("video", |n| format!("/v1/videos/{}", drawn(n, BASE64, 11)), Learned),
    ("8 of 62", |n| format!("/v1/c/{}", drawn(n, BASE62, 8)), Learned),
    ("5 of 62", |n| format!("/v1/c/{}", drawn(n, BASE62, 5)), Learned),
    ("8 of 36", |n| format!("/v1/c/{}", drawn(n, BASE36, 8)), Learned),
    ("8 letters", |n| format!("/v1/c/{}", drawn(n, SMALL, 8)), Learned),
    ("booking", |n| format!("/v1/bookings/{}", drawn(n, "ABCDEFGHJKLMNPQRSTUVWXYZ23456789", 6)), Learned),
    (
        "number plate",
        |n| format!("/v1/vehicles/{}{:02}{}", drawn(n, CAPITALS, 2), n % 100, drawn(n, CAPITALS, 3)),
        Learned,
    ),
    ("name", |n| format!("/users/{}", name(n, "-")), Learned),
    ("name with a point", |n| format!("/v1/users/{}/orders", name(n, ".")), Learned),
    ("name below no plural", |n| format!("/v1/profile/{}", name(n, "")), Learned),
    ("name in another language", |n| format!("/v1/kunden/{}", name(n, "_")), Learned),
    ("numbered word", |n| format!("/v1/kunden/kunde{}", n + 1), Learned),
    ("slug with a year", |n| format!("/customers/{}-anna-smith", 1_950 + n), Learned),
    ("@name", |n| format!("/@{}", name(n, "")), Learned),
    ("~name", |n| format!("/~{}/home", name(n, "")), Learned),
    ("moment", |n| format!("/api/history/period/2026-09-14T{:02}:{:02}:00.000Z", n / 60, n % 60), Nobodys),
    ("day", |n| format!("/api/days/2024-{:02}-{:02}", 1 + n / 28, 1 + n % 28), Nobodys),
    ("day in digits", |n| format!("/api/days/2024{:02}{:02}", 1 + n / 28, 1 + n % 28), Nobodys),
    ("week", |n| format!("/api/weeks/{}-W{:02}", 2_020 + n / 52, 1 + n % 52), Nobodys),
    ("month", |n| format!("/api/months/{}-{:02}", 1_990 + n / 12, 1 + n % 12), Nobodys),
    ("coordinates", |n| format!("/api/weather/{}.{:03},2.3522", 40 + n % 10, n), Nobodys),
    ("place on a map", |n| format!("/maps/@{}.{:03},2.35,12z", 40 + n % 10, n), Nobodys),
    ("geo:", |n| format!("/api/weather/geo:{}.{:03},2.3522", 40 + n % 10, n), Nobodys),
    ("time of day", |n| format!("/api/times/{:02}:{:02}", n / 60, n % 60), Nobodys),
    ("span of days", |n| format!("/api/usage/2024-01-01..2024-{:02}-{:02}", 1 + n / 28, 1 + n % 28), Nobodys),
    (
        "span of a query",
        |n| format!("/api/v1/query_range?start={}&end={}", 1_700_000_000 + 60 * n, 1_700_003_600 + 60 * n),
        Nobodys,
    ),
    ("day of an index", |n| format!("/logs-app-2024.{:02}.{:02}/_stats", 1 + n / 28, 1 + n % 28), Nobodys),
    ("day of a partition", |n| format!("/lake/dt=2024-{:02}-{:02}/all", 1 + n / 28, 1 + n % 28), Nobodys),
    (
        "moment of a run",
        |n| format!("/dags/etl/runs/scheduled__2024-05-{:02}T{:02}:00:00+00:00", 1 + n / 24, n % 24),
        Nobodys,
    ),
    ("length of time", |n| format!("/stats/P{}DT12H", 1 + n), Nobodys),
    ("size", |n| format!("/thumb/{}x{}", 100 + n, 200 + n), Nobodys),
    ("version", |n| format!("/packages/foo/v2.{}.{}", n / 10, n % 10), Nobodys),
    ("version without a letter", |n| format!("/packages/foo/2.{}.{}", n / 10, n % 10), Nobodys),
];

#[test]
fn who_reads_accounts_of_any_form_is_found_in_time() {
    let mut failed = Vec::new();
    for &(form, target, expected) in FORMS {
        let in_order: Vec<String> = (0..WALK).map(target).collect();
        let mut shuffled = in_order.clone();
        let mut random = Random(17);
        for at in (1..shuffled.len()).rev() {
            shuffled.swap(at, random.below(at + 1));
        }
        for targets in [&in_order, &shuffled] {
            if let Err(why) = check(expected, &walk(targets), targets) {
                failed.push(format!("{form}: {why}, as {}", targets[0]));
            }
        }
    }
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), 2 * FORMS.len(), failed.join("\n"));
}

fn check(expected: Expected, seen: &Seen, targets: &[String]) -> Result<(), String> {
    let mut routes: BTreeMap<&str, usize> = BTreeMap::new();
    let behind = if expected == Learned { &seen.routes[UNTIL_KNOWN..] } else { &seen.routes };
    behind.iter().for_each(|route| *routes.entry(route).or_default() += 1);
    // What is drawn may by chance look like a word.
    let most = routes.values().max().copied().unwrap_or_default();
    let by_chance = match expected {
        Learned => 4,
        Known => 1,
        Nobodys => 0,
    };
    let is_one = most + by_chance >= behind.len();
    if !is_one {
        return Err(format!("{} routes: {:?}", routes.len(), routes.keys().take(4).collect::<Vec<_>>()));
    }
    if expected == Nobodys {
        return match (&seen.objects.first(), seen.alerts.first()) {
            (None, None) => Ok(()),
            (Some(object), _) => Err(format!("object {object}")),
            (_, Some(alert)) => Err(format!("alert {}", alert.rule.name())),
        };
    }
    let accounts: BTreeSet<&String> = targets.iter().collect();
    if seen.objects.len() + 4 < accounts.len() || seen.objects.len() > accounts.len() {
        return Err(format!("{} objects of {}", seen.objects.len(), accounts.len()));
    }
    let opened = |alert: &&Alert| alert.state == AlertState::Open && alert.rule == Rule::DistinctObjects;
    match seen.alerts.iter().find(opened) {
        Some(alert) if alert.figures.distinct <= SOON => Ok(()),
        Some(alert) => Err(format!("alert at {}", alert.figures.distinct)),
        None => Err("no alert".to_owned()),
    }
}

/// Each of these is one account, however it is spelled.
#[test]
fn one_account_is_one_object_in_every_spelling() {
    for spellings in [
        &["/c/17", "/c/17.", "/c/017", "/c/%31%37", "/c/17%20", "/c/{17}"][..],
        &[
            "/odata/Customers(1017)",
            "/odata/Customers(ID=1017)",
            "/odata/customers(1017)",
            "/odata/Customers(%201017)",
        ],
        &["/odata/Customers('ALFKI')", "/odata/Customers(ID='ALFKI')", "/odata/Customers(%27ALFKI%27)"],
        &[
            "/odata/O(OrderID=1,ProductID=2)",
            "/odata/O(ProductID=2,OrderID=1)",
            "/odata/O(OrderID=1,%20ProductID=2)",
        ],
        &["/people/123-45-6789", "/people/123%2045%206789", "/people/123456789"],
        &["/pessoas/987.100.000-00", "/pessoas/987100000-00", "/pessoas/98710000000"],
        &["/cards/4111-1111-1111-1111", "/cards/4111%201111%201111%201111", "/cards/4111111111111111"],
        &[
            "/phones/+49%2030%201234567",
            "/phones/+49-30-1234567",
            "/phones/+49301234567",
            "/phones/49301234567",
        ],
        &["/devices/00:1B:44:11:3A:B7", "/devices/00-1b-44-11-3a-b7", "/devices/001b44113ab7"],
        &["/hosts/2001:DB8::1", "/hosts/2001:db8:0:0:0:0:0:1", "/hosts/[2001:db8::1]"],
        &[
            "/accounts/DE89%203704%200044%200532%200130%2000",
            "/accounts/DE89370400440532013000",
            "/accounts/de89370400440532013000",
        ],
        &["/people/QQ123456C", "/people/qq123456c", "/people/QQ%2012%2034%2056%20C"],
        &[
            "/things/urn:uuid:550E8400-e29b-41d4-a716-446655440000",
            "/things/%7b550e8400-e29b-41d4-a716-446655440000%7D",
        ],
        &["/b/SHA256:D41D8CD98F00B204E9800998ECF8427E", "/b/sha256:d41d8cd98f00b204e9800998ecf8427e"],
        &["/customers/1017-anna-smith", "/customers/1017-Anna-Smith", "/customers/1017-x"],
    ] {
        let targets: Vec<String> = spellings.iter().map(|&target| target.to_owned()).collect();
        let seen = walk(&targets);
        let routes: BTreeSet<&String> = seen.routes.iter().collect();
        assert_eq!((routes.len(), seen.objects.len()), (1, 1), "{targets:?}: {routes:?} {:?}", seen.objects);
    }
}

const ENDPOINTS: [&str; 40] = [
    "me",
    "orders",
    "invoices",
    "settings",
    "notifications",
    "messages",
    "search",
    "profile",
    "teams",
    "projects",
    "billing",
    "features",
    "flags",
    "menus",
    "widgets",
    "dashboard",
    "reports",
    "exports",
    "imports",
    "permissions",
    "roles",
    "labels",
    "filters",
    "views",
    "layouts",
    "themes",
    "shortcuts",
    "activity",
    "timeline",
    "calendar",
    "tasks",
    "reminders",
    "contacts",
    "addresses",
    "payments",
    "subscriptions",
    "plans",
    "coupons",
    "limits",
    "health",
];

/// Words of an API are no accounts, though the first client asks for forty of them that nobody else has asked for.
#[test]
fn words_stay_words() {
    let clients: Vec<String> = (1..9).map(|client| format!("203.0.113.{client}")).collect();
    for (before, behind) in [("/api/", ""), ("/api/v2/", "/list"), ("/", ""), ("/docs/", ""), ("/shop/", "")]
    {
        let targets: Vec<String> = ENDPOINTS.iter().map(|word| format!("{before}{word}{behind}")).collect();
        let all = clients.iter().flat_map(|client| {
            targets.iter().enumerate().map(move |(n, target)| {
                (client.as_str(), target.as_str(), 200, [40, 20_000, 700, 5_000, 90][n % 5])
            })
        });
        let seen = calls(all);
        let routes: BTreeSet<&String> = seen.routes.iter().collect();
        assert_eq!((routes.len(), seen.objects.len(), seen.alerts.len()), (40, 0, 0), "{before}");
    }
}

/// Where each asks for what is called by a name of his own, the names are values before there are forty of them.
#[test]
fn what_belongs_to_each_is_one_route() {
    let people: Vec<(String, String)> = (0..20)
        .map(|n| (format!("203.0.113.{n}"), format!("/dav/files/{}/notes.odt", name(n * 7, ""))))
        .collect();
    let day = || people.iter().map(|(client, target)| (client.as_str(), target.as_str(), 200, 812));
    let seen = calls(day().chain(day()));
    let routes: BTreeSet<&String> = seen.routes[people.len()..].iter().collect();
    assert_eq!(routes, BTreeSet::from([&"GET /dav/files/{name}/notes.odt".to_owned()]));
    // What several use are words.
    let shared = people.iter().zip(people.iter().skip(1)).zip(people.iter().skip(2)).flat_map(
        |(((first, target), (second, _)), (third, _))| {
            [first, second, third].map(|client| (client.as_str(), target.as_str(), 200, 812))
        },
    );
    let seen = calls(shared);
    assert_eq!(seen.routes.iter().collect::<BTreeSet<_>>().len(), people.len() - 2);
}

/// Titles beside identifiers make no routes, whoever reads them; titles alone do until there are too many.
#[test]
fn titles_beside_identifiers_are_one_route() {
    let of = |before: &str, behind: &str| {
        let title = |n: usize| format!("/{before}how-{}-came-to-{}{behind}", name(n, ""), name(n * 7, ""));
        let targets: Vec<String> = (0..60).map(|n| title(n).replace('#', &(40 + n).to_string())).collect();
        walk(&targets).routes.iter().skip(10).collect::<BTreeSet<_>>().len()
    };
    assert_eq!((of("t/", "/#"), of("questions/#/", ""), of("stories/", "")), (1, 1, 50));
}

/// Who scans for what is not there makes no words of an API into values; what everybody uses stays what it is even where
/// somebody goes through values.
#[test]
fn nobody_has_words_forgotten() {
    let endpoints: Vec<String> = ENDPOINTS.iter().map(|word| format!("/users/{word}")).take(12).collect();
    let people: Vec<String> = (0..WALK).map(|n| format!("/users/{}", name(n, ""))).collect();
    let scan: Vec<String> = (0..300).map(|n| format!("/users/{}", drawn(n, SMALL, 3 + n % 8))).collect();
    let clients: Vec<String> = (1..9).map(|client| format!("203.0.113.{client}")).collect();
    let everybody = || {
        clients.iter().flat_map(|client| {
            endpoints.iter().map(move |target| (client.as_str(), target.as_str(), 200, 812))
        })
    };
    let scanned = scan.iter().map(|target| ("198.51.100.9", target.as_str(), 404, 150));
    let thief = people.iter().map(|target| ("198.51.100.66", target.as_str(), 200, 812));
    let seen = calls(everybody().chain(scanned).chain(thief).chain(everybody()));
    let last: BTreeSet<&String> = seen.routes.iter().rev().take(endpoints.len()).collect();
    assert_eq!(
        last,
        endpoints.iter().map(|target| format!("GET {target}")).collect::<BTreeSet<_>>().iter().collect()
    );
    assert!(seen.routes.iter().any(|route| route == "GET /users/{name}"));
    let clients: BTreeSet<&str> = seen.alerts.iter().map(|alert| alert.client.id.as_str()).collect();
    assert_eq!(clients, BTreeSet::from(["198.51.100.66"]));
}

/// Names that are guessed count whether they are there or not.
#[test]
fn guessing_names_is_seen() {
    let names: Vec<String> = (0..700).map(|n| format!("/users/{}", drawn(n, SMALL, 4 + n % 7))).collect();
    let mut random = Random(5);
    let seen = calls(names.iter().map(|target| {
        let status = if random.below(10) < 3 { 200 } else { 404 };
        ("198.51.100.66", target.as_str(), status, 500)
    }));
    let routes: BTreeSet<&String> = seen.routes.iter().collect();
    assert!(routes.len() <= UNTIL_KNOWN + 1, "{} routes", routes.len());
    assert!(!seen.alerts.is_empty());
    assert!(seen.alerts[0].figures.distinct <= 40, "{:?}", seen.alerts[0].figures);
}
