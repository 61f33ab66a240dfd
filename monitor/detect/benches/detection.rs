//! Observations that the detector takes: what each costs once it is known who called, which route, and whose account.
//!
//! Observations are made before they are measured; recorded time goes on as they come, a thousand a second, so that windows
//! slide as they do in ordinary traffic.

use std::{
    hint::black_box,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use rollcall_attribute::{
    client::{Clients, Credential, CredentialKind},
    object::Objects,
    observation::{Observation, Outcome},
    route::Read,
};
use rollcall_detect::{Detector, DetectorSettings, Finding};
use rollcall_model::{hash::HashKey, time::Timestamp};

/// Observations that are made, and measured, together.
const BATCH: usize = 4_096;

/// Clients of ordinary traffic. Each reads a few accounts of its own, over and over.
const CLIENTS: u64 = 100_000;
const OWN: u64 = 3;

/// Accounts of a call that names many.
const CALL: u64 = 512;

/// Batches before what is measured is in steady state: eight calls a client.
const WARM: usize = 200;

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).sample_size(30);
    targets = detection
}
criterion_main!(benches);

fn detection(criterion: &mut Criterion) {
    measure(criterion, "ordinary, by address", |random| ordinary(random, false));
    measure(criterion, "ordinary, by address and credential", |random| ordinary(random, true));
    let mut made_up = 0;
    measure(criterion, "new keys", |_| {
        made_up += 1;
        (address(0x4000_0000 + made_up), Some(made_up), made_up % 37_000_000)
    });
    let mut walked = 0;
    measure(criterion, "a known suspect", |_| {
        walked += 1;
        (address(7), Some(7), walked)
    });
    many_objects(criterion);
    busiest(criterion);
}

/// Calls that name as many accounts as 2 KiB hold, each with the most credentials that count: what an attacker can make the
/// detector work most with. The first row is of those that go on from account to account, the others of those who ask for the
/// same over and over, who are refused, and who come under new names each time.
fn many_objects(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("detection of many objects");
    group.sample_size(10);
    let cases = [
        ("new ones", Some(200), true, false),
        ("the same", Some(200), false, false),
        ("refused", Some(403), true, false),
        ("new callers", Some(200), true, true),
    ];
    for (name, status, goes_on, changes) in cases {
        let mut scene = Scene::new();
        let route = Arc::clone(&scene.route);
        let mut at = Timestamp(1_700_000_000_000_000_000);
        let mut call = 0;
        let mut next = || {
            at = at + Duration::from_millis(1);
            call += 1;
            let (first, caller) = (if goes_on { call * CALL } else { 0 }, if changes { call } else { 7 });
            let credentials: Vec<Credential> = (0..4_u128)
                .map(|n| Credential {
                    kind: CredentialKind::Bearer,
                    hash: (u128::from(caller) << 64 | n).to_be_bytes(),
                })
                .collect();
            let accounts: Vec<String> = (first..first + CALL).map(|account| account.to_string()).collect();
            let clients = Clients::new(address(caller), &credentials);
            let objects = accounts.iter().map(String::as_str).collect();
            let mut made = observation(at, clients, &route, objects);
            made.outcome.status = status;
            made
        };
        for _ in 0..WARM {
            scene.observe(&next());
        }
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                &mut next,
                |made| {
                    scene.observe(black_box(&made));
                    made
                },
                BatchSize::SmallInput,
            );
        });
    }
}

/// What the status page asks for once a second: the busiest of as many clients as there is room for.
fn busiest(criterion: &mut Criterion) {
    let mut scene = Scene::new();
    let route = Arc::clone(&scene.route);
    let mut at = Timestamp(1_700_000_000_000_000_000);
    for account in 0..64 {
        for client in 0..20_000 {
            at = at + Duration::from_micros(100);
            let object = (client * 64 + account).to_string();
            let objects = std::iter::once(object.as_str()).collect();
            let clients = Clients::new(address(client), &[]);
            scene.observe(&observation(at, clients, &route, objects));
        }
    }
    criterion.benchmark_group("detection").bench_function("the busiest", |bencher| {
        bencher.iter(|| black_box(scene.detector.busiest(at, 50)));
    });
}

/// A client of many, and one of its own accounts.
fn ordinary(random: &mut u64, with_credential: bool) -> (IpAddr, Option<u64>, u64) {
    // xorshift64* (Vigna 2016)
    *random ^= *random >> 12;
    *random ^= *random << 25;
    *random ^= *random >> 27;
    let drawn = random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
    let share = drawn as f64 / (1_u64 << 32) as f64;
    let client = (share.powi(3) * CLIENTS as f64) as u64;
    (address(client), with_credential.then_some(client), client * OWN + drawn % OWN)
}

fn address(number: u64) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000_u32.wrapping_add(number as u32)))
}

/// An observation, but for what all have in common.
fn observation(at: Timestamp, clients: Clients, route: &Arc<str>, objects: Objects) -> Observation {
    let mut observation = Observation::new(at, clients, Arc::clone(route), objects);
    observation.outcome =
        Outcome { status: Some(200), has_data: true, read: Read::Data, response_bytes: 900 };
    observation
}

/// Measures calls of who `next` says: an address, a credential, an account.
fn measure(
    criterion: &mut Criterion,
    name: &str,
    mut next: impl FnMut(&mut u64) -> (IpAddr, Option<u64>, u64),
) {
    let mut random = 0x9e37_79b9_7f4a_7c15;
    let mut at = Timestamp(1_700_000_000_000_000_000);
    let mut scene = Scene::new();
    let route = Arc::clone(&scene.route);
    let mut batch = || -> Vec<Observation> {
        let made = (0..BATCH).map(|_| {
            at = at + Duration::from_millis(1);
            let (address, credential, account) = next(&mut random);
            let credential = credential.map(|number| Credential {
                kind: CredentialKind::Bearer,
                hash: (u128::from(number) << 64 | u128::from(number)).to_be_bytes(),
            });
            let clients = Clients::new(address, credential.as_slice());
            observation(at, clients, &route, std::iter::once(account.to_string().as_str()).collect())
        });
        made.collect()
    };
    for _ in 0..WARM {
        batch().iter().for_each(|made| scene.observe(made));
    }
    let mut group = criterion.benchmark_group("detection");
    group.throughput(Throughput::Elements(BATCH as u64)).bench_function(name, |bencher| {
        bencher.iter_batched(
            &mut batch,
            |batch| {
                batch.iter().for_each(|made| scene.observe(black_box(made)));
                batch
            },
            BatchSize::LargeInput,
        );
    });
}

/// The detector, with its defaults.
struct Scene {
    detector: Detector,
    route: Arc<str>,
    findings: Vec<Finding>,
}

impl Scene {
    fn new() -> Scene {
        Scene {
            detector: Detector::new(DetectorSettings::default(), HashKey::new([7; 16])),
            route: Arc::from("GET /v1/customers/{id}"),
            findings: Vec::new(),
        }
    }

    fn observe(&mut self, observation: &Observation) {
        self.detector.observe(observation, &mut self.findings);
        self.findings.clear();
    }
}
