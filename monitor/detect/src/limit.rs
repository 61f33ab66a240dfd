//! Limits: how many distinct objects a client may touch in how much time.

use std::{fmt, str::FromStr, time::Duration};

use super::hours::Hours;

/// Limits that can be in force at once: a pair keeps a place in its list of objects for each.
pub const MAX_LIMITS: usize = 8;

/// The longest window: objects are remembered for that long.
const LONGEST: Duration = Duration::from_secs(31 * 86_400);

/// More than `distinct` objects within `window` are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limit {
    /// The most that is still in order.
    pub distinct: u32,
    /// The window that slides.
    pub window: Duration,
}

/// A limit with whom and when it applies to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LimitRule {
    /// The route, of every service or with its own before it, or a service; `None` for all.
    pub route: Option<String>,
    pub limit: Limit,
    /// `None` for all.
    pub hours: Option<Hours>,
}

/// What a number that people like to read and to set begins with, from ten on.
const BEGINNINGS: [u64; 10] = [10, 12, 15, 20, 25, 30, 40, 50, 60, 80];

/// The number, rounded up to one that people like.
pub fn round_up(number: u64) -> u64 {
    if number <= 10 {
        return number;
    }
    let mut unit = 1_u64;
    loop {
        let mut beginnings = BEGINNINGS.into_iter().map(|beginning| beginning.saturating_mul(unit));
        if let Some(round) = beginnings.find(|&round| round >= number) {
            return round;
        }
        unit = unit.saturating_mul(10);
    }
}

/// The limits in force, by window, shortest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits(Vec<Limit>);

/// Why limits can't be in force.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum LimitError {
    #[error("limit {0:?} is not N/WINDOW, like 30/60s or 100/1h")]
    Form(String),
    #[error("limit {limit:?}: {number:?} is not a number of objects from 1 to 4294967295")]
    Number { limit: String, number: String },
    #[error("limit {limit:?}: {window:?} is not a window; write a whole number and s, min, h or d, like 60s")]
    Window { limit: String, window: String },
    #[error("limit {0:?}: the window must be from 1 s to 31 d")]
    Range(String),
    #[error("limits {0} and {1} have the same window; keep one of them")]
    Twice(Limit, Limit),
    #[error("limits {0} and {1} have the same route, window and hours; keep one of them")]
    RuleTwice(LimitRule, LimitRule),
    #[error("{0} windows are too many; at most {MAX_LIMITS} can be in force")]
    TooMany(usize),
    #[error("limits for too many routes; at most 65535 can have their own")]
    TooManyRoutes,
    #[error("limit {limit:?}: {hours:?} are no hours; write them like 22:00-06:00, in UTC")]
    Hours { limit: String, hours: String },
    #[error("no limit given; detection needs at least one, like 30/60s")]
    None,
}

impl FromStr for Limit {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Limit, LimitError> {
        let limit = || text.to_owned();
        let (number, window) = text.split_once('/').ok_or_else(|| LimitError::Form(limit()))?;
        let (number, window) = (number.trim(), window.trim());
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let bad_number = || LimitError::Number { limit: limit(), number: number.to_owned() };
        let distinct = Some(number).filter(|number| digits(number)).and_then(|number| number.parse().ok());
        let distinct = distinct.filter(|&distinct| distinct > 0).ok_or_else(bad_number)?;

        let bad_window = || LimitError::Window { limit: limit(), window: window.to_owned() };
        let unit = window.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad_window)?;
        let (count, unit) = window.split_at(unit);
        let seconds = match unit.trim() {
            "s" | "sec" => 1,
            "m" | "min" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return Err(bad_window()),
        };
        if !digits(count) {
            return Err(bad_window());
        }
        let window = count.parse::<u64>().ok().and_then(|count| count.checked_mul(seconds));
        let window = window.map(Duration::from_secs).filter(|window| !window.is_zero() && *window <= LONGEST);
        Ok(Limit { distinct, window: window.ok_or_else(|| LimitError::Range(limit()))? })
    }
}

/// `[ROUTE=]N/WINDOW[@HH:MM-HH:MM]`
impl FromStr for LimitRule {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<LimitRule, LimitError> {
        let (route, limit) = match text.rsplit_once('=') {
            Some((route, limit)) => (Some(route.trim().to_owned()), limit),
            None => (None, text),
        };
        if route.as_ref().is_some_and(String::is_empty) {
            return Err(LimitError::Form(text.to_owned()));
        }
        let (limit, hours) = match limit.split_once('@') {
            Some((limit, hours)) => {
                let bad = || LimitError::Hours { limit: text.to_owned(), hours: hours.to_owned() };
                (limit, Some(hours.parse().map_err(|()| bad())?))
            }
            None => (limit, None),
        };
        Ok(LimitRule { route, limit: limit.parse()?, hours })
    }
}

/// As [`LimitRule::from_str`] reads it.
impl fmt::Display for LimitRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LimitRule { route, limit, hours } = self;
        if let Some(route) = route {
            write!(f, "{route}=")?;
        }
        limit.fmt(f)?;
        if let Some(hours) = hours {
            write!(f, "@{hours}")?;
        }
        Ok(())
    }
}

/// As [`Limit::from_str`] reads it, in the largest unit that divides the window.
impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.window.as_secs();
        let (unit, name) = [(86_400, "d"), (3_600, "h"), (60, "min")]
            .into_iter()
            .find(|(unit, _)| seconds >= *unit && seconds.is_multiple_of(*unit))
            .unwrap_or((1, "s"));
        write!(f, "{}/{}{name}", self.distinct, seconds / unit)
    }
}

impl Limits {
    /// Puts `limits` in force together.
    pub fn new(limits: impl IntoIterator<Item = Limit>) -> Result<Limits, LimitError> {
        let mut limits: Vec<Limit> = limits.into_iter().collect();
        limits.sort_by_key(|limit| (limit.window, limit.distinct));
        if let Some([a, b]) = limits.array_windows().find(|[a, b]| a.window == b.window) {
            return Err(LimitError::Twice(*a, *b));
        }
        match limits.len() {
            0 => Err(LimitError::None),
            1..=MAX_LIMITS => Ok(Limits(limits)),
            more => Err(LimitError::TooMany(more)),
        }
    }

    /// The limits by window, shortest first; never none.
    pub fn as_slice(&self) -> &[Limit] {
        &self.0
    }
}

/// 20/10 s, 30/60 s, 60/10 min, 100/1 h, 300/24 h: silent on the public logs that Rollcall is tested with.
impl Default for Limits {
    fn default() -> Limits {
        let limit = |(distinct, seconds)| Limit { distinct, window: Duration::from_secs(seconds) };
        Limits([(20, 10), (30, 60), (60, 600), (100, 3_600), (300, 86_400)].map(limit).to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_they_are_shown() {
        for (text, distinct, seconds, shown) in [
            ("30/60s", 30, 60, "30/1min"),
            ("20/10s", 20, 10, "20/10s"),
            ("60/10min", 60, 600, "60/10min"),
            ("60/10m", 60, 600, "60/10min"),
            ("100/1h", 100, 3_600, "100/1h"),
            ("300/24h", 300, 86_400, "300/1d"),
            (" 300 / 1 d ", 300, 86_400, "300/1d"),
        ] {
            let limit: Limit = text.parse().unwrap();
            assert_eq!(limit, Limit { distinct, window: Duration::from_secs(seconds) }, "{text}");
            assert_eq!(limit.to_string(), shown);
            assert_eq!(shown.parse(), Ok(limit));
        }
    }

    #[test]
    fn a_bad_limit_gives_one_clear_line() {
        for (text, message) in [
            ("30", "limit \"30\" is not N/WINDOW, like 30/60s or 100/1h"),
            ("", "limit \"\" is not N/WINDOW, like 30/60s or 100/1h"),
            ("x/60s", "limit \"x/60s\": \"x\" is not a number of objects from 1 to 4294967295"),
            ("0/60s", "limit \"0/60s\": \"0\" is not a number of objects from 1 to 4294967295"),
            ("-1/60s", "limit \"-1/60s\": \"-1\" is not a number of objects from 1 to 4294967295"),
            ("+1/60s", "limit \"+1/60s\": \"+1\" is not a number of objects from 1 to 4294967295"),
            (
                "30/60",
                "limit \"30/60\": \"60\" is not a window; write a whole number and s, min, h or d, like 60s",
            ),
            (
                "30/1.5h",
                "limit \"30/1.5h\": \"1.5h\" is not a window; write a whole number and s, min, h or d, like 60s",
            ),
            (
                "30/s",
                "limit \"30/s\": \"s\" is not a window; write a whole number and s, min, h or d, like 60s",
            ),
            ("30/0s", "limit \"30/0s\": the window must be from 1 s to 31 d"),
            (
                "30/99999999999999999999d",
                "limit \"30/99999999999999999999d\": the window must be from 1 s to 31 d",
            ),
            ("30/32d", "limit \"30/32d\": the window must be from 1 s to 31 d"),
        ] {
            assert_eq!(text.parse::<Limit>().unwrap_err().to_string(), message);
        }
        let limits = |texts: &[&str]| Limits::new(texts.iter().map(|text| text.parse().unwrap()));
        assert_eq!(
            limits(&["30/60s", "40/1min"]).unwrap_err().to_string(),
            "limits 30/1min and 40/1min have the same window; keep one of them"
        );
        assert_eq!(limits(&[]).unwrap_err(), LimitError::None);
        let many: Vec<String> = (1..=9).map(|n| format!("1/{n}s")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(
            limits(&many).unwrap_err().to_string(),
            "9 windows are too many; at most 8 can be in force"
        );
    }

    #[test]
    fn a_limit_may_be_for_a_route_and_for_some_hours() {
        for text in ["30/1min", "GET /v1/x/{id}=30/1min", "GET /x=5/1h@22:00-06:00", "5/10s@00:00-01:30"] {
            assert_eq!(text.parse::<LimitRule>().unwrap().to_string(), text);
        }
        for (text, message) in [
            ("=5/1h", "limit \"=5/1h\" is not N/WINDOW, like 30/60s or 100/1h"),
            ("GET /x=5", "limit \"5\" is not N/WINDOW, like 30/60s or 100/1h"),
            ("5/1h@22", "limit \"5/1h@22\": \"22\" are no hours; write them like 22:00-06:00, in UTC"),
        ] {
            assert_eq!(text.parse::<LimitRule>().unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn limits_stand_by_window() {
        let limits = Limits::new(["100/1h", "30/60s"].map(|text| text.parse().unwrap())).unwrap();
        assert_eq!(limits.as_slice()[0].distinct, 30);
        assert_eq!(Limits::new(Limits::default().0), Ok(Limits::default()));
    }
}
