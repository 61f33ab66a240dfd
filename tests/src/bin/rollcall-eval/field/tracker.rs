//! A tracker of issues whose pages show a picture of everybody who wrote in them, told by parameters. As an access log has it: of
//! what type an answer is is not known.

use super::{Caller, Day};

const PEOPLE: u64 = 100;

pub(super) fn day(day: &mut Day) {
    for person in 0..PEOPLE {
        if !day.random.chance(0.8) {
            continue;
        }
        let caller = Caller::regular(person, &mut day.random);
        let mut at = day.awake();
        for _ in 0..day.random.between(3, 20) {
            let issue = day.random.between(4_000, 5_000);
            day.get(at, caller, &format!("/browse/WEB-{issue}"), (200, "", 90_000));
            for _ in 0..day.random.between(0, 16) {
                let owner = day.random.between(10_000, 10_000 + PEOPLE);
                let target = format!("/secure/useravatar?size=small&ownerId={owner}&avatarId={}", owner + 7);
                day.get(at + 0.6, caller, &target, (200, "", 3_000));
            }
            at += day.random.exponential(300.0);
        }
    }
}
