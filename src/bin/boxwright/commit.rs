//! `commit`: what a container has written becomes a layer, and that a new image.

use boxwright::runtime::image as packing;
use boxwright::steps::{limits, written};
use cli::Commit;
use engine::{Image, NewLayer, Remarks, Store, Verbs, make, media_type};
use model::{During, Error, Kept, Result, StateDir};

/// Makes the image.
pub fn commit(store: &Store, kept: &Kept, flags: &Commit, verbs: Verbs<'_>) -> Result<Image> {
    let id = kept.image.as_deref();
    let id = id.ok_or_else(|| Error::invalid("container", &flags.container, "one that was made from an image"))?;
    let images = store.images()?;
    let record = images.0.get(&id.parse()?).ok_or(nix::errno::Errno::ENOENT).during("find the image", id)?;
    let base = Image::read(store, &record.manifest)?;
    // A full copy is all that there is to be seen, and not what was changed.
    let is_whole = kept.is_copy();
    let directory = kept.directory.join(if is_whole { "merged" } else { "diff" });
    let incoming = store.incoming()?;
    let written = packing::commit(&directory, kept.marks, incoming.file())?;
    let digest = incoming.finish_as(written.digest)?;
    let layer = NewLayer { digest, diff_id: written.diff_id, media_type: media_type::LAYER_GZIP };
    let created_by = kept.args.join(" ");
    let remarks = Remarks {
        changes: &flags.change,
        created_by: &created_by,
        author: flags.author.as_deref(),
        comment: flags.message.as_deref(),
    };
    let image = make(store, Some(&base), is_whole, layer, remarks)?;
    engine::unpack(store, &image, verbs, &engine::nobody)?;
    Ok(image)
}

/// Does `work` while no process of the container runs, so that its files are of one moment.
pub fn pausing(name: &str, states: &StateDir, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let group = if written(8) { states.running_cgroup(name).ok() } else { None };
    let Some(group) = group.filter(|group| limits::freeze(group).is_ok()) else { return work() };
    let done = work();
    limits::thaw(&group).and(done)
}
