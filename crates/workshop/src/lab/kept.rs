//! Files set aside: nothing that a learner wrote is ever overwritten or removed.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

/// Copies `content` to `.lab/kept/NAME-YYYYMMDD-HHMMSS.rs` (UTC) and says where that is.
///
/// # Errors
/// When the folder cannot be written; then nothing else may be touched.
pub fn keep(root: &Path, name: &str, content: &[u8]) -> Result<PathBuf> {
    let folder = root.join(".lab/kept");
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    for path in free_names(&folder.join(name), ".rs") {
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            opened => {
                let written = opened.and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()));
                written.with_context(|| format!("write {}", path.display()))?;
                return Ok(path);
            }
        }
    }
    unreachable!("the names are without end")
}

/// Renames `path` to a name beside it that says when and why, and gives that name.
///
/// # Errors
/// When the folder cannot be written.
pub fn beside(path: &Path, label: &str) -> Result<PathBuf> {
    for aside in free_names(&path.with_extension(label), "") {
        // A hard link fails where the name is taken; a rename would replace what is there.
        match fs::hard_link(path, &aside) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            linked => {
                linked.and_then(|()| fs::remove_file(path)).with_context(|| format!("rename {}", path.display()))?;
                return Ok(aside);
            }
        }
    }
    unreachable!("the names are without end")
}

/// A name that is free now: `path` with the time, and a number if need be.
#[must_use]
pub fn free(path: &Path) -> PathBuf {
    free_names(path, "").find(|name| !name.exists()).unwrap_or_else(|| path.to_owned())
}

/// `STEM-YYYYMMDD-HHMMSSEND`, then the same with `-2`, `-3`, … for what is done twice in a second.
fn free_names(stem: &Path, end: &str) -> impl Iterator<Item = PathBuf> {
    let stem = format!("{}-{}", stem.display(), stamp(SystemTime::now()));
    let first = PathBuf::from(format!("{stem}{end}"));
    let end = end.to_owned();
    std::iter::once(first).chain((2..).map(move |nth: u64| PathBuf::from(format!("{stem}-{nth}{end}"))))
}

/// `YYYYMMDD-HHMMSS` in UTC.
fn stamp(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (mut days, time) = (seconds / 86_400, seconds % 86_400);
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    format!("{year}{:02}{:02}-{:02}{:02}{:02}", month + 1, days + 1, time / 3600, time / 60 % 60, time % 60)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_stamp_is_the_date_in_utc() {
        let stamp = |seconds| stamp(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(stamp(0), "19700101-000000");
        assert_eq!(stamp(951_827_696), "20000229-123456");
        assert_eq!(stamp(1_767_225_599), "20251231-235959");
        assert_eq!(stamp(1_767_225_600), "20260101-000000");
    }

    #[test]
    fn keeping_twice_in_a_second_overwrites_nothing() {
        let root = tempfile::tempdir().unwrap();
        let paths: Vec<_> = (0..20).map(|n: u8| keep(root.path(), "lab01", &[n]).unwrap()).collect();
        for (n, path) in paths.iter().enumerate() {
            assert_eq!(fs::read(path).unwrap(), [u8::try_from(n).unwrap()], "{}", path.display());
        }
    }
}
