//! "/proc/self is the process that I look at."
//!
//! task: 1
//! test: task1_another_process_is_asked_for_its_own_namespaces
//! says: that is the caller's own namespace

let file = format!("/proc/self/ns/{kind}");
match fs::metadata(&file) {
    Ok(metadata) => Ok(NsId(metadata.ino())),
    Err(error) if error.kind() == io::ErrorKind::NotFound => match Path::new(&format!("/proc/{pid}")).exists() {
        true => Err(Error::NoNamespace { pid, kind }),
        false => Err(Error::NoSuchProcess(pid)),
    },
    Err(error) => Err(error).during("stat", file),
}
