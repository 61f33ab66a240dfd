use std::{collections::HashMap, net::IpAddr};

use proptest::prelude::*;
use rollcall_attribute::{client::Clients, object::Objects};

use super::*;
use crate::LimitRule;

const S: u64 = 1_000_000_000;

fn peaks(most_objects: usize) -> Peaks {
    let limits = ["1/10s", "1/1min", "1/10min"].map(|limit| limit.parse::<LimitRule>().unwrap());
    let policy = Policy::new(&limits, &["192.0.2.9=100/10s".parse().unwrap()]).unwrap();
    Peaks::new(policy, most_objects, HashKey::new([1; 16]))
}

fn observe(peaks: &mut Peaks, at: u64, client: u8, route: &str, object: u64, status: u16) {
    let address = IpAddr::from([192, 0, 2, client]);
    let objects: Objects = [object.to_string().as_str()].into_iter().collect();
    let clients = Clients::new(address, &[]);
    let mut observation = Observation::new(Timestamp(at * S), clients, route.into(), objects);
    observation.outcome.status = Some(status);
    peaks.observe(&observation);
}

fn distinct(peaks: &Peaks, route: &str) -> Vec<u32> {
    let routes = peaks.routes();
    let (_, peaks) = routes.iter().find(|(name, _)| ***name == *route).unwrap();
    peaks.iter().map(|peak| peak.distinct).collect()
}

#[test]
fn the_highest_of_all_clients_is_kept_with_who_and_when() {
    let mut peaks = peaks(MOST_OBJECTS);
    for n in 0..30 {
        observe(&mut peaks, 1000 + 5 * n, 1, "GET /a/{id}", n, 200);
        observe(&mut peaks, 1000 + 5 * n, 2, "GET /a/{id}", n % 8, 200);
        observe(&mut peaks, 1000 + 5 * n, 3, "GET /a/{id}", n, 404);
        observe(&mut peaks, 1000 + 5 * n, 3, "GET /b/{id}", 7, 200);
        // A partner.
        observe(&mut peaks, 1000, 9, "GET /a/{id}", n, 200);
    }
    assert_eq!(distinct(&peaks, "GET /a/{id}"), [2, 12, 30]);
    assert_eq!(distinct(&peaks, "GET /b/{id}"), [1, 1, 1]);
    let routes = peaks.routes();
    assert_eq!(routes.len(), 2);
    let longest = routes[0].1[2];
    assert_eq!(longest.client, Some(ClientKey::Peer("192.0.2.1".parse().unwrap())));
    assert_eq!(longest.at, Timestamp((1000 + 5 * 29) * S));
}

#[test]
fn what_finds_no_room_is_counted() {
    let mut full = peaks(10);
    (0..20).for_each(|n| observe(&mut full, 1000, 1, "GET /a/{id}", n, 200));
    assert_eq!((distinct(&full, "GET /a/{id}")[0], full.left_out()), (10, 10));
    // Room comes back with time.
    (0..10).for_each(|n| observe(&mut full, 5000, 1, "GET /a/{id}", n, 200));
    assert_eq!(full.left_out(), 10);

    let mut full = peaks(2);
    (0..4).for_each(|client| observe(&mut full, 1000, client, "GET /a/{id}", 1, 200));
    assert_eq!(full.left_out(), 2);
}

proptest! {
    #[test]
    fn counts_are_those_of_plain_counting(
        touches in prop::collection::vec((0u64..40, 0u64..12), 1..200),
    ) {
        let mut peaks = peaks(MOST_OBJECTS);
        let (mut at, mut history, mut expected) = (1000, Vec::new(), [0; 3]);
        for (gap, object) in touches {
            // Long pauses are rarer than bursts.
            at += gap.saturating_sub(20);
            history.push((at, object));
            observe(&mut peaks, at, 1, "r", object, 200);
            for (most, window) in expected.iter_mut().zip([10, 60, 600]) {
                let within: HashMap<_, _> =
                    history.iter().filter(|(then, _)| at - then < window).map(|(_, object)| (object, ())).collect();
                *most = (*most).max(within.len() as u32);
            }
            prop_assert_eq!(&distinct(&peaks, "r")[..], &expected[..]);
        }
    }
}
