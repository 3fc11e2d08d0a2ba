//! Times in addresses: as the API tells them, as a day, or as milliseconds.

use codec::json::decode_time;

use super::{ApiError, error::wrong_query};

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// From when to when, in milliseconds since 1970: `from` counts, `until` does not.
pub(super) struct Span {
    pub from_ms: u64,
    pub until_ms: u64,
}

/// What `from` and `to` of an address mean. `to` as a day is the whole of it.
pub(super) fn span(from: Option<&str>, to: Option<&str>) -> Result<Span, ApiError> {
    let wrong = |field: &str| {
        wrong_query(&format!(
            "{field} must be a time such as 2026-11-11T08:30:00.000Z, a day such as 2026-11-11 (in UTC), or \
             milliseconds since 1970"
        ))
    };
    let from_ms = from.map_or(Some((0, 0)), instant).ok_or_else(|| wrong("from"))?.0;
    let (to_ms, length_ms) = to.map_or(Some((u64::MAX, 0)), instant).ok_or_else(|| wrong("to"))?;
    Ok(Span { from_ms, until_ms: to_ms.saturating_add(length_ms) })
}

/// When it begins and how long it lasts: a day is long, a moment is not.
fn instant(text: &str) -> Option<(u64, u64)> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some((text.parse().ok()?, 0));
    }
    if text.len() == "2026-11-11".len() {
        return Some((decode_time(&format!("{text}T00:00:00.000Z"))?, DAY_MS));
    }
    Some((decode_time(text)?, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_moment_a_day_or_milliseconds() {
        for (text, expected) in [
            ("1762819200000", Some((1_762_819_200_000, 0))),
            ("2025-11-11", Some((1_762_819_200_000, DAY_MS))),
            ("2025-11-11T00:00:00.001Z", Some((1_762_819_200_001, 0))),
            ("", None),
            ("yesterday", None),
            ("2025-13-01", None),
            ("99999999999999999999999", None),
        ] {
            assert_eq!(instant(text), expected, "{text}");
        }
    }
}
