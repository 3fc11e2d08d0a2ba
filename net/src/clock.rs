//! The two clocks, read together. Nobody else in the house reads one.

use std::{
    sync::OnceLock,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use crate::Time;

/// Both clocks now. All threads count monotonic time from the same moment, as every reactor of the process does.
pub fn now() -> Time {
    static START: OnceLock<Instant> = OnceLock::new();
    let monotonic = START.get_or_init(Instant::now).elapsed();
    // A system clock set before 1970 reads as 1970: wrong, but no reason to stop serving.
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time { unix_ms: unix.as_millis() as u64, monotonic_us: monotonic.as_micros() as u64 }
}
