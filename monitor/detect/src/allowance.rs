//! Allowances: what somebody has said is in order, within a budget and until a day. They come and go while a detector runs.
//!
//! For clients an allowance is what a partner has: a budget in the place of every limit, on some routes or on all. For
//! everybody on a route it is more room: no limit there is below it. Beyond it there are alerts as for anybody.

use std::{fmt, str::FromStr};

use rollcall_model::time::Timestamp;

use super::{Limit, PartnerKey};

/// What somebody has said is in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowance {
    pub id: AllowanceId,
    /// Who has it, each of them; none is everybody, on the routes.
    pub clients: Vec<PartnerKey>,
    /// Where it is, on each of them: with their services, or on whichever has one of that name; none is all, for the clients.
    pub routes: Vec<String>,
    /// What is in order. Where no objects are counted in a window of that length, in the next longer one; where there is none,
    /// nothing is.
    pub limit: Limit,
    pub until: Timestamp,
    /// Who has said so, and why.
    pub by: String,
    pub why: String,
}

/// What an allowance is called: `a7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct AllowanceId(pub u64);

/// From here on numbers are those of crawlers that are verified, which nobody has allowed one by one.
const CRAWLERS: u64 = 1 << 63;

impl AllowanceId {
    /// That of one of the crawlers that are verified now.
    pub fn of_crawler(number: u64) -> AllowanceId {
        AllowanceId(CRAWLERS.saturating_add(number))
    }

    /// Whether somebody has said so, and it is known by its number.
    pub fn was_said(self) -> bool {
        self.0 < CRAWLERS
    }
}

impl fmt::Display for AllowanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 >= CRAWLERS { f.write_str("crawler") } else { write!(f, "a{}", self.0) }
    }
}

impl FromStr for AllowanceId {
    type Err = ();

    fn from_str(text: &str) -> Result<AllowanceId, ()> {
        let digits = text.strip_prefix(['a', 'A']).ok_or(())?;
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse().ok().filter(|&number| is_number && number < CRAWLERS).map(AllowanceId).ok_or(())
    }
}
