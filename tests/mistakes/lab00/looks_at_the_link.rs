//! "The files are symbolic links, so lstat is the call for them."
//!
//! task: 1
//! test: task1_a_process_sees_its_own_namespaces_of_every_kind
//! test: task1_another_process_is_asked_for_its_own_namespaces
//! says: the inode of the symbolic link itself

let process = format!("/proc/{pid}");
let file = format!("{process}/ns/{kind}");
match fs::metadata(&file).and_then(|_| fs::symlink_metadata(&file)) {
    Ok(metadata) => Ok(NsId(metadata.ino())),
    Err(error) if error.kind() == io::ErrorKind::NotFound => match Path::new(&process).exists() {
        true => Err(Error::NoNamespace { pid, kind }),
        false => Err(Error::NoSuchProcess(pid)),
    },
    Err(error) => Err(error).during("stat", file),
}
