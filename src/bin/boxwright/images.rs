//! Images: the words for them, on the store and the labs.

use std::fs::{self, File};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use boxwright::runtime::flatten;
use boxwright::runtime::image::{self as unpacking, Compression};
use boxwright::runtime::userns::Userns;
use boxwright::steps::image as lab;
use cli::{Commit, Driver, Images as Words, System};
use engine::{Image, Images, Layers, Name, Packed, Platform, Record, Remarks, Store, Verbs, formats};
use model::image::{Digest, Owners};
use model::layer::Marks;
use model::{During, Error, Layers as Containers, Result, StateDir, borrowed_userns, size};
use nix::errno::Errno;

use crate::look::print;
use crate::{commit, ids, tidy};

/// Does what `words` say.
pub fn obey(words: Words, states: &StateDir) -> Result<()> {
    let store = Store::of_the_caller();
    match words {
        Words::Pull { platform, quiet, image } => crate::registry::pull(&store, &image, platform.as_deref(), quiet),
        Words::Push { quiet, image } => crate::registry::push(&store, &image, quiet),
        Words::Load { input, platform } => load(&store, input.as_deref(), platform.as_deref()),
        Words::Save { output, images } => save(&store, output.as_deref(), &images),
        Words::Import { change, message, file, image } => {
            import(&store, (&change, message.as_deref()), &file, image.as_deref())
        }
        Words::Images { quiet, no_trunc, image } => list(&store, quiet, no_trunc, image.as_deref()),
        Words::History { no_trunc, image } => history(&store, no_trunc, &image),
        Words::Commit(flags) => commit_container(&store, &flags, states),
        Words::Tag { image, name } => tag(&store, &image, &name),
        Words::Rmi { force, images } => tidy::remove(&store, &images, force, states),
        Words::System(System::Df) => tidy::show(&store, states),
        Words::System(System::Prune { all, force }) => tidy::prune(&store, all, force, states),
    }
}

/// Does `work` as who may give files to everybody whom an image's files can belong to: root, or root of the user's own ids.
pub fn as_owner(work: impl FnOnce() -> Result<()>) -> Result<()> {
    if borrowed_userns::is_needed() { Userns::new(&ids::own()?)?.inside(work) } else { work() }
}

/// Where an overlay of the caller keeps its marks.
pub fn marks() -> Result<Marks> {
    let uid_map = fs::read_to_string("/proc/self/uid_map").during("read", "/proc/self/uid_map")?;
    Ok(if borrowed_userns::is_needed() { Marks::User } else { Marks::of(&uid_map) })
}

/// Calls `work` with the labs' verbs, for the store to use.
pub fn with_verbs<T>(marks: Marks, work: impl FnOnce(Verbs<'_>) -> Result<T>) -> Result<T> {
    // Who has no other ids has no one else to give files to.
    let uid_map = fs::read_to_string("/proc/self/uid_map").during("read", "/proc/self/uid_map")?;
    let is_alone = uid_map.lines().count() == 1 && uid_map.split_whitespace().last() == Some("1");
    let owners = if is_alone { Owners::Mine } else { Owners::AsTold };
    let unpack = |packed: Packed<'_>, directory: &Path| {
        let compression = match packed.media_type {
            kind if kind.ends_with("gzip") => Compression::Gzip,
            kind if kind.ends_with("zstd") => Compression::Zstd,
            kind if kind.ends_with("tar") => Compression::None,
            kind => return Err(Error::invalid("layer's media type", kind, "a tar archive, plain, in gzip or in zstd")),
        };
        unpacking::unpack(packed.blob, compression, owners, marks, directory)
    };
    work(Verbs { unpack: &unpack, chain_ids: lab::chain_ids })
}

/// The image that `word` means.
pub fn find(store: &Store, word: &str) -> Result<(Image, Record)> {
    let mut images = store.images()?;
    let id = images.find(word)?;
    let record = images.0.remove(&id).ok_or(Errno::ENOENT).during("find the image", word)?;
    Ok((Image::read(store, &record.manifest)?, record))
}

fn load(store: &Store, input: Option<&Path>, platform: Option<&str>) -> Result<()> {
    let platform = platform.map_or_else(|| Ok(Platform::own()), Platform::parse)?;
    if input.is_none() && io::stdin().is_terminal() {
        return Err(Error::invalid(
            "--input",
            "",
            "an archive of images, here or on standard input, which is a terminal",
        ));
    }
    let marks = marks()?;
    as_owner(|| {
        let lines = with_verbs(marks, |verbs| formats::load(store, input, &platform, verbs))?;
        print(&lines.iter().map(|line| format!("{line}\n")).collect::<String>())
    })
}

fn save(store: &Store, output: Option<&Path>, words: &[String]) -> Result<()> {
    let _held = store.hold()?;
    let mut images: Vec<(Image, Vec<Name>)> = Vec::new();
    for word in words {
        let (image, record) = find(store, word)?;
        // By a name it is saved as that one, by its id without any.
        let name = word.parse::<Name>().ok().filter(|name| record.names.contains(&name.whole()));
        match images.iter_mut().find(|(other, _)| other.id == image.id) {
            Some((_, names)) => names.extend(name.filter(|name| !names.contains(name))),
            None => images.push((image, name.into_iter().collect())),
        }
    }
    let Some(output) = output else {
        if io::stdout().is_terminal() {
            return Err(Error::invalid("--output", "", "a file: standard output is a terminal"));
        }
        return formats::save(store, &images, io::stdout().lock());
    };
    let new = PathBuf::from(format!("{}.new", output.display()));
    let file = File::create(&new).during("open", new.display())?;
    let saved = formats::save(store, &images, io::BufWriter::with_capacity(1 << 16, &file))
        .and_then(|()| file.sync_all().during("fsync", new.display()))
        .and_then(|()| fs::rename(&new, output).during("rename", output.display()));
    if saved.is_err() {
        let _ = fs::remove_file(&new);
    }
    saved
}

fn import(store: &Store, (changes, comment): (&[String], Option<&str>), file: &Path, name: Option<&str>) -> Result<()> {
    let name = name.map(str::parse::<Name>).transpose()?;
    let whose = file.display().to_string();
    let created_by = format!("boxwright import {whose}");
    let marks = marks()?;
    as_owner(|| {
        let mut source: Box<dyn io::Read + Send> = match file.to_str() {
            Some("-") => Box::new(io::stdin()),
            _ => Box::new(File::open(file).during("open", &whose)?),
        };
        let remarks = Remarks { changes, created_by: &created_by, author: None, comment };
        let image = with_verbs(marks, |verbs| formats::import(store, &mut source, &whose, remarks, verbs))?;
        add(store, &image, name.as_ref())?;
        print(&format!("{}\n", image.id))
    })
}

fn commit_container(store: &Store, flags: &Commit, states: &StateDir) -> Result<()> {
    let name = flags.image.as_deref().map(str::parse::<Name>).transpose()?;
    let _held = store.hold()?;
    let kept = Containers::of_the_caller().find(&flags.container)?;
    let marks = marks()?;
    commit::pausing(&flags.container, states, || {
        as_owner(|| {
            let image = with_verbs(marks, |verbs| commit::commit(store, &kept, flags, verbs))?;
            add(store, &image, name.as_ref())?;
            print(&format!("{}\n", image.id))
        })
    })
}

/// Puts a new image on the list.
fn add(store: &Store, image: &Image, name: Option<&Name>) -> Result<()> {
    store.change(|images| {
        images.add(&image.id, image.digest);
        name.into_iter().for_each(|name| images.name(&image.id, name));
        Ok(())
    })
}

fn tag(store: &Store, word: &str, name: &str) -> Result<()> {
    let name = name.parse::<Name>()?;
    if name.digest().is_some() {
        return Err(Error::invalid("image name", name.whole(), "a name without a digest: that is nobody's to choose"));
    }
    let _held = store.hold()?;
    store.change(|images| {
        let id = images.find(word)?;
        images.name(&id, &name);
        Ok(())
    })
}

/// A copy of an image's layers as one tree, for drivers without overlays: made once, and on btrfs a subvolume.
pub fn flat(store: &Store, chain_ids: &[Digest], driver: Driver) -> Result<PathBuf> {
    let layers = store.layers();
    let lowers: Vec<_> = layers.lowers(chain_ids).iter().map(|layer| layers.root().join(layer)).collect();
    let top = lowers.get(1).unwrap_or(&lowers[0]).clone();
    let (marks, is_btrfs) = (marks()?, driver == Driver::Btrfs);
    let flat = store.flat(chain_ids.last(), is_btrfs);
    as_owner(|| {
        store.make_flat(&flat, |new| {
            if is_btrfs {
                boxwright::runtime::btrfs::create(new)?;
            } else {
                fs::create_dir(new).during("mkdir", new.display())?;
            }
            flatten::flatten(&lowers, &top, new, marks)
        })
    })?;
    Ok(flat)
}

fn list(store: &Store, quiet: bool, whole: bool, word: Option<&str>) -> Result<()> {
    let wanted = word.map(str::parse::<Name>).transpose()?;
    let Images(images) = store.images()?;
    let mut rows: Vec<(SystemTime, [String; 5])> = Vec::new();
    for (id, record) in &images {
        let image = Image::read(store, &record.manifest)?;
        let created = created(&image).unwrap_or(SystemTime::UNIX_EPOCH);
        let names: Vec<Name> = record.names.iter().filter_map(|name| name.parse().ok()).collect();
        let mut columns: Vec<_> = names.iter().map(Name::columns).collect();
        if columns.is_empty() {
            columns.push(("<none>".into(), "<none>".into()));
        }
        let bytes = if quiet { 0 } else { size_of(&store.layers(), &image)? };
        for (repository, tag) in columns {
            let is_wanted = wanted.as_ref().is_none_or(|wanted| {
                wanted.columns().0 == repository
                    && (!word.is_some_and(|word| word.ends_with(&wanted.columns().1)) || wanted.columns().1 == tag)
            });
            if is_wanted {
                let row = [repository, tag, digits(id, whole), ago(created), size::in_words(bytes)];
                rows.push((created, row));
            }
        }
    }
    rows.sort_by(|one, other| other.0.cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
    if quiet {
        let mut ids: Vec<_> = rows.into_iter().map(|(_, row)| format!("{}\n", row[2])).collect();
        ids.dedup();
        return print(&ids.concat());
    }
    let head = ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"].map(str::to_owned);
    print(&table(&[vec![head], rows.into_iter().map(|(_, row)| row).collect()].concat()))
}

/// A table: each column as wide as its widest word.
pub fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..N).map(width).collect();
    let line = |row: &[String; N]| {
        let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("{}\n", cells.join("   ").trim_end())
    };
    rows.iter().map(line).collect()
}

fn history(store: &Store, whole: bool, word: &str) -> Result<()> {
    let (image, _) = find(store, word)?;
    let chain_ids = lab::chain_ids(&image.diff_ids);
    let mut layers = chain_ids.iter();
    let mut rows = Vec::new();
    for line in image.config.history().iter().flatten() {
        let layer = if line.empty_layer() == Some(true) { None } else { layers.next() };
        let bytes = layer.map_or(Ok(0), |layer| store.layers().size_bytes(layer))?;
        let mut by = line.created_by().clone().unwrap_or_default().replace(['\t', '\n'], " ");
        if !whole && by.chars().count() > 45 {
            by = by.chars().take(44).collect::<String>() + "…";
        }
        let created = line.created().as_deref().and_then(|text| humantime::parse_rfc3339(text).ok());
        let comment = line.comment().clone().unwrap_or_default();
        rows.push(["<missing>".into(), created.map_or("N/A".into(), ago), by, size::in_words(bytes), comment]);
    }
    rows.reverse();
    if let Some(first) = rows.first_mut() {
        first[0] = digits(&image.id, whole);
    }
    let head = ["IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT"].map(str::to_owned);
    print(&table(&[vec![head], rows].concat()))
}

/// `boxwright inspect IMAGE`, with Docker's words.
pub fn inspect(store: &Store, word: &str) -> Result<()> {
    let (image, record) = find(store, word)?;
    let config: serde_json::Value =
        serde_json::from_slice(&store.document(&image.id)?).map_err(io::Error::from).during("read", image.id)?;
    let short = |names: &std::collections::BTreeSet<String>| -> Vec<String> {
        names
            .iter()
            .map(|name| name.parse::<Name>().map_or_else(|_error| name.clone(), |name| name.to_string()))
            .collect()
    };
    let seen = serde_json::json!({
        "Id": image.id.to_string(),
        "RepoTags": short(&record.names),
        "RepoDigests": short(&record.digests),
        "Digest": image.digest.to_string(),
        "Created": config["created"],
        "Author": config["author"],
        "Architecture": config["architecture"],
        "Os": config["os"],
        "Size": size_of(&store.layers(), &image)?,
        "Config": config["config"],
        "RootFS": {"Type": "layers", "Layers": config["rootfs"]["diff_ids"]},
        "Layers": lab::chain_ids(&image.diff_ids).iter().map(|id| store.layers().directory(id)).collect::<Vec<_>>(),
    });
    print(&format!("{seen:#}\n"))
}

/// The files of all layers of an image.
pub fn size_of(layers: &Layers<'_>, image: &Image) -> Result<u64> {
    lab::chain_ids(&image.diff_ids).iter().map(|layer| layers.size_bytes(layer)).sum()
}

fn created(image: &Image) -> Option<SystemTime> {
    humantime::parse_rfc3339(image.config.created().as_deref()?).ok()
}

/// An id, as Docker shows it.
pub fn digits(id: &Digest, whole: bool) -> String {
    if whole { id.to_string() } else { id.hex()[..12].to_owned() }
}

/// How long ago something was, as Docker says it.
fn ago(time: SystemTime) -> String {
    const UNITS: [(&str, u64); 6] = [
        ("year", 31_536_000),
        ("month", 2_592_000),
        ("week", 604_800),
        ("day", 86_400),
        ("hour", 3600),
        ("minute", 60),
    ];
    let past_s = SystemTime::now().duration_since(time).unwrap_or(Duration::ZERO).as_secs();
    let (unit, count) = UNITS
        .into_iter()
        .map(|(unit, length_s)| (unit, past_s / length_s))
        .find(|(_, count)| *count > 0)
        .unwrap_or(("second", past_s));
    format!("{count} {unit}{} ago", if count == 1 { "" } else { "s" })
}

/// Says something that is not the answer.
pub fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "boxwright: {text}");
}
