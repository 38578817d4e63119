//! How long to wait on a machine that is slower than most.

use std::time::Duration;

/// How many times longer everything takes here; 1 when it is not set. An emulated machine sets it.
pub const SLOWNESS: &str = "BOXWRIGHT_SLOWNESS";

/// The time in which something ends here that ends within `usual` on most machines.
#[must_use]
pub fn patience(usual: Duration) -> Duration {
    let slowness = std::env::var(SLOWNESS).ok().and_then(|times| times.parse().ok());
    usual.saturating_mul(slowness.unwrap_or(1).clamp(1, 100))
}
