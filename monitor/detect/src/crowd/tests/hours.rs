use super::*;

/// Days of a route with `usual` objects an hour at noon, a fifth of that at midnight.
fn days(scene: &mut Scene, days: std::ops::Range<u64>, usual: f64) {
    for hour in days.start * 24..days.end * 24 {
        let count = (daily((hour * HOUR) as f64, 5.0) / 5.0 * usual) as u64;
        for n in 0..count {
            let time = (hour * HOUR) as f64 + n as f64 * 3_600.0 / count as f64;
            scene.read(time, n * 17 % 2_000);
        }
    }
}

/// So many objects in the hour after that; those that it takes until it is found.
fn burst(scene: &mut Scene, hour: u64, count: u64) -> Option<u64> {
    (0..count).find(|&n| {
        scene.read((hour * HOUR) as f64 + n as f64 * 3_500.0 / count as f64, 10_000 + n);
        scene.begun(Rule::RouteDistinct)
    })
}

#[test]
fn an_hour_beyond_three_times_its_usual_is_found() {
    let mut scene = Scene::new();
    days(&mut scene, 0..9, 600.0);
    assert!(!scene.begun(Rule::RouteDistinct));
    // At midnight 120 are usual, 146 an hour later.
    let found = burst(&mut scene, 9 * 24, 3_000).unwrap();
    assert!((550..=950).contains(&found), "{found}");
    let finding = scene.found(Rule::RouteDistinct, Phase::Begins)[0];
    assert_eq!(finding.window.as_secs(), 3_600);
    assert!(
        (600..=800).contains(&finding.figures.limit)
            && finding.figures.distinct > finding.figures.limit.into()
    );
    let error = finding.figures.distinct as f64 * 0.065;
    assert!((finding.figures.distinct_error as f64 - error).abs() <= 1.0);
    assert_eq!(finding.figures.requests, found + 1);
}

#[test]
fn the_same_at_noon_is_not() {
    let mut scene = Scene::new();
    days(&mut scene, 0..9, 600.0);
    days(&mut scene, 9..10, 600.0);
    assert_eq!(burst(&mut scene, 10 * 24 + 12, 1_500), None);
}

#[test]
fn there_is_no_alarm_in_the_first_week_and_one_in_the_second() {
    let mut scene = Scene::new();
    days(&mut scene, 0..6, 300.0);
    assert_eq!(burst(&mut scene, 6 * 24, 5_000), None);
    let mut scene = Scene::new();
    days(&mut scene, 0..7, 300.0);
    assert!(!scene.begun(Rule::RouteDistinct));
    assert!(burst(&mut scene, 7 * 24, 5_000).is_some());
}

#[test]
fn a_walk_of_each_week_is_found_more_than_once() {
    let mut scene = Scene::new();
    days(&mut scene, 0..8, 300.0);
    let mut times = 0;
    for week in 0..2 {
        let day = 8 + 7 * week;
        scene.findings.clear();
        times += u32::from(burst(&mut scene, day * 24, 4_000).is_some());
        days(&mut scene, day + 1..day + 7, 300.0);
    }
    assert_eq!(times, 2);
}
