//! `--user`: who the command runs as. Names are the container's own, never the host's.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use boxwright::steps::{volume, written};
use cli::Run;
use model::plan::User;
use model::{During, Error, Result};
use nix::errno::Errno;

const USER_FORM: &str = "a number or a name of the container's /etc/passwd, with :GROUP the same of its /etc/group";
const GROUP_FORM: &str = "a number or a name of the container's /etc/group";
/// No /etc/passwd that means well is larger.
const LONGEST_BYTES: u64 = 16 << 20;

/// The user and the home directory that the flags of `run` ask for.
pub fn of_run(flags: &Run) -> Result<(User, String)> {
    let root = match flags.rootfs.as_deref() {
        None => Path::new("/"),
        // Built later, and without one.
        Some(word) if word == Path::new("host") => return find(flags.user.as_deref(), &flags.group_add, &[]),
        Some(root) => root,
    };
    if let Some(image) = flags.image.as_ref().filter(|image| !image.chain.is_empty()) {
        // The file of the topmost layer that has it.
        let layers: Vec<_> = image.chain.iter().map(|layer| root.join(layer)).collect();
        let layers = layers.iter().map(|layer| File::open(layer).during("open", layer.display()));
        let layers = layers.collect::<Result<Vec<_>>>()?;
        let layers: Vec<_> = layers.iter().map(AsFd::as_fd).collect();
        return find(flags.user.as_deref(), &flags.group_add, &layers);
    }
    // Names are for those who have lab 06: until then a link in there could lead anywhere.
    let is_open = written(6) && root.is_dir();
    let root = is_open.then(|| File::open(root).during("open", root.display())).transpose()?;
    let root: Vec<_> = root.iter().map(AsFd::as_fd).collect();
    find(flags.user.as_deref(), &flags.group_add, &root)
}

/// The user and the home directory that are asked for, as Docker finds them; `roots` is the root file system, or its layers, the
/// topmost first, which may be anybody's work.
pub fn find(asked: Option<&str>, group_add: &[String], roots: &[BorrowedFd<'_>]) -> Result<(User, String)> {
    let read = |path| {
        let found = roots.iter().find_map(|root| read(*root, path).transpose());
        found.transpose().map(Option::unwrap_or_default)
    };
    let (passwd, group) = (read("/etc/passwd")?, read("/etc/group")?);
    let asked = asked.unwrap_or("0");
    let refused = || Error::invalid("--user", asked, USER_FORM);
    let (user, own_group) = asked.split_once(':').map_or((asked, None), |(user, group)| (user, Some(group)));
    // A line without a user and a group that make sense is nobody's: it must not come to mean root's group.
    let is_whole = |fields: &Vec<&str>| [2, 3].iter().all(|number| fields.get(*number).copied().and_then(id).is_some());
    let is_asked = |fields: &Vec<&str>| fields[0] == user || fields.get(2) == Some(&user);
    let account = lines(&passwd).filter(is_whole).find(is_asked);
    let field = |number: usize| account.as_ref().and_then(|fields| fields.get(number).copied());
    let uid = id(field(2).unwrap_or(user)).ok_or_else(refused)?;
    let gid = match own_group {
        Some(word) => group_id(&group, word).ok_or_else(refused)?,
        None => field(3).and_then(id).unwrap_or(0),
    };
    let mut groups = Vec::new();
    if let (Some(name), None) = (field(0), own_group) {
        let is_member = |fields: &Vec<&str>| fields.get(3).is_some_and(|list| list.split(',').any(|it| it == name));
        groups.extend(lines(&group).filter(is_member).filter_map(|fields| id(fields.get(2)?)));
    }
    for word in group_add {
        groups.push(group_id(&group, word).ok_or_else(|| Error::invalid("--group-add", word, GROUP_FORM))?);
    }
    groups.retain(|other| *other != gid);
    groups.sort_unstable();
    groups.dedup();
    let home = field(5).filter(|home| home.starts_with('/')).unwrap_or(if uid == 0 { "/root" } else { "/" });
    Ok((User { uid, gid, groups }, home.into()))
}

/// The fields of each line of a file such as passwd(5).
fn lines(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().map(|line| line.split(':').collect())
}

/// -1 is no id: to setresuid(2) it means that nothing changes.
fn id(word: &str) -> Option<u32> {
    word.parse().ok().filter(|id| *id != u32::MAX)
}

fn group_id(group: &str, word: &str) -> Option<u32> {
    let named = lines(group).find(|fields| fields[0] == word);
    named.map_or_else(|| id(word), |fields| id(fields.get(2)?))
}

/// A file of a root file system, when there is one; for one that a layer hides, no text.
fn read(root: BorrowedFd<'_>, path: &str) -> Result<Option<String>> {
    let found = match volume::open_inside(root, Path::new(path), None) {
        Err(error) if [Errno::ENOENT, Errno::ENOTDIR].map(Some).contains(&error.errno()) => return Ok(None),
        found => found?,
    };
    let place = format!("/proc/self/fd/{}", found.as_raw_fd());
    // Before it is opened for reading: a pipe would let us wait.
    let metadata = fs::metadata(&place).during("stat", path)?;
    if metadata.file_type().is_char_device() && metadata.rdev() == 0 {
        return Ok(Some(String::new()));
    }
    if !metadata.is_file() {
        return Err(io::Error::other("it is no file")).during("read the container's", path);
    }
    let mut text = Vec::new();
    let file = File::open(&place).during("open the container's", path)?;
    file.take(LONGEST_BYTES).read_to_end(&mut text).during("read the container's", path)?;
    Ok(Some(String::from_utf8_lossy(&text).into_owned()))
}
