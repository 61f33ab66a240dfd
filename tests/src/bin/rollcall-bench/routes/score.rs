//! Precision and recall of routes and objects.
//!
//! Routes are judged by pairs of calls: precision is the share of pairs with one route that are of one operation,
//! recall the share of pairs of one operation that have one route. Pairs are counted from a contingency table.
//! Identifiers are judged one by one within each call.

use std::{collections::HashMap, ops::AddAssign, sync::Arc};

use rollcall_attribute::{object::Objects, route::OTHER};

use super::form::Told;

/// A ratio with its parts, so that totals can be taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) part: u64,
    pub(super) whole: u64,
}

/// What came of one API, or of several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Score {
    pub(super) operations: u64,
    pub(super) routes: u64,
    pub(super) pair_precision: Share,
    pub(super) pair_recall: Share,
    /// Operations whose calls share one route, alone.
    pub(super) exact: Share,
    pub(super) identifier_precision: Share,
    pub(super) identifier_recall: Share,
    /// The same for identifiers by what they are told by: form, number, nothing.
    pub(super) recall_by: [Share; 3],
    /// Calls with identifiers whose object is just these.
    pub(super) objects: Share,
    pub(super) other: Share,
}

/// Counts calls.
#[derive(Default)]
pub(super) struct Scorer {
    names: HashMap<Arc<str>, usize>,
    table: HashMap<(usize, usize), u64>,
    score: Score,
}

impl Share {
    pub(super) fn value(self) -> f64 {
        if self.whole == 0 { 1.0 } else { self.part as f64 / self.whole as f64 }
    }

    fn count(&mut self, part: bool) {
        self.part += u64::from(part);
        self.whole += 1;
    }
}

impl AddAssign for Share {
    fn add_assign(&mut self, other: Share) {
        self.part += other.part;
        self.whole += other.whole;
    }
}

impl AddAssign for Score {
    fn add_assign(&mut self, other: Score) {
        self.operations += other.operations;
        self.routes += other.routes;
        self.pair_precision += other.pair_precision;
        self.pair_recall += other.pair_recall;
        self.exact += other.exact;
        self.identifier_precision += other.identifier_precision;
        self.identifier_recall += other.identifier_recall;
        self.recall_by.iter_mut().zip(other.recall_by).for_each(|(mine, theirs)| *mine += theirs);
        self.objects += other.objects;
        self.other += other.other;
    }
}

impl Scorer {
    /// A call of `operation` got `route` and `found`; in truth its path has `identifiers`.
    pub(super) fn call(
        &mut self,
        operation: usize,
        identifiers: &[(String, Told)],
        route: &Arc<str>,
        found: &Objects,
    ) {
        let next = self.names.len();
        let route_number = *self.names.entry(Arc::clone(route)).or_insert(next);
        *self.table.entry((operation, route_number)).or_default() += 1;
        let score = &mut self.score;
        score.other.count(**route == *OTHER);
        // Case does not tell objects apart where Rollcall folds it.
        let mut found: Vec<String> =
            found.iter().flat_map(|object| object.split('/')).map(str::to_ascii_lowercase).collect();
        let truth: Vec<String> = identifiers.iter().map(|(one, _)| one.to_ascii_lowercase()).collect();
        if !truth.is_empty() {
            score.objects.count(truth == found);
        }
        score.identifier_precision.whole += found.len() as u64;
        for (one, (_, told)) in truth.iter().zip(identifiers) {
            let place = found.iter().position(|other| other == one);
            if let Some(place) = place {
                found.swap_remove(place);
                score.identifier_precision.part += 1;
            }
            score.identifier_recall.count(place.is_some());
            score.recall_by[*told as usize].count(place.is_some());
        }
    }

    /// The score of all of them.
    pub(super) fn score(self) -> Score {
        let mut score = self.score;
        let (mut by_operation, mut by_route) = (HashMap::new(), HashMap::new());
        let pairs = |calls: u64| calls * (calls - 1) / 2;
        let mut right = 0;
        for (&(operation, route), &calls) in &self.table {
            right += pairs(calls);
            *by_operation.entry(operation).or_insert(0) += calls;
            *by_route.entry(route).or_insert(0) += calls;
        }
        let all = |sums: &HashMap<usize, u64>| sums.values().map(|&calls| pairs(calls)).sum();
        score.pair_precision = Share { part: right, whole: all(&by_route) };
        score.pair_recall = Share { part: right, whole: all(&by_operation) };
        let is_exact = |(&(operation, route), &calls): (&(usize, usize), &u64)| {
            by_operation[&operation] == calls && by_route[&route] == calls
        };
        score.operations = by_operation.len() as u64;
        score.routes = by_route.len() as u64;
        let exact = self.table.iter().filter(|&entry| is_exact(entry)).count() as u64;
        score.exact = Share { part: exact, whole: score.operations };
        score
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_and_identifiers_are_counted() {
        let mut scorer = Scorer::default();
        let mut call = |operation, identifiers: &[&str], route: &str, found: &[&str]| {
            let told =
                |one: &&str| ((*one).to_owned(), if one.len() > 1 { Told::Form } else { Told::Number });
            let identifiers: Vec<_> = identifiers.iter().map(told).collect();
            scorer.call(operation, &identifiers, &route.into(), &found.iter().copied().collect());
        };
        // Operation 0 has routes a, a, b; operation 1 has b, b; operation 2 has c.
        call(0, &["x", "7"], "a", &["X/7"]);
        call(0, &["y", "7"], "a", &["7"]);
        call(0, &["z", "7"], "b", &["z/8"]);
        call(1, &[], "b", &["w"]);
        call(1, &[], "b", &[]);
        call(2, &["1"], "c", &["1"]);
        let score = scorer.score();
        assert_eq!((score.operations, score.routes), (3, 3));
        assert_eq!(score.pair_precision, Share { part: 2, whole: 4 });
        assert_eq!(score.pair_recall, Share { part: 2, whole: 4 });
        assert_eq!(score.exact, Share { part: 1, whole: 3 });
        assert_eq!(score.identifier_precision, Share { part: 5, whole: 7 });
        assert_eq!(score.identifier_recall, Share { part: 5, whole: 7 });
        assert_eq!(score.recall_by[Told::Number as usize], Share { part: 5, whole: 7 });
        assert_eq!(score.objects, Share { part: 2, whole: 4 });
    }
}
