//! `diff` and `rm`: what containers have written, and its end.

use boxwright::runtime::layer;
use boxwright::runtime::userns::Userns;
use model::{Kept, Layers, Result};
use nix::unistd::geteuid;

use crate::look::print;

/// `boxwright diff NAME`.
pub fn diff(name: &str) -> Result<()> {
    let kept = Layers::of_the_caller().find(name)?;
    layer::changes(&kept, |changes| print(&changes.iter().map(|change| format!("{change}\n")).collect::<String>()))
}

/// `boxwright rm NAME`.
pub fn remove(name: &str) -> Result<()> {
    Layers::of_the_caller().remove(name, empty)
}

/// Removes what is in a layer and belongs to subordinate ids.
pub fn empty(kept: &Kept) -> Result<()> {
    match &kept.ids {
        Some(maps) if !geteuid().is_root() => Userns::new(maps)?.empty(&kept.directory),
        _ => Ok(()),
    }
}
