use proptest::prelude::*;

use super::*;

fn saved(crowd: &Crowd) -> Vec<u8> {
    postcard::to_allocvec(crowd).unwrap()
}

/// A day of everything: readers, sign-ups, walks, floods, routes that come and go.
fn event(scene: &mut Scene, dice: &mut Dice, n: u64) {
    let time = n as f64 * 4.0;
    scene.on(if dice.below(4) == 0 { 2 + dice.below(60) } else { 1 });
    match dice.below(8) {
        0 => _ = scene.walk(time, 400_000 + n),
        1 => _ = scene.walk(time, 1_000_000 + n / 100),
        2 => scene.key(time, n, if n.is_multiple_of(2) { Lens::Address } else { Lens::Credential }),
        3 => _ = scene.read(time, n),
        4 if n > 8_000 => (0..100).for_each(|k| _ = scene.read(time, n * 1_000 + k)),
        _ => _ = scene.walk(time, dice.below(3_000)),
    }
}

#[test]
fn a_restored_crowd_goes_on_as_if_nothing_had_been() {
    let budget = 6 * 16 * ROUTE_BYTES;
    let (mut one, mut dice) = (Scene::within(budget), Dice::new(5));
    for n in 0..12_000 {
        event(&mut one, &mut dice, n);
        if n % 1_500 == 0 {
            let mut other = Scene::within(budget);
            other.crowd = postcard::from_bytes(&saved(&one.crowd)).unwrap();
            other.findings = one.findings.clone();
            assert_eq!(saved(&other.crowd), saved(&one.crowd));
            let (mut here, mut there) = (Dice(dice.0), Dice(dice.0));
            let mut on = Scene::within(budget);
            on.crowd = postcard::from_bytes(&saved(&one.crowd)).unwrap();
            for k in n + 1..n + 200 {
                event(&mut on, &mut here, k);
                // And once more every few steps.
                if k % 16 == 0 {
                    other.crowd = postcard::from_bytes(&saved(&other.crowd)).unwrap();
                }
                event(&mut other, &mut there, k);
                assert_eq!(on.crowd.counters(), other.crowd.counters());
                assert!(other.findings.ends_with(&on.findings));
            }
            assert_eq!(saved(&on.crowd), saved(&other.crowd));
            one = other;
            dice = there;
        }
    }
    assert!(one.crowd.counters().route_evictions > 0 && !one.findings.is_empty());
}

#[test]
fn garbage_is_no_state() {
    let bytes = saved(&Scene::within(1 << 14).crowd);
    for end in 0..bytes.len() / 64 {
        assert!(postcard::from_bytes::<Crowd>(&bytes[..end * 64]).is_err());
    }
}

#[test]
fn routes_are_held_within_the_budget() {
    let crowd = Crowd::new(12 << 20);
    assert_eq!((crowd.routes.capacity(), Blocks::capacity((12 << 20) / 3)), (910, 174_760));
    let route = size_of::<Route>() + 64 + 168 * size_of::<f32>() + 256;
    assert!(route + 3 * 2_048 / 16 <= ROUTE_BYTES, "{route}");
    assert_eq!(size_of::<blocks::Block>(), 24);
}

#[test]
fn a_flood_of_routes_drives_out_its_like() {
    let mut scene = Scene::within(6 * 64 * ROUTE_BYTES);
    for n in 0..4_000 {
        scene.read(n as f64, n % 100);
    }
    for route in 2..3_000 {
        scene.on(route);
        scene.read(4_000.0, 1);
    }
    scene.on(1);
    scene.read(4_001.0, 5);
    assert!(scene.is_mature());
    let counters = scene.crowd.counters();
    assert_eq!((counters.routes, counters.route_evictions), (64, 2_999 - 64));
}

#[test]
fn two_rules_that_agree_tell_each_other() {
    let mut scene = Scene::new();
    let mut dice = Dice::new(1);
    for second in 0..2 * HOUR {
        (0..3).for_each(|_| _ = scene.walk(second as f64, dice.below(2_000) * 1_000));
    }
    (0..1_000).for_each(|n| _ = scene.walk(7_200.0 + n as f64 / 10.0, 1_500_001 + n));
    let second = scene.found(Rule::FirstTouch, Phase::Begins)[0];
    assert_eq!(second.signals, [Rule::BlockDensity]);
    let told = scene.found(Rule::BlockDensity, Phase::Grows);
    assert!(told.iter().any(|finding| finding.signals == [Rule::FirstTouch] && finding.at == second.at));
}

#[test]
fn time_may_stand_still_or_be_wild() {
    let mut scene = Scene::new();
    for n in 0..5_000 {
        scene.walk(0.0, n);
        scene.key(0.0, n, Lens::Address);
    }
    let begun = scene.found(Rule::BlockDensity, Phase::Begins).len();
    assert_eq!(begun, 1);
    let mut out = Vec::new();
    scene.crowd.tick(Timestamp(u64::MAX), &mut out);
    scene.crowd.tick(Timestamp(0), &mut out);
    scene.walk(1.0, 7);
    assert_eq!(out.len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_input_panics_and_nothing_exceeds_its_bound(
        events in prop::collection::vec(
            (any::<u64>(), prop_oneof![any::<u64>(), 0_u64..200, Just(u64::MAX)], 0_u64..40, any::<u32>(), 0_u8..4),
            0..400,
        ),
        budget in 0_usize..1 << 16,
    ) {
        let mut crowd = Crowd::new(budget);
        let mut choice = Choice::new(HashKey::new([7; 16]));
        let objects: Objects = std::iter::once("é7").collect();
        let mut out = Vec::new();
        for (time, number, route, weight, kind) in events {
            let name: Arc<str> = format!("/{route}").into();
            let address = IpAddr::from((number as u32).to_be_bytes());
            let at = Timestamp(if weight % 2 == 0 { time } else { number });
            let call = Call { at, route: &name, route_hash: hash(route), address, is_walked: false, is_learning: false };
            choice.of(&objects, weight);
            choice.named[0].number = Some(number);
            match kind {
                0 => crowd.tick(at, &mut out),
                1 => crowd.new_key(&call, Lens::Credential, &mut out),
                _ => crowd.touch(&call, &objects, &mut choice, &mut out),
            }
            crowd.look(hash(route), &mut choice.named);
        }
        let counters = crowd.counters();
        prop_assert!(counters.routes <= crowd.routes.capacity() as u64);
        prop_assert!(counters.blocks <= Blocks::capacity(budget / 3) as u64);
        prop_assert!(counters.open <= 192);
        let again: Crowd = postcard::from_bytes(&saved(&crowd)).unwrap();
        prop_assert_eq!(saved(&again), saved(&crowd));
    }
}
