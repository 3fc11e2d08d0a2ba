//! The request target and the host it belongs to (RFC 9112 section 3.2).

use super::HttpError;

/// A target reduced to its origin form, and the authority an absolute form named.
pub(super) struct Target<'a> {
    pub(super) origin: &'a str,
    pub(super) authority: Option<&'a str>,
}

/// Accepts the origin form (`/path?query`) and the absolute form (`http://host/path?query`). The authority
/// form belongs to proxies and the asterisk form to nobody who talks to us.
pub(super) fn parse(target: &str) -> Result<Target<'_>, HttpError> {
    let visible = target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    if !visible {
        return Err(HttpError::BadTarget);
    }
    if target.starts_with('/') {
        return Ok(Target { origin: target, authority: None });
    }
    let rest = strip_scheme(target).ok_or(HttpError::BadTarget)?;
    let (authority, origin) = match rest.find(['/', '?']) {
        Some(at) if rest.as_bytes()[at] == b'/' => rest.split_at(at),
        // `http://host?query` has no path to reduce it to; no browser and no proxy sends it.
        Some(_) => return Err(HttpError::BadTarget),
        None => (rest, "/"),
    };
    if !is_host(authority.as_bytes()) {
        return Err(HttpError::BadTarget);
    }
    Ok(Target { origin, authority: Some(authority) })
}

fn strip_scheme(target: &str) -> Option<&str> {
    let (scheme, rest) = target.split_once("://")?;
    let ours = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    ours.then_some(rest)
}

/// Whether `value` can be a host with an optional port (RFC 3986 section 3.2). A comma, though the grammar
/// has it, could be taken for a list, and user information for a host: neither is let through.
pub(super) fn is_host(value: &[u8]) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=:[]".contains(byte);
    !value.is_empty() && value.iter().all(allowed)
}
