use super::*;

/// Two hours of 200 clients that read, five times a second, and a new one each ten seconds.
fn settled() -> Scene {
    let mut scene = Scene::new();
    let mut dice = Dice::new(1);
    for second in 0..2 * HOUR {
        for fifth in 0..5 {
            scene.read(second as f64 + f64::from(fifth) / 5.0, dice.below(2_000));
        }
        if second < 20 || second % 10 == 0 {
            scene.key(second as f64 + 0.9, second, Lens::Address);
        }
    }
    assert!(scene.findings.is_empty(), "{:?}", scene.findings[0]);
    scene
}

#[test]
fn a_flood_of_clients_is_found() {
    let mut scene = settled();
    let found = (0..10_000).find(|&n| {
        scene.key(7_200.0 + n as f64 / 20.0, 1_000_000 + n, Lens::Credential);
        scene.begun(Rule::KeyFlood)
    });
    // 20 a second, of which 5 are no excess.
    assert!(found.is_some_and(|n| (2_600..2_800).contains(&n)), "{found:?}");
    let finding = scene.found(Rule::KeyFlood, Phase::Begins)[0];
    assert_eq!((finding.figures.addresses.len(), finding.sample_objects.len()), (10, 0));
    assert!(finding.figures.distinct >= finding.figures.limit.into() && finding.figures.distinct <= 2_800);
}

#[test]
fn as_many_clients_as_come_by_themselves_are_silent() {
    let mut scene = settled();
    for n in 0..20_000 {
        scene.key(7_200.0 + n as f64 / 5.0, 1_000_000 + n, Lens::Address);
    }
    assert!(scene.findings.is_empty());
}

#[test]
fn on_a_cold_start_all_clients_are_new() {
    let mut scene = Scene::new();
    for n in 0..50_000 {
        let time = n as f64 / 10.0;
        scene.read(time, n % 2_000);
        scene.key(time, n, Lens::Address);
    }
    assert!(scene.findings.is_empty());
}
