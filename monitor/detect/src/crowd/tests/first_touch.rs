use super::*;

/// Two hours in which 2,000 objects are read, five a second, and a new one each second.
fn settled() -> (Scene, u64) {
    let mut scene = Scene::new();
    let mut dice = Dice::new(1);
    for second in 0..2 * HOUR {
        for fifth in 0..5 {
            scene.read(second as f64 + f64::from(fifth) / 5.0, dice.below(2_000));
        }
        scene.read(second as f64 + 0.9, 1_000_000 + second);
    }
    assert!(scene.findings.is_empty(), "{:?}", scene.findings[0]);
    (scene, 2 * HOUR)
}

/// Objects that an attack at `rate` touches before it is found, on top of new ones each second.
fn until_found(scene: &mut Scene, start: u64, rate: f64) -> u64 {
    for n in 0..10_000 {
        let time = start as f64 + n as f64 / rate;
        scene.read(time, 5_000_000 + n);
        if n % rate as u64 == 0 {
            scene.read(time, 2_000_000 + n);
        }
        if scene.begun(Rule::FirstTouch) {
            return n + 1;
        }
    }
    10_000
}

#[test]
fn ten_a_second_are_found_within_450_objects() {
    let (mut scene, start) = settled();
    let objects = until_found(&mut scene, start, 10.44);
    assert!((250..=450).contains(&objects), "{objects}");
    let found = scene.found(Rule::FirstTouch, Phase::Begins)[0];
    assert_eq!((found.client, &*found.route), (None, "GET /v1/customers/{id}"));
    assert!(
        found.figures.distinct >= found.figures.limit.into() && found.figures.distinct <= objects * 12 / 10
    );
    assert_eq!((found.figures.requests, found.figures.distinct_error), (found.figures.distinct, 0));
    assert_eq!((found.figures.addresses.len(), found.sample_objects.len()), (10, 10));
    assert!(found.figures.first_seen >= at(start as f64 - 20.0) && found.window.as_secs() < 60);
    assert_eq!(scene.crowd.counters().open, 1);
}

#[test]
fn it_grows_at_doublings_and_ends_when_quiet() {
    let (mut scene, start) = settled();
    let start = start as f64;
    for n in 0..20_000 {
        scene.read(start + n as f64 / 20.0, 5_000_000 + n);
    }
    let grown = scene.found(Rule::FirstTouch, Phase::Grows);
    let limit = scene.found(Rule::FirstTouch, Phase::Begins)[0].figures.limit;
    let sizes: Vec<u64> = grown.iter().map(|finding| finding.figures.distinct).collect();
    assert_eq!(sizes, (1..=sizes.len()).map(|n| u64::from(limit) << n).collect::<Vec<_>>());
    assert!(sizes.len() >= 5);
    for second in 1_000..1_295 {
        scene.tick(start + f64::from(second));
    }
    assert!(scene.found(Rule::FirstTouch, Phase::Ends).is_empty());
    (1_295..1_320).for_each(|second| scene.tick(start + f64::from(second)));
    let ends = scene.found(Rule::FirstTouch, Phase::Ends);
    assert!((19_000..20_100).contains(&ends[0].figures.distinct), "{}", ends[0].figures.distinct);
    assert_eq!(scene.crowd.counters().open, 0);
}

#[test]
fn benign_days_are_silent() {
    for seed in 0..10 {
        let mut dice = Dice::new(seed);
        let moment = |second: u64| Moment { at: at(second as f64), bucket: second / 10 };
        let mut cusum = cusum::Cusum::new(moment(0));
        for second in 0..7 * DAY {
            if second == HOUR {
                cusum.settle();
            }
            cusum.advance(moment(second), &FRESH, true);
            // Those of a second together, so that each is judged with no time to drain.
            for _ in 0..dice.poisson(daily(second as f64, 5.0)) {
                let standing = cusum.count(at(second as f64), estimate::UNIT, &FRESH);
                assert!(!standing.over, "seed {seed}, second {second}");
            }
        }
    }
}

#[test]
fn who_comes_up_slowly_comes_so_far() {
    let moment = |second: u64| Moment { at: at(second as f64), bucket: second / 10 };
    let mut cusum = cusum::Cusum::new(moment(0));
    // A week of one a second; then, over a day, forty more.
    let found = (0..8 * DAY).find(|&second| {
        if second == HOUR {
            cusum.settle();
        }
        cusum.advance(moment(second), &FRESH, true);
        let rate = 1 + 40 * second.saturating_sub(7 * DAY) / DAY;
        (0..rate).any(|_| cusum.count(at(second as f64), estimate::UNIT, &FRESH).over)
    });
    let rate = 40 * (found.unwrap() - 7 * DAY) / DAY;
    assert!((5..=25).contains(&rate), "{rate} a second");
}

#[test]
fn a_cold_start_is_silent() {
    let mut scene = Scene::new();
    let mut dice = Dice::new(2);
    let mut time = 0.0;
    let mut mature = false;
    // 20,000 customers, some far more active than others, from midnight to the evening.
    while time < 18.0 * 3_600.0 {
        let rate = daily(time, 5.0) * 1.5;
        time += -dice.chance().max(1e-12).ln() / rate;
        let skewed = dice.chance() * dice.chance();
        scene.read(time, (skewed * 20_000.0) as u64);
        mature = scene.is_mature();
    }
    assert!(mature);
    assert!(scene.findings.is_empty(), "{:?}", scene.findings[0]);
}

#[test]
fn a_flash_crowd_on_known_objects_is_silent() {
    let mut scene = Scene::new();
    for second in 0..2 * HOUR {
        for n in 0..4 {
            scene.read(second as f64, (second * 4 + n) % 10_000);
        }
    }
    scene.read(7_200.0, 1);
    assert!(scene.is_mature());
    for n in 0..10_000 {
        assert!(!scene.read(7_201.0 + n as f64 / 500.0, n * 7_919 % 10_000).is_first);
    }
    assert!(scene.findings.is_empty());
}

#[test]
fn what_is_always_new_never_settles() {
    let mut scene = Scene::new();
    for n in 0..40_000 {
        scene.read(n as f64 / 4.0, n);
        assert!(!scene.is_mature());
    }
    assert!(scene.findings.is_empty());
}

#[test]
fn a_restart_is_no_silence() {
    let (mut scene, start) = settled();
    let start = (start + 10 * HOUR) as f64;
    for n in 0..3_600 {
        scene.read(start + f64::from(n) / 1.9, 5_000_000 + u64::from(n as u32));
    }
    assert!(scene.findings.is_empty(), "twice the usual is no alarm, although the night lies between");
}

#[test]
fn samples_count_for_more_and_err() {
    let (mut scene, start) = settled();
    for n in 0..2_000 {
        scene.touch(start as f64 + n as f64 / 5.0, 5_000_000 + n, None, 4 * estimate::UNIT);
    }
    let found = scene.found(Rule::FirstTouch, Phase::Begins)[0];
    assert!(
        found.figures.distinct >= 1_000 && found.figures.requests < found.figures.distinct / 3,
        "{found:?}"
    );
    // Of n calls, each standing for 4, the variance is 12 n.
    let error = (found.figures.requests as f64 * 12.0).sqrt();
    assert!(
        (found.figures.distinct_error as f64 - error).abs() <= 20.0,
        "{} {error}",
        found.figures.distinct_error
    );
}

#[test]
fn guesses_are_found_whoever_makes_them() {
    let (mut scene, start) = settled();
    // All is refused for a while: of what is known, and again and again of what is not.
    for n in 0..10_000 {
        let time = start as f64 + n as f64 / 20.0;
        scene.miss(time, n % 2_000);
        scene.miss(time, 7_000_000 + n % 5);
    }
    assert!(!scene.begun(Rule::MissProbing));
    let start = start as f64 + 600.0;
    let guesses = (0..10_000).find(|&n| {
        scene.miss(start + n as f64 / 10.0, 9_000_000 + n);
        scene.begun(Rule::MissProbing)
    });
    assert!(guesses.is_some_and(|guesses| (250..=400).contains(&guesses)), "{guesses:?}");
}
