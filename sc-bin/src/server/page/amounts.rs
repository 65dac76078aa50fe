//! Spans, moments and bytes as people read them.

use std::time::Duration;

use crate::calendar::Moment;

/// How long, in two units at most: `41 s`, `12 min 05 s`, `3 h 20 min`, `9 d 4 h`. The page's script
/// writes it the same way.
pub(super) fn span(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match () {
        () if days > 0 => format!("{days} d {} h", hours % 24),
        () if hours > 0 => format!("{hours} h {:02} min", minutes % 60),
        () if minutes > 0 => format!("{minutes} min {:02} s", seconds % 60),
        () => format!("{seconds} s"),
    }
}

/// A moment in UTC: `2026-11-21 08:15:00`.
pub(super) fn moment(unix: u64) -> String {
    machine_moment(unix).replace('T', " ").trim_end_matches('Z').to_owned()
}

/// The same for programs.
pub(super) fn machine_moment(unix: u64) -> String {
    Moment::of_unix(unix).rfc3339()
}

/// `512 B`, `1.5 KB`, `20 MB`: two digits that matter, by thousands.
pub(super) fn bytes(count: u64) -> String {
    let units = ["KB", "MB", "GB", "TB"];
    if count < 1000 {
        return format!("{count} B");
    }
    // A figure for people.
    #[allow(clippy::cast_precision_loss)]
    let mut amount = count as f64 / 1000.0;
    let mut unit = 0;
    while amount >= 999.5 && unit + 1 < units.len() {
        amount /= 1000.0;
        unit += 1;
    }
    match amount < 9.95 {
        true => format!("{amount:.1} {}", units[unit]),
        false => format!("{amount:.0} {}", units[unit]),
    }
}

/// Bytes a second.
pub(super) fn rate(bytes_a_second: u64) -> String {
    format!("{}/s", bytes(bytes_a_second))
}

/// A round trip, no finer than people can use: it shall not change all the time.
pub(super) fn round_trip(rtt: Duration) -> String {
    let millis = rtt.as_millis();
    match millis {
        0 => "<1 ms".to_owned(),
        1..100 => format!("{millis} ms"),
        _ => format!("{} ms", (millis + 5) / 10 * 10),
    }
}

/// `1 job`, `2 jobs`.
pub(super) fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units_at_most() {
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min 00 s"),
            (3599, "59 min 59 s"),
            (3600, "1 h 00 min"),
            (86_400 + 7200, "1 d 2 h"),
        ] {
            assert_eq!(span(seconds), text);
        }
    }

    #[test]
    fn bytes_have_the_digits_that_matter() {
        for (count, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 KB"),
            (9940, "9.9 KB"),
            (9960, "10 KB"),
            (999_400, "999 KB"),
            (999_600, "1.0 MB"),
            (12_345_678_901, "12 GB"),
        ] {
            assert_eq!(bytes(count), text);
        }
        assert_eq!(rate(1500), "1.5 KB/s");
    }

    #[test]
    fn round_trips_are_rough() {
        let of = |micros| round_trip(Duration::from_micros(micros));
        assert_eq!(
            [of(120), of(1999), of(34_000), of(123_000)],
            ["<1 ms", "1 ms", "34 ms", "120 ms"]
        );
    }

    #[test]
    fn moments_are_plain() {
        assert_eq!(moment(1_700_000_000), "2023-11-14 22:13:20");
        assert_eq!(machine_moment(1_700_000_000), "2023-11-14T22:13:20Z");
    }
}
