//! What can be wrong with certificate and key, and with what a peer sends instead of TLS.

use std::fmt;

/// Why certificate and key are of no use: the operator's fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsConfigError {
    /// The first file has no certificate in PEM.
    NoCertificate,
    /// The second file has no private key in PEM.
    NoKey,
    /// The key is not the one that the certificate was made for.
    Mismatch,
    /// They are of a kind that cannot be used; the text is for people.
    Unusable(String),
}

impl TlsConfigError {
    pub(super) fn of(error: rustls::Error) -> Self {
        match error {
            rustls::Error::InconsistentKeys(_) => Self::Mismatch,
            error => Self::Unusable(error.to_string()),
        }
    }
}

impl fmt::Display for TlsConfigError {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCertificate => to.write_str(
                "has no certificate in PEM; it must have the server's first, then those that vouch for it",
            ),
            Self::NoKey => to.write_str("has no private key in PEM; it must not be encrypted"),
            Self::Mismatch => to.write_str(
                "do not belong together; the key must be the one that the first certificate was made for",
            ),
            Self::Unusable(why) => write!(
                to,
                "cannot be used: {why}; have a certificate made for a key of RSA (2048 bits or more), ECDSA (P-256 or \
                 P-384) or Ed25519"
            ),
        }
    }
}

impl std::error::Error for TlsConfigError {}

/// What the peer sent is not TLS as we speak it: the peer's fault. The alert that says so is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsFault {
    /// The first bytes are of HTTP: there is no alert that such a client would understand.
    PlainHttp,
    /// More was left unfinished than a record or a handshake message has.
    MessageTooLong,
    /// The handshake found nothing that both speak.
    NothingInCommon(String),
    /// It told us by an alert that it will not go on: often that it does not trust the certificate.
    Alert(String),
    /// Anything else that breaks the rules, or that was changed on the way.
    Malformed(String),
}

impl TlsFault {
    pub(super) fn of(error: rustls::Error) -> Self {
        match error {
            rustls::Error::AlertReceived(alert) => Self::Alert(format!("{alert:?}")),
            rustls::Error::PeerIncompatible(why) => Self::NothingInCommon(format!("{why:?}")),
            error => Self::Malformed(error.to_string()),
        }
    }
}

impl fmt::Display for TlsFault {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PlainHttp => to.write_str("plain HTTP where TLS is spoken: use https:// or wss://"),
            Self::MessageTooLong => to.write_str("a handshake message longer than any that is needed"),
            Self::NothingInCommon(why) => write!(to, "no version or cipher that both speak: {why}"),
            Self::Alert(alert) => write!(to, "the peer gave up: {alert}"),
            Self::Malformed(why) => write!(to, "not TLS, or changed on its way: {why}"),
        }
    }
}

impl std::error::Error for TlsFault {}
