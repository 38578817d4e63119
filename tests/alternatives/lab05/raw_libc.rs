//! Lab 05 with system calls alone, the old root on a directory of its own, and the loader asked for the libraries.
//!
//! alternative: whole file

#![allow(unsafe_code, reason = "some system calls have no safe wrapper")]

use std::ffi::{CString, c_char};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use model::{During, Error, Result};

/// See the solution.
pub fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let Some(loader) = interpreter(program)? else { return Ok(Vec::new()) };
    let output = Command::new(&loader).arg("--list").arg(program).output().during("run", loader.display())?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        return Err(Error::invalid("program", words, "one whose libraries are all there"));
    }
    let mut found = vec![loader.clone()];
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let path = line.split_once("=> ").map_or(line, |(_, path)| path).split_whitespace().next().unwrap_or_default();
        if path.starts_with('/') && Path::new(path) != loader {
            found.push(PathBuf::from(path));
        }
    }
    Ok(found)
}

/// The text of the segment PT_INTERP, for 64-bit ELF files of this machine's byte order. Source: elf(5).
fn interpreter(program: &Path) -> Result<Option<PathBuf>> {
    const PT_INTERP: u64 = 3;
    let bytes = fs::read(program).during("read", program.display())?;
    let number = |at: usize, size: usize| {
        let mut word = [0_u8; 8];
        word[..size].copy_from_slice(bytes.get(at..at + size)?);
        Some(u64::from_le_bytes(word))
    };
    let segments = || {
        let (first, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
        Some((0..count).map(move |index| (first + index * size) as usize))
    };
    let elf = "a 64-bit ELF file";
    let mut segments = segments().ok_or_else(|| Error::invalid("program", program.display().to_string(), elf))?;
    let path = segments.find(|at| number(*at, 4) == Some(PT_INTERP)).and_then(|at| {
        let (start, length) = (number(at + 8, 8)? as usize, number(at + 32, 8)? as usize);
        let name = bytes.get(start..start + length)?.split(|byte| *byte == 0).next()?;
        Some(PathBuf::from(std::ffi::OsStr::from_bytes(name)))
    });
    Ok(path)
}

/// See the solution.
pub fn build_rootfs(rootfs: &Path, programs: &[PathBuf]) -> Result<()> {
    let mut files = programs.to_vec();
    for program in programs {
        files.extend(libraries(program)?);
    }
    files.sort();
    files.dedup();
    for file in &files {
        let below = file.components().filter(|part| !matches!(part, std::path::Component::RootDir));
        let copy = rootfs.join(below.collect::<PathBuf>());
        fs::create_dir_all(copy.parent().unwrap_or(rootfs)).during("mkdir", copy.display())?;
        fs::copy(file, &copy).during("copy", file.display())?;
    }
    Ok(())
}

/// See the solution.
pub fn enter_chroot(root: &Path) -> Result<()> {
    let path = c_string(root);
    // Into the directory first, then "." becomes the root.
    // SAFETY: a C string that outlives the call.
    ok(unsafe { libc::chdir(path.as_ptr()) }).during("chdir", root.display())?;
    // SAFETY: as above.
    ok(unsafe { libc::chroot(c".".as_ptr()) }).during("chroot", root.display())
}

/// See the solution.
pub fn escape_chroot() -> Result<()> {
    // SAFETY: each call gets C strings that are literals, or the descriptor that was opened here.
    unsafe {
        let outside = libc::open(c".".as_ptr(), libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC);
        ok(outside).during("open", ".")?;
        libc::mkdir(c"below".as_ptr(), 0o700);
        ok(libc::chroot(c"below".as_ptr())).during("chroot", "below")?;
        let back = ok(libc::fchdir(outside)).during("fchdir", "the directory from before");
        libc::close(outside);
        back?;
        let mut here: libc::stat = std::mem::zeroed();
        let mut above: libc::stat = std::mem::zeroed();
        loop {
            ok(libc::stat(c".".as_ptr(), &raw mut here)).during("stat", ".")?;
            ok(libc::stat(c"..".as_ptr(), &raw mut above)).during("stat", "..")?;
            if (here.st_dev, here.st_ino) == (above.st_dev, above.st_ino) {
                break;
            }
            ok(libc::chdir(c"..".as_ptr())).during("chdir", "..")?;
        }
        ok(libc::chroot(c".".as_ptr())).during("chroot", ".")
    }
}

/// See the solution.
pub fn enter_pivot_root(root: &Path) -> Result<()> {
    const OLD: &str = ".before";
    let new = c_string(root);
    let old = c_string(&root.join(OLD));
    let no: *const c_char = std::ptr::null();
    // SAFETY: C strings that outlive their calls, and null where mount(2) takes none.
    unsafe {
        let private = libc::MS_REC | libc::MS_PRIVATE;
        ok(libc::mount(no, c"/".as_ptr(), no, private, no.cast())).during("mount", "private")?;
        let bind = libc::MS_BIND | libc::MS_REC;
        ok(libc::mount(new.as_ptr(), new.as_ptr(), no, bind, no.cast())).during("bind", root.display())?;
        ok(libc::mkdir(old.as_ptr(), 0o700)).during("mkdir", OLD)?;
        ok(libc::syscall(libc::SYS_pivot_root, new.as_ptr(), old.as_ptr())).during("pivot_root", root.display())?;
        ok(libc::chdir(c"/".as_ptr())).during("chdir", "/")?;
        ok(libc::umount2(c"/.before".as_ptr(), libc::MNT_DETACH)).during("umount2", OLD)?;
        ok(libc::rmdir(c"/.before".as_ptr())).during("rmdir", OLD)
    }
}

/// See the solution.
pub fn seal_fds() -> Result<()> {
    let entries = fs::read_dir("/proc/self/fd").during("read", "/proc/self/fd")?.flatten();
    let numbers: Vec<i32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for fd in numbers.into_iter().filter(|fd| *fd > 2) {
        // The one that the listing itself had is closed by now: EBADF, and no harm.
        // SAFETY: F_SETFD takes three integers and closes nothing.
        unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    Ok(())
}

fn c_string(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap_or_default()
}

fn ok(status: impl Into<i64>) -> io::Result<()> {
    if status.into() < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
