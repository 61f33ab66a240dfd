//! Traffic made from an API's operations: some are called far more often than others, and so are some objects.

use std::net::{IpAddr, Ipv4Addr};

use rollcall_model::time::Timestamp;
use rollcall_replay::access_log::Call;
use rollcall_tests::random::Random;

use super::{
    form::Told,
    spec::{Operation, Piece, Spec},
};

/// A call, and the truth about it.
pub(super) struct Made {
    pub(super) call: Call,
    /// The operation by its number.
    pub(super) operation: usize,
    /// The identifiers in its path, in order.
    pub(super) identifiers: Vec<(String, Told)>,
}

const CLIENTS: usize = 200;
/// Out of a hundred calls, those that are for something that isn't there, and those that fail for other reasons.
const MISSING: usize = 5;
const FAILED: usize = 3;

/// Draws numbers of which the first are the most frequent: the nth comes with a weight of 1/nˢ.
struct Zipf(Vec<f64>);

impl Zipf {
    fn new(count: usize, s: f64) -> Zipf {
        let mut sum = 0.0;
        let weights = (1..=count).map(|n| {
            sum += (n as f64).powf(-s);
            sum
        });
        Zipf(weights.collect())
    }

    fn draw(&self, random: &mut Random) -> usize {
        let sum = self.0.last().copied().unwrap_or_default();
        let at = random.below(1 << 53) as f64 / (1_u64 << 53) as f64 * sum;
        self.0.partition_point(|&weight| weight <= at).min(self.0.len().saturating_sub(1))
    }
}

/// So many calls, the same on every run. Each operation is called at least once.
pub(super) fn make(spec: &Spec, count: usize) -> Vec<Made> {
    let mut random = Random::seeded(spec.operations.len() as u64);
    let mut by_rank: Vec<usize> = (0..spec.operations.len()).collect();
    random.shuffle(&mut by_rank);
    let (operations, clients) = (Zipf::new(by_rank.len(), 1.0), Zipf::new(CLIENTS, 0.8));
    let drawn = count.saturating_sub(by_rank.len());
    let mut order: Vec<usize> = by_rank.clone();
    order.extend((0..drawn).map(|_| by_rank[operations.draw(&mut random)]));
    random.shuffle(&mut order);
    let mut values = Values::default();
    let made = order.into_iter().enumerate().map(|(at, operation)| {
        let outcome = random.below(100);
        let status = match outcome {
            _ if outcome < MISSING => 404,
            _ if outcome < MISSING + FAILED => [400, 403, 429, 500][random.below(4)],
            _ => 200,
        };
        let client = clients.draw(&mut random) as u32;
        let (target, identifiers) = values.path(&spec.operations[operation], status == 404, &mut random);
        let at = Timestamp(1_700_000_000_000_000_000 + at as u64 * 10_000_000);
        let address = IpAddr::V4(Ipv4Addr::from_bits(0xf000_0000 | client));
        let method = spec.operations[operation].method.as_bytes();
        let mut call = Call::new(at, address, method, target.as_bytes());
        call.header(b"User-Agent", b"sdk/1.0");
        (call.status, call.response_bytes) = (Some(status), 500);
        Made { call, operation, identifiers }
    });
    made.collect()
}

/// How the values of parameters are drawn, by how many there are.
#[derive(Default)]
struct Values(Vec<(usize, Zipf)>);

impl Values {
    /// A path of the operation, and the identifiers in it. If it `misses`, they are of nobody.
    fn path(
        &mut self,
        operation: &Operation,
        misses: bool,
        random: &mut Random,
    ) -> (String, Vec<(String, Told)>) {
        let mut path = String::new();
        let mut identifiers = Vec::new();
        for piece in &operation.pieces {
            match piece {
                Piece::Text(text) => path.push_str(text),
                Piece::Parameter { name, form, is_object } => {
                    // The same parameter has the same values wherever it stands.
                    let seed =
                        name.bytes().fold(7, |seed: u64, byte| seed.wrapping_mul(31) + u64::from(byte));
                    let number = self.of(form.values()).draw(random);
                    let beyond = if misses && *is_object { form.values() + random.below(10_000) } else { 0 };
                    let value = form.value(number + beyond, seed);
                    path.push_str(&value);
                    if *is_object {
                        identifiers.push((value, form.told()));
                    }
                }
            }
        }
        (path, identifiers)
    }

    fn of(&mut self, count: usize) -> &Zipf {
        let at = self.0.iter().position(|(known, _)| *known == count).unwrap_or_else(|| {
            self.0.push((count, Zipf::new(count, 0.8)));
            self.0.len() - 1
        });
        &self.0[at].1
    }
}
