//! Times on the wire: RFC 3339 in UTC with milliseconds, `2026-11-11T00:00:00.123Z`.
//!
//! Days and civil dates are converted by the arithmetic of Howard Hinnant, "chrono-Compatible Low-Level Date
//! Algorithms" (`days_from_civil`, `civil_from_days`): a year that begins in March has its leap day last, and
//! 400 years are 146,097 days. No table, no loop, no time zone.

/// Last time that four digits of a year can say.
pub const AT_MS_MAX: u64 = 253_402_300_799_999;

/// Bytes of a time on the wire.
const AT_BYTES: usize = 24;

const MS_A_DAY: u64 = 24 * 60 * 60 * 1000;
/// Days from 1 March of year 0 to 1 January 1970.
const DAYS_BEFORE_1970: u64 = 719_468;
/// Days of 400 years.
const DAYS_AN_ERA: u64 = 146_097;

/// Writes a time behind what `out` has. A later one than [`AT_MS_MAX`] is written as that.
pub fn encode(at_ms: u64, out: &mut Vec<u8>) {
    let at_ms = at_ms.min(AT_MS_MAX);
    let (year, month, day) = civil_from_days(at_ms / MS_A_DAY);
    let ms = at_ms % MS_A_DAY;
    let mut text: [u8; AT_BYTES] = *b"0000-00-00T00:00:00.000Z";
    let parts = [
        (year, 0..4),
        (month, 5..7),
        (day, 8..10),
        (ms / 3_600_000, 11..13),
        (ms / 60_000 % 60, 14..16),
        (ms / 1000 % 60, 17..19),
        (ms % 1000, 20..23),
    ];
    for (mut number, place) in parts {
        for digit in text[place].iter_mut().rev() {
            *digit += (number % 10) as u8;
            number /= 10;
        }
    }
    out.extend_from_slice(&text);
}

/// Reads what [`encode`] writes, and no other form.
pub fn decode(text: &str) -> Option<u64> {
    let bytes: &[u8; AT_BYTES] = text.as_bytes().try_into().ok()?;
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (23, b'Z')];
    if marks.iter().any(|&(at, mark)| bytes[at] != mark) {
        return None;
    }
    let number = |from: usize, to: usize| {
        bytes[from..to]
            .iter()
            .try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u64::from(byte - b'0')))
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second, ms) = (number(11, 13)?, number(14, 16)?, number(17, 19)?, number(20, 23)?);
    if year < 1970 || !(1..=12).contains(&month) || day == 0 || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days_from_civil(year, month, day);
    if civil_from_days(days) != (year, month, day) {
        return None;
    }
    Some(days * MS_A_DAY + ((hour * 60 + minute) * 60 + second) * 1000 + ms)
}

const fn civil_from_days(days_since_1970: u64) -> (u64, u64, u64) {
    let days = days_since_1970 + DAYS_BEFORE_1970;
    let era = days / DAYS_AN_ERA;
    let day_of_era = days % DAYS_AN_ERA;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + (month <= 2) as u64;
    (year, month, day)
}

const fn days_from_civil(year: u64, month: u64, day: u64) -> u64 {
    let year = year - (month <= 2) as u64;
    let era = year / 400;
    let year_of_era = year % 400;
    let month_from_march = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * DAYS_AN_ERA + day_of_era - DAYS_BEFORE_1970
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From GNU date: `date -u -d @SECONDS +%FT%T`.
    const KNOWN: &[(u64, &str)] = &[
        (0, "1970-01-01T00:00:00.000Z"),
        (951_782_399_999, "2000-02-28T23:59:59.999Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (951_868_800_000, "2000-03-01T00:00:00.000Z"),
        (1_794_355_200_123, "2026-11-11T00:00:00.123Z"),
        (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        (AT_MS_MAX, "9999-12-31T23:59:59.999Z"),
    ];

    #[test]
    fn known_times_are_written_and_read() {
        for &(at_ms, text) in KNOWN {
            let mut out = Vec::new();
            encode(at_ms, &mut out);
            assert_eq!(String::from_utf8(out).as_deref(), Ok(text));
            assert_eq!(decode(text), Some(at_ms), "{text}");
        }
    }

    #[test]
    fn every_day_for_600_years_follows_the_one_before() {
        for day in 0..600 * 366 {
            let (year, month, of_month) = civil_from_days(day);
            assert_eq!(days_from_civil(year, month, of_month), day);
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "2026-11-11T00:00:00Z",
            "2026-11-11T00:00:00.123",
            "2026-11-11 00:00:00.123Z",
            "2026-13-11T00:00:00.123Z",
            "2026-02-29T00:00:00.123Z",
            "2026-11-31T00:00:00.123Z",
            "2026-11-11T24:00:00.123Z",
            "2026-11-11T00:00:60.123Z",
            "1969-12-31T23:59:59.999Z",
            "+026-11-11T00:00:00.123Z",
        ] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
