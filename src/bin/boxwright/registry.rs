//! `pull` and `push`.

use engine::Store;
use model::{Error, Result};

/// x
pub fn pull(_store: &Store, image: &str, _platform: Option<&str>, _quiet: bool) -> Result<()> {
    Err(Error::invalid("pull", image, "a boxwright with registries: cargo build --features registry"))
}

/// x
pub fn push(_store: &Store, image: &str, _quiet: bool) -> Result<()> {
    Err(Error::invalid("push", image, "a boxwright with registries: cargo build --features registry"))
}
