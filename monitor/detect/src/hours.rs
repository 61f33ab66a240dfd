//! Hours of the day, in UTC.

use std::{fmt, str::FromStr};

use rollcall_model::time::Timestamp;

const MINUTES: u16 = 24 * 60;

/// From one minute of the day up to another, around midnight if that is earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hours {
    from: u16,
    to: u16,
}

impl Hours {
    /// Whether the moment lies within.
    pub fn contain(self, time: Timestamp) -> bool {
        let minute = (time.0 / 60_000_000_000 % u64::from(MINUTES)) as u16;
        if self.from < self.to {
            (self.from..self.to).contains(&minute)
        } else {
            minute >= self.from || minute < self.to
        }
    }
}

impl FromStr for Hours {
    type Err = ();

    /// `HH:MM-HH:MM`; not twice the same.
    fn from_str(text: &str) -> Result<Hours, ()> {
        let minute = |text: &str| {
            let (hours, minutes) = text.trim().split_once(':')?;
            let number = |text: &str, most: u16| {
                let digits = matches!(text.len(), 1..=2) && text.bytes().all(|byte| byte.is_ascii_digit());
                text.parse::<u16>().ok().filter(|&number| digits && number < most)
            };
            Some(number(hours, 24)? * 60 + number(minutes, 60)?)
        };
        let (from, to) = text.split_once('-').ok_or(())?;
        match (minute(from), minute(to)) {
            (Some(from), Some(to)) if from != to => Ok(Hours { from, to }),
            _ => Err(()),
        }
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Hours { from, to } = *self;
        write!(f, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_may_go_around_midnight() {
        let contain = |hours: &str, minute: u64| {
            let hours: Hours = hours.parse().unwrap();
            hours.contain(Timestamp((20_000 * 24 * 60 + minute) * 60_000_000_000))
        };
        assert!(contain("02:00-04:30", 120) && contain("2:0-4:30", 269));
        assert!(!contain("02:00-04:30", 119) && !contain("02:00-04:30", 270));
        assert!(contain("22:00-06:00", 1439) && contain("22:00-06:00", 0) && contain("22:00-06:00", 359));
        assert!(!contain("22:00-06:00", 360) && !contain("22:00-06:00", 1319));
        assert_eq!("2:0-4:30".parse::<Hours>().unwrap().to_string(), "02:00-04:30");
    }

    #[test]
    fn other_text_is_refused() {
        for text in
            ["", "2-4", "02:00", "02:00-24:00", "02:60-03:00", "02:00-02:00", "+2:00-03:00", "002:00-3:00"]
        {
            assert_eq!(text.parse::<Hours>(), Err(()), "{text}");
        }
    }
}
