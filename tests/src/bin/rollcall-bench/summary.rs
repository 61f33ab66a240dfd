//! Medians, and how far to trust them.

use anyhow::{Result, ensure};
use rollcall_tests::random::Random;

/// The middle and the spread of some values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Summary {
    pub median: f64,
    /// A tenth of the values are smaller.
    pub p10: f64,
    /// A tenth of the values are larger.
    pub p90: f64,
}

impl Summary {
    pub(crate) fn of(values: &[f64]) -> Result<Summary> {
        ensure!(!values.is_empty(), "no values to summarise: the time was too short");
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |share| quantile(&sorted, share);
        Ok(Summary { median: at(0.5), p10: at(0.1), p90: at(0.9) })
    }
}

fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

/// Resamples for an interval: enough that its ends move in the fourth digit only.
const RESAMPLES: usize = 4000;

/// The 95 % bootstrap interval of the median of all values. Values of one group have something in common, such as
/// their connections, and are not independent; so groups are drawn first, and then values within each.
pub(crate) fn interval(groups: &[Vec<f64>]) -> (f64, f64) {
    let mut random = Random::default();
    let mut medians = Vec::with_capacity(RESAMPLES);
    let mut drawn = Vec::new();
    for _ in 0..RESAMPLES {
        drawn.clear();
        for _ in groups {
            let group = &groups[random.below(groups.len())];
            drawn.extend((0..group.len()).map(|_| group[random.below(group.len())]));
        }
        drawn.sort_by(f64::total_cmp);
        if !drawn.is_empty() {
            medians.push(quantile(&drawn, 0.5));
        }
    }
    medians.sort_by(f64::total_cmp);
    if medians.is_empty() {
        (f64::NAN, f64::NAN)
    } else {
        (quantile(&medians, 0.025), quantile(&medians, 0.975))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_values() {
        let summary = Summary::of(&[3.0, 1.0, 2.0, 5.0, 4.0]).unwrap();
        assert_eq!(summary.median, 3.0);
        assert!((summary.p10 - 1.4).abs() < 1e-9 && (summary.p90 - 4.6).abs() < 1e-9);
        assert!(Summary::of(&[]).is_err());
    }

    #[test]
    fn the_interval_holds_the_median_and_widens_with_the_spread_of_groups() {
        let mut random = Random::default();
        let mut values =
            |shift: f64| (0..20).map(|_| shift + random.below(1000) as f64 / 1e5).collect::<Vec<_>>();
        let alike: Vec<_> = (0..10).map(|_| values(1.0)).collect();
        let unlike: Vec<_> = (0..10).map(|group| values(1.0 + f64::from(group) / 100.0)).collect();
        let (low, high) = interval(&alike);
        assert!(low < 1.005 && high > 1.005, "{low} {high}");
        let (wide_low, wide_high) = interval(&unlike);
        assert!(wide_high - wide_low > 5.0 * (high - low));
    }
}
