//! Durations as version 5 writes them, which is Go's way: `1h30m`, `90s`, `1.5s`, `300ms`.

use std::time::Duration;

/// A text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no duration: write numbers with units h, m, s or ms, for example 1h30m or 90s")]
pub(crate) struct InvalidDuration(String);

/// The longest there is: a year. More is a typing error.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// Reads a duration that is more than nothing.
pub(crate) fn parse(text: &str) -> Result<Duration, InvalidDuration> {
    let invalid = || InvalidDuration(text.to_owned());
    let mut rest = text.trim();
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(invalid)?;
        let (number, tail) = rest.split_at_checked(digits).ok_or_else(invalid)?;
        let number: f64 = number.parse().map_err(|_| invalid())?;
        let end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at_checked(end).ok_or_else(invalid)?;
        seconds += number
            * match unit {
                "h" => 3600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 0.001,
                _ => return Err(invalid()),
            };
        rest = tail;
    }
    let duration = Duration::try_from_secs_f64(seconds).map_err(|_| invalid())?;
    if duration.is_zero() || duration > LONGEST { Err(invalid()) } else { Ok(duration) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, milliseconds) in [
            ("1h", 3_600_000),
            ("1h30m", 5_400_000),
            ("90s", 90_000),
            ("1.5s", 1500),
            ("1m5ms", 60_005),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "0s", "1", "h", "1d", "-1s", "1..2s", "1h x", "9999999h", "1e3s"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
