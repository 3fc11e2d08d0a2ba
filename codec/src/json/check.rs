//! What values of fields may be. A value that passes is valid everywhere behind.

use std::borrow::Cow;

use super::error::Fault;
use super::object::Field;
use crate::message::{ID_BYTES_MAX, NAME_BYTES_MAX, TEXT_BYTES_MAX, URL_BYTES_MAX};
use crate::valid::{is_address, is_line, is_words};

/// A text, or nothing where the field is not there.
pub(super) fn optional_text<'a>(
    field: Field<'a>,
    name: &'static str,
    bytes_max: usize,
) -> Result<Option<Cow<'a, str>>, Fault> {
    match field {
        Field::Missing => Ok(None),
        Field::Text(text) if text.len() > bytes_max => {
            Err(Fault::TooLarge { field: name, limit: bytes_max, unit: "bytes" })
        }
        // PostgreSQL cannot store it and no person can see it.
        Field::Text(text) if text.contains('\0') => {
            Err(Fault::BadField { field: name, expected: "without the character U+0000" })
        }
        Field::Text(text) => Ok(Some(text)),
        Field::Unsigned(_) | Field::Other => Err(Fault::BadField { field: name, expected: "a string" }),
    }
}

/// A text to be read by people: up to [`TEXT_BYTES_MAX`], lines and tabs allowed, not only white space.
pub(super) fn optional_words<'a>(
    field: Field<'a>,
    name: &'static str,
) -> Result<Option<Cow<'a, str>>, Fault> {
    let text = optional_text(field, name, TEXT_BYTES_MAX)?;
    if text.as_ref().is_some_and(|text| !is_words(text)) {
        return Err(Fault::BadField { field: name, expected: "more than white space" });
    }
    Ok(text)
}

/// A text on one line: not empty, without control characters.
fn optional_line<'a>(
    field: Field<'a>,
    name: &'static str,
    bytes_max: usize,
) -> Result<Option<Cow<'a, str>>, Fault> {
    let line = optional_text(field, name, bytes_max)?;
    if line.as_ref().is_some_and(|line| !is_line(line)) {
        return Err(Fault::BadField { field: name, expected: "one line, not empty" });
    }
    Ok(line)
}

/// The name of a person, site, team or conversation, or a headline.
pub(super) fn optional_name<'a>(field: Field<'a>, name: &'static str) -> Result<Option<Cow<'a, str>>, Fault> {
    optional_line(field, name, NAME_BYTES_MAX)
}

/// A token: what it means is the engine's business, that it is one word is ours.
pub(super) fn optional_token<'a>(
    field: Field<'a>,
    name: &'static str,
    bytes_max: usize,
) -> Result<Option<Cow<'a, str>>, Fault> {
    let token = optional_text(field, name, bytes_max)?;
    let is_word =
        |token: &Cow<'_, str>| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    if token.as_ref().is_some_and(|token| !is_word(token)) {
        return Err(Fault::BadField { field: name, expected: "one word of visible ASCII characters" });
    }
    Ok(token)
}

/// A client's id of a message.
pub(super) fn optional_id<'a>(field: Field<'a>) -> Result<Option<Cow<'a, str>>, Fault> {
    optional_line(field, "id", ID_BYTES_MAX)
}

/// An address that a browser may be shown: `http:`, `https:` or a path on this server.
pub(super) fn optional_url<'a>(field: Field<'a>, name: &'static str) -> Result<Option<Cow<'a, str>>, Fault> {
    let url = optional_text(field, name, URL_BYTES_MAX)?;
    if url.as_ref().is_some_and(|url| !is_address(url)) {
        return Err(Fault::BadField {
            field: name,
            expected: "an address with http: or https:, or a path that begins with a single /",
        });
    }
    Ok(url)
}

/// A number from `min` to `max`, or nothing where the field is not there.
pub(super) fn optional_number(
    field: &Field<'_>,
    name: &'static str,
    range: std::ops::RangeInclusive<u64>,
    expected: &'static str,
) -> Result<Option<u64>, Fault> {
    match field {
        Field::Missing => Ok(None),
        Field::Unsigned(number) if range.contains(number) => Ok(Some(*number)),
        Field::Unsigned(_) | Field::Text(_) | Field::Other => Err(Fault::BadField { field: name, expected }),
    }
}

/// The last `seq` a client has. Such numbers are counted by us: what JavaScript cannot hold, none reaches.
pub(super) fn optional_seq(field: &Field<'_>, name: &'static str) -> Result<Option<u64>, Fault> {
    optional_number(field, name, 0..=SEQ_MAX, "a whole number from 0 to 9007199254740991")
}

/// Largest whole number that JavaScript holds exactly.
pub(super) const SEQ_MAX: u64 = (1 << 53) - 1;

/// Turns a missing field that the type needs into a fault.
pub(super) fn needed<T>(value: Option<T>, field: &'static str) -> Result<T, Fault> {
    value.ok_or(Fault::MissingField { field })
}
