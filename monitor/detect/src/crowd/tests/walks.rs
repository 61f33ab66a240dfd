use super::*;

/// Three hours of readers on accounts 0 to `end`, one each two seconds, without an account made.
fn background(seed: u64, end: u64) -> Scene {
    let mut scene = Scene::new();
    let mut dice = Dice::new(seed);
    for second in 0..3 * HOUR / 2 {
        let number = dice.below(end);
        scene.walk(2.0 * second as f64, number);
    }
    assert!(!scene.begun(Rule::BlockDensity), "{:?}", scene.findings);
    scene
}

/// Numbers touched before a walk is found, of `numbers` a second apart.
fn until_found(scene: &mut Scene, start: f64, numbers: impl IntoIterator<Item = u64>) -> Option<usize> {
    numbers.into_iter().enumerate().find_map(|(n, number)| {
        scene.walk(start + n as f64, number);
        scene.begun(Rule::BlockDensity).then_some(n + 1)
    })
}

const START: f64 = 3.0 * 3_600.0;

#[test]
fn a_walk_is_found_within_60_accounts_wherever_it_starts() {
    for offset in 0..32 {
        let first = 500_000 + offset;
        let up = until_found(&mut background(3, 1_000_000), START, first..first + 200);
        assert!(up.is_some_and(|n| (50..=60).contains(&n)), "{up:?} from {offset}");
        if offset % 8 == 0 {
            let down = until_found(&mut background(3, 1_000_000), START, (first..first + 200).rev());
            assert!(down.is_some_and(|n| (50..=60).contains(&n)), "{down:?} down from {offset}");
        }
    }
}

#[test]
fn a_walk_alone_on_a_new_route_is_found() {
    assert!(until_found(&mut Scene::new(), 0.0, 1..200).is_some_and(|n| n <= 60));
}

#[test]
fn the_finding_tells_what_it_counted() {
    let mut scene = background(3, 1_000_000);
    (0..500).for_each(|n| _ = scene.walk(START + n as f64, 500_000 + n));
    let found = scene.found(Rule::BlockDensity, Phase::Begins)[0];
    assert_eq!((found.figures.distinct, found.figures.limit, found.window.as_secs()), (53, 53, 86_400));
    // A reader may have been in the blocks before.
    assert!(
        found.figures.first_seen <= at(START)
            && found.figures.last_seen == at(START + found.figures.requests as f64 - 1.0)
    );
    assert_eq!(found.sample_objects.len(), 10);
    assert_eq!(scene.found(Rule::BlockDensity, Phase::Grows)[0].figures.distinct, 106);
    scene.tick(START + 499.0 + 3_601.0);
    let ends = scene.found(Rule::BlockDensity, Phase::Ends)[0];
    assert!((493..=500).contains(&ends.figures.distinct), "{}", ends.figures.distinct);
}

#[test]
fn eight_walkers_far_apart_are_found() {
    for seed in 0..10 {
        let mut dice = Dice::new(100 + seed);
        let mut scene = background(seed, 1_000_000);
        let mut walkers: Vec<u64> = (0..8).map(|n| 100_000 * n + dice.below(1_000)).collect();
        let numbers = std::iter::repeat_with(|| {
            let walker = dice.below(8) as usize;
            walkers[walker] += 1;
            walkers[walker]
        });
        let found = until_found(&mut scene, START, numbers.take(2_000));
        assert!(found.is_some_and(|n| n <= 8 * 63), "{found:?}");
    }
}

#[test]
fn workers_on_one_queue_are_found() {
    // Four in flight, which end in any order.
    let mut dice = Dice::new(7);
    let mut scene = background(4, 1_000_000);
    let (mut next, mut flying) = (600_000, Vec::new());
    let numbers = std::iter::repeat_with(|| {
        while flying.len() < 4 {
            flying.push(next);
            next += 1;
        }
        flying.swap_remove(dice.below(4) as usize)
    });
    let found = until_found(&mut scene, START, numbers.take(2_000));
    assert!(found.is_some_and(|n| n <= 250), "{found:?}");
}

#[test]
fn strides_and_check_digits_are_found() {
    for stride in [2, 3, 7, 10, 11, 16] {
        let mut scene = background(5, 1_000_000);
        let found = until_found(&mut scene, START, (0..800).map(|n| 300_000 + n * stride));
        let most = (63 * 16 / stride).max(63) as usize;
        assert!(found.is_some_and(|n| n <= most + 16), "{found:?} with stride {stride}");
    }
    let mut scene = background(5, 1_000_000);
    let mut dice = Dice::new(5);
    let found = until_found(&mut scene, START, (0..400).map(|n| (30_000 + n) * 10 + dice.below(10)));
    assert!(found.is_some_and(|n| n <= 120), "{found:?} with check digits");
}

#[test]
fn an_id_space_that_is_dense_by_nature_is_silent() {
    for (seed, accounts) in [(1, 1_000), (2, 1_000), (3, 200), (4, 5_000), (5, 100), (6, 10_000)] {
        let mut dice = Dice::new(seed);
        let mut scene = Scene::new();
        for n in 0..30_000 {
            scene.walk(n as f64 * 2.0, dice.below(accounts));
        }
        assert!(!scene.begun(Rule::BlockDensity), "{accounts}: {:?}", scene.findings);
    }
}

#[test]
fn a_hot_region_of_a_large_space_is_silent() {
    let mut dice = Dice::new(9);
    let mut scene = Scene::new();
    for n in 0..30_000 {
        let number = if n % 2 == 0 { 900_000 + dice.below(2_000) } else { dice.below(1_000_000) };
        scene.walk(n as f64, number);
    }
    assert!(!scene.begun(Rule::BlockDensity), "{:?}", scene.findings);
}

#[test]
fn pages_that_read_their_neighbours_are_silent() {
    let mut dice = Dice::new(10);
    let mut scene = Scene::new();
    for page in 0..3_000 {
        let first = dice.below(20_000) * 20;
        for n in 0..20 {
            scene.walk(page as f64 * 20.0 + n as f64 / 10.0, first + n);
        }
    }
    assert!(!scene.begun(Rule::BlockDensity), "{:?}", scene.findings);
}

/// Hours of sign-ups, one each `every` seconds, from 1,000,000, among readers of old accounts.
fn signing_up(hours: u64, every: u64) -> Scene {
    let mut scene = Scene::new();
    let mut dice = Dice::new(11);
    for second in 0..hours * HOUR {
        scene.walk(second as f64, dice.below(1_000_000));
        if second % every == 0 {
            scene.walk(second as f64 + 0.5, 1_000_000 + second / every);
        }
    }
    scene
}

#[test]
fn new_accounts_are_silent_once_the_route_is_known() {
    // Sixty a day at first, then an hour of one each twenty seconds.
    let mut scene = signing_up(3, 200);
    let next = 1_000_000 + 3 * HOUR / 200;
    for n in 0..1_000 {
        scene.walk(START + n as f64 * 20.0, next + n);
        scene.walk(START + n as f64 * 20.0 + 1.0, next + n);
        assert!(scene.is_frontier(next + n));
    }
    assert!(!scene.begun(Rule::BlockDensity), "{:?}", scene.findings);
    assert!(!scene.is_frontier(500_000));
    assert!(!scene.is_frontier(u64::MAX));
    // A walk below is found all the same, and while it goes on, nothing is new.
    assert!(until_found(&mut scene, START + 21_000.0, 700_000..700_200).is_some_and(|n| n <= 60));
}

#[test]
fn one_gigantic_number_disables_nothing() {
    for gigantic in [u64::MAX, u64::MAX - 1, 1 << 63, 1 << 40] {
        let mut scene = background(6, 1_000_000);
        (0..100).for_each(|n| _ = scene.walk(START + n as f64 * 60.0, gigantic));
        let found = until_found(&mut scene, START + 6_000.0, 500_000..500_200);
        assert!(found.is_some_and(|n| n <= 60), "{found:?} after {gigantic}");
    }
    let mut scene = Scene::new();
    let found = until_found(&mut scene, 0.0, (0..200).map(|n| u64::MAX - n));
    assert!(found.is_some_and(|n| n <= 60), "{found:?} at the end of the numbers");
}

#[test]
fn a_flood_of_single_touches_does_not_hide_a_walk() {
    let mut scene = Scene::within(3 << 18);
    let mut dice = Dice::new(12);
    // The table has 10,922 blocks; each second 2,000 come.
    let found = (0..100).find(|&n| {
        for k in 0..1_000 {
            scene.walk(n as f64 + k as f64 / 1_000.0, dice.next() >> 8);
        }
        scene.walk(n as f64 + 1.0, 500_000 + n);
        scene.begun(Rule::BlockDensity)
    });
    assert!(found.is_some_and(|n| n < 60), "{found:?}");
    assert!(scene.crowd.counters().block_evictions > 90_000);
}

#[test]
fn what_looks_like_chance_is_not_found() {
    // Eight in flight that end in any order are found by blocks of 16 numbers each, in which they are in order again.
    let mut dice = Dice::new(7);
    let mut scene = background(4, 1_000_000);
    let (mut next, mut flying) = (600_000, Vec::new());
    let numbers = std::iter::repeat_with(|| {
        while flying.len() < 8 {
            flying.push(next);
            next += 1;
        }
        flying.swap_remove(dice.below(8) as usize)
    });
    let found = until_found(&mut scene, START, numbers.take(2_000));
    assert!(found.is_some_and(|n| n <= 1_100), "{found:?}");
    // A range in random order is left to the rule about first touches, and so is a stride beyond 21.
    let mut shuffled: Vec<u64> = (0..800).map(|n| 300_000 + n).collect();
    dice.shuffle(&mut shuffled);
    let mut scene = background(5, 1_000_000);
    assert_eq!(until_found(&mut scene, START, shuffled), None);
    let mut scene = background(5, 1_000_000);
    assert_eq!(until_found(&mut scene, START, (0..800).map(|n| 300_000 + n * 24)), None);
}
