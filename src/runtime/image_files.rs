//! What a container of an image knows of the machine that it is on, as files of its own: its names, and where to ask for others.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use model::plan::{IMAGE_FILES, Names};
use model::{During, Plan, Result};

use super::run::binds;

/// Makes those files of the container in its own `directory` that its plan mounts from there.
pub fn write(plan: &Plan, directory: &Path) -> Result<()> {
    let name = match &plan.uts {
        Some(Names { hostname: Some(name), .. }) => name,
        _ => &plan.id,
    };
    for bind in binds(plan).filter(|bind| bind.source.parent() == Some(directory)) {
        let text = match IMAGE_FILES.iter().find(|place| bind.at == Path::new(place)) {
            Some(&"/etc/hosts") => format!("127.0.0.1\tlocalhost {name}\n::1\tlocalhost ip6-localhost\n"),
            Some(&"/etc/hostname") => format!("{name}\n"),
            Some(_) => hosts_own("/etc/resolv.conf")?,
            None => continue,
        };
        fs::write(&bind.source, text).during("write", bind.source.display())?;
        // Whoever is not root in there reads it too.
        let mode = Permissions::from_mode(0o644);
        fs::set_permissions(&bind.source, mode).during("chmod", bind.source.display())?;
    }
    Ok(())
}

/// A file of the host; empty when it has none.
fn hosts_own(path: &str) -> Result<String> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        text => Ok(String::from_utf8_lossy(&text.during("read", path)?).into_owned()),
    }
}
