//! Simulations of crowds: small, seeded, in the time of their own.

mod first_touch;
mod flood;
mod hours;
mod state;
mod walks;

use rollcall_model::hash::HashKey;

use super::*;
use crate::Phase;

const S: u64 = 1_000_000_000;
const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

/// A budget that keeps tests quick.
const SMALL: usize = 3 << 20;

/// Xorshift64* (Vigna, 2016).
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    fn chance(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Poisson, by Knuth's method.
    fn poisson(&mut self, mean: f64) -> u64 {
        let (end, mut product, mut count) = ((-mean).exp(), self.chance(), 0);
        while product > end {
            product *= self.chance();
            count += 1;
        }
        count
    }

    fn shuffle(&mut self, numbers: &mut [u64]) {
        for end in (1..numbers.len()).rev() {
            numbers.swap(end, self.below(end as u64 + 1) as usize);
        }
    }
}

/// A crowd with its routes and the findings so far.
struct Scene {
    crowd: Crowd,
    findings: Vec<Finding>,
    route: Arc<str>,
    route_hash: u64,
}

impl Scene {
    fn new() -> Scene {
        Scene::within(SMALL)
    }

    fn within(budget: usize) -> Scene {
        let mut scene =
            Scene { crowd: Crowd::new(budget), findings: Vec::new(), route: "".into(), route_hash: 0 };
        scene.on(1);
        scene
    }

    /// Goes on with another route.
    fn on(&mut self, route: u64) {
        self.route = format!("GET /v{route}/customers/{{id}}").into();
        self.route_hash = hash(route);
    }

    /// A touch of a number at a time in seconds.
    fn walk(&mut self, seconds: f64, number: u64) -> Named {
        self.touch(seconds, number, Some(number), estimate::UNIT)
    }

    /// A touch of an object without a number.
    fn read(&mut self, seconds: f64, object: u64) -> Named {
        self.touch(seconds, object, None, estimate::UNIT)
    }

    /// A call of the route, from an address that `from` stands for.
    fn call<'a>(&self, seconds: f64, from: u64, route: &'a Arc<str>) -> Call<'a> {
        Call {
            at: at(seconds),
            route,
            route_hash: self.route_hash,
            address: IpAddr::from((from as u32).to_be_bytes()),
            is_walked: false,
            is_learning: false,
        }
    }

    /// What has become of the object.
    fn touch(&mut self, seconds: f64, object: u64, number: Option<u64>, weight: u32) -> Named {
        let route = Arc::clone(&self.route);
        let call = self.call(seconds, object, &route);
        let mut choice = Choice::new(HashKey::new([7; 16]));
        let objects: Objects = std::iter::once(object.to_string().as_str()).collect();
        choice.of(&objects, weight);
        choice.named[0].number = number;
        self.crowd.tick(call.at, &mut self.findings);
        self.crowd.touch(&call, &objects, &mut choice, &mut self.findings);
        choice.named[0]
    }

    /// An object is asked for and not got.
    fn miss(&mut self, seconds: f64, object: u64) {
        let route = Arc::clone(&self.route);
        let call = self.call(seconds, object, &route);
        let mut choice = Choice::new(HashKey::new([7; 16]));
        let objects: Objects = std::iter::once(object.to_string().as_str()).collect();
        choice.of(&objects, estimate::UNIT);
        self.crowd.tick(call.at, &mut self.findings);
        self.crowd.miss(&call, &objects, &mut choice, &mut self.findings);
    }

    /// Whether first touches mean something by now.
    fn is_mature(&self) -> bool {
        self.route().fresh.is_settled()
    }

    /// Whether the number is of an account that was made lately.
    fn is_frontier(&self, number: u64) -> bool {
        self.route().is_frontier(number, self.crowd.now)
    }

    fn route(&self) -> &Route {
        let slot = self.crowd.routes.find(self.route_hash).unwrap();
        self.crowd.routes.get(slot).unwrap()
    }

    fn key(&mut self, seconds: f64, key: u64, lens: Lens) {
        let route = Arc::clone(&self.route);
        let call = self.call(seconds, key, &route);
        self.crowd.new_key(&call, lens, &mut self.findings);
    }

    fn tick(&mut self, seconds: f64) {
        self.crowd.tick(at(seconds), &mut self.findings);
    }

    fn found(&self, rule: Rule, phase: Phase) -> Vec<&Finding> {
        self.findings.iter().filter(|finding| finding.rule == rule && finding.phase == phase).collect()
    }

    fn begun(&self, rule: Rule) -> bool {
        !self.found(rule, Phase::Begins).is_empty()
    }
}

/// A Monday at midnight, and so many seconds.
fn at(seconds: f64) -> Timestamp {
    Timestamp(1_735_516_800 * S + (seconds * S as f64) as u64)
}

fn hash(value: u64) -> u64 {
    Dice::new(value ^ 0x5bd1_e995).next()
}

/// The course of a day: from 1 at midnight to `peak` at noon.
fn daily(seconds: f64, peak: f64) -> f64 {
    1.0 + (peak - 1.0) * (1.0 - (seconds / DAY as f64 * std::f64::consts::TAU).cos()) / 2.0
}
