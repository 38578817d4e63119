//! From a bundle, a directory with a `config.json`, to what `create` is to do. Source: OCI runtime-spec, bundle.

use std::cell::Cell;
use std::fs;
use std::path::Path;

use model::plan::hooks::Hooks;
use model::{Config, During, Oci, Plan, Result};
use nix::unistd::geteuid;

use super::making::{Looker, Order};
use super::run::leave_out_unwritten;
use crate::steps;

/// The order for a container `id` of the bundle in `directory`, and what its reader should know, a line each.
///
/// # Errors
/// [`Error::Invalid`](model::Error::Invalid) with the place of what cannot be done; what reading fails with.
pub fn order(id: &str, directory: &Path) -> Result<(Order, Vec<String>)> {
    let bundle = directory.canonicalize().during("find the bundle", directory.display())?;
    let path = bundle.join("config.json");
    let text = fs::read(&path).during("read", path.display())?;
    let Config { spec: config, warnings } = Config::read(&text)?;
    let (mut plan, missing) = leave_out_unwritten(Plan::from_spec(id, &config, &bundle)?);
    // Nothing that a configuration asks for is left out.
    missing.first().map_or(Ok(()), |lab| steps::require(lab.number))?;
    (plan.stdin, plan.new_keyring) = (true, true);
    let oci = Oci {
        version: config.version().clone(),
        rootfs: plan.rootfs.clone().unwrap_or_else(|| "/".into()),
        annotations: config.annotations().clone().unwrap_or_default().into_iter().collect(),
        owner: geteuid().as_raw(),
        made: false,
        old_keyring: false,
        hookless: plan.hooks == Hooks::default(),
        bundle,
    };
    Ok((
        Order { plan, config, oci, looker: Looker::Caller, pid_file: None, stays: false, was_led: Cell::new(false) },
        warnings,
    ))
}
