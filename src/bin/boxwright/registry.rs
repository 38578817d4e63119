//! `pull` and `push`.

use engine::Store;
use model::Result;

#[cfg(feature = "registry")]
pub use with::{pull, push};
#[cfg(not(feature = "registry"))]
pub use without::{pull, push};

#[cfg(feature = "registry")]
mod with {
    use engine::{Name, Platform, registry};

    use super::{Result, Store};
    use crate::images::{as_owner, find, marks, with_verbs};
    use crate::look::print;

    /// Fetches an image, and says what Docker says in the end.
    pub fn pull(store: &Store, image: &str, platform: Option<&str>, quiet: bool) -> Result<()> {
        let name: Name = image.parse()?;
        let platform = platform.map_or_else(|| Ok(Platform::own()), Platform::parse)?;
        let marks = marks()?;
        as_owner(|| {
            let pulled = with_verbs(marks, |verbs| registry::pull(store, &name, &platform, quiet, verbs))?;
            if quiet {
                return print(&format!("{}\n", pulled.image.id));
            }
            let status = if pulled.is_new { "Downloaded newer image" } else { "Image is up to date" };
            print(&format!("Digest: {}\nStatus: {status} for {name}\n{}\n", pulled.digest, name.whole()))
        })
    }

    /// Gives an image to the registry that its name says.
    pub fn push(store: &Store, image: &str, quiet: bool) -> Result<()> {
        let name: Name = image.parse()?;
        as_owner(|| {
            let (image, _) = find(store, image)?;
            let size_bytes = registry::push(store, &image, &name, quiet)?;
            let tag = name.tag().unwrap_or_default();
            if quiet { Ok(()) } else { print(&format!("{tag}: digest: {} size: {size_bytes}\n", image.digest)) }
        })
    }
}

#[cfg(not(feature = "registry"))]
mod without {
    use model::Error;

    use super::{Result, Store};

    const HOW: &str = "a boxwright with registries: cargo build --features registry";

    /// Says how to get it.
    pub fn pull(_store: &Store, image: &str, _platform: Option<&str>, _quiet: bool) -> Result<()> {
        Err(Error::invalid("pull", image, HOW))
    }

    /// Says how to get it.
    pub fn push(_store: &Store, image: &str, _quiet: bool) -> Result<()> {
        Err(Error::invalid("push", image, HOW))
    }
}
