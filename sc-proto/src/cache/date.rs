//! Dates of HTTP, in all three forms (RFC 9110, section 5.6.7).

use super::Seconds;

const MONTHS: [&[u8; 3]; 12] = [
    b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec",
];

/// The moment that a field value names. `now` is for years of two digits.
pub(super) fn parse(value: &[u8], now: Seconds) -> Option<Seconds> {
    let words = value.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
    let mut fields = [&[][..]; 6];
    let mut count = 0;
    for word in words {
        *fields.get_mut(count)? = word;
        count += 1;
    }
    match (count, fields) {
        // Sun, 06 Nov 1994 08:49:37 GMT
        (6, [_, day, month, year, time, zone]) if is_gmt(zone) => {
            moment(number(year, 4)?, month, number(day, 2)?, time)
        }
        // Sunday, 06-Nov-94 08:49:37 GMT
        (4, [_, date, time, zone, ..]) if is_gmt(zone) => {
            let mut parts = date.split(|byte| *byte == b'-');
            let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
            if parts.next().is_some() {
                return None;
            }
            let year = full_year(number(year, 2)?, now);
            moment(year, month, number(day, 2)?, time)
        }
        // Sun Nov  6 08:49:37 1994
        (5, [_, month, day, time, year, _]) => {
            moment(number(year, 4)?, month, number(day, day.len())?, time)
        }
        _ => None,
    }
}

fn is_gmt(zone: &[u8]) -> bool {
    zone == b"GMT" || zone == b"UTC"
}

/// A year of two digits that would be more than 50 years ahead lies in the past.
fn full_year(digits: u64, now: Seconds) -> u64 {
    let this_year = 1970 + now / 31_556_952;
    let year = this_year - this_year % 100 + digits;
    if year > this_year + 50 { year - 100 } else { year }
}

fn number(text: &[u8], digits: usize) -> Option<u64> {
    let fits = text.len() == digits && (1..=4).contains(&digits);
    fits.then(|| super::field::number(text)).flatten()
}

fn moment(year: u64, month: &[u8], day: u64, time: &[u8]) -> Option<Seconds> {
    let month = MONTHS.iter().zip(1..).find(|(name, _)| month.eq_ignore_ascii_case(&name[..]))?.1;
    let [h1, h2, b':', m1, m2, b':', s1, s2] = time else { return None };
    let (hour, minute) = (number(&[*h1, *h2], 2)?, number(&[*m1, *m2], 2)?);
    let second = number(&[*s1, *s2], 2)?;
    // 60: a leap second.
    if year < 1970 || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some(days_before(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second)
}

/// Days from 1970-01-01 to a date, by counting years from March on, so that a leap day is a
/// year's last.
fn days_before(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + day_of_year;
    // Those before 1970-03-01 began the count at year 0.
    days.saturating_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_three_forms_are_read() {
        const NOW: Seconds = 1_800_000_000;
        let at = |text: &str| parse(text.as_bytes(), NOW);
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(at(text), Some(784_111_777), "{text}");
        }
        assert_eq!(at("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(at("Thu, 29 Feb 2024 00:00:00 GMT"), Some(1_709_164_800));
        assert_eq!(at("Fri, 31 Dec 9999 23:59:59 GMT"), Some(253_402_300_799));
        assert_eq!(at("Sunday, 06-Nov-30 00:00:00 GMT"), Some(1_920_153_600));
        for bad in ["", "0", "-1", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 24:00:00 GMT"] {
            assert_eq!(at(bad), None, "{bad}");
        }
        assert_eq!(at("Sun, 6 Nov 1994 08:49:37 +0100"), None);
    }
}
