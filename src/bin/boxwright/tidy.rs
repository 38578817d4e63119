//! `rmi`, `system df`, `system prune`: what goes, what stays, and how much it takes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use boxwright::steps::image as lab;
use engine::{Freed, Image, Images, Name, Store};
use model::image::Digest;
use model::{During, Error, Layers as Containers, Result, StateDir, VolumeDir, size};
use nix::errno::Errno;

use crate::images::{as_owner, table, tell};
use crate::layer;
use crate::look::print;

/// The containers of each image.
fn users(states: &StateDir) -> Result<BTreeMap<String, Vec<(String, bool)>>> {
    let running: BTreeSet<_> = states.running()?.into_iter().map(|state| state.id).collect();
    let containers = Containers::of_the_caller();
    let mut users: BTreeMap<String, Vec<(String, bool)>> = BTreeMap::new();
    for name in containers.names()? {
        // One that is gone by now uses nothing.
        if let Some(image) = containers.find(&name).ok().and_then(|kept| kept.image) {
            let is_running = running.contains(&name);
            users.entry(image).or_default().push((name, is_running));
        }
    }
    Ok(users)
}

/// `boxwright rmi`: a name goes; with the last one, or by its id, the image. What has containers stays.
pub fn remove(store: &Store, words: &[String], force: bool, states: &StateDir) -> Result<()> {
    if !store.exists() {
        return Err(Errno::ENOENT).during("find the image", &words[0]);
    }
    let users = users(states)?;
    for word in words {
        let lines = store.change(|images| untag(images, word, force, &users))?;
        print(&lines.iter().map(|line| format!("{line}\n")).collect::<String>())?;
    }
    // Somebody may be about to need what is too much now; the next one removes it.
    sweep(store)?;
    Ok(())
}

fn untag(
    images: &mut Images,
    word: &str,
    force: bool,
    users: &BTreeMap<String, Vec<(String, bool)>>,
) -> Result<Vec<String>> {
    let id = images.find(word)?;
    let record = images.0.get_mut(&id).ok_or(Errno::ENOENT).during("find the image", word)?;
    let name = word.parse::<Name>().ok().map(|name| name.whole()).filter(|name| record.names.contains(name));
    let untagged = |name: &String| {
        let short = name.parse::<Name>().map_or_else(|_error| name.clone(), |name| name.to_string());
        format!("Untagged: {short}")
    };
    if let Some(name) = name.as_ref().filter(|_| record.names.len() > 1) {
        record.names.remove(name);
        return Ok(vec![untagged(name)]);
    }
    let own: Vec<_> = users.get(&id.to_string()).into_iter().flatten().collect();
    let is_running = own.iter().any(|(_, is_running)| *is_running);
    if !own.is_empty() && (!force || is_running || name.is_none()) {
        let names: Vec<_> = own.iter().map(|(name, _)| name.as_str()).collect();
        return Err(Errno::EBUSY).during("remove the image", format_args!("{word} (used by {})", names.join(", ")));
    }
    if name.is_none() && record.names.len() > 1 && !force {
        let all: Vec<_> = record.names.iter().map(|name| untagged(name).replace("Untagged: ", "")).collect();
        return Err(Error::invalid(
            "image id",
            word,
            format!("one of its names ({}), or --force for all", all.join(", ")),
        ));
    }
    let mut lines: Vec<_> = record.names.iter().map(untagged).collect();
    record.names.clear();
    if own.is_empty() {
        images.0.remove(&id);
        lines.push(format!("Deleted: {id}"));
    }
    Ok(lines)
}

/// Removes what nobody needs; nothing while somebody uses the store.
fn sweep(store: &Store) -> Result<Option<Freed>> {
    let containers = Containers::of_the_caller();
    // What is removed inside a user namespace is counted from outside.
    let before = content(store);
    let mut is_done = true;
    as_owner_told(&mut is_done, || store.sweep(&containers, lab::chain_ids))?;
    let after = content(store);
    let freed = Freed {
        layers: before.layers.saturating_sub(after.layers),
        blobs: before.blobs.saturating_sub(after.blobs),
        size_bytes: before.size_bytes.saturating_sub(after.size_bytes),
    };
    Ok(is_done.then_some(freed))
}

/// Sweeps as the owner, and notes whether it was done: a held store is no failure.
fn as_owner_told(is_done: &mut bool, work: impl FnOnce() -> Result<Option<Freed>>) -> Result<()> {
    let result = as_owner(|| match work()? {
        Some(_) => Ok(()),
        None => Err(Errno::EWOULDBLOCK).during("sweep", "the store"),
    });
    match result {
        Err(error) if error.errno() == Some(Errno::EWOULDBLOCK) => *is_done = false,
        result => result?,
    }
    Ok(())
}

/// What the store has at the moment, by what can be seen from outside.
fn content(store: &Store) -> Freed {
    let names = |directory: &str| fs::read_dir(store.root().join(directory)).into_iter().flatten().flatten();
    let blobs: Vec<_> = names("blobs/sha256").filter_map(|entry| Some(entry.metadata().ok()?.len())).collect();
    let layers: Vec<_> = names("layers").filter(|entry| entry.path().join("link").exists()).collect();
    let sizes = layers.iter().filter_map(|layer| layer_bytes(store, &layer.file_name().to_string_lossy()));
    Freed { layers: layers.len(), blobs: blobs.len(), size_bytes: blobs.iter().sum::<u64>() + sizes.sum::<u64>() }
}

fn layer_bytes(store: &Store, name: &str) -> Option<u64> {
    store.layers().size_bytes(&format!("sha256:{name}").parse::<Digest>().ok()?).ok()
}

/// `boxwright system df`.
pub fn show(store: &Store, states: &StateDir) -> Result<()> {
    let users = users(states)?;
    let Images(images) = store.images()?;
    let (mut active, mut needed) = (0, BTreeSet::new());
    for (id, record) in &images {
        if users.contains_key(&id.to_string()) {
            active += 1;
            let image = Image::read(store, &record.manifest)?;
            needed.extend([image.id.hex(), image.digest.hex()]);
            needed.extend(image.layers.iter().map(Digest::hex));
            needed.extend(lab::chain_ids(&image.diff_ids).iter().map(Digest::hex));
        }
    }
    let (all, kept) = (content(store).size_bytes, needed_bytes(store, &needed));
    let containers = Containers::of_the_caller();
    let names = containers.names()?;
    let running: BTreeSet<_> = states.running()?.into_iter().map(|state| state.id).collect();
    let of = |names: &[&String]| -> u64 { names.iter().map(|name| disk_bytes(&containers.directory(name))).sum() };
    let (up, ended): (Vec<_>, Vec<_>) = names.iter().partition(|name| running.contains(*name));
    let volumes = VolumeDir::of_the_caller();
    let volume_names = volumes.names()?;
    let volume_bytes: u64 = volume_names.iter().map(|name| disk_bytes(&volumes.data(name))).sum();
    let row = |kind: &str, total: usize, active: usize, all: u64, free: u64| {
        [kind.to_owned(), total.to_string(), active.to_string(), size::in_words(all), size::in_words(free)]
    };
    print(&table(&[
        ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"].map(str::to_owned),
        row("Images", images.len(), active, all, all.saturating_sub(kept)),
        row("Containers", names.len(), up.len(), of(&up) + of(&ended), of(&ended)),
        row("Volumes", volume_names.len(), 0, volume_bytes, 0),
    ]))
}

fn needed_bytes(store: &Store, needed: &BTreeSet<String>) -> u64 {
    let one = |hex: &String| {
        let blob = store.root().join("blobs/sha256").join(hex);
        fs::metadata(blob).map_or(0, |blob| blob.len()) + layer_bytes(store, hex).unwrap_or(0)
    };
    needed.iter().map(one).sum()
}

/// What can be seen of a directory's size: what is closed to the caller is not counted.
fn disk_bytes(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(file) if file.is_dir() => disk_bytes(&entry.path()),
            Ok(file) => file.len(),
            Err(_) => 0,
        })
        .sum()
}

/// `boxwright system prune`.
pub fn prune(store: &Store, all: bool, force: bool, states: &StateDir) -> Result<()> {
    if !force && io::stdin().is_terminal() && !agreed(all)? {
        return Ok(());
    }
    let running: BTreeSet<_> = states.running()?.into_iter().map(|state| state.id).collect();
    let containers = Containers::of_the_caller();
    let mut lines = Vec::new();
    for name in containers.names()?.into_iter().filter(|name| !running.contains(name)) {
        match layer::remove(&name) {
            // It was started or removed meanwhile.
            Err(error) if [Errno::EBUSY, Errno::ENOENT].map(Some).contains(&error.errno()) => {}
            removed => {
                removed?;
                lines.push(format!("Deleted container: {name}\n"));
            }
        }
    }
    let mut freed = Freed::default();
    if store.exists() {
        let users = users(states)?;
        lines.extend(store.change(|Images(images)| {
            let is_free = |id: &Digest| !users.contains_key(&id.to_string());
            let goes = |names: &BTreeSet<String>| all || names.is_empty();
            let gone: Vec<_> =
                images.iter().filter(|(id, it)| is_free(id) && goes(&it.names)).map(|(id, _)| *id).collect();
            Ok(gone
                .into_iter()
                .filter(|id| images.remove(id).is_some())
                .map(|id| format!("Deleted image: {id}\n"))
                .collect::<Vec<_>>())
        })?);
        match sweep(store)? {
            Some(all) => freed = all,
            None => tell("somebody adds an image at the moment: what it may need stays, until the next prune"),
        }
    }
    print(&lines.concat())?;
    print(&format!("Total reclaimed space: {}\n", size::in_words(freed.size_bytes)))
}

fn agreed(all: bool) -> Result<bool> {
    let images = if all { "all images that no container uses" } else { "all images without a name" };
    let mut stderr = io::stderr();
    write!(stderr, "This removes all containers that have ended, and {images}. Go on? [y/N] ")
        .during("write", "the question")?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).during("read", "the answer")?;
    Ok(answer.trim().eq_ignore_ascii_case("y"))
}
