//! What is usual on a route, learned over days.

use super::*;

const DAY: u64 = 86_400;

/// The first midnight after a scene's begin, in its seconds.
const MIDNIGHT: u64 = DAY - 1_000_000 % DAY;

/// Nobody is found meanwhile, but it may be asked about the route.
struct Days {
    scene: Scene,
    asked: bool,
}

impl Days {
    fn new() -> Days {
        Days { scene: Scene::with(settings(&[], &[], 16 << 20)), asked: false }
    }

    /// On each of these days, each client reads so many objects of its own, one in five minutes.
    fn pass(&mut self, days: std::ops::Range<u64>, crowds: &[(std::ops::Range<u32>, u64)]) {
        for day in days {
            let mut calls = Vec::new();
            for (clients, objects) in crowds {
                for client in clients.clone() {
                    let begin = MIDNIGHT + DAY * day + 60 + u64::from(client % 100);
                    calls.extend((0..*objects).map(|n| (begin + 280 * n, client, n)));
                }
            }
            calls.sort_unstable();
            for (second, client, n) in calls {
                self.read(second, client, &format!("{client}x{day}x{n}"));
            }
        }
    }

    fn read(&mut self, second: u64, client: u32, object: &str) {
        self.scene.call(second * S, client, object);
        self.asked |= self.scene.detector.is_question();
    }

    fn limits(&self) -> Vec<Option<u32>> {
        let norm = self.scene.detector.norm(&self.scene.route).unwrap();
        norm.windows.iter().map(|window| window.limit).collect()
    }
}

#[test]
fn where_all_read_their_own_the_ninth_object_is_told() {
    let mut days = Days::new();
    days.pass(0..3, &[(0..60, 1)]);
    assert!(days.scene.findings.is_empty() && !days.asked);
    (0..9).for_each(|n| days.read(MIDNIGHT + 3 * DAY + 40_000, 999, &n.to_string()));
    assert_eq!(days.scene.found(), [(Phase::Begins, 8, 9)]);
}

#[test]
fn the_fifth_page_of_a_list_is_told_where_clients_ask_for_three() {
    let mut days = Days::new();
    days.scene.route = "GET /v1/customers?page={page}".into();
    for day in 0..3 {
        for (client, page) in (0..60).flat_map(|client| [1, 2, 3].map(|page| (client, page))) {
            let second = MIDNIGHT + DAY * day + 10 * u64::from(client) + 5_000 * page;
            days.read(second, client, &format!("page={page}"));
        }
    }
    assert!(days.scene.findings.is_empty());
    (0..5).for_each(|n| days.read(MIDNIGHT + 3 * DAY + 40_000, 999, &format!("page={n}")));
    assert_eq!(days.scene.found(), [(Phase::Begins, 4, 5)]);
}

/// Staff on the customers' route, or who wants to pass for that: limits leave them room, and say so.
#[test]
fn one_who_reads_far_more_than_all_others_is_a_question() {
    let mut days = Days::new();
    days.pass(0..1, &[(0..60, 1), (60..61, 100)]);
    assert!(!days.asked, "nothing is known yet");
    days.pass(1..3, &[(0..60, 1), (60..61, 100)]);
    assert!(days.asked && days.scene.findings.is_empty(), "{:?}", days.scene.findings);
}

#[test]
fn no_limit_is_raised_in_silence() {
    let mut days = Days::new();
    days.pass(0..1, &[(0..60, 200)]);
    let usual = days.limits();
    days.pass(1..3, &[(0..60, 200)]);
    assert!(days.limits().last() > usual.last() && days.asked);
    assert!(days.scene.findings.is_empty(), "{:?}", days.scene.findings);
}

#[test]
fn many_who_come_near_a_limit_make_it_a_question_who_passes_it() {
    let mut days = Days::new();
    days.pass(0..1, &[(0..8, 290), (8..9, 305)]);
    assert!(days.asked && days.scene.findings.is_empty(), "{:?}", days.scene.findings);
    let mut days = Days::new();
    days.pass(0..1, &[(0..6, 290), (8..9, 305)]);
    assert!(!days.asked && days.scene.rules() == [Rule::DistinctObjects], "too few");
}

/// Each is far below every limit.
#[test]
fn more_clients_than_usual_that_read_a_few_are_found() {
    let mut days = Days::new();
    days.pass(0..3, &[(0..300, 1), (300..310, 5)]);
    assert!(days.scene.findings.is_empty());
    days.pass(3..4, &[(0..300, 1), (1_000..1_060, 5)]);
    let found = days.scene.found_by(Rule::ManyReaders);
    assert_eq!(found, [(Phase::Begins, 47, 48)]);
    assert!(days.scene.findings.iter().all(|finding| finding.client.is_none()));
}

#[test]
fn more_clients_that_read_as_ever_are_no_news() {
    let mut days = Days::new();
    days.pass(0..3, &[(0..300, 1), (300..340, 5)]);
    days.pass(3..4, &[(0..1_500, 1), (1_500..1_700, 5)]);
    assert_eq!(days.scene.found_by(Rule::ManyReaders), []);
}
