//! Replays ordinary traffic, with an attack in it or without, through the engine.

use std::time::Duration;

use rollcall_model::time::Timestamp;

use crate::{
    attack::{Attack, Strike},
    call::Call,
    engine::{Engine, Raised},
    outcome::Caught,
    score::Watch,
};

/// How far the source's clock is set back.
const SET_BACK: Duration = Duration::from_secs(3_600);

/// An attack that has read so many accounts is given up: whatever came later would be too late.
pub(crate) const ENOUGH: u64 = 100_000;

/// What became of an attack.
pub(crate) struct End {
    pub(crate) caught: Option<Caught>,
    pub(crate) read: u64,
}

/// Replays `traffic` with `attack` in it until the attack is caught, or has [`ENOUGH`], or `until`.
pub(crate) fn attacked(
    engine: &mut Engine,
    traffic: &mut impl Iterator<Item = Call>,
    attack: Attack,
    until: Timestamp,
) -> End {
    let mut watch = Watch::default();
    let mut raised = Vec::new();
    let mut traffic = traffic.peekable();
    let mut set_back = false;
    for Strike { mut call, accounts, clock_back } in attack {
        let at = call.at;
        if at >= until || watch.accounts() >= ENOUGH {
            break;
        }
        while let Some(mut ordinary) = traffic.next_if(|ordinary| ordinary.at <= at) {
            let now = ordinary.at;
            ordinary.at = shown(now, set_back);
            engine.exchange(&ordinary, &mut raised);
            // Rules about everybody may speak up at any call.
            if let Some(caught) = caught(&watch, now, &mut raised) {
                return End { read: watch.accounts(), caught: Some(caught) };
            }
        }
        set_back |= clock_back;
        call.at = shown(at, set_back);
        let seen = engine.exchange(&call, &mut raised);
        watch.strike(at, &seen, &accounts);
        if let Some(caught) = caught(&watch, at, &mut raised) {
            return End { read: watch.accounts(), caught: Some(caught) };
        }
    }
    End { caught: None, read: watch.accounts() }
}

fn caught(watch: &Watch, now: Timestamp, raised: &mut Vec<Raised>) -> Option<Caught> {
    if raised.is_empty() {
        return None;
    }
    let caught = watch.caught(now, raised);
    raised.clear();
    caught
}

fn shown(at: Timestamp, set_back: bool) -> Timestamp {
    if set_back { at - SET_BACK } else { at }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        attack::SHAPES,
        ids::Ids,
        world::{WARM_UP, World},
    };

    fn run(name: &str, until: Duration) -> End {
        let shape = SHAPES.iter().find(|shape| shape.name == name).unwrap();
        let mut world = World::new(Ids::Sequential, 1);
        let start = WARM_UP + Duration::from_secs(60);
        attacked(&mut Engine::new(), &mut world, Attack::new(*shape, 1, start), start + until)
    }

    #[test]
    fn a_breach_is_caught_soon_after_it_begins_and_each_time_at_the_same_account() {
        let first = run("breach-sequential", Duration::from_secs(60));
        let caught = first.caught.unwrap();
        assert!((5..=60).contains(&caught.accounts), "{caught:?}");
        assert!(caught.delay_s < 10.0 && first.read == caught.accounts);
        assert_eq!(run("breach-sequential", Duration::from_secs(60)).caught.unwrap(), caught);
    }

    #[test]
    fn a_client_that_reads_one_account_an_hour_gets_to_the_end() {
        let end = run("hourly", Duration::from_secs(600));
        assert!(end.caught.is_none() && end.read == 1);
    }
}
