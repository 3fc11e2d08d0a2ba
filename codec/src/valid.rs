//! What values of messages may be, whatever protocol they came by.
//!
//! [`crate::json`] tells a peer which rule it broke; a channel that cannot tell anybody asks these and leaves
//! the message out. Limits alone are in [`crate::message`].

use crate::message::{ID_BYTES_MAX, NAME_BYTES_MAX, TEXT_BYTES_MAX, URL_BYTES_MAX};

/// A client's id of a message.
pub fn is_id(id: &str) -> bool {
    id.len() <= ID_BYTES_MAX && is_line(id)
}

/// The name of a person, site, team or conversation, or a headline.
pub fn is_name(name: &str) -> bool {
    name.len() <= NAME_BYTES_MAX && is_line(name)
}

/// What somebody says: the text of a message, a note, a rating.
pub fn is_text(text: &str) -> bool {
    text.len() <= TEXT_BYTES_MAX && is_words(text)
}

/// An address that a browser may be shown.
pub fn is_url(url: &str) -> bool {
    url.len() <= URL_BYTES_MAX && is_address(url)
}

/// One line: not blank, without control characters.
pub(crate) fn is_line(line: &str) -> bool {
    !line.trim().is_empty() && !line.chars().any(char::is_control)
}

/// Not blank, and without U+0000, which PostgreSQL cannot store and no person can see. Lines and tabs are part
/// of what people say.
pub(crate) fn is_words(text: &str) -> bool {
    !text.trim().is_empty() && !text.contains('\0')
}

/// `http:`, `https:` or a path on this server. No other scheme, so that no `javascript:` reaches a console.
/// Browsers take `//host` and `/\host` for other hosts and drop line ends within an address: none of that is
/// let through.
pub(crate) fn is_address(url: &str) -> bool {
    let clean = !url.chars().any(|letter| letter.is_control() || letter.is_whitespace() || letter == '\\');
    let behind = |scheme: &str| {
        let (start, rest) = url.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    };
    let host = behind("https://").or_else(|| behind("http://"));
    let has_host = host.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', '?', '#']));
    let is_path = url.starts_with('/') && !url.starts_with("//");
    clean && (has_host || is_path)
}
