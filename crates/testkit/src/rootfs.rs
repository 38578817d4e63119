//! A root file system from this machine's own programs: no download, nothing to install.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use elf::ElfStream;
use elf::abi::PT_INTERP;
use elf::endian::AnyEndian;

/// What a rootfs holds unless a test says otherwise, as far as the machine has it.
pub const PROGRAMS: [&str; 12] =
    ["sh", "ls", "cat", "echo", "ps", "id", "hostname", "mount", "sleep", "readlink", "true", "env"];

/// A directory that a process can take for `/`.
#[derive(Debug)]
pub struct Rootfs {
    path: PathBuf,
}

impl Rootfs {
    /// Fills `path` with `programs` (by name or absolute path), all that they need to run, and the empty
    /// directories that a mount will want: proc, dev, sys, tmp, etc.
    ///
    /// # Errors
    /// NotFound for a program that is not in PATH; what the copying meets.
    pub fn build(path: impl Into<PathBuf>, programs: &[&str]) -> io::Result<Self> {
        let path = path.into();
        for directory in ["proc", "dev", "sys", "tmp", "etc"] {
            fs::create_dir_all(path.join(directory))?;
        }
        let missing = |name: &str| io::Error::new(io::ErrorKind::NotFound, format!("{name} is not in PATH"));
        for name in programs {
            let program = find(name).ok_or_else(|| missing(name))?;
            for file in libraries(&program)?.iter().chain([&program]) {
                copy(file, &path)?;
            }
        }
        Ok(Rootfs { path })
    }

    /// In the test's own directory of a [`Shield`](crate::Shield), with those of [`PROGRAMS`] that the machine has.
    ///
    /// # Panics
    /// When it cannot be built; under a shield that is a failed test.
    #[must_use]
    pub fn in_shield() -> Self {
        let present: Vec<&str> = PROGRAMS.into_iter().filter(|name| find(name).is_some()).collect();
        Self::build(crate::dir().join("rootfs"), &present)
            .unwrap_or_else(|error| panic!("no root file system: {error}"))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Where the program `name` is: itself when absolute, else the first in PATH.
#[must_use]
pub fn find(name: &str) -> Option<PathBuf> {
    let directories = std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    let mut candidates = std::env::split_paths(&directories).map(|directory| directory.join(name));
    candidates.find(|path| path.is_absolute() && nix::unistd::access(path, nix::unistd::AccessFlags::X_OK).is_ok())
}

/// The loader and the libraries of `program`, as its own loader finds them; none for a static program.
///
/// Not by `ldd`, which is a shell script that knows only the loaders of its own libc: the loader that the
/// program names, glibc's or musl's, is asked itself.
///
/// # Errors
/// When the file cannot be read, is no ELF, or needs a library that is not there.
pub fn libraries(program: &Path) -> io::Result<BTreeSet<PathBuf>> {
    let Some(loader) = interpreter(program)? else { return Ok(BTreeSet::new()) };
    let output = Command::new(&loader).arg("--list").arg(program).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        return Err(io::Error::other(format!("{} --list {}: {words}", loader.display(), program.display())));
    }
    let path = |line: &str| line.split_whitespace().find(|word| word.starts_with('/')).map(PathBuf::from);
    Ok(text.lines().filter_map(path).chain([loader]).collect())
}

/// The loader that an ELF file names in PT_INTERP. Source: elf(5).
fn interpreter(program: &Path) -> io::Result<Option<PathBuf>> {
    let broken = |error: elf::ParseError| io::Error::other(format!("{}: {error}", program.display()));
    let elf = ElfStream::<AnyEndian, _>::open_stream(fs::File::open(program)?).map_err(broken)?;
    let Some(segment) = elf.segments().iter().find(|segment| segment.p_type == PT_INTERP).copied() else {
        return Ok(None);
    };
    let bytes = fs::read(program)?;
    let range = segment.p_offset as usize..(segment.p_offset + segment.p_filesz) as usize;
    let name = bytes.get(range).unwrap_or_default().iter().copied().take_while(|byte| *byte != 0).collect();
    Ok(Some(PathBuf::from(std::ffi::OsString::from_vec(name))))
}

fn copy(file: &Path, root: &Path) -> io::Result<()> {
    let target = root.join(file.strip_prefix("/").unwrap_or(file));
    if !target.exists() {
        fs::create_dir_all(target.parent().unwrap_or(root))?;
        fs::copy(file, target)?;
    }
    Ok(())
}
