//! Moments in UTC, as people read them.

use std::time::{SystemTime, UNIX_EPOCH};

/// A moment of the Gregorian calendar in UTC, to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// The year, as 2026.
    pub(crate) year: u64,
    /// The month, 1 to 12.
    pub(crate) month: u64,
    /// The day of the month, 1 to 31.
    pub(crate) day: u64,
    /// The hour, 0 to 23.
    pub(crate) hour: u64,
    /// The minute, 0 to 59.
    pub(crate) minute: u64,
    /// The second, 0 to 59.
    pub(crate) second: u64,
}

impl Moment {
    /// The moment so many seconds after 1970-01-01T00:00:00Z. The year is thought to begin in
    /// March, so that the leap day is its last (Howard Hinnant, "chrono-compatible low-level date
    /// algorithms").
    pub(crate) fn of_unix(seconds: u64) -> Self {
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        Self {
            year: year_of_era + era * 400 + u64::from(month <= 2),
            month,
            day: day_of_year - (153 * from_march + 2) / 5 + 1,
            hour: second / 3600,
            minute: second / 60 % 60,
            second: second % 60,
        }
    }

    /// As RFC 3339 writes it: `2026-11-20T15:31:36Z`.
    pub(crate) fn rfc3339(self) -> String {
        let Self { year, month, day, hour, minute, second } = self;
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// Now, in seconds since 1970.
pub(crate) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Seconds since 1970 as HTTP writes a moment (RFC 9110, section 5.6.7):
/// `Fri, 20 Nov 2026 15:31:36 GMT`.
pub(crate) fn http_date(unix: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let named = |names: &'static [&str], index: u64| {
        usize::try_from(index).ok().and_then(|index| names.get(index)).copied().unwrap_or_default()
    };
    let Moment { year, month, day, hour, minute, second } = Moment::of_unix(unix);
    let (weekday, month) = (named(&DAYS, unix / 86_400 % 7), named(&MONTHS, month - 1));
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

/// Seconds since 1970 of a moment as [`http_date`] writes it; `None` for anything else.
#[cfg(feature = "operations")]
pub(crate) fn parse_http_date(text: &str) -> Option<u64> {
    let words: Vec<_> = text.split(' ').collect();
    let [_, day, month, year, time, "GMT"] = *words.as_slice() else { return None };
    let (day, year): (u64, u64) = (day.parse().ok()?, year.parse().ok()?);
    if !(1970..=9999).contains(&year) || !(1..=31).contains(&day) {
        return None;
    }
    // Whose month is not known is refused by the last line.
    let month = u64::try_from("JanFebMarAprMayJunJulAugSepOctNovDec".find(month)?).ok()? / 3 + 1;
    let mut parts = time.split(':').map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    // The reverse of what `of_unix` does.
    let year_from_march = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year_from_march / 400, year_from_march % 400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    let unix = days * 86_400 + hour * 3600 + minute * 60 + second;
    (http_date(unix) == text).then_some(unix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        for (unix, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_700_000_000, "2023-11-14T22:13:20Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(Moment::of_unix(unix).rfc3339(), text);
        }
    }

    #[test]
    fn moments_of_http() {
        assert_eq!(http_date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(http_date(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
    }

    #[cfg(feature = "operations")]
    #[test]
    fn moments_of_http_are_read() {
        for unix in [0, 784_111_777, 951_782_399, 951_782_400, 1_700_000_000, 4_107_542_400] {
            assert_eq!(parse_http_date(&http_date(unix)), Some(unix));
        }
        for wrong in ["", "now", "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 31 Feb 1994 08:49:37 GMT"] {
            assert_eq!(parse_http_date(wrong), None, "{wrong}");
        }
    }
}
