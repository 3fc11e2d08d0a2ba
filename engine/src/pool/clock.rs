//! The pool's clock: the one place of the pool that asks the system for the time. Tests bring their own.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Tells the time; clones tell the same.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> u64 + Send + Sync>);

impl Clock {
    /// The system's.
    pub fn system() -> Self {
        Self::new(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64))
    }

    /// Any other: milliseconds since 1970.
    pub fn new(unix_ms: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(unix_ms))
    }

    /// Milliseconds since 1970.
    pub fn unix_ms(&self) -> u64 {
        (self.0)()
    }

    /// Seconds since 1970.
    pub fn unix_s(&self) -> u64 {
        self.unix_ms() / 1_000
    }

    /// For the `date` field of a response (RFC 9110, section 5.6.7).
    pub fn http_date(&self) -> String {
        httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(self.unix_ms()))
    }
}
