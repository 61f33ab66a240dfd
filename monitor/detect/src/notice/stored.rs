//! Notices as they are written down.

use std::borrow::Cow;

use hashbrown::HashTable;
use rollcall_model::{
    hash::HashKey,
    state::{Inconsistent, Names, check},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use super::{MOST, Noted, Notices, OPEN_OBJECTS, SWEEP, hash};

/// [`Notices`], written down.
#[derive(Debug, Serialize, Deserialize)]
pub struct Stored<'a> {
    noted: Vec<Cow<'a, Noted>>,
    suppressed: u64,
    next_sweep: Timestamp,
}

impl Notices {
    /// What is to be written down.
    pub fn checkpoint(&self) -> Stored<'_> {
        let mut noted: Vec<&Noted> = self.noted.iter().collect();
        noted.sort_by(|a, b| (a.rule, &a.route).cmp(&(b.rule, &b.route)));
        Stored {
            noted: noted.into_iter().map(Cow::Borrowed).collect(),
            suppressed: self.suppressed,
            next_sweep: self.next_sweep,
        }
    }

    /// Notices that go on from `stored` at `now`. Nothing was shown later than that, whatever the clock said then.
    pub fn restore(
        key: HashKey,
        stored: Stored<'_>,
        now: Timestamp,
        names: &mut Names,
    ) -> Result<Notices, Inconsistent> {
        let Stored { noted, suppressed, next_sweep } = stored;
        check(noted.len() <= MOST, "too much has been noted")?;
        let mut table = HashTable::with_capacity(noted.len());
        for noted in noted {
            let mut noted = noted.into_owned();
            check(noted.objects.len() <= OPEN_OBJECTS, "too many objects have been noted")?;
            noted.route = names.share(&noted.route);
            noted.last = noted.last.min(now);
            noted.hash = hash(key, noted.rule, &noted.route);
            let same = |other: &Noted| (other.rule, &other.route) == (noted.rule, &noted.route);
            check(table.find(noted.hash, same).is_none(), "a route has been noted twice")?;
            table.insert_unique(noted.hash, noted, |noted| noted.hash);
        }
        Ok(Notices { key, noted: table, suppressed, next_sweep: next_sweep.min(now + SWEEP) })
    }
}
