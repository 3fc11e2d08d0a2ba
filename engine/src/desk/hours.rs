//! Business hours: when a team is there, in its own time zone, with holidays. Pure: the time is an argument, and the
//! zones' tables are in the binary (jiff, with the tables of IANA), so that every machine says the same.

use jiff::{
    SignedDuration, Timestamp, Zoned,
    civil::{Date, Time, Weekday},
    tz::{TimeZone, TimeZoneDatabase},
};
use serde::{Deserialize, Serialize};

/// Most periods of a day, and most special days of a team.
pub const PERIODS_MAX: usize = 8;
/// Most special days of a team.
pub const SPECIAL_DAYS_MAX: usize = 400;
/// Days looked ahead for the next opening: beyond a long holiday.
const DAYS_AHEAD: i64 = 60;

/// Hours as they are written: days of the week, and days that are different.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoursText {
    /// The IANA name of a time zone: `Asia/Shanghai`.
    pub zone: String,
    /// Periods by day: `{"monday":["09:00-12:00","13:00-18:00"]}`. A day that is not there is closed. `24:00` ends a
    /// day; a night is the end of one day and the beginning of the next.
    pub week: std::collections::BTreeMap<String, Vec<String>>,
    /// Periods by date: `{"2026-10-01":[]}` is a holiday, `{"2026-11-11":["00:00-24:00"]}` a long day.
    #[serde(default)]
    pub special_days: std::collections::BTreeMap<String, Vec<String>>,
}

/// A period of a day, in minutes: from its first to before its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Period {
    from: u16,
    until: u16,
}

/// Hours that can be asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Hours {
    zone: TimeZone,
    /// From Monday.
    week: [Vec<Period>; 7],
    special_days: std::collections::BTreeMap<Date, Vec<Period>>,
}

/// Whether somebody is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// They are.
    Now,
    /// They are not.
    Later {
        /// When they will be, milliseconds since 1970; nothing: not within the next sixty days.
        opens_at_ms: Option<u64>,
    },
}

const DAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
    ("sunday", Weekday::Sunday),
];

impl Hours {
    /// Reads them; what is wrong is told in words.
    pub fn new(text: &HoursText) -> Result<Self, String> {
        let zone = TimeZoneDatabase::bundled().get(&text.zone);
        let zone = zone.map_err(|_| {
            format!("zone {:?} is no time zone; use a name of IANA such as Asia/Shanghai", text.zone)
        })?;
        let mut week: [Vec<Period>; 7] = Default::default();
        for (day, periods) in &text.week {
            let place = DAYS.iter().position(|(name, _)| name == day);
            let place = place.ok_or_else(|| format!("{day:?} is no day; use monday to sunday"))?;
            week[place] = day_periods(day, periods)?;
        }
        if text.special_days.len() > SPECIAL_DAYS_MAX {
            return Err(format!("special_days has more than {SPECIAL_DAYS_MAX} days"));
        }
        let mut special_days = std::collections::BTreeMap::new();
        for (day, periods) in &text.special_days {
            let date: Date = day.parse().map_err(|_| format!("{day:?} is no date; write 2026-10-01"))?;
            special_days.insert(date, day_periods(day, periods)?);
        }
        Ok(Self { zone, week, special_days })
    }

    /// Whether somebody is there at `unix_ms`, and when the next time is.
    pub fn at(&self, unix_ms: u64) -> Open {
        let Some(now) = self.zoned(unix_ms) else { return Open::Now };
        let minute = u16::from(now.hour().unsigned_abs()) * 60 + u16::from(now.minute().unsigned_abs());
        let today = now.date();
        if self.periods(today).iter().any(|period| (period.from..period.until).contains(&minute)) {
            return Open::Now;
        }
        let days =
            (0..DAYS_AHEAD).filter_map(|days| today.checked_add(SignedDuration::from_hours(24 * days)).ok());
        let opens_at_ms = days
            .flat_map(|day| self.periods(day).iter().map(move |period| (day, period.from)))
            .filter(|(day, from)| *day > today || *from > minute)
            .find_map(|(day, from)| self.instant(day, from));
        Open::Later { opens_at_ms }
    }

    fn zoned(&self, unix_ms: u64) -> Option<Zoned> {
        let time = Timestamp::from_millisecond(i64::try_from(unix_ms).ok()?).ok()?;
        Some(time.to_zoned(self.zone.clone()))
    }

    fn periods(&self, day: Date) -> &[Period] {
        let usual = || &self.week[usize::from(day.weekday().to_monday_zero_offset().unsigned_abs())];
        self.special_days.get(&day).unwrap_or_else(usual)
    }

    /// Where a clock change leaves out the minute, the next one that there is.
    fn instant(&self, day: Date, minute: u16) -> Option<u64> {
        let time = Time::new((minute / 60) as i8, (minute % 60) as i8, 0, 0).ok()?;
        let zoned = day.to_datetime(time).to_zoned(self.zone.clone()).ok()?;
        u64::try_from(zoned.timestamp().as_millisecond()).ok()
    }
}

fn day_periods(day: &str, texts: &[String]) -> Result<Vec<Period>, String> {
    if texts.len() > PERIODS_MAX {
        return Err(format!("{day} has more than {PERIODS_MAX} periods"));
    }
    let wrong = |text: &str| {
        format!("{day}: {text:?} is no period; write 09:00-18:00, in order, each behind the one before")
    };
    let mut periods: Vec<Period> = Vec::new();
    for text in texts {
        let parsed = text.split_once('-').and_then(|(from, until)| Some((minutes(from)?, minutes(until)?)));
        let (from, until) = parsed.ok_or_else(|| wrong(text))?;
        if from >= until || periods.last().is_some_and(|before| before.until > from) {
            return Err(wrong(text));
        }
        periods.push(Period { from, until });
    }
    Ok(periods)
}

/// Minutes since midnight of `09:30`.
fn minutes(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let is_two = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    let (hour, minute): (u16, u16) = if is_two(hour) && is_two(minute) {
        (hour.parse().ok()?, minute.parse().ok()?)
    } else {
        return None;
    };
    (minute < 60 && hour * 60 + minute <= 24 * 60).then_some(hour * 60 + minute)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shop() -> HoursText {
        serde_json::from_str(
            r#"{
                "zone": "Asia/Shanghai",
                "week": {
                    "monday": ["09:00-12:00", "13:00-18:00"], "tuesday": ["09:00-18:00"],
                    "wednesday": ["00:00-24:00"], "friday": ["22:00-24:00"], "saturday": ["00:00-02:00"]
                },
                "special_days": {"2026-10-05": [], "2026-10-04": ["10:00-11:00"]}
            }"#,
        )
        .expect("JSON")
    }

    /// Times as people in the zone say them.
    fn check(text: &HoursText, cases: &[(&str, Option<&str>)]) {
        let hours = Hours::new(text).expect("right");
        let ms = |time: &str| -> u64 {
            let zoned: Zoned = format!("{time}[{}]", text.zone).parse().expect("a time");
            zoned.timestamp().as_millisecond().try_into().expect("after 1970")
        };
        for (now, opens) in cases {
            let expected = match opens {
                Some("now") => Open::Now,
                opens => Open::Later { opens_at_ms: opens.map(ms) },
            };
            assert_eq!(hours.at(ms(now)), expected, "{now}");
        }
    }

    #[test]
    fn a_week_with_a_lunch_break_a_night_and_holidays() {
        check(
            &shop(),
            &[
                ("2026-11-23T08:59", Some("2026-11-23T09:00")), // Monday
                ("2026-11-23T09:00", Some("now")),
                ("2026-11-23T12:00", Some("2026-11-23T13:00")),
                ("2026-11-23T17:59", Some("now")),
                ("2026-11-23T18:00", Some("2026-11-24T09:00")),
                ("2026-11-25T23:59", Some("now")),
                ("2026-11-26T00:00", Some("2026-11-27T22:00")), // Thursday is closed
                ("2026-11-28T01:59", Some("now")),
                ("2026-11-28T02:00", Some("2026-11-30T09:00")),
                ("2026-10-03T12:00", Some("2026-10-04T10:00")), // a Sunday that is open
                ("2026-10-05T10:00", Some("2026-10-06T09:00")), // a Monday that is not
            ],
        );
    }

    #[test]
    fn a_zone_with_summer_time_opens_by_its_own_clock() {
        let week = shop().week;
        let text = HoursText { zone: "Europe/Berlin".into(), week, special_days: Default::default() };
        check(
            &text,
            &[
                // The clock went back on Sunday, 2026-10-25: Monday's nine is an hour later than Friday's.
                ("2026-10-25T12:00", Some("2026-10-26T09:00")),
                ("2026-03-28T12:00", Some("2026-03-30T09:00")),
            ],
        );
        let hours = Hours::new(&text).expect("right");
        // 2026-10-26T08:00Z is nine in Berlin's winter, 2026-07-06T07:00Z in its summer.
        assert_eq!(hours.at(1_793_001_600_000), Open::Now);
        assert_eq!(hours.at(1_783_321_200_000), Open::Now);
        assert_ne!(hours.at(1_783_321_200_000 - 1), Open::Now);
    }

    #[test]
    fn whoever_is_never_there_opens_never() {
        let text = HoursText { zone: "UTC".into(), ..HoursText::default() };
        check(&text, &[("2026-11-23T12:00", None)]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        type Change = fn(&mut HoursText);
        let cases: [(Change, &str); 8] = [
            (|text| text.zone = "Beijing".into(), "no time zone"),
            (|text| drop(text.week.insert("Monday".into(), vec![])), "no day"),
            (|text| drop(text.week.insert("monday".into(), vec!["9:00-18:00".into()])), "no period"),
            (|text| drop(text.week.insert("monday".into(), vec!["18:00-09:00".into()])), "no period"),
            (|text| drop(text.week.insert("monday".into(), vec!["00:00-24:01".into()])), "no period"),
            (
                |text| {
                    drop(text.week.insert("monday".into(), vec!["09:00-12:00".into(), "11:00-13:00".into()]))
                },
                "no period",
            ),
            (|text| drop(text.special_days.insert("2026-02-30".into(), vec![])), "no date"),
            (|text| drop(text.week.insert("monday".into(), vec!["09:00-10:00".into(); 9])), "more than 8"),
        ];
        for (change, complaint) in cases {
            let mut text = shop();
            change(&mut text);
            let error = Hours::new(&text).expect_err(complaint);
            assert!(error.contains(complaint), "{error}");
        }
    }
}
