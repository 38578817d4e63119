//! `run IMAGE`: which image, and what it says about how it is to be run. Source: image-spec, config.md; Docker's own rules.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use boxwright::steps::{image as lab, written};
use cli::{Based, Driver, Pull, Run};
use engine::{Image, InUse, Name, Platform, Store};
use model::image::Digest;
use model::{During, Error, Result};
use nix::errno::Errno;

use crate::images;

/// The flags with all that the image says, and the store, which keeps what it has for as long as it is held; `None` when the words
/// are a command.
pub fn find(flags: &Run) -> Result<Option<(Run, InUse)>> {
    let asked = flags.asks_for_an_image();
    if flags.rootfs.is_some() || flags.hold || flags.is_exact || flags.command.is_empty() {
        let right = "with an image: `run IMAGE`, without --rootfs, --hold and --";
        return if asked { Err(Error::invalid("--entrypoint, --pull, --platform", "", right)) } else { Ok(None) };
    }
    if !written(13) {
        return Ok(None);
    }
    let (word, store) = (&flags.command[0], Store::of_the_caller());
    let platform = flags.platform.as_deref().map(Platform::parse).transpose()?;
    let is_command = !asked && is_program(word);
    if is_command && !store.images()?.may_mean(word) {
        return Ok(None);
    }
    let name = word.parse::<Name>();
    let found = |store: &Store| -> Result<Option<Digest>> {
        let images = store.images()?;
        let named = name.as_ref().ok().and_then(|name| images.named(name)).map(|(id, _)| *id);
        // Digits of an id can be a program's name too: `dd`.
        let id = named.or_else(|| images.find(word).ok().filter(|_| !is_command));
        let fits = |id: &Digest| {
            let image = images.0.get(id).map(|record| Image::read(store, &record.manifest)).transpose();
            image.map(|image| image.is_some_and(|image| platform.as_ref().is_none_or(|it| it.is_of(&image))))
        };
        Ok(id.map(|id| fits(&id).map(|fits| fits.then_some(id))).transpose()?.flatten())
    };
    let pull = flags.pull.unwrap_or(Pull::Missing);
    let known = if pull == Pull::Always { None } else { found(&store)? };
    let id = match known {
        Some(id) => id,
        None if is_command => return Ok(None),
        None if name.is_err() && !asked => return Ok(None),
        None => {
            let name = name.as_ref().map_err(|_error| Error::invalid("image name", word, "a name as in debian:12"))?;
            let pulled = if pull == Pull::Never {
                Err(Errno::ENOENT).during("find the image", name)
            } else {
                fetch(flags, name)
            };
            match pulled.and_then(|()| found(&store)) {
                Ok(Some(id)) => id,
                Ok(None) => return Err(Errno::ENOENT).during("find the image", name),
                Err(error) if asked => return Err(error),
                Err(error) => {
                    eprintln!("boxwright: {word:?} is no program here, and no image: {error}");
                    return Ok(None);
                }
            }
        }
    };
    let held = store.hold()?;
    let record = store.images()?.0.remove(&id).ok_or(Errno::ENOENT).during("find the image", word)?;
    let image = Image::read(&store, &record.manifest)?;
    Ok(Some((with_image(flags, &store, &image)?, held)))
}

/// Whether a program is found by the word: where a container without a root of its own would find it.
fn is_program(word: &str) -> bool {
    if word.is_empty() || word.contains('/') {
        return word.is_empty() || Path::new(word).exists();
    }
    let own = env::var_os("PATH").unwrap_or_default();
    let containers = PathBuf::from("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    env::split_paths(&own).chain(env::split_paths(&containers)).any(|directory| directory.join(word).is_file())
}

/// Fetches the image, in a process of its own: this one is to have one thread, for it will fork a container.
fn fetch(flags: &Run, name: &Name) -> Result<()> {
    let mut pull = Command::new("/proc/self/exe");
    pull.arg("pull").args(flags.platform.iter().flat_map(|platform| ["--platform", platform]));
    let status = pull.arg(name.whole()).stdin(Stdio::null()).stdout(Stdio::null()).status().during("start", "pull")?;
    if status.success() { Ok(()) } else { Err(Errno::ENOENT).during("pull", name) }
}

/// What the image says, where the flags say nothing.
fn with_image(flags: &Run, store: &Store, image: &Image) -> Result<Run> {
    let config = image.config.config().clone().unwrap_or_default();
    let mut run = flags.clone();
    let args = run.command.split_off(1);
    // An entry point of one's own takes the image's command away too: it is for another program.
    let (mut command, own) = match flags.entrypoint.as_deref() {
        Some("") => (Vec::new(), None),
        Some(entrypoint) => (vec![entrypoint.to_owned()], None),
        None => (config.entrypoint().clone().unwrap_or_default(), config.cmd().clone()),
    };
    command.extend(if args.is_empty() { own.unwrap_or_default() } else { args });
    if command.is_empty() {
        return Err(Error::invalid(
            "command",
            "",
            format!("a command: the image {} has none of its own", flags.command[0]),
        ));
    }
    run.command = command;
    run.user = run.user.or_else(|| config.user().clone().filter(|user| !user.is_empty()));
    let workdir = config.working_dir().as_deref().filter(|directory| directory.starts_with('/'));
    run.workdir = run.workdir.or_else(|| workdir.map(PathBuf::from));
    let chain_ids = lab::chain_ids(&image.diff_ids);
    let mut based = Based {
        id: image.id.to_string(),
        chain: store.layers().lowers(&chain_ids),
        env: config.env().clone().unwrap_or_default(),
        volumes: config.volumes().iter().flatten().map(PathBuf::from).collect(),
    };
    run.rootfs = Some(store.layers().root());
    if let Some(driver @ (Driver::Vfs | Driver::Btrfs)) = flags.storage_driver {
        run.rootfs = Some(images::flat(store, &chain_ids, driver)?);
        based.chain.clear();
    }
    run.image = Some(based);
    Ok(run)
}
